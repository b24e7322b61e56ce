"""Which checkpoint of a run is selected, and when a run that no longer improves stops."""

from dataclasses import dataclass, field

import torch

BETTER = {"loss": -1.0, "accuracy": 1.0}  # the sign by which larger is better


@dataclass
class Selection:
    """Keeps the best weights so far, by a metric of the validation images or, as a published mistake, of the test set.

    `waited` counts the evaluations since the best one; with a patience, training stops after that many.
    """

    settings: dict
    value: float | None = None
    step: int | None = None
    weights: dict[str, torch.Tensor] = field(default_factory=dict)
    waited: int = 0

    def update(self, step: int, rows: list[dict], weights: dict[str, torch.Tensor]) -> None:
        """Compare the history rows of an evaluation with the best so far; `weights` are copied when they are better."""
        if self.settings["name"] == "last":
            return
        split = "test" if self.settings["name"] == "best_on_test" else "validation"
        row = next(row for row in rows if row["split"] == split)
        sign, metric = BETTER[self.settings["metric"]], self.settings["metric"]
        least = self.settings.get("minimum_change", 0.0)
        if self.value is None or sign * (row[metric] - self.value) > least:
            self.value, self.step, self.waited = row[metric], step, 0
            self.weights = {name: weight.detach().clone() for name, weight in weights.items()}
        else:
            self.waited += 1

    @property
    def stop(self) -> str:
        """Why training is to stop now, or nothing."""
        patience = self.settings.get("patience")
        if patience is None or self.waited < patience:
            return ""
        return f"no better validation {self.settings['metric']} in {patience} evaluations"

    def state(self) -> dict:
        return {"value": self.value, "step": self.step, "weights": self.weights, "waited": self.waited}

    def restore(self, state: dict) -> None:
        self.value, self.step, self.weights, self.waited = (
            state[key] for key in ("value", "step", "weights", "waited")
        )


@dataclass
class Plateau:
    """How often the learning rate was reduced because the validation loss had stopped improving."""

    settings: dict
    best: float = float("inf")
    waited: int = 0
    reductions: int = 0

    def update(self, rows: list[dict]) -> None:
        """Take the history rows of an evaluation into account."""
        if self.settings["name"] != "plateau":
            return
        loss = next(row["loss"] for row in rows if row["split"] == "validation")
        self.waited = 0 if loss < self.best else self.waited + 1
        self.best = min(self.best, loss)
        if self.waited > self.settings["patience"]:
            self.waited, self.reductions = 0, self.reductions + 1

    def state(self) -> dict:
        return {"best": self.best, "waited": self.waited, "reductions": self.reductions}

    def restore(self, state: dict) -> None:
        self.best, self.waited, self.reductions = (state[key] for key in ("best", "waited", "reductions"))
