"""The training stage: one run after another in one process, each with its own files and its own random streams.

A run's results are first written to its `state/` folder, which is no output of the workflow, and then linked to the
places that the workflow knows. Snakemake removes all outputs of a job before it runs and when it fails; what a run has
finished survives that, and the next job takes it over instead of training again.
"""

import math
import os
import platform
import signal
import time
import traceback
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from itertools import islice
from pathlib import Path

import numpy as np
import torch
from torch import nn
from torch.nn import functional as F

from trainsize.architectures import build, count_parameters, flops_per_image, limit_norms, limited_layers
from trainsize.budget import checkpoints, samples_seen, total_updates, updates_per_pass
from trainsize.checkpoint import Checkpoints
from trainsize.errors import Interrupted, UserError
from trainsize.evaluation import logits_of, score, top_predictions
from trainsize.files import link, read_json, write_json
from trainsize.optimisation import make_optimizer, rate_factor
from trainsize.prepared import Prepared
from trainsize.provenance import commit, now, processor, versions
from trainsize.runs import FILES, Run, settings_hash
from trainsize.streams import torch_seed
from trainsize.subsets import content_hash, draw_subsets
from trainsize.tables import HISTORY, PREDICTIONS, SCORE_NAMES, write_table

# A killed run loses at most this many seconds of work; a run that is shorter saves nothing on its way.
SAVE_EVERY = 20.0


class Interruption:
    """Whether the process has been asked to end: by Ctrl-C, by a scheduler's warning or at its time limit."""

    SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGUSR1)
    asked = False

    @classmethod
    def heed(cls) -> None:
        """From now on save the run and leave, instead of dying, when a signal asks for it."""
        for number in cls.SIGNALS:
            signal.signal(number, cls._ask)

    @classmethod
    def _ask(cls, number: int, frame: object) -> None:
        cls.asked = True


@dataclass
class Stopwatch:
    """Seconds spent in each phase of a run."""

    seconds: dict[str, float]

    @contextmanager
    def phase(self, name: str) -> Iterator[None]:
        start = time.perf_counter()
        yield
        self.seconds[name] = self.seconds.get(name, 0.0) + time.perf_counter() - start


@dataclass(frozen=True)
class Images:
    """Images on the device (uint8, images × channels × height × width), their labels, and the normalisation."""

    pixels: torch.Tensor
    labels: torch.Tensor
    mean: torch.Tensor
    std: torch.Tensor

    @classmethod
    def load(cls, data: Prepared, split: str, device: torch.device) -> "Images":
        pixels = torch.from_numpy(np.array(data.images(split))).permute(0, 3, 1, 2).contiguous()
        channel = [torch.tensor(data.manifest[key], dtype=torch.float32, device=device) for key in ("mean", "std")]
        labels = torch.from_numpy(np.array(data.labels(split)))
        return cls(pixels.to(device), labels.to(device), *(value.view(-1, 1, 1) for value in channel))

    def __len__(self) -> int:
        return len(self.labels)

    def take(self, rows: torch.Tensor) -> "Images":
        return Images(self.pixels[rows], self.labels[rows], self.mean, self.std)

    def inputs(self, rows: torch.Tensor | slice) -> torch.Tensor:
        """Return the network's input for the images at `rows`: float32, scaled to 0-1, then normalised."""
        return (self.pixels[rows].float() / 255 - self.mean) / self.std


@dataclass
class Outcome:
    """What came of a run: `reason` says why it is not finished; `predictions` is None then."""

    history: list[dict]
    predictions: dict | None
    reason: str = ""


def train_runs(settings: dict, code: str, dataset: Path, threads: int, device: str, records: list[Path]) -> None:
    """Make the results of every run whose record (`run.json`) is named; `settings` is `Study.run_settings(model)`.

    A run that an earlier job has finished with the same settings, code and data is taken over, and one that was left
    unfinished goes on from its last checkpoint. Raises UserError after the last run if any failed, so that the others
    are kept, and Interrupted when a signal asked the process to end.
    """
    torch.set_num_threads(threads)
    torch.use_deterministic_algorithms(True)
    os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")
    trainer = Trainer(settings, code, Prepared(dataset), _device(device))
    failed = []
    for record in records:
        try:
            trainer.make(record.parent)
        except Interrupted:
            raise
        except Exception as error:
            traceback.print_exc()
            failed.append(f"{record.parent}: {type(error).__name__}: {error}")
    if failed:
        raise UserError("\n".join([f"{len(failed)} of {len(records)} runs failed; the others are kept:", *failed]))


def _device(name: str) -> torch.device:
    if name == "cuda" and not torch.cuda.is_available():
        raise UserError("config.yaml: device: found 'cuda', but PyTorch sees no GPU here (allowed: auto, cpu)")
    return torch.device("cuda" if torch.cuda.is_available() and name != "cpu" else "cpu")


class Trainer:
    """Trains runs that share model settings, data and device."""

    def __init__(self, settings: dict, code: str, data: Prepared, device: torch.device):
        start = time.perf_counter()
        self.settings, self.code, self.data, self.device = settings, code, data, device
        self.train, self.test = (Images.load(data, split, device) for split in ("train", "test"))
        self.shape = tuple(self.train.pixels.shape[1:])
        self.n_classes = len(data.manifest["classes"])
        self.seconds_load = time.perf_counter() - start

    def make(self, folder: Path) -> None:
        """Bring the run's files into `folder`, from its state if that is finished, else by training."""
        run, state = Run.from_folder(folder), folder / "state"
        rows = draw_subsets(self.data.labels("train"), self.settings["subset"], [run.n], run.draw)[run.n]
        identity = {
            "settings_hash": settings_hash(self.settings),
            "code": self.code,
            "dataset_content": self.data.manifest["content"],
            "subset_content": content_hash(rows),
        }
        if _is_finished(state, identity):
            print(f"{folder}: already finished, taken over", flush=True)
        else:
            self._train_to(state, folder.parents[4].name, run, rows, identity)
        for name in FILES:
            link(state / name, folder / name)

    def _train_to(self, state: Path, study: str, run: Run, rows: dict[str, np.ndarray], identity: dict) -> None:
        """Train `run`, from its last checkpoint where there is one, and write its files to `state`, the record last."""
        print(f"{run.folder} of {study}: training", flush=True)
        started, watch = now(), Stopwatch({"load": self.seconds_load})
        with watch.phase("build"):
            model = build(self.settings["model"], self.shape, self.n_classes, run.seed).to(self.device)
            splits = {"test": self.test}
            for role in ("train", "validation"):
                if len(rows[role]):
                    splits[role] = self.train.take(torch.from_numpy(rows[role]).to(self.device))
            fit = Fit(model, splits, self.settings, run.seed)
        saved = Checkpoints(state, identity | asdict(run), SAVE_EVERY)
        if (last := saved.load(self.device)) is not None:
            fit.restore(last)
            print(f"  going on from update {fit.step}", flush=True)
        outcome = fit.run(saved)
        (state / "run.json").unlink(missing_ok=True)
        with watch.phase("write"):
            coordinates = {"study": study, **asdict(run)}
            write_table(state / "history.parquet", HISTORY, _columns(coordinates, outcome.history))
            write_table(state / "predictions.parquet", PREDICTIONS, outcome.predictions or _no_predictions())
        finished = outcome.predictions is not None
        batch_size = self.settings["model"]["batch_size"]
        commit_id, dirty = commit()
        seconds = watch.seconds | fit.watch.seconds
        seconds["total"] = sum(seconds.values())
        write_json(
            state / "run.json",
            {
                **coordinates,
                "status": "finished" if finished else "diverged",
                "reason": outcome.reason,
                "settings": self.settings,
                **identity,
                "parameters": count_parameters(model),
                "flops_per_image": flops_per_image(model, self.shape),
                "updates": fit.step,
                "images_seen": samples_seen(fit.step, fit.n, batch_size),
                "images_evaluated": sum(row["n_evaluated"] for row in outcome.history),
                "final": {row["split"]: _scores(row) for row in outcome.history[-len(splits) :]},
                "resumed": fit.resumed,
                "seconds": {name: round(value, 6) for name, value in seconds.items()},
                "started": started,
                "finished": now(),
                "commit": commit_id,
                "dirty": dirty,
                "versions": versions(),
                "device": {
                    "type": self.device.type,
                    "name": torch.cuda.get_device_name() if self.device.type == "cuda" else processor(),
                    "threads": torch.get_num_threads(),
                },
                "host": platform.node(),
            },
        )
        saved.clear()


class Fit:
    """One training under way: everything that changes while it goes on, so that it can be left and taken up again.

    The order of the images and the learning rate follow from the step alone and need not be kept.
    """

    def __init__(self, model: nn.Module, splits: dict[str, Images], settings: dict, seed: int):
        self.model, self.splits, self.settings, self.seed = model, splits, settings, seed
        self.recipe, self.train = settings["model"], splits["train"]
        self.n, self.batch_size = len(self.train), self.recipe["batch_size"]
        self.total = total_updates(settings["budget"], self.n, self.batch_size)
        self.optimizer = make_optimizer(self.recipe["optimizer"], model)
        self.rates = [group["lr"] for group in self.optimizer.param_groups]
        self.limited = limited_layers(model)
        self.step, self.history, self.resumed = 0, [], 0
        self.watch = Stopwatch({})
        torch.manual_seed(torch_seed(seed, "dropout"))

    def state(self) -> dict:
        return {
            "model": self.model.state_dict(),
            "optimizer": self.optimizer.state_dict(),
            "random": torch.get_rng_state(),
            "random_device": torch.cuda.get_rng_state() if self._on_gpu() else None,
            "step": self.step,
            "history": self.history,
            "resumed": self.resumed,
            "seconds": self.watch.seconds,
        }

    def restore(self, state: dict) -> None:
        self.model.load_state_dict(state["model"])
        self.optimizer.load_state_dict(state["optimizer"])
        torch.set_rng_state(state["random"].cpu())
        if self._on_gpu():
            torch.cuda.set_rng_state(state["random_device"].cpu())
        self.step, self.history, self.watch = state["step"], state["history"], Stopwatch(state["seconds"])
        self.resumed = state["resumed"] + 1

    def _on_gpu(self) -> bool:
        return self.train.pixels.device.type == "cuda"

    def run(self, saved: Checkpoints) -> Outcome:
        """Train for the whole budget, evaluate every split at each checkpoint, and save when it is time.

        A loss that becomes infinite or not a number ends the run, noticed when it is next evaluated or saved. Raises
        Interrupted, after saving, when the process was asked to end.
        """
        logits = None
        batches = islice(_batches(self.n, self.batch_size, self.seed, self.train.pixels.device), self.step, None)
        for checkpoint in checkpoints(self.total, self.settings["evaluation"]["points"]):
            while self.step < checkpoint:
                with self.watch.phase("train"):
                    bad = self._advance(checkpoint, batches, saved)
                if bad:
                    return Outcome(self.history, None, f"the training loss of update {bad} is not a finite number")
                if Interruption.asked or (saved.due() and self.step < checkpoint):
                    saved.save(self.state())
                if Interruption.asked:
                    raise Interrupted
            if not self.history or self.history[-1]["step"] < checkpoint:
                with self.watch.phase("evaluate"):
                    logits = self._evaluate()
                if not all(math.isfinite(row["loss"]) for row in self.history[-len(self.splits) :]):
                    del self.history[-len(self.splits) :]
                    return Outcome(self.history, None, f"the loss after update {self.step} is not a finite number")
                print(_progress(self.history, self.step, self.total, self.watch), flush=True)
            if saved.due():
                saved.save(self.state())
        test = self.splits["test"]
        last = logits["test"] if logits else logits_of(self.model, test)
        return Outcome(self.history, _predictions(last, test.labels))

    def _advance(self, until: int, batches: Iterator[torch.Tensor], saved: Checkpoints) -> int | None:
        """Update up to step `until`, or until it is time to save; return the update with a bad loss, if any."""
        start, losses = self.step, []
        while self.step < until and not (losses and (saved.due() or Interruption.asked)):
            losses.append(self._update(next(batches)))
            self.step += 1
        finite = torch.isfinite(torch.stack(losses)).cpu()
        return None if finite.all() else start + int(finite.int().argmin()) + 1

    def _update(self, rows: torch.Tensor) -> torch.Tensor:
        """Make one optimiser update on the images at `rows`; return the loss without waiting for it."""
        factor = rate_factor(self.recipe["schedule"], self.step, self.total, updates_per_pass(self.n, self.batch_size))
        for group, rate in zip(self.optimizer.param_groups, self.rates, strict=True):
            group["lr"] = rate * factor
        self.optimizer.zero_grad(set_to_none=True)
        logits = self.model(self.train.inputs(rows))
        loss = F.cross_entropy(logits, self.train.labels[rows], label_smoothing=self.recipe["label_smoothing"])
        loss.backward()
        if self.recipe["clip_value"] is not None:
            nn.utils.clip_grad_value_(self.model.parameters(), self.recipe["clip_value"])
        if self.recipe["clip_norm"] is not None:
            nn.utils.clip_grad_norm_(self.model.parameters(), self.recipe["clip_norm"])
        self.optimizer.step()
        limit_norms(self.limited)
        return loss.detach()

    def _evaluate(self) -> dict[str, torch.Tensor]:
        """Add a row per split to the history; return the logits of each."""
        seen = samples_seen(self.step, self.n, self.batch_size)
        where = {"step": self.step, "samples_seen": seen, "epoch": seen / self.n}
        logits = {split: logits_of(self.model, images) for split, images in self.splits.items()}
        for split, values in logits.items():
            self.history.append({**where, "split": split, **asdict(score(values, self.splits[split].labels))})
        return logits


def _batches(n: int, batch_size: int, seed: int, device: torch.device) -> Iterator[torch.Tensor]:
    """Yield the rows of each update for ever: one random order per pass, the last batch of a pass maybe smaller."""
    order = torch.Generator().manual_seed(torch_seed(seed, "order"))
    while True:
        yield from torch.randperm(n, generator=order).to(device).split(batch_size)


def _is_finished(state: Path, identity: dict) -> bool:
    """Tell whether `state` holds the results of a run of this identity that came to its end."""
    if not all((state / name).is_file() for name in FILES):
        return False
    record = read_json(state / "run.json")
    return all(record.get(key) == value for key, value in identity.items())


def _columns(coordinates: dict, rows: list[dict]) -> dict:
    names = [name for name in HISTORY.schema.names if name not in coordinates]
    repeated = {name: [value] * len(rows) for name, value in coordinates.items()}
    return {**repeated, **{name: [row[name] for row in rows] for name in names}}


def _predictions(logits: torch.Tensor, labels: torch.Tensor) -> dict:
    classes, probabilities = (ranked.cpu().numpy() for ranked in top_predictions(logits))
    columns = {"index": np.arange(len(labels)), "label": labels.cpu().numpy()}
    for k in range(5):
        known = k < classes.shape[1]
        columns[f"class_{k + 1}"] = classes[:, k] if known else np.full(len(labels), -1)
        columns[f"probability_{k + 1}"] = (probabilities[:, k] if known else np.zeros(len(labels))).astype(np.float32)
    return columns


def _no_predictions() -> dict:
    return {name: [] for name in PREDICTIONS.schema.names}


def _scores(row: dict) -> dict:
    return {name: row[name] for name in SCORE_NAMES[1:]}


def _progress(history: list[dict], step: int, total: int, watch: Stopwatch) -> str:
    test = next(row for row in reversed(history) if row["split"] == "test")
    rate = test["samples_seen"] / watch.seconds["train"]
    left = (watch.seconds["train"] + watch.seconds["evaluate"]) * (total - step) / step
    return (
        f"  update {step}/{total}: test loss {test['loss']:.4f}, accuracy {test['accuracy']:.4f}; "
        f"{rate:,.0f} images/s, {left:.0f} s left"
    )
