"""The figures stage. Every drawing function takes the axes it draws on and returns them."""

from itertools import pairwise
from pathlib import Path

import matplotlib

matplotlib.use("agg")

import numpy as np
import pandas as pd
from matplotlib import pyplot as plt
from matplotlib.axes import Axes
from matplotlib.colors import LogNorm
from matplotlib.figure import Figure
from matplotlib.ticker import LogLocator, MaxNLocator, NullFormatter, NullLocator, PercentFormatter

from trainsize.chance import sorted_share_band
from trainsize.files import read_json, whole
from trainsize.intervals import size_interval
from trainsize.tables import read_table

STYLE = Path(__file__).with_name("matplotlibrc")
LABELS = {"accuracy": "accuracy", "f1_macro": "macro F1", "f1_micro": "micro F1", "loss": "cross-entropy (nats)"}
FRACTIONS = ("accuracy", "f1_macro", "f1_micro")


def draw_figures(settings: dict, results: Path, manifest: Path) -> None:
    """Draw each figure listed in `settings["figures"]` from the tables under `results` and the data set's manifest.

    Writes PNG and PDF.
    """
    tables = {
        "runs": finished(read_table(results / "metrics" / "runs.parquet")),
        "history": read_table(results / "metrics" / "history.parquet"),
        "predictions": read_table(results / "regressions" / "predictions.parquet"),
        "overlap": read_table(results / "overlap" / "overlap.parquet"),
        "overlap_classes": read_table(results / "overlap" / "overlap_classes.parquet"),
        "class_counts": read_json(manifest)["class_counts"],
    }
    coordinates = ["model", "n", "draw", "seed"]
    tables["history"] = tables["history"].merge(tables["runs"][coordinates], on=coordinates)
    with plt.rc_context(fname=STYLE):
        for figure in settings["figures"]:
            save(
                DRAW[figure["kind"]](tables, settings["models"], figure.get("metric")),
                results / "figures" / figure["name"],
            )


def save(figure: Figure, stem: Path) -> None:
    for extension in ("png", "pdf"):
        metadata = {"Software": None} if extension == "png" else {"CreationDate": None, "Producer": None}
        with whole(stem.parent / f"{stem.name}.{extension}") as partial:
            figure.savefig(partial, format=extension, metadata=metadata)
    plt.close(figure)


def finished(runs: pd.DataFrame) -> pd.DataFrame:
    return runs[runs["status"] == "finished"]


def spread_out(sizes: list[int]) -> list[int]:
    """Return the sizes that can be written along a logarithmic axis without touching."""
    shown = [sizes[0]]
    for size in sizes[1:]:
        if size / shown[-1] > (sizes[-1] / sizes[0]) ** (1 / 12):
            shown.append(size)
    return shown


def size_axis(ax: Axes, sizes: list[int]) -> Axes:
    """Make the x axis the size: logarithmic, a tick at each size unless they would touch."""
    ax.set_xscale("log")
    ticks = spread_out(sizes)
    ax.set_xticks(ticks, [f"{n:,}" for n in ticks])
    ax.xaxis.set_minor_locator(NullLocator())
    ax.set_xlabel("training images n (log scale)")
    return ax


def metric_axis(ax: Axes, metric: str, split: str = "") -> Axes:
    """Label the y axis with the metric and its unit, fractions as per cent and losses on a log scale."""
    if metric in FRACTIONS:
        ax.yaxis.set_major_formatter(PercentFormatter(xmax=1))
        ax.set_ylim(top=min(1.005, ax.get_ylim()[1]))
    elif ax.dataLim.ymin > 0:
        ax.set_yscale("log")
        decades = np.ptp(np.log10(ax.get_ylim()))
        ax.yaxis.set_major_locator(LogLocator(subs=(1, 2, 5) if decades < 2.5 else (1,)))
        ax.yaxis.set_major_formatter("{x:g}")
        ax.yaxis.set_minor_formatter(NullFormatter())
    ax.set_ylabel(f"{split} {LABELS[metric]}".strip())
    return ax


def mean_curve(ax: Axes, runs: pd.DataFrame, column: str, label: str) -> Axes:
    """Draw every run as a dot and, through the means of the sizes, a line with the 95 % t-interval of the mean."""
    sizes, intervals = zip(*((n, size_interval(group, column)) for n, group in runs.groupby("n")), strict=True)
    means, low, high = zip(*intervals, strict=True)
    (line,) = ax.plot(sizes, means, markersize=5, label=label, zorder=3)
    ax.fill_between(sizes, low, high, color=line.get_color(), alpha=0.18, linewidth=0, zorder=1)
    ax.scatter(runs["n"], runs[column], s=9, color=line.get_color(), alpha=0.55, linewidth=0, zorder=2)
    return ax


def fitted_curve(ax: Axes, runs: pd.DataFrame, fitted: pd.DataFrame, column: str, label: str) -> Axes:
    """Draw the runs as dots, their means as markers, and the fitted curve with its band, dashed beyond the sizes."""
    means = runs.groupby("n")[column].mean()
    (marks,) = ax.plot(means.index, means, linestyle="", markersize=5, zorder=3)
    colour = marks.get_color()
    seen, beyond = fitted[~fitted["extrapolated"]], fitted[fitted["n"] >= means.index[-1]]
    ax.plot(seen["n"], seen["value"], color=colour, marker="", zorder=2, label=label)
    ax.plot(beyond["n"], beyond["value"], color=colour, marker="", linestyle=(0, (3, 2)), linewidth=1.2, zorder=2)
    ax.fill_between(fitted["n"], fitted["low"], fitted["high"], color=colour, alpha=0.18, linewidth=0, zorder=1)
    ax.scatter(runs["n"], runs[column], s=9, color=colour, alpha=0.4, linewidth=0, zorder=2)
    return ax


def curve(tables: dict, models: list[str], metric: str) -> Figure:
    """Draw the metric against the size, all models on one axis: the chosen curves to twice the largest size.

    A model without a curve gets the means of its sizes, joined.
    """
    runs, predictions = tables["runs"], tables["predictions"]
    predictions = predictions[(predictions["metric"] == metric) & predictions["chosen"] & predictions["value"].notna()]
    figure, ax = plt.subplots()
    for model in models:
        of_model = runs[runs["model"] == model]
        fitted = predictions[predictions["model"] == model]
        fitted = fitted[fitted["n"] <= 2.001 * of_model["n"].max()]
        if len(fitted):
            label = f"{model}: {fitted['family'].iloc[0]} ({_runs_per_size(of_model)})"
            fitted_curve(ax, of_model, fitted, f"test_{metric}", label)
        elif len(of_model):
            mean_curve(ax, of_model, f"test_{metric}", f"{model}: means ({_runs_per_size(of_model)})")
    if len(runs):
        size_axis(ax, sorted(runs["n"].unique()))
        title = "dots: runs; markers: means; band: interval of the curve"
        ax.legend(title=title, alignment="left", title_fontsize=8)
    metric_axis(ax, metric, "test")
    return figure


def _runs_per_size(runs: pd.DataFrame) -> str:
    counts = runs.groupby("n").size()
    span = f"{counts.min()}" if counts.min() == counts.max() else f"{counts.min()}-{counts.max()}"
    return f"{span} runs per size"


def boxes(tables: dict, models: list[str], metric: str) -> Figure:
    """Draw box plots of the metric by size, a panel per model, test and train side by side."""
    runs = tables["runs"]
    figure, axes = _panels(models)
    colours = matplotlib.rcParams["axes.prop_cycle"].by_key()["color"]
    for ax, model in zip(axes, models, strict=True):
        of_model = runs[runs["model"] == model]
        sizes = sorted(of_model["n"].unique())
        for split, colour, shift in (("train", "0.6", 0.94), ("test", colours[0], 1.06)):
            _box_row(ax, of_model, f"{split}_{metric}", sizes, shift, colour, split)
        if sizes:
            size_axis(ax, sizes)
        ax.set_title(f"{model} ({_runs_per_size(of_model)})" if sizes else f"{model} (no finished run)")
    metric_axis(axes[0], metric)
    if len(runs):
        axes[-1].legend()
    return figure


def _box_row(
    ax: Axes, runs: pd.DataFrame, column: str, sizes: list[int], shift: float, colour: str, label: str
) -> None:
    if not sizes:
        return
    step = min((b / a for a, b in pairwise(sizes)), default=2.0) - 1
    positions = [n * (1 + (shift - 1) * 4 * min(step, 0.6)) for n in sizes]
    parts = ax.boxplot(
        [runs.loc[runs["n"] == n, column] for n in sizes],
        positions=positions,
        widths=[p * 0.22 * min(step, 0.6) * 2 for p in positions],
        patch_artist=True,
        manage_ticks=False,
        boxprops={"facecolor": colour, "alpha": 0.45, "edgecolor": colour},
        medianprops={"color": "black", "linewidth": 1.2},
        whiskerprops={"color": colour},
        capprops={"color": colour},
        flierprops={"marker": "o", "markersize": 2.5, "markeredgecolor": colour},
    )
    parts["boxes"][0].set_label(label)


def history(tables: dict, models: list[str], metric: str) -> Figure:
    """Draw the test metric over the updates, the mean of the runs of each size, a panel per model."""
    rows = tables["history"]
    rows = rows[rows["split"] == "test"]
    figure, axes = _panels(models)
    sizes = sorted(rows["n"].unique()) or [1]
    norm, colours = LogNorm(sizes[0], max(sizes[-1], sizes[0] + 1)), plt.get_cmap("viridis_r")
    for ax, model in zip(axes, models, strict=True):
        means = rows[rows["model"] == model].groupby(["n", "step"])[metric].mean()
        for n in means.index.unique("n"):
            ax.plot(means[n].index, means[n].to_numpy(), color=colours(norm(n)), marker="", linewidth=1.4)
        ax.set_xlabel("optimiser updates")
        ax.set_title(model)
    metric_axis(axes[0], metric, "test")
    bar = figure.colorbar(plt.cm.ScalarMappable(norm, colours), ax=axes, label="training images n", aspect=30)
    shown = spread_out(sizes)
    bar.set_ticks(shown, labels=[f"{n:,}" for n in shown])
    bar.minorticks_off()
    return figure


def overlap(tables: dict, models: list[str], metric: None) -> Figure:
    """Draw which share of each subset (row) is also in each other (column)."""
    pairs = tables["overlap"]
    keys = sorted({*zip(pairs["n_a"], pairs["draw_a"], strict=True), *zip(pairs["n_b"], pairs["draw_b"], strict=True)})
    place = {key: i for i, key in enumerate(keys)}
    matrix = np.eye(max(len(keys), 1))
    for pair in pairs.itertuples():
        a, b = place[pair.n_a, pair.draw_a], place[pair.n_b, pair.draw_b]
        matrix[a, b], matrix[b, a] = pair.share_a, pair.share_b
    figure, ax = plt.subplots(figsize=(5.2, 4.4))
    image = ax.imshow(matrix, vmin=0, vmax=1, cmap="cividis", interpolation="nearest")
    starts = [i for i, (n, _) in enumerate(keys) if i == 0 or keys[i - 1][0] != n]
    for start in starts[1:]:
        ax.axhline(start - 0.5, color="white", linewidth=0.6)
        ax.axvline(start - 0.5, color="white", linewidth=0.6)
    middles = [(a + b - 1) / 2 for a, b in pairwise([*starts, len(keys)])]
    names = [f"{keys[start][0]:,}" for start in starts]
    ax.set_xticks(middles, names, rotation=45)
    ax.set_yticks(middles, names)
    ax.grid(visible=False)
    ax.tick_params(length=0)
    ax.set_xlabel("… is also in this one (n; draws in order within)")
    ax.set_ylabel("share of this subset … (n; draws in order within)")
    figure.colorbar(image, format=PercentFormatter(xmax=1), label="share in common")
    return figure


def overlap_classes(tables: dict, models: list[str], metric: None) -> Figure:
    """Draw the share in common of every class, sorted, for pairs of draws of one size: the smallest, middle, largest.

    The band holds 95 % of what independent draws give, rank by rank. Sizes of nearly all images say nothing and are
    left out.
    """
    pairs = tables["overlap_classes"]
    pairs = pairs[(pairs["n_a"] == pairs["n_b"]) & (pairs["count_a"] > 0)]
    sums = pairs.groupby("n_a")[["expected", "count_a"]].sum()
    sizes = sums.index[sums["expected"] < 0.9 * sums["count_a"]]
    shown = [sizes[i] for i in sorted({0, len(sizes) // 2, len(sizes) - 1})] if len(sizes) else []
    panels = max(len(shown), 1)
    figure, axes = plt.subplots(1, panels, squeeze=False, figsize=(1.2 + 2.4 * panels, 3.2))
    for ax, n in zip(axes[0], shown, strict=False):
        sorted_shares(ax, pairs[pairs["n_a"] == n])
        ax.set_title(f"n = {n:,}")
        ax.set_xlabel("class, by rank")
    if shown:
        axes[0][0].set_ylabel("share of the class's images in common")
        axes[0][-1].legend()
    else:
        axes[0][0].set_title("no two draws of one size to compare")
        axes[0][0].set_axis_off()
    return figure


def sorted_shares(ax: Axes, pairs: pd.DataFrame, most: int = 3) -> Axes:
    """Draw the shares of the classes, largest first, of the first `most` pairs of draws, over the band of chance."""
    for number, ((a, b), pair) in enumerate(pairs.groupby(["draw_a", "draw_b"])):
        ranks = np.arange(1, len(pair) + 1)
        if number == 0:
            counts = (pair[name].to_numpy() for name in ("count_a", "count_b", "total"))
            low, high = sorted_share_band(*counts, np.random.default_rng(0))
            ax.fill_between(ranks, low, high, color="0.85", linewidth=0, label="95 % by chance")
        if number == most:
            break
        marker = "" if len(pair) > 60 else None
        ax.plot(ranks, np.sort(pair["share"])[::-1], marker=marker, linewidth=1, label=f"draws {a} and {b}")
    ax.yaxis.set_major_formatter(PercentFormatter(xmax=1))
    ax.xaxis.set_major_locator(MaxNLocator(integer=True))
    return ax


def classes(tables: dict, models: list[str], metric: None) -> Figure:
    """Draw how many images each class has, sorted, in the training and the test set."""
    figure, ax = plt.subplots()
    for split, counts in tables["class_counts"].items():
        ranks = np.arange(1, len(counts) + 1)
        kind = {"marker": ""} if len(counts) > 60 else {}
        ax.plot(ranks, np.sort(counts)[::-1], label=f"{split} ({sum(counts):,} images)", **kind)
    ax.set_ylim(bottom=0)
    ax.xaxis.set_major_locator(MaxNLocator(integer=True))
    ax.yaxis.set_major_formatter("{x:,.0f}")
    ax.set_xlabel("class, by rank")
    ax.set_ylabel("images per class")
    ax.legend()
    return figure


def _panels(models: list[str]) -> tuple[Figure, list[Axes]]:
    """Return a figure with one panel per model, in one row, sharing the y axis."""
    figure, axes = plt.subplots(1, len(models), sharey=True, squeeze=False, figsize=(1.2 + 3.3 * len(models), 3.4))
    return figure, list(axes[0])


DRAW = {
    "curve": curve,
    "boxes": boxes,
    "history": history,
    "overlap": overlap,
    "overlap-classes": overlap_classes,
    "classes": classes,
}
