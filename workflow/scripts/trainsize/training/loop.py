"""One training under way: everything that changes while it goes on, so that it can be left and taken up again."""

import math
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from itertools import islice

import torch
from torch import nn
from torch.nn import functional as F

from trainsize.common.errors import Interrupted
from trainsize.jobs.progress import tell
from trainsize.runs.budget import checkpoints, samples_seen, total_updates, updates_per_pass
from trainsize.runs.streams import generator, torch_seed
from trainsize.training import cuda_graphs
from trainsize.training.architectures import limit_norms, limited_layers
from trainsize.training.augmentation import Augmentation
from trainsize.training.average import Average
from trainsize.training.checkpoint import Checkpoints
from trainsize.training.cuda_graphs import Graphed, Inputs
from trainsize.training.evaluation import logits_of, precision, score, top_predictions
from trainsize.training.images import Images
from trainsize.training.interruption import Interruption
from trainsize.training.optimisation import make_optimizer, rate_factor
from trainsize.training.processes import ASK_EVERY, Processes
from trainsize.training.selection import Plateau, Selection

# What PyTorch says to a batch of one image whose layers have shrunk to one pixel before batch normalisation.
TOO_SMALL = "Expected more than 1 value per channel"


@dataclass
class Stopwatch:
    """Seconds spent in each phase of a run."""

    seconds: dict[str, float]

    @contextmanager
    def phase(self, name: str) -> Iterator[None]:
        start = time.perf_counter()
        yield
        self.add(name, time.perf_counter() - start)

    def add(self, name: str, seconds: float) -> None:
        self.seconds[name] = self.seconds.get(name, 0.0) + seconds


@dataclass
class Outcome:
    """What came of a run: finished, or diverged or failed, of which `reason` says why.

    `selected` is the step of the checkpoint that counts, `stopped` why training ended before its budget did, if so.
    """

    history: list[dict]
    predictions: tuple[torch.Tensor, torch.Tensor] | None
    selected: int | None = None
    stopped: str = ""
    status: str = "finished"
    reason: str = ""


class Diverged(Exception):
    """The loss became infinite or not a number."""


class Fit:
    """Trains one network for its whole budget, evaluating and saving on the way.

    `stages` are the sets of images (by split) that it is trained on one after the other: a single one, unless the
    published mistake is made of carrying one network through the folds. Only the last is evaluated. The order of the
    images and the learning rate follow from the step alone and need not be kept.
    """

    def __init__(
        self, model: nn.Module, stages: list[dict[str, Images]], settings: dict, seed: int, processes: Processes
    ):
        self.stages, self.settings, self.seed, self.processes = stages, settings, seed, processes
        self.recipe, self.batch_size = settings["model"], settings["model"]["batch_size"]
        self.model = model
        self.network = processes.wrapped(model)
        recorded = processes.count == 1 and cuda_graphs.asked(model) and cuda_graphs.can_record(self.recipe, model)
        self.graphed = Graphed(self._gradients, list(model.parameters())) if recorded else None
        self.average = Average(model, self.recipe["ema"]) if self.recipe["ema"] else None
        self.optimizer = make_optimizer(self.recipe["optimizer"], model)
        self.rates = [group["lr"] for group in self.optimizer.param_groups]
        self.limited = limited_layers(model)
        self.selection, self.plateau = Selection(self.recipe["selection"]), Plateau(self.recipe["schedule"])
        self.step, self.history, self.resumed = 0, [], 0
        self.last_batch: list[torch.Tensor] = []  # logits and labels of the last update, where they are evaluated
        self.test_logits: torch.Tensor | None = None  # of the last checkpoint, unless the run was resumed since
        self.watch = Stopwatch({})
        self._enter(0)
        self._seed(self._seed_at(0))

    def _enter(self, stage: int) -> None:
        self.stage, self.splits = stage, self.stages[stage]
        self.train = self.splits["train"]
        self.n = len(self.train)
        self.total = total_updates(self.settings["budget"], self.n, self.batch_size)
        self.loss_sum, self.loss_count = 0.0, 0
        restart = self.recipe["restart"]
        self.turn = round(restart["at"] * self.total) if restart else 0

    @property
    def evaluated(self) -> nn.Module:
        """The network that counts: the average of the weights, if the recipe has one."""
        return self.average.model if self.average else self.model

    def _seed_at(self, step: int) -> int:
        """Return the training seed of the update `step`, which a restarted run changes on its way."""
        return self.recipe["restart"]["seed"] if step < self.turn else self.seed

    def _seed(self, seed: int) -> None:
        """Start the streams of dropout and augmentation; every process has its own."""
        key = (self.processes.rank,) if self.processes.rank else ()
        torch.manual_seed(torch_seed(seed, "dropout", *key))
        self.dropout = self.dropout_state()
        self.augmentation = Augmentation(self.recipe, self.train.mean, torch_seed(seed, "augmentation", *key))

    def dropout_state(self) -> dict:
        """Return the state of the dropout stream while this fit trains, which is PyTorch's own."""
        return {"cpu": torch.get_rng_state(), "device": torch.cuda.get_rng_state() if self._on_gpu() else None}

    def set_dropout_state(self, state: dict) -> None:
        torch.set_rng_state(state["cpu"].cpu())
        if self._on_gpu():
            torch.cuda.set_rng_state(state["device"].cpu())

    def state(self) -> dict:
        random = {"dropout": self.dropout_state(), "augmentation": self.augmentation.generator.get_state()}
        return {
            "model": self.model.state_dict(),
            "average": self.average.state() if self.average else None,
            "optimizer": self.optimizer.state_dict(),
            "random": self.processes.collected(random),
            "stage": self.stage,
            "step": self.step,
            "history": self.history,
            "loss": [self.loss_sum, self.loss_count],
            "last_batch": self.last_batch,
            "selection": self.selection.state(),
            "plateau": self.plateau.state(),
            "resumed": self.resumed,
            "seconds": self.watch.seconds,
        }

    def restore(self, state: dict) -> None:
        self._enter(state["stage"])
        self.model.load_state_dict(state["model"])
        if self.average:
            self.average.restore(state["average"])
        self.optimizer.load_state_dict(state["optimizer"])
        random = state["random"][self.processes.rank]
        self.dropout = random["dropout"]
        self.augmentation.generator.set_state(random["augmentation"].cpu())
        self.step, self.history, self.watch = state["step"], state["history"], Stopwatch(state["seconds"])
        (self.loss_sum, self.loss_count), self.last_batch = state["loss"], state["last_batch"]
        self.selection.restore(state["selection"])
        self.plateau.restore(state["plateau"])
        self.resumed = state["resumed"] + 1

    def _on_gpu(self) -> bool:
        return self.train.pixels.is_cuda

    def run(self, saved: Checkpoints) -> Outcome:
        """Train through all stages, evaluate every split at each checkpoint of the last, and save when it is time.

        A loss that becomes infinite or not a number ends the run, noticed when it is next evaluated or saved; so do a
        GPU's memory that is too small, and a batch that is too small to be normalised. Raises Interrupted, after
        saving, when the process was asked to end.
        """
        self.set_dropout_state(self.dropout)
        try:
            while self.stage < len(self.stages) - 1:
                self._train_until(self.total, saved)
                self._enter(self.stage + 1)
                self.step = 0
            done = self.history[-1]["step"] if self.history else 0
            for checkpoint in checkpoints(self.total, self.settings["evaluation"]):
                if checkpoint <= done or self.selection.stop:
                    continue
                self._train_until(checkpoint, saved)
                self.evaluate()
                if self._due(saved):
                    self._save(saved)
            return self.finished()
        except Diverged as reason:
            return Outcome(self.history, None, status="diverged", reason=str(reason))
        except (torch.OutOfMemoryError, ValueError) as error:
            hopeless = isinstance(error, torch.OutOfMemoryError) or TOO_SMALL in str(error)
            if not hopeless or self.processes.count > 1:  # where the others wait for this one
                raise
            what = "a batch too small to be normalised" if TOO_SMALL in str(error) else "out of memory"
            reason = f"{what} after update {self.step}: {str(error).partition('. ')[0]}"
            return Outcome(self.history, None, status="failed", reason=reason)

    def finished(self) -> Outcome:
        """Put the weights that count into the network, and return its predictions."""
        logits, selected = self.test_logits, self.step
        if self.selection.step not in (None, self.step):
            logits, selected = None, self.selection.step
            self.evaluated.load_state_dict(self.selection.weights)
        if logits is None:
            logits = logits_of(self.evaluated, self.splits["test"], self.recipe["precision"], self.processes)
        stopped = self.selection.stop if self.step < self.total else ""
        return Outcome(self.history, top_predictions(logits), selected, stopped)

    def _train_until(self, end: int, saved: Checkpoints) -> None:
        """Make the updates up to step `end`, saving when it is time. Raises Diverged and Interrupted."""
        batches = self.batches()
        while self.step < end:
            with self.watch.phase("train"):
                self._advance(end, batches, saved)
            asked = self.processes.agreed(Interruption.asked())
            if asked or (self._due(saved) and self.step < end):
                self._save(saved)
            if asked:
                raise Interrupted

    def _due(self, saved: Checkpoints) -> bool:
        return self.processes.agreed(saved.due())

    def _save(self, saved: Checkpoints) -> None:
        state = self.state()
        if self.processes.first:
            saved.save(state)

    def batches(self) -> Iterator[torch.Tensor]:
        """Yield the rows of each update from the present one on."""

        def from_seed(seed: int, start: int, end: int | None) -> Iterator[torch.Tensor]:
            repeats = self.recipe["repeated_augmentation"]
            return islice(batches(self.n, self.batch_size, repeats, seed, self.train.pixels.device), start, end)

        if self.step < self.turn:
            yield from from_seed(self._seed_at(0), self.step, self.turn)
        yield from from_seed(self.seed, self.step, None)

    def _advance(self, end: int, rows: Iterator[torch.Tensor], saved: Checkpoints) -> None:
        """Update up to step `end`, or until it is time to save or to leave."""
        losses = []
        while self.step < end:
            losses.append(self._update(next(rows)))
            self.step += 1
            # Several processes must leave at the same update, and asking all of them takes time.
            if (self.processes.count == 1 or self.step % ASK_EVERY == 0) and self._due_or_asked(saved):
                break
        self.see(self.processes.mean(torch.stack(losses)).double().cpu())

    def see(self, losses: torch.Tensor) -> None:
        """Take note of the losses of the last updates. Raises Diverged, with `step` at the first that is not finite."""
        finite = torch.isfinite(losses)
        if not finite.all():
            self.step += 1 - len(losses) + int(finite.int().argmin())
            raise Diverged(f"the training loss of update {self.step} is not a finite number")
        self.loss_sum, self.loss_count = self.loss_sum + losses.sum().item(), self.loss_count + len(losses)

    def _due_or_asked(self, saved: Checkpoints) -> bool:
        return self.processes.agreed(saved.due() or Interruption.asked())

    def _update(self, rows: torch.Tensor) -> torch.Tensor:
        """Make one optimiser update on the images at `rows`; return the loss without waiting for it."""
        self.set_rates(self.optimizer)
        if self.step == self.turn and self._seed_at(0) != self.seed:
            self._seed(self.seed)
        rows, whole = self.processes.part(rows), len(rows)
        inputs = self.inputs(rows)
        loss = self.graphed(inputs) if self.graphed else self._gradients(inputs, whole)
        self.optimizer.step()
        limit_norms(self.limited)
        if self.average:
            self.average.update(self.model)
        return loss

    def _gradients(self, inputs: Inputs, whole: int | None = None) -> torch.Tensor:
        """Leave the clipped gradients of a batch in the weights; return its loss.

        `whole` is the size of the batch that this process has a part of, if it has only a part.
        """
        self.optimizer.zero_grad(set_to_none=True)
        with precision(self.recipe["precision"], inputs["images"].device):
            logits = self.network(inputs["images"])
        # Losses are summed over this process's part and divided so that their mean over the processes is the batch's.
        loss = self.losses(logits.float(), inputs).sum() * (self.processes.count / (whole or len(logits)))
        loss.backward()
        if self.recipe["clip_value"] is not None:
            nn.utils.clip_grad_value_(self.model.parameters(), self.recipe["clip_value"])
        if self.recipe["clip_norm"] is not None:
            nn.utils.clip_grad_norm_(self.model.parameters(), self.recipe["clip_norm"])
        if self.recipe["scores"] == "last_batch":
            self.last_batch = [logits.detach(), inputs["labels"]]
        return loss.detach()

    def inputs(self, rows: torch.Tensor) -> Inputs:
        """Return the augmented, mixed and normalised images at `rows`, their labels, and their shares where mixed."""
        images, share = self.augmentation.mix(self.augmentation(self.train.scaled(rows)))
        inputs = {"images": self.train.normalised(images), "labels": self.train.labels[rows]}
        return inputs if share is None else inputs | {"share": share}

    def set_rates(self, optimizer: torch.optim.Optimizer) -> None:
        """Set the learning rates of this update in `optimizer`, whose groups are those of this fit's own."""
        per_pass = updates_per_pass(self.n, self.batch_size)
        factor = rate_factor(self.recipe["schedule"], self.step, self.total, per_pass, self.plateau.reductions)
        for group, rate in zip(optimizer.param_groups, self.rates, strict=True):
            group["lr"] = rate * factor

    def losses(self, logits: torch.Tensor, inputs: Inputs) -> torch.Tensor:
        """Return each image's training loss; of mixed images that of both labels by their shares."""
        labels, share, smoothing = inputs["labels"], inputs.get("share"), self.recipe["label_smoothing"]
        losses = F.cross_entropy(logits, labels, reduction="none", label_smoothing=smoothing)
        if share is None:
            return losses
        others = F.cross_entropy(logits, labels.roll(1), reduction="none", label_smoothing=smoothing)
        return share * losses + (1 - share) * others

    def evaluate(self) -> None:
        """Add a row per split to the history. Raises Diverged."""
        seen = samples_seen(self.step, self.n, self.batch_size)
        where = {"step": self.step, "samples_seen": seen, "epoch": seen / self.n}
        with self.watch.phase("evaluate"):
            evaluated = {split: self._scored(split) for split in self.splits}
            clipped = self.recipe["probabilities"] == "clipped"
            scores = {split: asdict(score(*pair, clipped)) for split, pair in evaluated.items()}
        if not all(math.isfinite(values["loss"]) for values in scores.values()):
            raise Diverged(f"the loss after update {self.step} is not a finite number")
        batches = {"train": self.loss_sum / max(self.loss_count, 1)}
        rows = [
            {**where, "split": split, **values, "loss_batches": batches.get(split)} for split, values in scores.items()
        ]
        self.loss_sum, self.loss_count = 0.0, 0
        self.history += rows
        self.test_logits = evaluated["test"][0] if self.recipe["scores"] == "whole" else None
        self.selection.see(self.step, rows, self.evaluated.state_dict())
        self.plateau.see(rows)
        if self.processes.first:
            tell(self.history, self.step, self.total, self.watch.seconds)

    def _scored(self, split: str) -> tuple[torch.Tensor, torch.Tensor]:
        """Return float64 logits and labels of what is evaluated of a split: all of it, or what the mistake leaves."""
        images = self.splits[split]
        if self.recipe["scores"] == "last_batch":
            if split == "train":
                logits, labels = self.last_batch
                return logits.double(), labels
            order = generator(self.seed, "evaluation", self.step).permutation(len(images))
            rest = len(images) % self.batch_size or min(self.batch_size, len(images))
            images = images.take(torch.from_numpy(order[-rest:]).to(images.labels.device))
        return logits_of(self.evaluated, images, self.recipe["precision"], self.processes), images.labels


def batches(n: int, batch_size: int, repeats: int, seed: int, device: torch.device) -> Iterator[torch.Tensor]:
    """Yield the rows of each update for ever: one random order per pass, the last batch of a pass maybe smaller.

    With `repeats`, a divisor of the batch size, a batch holds each of its images so many times, and a pass sees that
    share of the images: repeated augmentation (Hoffer et al. 2020).
    """
    order = torch.Generator().manual_seed(torch_seed(seed, "order"))
    while True:
        rows = torch.randperm(n, generator=order)[: -(-n // repeats)].to(device)
        for number, part in enumerate(rows.split(batch_size // repeats)):
            yield part.repeat(repeats)[: n - number * batch_size]
