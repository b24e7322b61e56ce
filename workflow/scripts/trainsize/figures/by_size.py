"""Figures of a metric by size: box plots, gap to the training score, best and last checkpoints."""

from itertools import pairwise

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from trainsize.figures.axes import (
    add_legend,
    colours,
    empty,
    first_panels,
    line_styles,
    metric_axis,
    panels,
    points,
    runs_per_size,
    size_axis,
)
from trainsize.figures.source import Tables
from trainsize.runs.metrics import METRICS, SCORE, metric_of
from trainsize.runs.run import COORDINATES
from trainsize.statistics.intervals import share_interval, size_interval


def size_intervals(runs: pd.DataFrame, column: str) -> pd.DataFrame:
    """Return the mean of `column` by size and its 95 % t-interval (low, high), clipped to 0-1 for a share."""
    rows = {n: size_interval(runs, column, n) for n in sorted(runs["n"].unique())}
    metric = metric_of(column.removeprefix("best_").removeprefix("last_"))
    if metric and metric.is_share:
        rows = {n: share_interval(interval) for n, interval in rows.items()}
    return pd.DataFrame.from_dict(rows, orient="index", columns=["mean", "low", "high"])


def mean_curve(ax: Axes, runs: pd.DataFrame, column: str, label: str, style: dict) -> Axes:
    """Draw every run as a dot, and a line through the means of the sizes with their 95 % t-intervals."""
    means, colour = size_intervals(runs, column), style["color"]
    ax.plot(means.index, means["mean"], markersize=5, label=label, zorder=3, **style)
    ax.fill_between(means.index, means["low"], means["high"], color=colour, alpha=0.18, linewidth=0, zorder=1)
    ax.scatter(runs["n"], runs[column], s=9, color=colour, alpha=0.55, linewidth=0, zorder=2)
    known = means["low"].notna()
    # Between sizes without an interval, a band would have no width: draw a bar instead.
    alone = means[known & ~known.shift(fill_value=False) & ~known.shift(-1, fill_value=False)]
    ax.vlines(alone.index, alone["low"], alone["high"], color=colour, alpha=0.5, linewidth=2, zorder=1)
    return ax


def boxes(tables: Tables, metric: str) -> Figure:
    """Draw box plots of the metric by size, with training and test scores side by side, one panel per model."""
    figure, axes = panels(len(tables.models))
    for ax, model in zip(axes, tables.models, strict=True):
        runs = tables.runs[tables.runs["model"] == model]
        ax.set_title(f"{model} ({runs_per_size(runs)})")
        if not len(runs):
            empty(ax, "no finished run")
            continue
        for split, colour, shift in (("train", "0.6", -1), ("test", colours()[0], 1)):
            box_row(ax, runs, f"{split}_{metric}", shift, colour, split)
        size_axis(ax, sorted(runs["n"].unique()), 8)
    for ax in first_panels(axes):
        metric_axis(ax, metric)
    add_legend(axes)
    return figure


def box_statistics(values: pd.Series) -> dict:
    """Return the numbers of a box: quartiles as plotly's "linear", whiskers to the last run within 1.5 × their range.

    plotly interpolates between the ranks p n + 1/2 (Hazen's rule): for ten runs, the third and the eighth.
    """
    low, middle, high = np.quantile(values, [0.25, 0.5, 0.75], method="hazen")
    reach = 1.5 * (high - low)
    inside = values[(values >= low - reach) & (values <= high + reach)]
    return {
        "q1": low,
        "med": middle,
        "q3": high,
        "whislo": min(inside.min(), low),
        "whishi": max(inside.max(), high),
        "fliers": values.drop(inside.index).to_numpy(),
    }


def box_row(ax: Axes, runs: pd.DataFrame, column: str, side: int, colour: str, label: str) -> Axes:
    """Draw a box per size, to the right (`side` 1) or the left (-1) of it."""
    groups = [(n, group.dropna()) for n, group in runs.groupby("n")[column] if group.notna().any()]
    if not groups:
        return ax
    step = min((b / a for (a, _), (b, _) in pairwise(groups)), default=2.0)
    half = min(step, 1.6) ** 0.2
    positions = [n * half**side for n, _ in groups]
    statistics = [box_statistics(values) for _, values in groups]
    parts = ax.bxp(
        statistics,
        positions=positions,
        widths=[0.75 * p * (half - 1 / half) for p in positions],
        patch_artist=True,
        manage_ticks=False,
        boxprops={"facecolor": colour, "alpha": 0.45, "edgecolor": colour},
        medianprops={"color": "black", "linewidth": 1.2, "marker": ""},
        whiskerprops={"color": colour, "marker": ""},
        capprops={"color": colour, "marker": ""},
        flierprops={"marker": "o", "markersize": 2.5, "markeredgecolor": colour},
    )
    for median, of_box in zip(parts["medians"], statistics, strict=True):
        if of_box["q1"] == of_box["q3"]:  # a box of no height shows only its median
            median.set(color=colour, linewidth=2)
    parts["boxes"][0].set_label(label)
    return ax


def gap(tables: Tables) -> Figure:
    """Draw training minus test accuracy and loss by size, all models in each panel."""
    runs = tables.runs
    figure, axes = panels(2, width=3.7, share=False)
    for ax, metric in zip(axes, ("accuracy", "loss"), strict=True):
        differences = runs.assign(gap=runs[f"train_{metric}"] - runs[f"test_{metric}"])
        for model, style in line_styles(tables.models).items():
            of_model = differences[differences["model"] == model]
            if len(of_model):
                mean_curve(ax, of_model, "gap", f"{model} ({runs_per_size(of_model)})", style)
        if not len(runs):
            empty(ax, "no finished run")
            continue
        ax.axhline(0, color="0.35", linewidth=0.8)
        size_axis(ax, sorted(runs["n"].unique()), 8)
        if METRICS[metric].is_share:
            points(ax.yaxis)
        ax.set_ylabel(f"train - test {METRICS[metric].words} ({METRICS[metric].difference_unit})")
    add_legend(axes, 0)
    return figure


def best_last(tables: Tables, metric: str) -> Figure:
    """Draw the best and the last test score of each run by size, one panel per model."""
    figure, axes = panels(len(tables.models))
    rows = tables.history[tables.history["split"] == "test"].sort_values("step").groupby(COORDINATES)[metric]
    scores = {"best": rows.max() if METRICS[metric].kind == SCORE else rows.min(), "last": rows.last()}
    values = pd.DataFrame({f"{name}_{metric}": of_runs for name, of_runs in scores.items()}).reset_index()
    looks = line_styles(list(scores))
    for ax, model in zip(axes, tables.models, strict=True):
        of_model = values[values["model"] == model]
        ax.set_title(f"{model} ({runs_per_size(of_model)})")
        if not len(of_model):
            empty(ax, "no finished run")
            continue
        for name, style in looks.items():
            mean_curve(ax, of_model, f"{name}_{metric}", name, style)
        size_axis(ax, sorted(of_model["n"].unique()), 8)
    for ax in first_panels(axes):
        metric_axis(ax, metric, "test")
    add_legend(axes)
    return figure
