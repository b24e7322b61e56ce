"""The tables of the report: their columns, their rows, and how a cell is written."""

import math
from dataclasses import dataclass, field

import pandas as pd

from trainsize.audit.tables import FINDINGS
from trainsize.metrics.tables import RUNS
from trainsize.overlap.tables import OVERLAP
from trainsize.regressions.tables import FITS
from trainsize.runs.metrics import METRICS, RECORDED
from trainsize.statistics.intervals import share_interval, size_interval

MOST_RUNS = 1000  # that the page lists one by one; more are in the table of runs only
_FORMATS = {
    "text": "{}",
    "label": "{:d}",
    "count": "{:,.0f}",
    "seconds": "{:,.1f}",
    "percent": "{:.2f}",
    "points": "{:+.2f}",
    "number": "{:.4g}",
    "signed": "{:+.4g}",
}
_SCALES = {"percent": 100, "points": 100}


@dataclass(frozen=True)
class Column:
    """A column: its key in the rows and in saved files, its heading, and the kind of its values (see `_FORMATS`)."""

    key: str
    label: str
    kind: str = "text"


@dataclass(frozen=True)
class Shown:
    """A table on the page. `file` is the result file it was made from, relative to the page."""

    name: str
    caption: str
    columns: tuple[Column, ...]
    rows: list[dict] = field(repr=False)
    file: str = ""


@dataclass(frozen=True)
class Cell:
    """A value as written, and as it is sorted and saved; an interval has `ends` too."""

    text: str
    value: object
    ends: tuple[object, object] | None = None
    range: str = ""


def cell(value: object, kind: str) -> Cell:
    """Return the cell of a value of a kind, or of (mean, lower end, upper end); nothing and nan are left empty."""
    if isinstance(value, tuple):
        mean, low, high = (cell(part, kind) for part in value)
        span = f"{low.text} to {high.text}" if low.text else ""
        return Cell(mean.text, mean.value, (low.value, high.value), span)
    if value is None or (isinstance(value, float) and math.isnan(value)):
        return Cell("", "")
    if kind == "text":
        return Cell(str(value), "")
    return Cell(_FORMATS[kind].format(_SCALES.get(kind, 1) * value), value)


def study_tables(
    runs: pd.DataFrame, regressions: dict[str, pd.DataFrame], findings: pd.DataFrame, overlap: pd.DataFrame
) -> dict[str, Shown]:
    """Return the tables of the study itself by their names."""
    remarks = findings[findings["status"].isin(("finding", "question"))]
    shown = (
        Shown("sizes", "Test metrics by model and size", _SIZES, by_size(runs), RUNS.path),
        Shown("lines", "Straight lines in log10 n", _LINES, lines(regressions), FITS.path),
        Shown("findings", "Remarks of the auditor", _FINDINGS, remarks.to_dict("records"), FINDINGS.path),
        Shown("overlap", "What draws of one size have in common", _OVERLAP, overlap_rows(overlap), OVERLAP.path),
        Shown("runs", "Every run", _RUNS, runs.to_dict("records") if len(runs) <= MOST_RUNS else [], RUNS.path),
    )
    return {table.name: table for table in shown}


_MODEL, _N = Column("model", "model"), Column("n", "n", "count")
_SIZES = (
    _MODEL,
    _N,
    Column("runs", "runs", "count"),
    Column("images_seen", "images seen", "count"),
    Column("test_accuracy", "accuracy (%)", "percent"),
    Column("test_f1_macro", "macro F1 (%)", "percent"),
    Column("test_loss", "cross-entropy (nats)", "number"),
    Column("gap", "gap (points)", "points"),
)
_LINES = (
    _MODEL,
    Column("split", "split"),
    Column("metric", "metric"),
    Column("n_sizes", "sizes", "count"),
    Column("left_out", "left out"),
    Column("slope", "slope", "signed"),
    Column("r2", "R²", "number"),
    Column("durbin_watson", "Durbin-Watson", "number"),
    Column("status", "status"),
)
_FINDINGS = (
    Column("table", "model"),
    Column("check", "check"),
    Column("subject", "on"),
    Column("statistic", "found"),
    Column("p_adjusted", "p, corrected (empty: exact)", "number"),
    Column("meaning", "means"),
)
_OVERLAP = (
    Column("n", "draws of n", "count"),
    Column("pairs", "pairs", "count"),
    Column("share", "share in common (%)", "percent"),
    Column("expected", "by chance (%)", "percent"),
    Column("dependent", "pairs that are not independent", "count"),
)
_RUNS = (
    _MODEL,
    _N,
    Column("draw", "draw", "label"),
    Column("seed", "seed", "label"),
    Column("status", "status"),
    Column("test_accuracy", "test accuracy (%)", "percent"),
    Column("test_loss", "test cross-entropy (nats)", "number"),
    Column("train_accuracy", "training accuracy (%)", "percent"),
    Column("updates", "updates", "count"),
    Column("seconds_total", "seconds", "seconds"),
)


def by_size(runs: pd.DataFrame) -> list[dict]:
    """Return one row per model and size: runs, the mean and interval of the test metrics, and the gap to training."""
    rows = []
    for model, of_model in runs[runs["status"] == "finished"].groupby("model", sort=False):
        for n, group in of_model.groupby("n", sort=False):
            means = {metric.name: size_interval(of_model, f"test_{metric.name}", n) for metric in RECORDED}
            means = {f"test_{name}": share_interval(of) if METRICS[name].is_share else of for name, of in means.items()}
            seen, gap = group["images_seen"].mean(), float((group["train_accuracy"] - group["test_accuracy"]).mean())
            rows.append({"model": model, "n": n, "runs": len(group), "images_seen": seen, "gap": gap, **means})
    return rows


def lines(regressions: dict[str, pd.DataFrame]) -> list[dict]:
    """Return one row per published line: its description, R² and slope with interval, or why there is none."""
    fits, parameters = (
        table[table["method"] == "published"] for table in (regressions["fits"], regressions["parameters"])
    )
    key = ["model", "split", "metric", "left_out"]
    slopes = parameters.loc[parameters["term"] == "log10_n", [*key, "estimate", "low", "high"]]
    rows = fits.merge(slopes, on=key, how="left").to_dict("records")
    return [{**row, "slope": (row["estimate"], row["low"], row["high"])} for row in rows]


def overlap_rows(pairs: pd.DataFrame) -> list[dict]:
    """Return one row per size: what draws of that size have in common, on average, beside what chance gives."""
    same_size = pairs[(pairs["n_a"] == pairs["n_b"]) & (pairs["draw_a"] != pairs["draw_b"])]
    return [
        {
            "n": n,
            "pairs": len(group),
            "share": group["share_a"].mean(),
            "expected": (group["expected"] / n).mean(),
            "dependent": int(group["dependent"].sum()),
        }
        for n, group in same_size.groupby("n_a")
    ]
