"""Shared by the figures: panels, axes with units, colours by size, and notes in empty panels."""

from collections.abc import Sequence

import matplotlib
import numpy as np
import pandas as pd
from matplotlib import pyplot as plt
from matplotlib.axes import Axes
from matplotlib.axis import Axis
from matplotlib.colors import Colormap, LogNorm
from matplotlib.figure import Figure
from matplotlib.ticker import AutoLocator, LogLocator, MaxNLocator, NullFormatter, NullLocator, PercentFormatter

from trainsize.common.errors import plural
from trainsize.runs.metrics import METRICS

SIZE = "training images n (log scale)"
MOST_COLUMNS = 4
NAMED_CLASSES = 62  # most classes whose names are written along an axis
MOST_MARKERS = 30  # on a line with many points
DASHES = ("-", "--", ":", "-.")


def panels(
    count: int, width: float = 3.3, height: float = 3.1, columns: int = MOST_COLUMNS, share: bool = True
) -> tuple[Figure, list[Axes]]:
    """Return a figure of `count` panels (inches each), in rows of at most `columns`, sharing the y axis."""
    columns = min(columns, count)
    rows = -(-count // columns)
    size = (1.2 + width * columns, 0.3 + height * rows)
    figure, axes = plt.subplots(rows, columns, sharey=share, squeeze=False, figsize=size)
    for ax in axes.flat[count:]:
        ax.remove()
    return figure, list(axes.flat[:count])


def first_panels(axes: Sequence[Axes]) -> list[Axes]:
    """Return the first non-empty panel of each row, which gets the label of the y axis."""
    first: dict[int, Axes] = {}
    for ax in axes:
        if ax.axison:
            first.setdefault(ax.get_subplotspec().rowspan.start, ax)
    return list(first.values())


def empty(ax: Axes, why: str) -> Axes:
    """Write in a panel why it is empty."""
    ax.text(0.5, 0.5, why, transform=ax.transAxes, ha="center", va="center", wrap=True, color="0.3")
    ax.set_axis_off()
    return ax


def colours() -> list[str]:
    return matplotlib.rcParams["axes.prop_cycle"].by_key()["color"]


def line_styles(names: Sequence[str]) -> dict[str, dict]:
    """Return the colour, marker and dashes of each name's line. All lines differ, also in grey."""
    cycle = list(matplotlib.rcParams["axes.prop_cycle"])
    length = len(cycle)
    return {
        # Each round of colours shifts the markers by one, so each pair of marker and colour occurs once.
        name: {
            "color": cycle[i % length]["color"],
            "marker": cycle[(i + i // length) % length]["marker"],
            "linestyle": DASHES[i // length % len(DASHES)],
        }
        for i, name in enumerate(names)
    }


def mark_every(count: int) -> int:
    """Return the interval between markers on a line of `count` points: too many would hide it."""
    return -(-count // MOST_MARKERS)


def size_colours(sizes: Sequence[int]) -> tuple[LogNorm, Colormap]:
    """Return the norm and colours of sizes, from light to dark, so they differ in grey too."""
    low, high = min(sizes), max(sizes)
    low = low if low < high else high / 2
    # Without the lightest colours of the map, which are invisible on white.
    shades = plt.get_cmap("viridis_r")(np.linspace(0.12, 1, 256))
    return LogNorm(low, high), matplotlib.colors.ListedColormap(shades)


def size_bar(figure: Figure, axes: list[Axes], sizes: Sequence[int]) -> None:
    """Add a colour bar of the sizes beside the panels."""
    norm, shades = size_colours(sizes)
    bar = figure.colorbar(plt.cm.ScalarMappable(norm, shades), ax=axes, label="training images n", aspect=30)
    shown = spread_out(sorted(sizes))
    bar.set_ticks(shown, labels=[f"{n:,}" for n in shown])
    bar.minorticks_off()


def spread_out(sizes: list[int], most: float = 12) -> list[int]:
    """Return the sizes that fit without touching on a logarithmic axis with room for `most` labels."""
    shown = sizes[:1]
    for size in sizes[1:]:
        if size / shown[-1] > (sizes[-1] / sizes[0]) ** (1 / most):
            shown.append(size)
    return shown


def size_axis(ax: Axes, sizes: list[int], most: int = 13) -> Axes:
    """Make the x axis logarithmic in size, with a tick at each size unless labels touch (room for `most`)."""
    ax.set_xscale("log")
    left, right = ax.get_xlim()
    ticks = spread_out(sizes, most * np.log(sizes[-1] / sizes[0]) / np.log(right / left))
    ax.set_xticks(ticks, [f"{n:,}" for n in ticks])
    ax.xaxis.set_minor_locator(NullLocator())
    ax.set_xlabel(SIZE)
    return ax


def metric_axis(ax: Axes, metric: str, split: str = "") -> Axes:
    """Label the y axis with the metric and its unit. Fractions are in per cent, losses on a log scale.

    Panels that share the axis get a linear one if any of them shows a loss of 0, which a log scale cannot show.
    """
    if METRICS[metric].is_share:
        ax.yaxis.set_major_formatter(PercentFormatter(xmax=1))
        low, high = ax.get_ylim()
        ax.set_ylim(max(-0.005, low), min(1.005, high))
    elif all(panel.dataLim.y0 > 0 for panel in ax.get_shared_y_axes().get_siblings(ax)):
        log_axis(ax)
    ax.set_ylabel(f"{split} {METRICS[metric].label}".strip())
    return ax


def log_axis(ax: Axes) -> Axes:
    """Make the y axis logarithmic, with plain numbers."""
    ax.set_yscale("log")
    decades = np.ptp(np.log10(ax.get_ylim()))
    # Within a decade there may be at most one of the numbers 1, 2 and 5.
    logarithmic = LogLocator(subs=(1, 2, 5) if decades < 2.5 else (1,))
    ax.yaxis.set_major_locator(AutoLocator() if decades < 0.8 else logarithmic)
    ax.yaxis.set_major_formatter("{x:g}")
    ax.yaxis.set_minor_formatter(NullFormatter())
    return ax


def per_cent(axis: Axis) -> None:
    axis.set_major_formatter(PercentFormatter(xmax=1))


def points(axis: Axis) -> None:
    """Write fractions as percentage points: 0.005 as 0.5."""
    axis.set_major_formatter(lambda value, _: f"{100 * value:.10g}")


def add_legend(axes: Sequence[Axes], index: int = -1) -> None:
    """Add a legend to the last non-empty panel, or to the one at `index`."""
    drawn = [ax for ax in axes if ax.axison]
    if drawn:
        drawn[index].legend()


def legend_below(figure: Figure, axes: Sequence[Axes], columns: int) -> None:
    """Add one legend for all panels below them, each label once."""
    handles = {label: handle for ax in axes for handle, label in zip(*ax.get_legend_handles_labels(), strict=True)}
    if handles:
        figure.legend(handles.values(), handles.keys(), loc="outside lower left", ncols=columns)


def updates_axis(ax: Axes) -> Axes:
    ax.set_xlabel("optimiser updates")
    ax.xaxis.set_major_locator(MaxNLocator(nbins=5, integer=True))
    ax.xaxis.set_major_formatter("{x:,.0f}")
    return ax


def runs_per_size(runs: pd.DataFrame) -> str:
    """Describe the number of runs per size."""
    counts = runs.groupby("n").size()
    return f"{run_range(counts)} per size" if len(counts) else "no finished run"


def run_range(counts: Sequence[int]) -> str:
    """Describe the smallest and largest number of runs: "3 runs", "2-5 runs"."""
    low, high = min(counts), max(counts)
    return plural(high) if low == high else f"{low}-{high} runs"
