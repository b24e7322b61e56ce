"""Figures of metrics during training."""

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.cm import ScalarMappable
from matplotlib.colors import Normalize
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import NullLocator

from trainsize.common.errors import plural
from trainsize.figures.axes import (
    SIZE,
    colours,
    empty,
    first_panels,
    metric_axis,
    panels,
    per_cent,
    runs_per_size,
    size_bar,
    size_colours,
    spread_out,
    updates_axis,
)
from trainsize.figures.source import Tables, run_means
from trainsize.runs.budget import Batches
from trainsize.runs.metrics import METRICS

SPLITS = {"train": "training images", "validation": "validation images", "test": "test images"}
TITLE = {"x": 0.01, "ha": "left", "fontsize": 9, "fontweight": "bold"}  # of the title of a whole figure


def history(tables: Tables, metric: str) -> Figure:
    """Draw the test metric over the updates: the mean of the runs of each size, one panel per model."""
    rows = tables.history[tables.history["split"] == "test"]
    figure, axes = panels(len(tables.models))
    sizes = sorted(rows["n"].unique())
    for ax, model in zip(axes, tables.models, strict=True):
        means = run_means(rows[rows["model"] == model], metric)
        ax.set_title(f"{model} ({runs_per_size(tables.runs[tables.runs['model'] == model])})")
        if len(means):
            by_size(ax, means, sizes)
        else:
            empty(ax, "no finished run")
    for ax in first_panels(axes):
        metric_axis(ax, metric, "test")
    if sizes:
        size_bar(figure, axes, sizes)
    return figure


def by_size(ax: Axes, means: pd.Series, sizes: list[int]) -> Axes:
    """Draw one line over the updates per size. `means` are indexed by size and update."""
    norm, shades = size_colours(sizes)
    for n, line in means.groupby(level="n"):
        steps = line.index.get_level_values("step")
        ax.plot(steps, line.to_numpy(), color=shades(norm(n)), marker="o" if len(line) == 1 else "", linewidth=1.4)
    return updates_axis(ax)


def surface(tables: Tables, metric: str) -> Figure:
    """Draw the metric over size and update as a map: one column per model, training above test images."""
    figure, axes = panels(2 * len(tables.models), height=2.6, columns=len(tables.models), share=False)
    rows = tables.history[tables.history["split"].isin(("train", "test"))]
    norm = Normalize(rows[metric].min(), rows[metric].max())
    contents = [(split, model) for split in ("train", "test") for model in tables.models]
    for ax, (split, model) in zip(axes, contents, strict=True):
        means = surface_means(rows, model, split, metric)
        ax.set_title(f"{model}: {SPLITS[split]}")
        if len(means):
            surface_map(ax, means, norm)
        else:
            empty(ax, "no finished run")
    for ax in first_panels(axes):
        ax.set_ylabel(SIZE)
    if len(rows):
        bar = figure.colorbar(ScalarMappable(norm, "cividis"), ax=axes, label=METRICS[metric].label, aspect=30)
        if METRICS[metric].is_share:
            per_cent(bar.ax.yaxis)
    return figure


def surface_means(history: pd.DataFrame, model: str, split: str, metric: str) -> pd.Series:
    """Return the means over a model's runs, indexed by size and update."""
    return run_means(history[(history["model"] == model) & (history["split"] == split)], metric)


def surface_map(ax: Axes, means: pd.Series, norm: Normalize) -> Axes:
    """Draw `means` (by size and update) as a map with one row per size, divided at its checkpoints."""
    sizes = sorted(means.index.unique("n"))
    middles = np.log(sizes)
    step = np.diff(middles).min() if len(sizes) > 1 else 0.7
    between = (middles[1:] + middles[:-1]) / 2
    edges = np.exp([middles[0] - step / 2, *between, middles[-1] + step / 2])
    for n, low, high in zip(sizes, edges, edges[1:], strict=False):
        row = means[n]
        ax.pcolormesh([0, *row.index], [low, high], row.to_numpy()[None], norm=norm, cmap="cividis", rasterized=True)
    ax.set_yscale("log")
    ticks = spread_out(sizes)
    ax.set_yticks(ticks, [f"{n:,}" for n in ticks])
    ax.yaxis.set_minor_locator(NullLocator())
    ax.grid(visible=False)
    return updates_axis(ax)


def training(tables: Tables, metric: str, model: str) -> Figure:
    """Draw a model's runs during training, on training and on held-out images, one panel per size."""
    rows = tables.history[tables.history["model"] == model]
    runs = tables.runs[tables.runs["model"] == model]
    sizes = sorted(runs["n"].unique())
    figure, axes = panels(max(len(sizes), 1), width=2.8, height=2.7)
    if not sizes:
        empty(axes[0], f"{model}: no finished run")
        return figure
    held_out = held_out_split(rows)
    recipe, budget = tables.settings["recipes"][model], tables.settings["budgets"][model]
    looks = {"train": {"color": colours()[1], "linestyle": "--"}, held_out: {"color": colours()[0], "linestyle": "-"}}
    for ax, n in zip(axes, sizes, strict=True):
        of_size = runs[runs["n"] == n]
        for split, look in looks.items():
            run_lines(ax, rows[(rows["n"] == n) & (rows["split"] == split)], metric, look)
        mark_selected(ax, rows[(rows["n"] == n) & (rows["split"] == held_out)], of_size, metric, recipe["selection"])
        if recipe["restart"]:
            total = Batches.of(recipe, tables.trained_on(model, n)).updates(budget)
            ax.axvline(round(recipe["restart"]["at"] * total), color="0.2", linestyle=":", linewidth=1.2)
        ax.set_title(f"n = {n:,} ({plural(len(of_size))})")
        updates_axis(ax)
    for ax in first_panels(axes):
        metric_axis(ax, metric)
    figure.suptitle(model, **TITLE)
    figure.legend(handles=_training_legend(looks, runs, recipe), loc="outside lower left", ncols=min(5, 1 + len(sizes)))
    return figure


def held_out_split(history: pd.DataFrame) -> str:
    """Return the split of images that a model is not trained on: validation if there is one, else test."""
    return "validation" if (history["split"] == "validation").any() else "test"


def run_lines(ax: Axes, rows: pd.DataFrame, metric: str, look: dict) -> Axes:
    """Draw each run as a thin line and, if there are several, their mean as a thick one."""
    several = rows.groupby(["draw", "seed"]).ngroups > 1
    for _, run in rows.groupby(["draw", "seed"]):
        ax.plot(run["step"], run[metric], marker="", linewidth=0.6 if several else 1.6, alpha=0.5, **look)
    if several:
        means = run_means(rows, metric).droplevel("n")
        ax.plot(means.index, means, marker="", **look)
    return ax


def mark_selected(ax: Axes, rows: pd.DataFrame, runs: pd.DataFrame, metric: str, selection: dict) -> Axes:
    """Mark early stops and, if the recipe selects a checkpoint, the selected one of each run."""
    keys = ["draw", "seed"]
    ends = rows.merge(runs[[*keys, "selected_step", "updates", "stopped"]], on=keys)
    chosen = ends[(ends["step"] == ends["selected_step"]) & (selection["name"] != "last")]
    ax.plot(chosen["step"], chosen[metric], linestyle="", marker="*", color="black", markersize=7, zorder=4)
    stopped = ends[(ends["step"] == ends["updates"]) & ends["stopped"].fillna("").ne("")]
    ax.plot(stopped["step"], stopped[metric], linestyle="", marker="X", color="0.35", markersize=5, zorder=4)
    return ax


def _training_legend(looks: dict[str, dict], runs: pd.DataFrame, recipe: dict) -> list[Line2D]:
    handles = [Line2D([], [], marker="", label=SPLITS[split], **look) for split, look in looks.items()]
    if recipe["selection"]["name"] != "last":
        handles.append(Line2D([], [], linestyle="", marker="*", color="black", label="selected"))
    if runs["stopped"].fillna("").ne("").any():
        handles.append(Line2D([], [], linestyle="", marker="X", color="0.35", label="stopped early"))
    if recipe["restart"]:
        handles.append(Line2D([], [], marker="", color="0.2", linestyle=":", label="restarted with another seed"))
    return handles


def margins(tables: Tables, model: str) -> Figure:
    """Draw the mean margins of right and wrong predictions, on training images above held-out images."""
    rows = tables.history[tables.history["model"] == model]
    held_out = held_out_split(rows)
    figure, axes = panels(4, height=2.5, columns=2)
    sizes = sorted(rows["n"].unique())
    contents = [(split, name) for split in ("train", held_out) for name in ("correct", "wrong")]
    for ax, (split, name) in zip(axes, contents, strict=True):
        means = run_means(rows[rows["split"] == split], f"margin_{name}").dropna()
        ax.set_title(f"{'right' if name == 'correct' else 'wrong'} predictions, {SPLITS[split]}")
        if len(means):
            by_size(ax, means, sizes)
            ax.set_ylim(0, 1.01)
            ax.set_xlim(0, 1.02 * rows["step"].max())
        else:
            empty(ax, "none" if len(rows) else "no finished run")
    for ax in first_panels(axes):
        ax.set_ylabel("mean margin (C1 - C2)/C1")
    figure.suptitle(f"{model} ({runs_per_size(tables.runs[tables.runs['model'] == model])})", **TITLE)
    if sizes:
        size_bar(figure, axes, sizes)
    return figure
