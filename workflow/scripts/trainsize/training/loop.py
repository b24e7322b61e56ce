"""The loop of a training: updates, evaluations and checkpoints on disk in turn, for one run or several side by side."""

import time
from abc import ABC, abstractmethod
from collections.abc import Iterable

import torch

from trainsize.common.errors import Interrupted
from trainsize.training.interruption import Interruption


class Loop(ABC):
    """What a single run and a stack of runs share; a subclass says how to update, evaluate and save."""

    step: int  # optimiser updates done

    @abstractmethod
    def update(self) -> torch.Tensor:
        """Make the next update; return its loss, or one loss per run, without waiting for the device."""

    @abstractmethod
    def finish_updates(self, losses: torch.Tensor, started: float) -> None:
        """Take note of the losses of the updates made since `started`, in seconds of `time.perf_counter`."""

    @abstractmethod
    def evaluate(self) -> None:
        """Evaluate every split."""

    @abstractmethod
    def save_is_due(self) -> bool:
        """Whether it is time to save."""

    @abstractmethod
    def save(self) -> None:
        """Save the present state."""

    @property
    @abstractmethod
    def has_stopped(self) -> bool:
        """Whether training ends before its budget does."""

    def is_interrupted(self) -> bool:
        """Whether this process was asked to end."""
        return Interruption.asked()

    def must_pause(self) -> bool:
        """Whether the present update is the last before saving or leaving."""
        return self.save_is_due() or self.is_interrupted()

    def train(self, evaluations: Iterable[int]) -> None:
        """Train up to each of the steps `evaluations` and evaluate there. Raises Interrupted, after saving."""
        for step in evaluations:
            if self.has_stopped:
                return
            self.train_until(step)
            self.evaluate()
            if self.save_is_due():
                self.save()

    def train_until(self, end: int) -> None:
        """Make the updates up to step `end`, saving when it is time. Raises Interrupted, after saving."""
        while self.step < end and not self.has_stopped:
            self._advance(end)
            interrupted = self.is_interrupted()
            if interrupted or (self.save_is_due() and self.step < end):
                self.save()
            if interrupted:
                raise Interrupted

    def _advance(self, end: int) -> None:
        """Update up to step `end`, or until it is time to save or to leave."""
        started, losses = time.perf_counter(), []
        while self.step < end:
            losses.append(self.update())
            self.step += 1
            if self.must_pause():
                break
        self.finish_updates(torch.stack(losses), started)
