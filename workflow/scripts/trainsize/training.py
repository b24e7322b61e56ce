"""The training stage: one run after another in one process, each with its own files and its own random streams.

A run's results are first written to its `state/` folder, which is no output of the workflow, and then linked to the
places that the workflow knows. Snakemake removes all outputs of a job before it runs and when it fails; what a run has
finished survives that, and the next job takes it over instead of training again.
"""

import os
import platform
import time
import traceback
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
import torch
from torch import nn
from torch.nn import functional as F

from trainsize import models
from trainsize.budget import checkpoints, samples_seen, total_updates
from trainsize.errors import UserError
from trainsize.evaluation import logits_of, score, top_predictions
from trainsize.files import link, read_json, write_json
from trainsize.prepared import Prepared
from trainsize.provenance import commit, now, processor, versions
from trainsize.runs import FILES, Run, settings_hash
from trainsize.streams import torch_seed
from trainsize.subsets import content_hash, draw_subsets
from trainsize.tables import HISTORY, PREDICTIONS, write_table


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

    A run that an earlier job has finished with the same settings, code and data is taken over. Raises UserError after
    the last run if any failed, so that the others are kept.
    """
    torch.set_num_threads(threads)
    torch.use_deterministic_algorithms(True)
    os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")
    trainer = Trainer(settings, code, Prepared(dataset), _device(device))
    failed = []
    for record in records:
        try:
            trainer.make(record.parent)
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
        """Train `run` and write its files to `state`, the record last."""
        print(f"{run.folder} of {study}: training", flush=True)
        started, watch = now(), Stopwatch({"load": self.seconds_load})
        with watch.phase("total"):
            model = models.build(self.settings["model"]["architecture"], self.shape, self.n_classes, run.seed)
            model.to(self.device)
            splits = {"test": self.test}
            for role in ("train", "validation"):
                if len(rows[role]):
                    splits[role] = self.train.take(torch.from_numpy(rows[role]).to(self.device))
            outcome = fit(model, splits, self.settings, run.seed, watch)
        (state / "run.json").unlink(missing_ok=True)
        with watch.phase("write"):
            coordinates = {"study": study, **asdict(run)}
            write_table(state / "history.parquet", HISTORY, _columns(coordinates, outcome.history))
            write_table(state / "predictions.parquet", PREDICTIONS, outcome.predictions or _no_predictions())
        finished = outcome.predictions is not None
        batch_size = self.settings["model"]["batch_size"]
        updates = outcome.history[-1]["step"] if outcome.history else 0
        commit_id, dirty = commit()
        write_json(
            state / "run.json",
            {
                **coordinates,
                "status": "finished" if finished else "diverged",
                "reason": outcome.reason,
                "settings": self.settings,
                **identity,
                "parameters": models.count_parameters(model),
                "flops_per_image": models.flops_per_image(model, self.shape),
                "updates": updates,
                "images_seen": samples_seen(updates, run.n, batch_size),
                "images_evaluated": sum(row["n_evaluated"] for row in outcome.history),
                "final": {row["split"]: _scores(row) for row in outcome.history if row["step"] == updates},
                "seconds": {name: round(value, 6) for name, value in watch.seconds.items()},
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


def fit(model: nn.Module, splits: dict[str, Images], settings: dict, seed: int, watch: Stopwatch) -> Outcome:
    """Train `model` on `splits["train"]` for the whole budget and evaluate every split at each checkpoint.

    A loss that becomes infinite or not a number ends the run, noticed at the next checkpoint.
    """
    recipe, train = settings["model"], splits["train"]
    n, batch_size = len(train), recipe["batch_size"]
    total = total_updates(settings["budget"], n, batch_size)
    optimizer = models.make_optimizer(recipe["optimizer"], model)
    schedule = torch.optim.lr_scheduler.LambdaLR(
        optimizer, lambda step: models.rate_factor(recipe["schedule"], min(step, total - 1), total)
    )
    batches = _batches(n, batch_size, seed, train.pixels.device)
    history, step = [], 0
    torch.manual_seed(torch_seed(seed, "dropout"))
    for checkpoint in checkpoints(total, settings["evaluation"]["points"]):
        with watch.phase("train"):
            losses = []
            for _ in range(step, checkpoint):
                losses.append(_update(model, optimizer, train, next(batches), recipe))
                schedule.step()
            finite = torch.isfinite(torch.stack(losses)).cpu()
        if not finite.all():
            bad = step + int(finite.int().argmin()) + 1
            return Outcome(history, None, f"the training loss of update {bad} is not a finite number")
        step = checkpoint
        with watch.phase("evaluate"):
            logits = {split: logits_of(model, images) for split, images in splits.items()}
            where = {"step": step, "samples_seen": samples_seen(step, n, batch_size)}
            for split, values in logits.items():
                scores = asdict(score(values, splits[split].labels))
                history.append({**where, "epoch": where["samples_seen"] / n, "split": split, **scores})
        print(_progress(history, step, total, watch), flush=True)
    return Outcome(history, _predictions(logits["test"], splits["test"].labels))


def _batches(n: int, batch_size: int, seed: int, device: torch.device) -> Iterator[torch.Tensor]:
    """Yield the rows of each update for ever: one random order per pass, the last batch of a pass maybe smaller."""
    order = torch.Generator().manual_seed(torch_seed(seed, "order"))
    while True:
        yield from torch.randperm(n, generator=order).to(device).split(batch_size)


def _update(model: nn.Module, optimizer, train: Images, rows: torch.Tensor, recipe: dict) -> torch.Tensor:
    """Make one optimiser update on the images at `rows`; return the loss without waiting for it."""
    optimizer.zero_grad(set_to_none=True)
    logits = model(train.inputs(rows))
    loss = F.cross_entropy(logits, train.labels[rows], label_smoothing=recipe["label_smoothing"])
    loss.backward()
    if recipe["clip_norm"] is not None:
        nn.utils.clip_grad_norm_(model.parameters(), recipe["clip_norm"])
    optimizer.step()
    return loss.detach()


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
    return {name: row[name] for name in ("loss", "accuracy", "f1_macro")}


def _progress(history: list[dict], step: int, total: int, watch: Stopwatch) -> str:
    test = next(row for row in reversed(history) if row["split"] == "test")
    rate = test["samples_seen"] / watch.seconds["train"]
    left = (watch.seconds["train"] + watch.seconds["evaluate"]) * (total - step) / step
    return (
        f"  update {step}/{total}: test loss {test['loss']:.4f}, accuracy {test['accuracy']:.4f}; "
        f"{rate:,.0f} images/s, {left:.0f} s left"
    )
