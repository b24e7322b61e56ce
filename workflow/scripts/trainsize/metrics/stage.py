"""The metrics stage: collects the runs of a study into tables of checkpoints, runs, classes and confusions."""

import io
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from pyarrow import parquet

from trainsize.common.errors import UserError
from trainsize.common.files import atomic_write, read_json
from trainsize.common.tables import PARQUET_OPTIONS, Table, read_arrow, read_table, with_file_metadata, write_table
from trainsize.metrics.tables import CLASSES, CONFUSION, HISTORY, NEURONS, RUNS
from trainsize.runs.metrics import RECORDED, derived
from trainsize.runs.predictions import Predictions, read_predictions
from trainsize.runs.record import NEURONS as RUN_NEURONS
from trainsize.runs.record import Identity, Record, read_record, read_verified, retrain_hint
from trainsize.runs.run import Run, grid_runs


@dataclass(frozen=True)
class RunResults:
    """The results of a run, from files that match their checksums."""

    record: Record
    history: pa.Table  # a row per checkpoint and split
    classes: list[dict]  # its rows of the classes table
    neurons: dict | None  # its row of the neurons table, if it has one


def collect(grid: dict, settings_hashes: dict[str, str], manifest: Path, results: Path) -> None:
    """Write the tables `history`, `runs`, `classes`, `confusion` and `neurons` to `metrics/` in the study's folder.

    `grid` is `Study.grid()`, `settings_hashes` has the required hash of each model's settings, and `manifest` is that
    of the data set. Raises UserError naming a run that was trained with other settings or on other images than the
    manifest and the subset tables list, and a file that is not the one that its run wrote.
    """
    subsets = read_table(results / "subsets" / "subsets.parquet").set_index(["n", "draw"])["content"]
    data = read_json(manifest)["content"]

    def read(run: Run) -> tuple[RunResults, np.ndarray]:
        return _read(run, results, Identity(settings_hashes[run.model], data, subsets[run.n, run.draw]), grid)

    runs, collected, confusions = grid_runs(grid), [], {}
    with ThreadPoolExecutor(max_workers=8) as pool:
        # Summed up one by one: with a thousand classes the counts of one run take 8 MB.
        for run, (of_run, counts) in zip(runs, pool.map(read, runs), strict=True):
            collected.append(of_run)
            if counts.any():
                confusions[run.model, run.n] = confusions.get((run.model, run.n), 0) + counts
    path = results / HISTORY.path
    histories = with_derived(pa.concat_tables([run.history for run in collected]))
    with atomic_write(path) as partial:
        parquet.write_table(histories.cast(with_file_metadata(HISTORY.schema, path)), partial, **PARQUET_OPTIONS)
    for table, rows in (
        (RUNS, [_row(run) for run in collected]),
        (CLASSES, [row for run in collected for row in run.classes]),
        (CONFUSION, confusion_rows(confusions)),
        (NEURONS, [run.neurons for run in collected if run.neurons]),
    ):
        write_table(results / table.path, table, _columns(table, rows))


def with_derived(histories: pa.Table) -> pa.Table:
    """Return the table of checkpoints with the derived metrics as its last columns."""
    recorded = {metric.name: histories[metric.name].to_numpy() for metric in RECORDED}
    for name, values in derived(recorded).items():
        histories = histories.append_column(name, pa.array(values, from_pandas=True))
    return histories


def _read(run: Run, results: Path, expected: Identity, grid: dict) -> tuple[RunResults, np.ndarray]:
    """Return a run's results and its confusion counts."""
    folder = results / run.folder
    record = read_record(folder, grid["study"], run)
    for key, recorded, value in zip(Identity._fields, record.identity, expected, strict=True):
        if recorded != value:
            what = "settings" if key == "settings_hash" else "images"
            message = f"{folder}: trained with {what} other than the study's ({recorded}, expected {value})"
            raise UserError(f"{message}; {retrain_hint(folder)}")
    history, predictions = (folder / name for name in ("history.parquet", "predictions.parquet"))
    checkpoints = read_arrow(history, read_verified(history, folder, record))
    neurons = _neurons(record, folder) if record.neurons else None
    predicted = read_predictions(predictions, read_verified(predictions, folder, record))
    counts = confusion(predicted, grid["classes"])
    rows = class_rows(grid["study"], run, counts) if counts.any() else []
    return RunResults(record, checkpoints, rows, neurons), counts


def confusion(predictions: Predictions, classes: int) -> np.ndarray:
    """Return how often each class (column) was predicted for each label (row); never for a run that diverged."""
    labels, predicted = (part.astype(np.int64) for part in (predictions.labels, predictions.classes))
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


def _neurons(record: Record, folder: Path) -> dict:
    """Return the row of the neurons table for the run in `folder`."""
    matrix = np.load(io.BytesIO(read_verified(folder / "state" / RUN_NEURONS, folder, record)), allow_pickle=False)
    coordinates = {"study": record.study, **asdict(record.run)}
    return {**coordinates, **record.neurons, "correlations": matrix.ravel()}


def _row(run: RunResults) -> dict:
    """Return a run's row of the runs table; what a run lacks is None."""
    record = run.record
    scores = {
        f"{split}_{name}": value
        for split, values in record.final.items()
        for name, value in {**values, **derived(values)}.items()
    }
    seconds = {f"seconds_{phase}": record.seconds.get(phase, 0.0) for phase in ("train", "evaluate", "total")}
    renamed = {"settings": record.settings_hash, "subset": record.subset_content, "device": record.device.name}
    row = {
        **vars(record),
        **scores,
        **seconds,
        **renamed,
        **{f"{split}_images": _scored(run, split) for split in ("test", "train")},
    }
    return {name: row.get(name) for name in RUNS.schema.names}


def _scored(run: RunResults, split: str) -> int | None:
    """Return how many images of a split the final scores are of."""
    images = run.history.filter(pc.field("split") == split)["n_evaluated"]
    return images[-1].as_py() if len(images) else None


def _columns(table: Table, rows: list[dict]) -> dict:
    return {name: [row[name] for row in rows] for name in table.schema.names}
