"""The options of the command, compared with its table: each has an effect, or is refused."""

from collections.abc import Mapping, Sequence
from pathlib import Path

import pandas as pd

from trainsize.common.errors import UserError, did_you_mean, listing
from trainsize.curves.curve import Response
from trainsize.curves.families import ALL_FAMILIES, FAMILIES
from trainsize.regressions.table_input import COLUMNS
from trainsize.runs.metrics import Metric, metric_of


def note_of_skipped(table: pd.DataFrame, responses: Sequence[Response], named: bool) -> str:
    """Say in lines which columns are not analysed: metrics that `--metric` did not name, and columns without a meaning.

    `named` says whether metrics were named. Nothing if every column was read.
    """
    read = {*COLUMNS, "seconds_total", *(response.column for response in responses)}
    others = [str(column) for column in table if column not in read]
    metrics = [column for column in others if metric_of(column)]
    rest = [column for column in others if column not in metrics]
    why = "not named by --metric" if named else "test scores come first; name others with --metric"
    lines = [f"Not analysed: {listing(metrics)} ({why}).\n"] if metrics else []
    lines += [f"Columns that are not read: {listing(rest)}.\n"] if rest else []
    return "".join(lines)


def note_of_classes(classes: int | None, families: Sequence[str]) -> str:
    """Say in a line that the number of classes is not used, if no family needs the error of guessing."""
    needed = [name for name in ALL_FAMILIES if name in FAMILIES and FAMILIES[name].curve]
    if classes is None or set(needed) & set(families):
        return ""
    return f"--classes {classes} has no effect: of the families, only {listing(needed)} needs it (--families).\n"


def check_once(option: str, values: Sequence[object]) -> None:
    """Raise UserError for a value that an option has twice."""
    for value in values:
        if list(values).count(value) > 1:
            raise UserError(f"{option}: found {value} twice, expected once")


def check_timed(hours: float | None, purpose: str, table: pd.DataFrame, path: Path) -> None:
    """Raise UserError for options of the next runs if the table does not say how long runs take."""
    stated = f"--hours {hours:g}" if hours is not None else f"--purpose {purpose}" if purpose != "target" else ""
    if stated and not ("seconds_total" in table and (table["seconds_total"] > 0).any()):
        message = f"{stated}: next runs need times of the measured ones, but {path} has no seconds"
        raise UserError(f"{message}; add a column seconds, or leave this option out")


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
