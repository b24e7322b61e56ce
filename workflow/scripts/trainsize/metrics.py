"""The metrics stage: every run of a study collected into tidy tables of checkpoints, runs, classes and confusions."""

from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict
from pathlib import Path

import numpy as np
import pyarrow as pa
from pyarrow import parquet

from trainsize.errors import UserError
from trainsize.files import read_json, whole
from trainsize.runs import Run, grid_runs
from trainsize.tables import CLASSES, CONFUSION, HISTORY, NEURONS, RUNS, Table, read_table, write_table


def collect(grid: dict, settings_hashes: dict[str, str], results: Path) -> None:
    """Write the tables `history`, `runs`, `classes`, `confusion` and `neurons` to `metrics/` in the study's folder.

    `grid` is `Study.grid()`; `settings_hashes` says, per model, what its runs must have been trained with. Raises
    UserError naming a run that was trained with other settings, or on other images than the subset tables list.
    """
    runs = grid_runs(grid)
    folders = [results / run.folder for run in runs]
    with ThreadPoolExecutor(max_workers=8) as pool:
        records = list(pool.map(lambda folder: read_json(folder / "run.json"), folders))
        confusions = list(pool.map(lambda folder: confusion(folder / "predictions.parquet", grid["classes"]), folders))
        histories = list(pool.map(lambda folder: parquet.ParquetFile(folder / "history.parquet").read(), folders))
    subsets = read_table(results / "subsets" / "subsets.parquet").set_index(["n", "draw"])["content"]
    for folder, record in zip(folders, records, strict=True):
        _check(folder, record, settings_hashes[record["model"]], subsets[record["n"], record["draw"]])
    with whole(results / "metrics" / "history.parquet") as partial:
        parquet.write_table(pa.concat_tables(histories).cast(HISTORY.schema), partial, compression="zstd")
    finished = [(run, counts) for run, counts in zip(runs, confusions, strict=True) if counts.any()]
    for table, rows in (
        (RUNS, [_row(record) for record in records]),
        (CLASSES, [row for run, counts in finished for row in class_rows(grid["study"], run, counts)]),
        (CONFUSION, confusion_rows(finished)),
        (NEURONS, [_neurons(record, results) for record in records if record["neurons"]]),
    ):
        write_table(results / table.path, table, _columns(table, rows))


def confusion(predictions: Path, classes: int) -> np.ndarray:
    """Return how often each label (row) was taken for each class (column); a run that diverged predicts nothing."""
    table = parquet.read_table(predictions, columns=["label", "class_1"])
    labels, predicted = (table[name].to_numpy().astype(np.int64) for name in table.column_names)
    return np.bincount(labels * classes + predicted, minlength=classes**2).reshape(classes, classes)


def class_rows(study: str, run: Run, counts: np.ndarray) -> list[dict]:
    """Return a row of the classes table for each class of a run's confusion counts."""
    hits, support, predicted = np.diag(counts), counts.sum(1), counts.sum(0)
    shares = {
        "precision": _shares(hits, predicted),
        "recall": _shares(hits, support),
        "f1": _shares(2 * hits, support + predicted),
    }
    columns = {"label": range(len(counts)), "support": support, "predicted": predicted, **shares}
    return [
        {"study": study, **asdict(run), **dict(zip(columns, values, strict=True))}
        for values in zip(*columns.values(), strict=True)
    ]


def _shares(part: np.ndarray, whole: np.ndarray) -> list[float | None]:
    return [p / w if w else None for p, w in zip(part.tolist(), whole.tolist(), strict=True)]


def confusion_rows(finished: list[tuple[Run, np.ndarray]]) -> list[dict]:
    """Return the rows of the confusion table: the counts of all runs of a model and size together."""
    rows = []
    for (model, n), counts in _summed(finished).items():
        for label, predicted in zip(*counts.nonzero(), strict=True):
            count = counts[label, predicted]
            rows.append({"model": model, "n": n, "label": label, "predicted": predicted, "count": count})
    return rows


def _summed(finished: list[tuple[Run, np.ndarray]]) -> dict[tuple[str, int], np.ndarray]:
    sums: dict[tuple[str, int], np.ndarray] = {}
    for run, counts in finished:
        key = (run.model, run.n)
        sums[key] = sums.get(key, 0) + counts
    return sums


def _neurons(record: dict, results: Path) -> dict:
    run = Run(*(record[key] for key in ("model", "n", "draw", "seed")))
    matrix = np.load(results / run.folder / "state" / "neurons.npy")
    return {"study": record["study"], **asdict(run), **record["neurons"], "correlations": matrix.ravel()}


def _check(folder: Path, record: dict, settings: str, subset: str) -> None:
    for what, found, expected in (
        ("settings", record["settings_hash"], settings),
        ("images", record["subset_content"], subset),
    ):
        if found != expected:
            message = f"{folder}: trained with {what} other than the study's ({found}, expected {expected})"
            raise UserError(f"{message}; delete this folder and run snakemake again to train the run anew")


def _row(record: dict) -> dict:
    """Return the row of the runs table that a run's record holds; what a run lacks is None."""
    scores = {f"{split}_{name}": value for split, values in record["final"].items() for name, value in values.items()}
    seconds = {f"seconds_{phase}": record["seconds"].get(phase, 0.0) for phase in ("train", "evaluate", "total")}
    hashes = {
        "settings": record["settings_hash"],
        "subset": record["subset_content"],
        "device": record["device"]["name"],
    }
    row = {**record, **scores, **seconds, **hashes}
    return {name: row.get(name) for name in RUNS.schema.names}


def _columns(table: Table, rows: list[dict]) -> dict:
    return {name: [row[name] for row in rows] for name in table.schema.names}
