"""Figures of the data: overlap of subsets, images per class, and sample images."""

from itertools import pairwise

import numpy as np
import pandas as pd
from matplotlib import pyplot as plt
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from trainsize.figures.axes import NAMED_CLASSES, empty, mark_every, per_cent
from trainsize.figures.source import Tables
from trainsize.overlap.chance import sorted_share_band

MOST_ROWS = 16  # classes per column


def overlap(tables: Tables) -> Figure:
    """Draw the share of each subset (row) that is also in each other subset (column)."""
    pairs = tables.table("overlap", "overlap")
    keys = sorted({*zip(pairs["n_a"], pairs["draw_a"], strict=True), *zip(pairs["n_b"], pairs["draw_b"], strict=True)})
    index = {key: i for i, key in enumerate(keys)}
    matrix = np.eye(max(len(keys), 1))
    for pair in pairs.itertuples():
        a, b = index[pair.n_a, pair.draw_a], index[pair.n_b, pair.draw_b]
        matrix[a, b], matrix[b, a] = pair.share_a, pair.share_b
    figure, ax = plt.subplots(figsize=(5.2, 4.4))
    image = ax.imshow(matrix, vmin=0, vmax=1, cmap="cividis", interpolation="nearest")
    starts = [i for i, (n, _) in enumerate(keys) if i == 0 or keys[i - 1][0] != n]
    for start in starts[1:]:
        ax.axhline(start - 0.5, color="white", linewidth=0.6, marker="")
        ax.axvline(start - 0.5, color="white", linewidth=0.6, marker="")
    middles = [(a + b - 1) / 2 for a, b in pairwise([*starts, len(keys)])]
    names = [f"{keys[start][0]:,}" for start in starts]
    ax.set_xticks(middles, names, rotation=45)
    ax.set_yticks(middles, names)
    ax.grid(visible=False)
    ax.tick_params(length=0)
    ax.set_xlabel("… that is also in this subset (n; draws in order)")
    ax.set_ylabel("share of this subset … (n; draws in order)")
    per_cent(figure.colorbar(image, label="share in common").ax.yaxis)
    return figure


def overlap_classes(tables: Tables) -> Figure:
    """Draw each class's share in common, sorted, between draws of the smallest, the middle and the largest size.

    The band holds 95 % of the values of independent draws, by rank. Sizes close to all images are omitted, because
    they show nothing.
    """
    pairs = tables.table("overlap", "overlap_classes")
    pairs = pairs[(pairs["n_a"] == pairs["n_b"]) & (pairs["count_a"] > 0)]
    sums = pairs.groupby("n_a")[["expected", "count_a"]].sum()
    sizes = sums.index[sums["expected"] < 0.9 * sums["count_a"]]
    shown = [sizes[i] for i in sorted({0, len(sizes) // 2, len(sizes) - 1})] if len(sizes) else []
    count = max(len(shown), 1)
    figure, axes = plt.subplots(1, count, squeeze=False, figsize=(1.2 + 2.4 * count, 3.2))
    for ax, n in zip(axes[0], shown, strict=False):
        sorted_shares(ax, pairs[pairs["n_a"] == n])
        ax.set_title(f"n = {n:,}")
        ax.set_xlabel("class, by rank")
    if shown:
        axes[0][0].set_ylabel("share of the class's images in common")
        axes[0][-1].legend()
    else:
        empty(axes[0][0], "no two draws of one size to compare")
    return figure


def sorted_shares(ax: Axes, pairs: pd.DataFrame, most: int = 3) -> Axes:
    """Draw the classes' shares in descending order for the first `most` pairs of draws, over the band of chance."""
    for number, ((a, b), pair) in enumerate(pairs.groupby(["draw_a", "draw_b"])):
        ranks = np.arange(1, len(pair) + 1)
        if number == 0:
            counts = (pair[name].to_numpy() for name in ("count_a", "count_b", "total"))
            low, high = sorted_share_band(*counts, np.random.default_rng(0))
            ax.fill_between(ranks, low, high, color="0.85", linewidth=0, label="95 % by chance")
        if number == most:
            break
        every = mark_every(len(pair))
        ax.plot(ranks, np.sort(pair["share"])[::-1], markevery=every, linewidth=1, label=f"draws {a} and {b}")
    per_cent(ax.yaxis)
    ax.xaxis.set_major_locator(MaxNLocator(integer=True))
    return ax


def classes(tables: Tables) -> Figure:
    """Draw the number of images per class in descending order, for the training and the test set."""
    figure, ax = plt.subplots()
    for split, counts in tables.data.manifest["class_counts"].items():
        ranks = np.arange(1, len(counts) + 1)
        every = mark_every(len(counts))
        ax.plot(ranks, np.sort(counts)[::-1], markevery=every, label=f"{split} ({sum(counts):,} images)")
    ax.set_ylim(bottom=0)
    ax.xaxis.set_major_locator(MaxNLocator(integer=True))
    ax.yaxis.set_major_formatter("{x:,.0f}")
    ax.set_xlabel("class, by rank")
    ax.set_ylabel("images per class")
    ax.legend()
    return figure


def samples(tables: Tables) -> Figure:
    """Draw the first training images of each class, one row per class, in columns of classes."""
    labels, images, names = tables.data.labels("train"), tables.data.images("train"), tables.classes
    shown = np.arange(min(len(names), NAMED_CLASSES))
    blocks = np.array_split(shown, -(-len(shown) // MOST_ROWS))
    each = max(2, 8 // len(blocks))
    figure, axes = plt.subplots(1, len(blocks), squeeze=False, figsize=(1 + 6.2, 0.3 + 0.55 * len(blocks[0])))
    for ax, block in zip(axes[0], blocks, strict=True):
        tiles = np.zeros((len(block), each, *images.shape[1:]))
        for row, label in enumerate(block):
            chosen = images[np.flatnonzero(labels == label)[:each]] / 255
            tiles[row, : len(chosen)] = chosen
        mosaic(ax, tiles, [names[label] for label in block])
    if len(shown) < len(names):
        axes[0][0].set_title(f"the first {len(shown)} of {len(names):,} classes")
    return figure


def mosaic(ax: Axes, tiles: np.ndarray, names: list[str]) -> Axes:
    """Draw images (rows × columns × height × width × channels, from 0 to 1) in a grid, with a name per row.

    Three channels are drawn in colour and one in grey. With any other number, only the first ones are shown.
    """
    rows, columns, height, width, channels = tiles.shape
    rim, shown = max(1, height // 16), 3 if channels >= 3 else 1
    framed = np.ones((rows, columns, height + rim, width + rim, shown))
    framed[:, :, :height, :width] = tiles[..., :shown].clip(0, 1)
    whole = framed.swapaxes(1, 2).reshape(rows * (height + rim), columns * (width + rim), shown)
    ax.imshow(whole.squeeze(), cmap="gray", vmin=0, vmax=1, interpolation="nearest")
    ax.set_yticks((np.arange(rows) + 0.5) * (height + rim) - rim / 2, names)
    ax.set_xticks([])
    ax.grid(visible=False)
    ax.tick_params(length=0)
    ax.spines[:].set_visible(False)
    if shown < channels:
        ax.set_xlabel(f"{shown} of {channels} channels")
    return ax
