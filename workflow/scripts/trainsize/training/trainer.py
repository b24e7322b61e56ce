"""The training of one run, with everything that changes on the way, so that it can be saved and resumed."""

import math
import time
from collections.abc import Container, Iterator
from dataclasses import asdict, dataclass
from itertools import islice

import torch
from torch import nn
from torch.nn import functional as F

from trainsize.jobs.progress import report_progress
from trainsize.runs.budget import Batches, checkpoints
from trainsize.runs.metrics import SPLITS
from trainsize.runs.samples import final_size, sample_size
from trainsize.runs.status import DIVERGED, FAILED, FINISHED
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
from trainsize.training.loop import Loop
from trainsize.training.optimisation import make_optimizer, rate_factor
from trainsize.training.order import batch_rows
from trainsize.training.processes import ASK_EVERY, Processes
from trainsize.training.selection import Plateau, Selection
from trainsize.training.stopwatch import Stopwatch

Labelled = tuple[torch.Tensor, torch.Tensor]  # float64 logits (images × classes) and labels (images)

# PyTorch's error for a batch of one image whose layers have shrunk to one pixel before batch normalisation.
TOO_SMALL = "Expected more than 1 value per channel"


@dataclass
class Outcome:
    """How a run ended, and its results."""

    history: list[dict]  # a row per evaluation and split, with the columns of the table of checkpoints
    predictions: tuple[torch.Tensor, torch.Tensor] | None  # see `top_predictions`; None unless finished
    selected: int | None = None  # step of the selected checkpoint, in updates
    stopped: str = ""  # why training ended before its budget did; else empty
    status: str = FINISHED
    reason: str = ""  # why the run is not finished; else empty


class Diverged(Exception):
    """The loss became infinite or not a number."""


class Trainer(Loop):
    """Trains one network for its whole budget, evaluating and saving on the way.

    `folds` holds the images (by split) of each set that the network is trained on in turn. There is a single set unless
    the recipe makes the published mistake of carrying one network through the folds. Only the last set is evaluated.
    The order of the images and the learning rate follow from the step alone and are not saved.
    """

    saved: Checkpoints  # where `run` saves

    def __init__(
        self, model: nn.Module, folds: list[dict[str, Images]], settings: dict, seed: int, processes: Processes
    ):
        self.folds, self.settings, self.seed, self.processes = folds, settings, seed, processes
        self.recipe, self.batch_size = settings["model"], settings["model"]["batch_size"]
        self.model = model
        self.network = processes.wrapped(model)
        recorded = processes.count == 1 and cuda_graphs.requested(model) and cuda_graphs.can_record(self.recipe, model)
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

    def _enter(self, fold: int) -> None:
        self.fold, self.splits = fold, self.folds[fold]
        self.train_images = self.splits["train"]
        self.batches = Batches.of(self.recipe, len(self.train_images))
        self.total = self.batches.updates(self.settings["budget"])
        self.loss_sum, self.loss_count = 0.0, 0
        restart = self.recipe["restart"]
        self.restart_step = round(restart["at"] * self.total) if restart else 0
        self.rows = self.order()  # starts at the step of the first call of `next`
        sizes = {
            name: sample_size(name, len(images), self.settings["evaluation"], self.recipe)
            for name, images in self.splits.items()
        }
        self.samples = {split: self.some(split, size) for split, size in sizes.items() if size}

    def some(self, split: str, size: int) -> Images:
        """Return `size` images of a split at random: a run's always the same, more of them containing the fewer.

        They change with the seed, so that their choice is part of the spread between runs.
        """
        images = self.splits[split]
        order = generator(self.seed, "sample", SPLITS.index(split)).permutation(len(images))
        return images.take(torch.from_numpy(order[:size]).to(images.labels.device))

    @property
    def evaluated(self) -> nn.Module:
        """The network that is evaluated: the average of the weights, if the recipe has one."""
        return self.average.model if self.average else self.model

    def _seed_at(self, step: int) -> int:
        """Return the training seed of the update `step`, which changes in a restarted run."""
        return self.recipe["restart"]["seed"] if step < self.restart_step else self.seed

    def _seed(self, seed: int) -> None:
        """Start the streams of dropout and augmentation; every process has its own."""
        key = (self.processes.rank,) if self.processes.rank else ()
        torch.manual_seed(torch_seed(seed, "dropout", *key))
        self.dropout = self.dropout_state()
        self.augmentation = Augmentation(self.recipe, self.train_images.mean, torch_seed(seed, "augmentation", *key))

    def dropout_state(self) -> dict:
        """Return the state of the dropout stream while this run trains: PyTorch's own."""
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
            "fold": self.fold,
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
        self._enter(state["fold"])
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
        return self.train_images.pixels.is_cuda

    def run(self, saved: Checkpoints) -> Outcome:
        """Train on all folds, evaluate every split at each checkpoint of the last, and save when it is time.

        The run ends early when its loss becomes infinite or not a number, which is noticed at the next evaluation or
        save, when a GPU's memory is too small, and when a batch is too small to be normalised. Raises Interrupted,
        after saving, when the process was asked to end.
        """
        self.saved = saved
        self.set_dropout_state(self.dropout)
        try:
            while self.fold < len(self.folds) - 1:
                self.train_until(self.total)
                self._enter(self.fold + 1)
                self.step = 0
            self.train(self.remaining_evaluations())
            return self.finished()
        except Diverged as reason:
            return self.diverged(reason)
        except (torch.OutOfMemoryError, ValueError) as error:
            hopeless = isinstance(error, torch.OutOfMemoryError) or TOO_SMALL in str(error)
            if not hopeless or self.processes.count > 1:  # the other processes wait for this one
                raise
            what = "a batch too small to be normalised" if TOO_SMALL in str(error) else "out of memory"
            reason = f"{what} after update {self.step}: {str(error).partition('. ')[0]}"
            return Outcome(self.history, None, status=FAILED, reason=reason)

    def remaining_evaluations(self) -> list[int]:
        """Return the steps at which the run is still to be evaluated."""
        done = self.history[-1]["step"] if self.history else 0
        return [step for step in checkpoints(self.total, self.settings["evaluation"]) if step > done]

    def diverged(self, reason: Diverged) -> Outcome:
        return Outcome(self.history, None, status=DIVERGED, reason=str(reason))

    def finished(self) -> Outcome:
        """Put the selected weights into the network, score the sampled splits once more, and return its predictions.

        Raises Diverged.
        """
        logits, selected = self.test_logits, self.step
        if self.selection.step not in (None, self.step):
            logits, selected = None, self.selection.step
            self.evaluated.load_state_dict(self.selection.weights)
        with self.watch.phase("evaluate"):
            if logits is None:
                logits = self._logits(self.splits["test"])
            final = {split: self._final(split, logits) for split in self.samples}
            self.history += self._history_rows(selected, final)
        stopped = self.selection.stop if self.step < self.total else ""
        return Outcome(self.history, top_predictions(logits), selected, stopped)

    @property
    def has_stopped(self) -> bool:
        return bool(self.selection.stop)

    def save_is_due(self) -> bool:
        return self.processes.agreed(self.saved.due())

    def is_interrupted(self) -> bool:
        return self.processes.agreed(Interruption.asked())

    def must_pause(self) -> bool:
        # Several processes must leave at the same update, and asking all of them takes time.
        if self.processes.count > 1 and self.step % ASK_EVERY:
            return False
        return self.processes.agreed(self.saved.due() or Interruption.asked())

    def save(self) -> None:
        state = self.state()
        if self.processes.first:
            self.saved.save(state)

    def order(self) -> Iterator[torch.Tensor]:
        """Yield the rows of each update, from the present step on."""

        def from_seed(seed: int, start: int, end: int | None) -> Iterator[torch.Tensor]:
            repeats = self.recipe["repeated_augmentation"]
            return islice(batch_rows(self.batches, repeats, seed, self.train_images.pixels.device), start, end)

        if self.step < self.restart_step:
            yield from from_seed(self._seed_at(0), self.step, self.restart_step)
        yield from from_seed(self.seed, self.step, None)

    def finish_updates(self, losses: torch.Tensor, started: float) -> None:
        self.note_losses(self.processes.mean(losses).double().cpu())
        self.watch.add("train", time.perf_counter() - started)

    def note_losses(self, losses: torch.Tensor) -> None:
        """Add up the losses of the last updates. Raises Diverged, with `step` at the first that is not finite."""
        finite = torch.isfinite(losses)
        if not finite.all():
            self.step += 1 - len(losses) + int(finite.int().argmin())
            raise Diverged(f"the training loss of update {self.step} is not a finite number")
        self.loss_sum, self.loss_count = self.loss_sum + losses.sum().item(), self.loss_count + len(losses)

    def update(self) -> torch.Tensor:
        return self.update_on(next(self.rows))

    def update_on(self, rows: torch.Tensor) -> torch.Tensor:
        """Make one optimiser update on the images at `rows`; return the loss without waiting for the device."""
        self.set_rates(self.optimizer)
        if self.step == self.restart_step and self._seed_at(0) != self.seed:
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

        `whole` is the size of the whole batch where this process has only a part of it.
        """
        self.optimizer.zero_grad(set_to_none=True)
        with precision(self.recipe["precision"], inputs["images"].device):
            logits = self.network(inputs["images"])
        # Summed over this process's part and divided so that the mean over the processes is the mean of the batch.
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
        images, share = self.augmentation.mix(self.augmentation(self.train_images.scaled(rows)))
        inputs = {"images": self.train_images.normalised(images), "labels": self.train_images.labels[rows]}
        return inputs if share is None else inputs | {"share": share}

    def set_rates(self, optimizer: torch.optim.Optimizer) -> None:
        """Set the learning rates of this update in `optimizer`, whose groups are those of this trainer's own."""
        schedule, per_pass = self.recipe["schedule"], self.batches.per_pass
        factor = rate_factor(schedule, self.step, self.total, per_pass, self.plateau.reductions)
        for group, rate in zip(optimizer.param_groups, self.rates, strict=True):
            group["lr"] = rate * factor

    def losses(self, logits: torch.Tensor, inputs: Inputs) -> torch.Tensor:
        """Return each image's training loss; for mixed images, that of both labels weighted by their shares."""
        labels, share, smoothing = inputs["labels"], inputs.get("share"), self.recipe["label_smoothing"]
        losses = F.cross_entropy(logits, labels, reduction="none", label_smoothing=smoothing)
        if share is None:
            return losses
        others = F.cross_entropy(logits, labels.roll(1), reduction="none", label_smoothing=smoothing)
        return share * losses + (1 - share) * others

    def evaluate(self) -> None:
        """Add a row per split to the history. Raises Diverged."""
        with self.watch.phase("evaluate"):
            evaluated = {split: self._scored(split) for split in self.splits}
            rows = self._history_rows(self.step, evaluated, self.samples)
        for row in rows:
            if row["split"] == "train":
                row["loss_batches"] = self.loss_sum / max(self.loss_count, 1)
        self.loss_sum, self.loss_count = 0.0, 0
        self.history += rows
        whole = self.recipe["scores"] == "whole" and "test" not in self.samples
        self.test_logits = evaluated["test"][0] if whole else None
        self.selection.update(self.step, rows, self.evaluated.state_dict())
        self.plateau.update(rows)
        if self.processes.first:
            report_progress(self.history, self.step, self.total, self.watch.seconds)

    def _history_rows(self, step: int, evaluated: dict[str, Labelled], samples: Container[str] = ()) -> list[dict]:
        """Return a row of scores per split, of its sample if it is in `samples`. Raises Diverged."""
        seen = self.batches.images(step)
        position = {"step": step, "samples_seen": seen, "epoch": seen / self.batches.n}
        clipped = self.recipe["probabilities"] == "clipped"
        rows = [
            {**position, "split": split, "sampled": split in samples, **asdict(score(*pair, clipped))}
            for split, pair in evaluated.items()
        ]
        if not all(math.isfinite(row["loss"]) for row in rows):
            raise Diverged(f"the loss after update {step} is not a finite number")
        return [row | {"loss_batches": None} for row in rows]

    def _logits(self, images: Images) -> torch.Tensor:
        return logits_of(self.evaluated, images, self.recipe["precision"], self.processes)

    def _final(self, split: str, test_logits: torch.Tensor) -> Labelled:
        """Return the logits and labels that a split is finally scored on."""
        images = self.splits[split]
        if split == "test":
            return test_logits, images.labels
        size = final_size(split, len(images), self.settings["evaluation"])
        images = images if size is None else self.some(split, size)
        return self._logits(images), images.labels

    def _scored(self, split: str) -> Labelled:
        """Return the logits and labels of a split at a checkpoint: of all its images or of its sample.

        With `scores: last_batch` they are those of the last batch.
        """
        images = self.samples.get(split, self.splits[split])
        if self.recipe["scores"] == "last_batch":
            if split == "train":
                logits, labels = self.last_batch
                return logits.double(), labels
            order = generator(self.seed, "evaluation", self.step).permutation(len(images))
            rest = len(images) % self.batch_size or min(self.batch_size, len(images))
            images = images.take(torch.from_numpy(order[-rest:]).to(images.labels.device))
        return self._logits(images), images.labels
