"""Figures of a metric by a setting, and by fold."""

import pandas as pd
from matplotlib import pyplot as plt
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from trainsize.figures.axes import empty, line_styles, metric_axis, run_range
from trainsize.figures.by_size import size_intervals
from trainsize.figures.source import Tables, run_means


def sweep(tables: Tables, metric: str, sweep: str) -> Figure:
    """Draw the models of a sweep at the largest size: the test metric by epoch, and every run's final score.

    A model without a finished run of that size is drawn at its own largest size, which its label then names.
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
    for position, (model, style) in enumerate(line_styles(models).items()):
        if model not in sizes:
            final.annotate(
                "none finished", (position, 0.02), xycoords=("data", "axes fraction"), rotation=90, ha="center"
            )
            continue
        means = run_means(tables.of_largest(rows, model), metric, at="epoch").droplevel("n")
        during.plot(means.index, means, label=smaller.get(model, model), **style)
        run_column(final, position, scored[model], f"test_{metric}", style)
    during.set_xlabel("passes over the training images")
    metric_axis(during, metric, "test")
    names = [smaller.get(model, model) for model in models]
    final.set_xticks(range(len(models)), names, rotation=90 if len(models) > 5 else 30, fontsize=8)
    final.set_xlim(-0.6, len(models) - 0.4)
    final.grid(visible=False, axis="x")
    final.set_title(f"as scored ({run_range([len(scored[model]) for model in sizes])} each)")
    during.set_title(f"{sweep.replace('-', ' ')} (n = {largest:,})")
    during.legend(ncols=1 + (len(models) > 7))
    return figure


def run_column(ax: Axes, position: int, runs: pd.DataFrame, column: str, style: dict) -> Axes:
    """Draw runs of one size as dots at `position`, and their mean with its 95 % t-interval."""
    ((mean, low, high),) = size_intervals(runs, column).to_numpy()
    ax.scatter([position + 0.18] * len(runs), runs[column], s=10, color=style["color"], alpha=0.5, linewidth=0)
    ax.vlines(position, low, high, color=style["color"], linewidth=2)
    ax.plot(position, mean, color=style["color"], marker=style["marker"], markersize=6)
    return ax


def folds(tables: Tables, metric: str) -> Figure:
    """Draw the validation metric of every fold, all models in one panel."""
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
        means, each = of_folds.mean(), run_range(of_folds.size())
        label = f"{model}, n = {of_model['n'].iloc[0]:,} ({each} per fold)"
        ax.plot(means.index + 1, means, label=label, **style)
        ax.scatter(of_model["draw"] + 1, of_model[column], s=9, color=style["color"], alpha=0.5, linewidth=0)
    ax.set_xticks(sorted(runs["draw"].unique() + 1))
    ax.set_xlabel("fold")
    metric_axis(ax, metric, "validation")
    ax.legend()
    return figure
