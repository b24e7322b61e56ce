"""The figure of a metric by size with its fitted curves."""

import numpy as np
import pandas as pd
from matplotlib import pyplot as plt
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from trainsize.figures.axes import empty, line_styles, metric_axis, runs_per_size, size_axis
from trainsize.figures.by_size import mean_curve, size_intervals
from trainsize.figures.source import Tables
from trainsize.runs.metrics import METRICS, SCORE

BEYOND = 2.001  # curves are drawn to this multiple of the largest size, or to twice that to show a target


def curve(tables: Tables, metric: str) -> Figure:
    """Draw the metric by size: all models' runs and curves, the level of chance, and the first targets.

    A model without a curve is drawn as a line through its means.
    """
    runs, column = tables.runs, f"test_{metric}"
    predictions, targets = (tables.regression(name, metric) for name in ("predictions", "targets"))
    predictions = predictions[predictions["chosen"] & predictions["value"].notna()]
    targets = targets[targets["chosen"]].drop_duplicates("model")
    figure, ax = plt.subplots(figsize=(6.4, 4.2))
    if not len(runs):
        empty(ax, "no finished run")
        return figure
    largest = runs["n"].max()
    end = largest * BEYOND * (2 if (targets["estimate"] > BEYOND * largest).any() else 1)
    for model, style in line_styles(tables.models).items():
        of_model, fitted = (rows[rows["model"] == model] for rows in (runs, predictions))
        if not len(of_model):
            continue
        if len(fitted):
            label = f"{model}: {fitted['family'].iloc[0].replace('_', ' ')} ({runs_per_size(of_model)})"
            fitted_curve(ax, of_model, fitted[fitted["n"] <= end], column, label, style)
            for row in targets[targets["model"] == model].itertuples():
                target_interval(ax, row.target, row.estimate, row.low, row.high, end, style["color"])
        else:
            mean_curve(ax, of_model, column, f"{model}: means ({runs_per_size(of_model)})", style)
    size_axis(ax, sorted(runs["n"].unique()))
    chance_level(ax, tables.chance_of(metric), metric)  # before the limits of the axis are set
    metric_axis(ax, metric, "test")
    extrapolation_zone(ax, largest)
    joined = runs[~runs["model"].isin(predictions["model"])]
    title = f"dots: runs; markers: means{band_title(predictions, joined, column)}"
    title += "\nbar: images for the dotted target, with interval" if len(targets) else ""
    ax.legend(title=title, alignment="left", title_fontsize=8)
    return figure


def band_title(predictions: pd.DataFrame, joined: pd.DataFrame, column: str) -> str:
    """Describe the bands: of fitted curves, of the means of the runs `joined`, or "" if there are none."""
    lows = [low for _, of_model in joined.groupby("model") for low in size_intervals(of_model, column)["low"]]
    banded = [name for name, ends in {"curve": predictions["low"], "mean": lows}.items() if np.isfinite(ends).any()]
    return f"; band: interval of the {' or the '.join(banded)}" if banded else ""


def fitted_curve(ax: Axes, runs: pd.DataFrame, fitted: pd.DataFrame, column: str, label: str, style: dict) -> Axes:
    """Draw runs as dots, means as markers, and the fitted curve with its band, dashed beyond the largest size."""
    means, colour = size_intervals(runs, column)["mean"], style["color"]
    ax.plot(means.index, means, linestyle="", markersize=5, zorder=3, color=colour, marker=style["marker"])
    seen, beyond = fitted[~fitted["extrapolated"]], fitted[fitted["n"] >= means.index[-1]]
    ax.plot(seen["n"], seen["value"], color=colour, marker="", linestyle=style["linestyle"], zorder=2)
    ax.plot(beyond["n"], beyond["value"], color=colour, marker="", linestyle=(0, (3, 2)), linewidth=1.2, zorder=2)
    ax.fill_between(fitted["n"], fitted["low"], fitted["high"], color=colour, alpha=0.18, linewidth=0, zorder=1)
    ax.scatter(runs["n"], runs[column], s=9, color=colour, alpha=0.4, linewidth=0, zorder=2)
    ax.plot([], [], markersize=5, label=label, **style)
    return ax


def target_interval(ax: Axes, target: float, estimate: float, low: float, high: float, end: float, colour: str) -> Axes:
    """Draw a target as a dotted line with the interval of the images needed; an arrow if that leaves the axis."""
    ax.axhline(target, color=colour, linestyle=":", linewidth=0.9, zorder=1)
    if low < end:
        ax.plot(
            [low, min(high, end)], [target, target], color=colour, marker="|", markersize=7, linewidth=2.4, zorder=4
        )
    if (estimate if np.isnan(high) else high) > end:
        ax.plot(end, target, color=colour, marker=">", markersize=6, zorder=4, clip_on=False)
    if estimate < end:
        ax.plot(estimate, target, color=colour, marker="*", markersize=11, markeredgecolor="white", zorder=5)
    return ax


def extrapolation_zone(ax: Axes, largest: float) -> Axes:
    """Shade the range beyond the largest size, if the axis shows it."""
    right = ax.get_xlim()[1]
    if right > 1.5 * largest:
        ax.axvspan(largest, right, color="0.93", zorder=0)
        ax.set_xlim(right=right)
        ax.text(0.995, 0.01, "extrapolated", transform=ax.transAxes, ha="right", va="bottom", fontsize=8, color="0.35")
    return ax


def chance_level(ax: Axes, chance: float, metric: str) -> Axes:
    """Draw the level of chance. If it is too far from the curves, only write its value."""
    low, high = ax.get_ylim()
    above = METRICS[metric].kind != SCORE  # guessing makes more errors than a trained network
    near = chance < 3 * high if above else chance > low - 0.35 * (high - low)
    share, unit = METRICS[metric].is_share, METRICS[metric].unit
    text = f"chance: {100 * chance:.3g} %" if share else f"chance: {chance:.2g} {unit}".strip()
    style = {"fontsize": 8, "color": "0.35"}
    if near:
        ax.axhline(chance, color="0.35", linestyle="-.", linewidth=0.9, zorder=1)
        across = ax.get_yaxis_transform()
        ax.annotate(text, (0.01, chance), xycoords=across, xytext=(0, 2), textcoords="offset points", **style)
    else:
        edge = {"xy": (0.01, 0.99), "va": "top"} if above else {"xy": (0.01, 0.01), "va": "bottom"}
        ax.annotate(f"{text} {'↑' if above else '↓'}", xycoords="axes fraction", **edge, **style)
    return ax
