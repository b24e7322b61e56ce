"""What the auditor reads: a table of printed numbers and the few facts that no table states.

A number is kept with half a unit of its last printed digit, since what a printed number can show depends on that.
"""

import csv
import math
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from difflib import get_close_matches
from pathlib import Path

import numpy as np
import pandas as pd

from trainsize.arguments import LARGEST_COUNT
from trainsize.catalogue import DATASETS, Dataset
from trainsize.errors import UserError, listing, near, nearest


@dataclass(frozen=True)
class Field:
    """A column the auditor knows. Kinds: text, flag, count, number, positive, share (0 to 1, or per cent), loss."""

    name: str
    kind: str
    meaning: str
    aliases: tuple[str, ...] = ()


SPLITS = {"test": "on the test set", "train": "on the training images", "validation": "on validation images"}
SCORES = (
    ("accuracy", "share", "accuracy", ("acc", "top1", "acc1", "acc@1")),
    ("accuracy_top5", "share", "top-5 accuracy", ("top5", "acc5", "acc@5")),
    ("f1", "share", "F1 score, however averaged,", ("f1_score", "f1_macro", "f1_micro")),
    ("loss", "loss", "mean cross-entropy in nats", ("cross_entropy", "ce", "log_loss")),
)


def _score_fields() -> Iterable[Field]:
    for split, where in SPLITS.items():
        for name, kind, meaning, aliases in SCORES:
            names = [f"{prefix}_{alias}" for prefix in _prefixes(split) for alias in (name, *aliases)]
            bare = (name, *aliases) if split == "test" else ()
            yield Field(f"{split}_{name}", kind, f"{meaning} {where}", (*names[1:], *bare))


def _prefixes(split: str) -> tuple[str, ...]:
    return (split, "val", "valid") if split == "validation" else (split,)


# Columns that the options of a command line fill; others have options of the same name and another meaning.
_OF_COMMANDS = (
    "model",
    "epochs",
    "batch_size",
    "scheduler",
    "lr_step",
    "lr_gamma",
    "warmup_epochs",
    "optimizer",
    "momentum",
)
FIELDS = (
    Field("model", "text", "what else sets rows apart: network, recipe, configuration"),
    Field(
        "n", "count", "size: training images", ("size", "train_size", "dataset_size", "train_images", "training_size")
    ),
    Field("percent", "positive", "size in per cent of all training images", ("percent_of_data",)),
    Field("seed", "text", "which repeat of the training", ("run",)),
    Field("draw", "text", "which subset of that size"),
    Field("epoch", "number", "when the row was measured, where a run has several rows"),
    Field("fold", "number", "which fold of a cross-validation, in the order trained"),
    Field(
        "statistic",
        "text",
        "what a row prints: `run` (one run's value, the default), `mean`, `median`, `q1`, `q3`, `whisker_low`, "
        "`whisker_high`, `outlier`",
    ),
    Field("runs", "count", "runs behind a mean, a median or a box"),
    Field("precision", "positive", "half-width of a value read off a figure, in the value's own unit"),
    Field("removed", "flag", "`yes` in rows that the authors left out as outliers", ("excluded", "outlier")),
    *_score_fields(),
    Field("first_loss", "loss", "training loss of the first epoch"),
    Field("last_loss", "loss", "training loss of the last epoch"),
    Field("epochs", "positive", "passes over the training subset"),
    Field("updates", "positive", "optimiser updates", ("steps", "iterations")),
    Field("batch_size", "count", "images per update", ("batch",)),
    Field("scheduler", "text", "learning-rate schedule", ("lr_scheduler", "lr_schedule")),
    Field(
        "lr_step", "positive", "epochs from one decay of the learning rate to the next", ("lr_step_size", "step_size")
    ),
    Field("lr_gamma", "positive", "factor of a decay", ("gamma",)),
    Field("warmup_epochs", "number", "epochs of warm-up", ("warmup", "lr_warmup_epochs", "warm_up")),
    Field("optimizer", "text", "name of the optimiser", ("optimiser", "opt")),
    Field("momentum", "number", "momentum of the optimiser"),
    Field(
        "command",
        "text",
        f"the command line as printed; its options fill {', '.join(f'`{name}`' for name in _OF_COMMANDS)}",
    ),
    Field(
        "selection",
        "text",
        "evaluation that is reported: `best` on the test set, best on `validation` images, `last`",
    ),
    Field("evaluations", "count", "evaluations, or configurations, among which the best was chosen"),
    Field("metric", "text", "what a regression on log10 n describes, such as `test_accuracy`"),
    Field("intercept", "number", "the regression's value at n = 1", ("const",)),
    Field("slope", "number", "its change per tenfold n", ("coef", "coefficient")),
    Field("slope_se", "positive", "standard error of the slope", ("slope_std_err",)),
    Field("log_likelihood", "number", "log-likelihood of the regression", ("log_lik", "llf")),
    Field("sizes", "text", "the sizes in the regression, separated by spaces or semicolons"),
    Field("dataset", "text", "data set the rows are of"),
    Field("rows", "count", "rows or images that were read"),
    Field("classes", "count", "classes found: width of the label matrix, distinct labels", ("n_classes",)),
    Field("note", "text", "anything; not audited", ("notes", "comment")),
)
COLUMNS = {field.name: field for field in FIELDS}
_NAMES = {alias: field.name for field in FIELDS for alias in (field.name, *field.aliases)}
STATISTICS = ("run", "mean", "median", "q1", "q3", "whisker_low", "whisker_high", "outlier")
SELECTIONS = ("best", "validation", "last")
SINGLE = ("run", "whisker_low", "whisker_high", "outlier")  # printed numbers that are one run's own value

HIGHEST_LEVEL = 1.5  # of a share in the middle of a regression's sizes; above, it was printed in per cent
LIKELY_SIZE = 1000  # where a regression's sizes are not given
FINEST = 5e-16  # half units; double precision holds no finer shares

_NUMBER = re.compile(r"[+-]?(\d+\.?\d*|\.\d+)(e[+-]?\d{1,6})?", re.IGNORECASE)
_GROUPED = re.compile(r"[+-]?\d{1,3}(,\d{3})+(\.\d+)?")
_MISSING = {"", "-", "–", "—", "na", "n/a", "nan", "none", "null"}
# Last words of columns that are near a score's name and are no slip of it.
_OTHER_NUMBERS = {"std", "sd", "se", "sem", "ci", "min", "max", "auc", "mcc", "top3", "f2"}
_TRUE, _FALSE = {"yes", "true", "1"}, {"no", "false", "0", ""}


def is_known(column: str) -> bool:
    """Whether a column's name is one the auditor reads."""
    return _plain(column) in _NAMES


def _plain(column: str) -> str:
    return re.sub(r"[\s\-]+", "_", column.strip().lower())


@dataclass(frozen=True)
class Facts:
    """What the tables do not say; None where it is not known.

    `classes`, `n_train` and `n_test` are those of the whole data set; `n_validation` images are held out of it;
    `dropout` is the rate at which dropped rows are looked for.
    """

    n_test: int | None = None
    n_train: int | None = None
    n_validation: int | None = None
    batch_size: int | None = None
    classes: int | None = None
    dataset: str | None = None
    dropout: float = 0.5


def facts_of(dataset: str | None = None, **given: object) -> Facts:
    """Return the facts given, those of a data set that the catalogue knows filled in. Raises UserError."""
    given = {key: value for key, value in given.items() if value is not None}
    if dataset is None:
        return Facts(**given)
    card = card_of(dataset)
    if card is None:
        raise UserError(
            f"data set '{dataset}' is not known{nearest(dataset.lower(), DATASETS)}; known: {listing(DATASETS, 30)}"
        )
    return Facts(
        **{"n_train": card.n_train, "n_test": card.n_test, "classes": len(card.classes)} | given, dataset=card.name
    )


def card_of(dataset: str) -> Dataset | None:
    """Return what the catalogue knows of a data set, whose name may be in capitals; None if it does not know it."""
    return DATASETS.get(dataset.lower())


@dataclass(frozen=True)
class Sheet:
    """A table to audit. Shares are fractions; `half` holds half a unit of the last digit of each number in `rows`.

    `percentages` lists the columns that were printed in per cent, `ignored` those that no check reads.
    """

    name: str
    rows: pd.DataFrame
    half: pd.DataFrame
    percentages: tuple[str, ...] = ()
    ignored: tuple[str, ...] = ()

    def has(self, *columns: str) -> bool:
        """Whether every one of the columns is there and holds something."""
        return all(column in self.rows and self.rows[column].notna().any() for column in columns)

    def texts(self, column: str, default: str = "") -> pd.Series:
        """Return a column of texts, `default` where there is none."""
        if column not in self.rows:
            return pd.Series(default, index=self.rows.index)
        return self.rows[column].fillna(default)

    def settings(self, rows: pd.DataFrame) -> list[pd.Series]:
        """Return the columns that set `rows`, some of this table's, apart: model; n, percent and epoch if filled."""
        others = [rows[column] for column in ("n", "percent", "epoch") if column in rows and rows[column].notna().all()]
        return [self.texts("model").loc[rows.index], *others]

    def only(self, column: str) -> float | None:
        """Return the one number that a column holds, or None where it holds several or nothing."""
        values = self.rows[column].dropna().unique() if column in self.rows else []
        return float(values[0]) if len(values) == 1 else None

    def scores(self, *kinds: str) -> list[str]:
        """Return the score columns (such as test_accuracy) of these kinds that hold something."""
        names = [f"{split}_{score[0]}" for split in SPLITS for score in SCORES]
        return [name for name in names if COLUMNS[name].kind in kinds and self.has(name)]


def read_sheet(path: Path) -> Sheet:
    """Read a CSV file of printed numbers. Raises UserError naming file, line and column of what makes no sense."""
    shown = str(near(path))
    try:
        with path.open(encoding="utf-8-sig", newline="") as file:
            lines = dict(_filled_lines(file))
    except FileNotFoundError:
        raise UserError(f"{shown}: there is no such file") from None
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise UserError(f"{shown}: cannot be read as CSV in UTF-8 ({error})") from None
    return sheet_of_texts(_frame(lines, shown), shown, [*lines][1:])


def _filled_lines(file: Iterable[str]) -> Iterator[tuple[int, list[str]]]:
    """Yield the cells of each row that is not empty, and the line where it begins; a cell may go over several lines."""
    reader, begin = csv.reader(file, skipinitialspace=True, strict=True), 1
    for cells in reader:
        if any(map(str.strip, cells)):
            yield begin, cells
        begin = reader.line_num + 1


def _frame(lines: Mapping[int, list[str]], name: str) -> pd.DataFrame:
    """Return the rows below the header as a table of texts. Raises UserError for rows longer than the header."""
    header, *rows = lines.values() or [[]]
    for separator, called in {";": "semicolons", "\t": "tabs"}.items():
        if len(header) == 1 and separator in header[0]:
            raise UserError(f"{name}: columns are separated by commas, here it seems by {called}")
    for line, cells in lines.items():
        if len(cells) > len(header):
            raise UserError(
                f"{name}, line {line}: the row has more values than the header has columns (decimal commas?)"
            )
    if not rows:
        raise UserError(f"{name}: has no rows below its header")
    texts = [[" ".join(cell.split()) for cell in cells] + [""] * (len(header) - len(cells)) for cells in rows]
    return pd.DataFrame(texts, columns=header, dtype=str)


def sheet_of_texts(frame: pd.DataFrame, name: str, lines: Sequence[int] | None = None) -> Sheet:
    """Return the sheet of a table whose cells are texts as printed. Raises UserError.

    `lines` are the rows' lines in the file, for messages; where they are not given, a header stands in line 1.
    """
    found, ignored = _recognised(frame.columns, name)
    lines = range(2, len(frame) + 2) if lines is None else lines
    texts = _with_options(frame[list(found)].rename(columns=found).set_axis(lines))
    rows, half, percentages = {}, {}, []
    for column in texts:
        kind = COLUMNS[column].kind
        if kind in ("text", "flag"):
            rows[column] = _words(texts[column], kind, name)
            continue
        rows[column], half[column], percent = _numbers(texts[column], name)
        percentages += [column] if percent else []
    if "metric" in rows:
        rows["metric"] = rows["metric"].map(lambda word: _NAMES.get(_plain(word), word), na_action="ignore")
    _check(rows, name)
    rows, half = pd.DataFrame(rows), pd.DataFrame(half, index=texts.index)
    half = _with_precision(rows, half, percentages).clip(lower=FINEST)
    if {"metric", "intercept", "slope"} <= set(rows):
        _check_regressions(rows, name)
        rows, half = _as_fractions(rows, half)
    return Sheet(name, rows.reset_index(drop=True), half.reset_index(drop=True), tuple(percentages), tuple(ignored))


def sheet_of_numbers(frame: pd.DataFrame, name: str, half: float = 1e-9) -> Sheet:
    """Return the sheet of a table of exact numbers under the auditor's own column names; other columns are left out."""
    rows = frame[[column for column in frame if column in COLUMNS]].reset_index(drop=True)
    numbers = [column for column in rows if COLUMNS[column].kind not in ("text", "flag")]
    return Sheet(name, rows, pd.DataFrame(half, index=rows.index, columns=numbers))


def _recognised(columns: Iterable[str], name: str) -> tuple[dict[str, str], list[str]]:
    """Return the known columns under their own names, and the others. Raises UserError for what looks like a slip."""
    found: dict[str, str] = {}
    ignored = []
    plain = {column: _plain(column) for column in columns}
    for column in columns:
        known = _NAMES.get(plain[column])
        if known is None or _is_second_f1(plain[column], plain.values()):
            ignored.append(column)
        elif known in found.values():
            raise UserError(f"{name}: two columns mean '{known}'; keep one of them")
        else:
            found[column] = known
    for column in ignored:
        close = get_close_matches(plain[column], _NAMES, n=1, cutoff=0.85)
        other = plain[column].split("_")[-1] in _OTHER_NUMBERS
        if close and not other and _NAMES[close[0]] not in found.values():
            raise UserError(f"{name}: unknown column '{column}'; did you mean '{close[0]}'?")
    if not set(found.values()) - {"note"}:
        raise UserError(
            f"{name}: no column is known to the auditor; found {listing(ignored)}; known, among others: n, seed, fold, "
            "test_accuracy, test_loss, train_accuracy, epochs, lr_step, metric, slope (docs/audit.md lists all)"
        )
    return found, ignored


def _is_second_f1(plain: str, beside: Iterable[str]) -> bool:
    """Whether a column is a micro-averaged F1 beside a macro-averaged one, which is the one to be audited."""
    return plain.endswith("f1_micro") and plain.replace("micro", "macro") in beside


_OPTION = re.compile(r"--([A-Za-z][\w-]*)(?:[ =]+(?!--)(\S+))?")


def options_of(command: str) -> dict[str, str]:
    """Return the `--options` of a command line with their values, under the auditor's column names where it has one."""
    plain = {key.lower().replace("-", "_"): value for key, value in _OPTION.findall(command)}
    return {_NAMES.get(key, key): value for key, value in plain.items()}


def _with_options(texts: pd.DataFrame) -> pd.DataFrame:
    """Fill columns with what the printed command lines say."""
    if "command" not in texts:
        return texts
    texts = texts.copy()
    for row, command in texts["command"].items():
        for column, value in options_of(command).items():
            if column in _OF_COMMANDS:
                if column not in texts:
                    texts[column] = ""
                texts.loc[row, column] = texts.loc[row, column] or value
    return texts


def _words(texts: pd.Series, kind: str, name: str) -> pd.Series:
    plain = texts.str.strip()
    if kind == "text":
        return plain.where(~plain.str.lower().isin(_MISSING))
    lower = plain.str.lower()
    for row in lower.index[~lower.isin(_TRUE | _FALSE)]:
        raise UserError(f"{_place(name, row, texts.name)}: '{plain[row]}'; allowed: yes, no")
    return lower.isin(_TRUE)


def _numbers(texts: pd.Series, name: str) -> tuple[pd.Series, pd.Series, bool]:
    """Return numbers, half units of their last digits, and whether they were printed in per cent."""
    field = COLUMNS[texts.name]
    cells = [_cell(text, _place(name, line, texts.name)) for line, text in texts.items()]
    cells = pd.DataFrame(cells, index=texts.index, columns=["value", "decimals", "sign"])
    percent = bool(field.kind == "share" and (cells["sign"].any() or cells["value"].max() > 1))
    scale = 100 if percent else 1
    for line, value, decimals, sign in cells.dropna().itertuples():
        wrong = _wrong(value / scale, field.kind) or _doubtful(value, decimals, sign, field, percent)
        if wrong:
            raise UserError(f"{_place(name, line, texts.name)}: '{texts[line]}' {wrong}")
    return cells["value"] / scale, 0.5 * 10.0 ** -cells["decimals"] / scale, percent


def _cell(text: str, place: str) -> tuple[float, float, bool]:
    """Return value, decimals and whether a per cent sign stands behind it; nan for what is missing."""
    plain = text.strip()
    if plain.lower() in _MISSING:
        return math.nan, math.nan, False
    sign = plain.endswith("%")
    plain = plain.removesuffix("%").strip()
    if _GROUPED.fullmatch(plain):
        plain = plain.replace(",", "")
    if not _NUMBER.fullmatch(plain):
        comma = "; decimals are written with a point" if "," in plain else ""
        raise UserError(f"{place}: '{text}' is not a number{comma}")
    if math.isinf(float(plain)):
        raise UserError(f"{place}: '{text}' is too large")
    mantissa, _, exponent = plain.lower().partition("e")
    return float(plain), len(mantissa.partition(".")[2]) - int(exponent or 0), sign


def _wrong(value: float, kind: str) -> str:
    """Return what is wrong with a number of this kind, or nothing."""
    if kind == "count" and (not 1 <= value <= LARGEST_COUNT or value != round(value)):
        return f"is not a whole number from 1 to {LARGEST_COUNT:,}"
    if kind == "positive" and value <= 0:
        return "is not above 0"
    if kind == "share" and not 0 <= value <= 1:
        return "is neither a share (0 to 1) nor a percentage (0 to 100)"
    return "is below 0, which no cross-entropy is" if kind == "loss" and value < 0 else ""


def _doubtful(value: float, decimals: float, sign: bool, field: Field, percent: bool) -> str:
    """Return what leaves it open which number is meant by a printed value, or nothing."""
    if sign and field.kind != "share" and field.name != "percent":
        return "has a per cent sign, which only accuracies, F1 and the column percent can have"
    if field.kind == "count" and decimals > 1:
        return "has decimals; thousands are grouped by commas, in quotes, or not at all"
    if percent and not sign and 0 < value <= 1:
        return f"stands among per cents; write {100 * value:g}%, or {value:g}% if that is meant"
    return ""


def _place(name: str, line: int, column: str) -> str:
    return f"{name}, line {line}, column {column}"


def _check(rows: Mapping[str, pd.Series], name: str) -> None:
    """Raise UserError for a word that is none of those a column may hold."""
    metrics = [f"{split}_{score[0]}" for split in SPLITS for score in SCORES]
    allowed = {"statistic": STATISTICS, "selection": SELECTIONS, "metric": metrics}
    for column, words in allowed.items():
        for row, word in rows.get(column, pd.Series(dtype=object)).dropna().items():
            if word not in words:
                message = f"{_place(name, row, column)}: '{word}'{nearest(word, words)}"
                raise UserError(f"{message}; allowed: {listing(words, 30)}")
    for row, text in rows.get("sizes", pd.Series(dtype=object)).dropna().items():
        if not all(word.isdecimal() and 1 <= float(word) <= LARGEST_COUNT for word in _size_words(text)):
            raise UserError(
                f"{_place(name, row, 'sizes')}: '{text}'; write whole numbers from 1 to {LARGEST_COUNT:,} with spaces "
                "between them"
            )


def _size_words(text: str) -> list[str]:
    return [word.replace(",", "") for word in text.replace(";", " ").split()]


def sizes_of(text: str) -> tuple[int, ...]:
    """Return the sizes in a cell such as "750; 1,500 3000", ascending."""
    return tuple(sorted(map(int, _size_words(text))))


def _with_precision(rows: pd.DataFrame, half: pd.DataFrame, percentages: list[str]) -> pd.DataFrame:
    """Put the stated precision of what was read off a figure in the place of the printed digits'."""
    if "precision" not in rows:
        return half
    half = half.copy()
    for column in half:
        if COLUMNS[column].kind in ("share", "loss"):
            precision = rows["precision"] / (100 if column in percentages else 1)
            half[column] = precision.where(precision.notna(), half[column])
    return half


def regressions(rows: pd.DataFrame) -> pd.DataFrame:
    """Return the rows that hold a whole regression.

    `model` is a text, `sizes` what `sizes_of` returns, and `level` the line's value in the middle of the sizes.
    """
    whole = rows.dropna(subset=["metric", "intercept", "slope"])
    texts = whole.reindex(columns=["model", "sizes"], fill_value="").fillna("")
    sizes = texts["sizes"].map(sizes_of)
    middle = [np.log10(of_fit or LIKELY_SIZE).mean() for of_fit in sizes]
    return whole.assign(model=texts["model"], sizes=sizes, level=whole["intercept"] + whole["slope"] * middle)


def _check_regressions(rows: pd.DataFrame, name: str) -> None:
    """Raise UserError for a second regression of the same, since regressions are matched by metric, model and sizes."""
    fits = regressions(rows)
    for line in fits.index[fits.duplicated(["model", "metric", "sizes"])]:
        raise UserError(
            f"{_place(name, line, 'metric')}: a second regression of {fits['metric'][line]} over the same sizes; tell "
            "them apart by column model or sizes"
        )


def _as_fractions(rows: pd.DataFrame, half: pd.DataFrame) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Return rows and half units with the regressions of shares that were printed in per cent as those of fractions."""
    fits = regressions(rows)
    shares = np.array([COLUMNS[metric].kind == "share" for metric in fits["metric"]], dtype=bool)
    percent = fits.index[shares & (fits["level"] > HIGHEST_LEVEL)]
    rows, half = rows.copy(), half.copy()
    for column in {"intercept", "slope", "slope_se"} & set(rows):
        rows.loc[percent, column] /= 100
        half.loc[percent, column] /= 100
    if "log_likelihood" in rows:
        rows.loc[percent, "log_likelihood"] += fits["sizes"][percent].map(len) * np.log(100)
    return rows, half
