"""Budgets: how many updates a run gets, how many images that is, and after which updates it is evaluated."""


def updates_per_pass(n: int, batch_size: int) -> int:
    """Batches in one pass over n images; the last may be partial."""
    return -(-n // batch_size)


def total_updates(budget: dict, n: int, batch_size: int) -> int:
    """Return the number of optimiser updates that `budget` gives a run on n images: at least one."""
    if "updates" in budget:
        return budget["updates"]
    if "epochs" in budget:
        return budget["epochs"] * updates_per_pass(n, batch_size)
    passes, rest = divmod(budget["samples"], n)
    return passes * updates_per_pass(n, batch_size) + updates_per_pass(rest, batch_size)


def samples_seen(updates: int, n: int, batch_size: int) -> int:
    """Return the number of training images, repeats counted, in the first `updates` updates."""
    passes, rest = divmod(updates, updates_per_pass(n, batch_size))
    return passes * n + rest * min(batch_size, n)


def checkpoints(updates: int, evaluation: dict) -> list[int]:
    """Return the updates after which a run is evaluated, in order and without repeats; the last is the end.

    There are `points` of them, evenly spaced, or one after `every` so many updates.
    """
    if evaluation["every"]:
        return sorted({*range(evaluation["every"], updates, evaluation["every"]), updates})
    points = evaluation["points"]
    return sorted({max(1, round(updates * k / points)) for k in range(1, points + 1)})
