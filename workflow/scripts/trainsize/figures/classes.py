"""Figures of predictions and classes: reliability, confusion, scores per class, and the units of a layer."""

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.cm import ScalarMappable
from matplotlib.colors import Normalize, PowerNorm
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from trainsize.common.errors import plural
from trainsize.figures.axes import (
    NAMED_CLASSES,
    add_legend,
    empty,
    first_panels,
    line_styles,
    panels,
    per_cent,
    size_colours,
)
from trainsize.figures.source import Tables
from trainsize.runs.run import COORDINATES

CALIBRATION_BINS = 15  # the same number as for the calibration error
NUMBERED_CELLS = 12  # most classes, or units, of a matrix whose cells show their numbers


def reliability(tables: Tables) -> Figure:
    """Draw the share of right predictions by their probability for three sizes, one panel per model."""
    figure, axes = panels(len(tables.models))
    for ax, model in zip(axes, tables.models, strict=True):
        runs = tables.runs[tables.runs["model"] == model]
        sizes = sorted(runs["n"].unique())
        ax.set_title(model)
        if not sizes:
            empty(ax, "no finished run")
            continue
        ax.plot([0, 1], [0, 1], color="0.5", marker="", linewidth=0.8)
        norm, shades = size_colours(sizes)
        shown = sorted({sizes[0], sizes[len(sizes) // 2], sizes[-1]})
        for n, style in zip(shown, line_styles(shown).values(), strict=True):
            of_size = runs[runs["n"] == n]
            label = f"n = {n:,} ({plural(len(of_size))})"
            sure, right = calibration_bins(pd.concat(tables.predictions(of_size)))
            ax.plot(sure, right, label=label, **{**style, "color": shades(norm(n))})
        ax.set_aspect("equal")
        ax.set_xlabel("mean probability of the predicted class")
        per_cent(ax.xaxis)
        ax.legend()
    for ax in first_panels(axes):
        ax.set_ylabel("share of right predictions")
        per_cent(ax.yaxis)
    return figure


def calibration_bins(predictions: pd.DataFrame, bins: int = CALIBRATION_BINS) -> tuple[np.ndarray, np.ndarray]:
    """Return the mean probability and the share of right predictions in the calibration error's bins of equal mass."""
    ordered = predictions.sort_values("probability_1", kind="stable")
    right = (ordered["class_1"] == ordered["label"]).to_numpy(float)
    parts = [part for part in np.array_split(np.arange(len(ordered)), bins) if len(part)]
    sure = ordered["probability_1"].to_numpy(float)
    return np.array([sure[part].mean() for part in parts]), np.array([right[part].mean() for part in parts])


def confusion(tables: Tables) -> Figure:
    """Draw the confusion matrix of each model at its largest size, one panel per model."""
    names, counts = tables.classes, tables.metrics("confusion")
    side = 3.6 if len(names) <= NUMBERED_CELLS else 4.6
    figure, axes = panels(len(tables.models), width=side, height=side, columns=3, share=False)
    norm = PowerNorm(0.5, 0, 1)
    for ax, model in zip(axes, tables.models, strict=True):
        rows = tables.of_largest(counts, model)
        if not len(rows):
            ax.set_title(model)
            empty(ax, "no finished run")
            continue
        runs = tables.of_largest(tables.runs, model)
        matrix(ax, confusion_shares(rows, len(names)), norm, "{:.0%}")
        class_ticks(ax, names)
        ax.set_title(f"{model}, n = {rows['n'].iloc[0]:,} ({plural(len(runs))})")
        ax.set_xlabel("predicted class")
        ax.set_ylabel("class")
    if len(counts):
        bar = figure.colorbar(ScalarMappable(norm, "cividis"), ax=axes, label="share of the class", aspect=30)
        per_cent(bar.ax.yaxis)
    return figure


def confusion_shares(rows: pd.DataFrame, classes: int) -> np.ndarray:
    """Return the share of each class (row) predicted as each class (column); nan for a class without images."""
    counts = np.zeros((classes, classes))
    counts[rows["label"], rows["predicted"]] = rows["count"]
    totals = counts.sum(1, keepdims=True)
    return np.divide(counts, totals, out=np.full_like(counts, np.nan), where=totals > 0)


def matrix(ax: Axes, values: np.ndarray, norm: Normalize, text_format: str) -> Axes:
    """Draw a square matrix as colours, with the numbers in the cells if there are few."""
    ax.imshow(values, norm=norm, cmap="cividis", interpolation="nearest")
    ax.grid(visible=False)
    ax.tick_params(length=0)
    if len(values) <= NUMBERED_CELLS:
        for (row, column), value in np.ndenumerate(values):
            if np.isfinite(value) and abs(value) >= 0.005:
                colour = "black" if norm(value) > 0.5 else "white"
                text = text_format.format(value).rstrip("%")
                ax.text(column, row, text, ha="center", va="center", fontsize=6.5, color=colour)
    return ax


def class_ticks(ax: Axes, names: list[str]) -> Axes:
    """Write the class names along both axes if there is room."""
    if len(names) > NAMED_CLASSES:
        for axis in (ax.xaxis, ax.yaxis):
            axis.set_major_locator(MaxNLocator(integer=True))
        return ax
    size = 7 if len(names) <= 20 else 5
    rotation = 0 if max(map(len, names)) <= 2 else 90
    ax.set_xticks(range(len(names)), names, rotation=rotation, fontsize=size)
    ax.set_yticks(range(len(names)), names, fontsize=size)
    return ax


def per_class(tables: Tables) -> Figure:
    """Draw precision, recall and F1 of each class, lowest F1 first, at the largest size, one panel per model."""
    names, rows = tables.classes, tables.metrics("classes")
    named = len(names) <= NAMED_CLASSES
    figure, axes = panels(len(tables.models), height=max(2.6, 0.16 * len(names)) if named else 3.1, share=False)
    for ax, model in zip(axes, tables.models, strict=True):
        of_model = tables.of_largest(rows, model)
        if not len(of_model):
            ax.set_title(model)
            empty(ax, "no finished run")
            continue
        runs = len(of_model[COORDINATES].drop_duplicates())
        scores = pooled_scores(of_model).sort_values("f1")
        class_scores(ax, scores)
        if named:
            ax.set_yticks(range(len(scores)), [names[label] for label in scores.index], fontsize=7)
        ax.set_ylabel("class" if named else "class, by F1")
        ax.set_title(f"{model}, n = {of_model['n'].iloc[0]:,} ({plural(runs)})")
    add_legend(axes, 0)
    return figure


def pooled_scores(rows: pd.DataFrame) -> pd.DataFrame:
    """Return precision, recall and F1 of each class over the images of all runs together.

    Averaging precision over runs would drop the runs that never predict the class.
    """
    hits = (rows["recall"].fillna(0) * rows["support"]).groupby(rows["label"]).sum()
    support, predicted = (rows.groupby("label")[name].sum() for name in ("support", "predicted"))
    scores = {"precision": hits / predicted, "recall": hits / support, "f1": 2 * hits / (support + predicted)}
    return pd.DataFrame(scores)


def class_scores(ax: Axes, scores: pd.DataFrame) -> Axes:
    """Draw the columns precision, recall and f1 of `scores`, one row per class, from the bottom up."""
    looks = line_styles(["precision", "recall", "f1"])
    for name, look in looks.items():
        shown = {**look, "linestyle": "", "markersize": 5 if name == "f1" else 4}
        ax.plot(scores[name], range(len(scores)), label="F1" if name == "f1" else name, **shown)
    ax.set_ylim(-0.7, len(scores) - 0.3)
    per_cent(ax.xaxis)
    ax.xaxis.set_major_locator(MaxNLocator(4))
    ax.set_xlabel("score, all runs together")
    return ax


def neurons(tables: Tables) -> Figure:
    """Draw the correlations between a layer's units at the largest size, one panel per model that has them."""
    rows = tables.metrics("neurons")
    models = [model for model in tables.models if tables.settings["recipes"][model]["neurons"]]
    figure, axes = panels(len(models), width=3.8, height=3.6, columns=3, share=False)
    norm = Normalize(-1, 1)
    for ax, model in zip(axes, models, strict=True):
        of_model = tables.of_largest(rows, model)
        if not len(of_model):
            ax.set_title(model)
            empty(ax, "no finished run")
            continue
        first = of_model.iloc[0]
        units = first["units"]
        mean = np.mean([np.reshape(values, (units, units)) for values in of_model["correlations"]], axis=0)
        matrix(ax, mean, norm, "{:.2f}")
        between = f"all pairs {of_model['mean'].mean():.3f} ± {of_model['sd'].mean():.3f}"
        ax.set_title(f"{model}, layer {first['layer']}, n = {first['n']:,} ({plural(len(of_model))})\n{between}")
        for label in (ax.set_xlabel, ax.set_ylabel):
            label("unit")
    if len(rows):
        figure.colorbar(ScalarMappable(norm, "cividis"), ax=axes, label="correlation", aspect=30)
    return figure
