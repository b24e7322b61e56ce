"""Which test images the runs get right, from their stored predictions, with the memory of a few runs at a time."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import combinations, product
from pathlib import Path

import numpy as np
import pandas as pd

from trainsize.common.tables import read_arrow
from trainsize.runs.run import Run


@dataclass
class Correctness:
    """What the predictions of a study's runs say.

    `right[model, n]` counts per test image the runs that get it right; `pairs` has a row per two runs of different
    models with the same size, draw and seed, with the images that only the one or the other gets right; `classes` has a
    row per run and class.
    """

    right: dict[tuple[str, int], np.ndarray] = field(default_factory=dict)
    pairs: list[dict] = field(default_factory=list)
    classes: list[dict] = field(default_factory=list)


def read_correctness(grid: dict, results: Path) -> Correctness:
    """Read the predictions of every run of `grid` (`Study.grid()`) under `results`, the study's folder.

    Only the runs of one size, draw and seed are held at a time. A run without predictions, one that diverged, is left
    out.
    """
    found = Correctness()
    for n, (draw, seed) in product(grid["sizes"], grid["pairs"]):
        runs = [Run(model, n, draw, seed) for model in grid["models"] if n in grid["model_sizes"][model]]
        right = {run.model: correct for run, correct in _read(runs, results, found)}
        for a, b in combinations(right, 2):
            only = {"only_a": int((right[a] & ~right[b]).sum()), "only_b": int((right[b] & ~right[a]).sum())}
            found.pairs.append({"n": n, "draw": draw, "seed": seed, "model_a": a, "model_b": b, **only})
    return found


def _read(runs: list[Run], results: Path, found: Correctness) -> Iterator[tuple[Run, np.ndarray]]:
    for run in runs:
        labels, predicted = predictions(results / run.folder / "predictions.parquet")
        if not len(labels):
            continue
        correct = predicted == labels
        key = run.model, run.n
        found.right[key] = found.right.get(key, 0) + correct.astype(np.int32)
        images, hits = np.bincount(labels), np.bincount(labels[correct], minlength=labels.max() + 1)
        found.classes += [
            {
                "model": run.model,
                "n": run.n,
                "draw": run.draw,
                "seed": run.seed,
                "label": k,
                "n_test": int(total),
                "recall": hit / total,
            }
            for k, (total, hit) in enumerate(zip(images, hits, strict=True))
            if total
        ]
        yield run, correct


def predictions(path: Path) -> tuple[np.ndarray, np.ndarray]:
    """Return labels and most probable classes of a run's test images. Raises UserError for a damaged file."""
    table = read_arrow(path, columns=["label", "class_1"])
    return table["label"].to_numpy(), table["class_1"].to_numpy()


def class_counts(grid: dict, results: Path) -> pd.DataFrame:
    """Return the mean over draws of the training images of each class, with columns n, label and count."""
    rows = []
    for n in grid["sizes"]:
        draws = dict.fromkeys(draw for draw, _ in grid["pairs"])
        tables = [read_arrow(results / f"subsets/n{n}/draw{draw}.parquet", columns=["label", "role"]) for draw in draws]
        counts = [np.bincount(t["label"].to_numpy()[t["role"].to_numpy() == "train"]) for t in tables]
        longest = max(map(len, counts))
        mean = np.mean([np.pad(count, (0, longest - len(count))) for count in counts], axis=0)
        rows += [{"n": n, "label": k, "count": float(value)} for k, value in enumerate(mean)]
    return pd.DataFrame(rows)
