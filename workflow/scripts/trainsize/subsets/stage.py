"""The subsets stage: writes and reads subsets as tables. Which images they hold is decided in `methods`."""

from collections.abc import Iterable
from pathlib import Path

import numpy as np
import pandas as pd

from trainsize.common.errors import UserError
from trainsize.common.tables import read_notes, read_table, write_table
from trainsize.subsets.methods import ROLES, content_hash, draw_subsets
from trainsize.subsets.tables import SUBSET, SUBSETS


def write_subsets(settings: dict, sizes: list[int], draw: int, labels: np.ndarray, paths: list[Path]) -> None:
    """Write one table per size: row index, label and role of each image, with the settings in the metadata."""
    labels = np.asarray(labels)
    classes = int(labels.max()) + 1
    for (n, rows), path in zip(draw_subsets(labels, settings, sizes, draw).items(), paths, strict=True):
        index = np.concatenate([rows[role] for role in ROLES])
        columns = {
            "index": index,
            "label": labels[index],
            "role": np.repeat(ROLES, [len(rows[role]) for role in ROLES]),
        }
        counts = {role: np.bincount(labels[rows[role]], minlength=classes).tolist() for role in ROLES}
        notes = {**settings, "n": n, "draw": draw, "class_counts": counts, "content": content_hash(rows)}
        write_table(path, SUBSET, columns, notes)


def read_rows(folder: Path, n: int, draw: int) -> dict[str, np.ndarray]:
    """Return the row indices (ascending) of each role in the table of a subset, as `draw_subsets` drew them.

    Raises UserError if the table is damaged, belongs to another subset, or differs from the hash in its notes.
    """
    return _read(folder, n, draw)[0]


def _read(folder: Path, n: int, draw: int) -> tuple[dict[str, np.ndarray], dict]:
    path = subset_path(folder, n, draw)
    table, notes = read_table(path), read_notes(path)
    rows = {role: table.loc[table["role"] == role, "index"].to_numpy(copy=True) for role in ROLES}
    if (notes["n"], notes["draw"], notes["content"]) != (n, draw, content_hash(rows)):
        found = f"damaged or replaced: not the subset of {n} images of draw {draw}"
        raise UserError(f"{path}: {found}; delete it and run snakemake again")
    return rows, notes


def subset_path(folder: Path, n: int, draw: int) -> Path:
    """Return the path of a subset's table below the stage's folder."""
    return folder / f"n{n}" / f"draw{draw}.parquet"


def list_subsets(keys: Iterable[tuple[int, int]], folder: Path, target: Path) -> None:
    """Write a table of all subsets of a study, given as (n, draw)."""
    write_table(target, SUBSETS, pd.DataFrame([_summary(folder, *key) for key in keys]))


def _summary(folder: Path, n: int, draw: int) -> dict:
    _, notes = _read(folder, n, draw)
    counts = notes["class_counts"]
    return {
        **{key: notes[key] for key in ("n", "draw", "method", "content")},
        "n_train": sum(counts["train"]),
        "n_validation": sum(counts["validation"]),
        "smallest_class": min(counts["train"]),
        "largest_class": max(counts["train"]),
    }
