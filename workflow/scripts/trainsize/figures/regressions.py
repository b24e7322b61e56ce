"""Figures of the regressions: families of curves, the straight line and its fit, and the spread between runs."""

import numpy as np
import pandas as pd
from matplotlib import pyplot as plt
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from scipy import stats

from trainsize.figures.axes import (
    add_legend,
    colours,
    empty,
    first_panels,
    legend_below,
    line_styles,
    log_axis,
    panels,
    per_cent,
    points,
    runs_per_size,
    size_axis,
)
from trainsize.figures.source import Tables
from trainsize.runs.metrics import METRICS
from trainsize.statistics.intervals import unit_of

COMPONENTS = {
    "runs": "between runs",
    "draw": "draw",
    "seed": "seed",
    "draw with seed": "draw with seed",
    "test set": "test set (binomial)",
    "runs, on any test set": "between runs, on any test set",
}


def families(tables: Tables, metric: str) -> Figure:
    """Draw the families' errors on held-out sizes and their Akaike weights, two panels per model."""
    fits = tables.regression("fits", metric)
    fits = fits[fits["n_parameters"].notna() & (fits["status"] == "fitted")]
    figure, axes = panels(2 * len(tables.models), height=2.3, columns=2, share=False)
    for model, errors, weights in zip(tables.models, axes[::2], axes[1::2], strict=True):
        of_model = fits[fits["model"] == model].sort_values("holdout_error", ascending=False, na_position="first")
        errors.set_title(model)
        if not len(of_model):
            empty(errors, "no family fitted")
            weights.set_axis_off()
            continue
        family_errors(errors, of_model, metric)
        family_weights(weights, of_model)
    return figure


def family_errors(ax: Axes, fits: pd.DataFrame, metric: str) -> Axes:
    """Draw the mean error of each family on held-out sizes, the preferred one filled; rows from the bottom up."""
    if not fits["holdout_error"].notna().any():
        return empty(ax, "too few sizes to hold any out")
    for height, row in enumerate(fits.itertuples()):
        look = {
            "markerfacecolor": colours()[0] if pd.notna(row.chosen_by) else "white",
            "markeredgecolor": colours()[0],
        }
        ax.plot(row.holdout_error, height, marker="o", linestyle="", markersize=7, **look)
    ax.set_yticks(range(len(fits)), fits["method"])
    ax.set_ylim(-0.6, len(fits) - 0.4)
    ax.set_xlim(left=0)
    ax.set_xlabel(f"mean error on held-out sizes ({METRICS[metric].difference_unit})")
    if METRICS[metric].is_share:
        points(ax.xaxis)
    return ax


def family_weights(ax: Axes, fits: pd.DataFrame) -> Axes:
    """Draw the Akaike weight of each family, the preferred one filled; rows from the bottom up."""
    filled = [colours()[0] if preferred else "white" for preferred in fits["chosen_by"].notna()]
    ax.barh(range(len(fits)), fits["akaike_weight"].fillna(0), color=filled, edgecolor=colours()[0], height=0.6)
    ax.set_yticks(range(len(fits)), fits["method"])
    ax.set_ylim(-0.6, len(fits) - 0.4)
    ax.set_xlim(0, 1)
    ax.set_xlabel("Akaike weight")
    return ax


def line(tables: Tables, metric: str) -> Figure:
    """Draw the published lines through the sizes' means, with and without sizes left out, one panel per model."""
    keys = ["model", "left_out"]
    fits, parameters = (tables.regression(name, metric) for name in ("fits", "parameters"))
    fits, parameters = (rows[rows["method"] == "published"] for rows in (fits, parameters))
    terms = parameters.pivot_table(index=keys, columns="term", values="estimate")
    lines = fits[fits["status"] == "fitted"].set_index(keys)[["r2"]].join(terms).reset_index()
    figure, axes = panels(len(tables.models), width=3.9, height=3.2)
    for ax, model in zip(axes, tables.models, strict=True):
        runs = tables.runs[tables.runs["model"] == model]
        ax.set_title(f"{model} ({runs_per_size(runs)})")
        if not len(runs):
            empty(ax, "no finished run")
            continue
        means = runs.groupby("n")[f"test_{metric}"].mean()
        ax.scatter(runs["n"], runs[f"test_{metric}"], s=9, color=colours()[0], alpha=0.4, linewidth=0)
        ax.plot(means.index, means, color=colours()[0], linestyle="", marker="o", markersize=5)
        of_model = lines[lines["model"] == model]
        for row in of_model.itertuples():
            published_line(ax, means.index.to_numpy(float), row)
        size_axis(ax, sorted(runs["n"].unique()), 8)
        if len(of_model):
            ax.legend()
        else:
            why = fits.loc[fits["model"] == model, "status"].iloc[0]
            ax.legend(handles=[], title=f"no line: {why}", title_fontsize=8)
    for ax in first_panels(axes):
        if METRICS[metric].is_share:
            per_cent(ax.yaxis)
        ax.set_ylabel(f"test {METRICS[metric].label}")
    return figure


def published_line(ax: Axes, sizes: np.ndarray, fit: tuple) -> Axes:
    """Draw the line const + log10_n · log10 n of one fit over the sizes."""
    label = f"without {fit.left_out}" if fit.left_out else "all sizes"
    style = {"linestyle": "--", "color": colours()[1]} if fit.left_out else {"color": "black"}
    values = fit.const + fit.log10_n * np.log10(sizes)
    ax.plot(sizes, values, marker="", linewidth=1.2, label=f"{label}: R² = {fit.r2:.3f}", **style)
    return ax


def residuals(tables: Tables, metric: str) -> Figure:
    """Draw the line's residuals by size and its studentised residuals by leverage, all models in each panel.

    A line through three sizes has no studentised residuals.
    """
    rows = tables.regression("influence", metric)
    figure, (by_size, by_leverage) = plt.subplots(1, 2, figsize=(8.2, 3.4))
    if not len(rows):
        empty(by_size, "no line fitted")
        by_leverage.set_axis_off()
        return figure
    studentised = rows[rows["studentised"].notna()]
    for model, style in line_styles(tables.models).items():
        of_model = rows[rows["model"] == model].sort_values("n")
        if len(of_model):
            by_size.plot(of_model["n"], of_model["mean"] - of_model["fitted"], label=model, **style)
        if model in set(studentised["model"]):
            leverages(by_leverage, of_model, {**style, "linestyle": ""})
    by_size.axhline(0, color="0.35", linewidth=0.8, marker="")
    if METRICS[metric].is_share:
        points(by_size.yaxis)
    by_size.set_ylabel(f"mean - line, test {METRICS[metric].words} ({METRICS[metric].difference_unit})")
    size_axis(by_size, sorted(rows["n"].astype(int).unique()), 9)
    by_size.legend()
    if len(studentised):
        by_leverage.set_xlabel("leverage (average: 2 / sizes)")
        by_leverage.set_ylabel("studentised residual")
        by_leverage.set_title("labelled: beyond ±2 or Cook's distance > 1")
    else:
        empty(by_leverage, "studentised residuals need\na line through at least four sizes")
    return figure


def leverages(ax: Axes, rows: pd.DataFrame, style: dict) -> Axes:
    """Draw studentised residuals by leverage and label sizes that stand out."""
    ax.axhspan(-2, 2, color="0.95", zorder=0)
    ax.plot(rows["leverage"], rows["studentised"], **style)
    for row in rows[(rows["studentised"].abs() > 2) | (rows["cooks_distance"] > 1)].itertuples():
        offset = {"xytext": (4, 3), "textcoords": "offset points", "fontsize": 7}
        ax.annotate(f"{row.n:,.0f}", (row.leverage, row.studentised), **offset)
    return ax


def variance(tables: Tables, metric: str) -> Figure:
    """Draw the standard deviation of each component of the spread by size, one panel per model."""
    rows = tables.regression("variance", metric)
    rows = rows[rows["n"].notna() & rows["sd"].notna()]
    figure, axes = panels(len(tables.models))
    looks = line_styles(list(COMPONENTS))
    for ax, model in zip(axes, tables.models, strict=True):
        of_model = rows[rows["model"] == model]
        ax.set_title(f"{model} ({runs_per_size(tables.runs[tables.runs['model'] == model])})")
        if not len(of_model):
            empty(ax, "one run per size, or none finished")
            continue
        for component, look in looks.items():
            of_component = of_model[of_model["component"] == component].sort_values("n")
            # If only the draw or only the seed varies, it causes all of the spread.
            alone = component in ("draw", "seed") and "draw with seed" not in set(of_model["component"])
            if len(of_component) and not alone:
                ax.plot(of_component["n"], of_component["sd"], label=COMPONENTS[component], **look)
        size_axis(ax, sorted(of_model["n"].astype(int).unique()), 8)
    for ax in first_panels(axes):
        ax.set_ylim(bottom=0)
        ax.set_ylabel(f"standard deviation, test {METRICS[metric].words} ({METRICS[metric].difference_unit})")
        if METRICS[metric].is_share:
            points(ax.yaxis)
    add_legend(axes, 0)
    return figure


def spread(tables: Tables) -> Figure:
    """Draw the spread of the test accuracy between runs by size, and the binomial spread of the test images.

    One panel per model. If runs are scored on a part of the test set, the spread on all of it is drawn too.
    """
    figure, axes = panels(len(tables.models), width=3.9, height=3.4)
    for ax, model in zip(axes, tables.models, strict=True):
        runs = tables.scored[tables.scored["model"] == model]
        ax.set_title(f"{model} ({runs_per_size(runs)})")
        columns = {"test_accuracy": "test_images", "whole": "n_test"}
        if (runs["test_images"] == runs["n_test"]).all():
            del columns["test_accuracy"]
        rows = {column: spreads(runs, column, images) for column, images in columns.items()}
        if not any(map(len, rows.values())):
            empty(ax, "no size with two finished runs that differ")
            continue
        for of_column, look in zip(rows.values(), line_styles(list(rows)).values(), strict=True):
            spread_line(ax, of_column, look)
        size_axis(ax, sorted(runs["n"].unique()), 8)
        log_axis(ax)
    for ax in first_panels(axes):
        ax.set_ylabel("standard deviation of test accuracy (points)")
    legend_below(figure, axes, 2)
    return figure


def spread_line(ax: Axes, rows: pd.DataFrame, look: dict) -> Axes:
    """Draw rows of `spreads`: standard deviations with intervals, and the binomial ones as a dashed line."""
    if not len(rows):
        return ax
    count = f"{rows['images'].iloc[0]:,} test images"
    ax.plot(rows.index, rows["expected"], color=look["color"], linestyle="--", marker="_", label=f"binomial, {count}")
    ax.vlines(rows.index, rows["low"], rows["high"], color=look["color"], linewidth=1.2)
    ax.plot(rows.index, rows["sd"], label=f"runs, scored on {count}", **{**look, "linestyle": ""})
    return ax


def spreads(runs: pd.DataFrame, column: str, images: str) -> pd.DataFrame:
    """Return by size, in percentage points: sd of `column`, its 95 % interval, and √(p (1 - p) / images).

    The interval is that of k normal values, (k - 1) s² / χ². With several draws, k is the number of draws, because
    runs of one draw are not independent. Sizes with one run, or without differences, are omitted.
    """
    groups = runs.groupby("n")[column]
    k, sd, p = runs.groupby("n")[unit_of(runs)].nunique(), groups.std(ddof=1), groups.mean()
    low, high = (sd * np.sqrt((k - 1) / stats.chi2.ppf(q, k - 1)) for q in (0.975, 0.025))
    counts = runs.groupby("n")[images].median()
    expected = np.sqrt(p * (1 - p) / counts)
    rows = 100 * pd.DataFrame({"sd": sd, "low": low, "high": high, "expected": expected})
    return rows.assign(images=counts.astype(int))[sd > 0]
