"""The training stage: one run after another in one process, each with its own files and its own random streams.

A run's results are first written to its `state/` folder, which is no output of the workflow, and then linked to the
paths that the workflow knows. Snakemake removes all outputs of a job before it starts and when it fails. Finished runs
survive that in `state/`, and the next job takes them over instead of training them again.
"""

import ctypes
import os
import platform
import time
import traceback
from collections import deque
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import asdict, dataclass, replace
from functools import cached_property
from pathlib import Path

import numpy as np
import torch

from trainsize.common.errors import Interrupted, UserError
from trainsize.common.files import atomic_write, link_or_copy, require_folder
from trainsize.common.provenance import commit, now, processor, versions
from trainsize.common.tables import write_table
from trainsize.datasets.prepared import Prepared
from trainsize.jobs.lock import locked
from trainsize.runs.record import (
    NEURONS,
    Device,
    Identity,
    Record,
    check_files,
    checksums,
    read_record,
    write_record,
)
from trainsize.runs.run import FILES, Run, settings_hash
from trainsize.subsets.methods import content_hash, draw_subsets
from trainsize.training.architectures import build, count_parameters, flops_per_image
from trainsize.training.checkpoint import Checkpoints
from trainsize.training.images import Images, normalised_by
from trainsize.training.interruption import Interruption
from trainsize.training.neurons import activations, check_layer, correlations, summary
from trainsize.training.processes import Processes
from trainsize.training.stacked import Stack, can_stack
from trainsize.training.tables import PREDICTIONS, RUN_HISTORY, SCORE_NAMES
from trainsize.training.trainer import Outcome, Trainer

# Seconds between checkpoints: the most work that a killed run loses. A shorter run saves no checkpoint.
SAVE_EVERY = 20.0


def train_runs(settings: dict, code: str, dataset: Path, threads: int, device: str, records: list[Path]) -> None:
    """Train the runs whose records (`run.json`) are named; `settings` is `Study.run_settings(model)`.

    A run that an earlier job finished with the same settings, code and data is taken over, and one that was left
    unfinished resumes from its last checkpoint. Raises UserError after the last run if any failed, so that the others
    are kept, and Interrupted when a signal asked the process to end.
    """
    device = _device(device)
    processes = Processes.join(device)
    set_up(max(1, threads // processes.count))
    job = TrainingJob(settings, code, Prepared(dataset), device, processes)
    failed = []
    waiting = deque(_stacks([record.parent for record in records]))
    while waiting:
        folders = waiting.popleft()
        try:
            job.train(folders)
        except (Interrupted, UserError):
            raise
        except Exception as error:
            if processes.count > 1:
                raise  # the other processes wait for this one; torchrun ends them all
            if len(folders) > 1:
                print(f"  cannot train these runs side by side ({error}); training one after another", flush=True)
                waiting.extendleft([folder] for folder in reversed(folders))
                continue
            traceback.print_exc()
            failed.append(f"{folders[0]}: {type(error).__name__}: {error}")
    processes.leave()
    if failed:
        raise UserError("\n".join([f"{len(failed)} of {len(records)} runs failed; the others are kept:", *failed]))


def set_up(threads: int) -> None:
    """Make PyTorch deterministic, set its number of threads, and keep the memory that it frees."""
    torch.set_num_threads(threads)
    # A few operations have no deterministic version on a GPU; PyTorch then warns in the log and continues.
    torch.use_deterministic_algorithms(True, warn_only=True)
    torch.utils.deterministic.fill_uninitialized_memory = False  # it helps to find bugs, but costs time
    os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")
    _keep_freed_memory()


def _keep_freed_memory() -> None:
    """Stop glibc, where that is the C library, from returning freed memory to the system.

    Each update frees its tensors and the next one allocates them again, which takes a tenth of its time on fresh pages.
    """
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None)
    if mallopt:
        mallopt(-3, 32 << 20)  # M_MMAP_THRESHOLD, at its largest: up to 32 MiB from the heap
        mallopt(-1, 2**31 - 1)  # M_TRIM_THRESHOLD: free memory the heap keeps


def _stacks(folders: list[Path]) -> list[list[Path]]:
    """Return the runs in groups to be trained side by side: $TRAINSIZE_STACK runs each, or one."""
    size = int(os.environ.get("TRAINSIZE_STACK", 1))
    return [folders[start : start + size] for start in range(0, len(folders), size)]


def _device(name: str) -> torch.device:
    if name == "cuda" and not torch.cuda.is_available():
        raise UserError(
            "config.yaml: device: found 'cuda', but PyTorch sees no GPU on this machine (allowed: auto, cpu)"
        )
    return torch.device("cuda" if torch.cuda.is_available() and name != "cpu" else "cpu")


class TrainingJob:
    """Trains runs that share their settings, data and device."""

    def __init__(self, settings: dict, code: str, data: Prepared, device: torch.device, processes: Processes):
        start = time.perf_counter()
        self.settings, self.code, self.data, self.device, self.processes = settings, code, data, device, processes
        self.recipe = settings["model"]
        self.train_images, self.test_images = (self._load(split) for split in ("train", "test"))
        self.shape = tuple(self.train_images.pixels.shape[1:])
        self.n_classes = len(data.manifest["classes"])
        if self.recipe["neurons"]:  # checked before training, whose results a wrong name would lose
            check_layer(self._network(), self.recipe["neurons"]["layer"], self.shape)
        self.seconds_load = time.perf_counter() - start

    def _load(self, split: str) -> Images:
        images = Images.load(self.data, split, self.device)
        if self.recipe["labels"] == "constant":
            images = replace(images, labels=torch.zeros_like(images.labels))
        return images

    @cached_property
    def flops(self) -> int:
        """Floating-point operations of one image's forward pass."""
        return flops_per_image(self._network(), self.shape)

    def _network(self) -> torch.nn.Module:
        """Return a network of the recipe for inspection, not for training."""
        return build(self.recipe, self.shape, self.n_classes, 0)

    def train(self, folders: list[Path]) -> None:
        """Put the files of each run into its folder: from its state if it is finished, else by training it."""
        with ExitStack() as locks:
            trainings = []
            for folder in folders:
                if self.processes.count == 1:  # otherwise the process that started these holds the lock
                    locks.enter_context(locked(folder / "state", Interruption.asked))
                training = self._prepare(folder)
                if training is None:
                    print(f"{folder}: already finished, taken over", flush=True)
                else:
                    trainings.append(training)
            for training, outcome in zip(trainings, _outcomes(trainings), strict=True):
                if self.processes.first:
                    self._write(training, outcome)
            if self.processes.first:
                for folder in folders:
                    for name in FILES:
                        link_or_copy(folder / "state" / name, folder / name)

    def _prepare(self, folder: Path) -> "Training | None":
        """Return the training of the run in `folder`, at its last checkpoint if it has one; None if it is finished."""
        study, run = folder.parents[4].name, Run.from_folder(folder)
        rows = self._rows(run, run.draw)
        identity = Identity(settings_hash(self.settings), self.data.manifest["content"], content_hash(rows))
        state = folder / "state"
        if _is_finished(state, study, run, identity, self.code):
            return None
        print(f"{run.folder} of {study}: training", flush=True)
        started, before = now(), time.perf_counter()
        trainer = self._trainer(run, rows)
        trainer.watch.seconds |= {"load": self.seconds_load, "build": time.perf_counter() - before}
        saved = Checkpoints(state, identity._asdict() | {"code": self.code} | asdict(run), SAVE_EVERY)
        if (last := saved.load(self.device)) is not None:
            trainer.restore(last)
            print(f"  resuming from update {trainer.step}", flush=True)
        return Training(state, study, run, identity, started, trainer, saved)

    def _rows(self, run: Run, draw: int) -> dict[str, np.ndarray]:
        return draw_subsets(self.data.labels("train"), self.settings["subset"], [run.n], draw)[run.n]

    def _splits(self, rows: dict[str, np.ndarray]) -> dict[str, Images]:
        """Return the images of every split of a subset, normalised as the recipe says."""
        of_subset = {
            role: self.train_images.take(torch.from_numpy(rows[role]).to(self.device))
            for role in ("train", "validation")
            if len(rows[role])
        }
        splits = {"test": self.test_images, **of_subset}
        return {
            split: normalised_by(self.recipe["normalisation"], images, splits["train"])
            for split, images in splits.items()
        }

    def _trainer(self, run: Run, rows: dict[str, np.ndarray]) -> Trainer:
        """Return the trainer of `run` at its start, with all folds up to its own where the network is carried on."""
        restart = self.recipe["restart"]
        model = build(self.recipe, self.shape, self.n_classes, restart["seed"] if restart else run.seed).to(self.device)
        before = range(run.draw) if self.recipe["carried_through_folds"] else ()
        folds = [*(self._rows(run, draw) for draw in before), rows]
        return Trainer(model, [self._splits(fold) for fold in folds], self.settings, run.seed, self.processes)

    def _write(self, training: "Training", outcome: Outcome) -> None:
        """Write a run's files to its state, the record last."""
        state, trainer = training.state, training.trainer
        require_folder(state)
        (state / "run.json").unlink(missing_ok=True)
        with trainer.watch.phase("write"):
            write_table(state / "history.parquet", RUN_HISTORY, _columns(training, outcome.history))
            predictions = _predictions(outcome, trainer.splits["test"].labels)
            write_table(state / "predictions.parquet", PREDICTIONS, predictions)
            neurons = self._neurons(trainer, state) if self.recipe["neurons"] and not outcome.reason else None
        write_record(state / "run.json", self._record(training, outcome, neurons))
        training.saved.clear()

    def _record(self, training: "Training", outcome: Outcome, neurons: dict | None) -> Record:
        trainer = training.trainer
        seconds = {name: round(value, 6) for name, value in trainer.watch.seconds.items()}
        commit_id, dirty = commit()
        return Record(
            study=training.study,
            **vars(training.run),
            status=outcome.status,
            reason=outcome.reason,
            stopped=outcome.stopped,
            settings=self.settings,
            **training.identity._asdict(),
            code=self.code,
            parameters=count_parameters(trainer.model),
            flops_per_image=self.flops,
            updates=trainer.step,
            selected_step=outcome.selected,
            images_seen=trainer.batches.images(trainer.step),
            images_evaluated=sum(row["n_evaluated"] for row in outcome.history),
            final={row["split"]: _scores(row) for row in outcome.history if row["step"] == outcome.selected},
            neurons=neurons,
            files=checksums(training.state, neurons),
            resumed=trainer.resumed,
            seconds={**seconds, "total": sum(seconds.values())},
            started=training.started,
            finished=now(),
            commit=commit_id,
            dirty=dirty,
            versions=versions(),
            device=Device(
                type=self.device.type,
                name=torch.cuda.get_device_name() if self.device.type == "cuda" else processor(),
                threads=torch.get_num_threads(),
                processes=self.processes.count,
                stacked=training.stacked,
            ),
            host=platform.node(),
        )

    def _neurons(self, trainer: Trainer, state: Path) -> dict:
        """Write the correlations of a layer's units to `state/neurons.npy`; return their summary."""
        options = self.recipe["neurons"]
        values = activations(trainer.evaluated, options["layer"], trainer.splits["test"], options["images"])
        matrix = correlations(values)
        with atomic_write(state / NEURONS) as partial, partial.open("wb") as file:
            np.save(file, matrix.astype(np.float32))
        return {**options, **summary(matrix)}


@dataclass
class Training:
    """A run under way, the folder of its state and its checkpoints, and how many runs are trained side by side."""

    state: Path
    study: str
    run: Run
    identity: Identity
    started: str  # UTC time, ISO 8601
    trainer: Trainer
    saved: Checkpoints
    stacked: int = 1


def _outcomes(trainings: list[Training]) -> Iterator[Outcome]:
    """Train and yield the outcomes: of all runs side by side where possible, else one after another."""
    trainers, saved = [training.trainer for training in trainings], [training.saved for training in trainings]
    if len(trainers) > 1 and can_stack(trainers):
        for training in trainings:
            training.stacked = len(trainers)
        yield from Stack(trainers).run(saved)
    else:
        yield from (trainer.run(own) for trainer, own in zip(trainers, saved, strict=True))


def _is_finished(state: Path, study: str, run: Run, identity: Identity, code: str) -> bool:
    """Whether `state` holds the results of this run, with this identity and code."""
    if not all((state / name).is_file() for name in FILES):
        return False
    try:
        record = read_record(state, study, run)
        if (record.identity, record.code) != (identity, code):
            return False
        check_files(state, record)
    except UserError as error:
        print(f"{str(error).rpartition(';')[0]}; training it again", flush=True)  # a path may hold one too
        return False
    return True


def _columns(training: Training, rows: list[dict]) -> dict:
    """Return the columns of a run's history, given its rows without the run's coordinates."""
    coordinates = {"study": training.study, **vars(training.run)}
    names = [name for name in RUN_HISTORY.schema.names if name not in coordinates]
    repeated = {name: [value] * len(rows) for name, value in coordinates.items()}
    return {**repeated, **{name: [row[name] for row in rows] for name in names}}


def _predictions(outcome: Outcome, labels: torch.Tensor) -> dict:
    """Return the columns of the predictions table; a run that diverged has no rows."""
    if outcome.predictions is None:
        return {name: [] for name in PREDICTIONS.schema.names}
    classes, probabilities = (ranked.cpu().numpy() for ranked in outcome.predictions)
    columns = {"index": np.arange(len(labels)), "label": labels.cpu().numpy()}
    for k in range(5):
        known = k < classes.shape[1]
        columns[f"class_{k + 1}"] = classes[:, k] if known else np.full(len(labels), -1)
        columns[f"probability_{k + 1}"] = (probabilities[:, k] if known else np.zeros(len(labels))).astype(np.float32)
    return columns


def _scores(row: dict) -> dict:
    return {name: row[name] for name in SCORE_NAMES[1:]}
