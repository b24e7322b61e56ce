"""The overlap stage: how many images every two subsets of a study share, beside what chance gives."""

from collections.abc import Iterable
from itertools import combinations
from pathlib import Path

import numpy as np
import pandas as pd

from trainsize.subset_tables import read_rows, subset_path
from trainsize.tables import OVERLAP, write_table


def expected_overlap(counts_a: np.ndarray, counts_b: np.ndarray, totals: np.ndarray) -> tuple[float, float]:
    """Return mean and standard deviation of the images common to two independent subsets.

    All three arguments are counts per class (of the two subsets, and of the data set). Within a class of N images, two
    independent subsets of a and b share a hypergeometric number: mean ab/N, variance ab(N-a)(N-b)/(N²(N-1)); the
    classes are independent.
    """
    a, b, total = (x[totals > 0].astype(np.float64) for x in (counts_a, counts_b, totals))
    variance = a * b * (total - a) * (total - b) / (total**2 * np.maximum(total - 1, 1))
    return float((a * b / total).sum()), float(np.sqrt(variance.sum()))


def overlap_table(subsets: dict[tuple[int, int], np.ndarray], labels: np.ndarray) -> pd.DataFrame:
    """Return one row per pair of subsets, which are given as {(n, draw): row indices}; `labels` are of all rows."""
    member = np.zeros((len(subsets), len(labels)), dtype=np.float32)
    for row, rows in zip(member, subsets.values(), strict=True):
        row[rows] = 1
    common = np.rint(member @ member.T).astype(np.int64)
    totals = np.bincount(labels)
    counts = [np.bincount(labels[rows], minlength=len(totals)) for rows in subsets.values()]
    keys = list(subsets)
    rows = [_pair(keys, common, counts, totals, i, j) for i, j in combinations(range(len(keys)), 2)]
    return pd.DataFrame(rows, columns=OVERLAP.schema.names)


def _pair(keys: list, common: np.ndarray, counts: list, totals: np.ndarray, i: int, j: int) -> dict:
    (n_a, draw_a), (n_b, draw_b) = keys[i], keys[j]
    expected, sd = expected_overlap(counts[i], counts[j], totals)
    return {
        "n_a": n_a,
        "draw_a": draw_a,
        "n_b": n_b,
        "draw_b": draw_b,
        "common": common[i, j],
        "share_a": common[i, j] / n_a,
        "share_b": common[i, j] / n_b,
        "expected": expected,
        "sd": sd,
        "z": (common[i, j] - expected) / sd if sd > 0 else None,
    }


def write_overlap(keys: Iterable[tuple[int, int]], labels: np.ndarray, results: Path) -> None:
    """Write the overlap of the training images of every two subsets, which are given as (n, draw)."""
    subsets = {key: read_rows(subset_path(results / "subsets", *key), "train") for key in keys}
    write_table(results / "overlap" / "overlap.parquet", OVERLAP, overlap_table(subsets, labels))
