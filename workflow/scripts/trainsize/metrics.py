"""The metrics stage: every run of a study collected into one tidy table of checkpoints and one of runs."""

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pyarrow as pa
from pyarrow import parquet

from trainsize.errors import UserError
from trainsize.files import read_json, whole
from trainsize.runs import grid_runs
from trainsize.tables import HISTORY, RUNS, read_table, write_table


def collect(grid: dict, settings_hashes: dict[str, str], results: Path) -> None:
    """Write `metrics/history.parquet` and `metrics/runs.parquet` under `results`, the study's folder.

    `grid` is `Study.grid()`; `settings_hashes` says, per model, what its runs must have been trained with. Raises
    UserError naming a run that was trained with other settings, or on other images than the subset tables list.
    """
    folders = [results / run.folder for run in grid_runs(grid)]
    with ThreadPoolExecutor(max_workers=8) as pool:
        records = list(pool.map(lambda folder: read_json(folder / "run.json"), folders))
        histories = list(pool.map(lambda folder: parquet.ParquetFile(folder / "history.parquet").read(), folders))
    subsets = read_table(results / "subsets" / "subsets.parquet").set_index(["n", "draw"])["content"]
    for folder, record in zip(folders, records, strict=True):
        _check(folder, record, settings_hashes[record["model"]], subsets[record["n"], record["draw"]])
    with whole(results / "metrics" / "history.parquet") as partial:
        parquet.write_table(pa.concat_tables(histories).cast(HISTORY.schema), partial, compression="zstd")
    write_table(results / "metrics" / "runs.parquet", RUNS, _columns([_row(record) for record in records]))


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


def _columns(rows: list[dict]) -> dict:
    return {name: [row[name] for row in rows] for name in RUNS.schema.names}
