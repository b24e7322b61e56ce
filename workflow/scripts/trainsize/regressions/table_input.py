"""The input of the command: a table of learning curves, its metrics, targets and a folder for the output."""

import os
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd

from trainsize.common.errors import UserError, did_you_mean, listing, unreadable
from trainsize.curves.curve import Response
from trainsize.runs.metrics import KINDS, METRICS, Metric, metric_of

WHOLE = {"n": (1, 10**15), "seed": (0, 2**63)}  # smallest, and exclusive upper limit: integers have 64 bits


def read_curves(path: Path) -> pd.DataFrame:
    """Read a table of learning curves, CSV or Parquet. Raises UserError for anything else.

    It has the columns n and seed, and may have model, draw, status and seconds (or seconds_total).
    """
    table = _with_whole_numbers(_read(path), path)
    table = _with_seconds(table, path)
    for column, default in {"model": "model", "draw": table["seed"], "status": "finished"}.items():
        if column not in table:
            table[column] = default
    for column in ("model", "draw"):
        _refuse(path, table[column], _blank(table[column]), "a value in every row, or no such column at all")
    table["model"] = table["model"].astype(str)
    table["status"] = table["status"].astype(str).mask(_blank(table["status"]), "no status")
    repeated = table[table.duplicated(["model", "n", "draw", "seed"])]
    if len(repeated):
        row = repeated.iloc[0]
        raise UserError(
            f"{path}: two rows of model {row['model']}, n {row['n']}, draw {row['draw']}, seed {row['seed']}"
        )
    return table


def _read(path: Path) -> pd.DataFrame:
    if not path.is_file():
        raise UserError(f"{path}: no such file")
    try:
        table = pd.read_parquet(path) if path.suffix == ".parquet" else pd.read_csv(path)
    except (OSError, ValueError, pd.errors.ParserError) as error:
        raise unreadable(path, error, form=path.suffix[1:] or "CSV") from error
    for column in WHOLE:
        _check_column(column, table, path)
    if not len(table):
        raise UserError(f"{path}: has a header but no rows")
    return table


def _check_column(column: str, table: pd.DataFrame, path: Path) -> None:
    if column not in table:
        columns = listing(table.columns)
        raise UserError(f"{path}: no column '{column}'{did_you_mean(column, table.columns)} (columns: {columns})")


def _with_whole_numbers(table: pd.DataFrame, path: Path) -> pd.DataFrame:
    """Return the table with n and seed as integers."""
    for column, (least, limit) in WHOLE.items():
        number = pd.to_numeric(table[column], errors="coerce")
        bad = number.isna() | (number % 1 != 0) | (number < least) | (number >= limit)
        _refuse(path, table[column], bad, f"a whole number of at least {least} and less than {limit:,}")
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
    """Raise UserError, naming the row, for the first bad value."""
    rows = np.flatnonzero(bad)
    if len(rows):
        found = "nothing" if _blank(values).iloc[rows[0]] else values.iloc[rows[0]]
        raise UserError(f"{path}: row {rows[0] + 1}, column '{values.name}': found {found}, expected {expected}")


def _blank(values: pd.Series) -> pd.Series:
    return values.isna() | (values.astype(str).str.strip() == "")


def responses_of(table: pd.DataFrame, stated: list[str], path: Path) -> list[Response]:
    """Return the metrics to analyse: those `stated` as NAME or NAME:KIND, or all columns known by name."""
    responses: dict[str, Response] = {}
    known = [c for c in table if metric_of(c) and not c.startswith(("train_", "validation_"))]
    for text in stated or known:
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
        raise UserError(f"{path}: no column is a known metric ({listing(METRICS)}); state one with --metric NAME:KIND")
    return list(responses.values())


def _metric(column: str, kind: str) -> Metric | None:
    """Return the metric of a column, of the stated kind if there is one; None where no kind is known."""
    name = column.removeprefix("test_")
    known = metric_of(column)
    if kind and (known is None or known.kind != kind):
        return Metric(name, name, kind) if kind in KINDS else None
    return known and replace(known, name=name)


def stated_targets(texts: list[str], metrics: Mapping[str, Metric]) -> dict[str, list[float]]:
    """Return the targets by metric, from texts such as accuracy=0.95. Raises UserError for an impossible one."""
    targets: dict[str, list[float]] = {}
    for text in texts:
        metric, _, number = text.partition("=")
        if metric not in metrics:
            raise UserError(
                f"--target {text}: no metric '{metric}'{did_you_mean(metric, metrics)} (metrics: {listing(metrics)})"
            )
        try:
            value = float(number)
        except ValueError:
            raise UserError(f"--target {text}: '{number}' is not a number") from None
        if not 0 < value < metrics[metric].highest:
            raise UserError(f"--target {text}: found {number}, must be {_reachable(value, metrics[metric])}")
        targets.setdefault(metric, []).append(value)
    return targets


def _reachable(value: float, metric: Metric) -> str:
    """Say which targets a metric can reach, and which one was probably meant in per cent."""
    if not metric.is_share:
        return "more than 0 and finite"
    return "more than 0 and less than 1" + (f"; did you mean {value / 100:g}?" if 2 <= value < 100 else "")


def check_left_out(sizes: list[int], table: pd.DataFrame) -> None:
    """Raise UserError for a size to leave out that the table does not have."""
    measured = sorted(table["n"].unique())
    for size in sizes:
        if size not in measured:
            raise UserError(f"--leave-out: found {size}, which is not a size in the table ({listing(measured)})")


def make_folder(folder: Path) -> None:
    """Create the output folder. Raises UserError where that is impossible, before any work is done."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        why = "a file has this name" if isinstance(error, FileExistsError) else error.strerror
        raise UserError(f"--output {folder}: cannot create this folder ({why})") from error
    if not os.access(folder, os.W_OK | os.X_OK):
        raise UserError(f"--output {folder}: no permission to write to this folder")
