"""Figures of metrics against the size, against the models, and against the folds."""

from itertools import pairwise

import numpy as np
import pandas as pd
from matplotlib import pyplot as plt
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from trainsize.figures_axes import (
    FRACTIONS,
    colours,
    counted_span,
    difference_unit,
    empty,
    firsts,
    legend_of,
    line_styles,
    metric_axis,
    panels,
    points,
    runs_per_size,
    size_axis,
)
from trainsize.figures_tables import COORDINATES, Tables, run_means
from trainsize.intervals import share_interval, size_interval
from trainsize.telling import NAMES

BEYOND = 2.001  # times the largest size that curves are drawn to, and to twice that for a target


def curve(tables: Tables, metric: str) -> Figure:
    """Draw the metric against the size, all models on one axis: the chosen curves, chance, and the first targets.

    A model without a curve gets the means of its sizes, joined.
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
            label = f"{model}: {fitted['family'].iloc[0]} ({runs_per_size(of_model)})"
            fitted_curve(ax, of_model, fitted[fitted["n"] <= end], column, label, style)
            for row in targets[targets["model"] == model].itertuples():
                target_interval(ax, row.target, row.estimate, row.low, row.high, end, style["color"])
        else:
            mean_curve(ax, of_model, column, f"{model}: means ({runs_per_size(of_model)})", style)
    size_axis(ax, sorted(runs["n"].unique()))
    chance_level(ax, tables.chance_of(metric), metric)  # before the axis has its limits
    metric_axis(ax, metric, "test")
    extrapolation_zone(ax, largest)
    joined = runs[~runs["model"].isin(predictions["model"])]
    title = f"dots: runs; markers: means{band_title(predictions, joined, column)}"
    title += "\nbar: images for the dotted target, with interval" if len(targets) else ""
    ax.legend(title=title, alignment="left", title_fontsize=8)
    return figure


def band_title(predictions: pd.DataFrame, joined: pd.DataFrame, column: str) -> str:
    """Say what the bands are of: fitted curves, or the means of the runs `joined`; nothing where there is no band."""
    lows = [low for _, of_model in joined.groupby("model") for low in size_intervals(of_model, column)["low"]]
    banded = [name for name, ends in {"curve": predictions["low"], "mean": lows}.items() if np.isfinite(ends).any()]
    return f"; band: interval of the {' or the '.join(banded)}" if banded else ""


def size_intervals(runs: pd.DataFrame, column: str) -> pd.DataFrame:
    """Return by size the mean of `column` and its 95 % t-interval (low, high), that of a share within 0 and 1."""
    rows = {n: size_interval(runs, column, n) for n in sorted(runs["n"].unique())}
    if column.endswith(FRACTIONS):
        rows = {n: share_interval(interval) for n, interval in rows.items()}
    return pd.DataFrame.from_dict(rows, orient="index", columns=["mean", "low", "high"])


def mean_curve(ax: Axes, runs: pd.DataFrame, column: str, label: str, style: dict) -> Axes:
    """Draw every run as a dot and, through the means of the sizes, a line with the 95 % t-interval of the mean."""
    found, colour = size_intervals(runs, column), style["color"]
    ax.plot(found.index, found["mean"], markersize=5, label=label, zorder=3, **style)
    ax.fill_between(found.index, found["low"], found["high"], color=colour, alpha=0.18, linewidth=0, zorder=1)
    ax.scatter(runs["n"], runs[column], s=9, color=colour, alpha=0.55, linewidth=0, zorder=2)
    known = found["low"].notna()
    # Of a size whose neighbours have no interval a band would have no width.
    alone = found[known & ~known.shift(fill_value=False) & ~known.shift(-1, fill_value=False)]
    ax.vlines(alone.index, alone["low"], alone["high"], color=colour, alpha=0.5, linewidth=2, zorder=1)
    return ax


def fitted_curve(ax: Axes, runs: pd.DataFrame, fitted: pd.DataFrame, column: str, label: str, style: dict) -> Axes:
    """Draw the runs as dots, their means as markers, and the fitted curve with its band, dashed beyond the sizes."""
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
    """Draw a target as a dotted line and, on it, the images it needs with their interval, an arrow where it goes on."""
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
    """Shade what lies beyond the largest size, if the axis goes there."""
    right = ax.get_xlim()[1]
    if right > 1.5 * largest:
        ax.axvspan(largest, right, color="0.93", zorder=0)
        ax.set_xlim(right=right)
        ax.text(0.995, 0.01, "extrapolated", transform=ax.transAxes, ha="right", va="bottom", fontsize=8, color="0.35")
    return ax


def chance_level(ax: Axes, chance: float, metric: str) -> Axes:
    """Draw the level of guessing; where that would take the axis from the curves, only say where it is."""
    low, high = ax.get_ylim()
    loss = metric == "loss"
    near = chance < 3 * high if loss else chance > low - 0.35 * (high - low)
    told = f"chance: {chance:.2g} nats" if loss else f"chance: {100 * chance:.3g} %"
    place = {"fontsize": 8, "color": "0.35"}
    if near:
        ax.axhline(chance, color="0.35", linestyle="-.", linewidth=0.9, zorder=1)
        across = ax.get_yaxis_transform()
        ax.annotate(told, (0.01, chance), xycoords=across, xytext=(0, 2), textcoords="offset points", **place)
    else:
        edge = {"xy": (0.01, 0.99), "va": "top"} if loss else {"xy": (0.01, 0.01), "va": "bottom"}
        ax.annotate(f"{told} {'↑' if loss else '↓'}", xycoords="axes fraction", **edge, **place)
    return ax


def boxes(tables: Tables, metric: str) -> Figure:
    """Draw box plots of the metric by size, a panel per model, test and train side by side."""
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
    for ax in firsts(axes):
        metric_axis(ax, metric)
    legend_of(axes)
    return figure


def box_statistics(values: pd.Series) -> dict:
    """Return what a box is drawn of: quartiles as plotly's "linear", whiskers to the last run within 1.5 × their range.

    plotly interpolates between the ranks p n + 1/2 (Hazen's rule): of ten runs the third and the eighth.
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
        if of_box["q1"] == of_box["q3"]:  # a box without height is its median alone
            median.set(color=colour, linewidth=2)
    parts["boxes"][0].set_label(label)
    return ax


def gap(tables: Tables) -> Figure:
    """Draw training minus test accuracy and the losses' difference by size, all models on each axis."""
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
        if metric in FRACTIONS:
            points(ax.yaxis)
        ax.set_ylabel(f"train - test {NAMES[metric]} ({difference_unit(metric)})")
    legend_of(axes, 0)
    return figure


def best_last(tables: Tables, metric: str) -> Figure:
    """Draw the best test checkpoint and the last one of each run by size, a panel per model."""
    figure, axes = panels(len(tables.models))
    rows = tables.history[tables.history["split"] == "test"].sort_values("step").groupby(COORDINATES)[metric]
    found = {"best": rows.min() if metric == "loss" else rows.max(), "last": rows.last()}
    values = pd.DataFrame({f"{name}_{metric}": of_runs for name, of_runs in found.items()}).reset_index()
    looks = line_styles(list(found))
    for ax, model in zip(axes, tables.models, strict=True):
        of_model = values[values["model"] == model]
        ax.set_title(f"{model} ({runs_per_size(of_model)})")
        if not len(of_model):
            empty(ax, "no finished run")
            continue
        for name, style in looks.items():
            mean_curve(ax, of_model, f"{name}_{metric}", name, style)
        size_axis(ax, sorted(of_model["n"].unique()), 8)
    for ax in firsts(axes):
        metric_axis(ax, metric, "test")
    legend_of(axes)
    return figure


def sweep(tables: Tables, metric: str, sweep: str) -> Figure:
    """Draw the models of a sweep: the test metric by passes at the largest size, and every run's score.

    A model that has no finished run of that size is drawn at the largest of its own, and named with it.
    """
    models = tables.settings["sweeps"][sweep]
    figure, (during, final) = plt.subplots(
        1, 2, sharey=True, figsize=(8.2, max(3.4, 1.2 + 0.14 * len(models))), width_ratios=(1.5, 1)
    )
    scored = {model: tables.of_largest(tables.runs, model) for model in models}
    sizes = {model: int(runs["n"].iloc[0]) for model, runs in scored.items() if len(runs)}
    if not sizes:
        empty(during, "no finished run")
        final.set_axis_off()
        return figure
    rows = tables.history[tables.history["split"] == "test"]
    largest = max(sizes.values())
    smaller = {model: f"{model} (n = {n:,})" for model, n in sizes.items() if n < largest}
    for place, (model, style) in enumerate(line_styles(models).items()):
        if model not in sizes:
            final.annotate("none finished", (place, 0.02), xycoords=("data", "axes fraction"), rotation=90, ha="center")
            continue
        means = run_means(tables.of_largest(rows, model), metric, at="epoch").droplevel("n")
        during.plot(means.index, means, label=smaller.get(model, model), **style)
        run_column(final, place, scored[model], f"test_{metric}", style)
    during.set_xlabel("passes over the training images")
    metric_axis(during, metric, "test")
    names = [smaller.get(model, model) for model in models]
    final.set_xticks(range(len(models)), names, rotation=90 if len(models) > 5 else 30, fontsize=8)
    final.set_xlim(-0.6, len(models) - 0.4)
    final.grid(visible=False, axis="x")
    final.set_title(f"as scored ({counted_span([len(scored[model]) for model in sizes])} each)")
    during.set_title(f"{sweep.replace('-', ' ')} (n = {largest:,})")
    during.legend(ncols=1 + (len(models) > 7))
    return figure


def run_column(ax: Axes, place: int, runs: pd.DataFrame, column: str, style: dict) -> Axes:
    """Draw runs of one size as dots at `place`, and their mean with its 95 % t-interval."""
    ((mean, low, high),) = size_intervals(runs, column).to_numpy()
    ax.scatter([place + 0.18] * len(runs), runs[column], s=10, color=style["color"], alpha=0.5, linewidth=0)
    ax.vlines(place, low, high, color=style["color"], linewidth=2)
    ax.plot(place, mean, color=style["color"], marker=style["marker"], markersize=6)
    return ax


def folds(tables: Tables, metric: str) -> Figure:
    """Draw the validation metric of every fold, all models on one axis."""
    runs = tables.runs
    figure, ax = plt.subplots()
    column = f"validation_{metric}"
    if not runs[column].notna().any():
        empty(ax, "no finished run")
        return figure
    for model, style in line_styles(tables.models).items():
        of_model = tables.of_largest(runs, model)
        if not len(of_model):
            continue
        of_folds = of_model.groupby("draw")[column]
        means, each = of_folds.mean(), counted_span(of_folds.size())
        label = f"{model}, n = {of_model['n'].iloc[0]:,} ({each} per fold)"
        ax.plot(means.index + 1, means, label=label, **style)
        ax.scatter(of_model["draw"] + 1, of_model[column], s=9, color=style["color"], alpha=0.5, linewidth=0)
    ax.set_xticks(sorted(runs["draw"].unique() + 1))
    ax.set_xlabel("fold")
    metric_axis(ax, metric, "validation")
    ax.legend()
    return figure
