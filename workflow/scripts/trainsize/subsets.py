"""The subsets stage: which training images a run sees, for every size and draw.

Every method is a pure function of the labels, the size and the draw's own random stream.
"""

from collections.abc import Iterable
from pathlib import Path

import numpy as np
import pandas as pd

from trainsize.files import digest
from trainsize.streams import generator
from trainsize.tables import SUBSET, SUBSETS, read_notes, read_table, write_table

ROLES = ("train", "validation")


def shares(counts: np.ndarray, n: int, rng: np.random.Generator) -> np.ndarray:
    """Split n over the classes in proportion to `counts` (int, one per class) by largest remainders (Hamilton).

    The result adds up to n exactly and differs from the exact share by less than one per class; ties are broken at
    random, so that no class is favoured when n is small.
    """
    whole, remainder = np.divmod(counts * n, counts.sum())
    order = np.lexsort((rng.random(len(counts)), -remainder))
    whole[order[: n - whole.sum()]] += 1
    return whole


def _by_class(labels: np.ndarray, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return all rows sorted by class, shuffled within each; where each class starts; and how many it has."""
    shuffled = rng.permutation(len(labels))
    counts = np.bincount(labels)
    return shuffled[np.argsort(labels[shuffled], kind="stable")], np.cumsum(counts) - counts, counts


def stratified(labels: np.ndarray, n: int, rng: np.random.Generator) -> np.ndarray:
    """Return n row indices with the classes' shares of `labels`, grouped by class."""
    rows, starts, counts = _by_class(labels, rng)
    taken = shares(counts, n, rng)
    return np.concatenate([rows[start : start + k] for start, k in zip(starts, taken, strict=True)])


def nested_order(labels: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Return an ordering of all rows of which every prefix has the classes' shares.

    The class counts of a prefix are those of Webster's method (Sainte-Laguë): the k-th of a class's c rows, k from 0,
    stands at (k + 1/2) / c of the way. Unlike largest remainders it never takes a row back as the prefix grows. Ties
    are broken at random.
    """
    rows, starts, counts = _by_class(labels, rng)
    rank = np.arange(len(labels)) - np.repeat(starts, counts)
    place = (rank + 0.5) / np.repeat(counts, counts)
    return rows[np.lexsort((rng.random(len(labels)), place))]


def random_rows(labels: np.ndarray, n: int, rng: np.random.Generator) -> np.ndarray:
    """Return n row indices, whatever their classes."""
    return rng.permutation(len(labels))[:n]


def draw_subsets(labels: np.ndarray, settings: dict, sizes: list[int], draw: int) -> dict[int, dict[str, np.ndarray]]:
    """Return, for each size, the row indices (ascending) of each role, the same on every machine.

    The validation images are taken first, stratified, and are the same for every size of the draw. A size's subset does
    not depend on which other sizes the study has.
    """
    held = stratified(labels, settings["validation"], generator(draw, "subset", 0))
    pool = np.setdiff1d(np.arange(len(labels)), held)
    if settings["method"] == "nested":
        order = nested_order(labels[pool], generator(draw, "subset", 1))
        chosen = {n: order[:n] for n in sizes}
    else:
        pick = {"stratified": stratified, "random": random_rows}[settings["method"]]
        chosen = {n: pick(labels[pool], n, generator(draw, "subset", 1, n)) for n in sizes}
    return {n: {"train": np.sort(pool[rows]), "validation": np.sort(held)} for n, rows in chosen.items()}


def content_hash(rows: dict[str, np.ndarray]) -> str:
    return digest(*(rows[role].astype("<i8").tobytes() for role in ROLES))


def write_subsets(settings: dict, sizes: list[int], draw: int, labels: np.ndarray, paths: list[Path]) -> None:
    """Write one table per size: row index, label and role, with what it is in the metadata."""
    for (n, rows), path in zip(draw_subsets(labels, settings, sizes, draw).items(), paths, strict=True):
        index = np.concatenate([rows[role] for role in ROLES])
        columns = {
            "index": index,
            "label": labels[index],
            "role": np.repeat(ROLES, [len(rows[role]) for role in ROLES]),
        }
        notes = {**settings, "n": n, "draw": draw, "content": content_hash(rows)}
        write_table(path, SUBSET, columns, notes)


def read_rows(path: Path, role: str) -> np.ndarray:
    """Return the row indices (ascending) of `role` in a subset's table."""
    table = read_table(path)
    return table.loc[table["role"] == role, "index"].to_numpy(copy=True)


def subset_path(folder: Path, n: int, draw: int) -> Path:
    """Return where the subset of size n and draw `draw` lies under the stage's folder."""
    return folder / f"n{n}" / f"draw{draw}.parquet"


def list_subsets(keys: Iterable[tuple[int, int]], folder: Path, target: Path) -> None:
    """Write a table of all subsets of a study, given as (n, draw)."""
    write_table(target, SUBSETS, pd.DataFrame([_summary(subset_path(folder, *key)) for key in keys]))


def _summary(path: Path) -> dict:
    table, about = read_table(path), read_notes(path)
    training = table["role"] == "train"
    counts = np.bincount(table["label"][training])
    return {
        **{key: about[key] for key in ("n", "draw", "method", "content")},
        "n_validation": int((~training).sum()),
        "smallest_class": int(counts.min()),
        "largest_class": int(counts.max()),
    }
