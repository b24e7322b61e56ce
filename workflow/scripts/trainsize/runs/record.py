"""A run's record, `run.json`: what was trained, how it ended, and the checksums of the run's other files."""

import hashlib
from dataclasses import MISSING, asdict, dataclass, field, fields
from pathlib import Path
from typing import NamedTuple

from trainsize.common.errors import UserError, listing, unreadable
from trainsize.common.files import file_hash, read_json, write_with_checksum
from trainsize.runs.run import FILES, Run
from trainsize.runs.status import FINISHED

NEURONS = "neurons.npy"  # in `state/`; only of a model with `neurons`
TABLES = tuple(name for name in FILES if name != "run.json")


@dataclass(frozen=True)
class Device:
    """The hardware that a run was trained on. Records from before `processes` and `stacked` existed lack them."""

    type: str  # "cpu" or "cuda"
    name: str  # of the processor or the GPU
    threads: int | None  # CPU threads per process
    processes: int = 1  # processes, each with a GPU of its own, that trained the run together
    stacked: int = 1  # runs that were trained side by side, this one included


class Identity(NamedTuple):
    """The hashes of what a study says about a run. Runs with the same identity and code have the same results."""

    settings_hash: str  # of the resolved settings
    dataset_content: str  # of the prepared images and labels
    subset_content: str  # of the subset's row indices


@dataclass(frozen=True, kw_only=True)
class Record:
    """The content of a `run.json`, key by key, without its checksum.

    Fields that have a default are younger than the others: older records lack them. None stands for what does not
    apply: the placeholder for a run that an interim report lacks has no counts, code or times.
    """

    study: str
    model: str
    n: int  # size: training images
    draw: int  # which subset of that size
    seed: int  # training seed
    status: str  # one of runs/status.py
    reason: str  # why a run that is not finished ended; else empty
    stopped: str | None = ""  # why training ended before its budget did; else empty
    settings: dict  # every setting, as in `Study.run_settings`
    settings_hash: str
    code: str | None  # fingerprint of the training code
    dataset_content: str
    subset_content: str
    parameters: int | None  # trainable parameters of the network
    flops_per_image: int | None  # floating-point operations of one forward pass on one image
    updates: int | None  # optimiser updates done
    selected_step: int | None = None  # the checkpoint that `final` and the predictions are of, in updates
    images_seen: int | None  # training images seen, repeats counted
    images_evaluated: int | None  # images evaluated over all checkpoints and splits
    final: dict[str, dict]  # split -> metric -> value at the selected checkpoint; empty unless finished
    neurons: dict | None = None  # what sums up the correlations of a layer's units; only of a model with `neurons`
    files: dict[str, str] = field(default_factory=dict)  # name -> SHA-256, hexadecimal
    resumed: int = 0  # how often training was resumed from a checkpoint
    seconds: dict[str, float]  # phase -> seconds spent in it, and their "total"
    started: str | None  # UTC time of the last start, ISO 8601
    finished: str | None  # UTC time of the end, ISO 8601
    commit: str | None  # git commit of the workflow; None outside a git checkout
    dirty: bool | None  # whether tracked files differed from the commit
    versions: dict[str, str]  # package -> version
    device: Device
    host: str | None  # name of the machine

    @property
    def run(self) -> Run:
        return Run(self.model, self.n, self.draw, self.seed)

    @property
    def identity(self) -> Identity:
        return Identity(self.settings_hash, self.dataset_content, self.subset_content)

    @property
    def is_finished(self) -> bool:
        """Whether the run reached its end. Diverged and failed runs have a record too."""
        return self.status == FINISHED


_KNOWN = frozenset(f.name for f in fields(Record))
_REQUIRED = frozenset(f.name for f in fields(Record) if f.default is MISSING and f.default_factory is MISSING)


def record_from(value: dict) -> Record:
    """Return the record that the JSON value of a `run.json`, without its checksum, stands for.

    Raises ValueError naming the keys that are missing or unknown.
    """
    try:
        return Record(**{**value, "device": Device(**value["device"])})
    except (TypeError, KeyError) as error:
        keys = set(value) if isinstance(value, dict) else set()
        wrong = sorted(keys - _KNOWN | _REQUIRED - keys) or ["in device"]
        raise ValueError(f"missing or unknown keys: {listing(wrong)}") from error


def read_record(folder: Path, study: str, run: Run) -> Record:
    """Return the record of a run of a study from `folder`: the run's own folder, or the `state` in it.

    Raises UserError when the record is damaged, was written by another version, or is that of another run or study.
    """
    path = folder / "run.json"
    try:
        record = record_from(read_json(path))
    except ValueError as error:
        message = f"{path}: damaged, or written by another version of trainsize ({error})"
        raise UserError(f"{message}; {retrain_hint(folder)}") from error
    for key, value in {"study": study, **asdict(run)}.items():
        if (recorded := getattr(record, key)) != value:
            raise UserError(f"{folder}: exchanged, its run.json says {key} {recorded}; {retrain_hint(folder)}")
    return record


def write_record(path: Path, record: Record) -> None:
    """Write `record` to `path` with a checksum of its content."""
    write_with_checksum(path, {**vars(record), "device": vars(record.device)})


def _names(neurons: dict | None) -> tuple[str, ...]:
    return (*TABLES, NEURONS) if neurons else TABLES


def checksums(state: Path, neurons: dict | None) -> dict[str, str]:
    """Return the SHA-256 of each file in `state` that belongs in the record of a run with these `neurons`."""
    return {name: file_hash(state / name, "sha256") for name in _names(neurons)}


def read_verified(path: Path, folder: Path, record: Record) -> bytes:
    """Return the content of a file of the run in `folder`. Raises UserError unless its checksum is the record's."""
    try:
        content = path.read_bytes()
    except OSError as error:
        raise unreadable(path, error, retrain_hint(folder)) from error
    if hashlib.sha256(content).hexdigest() != record.files.get(path.name):
        message = f"{path}: damaged or exchanged, its checksum is not the one in run.json"
        raise UserError(f"{message}; {retrain_hint(folder)}")
    return content


def check_files(state: Path, record: Record) -> None:
    """Raise UserError unless every file in a run's `state` has the checksum in its record."""
    for name in _names(record.neurons):
        read_verified(state / name, state.parent, record)


def retrain_hint(folder: Path) -> str:
    """Return what to do about a run whose files cannot be used."""
    return f"delete {folder} and run snakemake again to retrain the run"
