"""The input of the command: a table of learning curves, its metrics, targets and a folder for the output."""

import io
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from difflib import get_close_matches
from pathlib import Path

import numpy as np
import pandas as pd

from trainsize.common.errors import UserError, absent, did_you_mean, enumerated, listing, unreadable
from trainsize.curves.curve import Response
from trainsize.runs.metrics import KINDS, METRICS, Metric, metric_of
from trainsize.sheets.cells import sizes_of
from trainsize.sheets.headers import plain
from trainsize.sheets.numbers import MISSING, not_numbers, numbers_of
from trainsize.sheets.reader import Texts, note_of, read_texts

WHOLE = {"n": (1, 10**15), "seed": (0, 2**63)}  # smallest, and exclusive upper limit: integers have 64 bits
KEYS = ("model", "n", "draw", "seed")  # what a run is known by
TIMES = ("epoch", "step", "iteration", "update")  # columns that say when a run was evaluated
COLUMNS = ("n", "percent", "seed", "model", "draw", "fold", "status", "seconds", "seconds_total")


@dataclass(frozen=True)
class Curves:
    """A table of learning curves, and in `note` what was not read literally (empty if everything was).

    `lines` are the lines or rows of the file that the rows of the table come from, named "line" or "row", and `headers`
    those of the file, of columns that have another name in the table.
    """

    table: pd.DataFrame
    note: str
    lines: pd.Index
    headers: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class _Read:
    """A table with the lines of the file as its index, notes and headers."""

    table: pd.DataFrame
    notes: Sequence[str] = ()
    headers: Mapping[str, str] = field(default_factory=dict)


def read_curves(path: Path, stated: Sequence[str] = (), n_train: int | None = None) -> Curves:
    """Read a table of learning curves, delimited text or Parquet. Raises UserError for anything else.

    The table has the columns n, seed, model, draw and status, and may have seconds_total. `stated` are metrics as
    NAME or NAME:KIND, and `n_train` is the number of images that parts of the data set refer to.
    """
    read = _read_parquet(path) if path.suffix == ".parquet" else _read_text(path, stated, n_train)
    table, keys = read.table, [key for key in KEYS if key in read.table]
    if not len(table):
        raise UserError(f"{path}: has a header but no rows")
    _check_column("n", table, path)
    table, numbered = _with_seeds(table, path)
    table = _with_seconds(_with_whole_numbers(table, path), path)
    for column, default in {"model": "model", "draw": table["seed"], "status": "finished"}.items():
        if column not in table:
            table[column] = default
    for column in ("model", "draw"):
        _refuse(path, table[column], _blank(table[column]), "a value in every row, or no such column at all")
    table["model"] = table["model"].astype(str)
    table["status"] = table["status"].astype(str).mask(_blank(table["status"]), "no status")
    _check_runs(table, keys, path)
    note = note_of([*read.notes, *numbered])
    return Curves(table.reset_index(drop=True), note, table.index, read.headers)


def _check_runs(table: pd.DataFrame, keys: Sequence[str], path: Path) -> None:
    """Raise UserError for two rows of one run, with their lines; `keys` are the columns of the file that name it."""
    repeated = table[table.duplicated([*KEYS], keep=False)]
    if repeated.empty:
        return
    run = repeated.iloc[0]
    rows = repeated[(repeated[[*KEYS]] == run[[*KEYS]]).all(axis=1)]
    named = ", ".join(f"{key} {run[key]}" for key in keys)
    found = f"{path}: {table.index.name}s {enumerated(rows.index)} are of the same run ({named})"
    if apart := _telling_apart(table, repeated):
        raise UserError(f"{found}; the column '{apart[0]}' tells them apart: {_way_to_tell(table, apart[0], keys)}")
    raise UserError(f"{found}; keep one row per run, or tell them apart by a column seed, draw or model")


def _way_to_tell(table: pd.DataFrame, column: str, keys: Sequence[str]) -> str:
    """Return what to do with a column that tells rows of one run apart: a time, a repetition, a setting."""
    if plain(column) in TIMES:
        return "keep one row per run, such as that of its last epoch"
    if column == "fold" or pd.api.types.is_integer_dtype(table[column]):
        for key in ("draw", "seed"):
            if key not in keys:
                return f"call it {key}"
            if table[key].nunique() == 1:
                return f"call it {key}, in place of the column that is always {table[key].iloc[0]}"
    if "model" not in keys:
        return "if it is a setting, call it model"
    return "if it is a setting, write it into the column model"


def _telling_apart(table: pd.DataFrame, repeated: pd.DataFrame) -> list[str]:
    """Return the columns that make rows of one run different ones, the likeliest first: a fold before an epoch."""
    others = [column for column in table if column not in (*KEYS, "status", "seconds_total") and not metric_of(column)]
    apart = [column for column in others if not repeated.duplicated([*KEYS, column]).any()]
    return sorted(apart, key=lambda column: (column != "fold", pd.api.types.is_float_dtype(table[column])))


def _read_parquet(path: Path) -> _Read:
    try:
        table = pd.read_parquet(path).reset_index(drop=True).rename(columns=str)
    except FileNotFoundError:
        raise UserError(f"{path}: {absent(path)}") from None
    except (OSError, ValueError) as error:
        raise unreadable(path, error, form="parquet") from error
    return _Read(table.set_index(pd.RangeIndex(1, len(table) + 1, name="row")))


def _read_text(path: Path, stated: Sequence[str], n_train: int | None) -> _Read:
    """Return a table with the types that pandas gives its cells, shares as fractions, and lines as index."""
    names = [text.partition(":")[0] for text in stated]

    def is_known(column: str) -> bool:
        return column in (*COLUMNS, *names) or metric_of(column) is not None

    texts = read_texts(path, is_known, names, n_train)
    frame, notes = texts.frame, [*texts.notes]
    if "n" not in frame and "percent" in frame:
        frame["n"] = sizes_of(frame["percent"] + "%", decimal_commas=False, n_train=n_train, name=texts.name)
        notes.append(f"n from percent, of {n_train:,} training images")
    frame, in_per_cent = _as_fractions(frame, texts)
    if texts.means:
        notes.append("means over runs, which show no spread between runs")
    if texts.means and "n" in frame and "seed" not in frame:
        _check_means(frame, texts.name)
    typed = pd.read_csv(io.StringIO(frame.to_csv(index=False)), skip_blank_lines=False)
    return _Read(typed.set_index(frame.index.rename("line")), [*notes, *in_per_cent], texts.headers)


def _check_means(frame: pd.DataFrame, name: str) -> None:
    """Raise UserError for several means of one size, which would pass for its repetitions."""
    several = frame[frame.duplicated([column for column in ("model", "n") if column in frame])]
    if len(several):
        keys = [column for column in ("model", "n") if column in frame]
        first = frame.index[(frame[keys] == several[keys].iloc[0]).all(axis=1)][0]
        raise UserError(
            f"{name}: line {several.index[0]} has a second mean for n {several['n'].iloc[0]} (the first is in line "
            f"{first}); tell them apart by a column model, or keep one"
        )


def _as_fractions(frame: pd.DataFrame, texts: Texts) -> tuple[pd.DataFrame, list[str]]:
    """Return the table with shares in per cent as fractions. Raises UserError for columns that mix both."""
    notes = []
    for column in frame:
        metric = metric_of(column)
        if metric is None or not metric.is_share:
            continue
        signs = frame[column].str.endswith("%")
        if signs.any() or pd.to_numeric(frame[column], errors="coerce").replace(np.inf, np.nan).max() > 1:
            numbers, _, _ = numbers_of(frame[column], "share", texts.name, texts.headers.get(column, ""))
            frame = frame.assign(**{column: numbers.map(lambda number: "" if np.isnan(number) else repr(number))})
            notes += [] if signs.all() else [f"{column} in per cent"]
    return frame, notes


def _with_seeds(table: pd.DataFrame, path: Path) -> tuple[pd.DataFrame, list[str]]:
    """Return the table with a number for every repetition, and how they were numbered if they had none."""
    groups = [column for column in ("model", "draw", "n") if column in table]
    if "seed" in table:
        if "fold" in table and "draw" not in table and table.duplicated([*groups, "seed"]).any():
            return table.assign(draw=table["fold"]), ["folds as draws"]
        if not _blank(table["seed"]).any() and pd.to_numeric(table["seed"], errors="coerce").isna().all():
            return table.assign(seed=pd.factorize(table["seed"])[0]), ["seeds numbered in their order"]
        return table, []
    if close := get_close_matches("seed", [str(column) for column in table], n=1, cutoff=0.8):
        raise UserError(f"{path}: no column 'seed'; did you mean '{close[0]}'? (columns: {listing(table.columns)})")
    if "fold" in table:
        return table.assign(seed=table["fold"]), ["folds as repetitions"]
    order = table.groupby(groups, dropna=False).cumcount() + 1
    if order.max() == 1:
        return table.assign(seed=1), []
    _check_repetitions(table, groups, path)
    return table.assign(seed=order), ["rows of the same size as repetitions, in their order"]


def _check_repetitions(table: pd.DataFrame, groups: list[str], path: Path) -> None:
    """Raise UserError if rows of the same size without a seed differ by more than their scores: an epoch, a setting."""
    for column in table.columns.difference([*COLUMNS, *filter(metric_of, table)], sort=False):
        is_setting = not pd.api.types.is_numeric_dtype(table[column]) and table[column].duplicated().any()
        if not (is_setting or plain(column) in TIMES):
            continue
        for _, rows in table.groupby(groups):
            other = rows.index[rows[column].ne(rows[column].iloc[0]).to_numpy()]
            if len(other) and rows[column].nunique() > 1:
                raise UserError(
                    f"{path}: rows of the same size differ in '{column}'; keep one row per run, call the column model, "
                    f"or add a column seed ({table.index.name} {rows.index[0]} has {rows[column].iloc[0]}, "
                    f"{table.index.name} {other[0]} has {rows.loc[other[0]][column]})"
                )


def _check_column(column: str, table: pd.DataFrame, path: Path) -> None:
    if column not in table:
        named, columns = "n', the training images" if column == "n" else f"{column}'", listing(table.columns)
        raise UserError(f"{path}: no column '{named}{did_you_mean(column, table.columns)} (columns: {columns})")


def _with_whole_numbers(table: pd.DataFrame, path: Path) -> pd.DataFrame:
    """Return the table with n and seed as integers."""
    for column, (least, limit) in WHOLE.items():
        number = pd.to_numeric(table[column].astype(str), errors="coerce")
        bad = number.isna() | (number % 1 != 0) | (number < least) | (number >= limit)
        below = f" and less than {limit:,}" if (number >= limit).any() else ""
        _refuse(path, table[column], bad, f"a whole number of at least {least}{below}")
        table[column] = number.astype(int)
    return table


def _with_seconds(table: pd.DataFrame, path: Path) -> pd.DataFrame:
    """Return the table with its seconds, if it has any, as numbers in the column `seconds_total`."""
    names = [name for name in ("seconds", "seconds_total") if name in table]
    if len(names) > 1:
        raise UserError(f"{path}: columns 'seconds' and 'seconds_total' mean the same; remove one of them")
    for name in names:
        number = pd.to_numeric(table[name], errors="coerce")
        _refuse(path, table[name], number.isna() & ~_blank(table[name]), "a number of seconds, or nothing")
        table[name] = number.astype(float)
    return table.rename(columns={"seconds": "seconds_total"})


def _refuse(path: Path, values: pd.Series, bad: pd.Series, expected: str) -> None:
    """Raise UserError, naming its place, for the first bad value."""
    rows = np.flatnonzero(bad)
    if len(rows):
        found = "nothing" if _blank(values).iloc[rows[0]] else values.iloc[rows[0]]
        place = f"{values.index.name} {values.index[rows[0]]}"
        raise UserError(f"{path}: {place}, column '{values.name}': found {found}, expected {expected}")


def _blank(values: pd.Series) -> pd.Series:
    return values.isna() | (values.astype(str).str.strip() == "")


def responses_of(table: pd.DataFrame, stated: list[str], path: Path) -> list[Response]:
    """Return the metrics to analyse: those `stated` as NAME or NAME:KIND, or all columns known by name.

    Scores on validation images count where there are none on the test set.
    """
    responses: dict[str, Response] = {}
    known = [c for c in table if metric_of(c) and not c.startswith("train_")]
    on_test = [c for c in known if not c.startswith("validation_")]
    for text in stated or on_test or known:
        column, _, kind = text.partition(":")
        _check_column(column, table, path)
        metric = _metric(column, kind)
        if metric is None:
            raise UserError(
                f"--metric {text}: state its kind: {column}:score (higher is better), {column}:error or {column}:loss"
            )
        if metric.name in responses:
            before = responses[metric.name].column
            if column == before:
                raise UserError(f"--metric {text}: found '{column}' twice, expected once")
            raise UserError(f"{path}: columns '{before}' and '{column}' mean the same; choose one with --metric")
        responses[metric.name] = Response(column, metric)
    if not responses:
        others = listing(column for column in table if column not in COLUMNS) or "none"
        raise UserError(
            f"{path}: no column is a known metric ({listing(METRICS)}); state one with --metric NAME:KIND (other "
            f"columns: {others})"
        )
    return list(responses.values())


def check_numbers(curves: Curves, responses: Sequence[Response], path: Path) -> None:
    """Raise UserError for cells of the metrics that are neither numbers nor empty."""
    for column in (response.column for response in responses):
        values = curves.table[column].set_axis(curves.lines)
        texts = values.astype(str).str.strip()
        number = pd.to_numeric(values, errors="coerce").astype(float)
        wrong = texts[(number.isna() & values.notna() & ~texts.str.lower().isin(MISSING)).to_numpy()]
        if len(wrong):
            header = curves.headers.get(column, column)
            raise UserError(f"{path}: {not_numbers(wrong, header, str(curves.lines.name))}")


def _metric(column: str, kind: str) -> Metric | None:
    """Return the metric of a column, of the stated kind if there is one; None where no kind is known."""
    name = column.removeprefix("test_")
    known = metric_of(column)
    if kind and (known is None or known.kind != kind):
        return Metric(name, name, kind) if kind in KINDS else None
    return known and replace(known, name=name)


def make_folder(folder: Path) -> None:
    """Create the output folder. Raises UserError where that is impossible, before any work is done."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        why = "a file has this name" if isinstance(error, FileExistsError) else error.strerror
        raise UserError(f"--output {folder}: cannot create this folder ({why})") from error
    if not os.access(folder, os.W_OK | os.X_OK):
        raise UserError(f"--output {folder}: no permission to write to this folder")
