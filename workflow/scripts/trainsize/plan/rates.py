"""How fast runs are: measured on recorded runs, or assumed."""

import statistics
from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace

from trainsize.runs.budget import checkpoints, samples_seen, total_updates
from trainsize.study.study import Study

# What is assumed of hardware on which no run has been recorded: a laptop's core, and a data centre's GPU kept half busy
# by small networks. Either may be wrong by ASSUMED_FACTOR.
ASSUMED_FLOPS_PER_SECOND = {"cpu": 2e10, "cuda": 2e12}
ASSUMED_SECONDS_PER_UPDATE = 2e-3
ASSUMED_FACTOR = 10.0
TOLD_APART = 2.0  # ratio of images per update from which on runs tell what an update costs and what an image


@dataclass(frozen=True)
class Work:
    """What one run has to do."""

    updates: int
    images: int
    images_evaluated: int
    flops: float


@dataclass(frozen=True)
class Rates:
    """What a model's work costs, in seconds; nine recorded runs in ten took between `low` and `high` times that.

    `per_image` is of evaluated images, `per_trained_image` of those trained on, beside what an update costs. Where all
    recorded updates had about as many images, `images_per_update`, what each costs is not known apart.
    """

    per_update: float
    per_image: float
    per_run: float
    low: float
    high: float
    basis: str
    per_trained_image: float = 0.0
    images_per_update: float | None = None

    def seconds(self, work: Work) -> float:
        """Return the seconds of a run; where it has other updates than were recorded, rather too many."""
        return self._seconds(work, max)

    def interval(self, work: Work) -> tuple[float, float]:
        """Return `low` and `high` for a run, the lower one less where it has other updates than were recorded."""
        return self.low * (self._seconds(work, min) / self._seconds(work, max)), self.high

    def _seconds(self, work: Work, either: Callable[[float, float], float]) -> float:
        updates = work.updates
        if self.images_per_update:  # the cost is that of the updates or of the images, or between the two
            updates = either(updates, work.images / self.images_per_update)
        training = self.per_update * updates + self.per_trained_image * work.images
        return training + self.per_image * work.images_evaluated + self.per_run


def work_of(study: Study, model: str, n: int, flops_per_image: int) -> Work:
    """Return the work of a run, at most: some end early, and where folds are carried the last draw has the most.

    An update costs three forward passes: one forward, and twice that backward.
    """
    recipe = study.models[model]
    updates = total_updates(study.budgets[model], n, recipe["batch_size"])
    points = len(checkpoints(updates, study.evaluation))
    stages = max(study.draws) + 1 if recipe["carried_through_folds"] else 1
    images = stages * samples_seen(updates, n, recipe["batch_size"])
    updates *= stages
    evaluated = points * (study.dataset.n_test + n + study.subset["validation"])
    return Work(updates, images, evaluated, flops_per_image * (3.0 * images + evaluated))


def recorded_rates(records: Iterable[dict], device: str) -> Rates | None:
    """Return a model's rates from its recorded runs, or None when there is none that was timed.

    Of the runs on a `device` ("cuda" or "cpu"), those of its commonest kind count; without any, those on the other.
    """
    timed = [r for r in records if r["updates"] and r["images_evaluated"]]
    timed = [r for r in timed if r["device"]["type"] == device] or timed
    if not timed:
        return None
    kind, _ = Counter(record["device"]["name"] for record in timed).most_common(1)[0]
    timed = [record for record in timed if record["device"]["name"] == kind]

    def total(phase: str) -> float:
        return sum(record["seconds"].get(phase, 0.0) for record in timed)

    done = [_work_done(record) for record in timed]
    rates = Rates(
        **_training_rates(done, [record["seconds"].get("train", 0.0) for record in timed]),
        per_image=total("evaluate") / sum(record["images_evaluated"] for record in timed),
        per_run=(total("build") + total("write")) / len(timed),
        low=1.0,
        high=1.0,
        basis=f"{len(timed)} finished runs on {kind}",
    )
    low, high = _spread(timed, rates)
    return replace(rates, low=low, high=high)


def _work_done(record: dict) -> Work:
    """Return what a run has done; its record counts the updates and images of the last fold."""
    folds = record["draw"] + 1 if record["settings"]["model"]["carried_through_folds"] else 1
    return Work(folds * record["updates"], folds * record["images_seen"], record["images_evaluated"], 0.0)


def _training_rates(done: list[Work], seconds: list[float]) -> dict[str, float]:
    """Return what of `Rates` is about training, from what the runs have done and the seconds it took to train them.

    Where their updates held unlike numbers of images, as those on fewer images than a batch do, seconds are fitted as
    a · updates + b · images, and scaled to the same sum; else they are the updates'.
    """
    updates, images = sum(work.updates for work in done), sum(work.images for work in done)
    ratios = [work.images / work.updates for work in done]
    if max(ratios) < TOLD_APART * min(ratios) or not all(seconds):
        return {"per_update": sum(seconds) / updates, "images_per_update": images / updates}
    shares = [(work.updates / taken, work.images / taken) for work, taken in zip(done, seconds, strict=True)]
    per_update, per_image = _not_negative(shares)
    scale = sum(seconds) / (per_update * updates + per_image * images)
    return {"per_update": scale * per_update, "per_trained_image": scale * per_image}


def _not_negative(rows: list[tuple[float, float]]) -> tuple[float, float]:
    """Return (a, b), neither negative, for which a · x + b · y is nearest to 1 over the rows (x, y): least squares."""
    x, y = (sum(row[k] for row in rows) for k in (0, 1))
    xx, xy, yy = (sum(row[i] * row[j] for row in rows) for i, j in ((0, 0), (0, 1), (1, 1)))
    a, b = x * yy - y * xy, y * xx - x * xy  # over xx · yy − xy², which is positive where the rows are no multiples
    if b <= 0:
        return x / xx, 0.0
    if a <= 0:
        return 0.0, y / yy
    return a / (xx * yy - xy * xy), b / (xx * yy - xy * xy)


def _spread(records: list[dict], rates: Rates) -> tuple[float, float]:
    """Return what factors of the estimate nine in ten of the recorded runs lie between, at least a tenth either way."""
    if len(records) == 1:
        return 0.5, 2.0
    ratios = []
    for record in records:
        expected = rates.seconds(_work_done(record))
        ratios.append(sum(record["seconds"].get(p, 0.0) for p in ("train", "evaluate", "build", "write")) / expected)
    twentieths = statistics.quantiles(ratios, n=20, method="inclusive")
    return min(0.9, twentieths[0]), max(1.1, twentieths[-1])


def assumed_rates(flops_per_image: int, batch_size: int, device: str) -> Rates:
    """Return rates for hardware that no run has been recorded on."""
    speed = ASSUMED_FLOPS_PER_SECOND[device]
    per_update = ASSUMED_SECONDS_PER_UPDATE + 3 * flops_per_image * batch_size / speed
    hardware = {"cpu": "an assumed laptop core", "cuda": "an assumed GPU"}[device]
    basis = f"{hardware}, nothing has run yet"
    return Rates(per_update, flops_per_image / speed, 0.1, 1 / ASSUMED_FACTOR, ASSUMED_FACTOR, basis)
