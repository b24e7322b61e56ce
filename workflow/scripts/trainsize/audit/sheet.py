"""A table of printed numbers as the auditor reads it.

Every number comes with half a unit of its last printed digit, which limits what the number can show.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from difflib import get_close_matches
from pathlib import Path

import pandas as pd

from trainsize.audit.columns import (
    COLUMNS,
    KNOWN_NAMES,
    SCORES,
    SELECTIONS,
    SPLITS,
    STATISTICS,
    is_known,
    plain_name,
    with_options,
)
from trainsize.audit.printed_lines import as_fractions, check_regressions, size_words
from trainsize.common.arguments import LARGEST_COUNT
from trainsize.common.errors import UserError, did_you_mean, listing
from trainsize.sheets.numbers import FINEST, location, numbers_of, words_of
from trainsize.sheets.reader import note_of, read_texts

# Last words of columns whose names are similar to a score's and are not misspelt.
_OTHER_NUMBERS = {"std", "sd", "se", "sem", "ci", "min", "max", "auc", "mcc", "top3", "f2"}


@dataclass(frozen=True)
class Sheet:
    """A table to audit, with shares as fractions.

    `half` holds half a unit of the last digit of each number in `rows`. `percentages` lists the columns that were
    printed in per cent, `ignored` those that no check reads. `note` says what was not read literally.
    """

    name: str
    rows: pd.DataFrame
    half: pd.DataFrame
    percentages: tuple[str, ...] = ()
    ignored: tuple[str, ...] = ()
    note: str = ""

    def has(self, *columns: str) -> bool:
        """Whether all of the columns exist and hold a value."""
        return all(column in self.rows and self.rows[column].notna().any() for column in columns)

    def texts(self, column: str, default: str = "") -> pd.Series:
        """Return a column of texts, with `default` for missing ones."""
        if column not in self.rows:
            return pd.Series(default, index=self.rows.index)
        return self.rows[column].fillna(default)

    def settings(self, rows: pd.DataFrame) -> list[pd.Series]:
        """Return the columns that group `rows`, some rows of this table: model, and n, percent and epoch if filled."""
        others = [rows[column] for column in ("n", "percent", "epoch") if column in rows and rows[column].notna().all()]
        return [self.texts("model").loc[rows.index], *others]

    def only(self, column: str) -> float | None:
        """Return the one number that a column holds, or None if it holds several or none."""
        values = self.rows[column].dropna().unique() if column in self.rows else []
        return float(values[0]) if len(values) == 1 else None

    def scores(self, *kinds: str) -> list[str]:
        """Return the score columns (such as test_accuracy) of these kinds that hold a value."""
        names = [f"{split}_{metric.name}" for split in SPLITS for metric in SCORES]
        return [name for name in names if COLUMNS[name].kind in kinds and self.has(name)]


def read_sheet(path: Path, n_train: int | None = None) -> Sheet:
    """Read a file of printed numbers; `n_train` is the number of images that parts of the data set refer to.

    Raises UserError naming file, line and column of what is invalid.
    """
    texts = read_texts(path, is_known, n_train=n_train)
    frame = texts.frame.assign(statistic="mean") if texts.means and "statistic" not in texts.frame else texts.frame
    return replace(sheet_of_texts(frame, texts.name, [*frame.index], texts.headers), note=note_of(texts.notes))


def sheet_of_texts(
    frame: pd.DataFrame, name: str, lines: Sequence[int] | None = None, headers: Mapping[str, str] | None = None
) -> Sheet:
    """Return the sheet of a table whose cells are texts as printed. Raises UserError.

    `lines` are the rows' lines in the file, for messages; without them, the header is line 1. `headers` are those of
    the file, of columns that have another name here.
    """
    known, ignored = _recognised(frame.columns, name)
    written = {own: (headers or {}).get(column, column) for column, own in known.items()}
    lines = range(2, len(frame) + 2) if lines is None else lines
    texts = with_options(frame[list(known)].rename(columns=known).set_axis(lines))
    rows, half, percentages = {}, {}, []
    for column in texts:
        kind = COLUMNS[column].kind
        if kind in ("text", "flag"):
            rows[column] = words_of(texts[column], kind, name, written.get(column, column))
            continue
        rows[column], half[column], percent = numbers_of(texts[column], kind, name, written.get(column, column))
        percentages += [column] if percent else []
    if "metric" in rows:
        rows["metric"] = rows["metric"].map(lambda word: KNOWN_NAMES.get(plain_name(word), word), na_action="ignore")
    _check(rows, name, written)
    rows, half = pd.DataFrame(rows), pd.DataFrame(half, index=texts.index)
    half = _with_precision(rows, half, percentages).clip(lower=FINEST)
    if {"metric", "intercept", "slope"} <= set(rows):
        check_regressions(rows, name)
        rows, half = as_fractions(rows, half)
    return Sheet(name, rows.reset_index(drop=True), half.reset_index(drop=True), tuple(percentages), tuple(ignored))


def sheet_of_numbers(frame: pd.DataFrame, name: str, half: float = 1e-9) -> Sheet:
    """Return the sheet of a table of exact numbers; columns that do not have the auditor's own names are left out."""
    rows = frame[[column for column in frame if column in COLUMNS]].reset_index(drop=True)
    numbers = [column for column in rows if COLUMNS[column].kind not in ("text", "flag")]
    return Sheet(name, rows, pd.DataFrame(half, index=rows.index, columns=numbers))


def _recognised(columns: Iterable[str], name: str) -> tuple[dict[str, str], list[str]]:
    """Return the auditor's names of the known columns, and the other columns. Raises UserError for misspelt ones."""
    names: dict[str, str] = {}
    ignored = []
    plain = {column: plain_name(column) for column in columns}
    for column in columns:
        known = KNOWN_NAMES.get(plain[column])
        if known is None or _is_second_f1(plain[column], plain.values()):
            ignored.append(column)
        elif known in names.values():
            first = next(other for other, own in names.items() if own == known)
            raise UserError(f"{name}: two columns mean '{known}': '{first}' and '{column}'; keep one of them")
        else:
            names[column] = known
    for column in ignored:
        close = get_close_matches(plain[column], KNOWN_NAMES, n=1, cutoff=0.85)
        other = plain[column].split("_")[-1] in _OTHER_NUMBERS
        if close and not other and KNOWN_NAMES[close[0]] not in names.values():
            raise UserError(f"{name}: unknown column '{column}'; did you mean '{close[0]}'? Rename it")
    if not set(names.values()) - {"note"}:
        raise UserError(
            f"{name}: the auditor knows none of the columns {listing(ignored)}; it knows n, seed, fold, test_accuracy, "
            "test_loss, train_accuracy, epochs, lr_step, metric, slope and others (docs/audit.md lists them all)"
        )
    return names, ignored


def _is_second_f1(plain: str, beside: Iterable[str]) -> bool:
    """Whether a column is a micro-averaged F1 beside a macro-averaged one, which is audited instead."""
    return plain.endswith("f1_micro") and plain.replace("micro", "macro") in beside


def _check(rows: Mapping[str, pd.Series], name: str, written: Mapping[str, str]) -> None:
    """Raise UserError for a word that is not allowed in its column, which has the header `written` in the file."""
    metrics = [f"{split}_{metric.name}" for split in SPLITS for metric in SCORES]
    allowed = {"statistic": STATISTICS, "selection": SELECTIONS, "metric": metrics}
    for column, words in allowed.items():
        for row, word in rows.get(column, pd.Series(dtype=object)).dropna().items():
            if word not in words:
                message = f"{location(name, row, written.get(column, column))}: '{word}'{did_you_mean(word, words)}"
                raise UserError(f"{message}; allowed: {listing(words, 30)}")
    for row, text in rows.get("sizes", pd.Series(dtype=object)).dropna().items():
        if not all(word.isdecimal() and 1 <= float(word) <= LARGEST_COUNT for word in size_words(text)):
            place = location(name, row, written.get("sizes", "sizes"))
            raise UserError(
                f"{place}: '{text}'; write whole numbers from 1 to {LARGEST_COUNT:,} with spaces between them"
            )


def _with_precision(rows: pd.DataFrame, half: pd.DataFrame, percentages: list[str]) -> pd.DataFrame:
    """Replace the precision of the printed digits by that stated for numbers read off a figure."""
    if "precision" not in rows:
        return half
    half = half.copy()
    for column in half:
        if COLUMNS[column].kind in ("share", "loss"):
            precision = rows["precision"] / (100 if column in percentages else 1)
            half[column] = precision.where(precision.notna(), half[column])
    return half
