"""The figure of a reproduction: our numbers compared with the published ones."""

from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
import pandas as pd
from matplotlib import pyplot as plt
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from trainsize.figures.axes import colours, empty, legend_below, panels
from trainsize.figures.saving import STYLE, save

MODES = {"as_published": "as published", "corrected": "corrected"}
WIDEST = 100  # limit of the axis, in per cent of the published number


def draw_reproduction(table: pd.DataFrame, stem: Path) -> None:
    """Draw a table of reproductions to `stem`.png and .pdf."""
    with plt.rc_context(fname=STYLE):
        save(reproduction(table), stem)


def reproduction(table: pd.DataFrame) -> Figure:
    """Draw the differences of our numbers from the published ones: a panel per artefact, a row per number."""
    ours = table[table[list(MODES)].notna().any(axis=1) & table["published"].ne(0)]
    groups = list(ours.groupby("artefact", sort=False))
    longest = max((len(rows) for _, rows in groups), default=1)
    figure, axes = panels(max(len(groups), 1), width=3.6, height=0.9 + 0.16 * longest, columns=3, share=False)
    if not groups:
        empty(axes[0], "no numbers to compare")
    for ax, (name, rows) in zip(axes, groups, strict=False):
        differences(ax, rows)
        ax.set_title(name)
        ax.set_xlabel("ours - published (% of the published; arrows: beyond)")
    legend_below(figure, axes, 1 + min(len(groups), 2))
    return figure


def differences(ax: Axes, rows: pd.DataFrame) -> Axes:
    """Draw the differences of both modes, from the top down, with the interval of those as published.

    The markers of numbers that differ are filled. A number off the axis is an arrowhead at its end; an interval that
    leaves the axis ends in an angle bracket.
    """
    height = pd.Series(np.arange(len(rows))[::-1], rows.index)
    ax.axvline(0, color="0.5", linewidth=0.8)
    drawn = list(series(rows))
    for label, values, look in drawn:
        ax.hlines(height[values.index], values["low"], values["high"], color=look["color"], linewidth=1.2)
        ax.plot(values["difference"], height[values.index], label=label, linestyle="", **look)
    left, right = np.clip(ax.get_xlim(), -WIDEST, WIDEST)
    ax.set_xlim(left, right)
    for _, values, look in drawn:
        middle = values["difference"]
        at_the_ends(ax, (middle < left, middle > right), height, "<>", look)
        cut = (values["low"] < left) & (middle >= left), (values["high"] > right) & (middle <= right)
        at_the_ends(ax, cut, height, ("$<$", "$>$"), {"color": look["color"], "markersize": 4})
    ax.set_yticks(height, rows["quantity"], fontsize=7)
    ax.set_ylim(-0.7, len(rows) - 0.3)
    return ax


def series(rows: pd.DataFrame) -> Iterator[tuple[str, pd.DataFrame, dict]]:
    """Yield label, differences and marker style of each series: one per verdict, and the corrected numbers.

    The differences are the columns low, difference and high, in per cent of the published number.
    """
    percent = 100 / rows["published"].abs()
    columns = {"difference_low": "low", "difference": "difference", "difference_high": "high"}
    differing = rows[list(columns)].rename(columns=columns).mul(percent, axis=0)
    fills = {
        "agrees": (colours()[0], "white"),
        "differs": (colours()[1], colours()[1]),
        "not comparable": ("0.6", "white"),
    }
    for verdict, (colour, fill) in fills.items():
        of_verdict = differing[rows["verdict"].eq(verdict) & differing["difference"].notna()]
        if len(of_verdict):
            look = {"color": colour, "marker": "o", "markersize": 5, "markerfacecolor": fill}
            yield f"as published: {verdict}", of_verdict, look
    corrected = ((rows["corrected"] - rows["published"]) * percent).dropna()
    if len(corrected):
        look = {"color": "0.45", "marker": "s", "markersize": 4.5, "markeredgecolor": "white"}
        yield "corrected", pd.DataFrame({"difference": corrected, "low": np.nan, "high": np.nan}), look


def at_the_ends(
    ax: Axes, beyond: tuple[pd.Series, pd.Series], height: pd.Series, marks: Sequence[str], look: dict
) -> None:
    """Mark the rows that go beyond the left and the right end of the axis, at their `height`."""
    for end, mark, rows in zip(ax.get_xlim(), marks, beyond, strict=True):
        if rows.any():
            heights = height[rows.index[rows]]
            ax.plot([end] * len(heights), heights, **{**look, "linestyle": "", "marker": mark, "clip_on": False})
