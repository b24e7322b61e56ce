"""A run's record, `run.json`, and the files it vouches for by their checksums."""

import hashlib
from dataclasses import asdict
from pathlib import Path

from trainsize.common.errors import UserError
from trainsize.common.files import file_hash, read_json
from trainsize.runs.run import FILES, Run

NEURONS = "neurons.npy"  # in `state/`; only of a model with `neurons`
TABLES = tuple(name for name in FILES if name != "run.json")


def _names(neurons: dict | None) -> tuple[str, ...]:
    return (*TABLES, NEURONS) if neurons else TABLES


def checksums(state: Path, neurons: dict | None) -> dict[str, str]:
    """Return the SHA-256 of every file in `state` that a record vouches for, whose `neurons` are given."""
    return {name: file_hash(state / name, "sha256") for name in _names(neurons)}


def read_record(results: Path, study: str, run: Run) -> dict:
    """Return the record of a run of the study in the folder `results`.

    Raises UserError when it is damaged, or that of another run or study.
    """
    folder = results / run.folder
    record = read_json(folder / "run.json")
    for key, value in {"study": study, **asdict(run)}.items():
        if record.get(key) != value:
            raise UserError(f"{folder}: exchanged, its run.json says {key} {record.get(key)}; {again(folder)}")
    return record


def read_vouched(path: Path, folder: Path, record: dict) -> bytes:
    """Return the content of a file of the run in `folder`. Raises UserError unless it is what `record` vouches for."""
    try:
        content = path.read_bytes()
    except OSError as error:
        raise UserError(f"{path}: cannot be read ({error}); {again(folder)}") from error
    if hashlib.sha256(content).hexdigest() != record.get("files", {}).get(path.name):
        raise UserError(f"{path}: damaged or exchanged, its checksum is not the one in run.json; {again(folder)}")
    return content


def check_files(state: Path, record: dict) -> None:
    """Raise UserError unless every file in a run's `state` is what its record vouches for."""
    for name in _names(record["neurons"]):
        read_vouched(state / name, state.parent, record)


def again(folder: Path) -> str:
    """Say what to do about a run that cannot be used."""
    return f"delete {folder} and run snakemake again to train the run anew"
