"""How fast runs are: as measured in recorded runs, or assumed."""

import statistics
from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace

from trainsize.runs.budget import Batches, checkpoints
from trainsize.runs.record import Record
from trainsize.runs.samples import images_evaluated
from trainsize.study.study import Study

# Assumed speed of hardware without recorded runs: a laptop's core, and a data centre's GPU that small networks keep
# half busy. Either may be wrong by ASSUMED_FACTOR.
ASSUMED_FLOPS_PER_SECOND = {"cpu": 2e10, "cuda": 2e12}
ASSUMED_SECONDS_PER_UPDATE = 2e-3
ASSUMED_FACTOR = 10.0
SEPARABLE_RATIO = 2.0  # of images per update between runs: from here on, the costs of updates and images are separable


@dataclass(frozen=True)
class Work:
    """The work of one run."""

    updates: int
    images: int  # training images, repeats counted
    images_evaluated: int
    flops: float  # floating-point operations


@dataclass(frozen=True)
class Rates:
    """The cost of a model's work, in seconds.

    Where all recorded updates had about the same number of images, the costs of an update and of a training image
    cannot be separated: `images_per_update` is that number, and `per_update` the cost of both.
    """

    per_update: float
    per_image: float  # evaluated
    per_run: float
    low: float  # nine recorded runs in ten took between `low` and `high` times the estimate
    high: float
    basis: str  # what the rates rest on, in words
    per_trained_image: float = 0.0  # in addition to the update
    images_per_update: float | None = None

    def seconds(self, work: Work) -> float:
        """Return the seconds of a run: an upper estimate where its updates have other sizes than the recorded ones."""
        return self._seconds(work, max)

    def interval(self, work: Work) -> tuple[float, float]:
        """Return `low` and `high` for a run; `low` is smaller where its updates have other sizes than recorded."""
        return self.low * (self._seconds(work, min) / self._seconds(work, max)), self.high

    def _seconds(self, work: Work, either: Callable[[float, float], float]) -> float:
        updates = work.updates
        if self.images_per_update:  # the cost grows with the updates or with the images, or something in between
            updates = either(updates, work.images / self.images_per_update)
        training = self.per_update * updates + self.per_trained_image * work.images
        return training + self.per_image * work.images_evaluated + self.per_run


def work_of(study: Study, model: str, n: int, flops_per_image: int) -> Work:
    """Return the most work that a run can have: some stop early, and carried through folds the last draw has the most.

    An update costs as much as three forward passes: the backward pass takes two.
    """
    recipe = study.models[model]
    batches = Batches.of(recipe, n)
    updates = batches.updates(study.budgets[model])
    folds = max(study.draws) + 1 if recipe["carried_through_folds"] else 1
    images = folds * batches.images(updates)
    splits = {"train": n, "validation": study.subset["validation"], "test": study.dataset.n_test}
    evaluated = images_evaluated(len(checkpoints(updates, study.evaluation)), splits, study.evaluation, recipe)
    return Work(folds * updates, images, evaluated, flops_per_image * (3.0 * images + evaluated))


def recorded_rates(records: Iterable[Record], device: str) -> Rates | None:
    """Return a model's rates from its recorded runs, or None when no run was timed.

    Only runs on a `device` ("cuda" or "cpu") count, or those on the other if there are none. Of these, only the runs on
    the commonest hardware count.
    """
    timed = [record for record in records if record.updates and record.images_evaluated]
    timed = [record for record in timed if record.device.type == device] or timed
    if not timed:
        return None
    kind, _ = Counter(record.device.name for record in timed).most_common(1)[0]
    timed = [record for record in timed if record.device.name == kind]

    def total(phase: str) -> float:
        return sum(record.seconds.get(phase, 0.0) for record in timed)

    done = [_work_done(record) for record in timed]
    rates = Rates(
        **_training_rates(done, [record.seconds.get("train", 0.0) for record in timed]),
        per_image=total("evaluate") / sum(record.images_evaluated for record in timed),
        per_run=(total("build") + total("write")) / len(timed),
        low=1.0,
        high=1.0,
        basis=f"{len(timed)} finished runs on {kind}",
    )
    low, high = _spread(timed, rates)
    return replace(rates, low=low, high=high)


def _work_done(record: Record) -> Work:
    """Return the work that a run has done; its record counts the updates and images of the last fold only."""
    folds = record.draw + 1 if record.settings["model"]["carried_through_folds"] else 1
    return Work(folds * record.updates, folds * record.images_seen, record.images_evaluated, 0.0)


def _training_rates(done: list[Work], seconds: list[float]) -> dict[str, float]:
    """Return the fields of `Rates` about training, from the work of the runs and the seconds spent on training them.

    Where their updates had different numbers of images, as with subsets smaller than a batch, the seconds are fitted
    as a · updates + b · images and scaled to the same sum. Otherwise all seconds are attributed to the updates.
    """
    updates, images = sum(work.updates for work in done), sum(work.images for work in done)
    ratios = [work.images / work.updates for work in done]
    if max(ratios) < SEPARABLE_RATIO * min(ratios) or not all(seconds):
        return {"per_update": sum(seconds) / updates, "images_per_update": images / updates}
    rows = [(work.updates / spent, work.images / spent) for work, spent in zip(done, seconds, strict=True)]
    per_update, per_image = _nonnegative_fit(rows)
    scale = sum(seconds) / (per_update * updates + per_image * images)
    return {"per_update": scale * per_update, "per_trained_image": scale * per_image}


def _nonnegative_fit(rows: list[tuple[float, float]]) -> tuple[float, float]:
    """Return the non-negative (a, b) that fit a · x + b · y = 1 to the rows (x, y) by least squares."""
    x, y = (sum(row[k] for row in rows) for k in (0, 1))
    xx, xy, yy = (sum(row[i] * row[j] for row in rows) for i, j in ((0, 0), (0, 1), (1, 1)))
    a, b = (
        x * yy - y * xy,
        y * xx - x * xy,
    )  # over xx · yy − xy², which is positive unless the rows are multiples of each other
    if b <= 0:
        return x / xx, 0.0
    if a <= 0:
        return 0.0, y / yy
    return a / (xx * yy - xy * xy), b / (xx * yy - xy * xy)


def _spread(records: list[Record], rates: Rates) -> tuple[float, float]:
    """Return the factors of the estimate between which nine in ten recorded runs lie, at least a tenth either way."""
    if len(records) == 1:
        return 0.5, 2.0
    ratios = []
    for record in records:
        expected = rates.seconds(_work_done(record))
        ratios.append(sum(record.seconds.get(p, 0.0) for p in ("train", "evaluate", "build", "write")) / expected)
    twentieths = statistics.quantiles(ratios, n=20, method="inclusive")
    return min(0.9, twentieths[0]), max(1.1, twentieths[-1])


def assumed_rates(flops_per_image: int, batch_size: int, device: str) -> Rates:
    """Return rates for hardware without recorded runs."""
    speed = ASSUMED_FLOPS_PER_SECOND[device]
    per_update = ASSUMED_SECONDS_PER_UPDATE + 3 * flops_per_image * batch_size / speed
    hardware = {"cpu": "an assumed laptop core", "cuda": "an assumed GPU"}[device]
    basis = f"{hardware}, since no run is recorded yet"
    return Rates(per_update, flops_per_image / speed, 0.1, 1 / ASSUMED_FACTOR, ASSUMED_FACTOR, basis)
