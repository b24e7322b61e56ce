"""The figure of a reproduction: our numbers beside the published ones."""

from pathlib import Path

import numpy as np
import pandas as pd
from matplotlib import pyplot as plt
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from trainsize.figures import STYLE, save
from trainsize.figures_axes import colours, empty, legend_below, panels

MODES = {"as_published": "as published", "corrected": "corrected"}
WIDEST = 100  # per cent of the published number that the axis goes to


def draw_reproduction(table: pd.DataFrame, stem: Path) -> None:
    """Draw a table of reproductions to `stem`.png and .pdf."""
    with plt.rc_context(fname=STYLE):
        save(reproduction(table), stem)


def reproduction(table: pd.DataFrame) -> Figure:
    """Draw how far our numbers are from the published ones, a panel per artefact and a row per number."""
    ours = table[table[list(MODES)].notna().any(axis=1) & table["published"].ne(0)]
    groups = list(ours.groupby("artefact", sort=False))
    longest = max((len(rows) for _, rows in groups), default=1)
    figure, axes = panels(max(len(groups), 1), width=3.6, height=0.9 + 0.16 * longest, columns=3, share=False)
    if not groups:
        empty(axes[0], "no number of ours to compare")
    for ax, (name, rows) in zip(axes, groups, strict=False):
        differences(ax, rows)
        ax.set_title(name)
        ax.set_xlabel("ours - published (% of the published)")
    legend_below(figure, axes, 3)
    return figure


def differences(ax: Axes, rows: pd.DataFrame) -> Axes:
    """Draw the differences of both modes with the interval of that as published, from above; what differs is filled.

    A number off the axis is an arrow at its end.
    """
    percent = 100 / rows["published"].abs()
    place = np.arange(len(rows))[::-1]
    ax.axvline(0, color="0.5", linewidth=0.8)
    looks = {
        "agrees": (colours()[0], "white"),
        "differs": (colours()[1], colours()[1]),
        "not comparable": ("0.6", "white"),
    }
    for verdict, (colour, fill) in looks.items():
        some = rows["verdict"].eq(verdict).to_numpy()
        if some.any():
            low, middle, high = (rows[f"difference{end}"][some] * percent[some] for end in ("_low", "", "_high"))
            ax.hlines(place[some], low, high, color=colour, linewidth=1.2)
            look = {"color": colour, "linestyle": "", "marker": "o", "markerfacecolor": fill}
            ax.plot(middle, place[some], label=f"as published: {verdict}", **look)
    corrected = (rows["corrected"] - rows["published"]) * percent
    ax.plot(corrected, place, color="0.45", linestyle="", marker="s", markersize=3.5, label="corrected", zorder=1)
    ax.set_xlim(*np.clip(ax.get_xlim(), -WIDEST, WIDEST))
    for values, size in ((rows["difference"] * percent, 5), (corrected, 3.5)):
        off_the_axis(ax, values.to_numpy(), place, size)
    ax.set_yticks(place, rows["quantity"], fontsize=7)
    ax.set_ylim(-0.7, len(rows) - 0.3)
    return ax


def off_the_axis(ax: Axes, values: np.ndarray, place: np.ndarray, size: float) -> None:
    """Mark at the ends of the axis the values (m) that lie beyond them."""
    low, high = ax.get_xlim()
    for end, arrow, beyond in ((low, "<", values < low), (high, ">", values > high)):
        if beyond.any():
            look = {"color": "0.45", "linestyle": "", "marker": arrow, "markersize": size, "clip_on": False}
            ax.plot(np.full(beyond.sum(), end), place[beyond], label="off the axis", **look)
