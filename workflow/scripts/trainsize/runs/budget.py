"""Budgets: how many updates a run gets, how many images that is, and after which updates it is evaluated."""

from dataclasses import dataclass

ROLLOVER, PARTIAL, DROP = LAST_BATCHES = ("rollover", "partial", "drop")


@dataclass(frozen=True)
class Batches:
    """How `n` training images are divided into batches of `size`; fewer images than that are one batch.

    `last` says what becomes of the incomplete batch at the end of a pass: one of LAST_BATCHES. `rollover` fills it with
    the first images of the next pass, so that every update sees equally many images; `partial` leaves it smaller; with
    `drop` the pass ends before it.
    """

    n: int
    size: int
    last: str

    @classmethod
    def of(cls, recipe: dict, n: int) -> "Batches":
        return cls(n, recipe["batch_size"], recipe["last_batch"])

    @property
    def full(self) -> int:
        """Images in a full batch."""
        return min(self.n, self.size)

    @property
    def per_pass(self) -> float:
        """Updates in a pass over all images; with `rollover`, not a whole number."""
        match self.last:
            case "partial":
                return -(-self.n // self.full)
            case "drop":
                return self.n // self.full
            case _:
                return self.n / self.full

    def updates(self, budget: dict) -> int:
        """Return the number of updates that `budget` gives a run: at least one, and no fewer images than it says."""
        if "updates" in budget:
            return budget["updates"]
        if self.last == PARTIAL:
            passes, rest = divmod(budget["samples"], self.n) if "samples" in budget else (budget["epochs"], 0)
            return passes * self.per_pass + -(-rest // self.full)
        if self.last == DROP and "epochs" in budget:
            return budget["epochs"] * self.per_pass
        images = budget["samples"] if "samples" in budget else budget["epochs"] * self.n
        return -(-images // self.full)

    def images(self, updates: int) -> int:
        """Return the number of training images, repeats counted, in the first `updates` updates."""
        if self.last != PARTIAL:
            return updates * self.full
        passes, rest = divmod(updates, self.per_pass)
        return passes * self.n + rest * self.full


def checkpoints(updates: int, evaluation: dict) -> list[int]:
    """Return the updates after which a run is evaluated, in order and without repeats; the last is the end.

    There are `points` of them, evenly spaced, or one after `every` so many updates.
    """
    if evaluation["every"]:
        return sorted({*range(evaluation["every"], updates, evaluation["every"]), updates})
    points = evaluation["points"]
    return sorted({max(1, round(updates * k / points)) for k in range(1, points + 1)})
