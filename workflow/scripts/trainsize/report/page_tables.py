"""The tables of the report: their columns, their rows, and how a cell is written."""

import math
from dataclasses import dataclass, field

import pandas as pd

from trainsize.audit.tables import FINDINGS
from trainsize.metrics.tables import RUNS
from trainsize.overlap.tables import OVERLAP
from trainsize.regressions.tables import FITS, LIMITS
from trainsize.runs.metrics import METRICS, RECORDED
from trainsize.runs.status import only_finished
from trainsize.statistics.intervals import share_interval, size_interval

MOST_RUNS = 1000  # listed on the page; larger studies list theirs in the table of runs only
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
class ShownColumn:
    """A column on the page: its key in rows and saved files, its heading, and the kind of its values (`_FORMATS`)."""

    key: str
    label: str
    kind: str = "text"


@dataclass(frozen=True)
class ShownTable:
    """A table on the page. `file` is the path of the result file behind it, relative to the page."""

    name: str
    caption: str
    columns: tuple[ShownColumn, ...]
    rows: list[dict] = field(repr=False)
    file: str = ""


@dataclass(frozen=True)
class Cell:
    """A value as the page shows it (`text`), and as it is sorted and saved (`value`).

    If it has an interval, `ends` are its ends and `range` is their text.
    """

    text: str
    value: object
    ends: tuple[object, object] | None = None
    range: str = ""


def cell(value: object, kind: str) -> Cell:
    """Return the cell of a value of a kind, or of (mean, lower end, upper end); None and nan give an empty cell."""
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
) -> dict[str, ShownTable]:
    """Return the tables of the study itself, by name."""
    remarks = findings[findings["status"].isin(("finding", "question"))]
    tables = (
        ShownTable("sizes", "Test metrics by model and size", _SIZES, by_size(runs), RUNS.path),
        ShownTable("lines", "Straight lines in log10 n", _LINES, lines(regressions), FITS.path),
        ShownTable("limits", "What limits each size", _LIMITS, limit_rows(regressions["limits"]), LIMITS.path),
        ShownTable("findings", "Remarks by the auditor", _FINDINGS, remarks.to_dict("records"), FINDINGS.path),
        ShownTable("overlap", "Images shared by draws of one size", _OVERLAP, overlap_rows(overlap), OVERLAP.path),
        ShownTable("runs", "Every run", _RUNS, runs.to_dict("records") if len(runs) <= MOST_RUNS else [], RUNS.path),
    )
    return {table.name: table for table in tables}


_MODEL, _N = ShownColumn("model", "model"), ShownColumn("n", "n", "count")
_SIZES = (
    _MODEL,
    _N,
    ShownColumn("runs", "runs", "count"),
    ShownColumn("images_seen", "images seen", "count"),
    ShownColumn("test_accuracy", "accuracy (%)", "percent"),
    ShownColumn("test_f1_macro", "macro F1 (%)", "percent"),
    ShownColumn("test_loss", "cross-entropy (nats)", "number"),
    ShownColumn("gap", "gap (points)", "points"),
)
_LINES = (
    _MODEL,
    ShownColumn("split", "split"),
    ShownColumn("metric", "metric"),
    ShownColumn("n_sizes", "sizes", "count"),
    ShownColumn("left_out", "left out"),
    ShownColumn("slope", "slope", "signed"),
    ShownColumn("r2", "R²", "number"),
    ShownColumn("durbin_watson", "Durbin-Watson", "number"),
    ShownColumn("status", "status"),
)
_LIMITS = (
    _MODEL,
    ShownColumn("metric", "metric"),
    _N,
    ShownColumn("verdict", "limit"),
    ShownColumn("error", "test error", "number"),
    ShownColumn("train_error", "training error", "number"),
    ShownColumn("gain", "saved per doubling of the updates", "signed"),
    ShownColumn("check", "share of the budget (%)", "percent"),
    ShownColumn("why", "signs"),
)
_FINDINGS = (
    ShownColumn("table", "model"),
    ShownColumn("check", "check"),
    ShownColumn("subject", "subject"),
    ShownColumn("statistic", "observed"),
    ShownColumn("p_adjusted", "corrected p (empty: exact)", "number"),
    ShownColumn("meaning", "meaning"),
)
_OVERLAP = (
    ShownColumn("n", "n", "count"),
    ShownColumn("pairs", "pairs", "count"),
    ShownColumn("share", "share in common (%)", "percent"),
    ShownColumn("expected", "expected by chance (%)", "percent"),
    ShownColumn("dependent", "dependent pairs", "count"),
)
_RUNS = (
    _MODEL,
    _N,
    ShownColumn("draw", "draw", "label"),
    ShownColumn("seed", "seed", "label"),
    ShownColumn("status", "status"),
    ShownColumn("test_accuracy", "test accuracy (%)", "percent"),
    ShownColumn("test_loss", "test cross-entropy (nats)", "number"),
    ShownColumn("train_accuracy", "training accuracy (%)", "percent"),
    ShownColumn("updates", "updates", "count"),
    ShownColumn("seconds_total", "seconds", "seconds"),
)


def by_size(runs: pd.DataFrame) -> list[dict]:
    """Return one row per model and size: runs, the means and intervals of the test metrics, and the gap to training."""
    rows = []
    for model, of_model in only_finished(runs).groupby("model", sort=False):
        for n, group in of_model.groupby("n", sort=False):
            means = {metric.name: size_interval(of_model, f"test_{metric.name}", n) for metric in RECORDED}
            means = {
                f"test_{name}": share_interval(mean) if METRICS[name].is_share else mean for name, mean in means.items()
            }
            seen, gap = group["images_seen"].mean(), float((group["train_accuracy"] - group["test_accuracy"]).mean())
            rows.append({"model": model, "n": n, "runs": len(group), "images_seen": seen, "gap": gap, **means})
    return rows


def lines(regressions: dict[str, pd.DataFrame]) -> list[dict]:
    """Return one row per published line: its R² and slope with interval, or the reason why there is none."""
    fits, parameters = (
        table[table["method"] == "published"] for table in (regressions["fits"], regressions["parameters"])
    )
    key = ["model", "split", "metric", "left_out"]
    slopes = parameters.loc[parameters["term"] == "log10_n", [*key, "estimate", "low", "high"]]
    rows = fits.merge(slopes, on=key, how="left").to_dict("records")
    return [{**row, "slope": (row["estimate"], row["low"], row["high"])} for row in rows]


def limit_rows(limits: pd.DataFrame) -> list[dict]:
    """Return one row per model, metric and size: what limits it, and what shows that, with intervals."""
    rows = limits.to_dict("records")
    intervals = ("gain", "check")
    return [
        {**row, **{name: (row[name], row[f"{name}_low"], row[f"{name}_high"]) for name in intervals}} for row in rows
    ]


def overlap_rows(pairs: pd.DataFrame) -> list[dict]:
    """Return one row per size: the mean share that draws of that size have in common, and that expected by chance."""
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
