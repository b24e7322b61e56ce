"""The metrics stage: every run of a study collected into tidy tables of checkpoints, runs, classes and confusions."""

import io
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from pyarrow import parquet

from trainsize.common.errors import UserError
from trainsize.common.files import read_json, whole
from trainsize.common.tables import WRITING, Table, placed, read_arrow, read_table, write_table
from trainsize.metrics.tables import CLASSES, CONFUSION, HISTORY, NEURONS, RUNS
from trainsize.runs.metrics import RECORDED, derived
from trainsize.runs.record import NEURONS as RUN_NEURONS
from trainsize.runs.record import again, read_record, read_vouched
from trainsize.runs.run import Run, grid_runs


@dataclass(frozen=True)
class Read:
    """What is kept of a run's files, each compared with its checksum."""

    record: dict
    history: pa.Table
    classes: list[dict]
    neurons: dict | None


def collect(grid: dict, settings_hashes: dict[str, str], manifest: Path, results: Path) -> None:
    """Write the tables `history`, `runs`, `classes`, `confusion` and `neurons` to `metrics/` in the study's folder.

    `grid` is `Study.grid()`; `settings_hashes` says, per model, what its runs must have been trained with, and
    `manifest` is that of the data set. Raises UserError naming a run that was trained with other settings, or on other
    images than the manifest and the subset tables list, and a file that is not the one its run has written.
    """
    subsets = read_table(results / "subsets" / "subsets.parquet").set_index(["n", "draw"])["content"]
    data = read_json(manifest)["content"]

    def read(run: Run) -> tuple[Read, np.ndarray]:
        expected = {"settings_hash": settings_hashes[run.model], "dataset_content": data}
        return _read(run, results, {**expected, "subset_content": subsets[run.n, run.draw]}, grid)

    runs, found, confusions = grid_runs(grid), [], {}
    with ThreadPoolExecutor(max_workers=8) as pool:
        # Summed on the way: with a thousand classes the counts of one run take 8 MB.
        for (one, counts), run in zip(pool.map(read, runs), runs, strict=True):
            found.append(one)
            if counts.any():
                confusions[run.model, run.n] = confusions.get((run.model, run.n), 0) + counts
    path = results / HISTORY.path
    histories = with_derived(pa.concat_tables([run.history for run in found]))
    with whole(path) as partial:
        parquet.write_table(histories.cast(placed(HISTORY.schema, path)), partial, **WRITING)
    for table, rows in (
        (RUNS, [_row(run) for run in found]),
        (CLASSES, [row for run in found for row in run.classes]),
        (CONFUSION, confusion_rows(confusions)),
        (NEURONS, [run.neurons for run in found if run.neurons]),
    ):
        write_table(results / table.path, table, _columns(table, rows))


def with_derived(histories: pa.Table) -> pa.Table:
    """Return the table of checkpoints with the metrics that follow from the recorded ones as its last columns."""
    recorded = {metric.name: histories[metric.name].to_numpy() for metric in RECORDED}
    for name, values in derived(recorded).items():
        histories = histories.append_column(name, pa.array(values, from_pandas=True))
    return histories


def _read(run: Run, results: Path, expected: dict[str, str], grid: dict) -> tuple[Read, np.ndarray]:
    folder, record = results / run.folder, read_record(results, grid["study"], run)
    for key, value in expected.items():
        if record[key] != value:
            what = {"settings_hash": "settings"}.get(key, "images")
            message = f"{folder}: trained with {what} other than the study's ({record[key]}, expected {value})"
            raise UserError(f"{message}; {again(folder)}")
    history, predictions = (
        read_arrow(folder / name, read_vouched(folder / name, folder, record))
        for name in ("history.parquet", "predictions.parquet")
    )
    neurons = _neurons(record, folder) if record["neurons"] else None
    counts = confusion(predictions, grid["classes"])
    rows = class_rows(grid["study"], run, counts) if counts.any() else []
    return Read(record, history, rows, neurons), counts


def confusion(predictions: pa.Table, classes: int) -> np.ndarray:
    """Return how often each label (row) was taken for each class (column); a run that diverged predicts nothing."""
    table = predictions.select(["label", "class_1"])
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


def confusion_rows(confusions: dict[tuple[str, int], np.ndarray]) -> list[dict]:
    """Return the rows of the confusion table from the counts of all runs of each model and size together."""
    rows = []
    for (model, n), counts in confusions.items():
        for label, predicted in zip(*counts.nonzero(), strict=True):
            count = counts[label, predicted]
            rows.append({"model": model, "n": n, "label": label, "predicted": predicted, "count": count})
    return rows


def _neurons(record: dict, folder: Path) -> dict:
    matrix = np.load(io.BytesIO(read_vouched(folder / "state" / RUN_NEURONS, folder, record)), allow_pickle=False)
    coordinates = {key: record[key] for key in ("study", "model", "n", "draw", "seed")}
    return {**coordinates, **record["neurons"], "correlations": matrix.ravel()}


def _row(run: Read) -> dict:
    """Return a run's row of the runs table; what a run lacks is None."""
    record, evaluated = run.record, run.history.filter(pc.field("split") == "test")["n_evaluated"].to_pylist()
    scores = {
        f"{split}_{name}": value
        for split, values in record["final"].items()
        for name, value in {**values, **derived(values)}.items()
    }
    seconds = {f"seconds_{phase}": record["seconds"].get(phase, 0.0) for phase in ("train", "evaluate", "total")}
    hashes = {
        "settings": record["settings_hash"],
        "subset": record["subset_content"],
        "device": record["device"]["name"],
    }
    row = {**record, **scores, **seconds, **hashes, "test_images": evaluated[-1] if evaluated else None}
    return {name: row.get(name) for name in RUNS.schema.names}


def _columns(table: Table, rows: list[dict]) -> dict:
    return {name: [row[name] for row in rows] for name in table.schema.names}
