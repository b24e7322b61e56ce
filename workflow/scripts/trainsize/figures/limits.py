"""The figure of what limits each size."""

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from trainsize.figures.axes import (
    colours,
    empty,
    legend_below,
    line_styles,
    metric_axis,
    panels,
    points,
    runs_per_size,
    size_axis,
)
from trainsize.figures.source import Tables
from trainsize.regressions.limits import VERDICTS
from trainsize.runs.metrics import METRICS, SCORE


def limits(tables: Tables, metric: str) -> Figure:
    """Draw the metric on training and test images by size, and what doubling the updates saves, a row per model."""
    rows = tables.regression("limits", metric)
    figure, axes = panels(2 * len(tables.models), height=2.6, columns=2, share=False)
    for model, scores, gains in zip(tables.models, axes[::2], axes[1::2], strict=True):
        of_model = rows[rows["model"] == model]
        scores.set_title(f"{model} ({runs_per_size(tables.runs[tables.runs['model'] == model])})")
        if not len(of_model):
            empty(scores, "no finished run")
            gains.set_axis_off()
            continue
        end_scores(scores, of_model, metric)
        gains_by_verdict(gains, of_model, metric)
    legend_below(figure, axes, 3)
    return figure


def end_scores(ax: Axes, rows: pd.DataFrame, metric: str) -> Axes:
    """Draw the mean metric at the end of the training, on training and on test images, with the gap between them."""
    for column, label, colour, dashes in (
        ("train_error", "training images", colours()[1], "--"),
        ("error", "test images", colours()[0], "-"),
    ):
        values = 1 - rows[column] if METRICS[metric].kind == SCORE else rows[column]
        ax.plot(rows["n"], values, color=colour, linestyle=dashes, markersize=5, label=label)
    size_axis(ax, list(rows["n"].astype(int)), 8)
    return metric_axis(ax, metric)


def gains_by_verdict(ax: Axes, rows: pd.DataFrame, metric: str) -> Axes:
    """Draw the error that doubling the updates saves, with its interval, in the colour and marker of the verdict."""
    ax.axhline(0, color="0.35", linewidth=0.8, marker="")
    styles = {**line_styles(VERDICTS), "": {"color": "0.5", "marker": "x"}}
    for verdict, style in styles.items():
        of_verdict = rows[rows["verdict"] == verdict]
        if len(of_verdict):
            label = f"limit: {verdict or 'unknown'}"
            ax.vlines(
                of_verdict["n"], of_verdict["gain_low"], of_verdict["gain_high"], color=style["color"], linewidth=1.4
            )
            ax.plot(of_verdict["n"], of_verdict["gain"], label=label, **{**style, "linestyle": ""})
    size_axis(ax, list(rows["n"].astype(int)), 8)
    if METRICS[metric].is_share:
        points(ax.yaxis)
    ax.set_ylabel(f"saved per doubling\nof the updates ({METRICS[metric].difference_unit})")
    return ax
