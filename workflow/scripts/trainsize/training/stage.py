"""The training stage: one run after another in one process, each with its own files and its own random streams.

A run's results are first written to its `state/` folder, which is no output of the workflow, and then linked to the
places that the workflow knows. Snakemake removes all outputs of a job before it runs and when it fails; what a run has
finished survives that, and the next job takes it over instead of training again.
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
from trainsize.common.files import assert_there, link, read_json, whole, write_sealed
from trainsize.common.provenance import commit, now, processor, versions
from trainsize.common.tables import write_table
from trainsize.datasets.prepared import Prepared
from trainsize.jobs.lock import locked
from trainsize.runs.budget import samples_seen
from trainsize.runs.record import NEURONS, check_files, checksums
from trainsize.runs.run import FILES, Run, settings_hash
from trainsize.subsets.methods import content_hash, draw_subsets
from trainsize.training.architectures import build, count_parameters, flops_per_image
from trainsize.training.checkpoint import Checkpoints
from trainsize.training.images import Images, normalised_by
from trainsize.training.interruption import Interruption
from trainsize.training.loop import Fit, Outcome
from trainsize.training.neurons import activations, check_layer, correlations, summary
from trainsize.training.processes import Processes
from trainsize.training.stacked import Stack, can_stack
from trainsize.training.tables import PREDICTIONS, RUN_HISTORY, SCORE_NAMES

# A killed run loses at most this many seconds of work; a run that is shorter saves nothing on its way.
SAVE_EVERY = 20.0


def train_runs(settings: dict, code: str, dataset: Path, threads: int, device: str, records: list[Path]) -> None:
    """Make the results of every run whose record (`run.json`) is named; `settings` is `Study.run_settings(model)`.

    A run that an earlier job has finished with the same settings, code and data is taken over, and one that was left
    unfinished goes on from its last checkpoint. Raises UserError after the last run if any failed, so that the others
    are kept, and Interrupted when a signal asked the process to end.
    """
    device = _device(device)
    processes = Processes.of_this(device)
    set_up(max(1, threads // processes.count))
    trainer = Trainer(settings, code, Prepared(dataset), device, processes)
    failed = []
    waiting = deque(_stacks([record.parent for record in records]))
    while waiting:
        folders = waiting.popleft()
        try:
            trainer.make(folders)
        except (Interrupted, UserError):
            raise
        except Exception as error:
            if processes.count > 1:
                raise  # the others wait for this one; torchrun ends them all
            if len(folders) > 1:
                print(f"  cannot be trained side by side ({error}); one after another instead", flush=True)
                waiting.extendleft([folder] for folder in reversed(folders))
                continue
            traceback.print_exc()
            failed.append(f"{folders[0]}: {type(error).__name__}: {error}")
    processes.leave()
    if failed:
        raise UserError("\n".join([f"{len(failed)} of {len(records)} runs failed; the others are kept:", *failed]))


def set_up(threads: int) -> None:
    """Have PyTorch compute the same numbers each time, in so many threads, and keep the memory it has freed."""
    torch.set_num_threads(threads)
    # A few operations have no deterministic form on a GPU; PyTorch then says so in the log and goes on.
    torch.use_deterministic_algorithms(True, warn_only=True)
    torch.utils.deterministic.fill_uninitialized_memory = False  # a help to find bugs, which costs time
    os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")
    _keep_freed_memory()


def _keep_freed_memory() -> None:
    """Tell glibc, where that is the C library, not to give freed memory back.

    The tensors of an update are freed and allocated again at the next; from fresh pages that takes a tenth of its time.
    """
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None)
    if mallopt:
        mallopt(-3, 32 << 20)  # M_MMAP_THRESHOLD, at its largest: up to 32 MiB from the heap
        mallopt(-1, 2**31 - 1)  # M_TRIM_THRESHOLD: free memory the heap keeps


def _stacks(folders: list[Path]) -> list[list[Path]]:
    """Return the runs to be trained side by side: so many as $TRAINSIZE_STACK says, or each by itself."""
    size = int(os.environ.get("TRAINSIZE_STACK", 1))
    return [folders[start : start + size] for start in range(0, len(folders), size)]


def _device(name: str) -> torch.device:
    if name == "cuda" and not torch.cuda.is_available():
        raise UserError("config.yaml: device: found 'cuda', but PyTorch sees no GPU here (allowed: auto, cpu)")
    return torch.device("cuda" if torch.cuda.is_available() and name != "cpu" else "cpu")


class Trainer:
    """Trains runs that share model settings, data and device."""

    def __init__(self, settings: dict, code: str, data: Prepared, device: torch.device, processes: Processes):
        start = time.perf_counter()
        self.settings, self.code, self.data, self.device, self.processes = settings, code, data, device, processes
        self.recipe = settings["model"]
        self.train, self.test = (self._load(split) for split in ("train", "test"))
        self.shape = tuple(self.train.pixels.shape[1:])
        self.n_classes = len(data.manifest["classes"])
        if self.recipe["neurons"]:  # before anything is trained that a wrong name would lose
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
        """Return a network of the recipe to be looked at, not to be trained."""
        return build(self.recipe, self.shape, self.n_classes, 0)

    def make(self, folders: list[Path]) -> None:
        """Bring the files of each run into its folder, from its state if that is finished, else by training."""
        with ExitStack() as locks:
            begun = []
            for folder in folders:
                if self.processes.count == 1:  # several processes are started by one that holds the lock for them
                    locks.enter_context(locked(folder / "state", Interruption.asked))
                run = Run.from_folder(folder)
                rows = self._rows(run, run.draw)
                identity = {
                    "settings_hash": settings_hash(self.settings),
                    "code": self.code,
                    "dataset_content": self.data.manifest["content"],
                    "subset_content": content_hash(rows),
                }
                if _is_finished(folder / "state", identity):
                    print(f"{folder}: already finished, taken over", flush=True)
                else:
                    begun.append(self._begin(folder, run, rows, identity))
            for training, outcome in zip(begun, _outcomes(begun), strict=True):
                if self.processes.first:
                    self._write(training, outcome)
            if self.processes.first:
                for folder in folders:
                    for name in FILES:
                        link(folder / "state" / name, folder / name)

    def _rows(self, run: Run, draw: int) -> dict[str, np.ndarray]:
        return draw_subsets(self.data.labels("train"), self.settings["subset"], [run.n], draw)[run.n]

    def _splits(self, rows: dict[str, np.ndarray]) -> dict[str, Images]:
        """Return the images of every split of a subset, normalised as the recipe says."""
        of_subset = {
            role: self.train.take(torch.from_numpy(rows[role]).to(self.device))
            for role in ("train", "validation")
            if len(rows[role])
        }
        splits = {"test": self.test, **of_subset}
        return {
            split: normalised_by(self.recipe["normalisation"], images, splits["train"])
            for split, images in splits.items()
        }

    def _fit(self, run: Run, rows: dict[str, np.ndarray]) -> Fit:
        """Return the training of `run` at its start, through the folds before its own where the network is carried."""
        restart = self.recipe["restart"]
        model = build(self.recipe, self.shape, self.n_classes, restart["seed"] if restart else run.seed).to(self.device)
        before = range(run.draw) if self.recipe["carried_through_folds"] else ()
        stages = [*(self._rows(run, draw) for draw in before), rows]
        return Fit(model, [self._splits(stage) for stage in stages], self.settings, run.seed, self.processes)

    def _begin(self, folder: Path, run: Run, rows: dict[str, np.ndarray], identity: dict) -> "Training":
        """Return the training of `run`, at its last checkpoint where there is one."""
        study = folder.parents[4].name
        print(f"{run.folder} of {study}: training", flush=True)
        started, before = now(), time.perf_counter()
        fit = self._fit(run, rows)
        fit.watch.seconds |= {"load": self.seconds_load, "build": time.perf_counter() - before}
        saved = Checkpoints(folder / "state", identity | asdict(run), SAVE_EVERY)
        if (last := saved.load(self.device)) is not None:
            fit.restore(last)
            print(f"  going on from update {fit.step}", flush=True)
        return Training(folder / "state", {"study": study, **asdict(run)}, identity, started, fit, saved)

    def _write(self, training: "Training", outcome: Outcome) -> None:
        """Write a run's files to its state, the record last."""
        state, coordinates, fit = training.state, training.coordinates, training.fit
        assert_there(state)
        (state / "run.json").unlink(missing_ok=True)
        with fit.watch.phase("write"):
            write_table(state / "history.parquet", RUN_HISTORY, _columns(coordinates, outcome.history))
            predictions = _predictions(outcome, fit.splits["test"].labels)
            write_table(state / "predictions.parquet", PREDICTIONS, predictions)
            neurons = self._neurons(fit, state) if self.recipe["neurons"] and not outcome.reason else None
        seconds = {name: round(value, 6) for name, value in fit.watch.seconds.items()}
        commit_id, dirty = commit()
        write_sealed(
            state / "run.json",
            {
                **coordinates,
                "status": outcome.status,
                "reason": outcome.reason,
                "stopped": outcome.stopped,
                "settings": self.settings,
                **training.identity,
                "parameters": count_parameters(fit.model),
                "flops_per_image": self.flops,
                "updates": fit.step,
                "selected_step": outcome.selected,
                "images_seen": samples_seen(fit.step, fit.n, self.recipe["batch_size"]),
                "images_evaluated": sum(row["n_evaluated"] for row in outcome.history),
                "final": {row["split"]: _scores(row) for row in outcome.history if row["step"] == outcome.selected},
                "neurons": neurons,
                "files": checksums(state, neurons),
                "resumed": fit.resumed,
                "seconds": {**seconds, "total": sum(seconds.values())},
                "started": training.started,
                "finished": now(),
                "commit": commit_id,
                "dirty": dirty,
                "versions": versions(),
                "device": {
                    "type": self.device.type,
                    "name": torch.cuda.get_device_name() if self.device.type == "cuda" else processor(),
                    "threads": torch.get_num_threads(),
                    "processes": self.processes.count,
                    "stacked": training.stacked,
                },
                "host": platform.node(),
            },
        )
        training.saved.clear()

    def _neurons(self, fit: Fit, state: Path) -> dict:
        """Write the correlations of a layer's units to `state/neurons.npy` and return what sums them up."""
        options = self.recipe["neurons"]
        values = activations(fit.evaluated, options["layer"], fit.splits["test"], options["images"])
        matrix = correlations(values)
        with whole(state / NEURONS) as partial, partial.open("wb") as file:
            np.save(file, matrix.astype(np.float32))
        return {**options, **summary(matrix)}


@dataclass
class Training:
    """A run under way: where its files go, what it is, and how many are trained side by side with it."""

    state: Path
    coordinates: dict
    identity: dict
    started: str
    fit: Fit
    saved: Checkpoints
    stacked: int = 1


def _outcomes(trainings: list[Training]) -> Iterator[Outcome]:
    """Yield what comes of each training: of all together where they can go side by side, else one after another."""
    fits, saved = [training.fit for training in trainings], [training.saved for training in trainings]
    if len(fits) > 1 and can_stack(fits):
        for training in trainings:
            training.stacked = len(fits)
        yield from Stack(fits).run(saved)
    else:
        yield from (fit.run(own) for fit, own in zip(fits, saved, strict=True))


def _is_finished(state: Path, identity: dict) -> bool:
    """Tell whether `state` holds the results of a run of this identity that came to its end."""
    if not all((state / name).is_file() for name in FILES):
        return False
    try:
        record = read_json(state / "run.json")
        if any(record.get(key) != value for key, value in identity.items()):
            return False
        check_files(state, record)
    except UserError as error:
        print(f"{str(error).partition(';')[0]}; training it anew", flush=True)
        return False
    return True


def _columns(coordinates: dict, rows: list[dict]) -> dict:
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
