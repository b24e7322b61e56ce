"""How fast subsets of ImageNet's label vector are drawn, against sampling lists class by class.

    python benchmarks/subsets.py [--repeats 5]

The labels are made up with ImageNet-1k's counts: 1,281,167 images, 1,000 classes of 732 to 1,300. Both sides draw
6 fractions × 3 draws with round(count × fraction) images per class; they take turns in one process.
"""

import argparse
import random
import sys
import time
from itertools import product
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory

import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "workflow" / "scripts"))

from trainsize.overlap.stage import write_overlap
from trainsize.subsets.methods import METHODS, draw_subsets
from trainsize.subsets.stage import subset_path, write_subsets

FRACTIONS = (0.05, 0.125, 0.25, 0.5, 0.75, 1.0)
DRAWS = (0, 1, 2)


def imagenet_labels() -> np.ndarray:
    """Return labels with ImageNet-1k's counts, sorted by class."""
    counts = np.full(1000, 1300)
    counts[:105] -= [568, *np.linspace(350, 1, 104).astype(int)]
    counts[1 : 1 + counts.sum() - 1_281_167] -= 1
    return np.repeat(np.arange(1000), counts)


def naive(labels: list[int], fraction: float) -> list[int]:
    """Draw as published: a list of images per class, `random.sample` of it, and the chosen ones copied together."""
    by_class: dict[int, list[int]] = {}
    for row, label in enumerate(labels):
        by_class.setdefault(label, []).append(row)
    chosen = []
    for rows in by_class.values():
        chosen += random.sample(rows, round(len(rows) * fraction))
    return sorted(chosen)


def timed(function, *arguments) -> float:
    start = time.perf_counter()
    function(*arguments)
    return time.perf_counter() - start


def whole_plan(labels: np.ndarray, sizes: list[int], folder: Path) -> None:
    for draw in DRAWS:
        paths = [subset_path(folder / "subsets", n, draw) for n in sizes]
        write_subsets({"method": "stratified", "validation": 0}, sizes, draw, labels, paths)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--repeats", type=int, default=5)
    repeats = parser.parse_args().repeats
    labels = imagenet_labels()
    listed, sizes = labels.tolist(), [round(fraction * len(labels)) for fraction in FRACTIONS]
    settings = {"method": "per_class_fraction", "validation": 0}

    def ours() -> None:
        for n, draw in product(sizes, DRAWS):
            draw_subsets(labels, settings, [n], draw)

    def theirs() -> None:
        for fraction, _ in product(FRACTIONS, DRAWS):
            naive(listed, fraction)

    times = [(timed(ours), timed(theirs)) for _ in range(repeats)]
    fast, slow = (median(column) for column in zip(*times, strict=True))
    ratios = [b / a for a, b in times]
    print(f"18 subsets, median of {repeats}: ours {fast:.2f} s, lists {slow:.2f} s")
    print(f"ratio {median(ratios):.1f} (from {min(ratios):.1f} to {max(ratios):.1f})")
    for method in sorted({*METHODS, "nested"}):
        options = {"method": method, "validation": 0, "folds": 5}
        seconds = median(timed(draw_subsets, labels, options, sizes[:1], draw) for draw in range(repeats))
        print(f"one subset of 5 %, {method}: {seconds * 1000:.0f} ms")
    with TemporaryDirectory() as folder:
        print(f"18 subsets drawn and written: {timed(whole_plan, labels, sizes, Path(folder)):.1f} s")
        keys = list(product(sizes, DRAWS))
        print(f"overlap of 153 pairs, per class: {timed(write_overlap, keys, labels, Path(folder)):.1f} s")


if __name__ == "__main__":
    main()
