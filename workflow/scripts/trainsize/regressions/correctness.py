"""Which test images the runs classify correctly, from their stored predictions, a few runs in memory at a time."""

from dataclasses import dataclass, field
from itertools import combinations, product
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pandas as pd

from trainsize.common.tables import read_arrow
from trainsize.runs.predictions import Predictions, read_predictions
from trainsize.runs.run import Run


class RunPair(NamedTuple):
    """Two runs of different models with the same size, draw and seed, and the images that only one gets right."""

    n: int
    draw: int
    seed: int
    model_a: str
    model_b: str
    only_a: int
    only_b: int


class ClassRecall(NamedTuple):
    """The share of a class's `n_test` test images that a run recognises."""

    model: str
    n: int
    draw: int
    seed: int
    label: int
    n_test: int
    recall: float


@dataclass
class Correctness:
    """What a study's predictions show; `right[model, n]` counts per test image the runs that get it right."""

    right: dict[tuple[str, int], np.ndarray] = field(default_factory=dict)
    pairs: list[RunPair] = field(default_factory=list)
    recalls: list[ClassRecall] = field(default_factory=list)

    def add_run(self, run: Run, predictions: Predictions) -> None:
        labels, correct = predictions.labels, predictions.correct
        key = run.model, run.n
        self.right[key] = self.right.get(key, 0) + correct.astype(np.int32)
        images, hits = np.bincount(labels), np.bincount(labels[correct], minlength=labels.max() + 1)
        self.recalls += [
            ClassRecall(run.model, run.n, run.draw, run.seed, label, int(total), hit / total)
            for label, (total, hit) in enumerate(zip(images, hits, strict=True))
            if total
        ]


def read_correctness(grid: dict, results: Path) -> Correctness:
    """Read the predictions of every run of `grid` (`Study.grid()`) under `results`, the study's folder.

    Only the runs of one size, draw and seed are held at a time. A run without predictions, one that diverged, is left
    out.
    """
    correctness = Correctness()
    for n, (draw, seed) in product(grid["sizes"], grid["pairs"]):
        right = {}
        for run in (Run(model, n, draw, seed) for model in grid["models"] if n in grid["model_sizes"][model]):
            predictions = read_predictions(results / run.folder / "predictions.parquet")
            if len(predictions.labels):
                correctness.add_run(run, predictions)
                right[run.model] = predictions.correct
        for a, b in combinations(right, 2):
            only_a, only_b = int((right[a] & ~right[b]).sum()), int((right[b] & ~right[a]).sum())
            correctness.pairs.append(RunPair(n, draw, seed, a, b, only_a, only_b))
    return correctness


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
