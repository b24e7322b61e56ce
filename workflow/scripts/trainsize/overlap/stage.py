"""The overlap stage: counts the images shared by every pair of a study's subsets and compares them with chance."""

from collections.abc import Iterable, Iterator
from itertools import combinations
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
from pyarrow import parquet

from trainsize.common.files import atomic_write
from trainsize.common.tables import PARQUET_OPTIONS, with_file_metadata, write_table
from trainsize.overlap.chance import expected_largest_share, moments, p_value
from trainsize.overlap.tables import OVERLAP, OVERLAP_CLASSES
from trainsize.subsets.stage import read_rows

# Probability of flagging any pair of a study with independent draws (Bonferroni).
FAMILY_ERROR = 0.01
_ROWS_AT_A_TIME = 200_000
Key = tuple[int, int]


class Members:
    """Sets of images as bit strings, ordered by class: the AND of two strings marks the shared images."""

    def __init__(self, labels: np.ndarray):
        self.labels = np.asarray(labels)
        self.totals = np.bincount(self.labels)
        self.classes = np.flatnonzero(self.totals)
        bytes_per_class = -(-self.totals // 8)
        starts = np.cumsum(bytes_per_class) - bytes_per_class
        order = np.argsort(self.labels.astype(np.min_scalar_type(len(self.totals))), kind="stable")
        rank = np.arange(len(order)) - np.repeat(np.cumsum(self.totals) - self.totals, self.totals)
        self._bit = np.empty(len(order), dtype=np.int64)
        self._bit[order] = np.repeat(8 * starts, self.totals) + rank
        self._starts, self._bytes = starts[self.classes], int(bytes_per_class.sum())

    def pack(self, rows: np.ndarray) -> np.ndarray:
        """Return the set of the images at `rows`."""
        bits = np.zeros(8 * self._bytes, dtype=bool)
        bits[self._bit[rows]] = True
        return np.packbits(bits)

    def count(self, packed: np.ndarray) -> np.ndarray:
        """Return a set's number of images in each class that has images."""
        return np.add.reduceat(np.bitwise_count(packed), self._starts, dtype=np.int64)


def overlaps(subsets: dict[Key, np.ndarray], labels: np.ndarray) -> Iterator[tuple[dict, dict]]:
    """Yield for every pair its row of the overlap table, without `dependent`, and the columns of its classes.

    `subsets` are {(n, draw): row indices}; `labels` are those of all rows.
    """
    members = Members(labels)
    totals = members.totals[members.classes]
    packed = {key: members.pack(rows) for key, rows in subsets.items()}
    counts = {key: members.count(bits) for key, bits in packed.items()}
    for key_a, key_b in combinations(subsets, 2):
        pair = dict(zip(("n_a", "draw_a", "n_b", "draw_b"), (*key_a, *key_b), strict=True))
        common = members.count(packed[key_a] & packed[key_b])
        a, b = counts[key_a], counts[key_b]
        mean, variance = moments(a, b, totals)
        share = np.divide(common, a, out=np.full(len(a), np.nan), where=a > 0)
        classes = {"label": members.classes, "total": totals, "count_a": a, "count_b": b, "common": common}
        yield (
            {**pair, **_all_classes(common, a, b, totals)},
            {**pair, **classes, "share": share, "expected": mean, "sd": np.sqrt(variance)},
        )


def _all_classes(common: np.ndarray, a: np.ndarray, b: np.ndarray, totals: np.ndarray) -> dict:
    mean, variance = (float(moment.sum()) for moment in moments(a, b, totals))
    shared, sd = int(common.sum()), np.sqrt(variance)
    return {
        "common": shared,
        "share_a": shared / a.sum(),
        "share_b": shared / b.sum(),
        "expected": mean,
        "sd": sd,
        "z": (shared - mean) / sd if sd > 0 else None,
        "p": p_value(shared, a, b, totals),
        "largest_class_share": (common[a > 0] / a[a > 0]).max(),
        "expected_largest_class_share": expected_largest_share(a, b, totals),
    }


def write_overlap(keys: Iterable[Key], labels: np.ndarray, results: Path) -> None:
    """Write two tables with the shared training images of every pair of subsets, given as (n, draw)."""
    subsets = {key: read_rows(results / "subsets", *key)["train"] for key in keys}
    folder, rows = results / "overlap", []
    path = folder / "overlap_classes.parquet"
    with (
        atomic_write(path) as partial,
        parquet.ParquetWriter(partial, with_file_metadata(OVERLAP_CLASSES.schema, path), **PARQUET_OPTIONS) as writer,
    ):
        waiting: list[dict] = []
        for row, classes in overlaps(subsets, labels):
            rows.append(row)
            waiting.append(classes)
            if len(waiting) * len(classes["label"]) > _ROWS_AT_A_TIME:
                _flush(writer, waiting)
        _flush(writer, waiting)
    write_table(folder / "overlap.parquet", OVERLAP, overlap_table(rows))


def _flush(writer: parquet.ParquetWriter, waiting: list[dict]) -> None:
    """Write the rows of the `waiting` pairs, whose columns are scalars or arrays over the classes."""
    if waiting:
        length = len(waiting[0]["label"])
        columns = {
            name: np.concatenate([np.broadcast_to(pair[name], length) for pair in waiting]) for name in waiting[0]
        }
        table = pd.DataFrame(columns)
        writer.write_table(pa.Table.from_pandas(table, schema=OVERLAP_CLASSES.schema, preserve_index=False))
        waiting.clear()


def overlap_table(rows: list[dict]) -> pd.DataFrame:
    """Return the rows of all pairs as the overlap table, with `dependent`, which needs the number of pairs."""
    table = pd.DataFrame(rows, columns=[name for name in OVERLAP.schema.names if name != "dependent"])
    return table.assign(dependent=table["p"] * len(table) < FAMILY_ERROR)
