"""What a run costs: its work, the rates that turn work into seconds, and the run time a job asks a cluster for.

Imports nothing heavy: the Snakefile asks it for every training job. Rates come from the runs that are recorded; of a
model that has none they are assumed, from its floating-point operations, which only PyTorch can count.
"""

import json
import math
import statistics
from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path

from trainsize.budget import checkpoints, samples_seen, total_updates
from trainsize.errors import UserError
from trainsize.files import write_json
from trainsize.runs import FILES, Run, settings_hash
from trainsize.study import Study

# What is assumed of hardware on which no run has been recorded: a laptop's core, and a data centre's GPU kept half busy
# by small networks. Either may be wrong by ASSUMED_FACTOR.
ASSUMED_FLOPS_PER_SECOND = {"cpu": 2e10, "cuda": 2e12}
ASSUMED_SECONDS_PER_UPDATE = 2e-3
ASSUMED_FACTOR = 10.0
START_SECONDS = 30.0  # of a job: Snakemake twice, Python, PyTorch and the images, from a shared file system
TOLD_APART = 2.0  # ratio of images per update from which on runs tell what an update costs and what an image
FEWEST_MINUTES = 5  # that a job asks for: below that, a slow start decides
MISTAKE = 65  # exit status of a count that the study file stops: BSD's EX_DATAERR


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


def read_records(study: Study, results: Path) -> dict[Run, dict]:
    """Return the records of the runs whose files are all there, or in their `state/`, to be taken over."""
    records = {}
    for run in study.runs:
        folder = results / study.name / run.folder
        for place in (folder, folder / "state"):
            try:
                record = json.loads((place / "run.json").read_bytes())
            except (OSError, ValueError):
                continue
            if all((place / name).exists() for name in FILES):
                records[run] = record
                break
    return records


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


def device_of(settings: dict) -> str:
    """Return the device on which runs are expected with config.yaml's settings: "cuda" or "cpu"."""
    return "cuda" if settings["gpus"] or settings["device"] == "cuda" else "cpu"


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


class Estimates:
    """What the runs of a study cost on a device ("cuda" or "cpu"), from the records under `results`.

    Operations of models that nobody has run are counted once and kept in `results/{study}/operations.json`.
    """

    def __init__(self, study: Study, results: Path, device: str):
        self.study, self.device = study, device
        self.records = read_records(study, results)
        self.file = results / study.name / "operations.json"
        self.settings = {model: settings_hash(study.run_settings(model)) for model in study.models}
        self.same = {model: [] for model in study.models}
        for run, record in self.records.items():
            if record.get("settings_hash") == self.settings[run.model]:
                self.same[run.model].append(record)
        self.operations = self._known_operations()

    def _known_operations(self) -> dict[str, int]:
        """Return one image's forward floating-point operations, for each model that has been run or counted."""
        try:
            counted = json.loads(self.file.read_bytes())
        except (OSError, ValueError):
            counted = {}
        known = {m: counted[settings] for m, settings in self.settings.items() if settings in counted}
        return known | {model: records[0]["flops_per_image"] for model, records in self.same.items() if records}

    def uncounted(self) -> list[str]:
        return [model for model in self.study.models if model not in self.operations]

    def count(self) -> None:
        """Count the operations of the models that lack them, on the networks themselves. Imports PyTorch.

        Raises UserError for a network that cannot be made, does not fit the images, or lacks the layer whose units a
        recipe compares.
        """
        from trainsize.architectures import build, flops_per_image
        from trainsize.neurons import check_layer

        height, width, channels = self.study.dataset.pixels()
        shape = (channels, height, width)
        for model in self.uncounted():
            recipe = self.study.models[model]
            try:
                network = build(recipe, shape, len(self.study.dataset.classes), seed=0)
                if recipe["neurons"]:
                    check_layer(network, recipe["neurons"]["layer"], shape)
                self.operations[model] = flops_per_image(network, shape)
            except UserError as error:
                raise UserError(f"{self._place(model)}: {error}") from error
            except (RuntimeError, ValueError) as error:
                size = f"{height} × {width} × {channels}"
                raise UserError(f"{self._place(model)}: its network does not fit images of {size} ({error})") from error
        write_json(self.file, {self.settings[model]: count for model, count in self.operations.items()})

    def _place(self, model: str) -> str:
        """Return where the study file speaks of a model."""
        return f"studies/{self.study.name.partition('+')[0]}.yaml: models.{model}"

    @cached_property
    def rates(self) -> dict[str, Rates]:
        """The rates of each model. A model whose operations are not counted is taken for one that has next to none."""
        return {
            model: recorded_rates(self.same[model], self.device)
            or assumed_rates(self.operations.get(model, 0), recipe["batch_size"], self.device)
            for model, recipe in self.study.models.items()
        }

    def work(self, model: str, n: int) -> Work:
        return work_of(self.study, model, n, self.operations.get(model, 0))

    def seconds(self, model: str, n: int) -> float:
        """Return the expected seconds of one run."""
        return self.rates[model].seconds(self.work(model, n))


def job_minutes(seconds: float, margin: float, attempt: int = 1, limit: float | None = None) -> int:
    """Return the minutes that a job whose runs take `seconds` asks for, at most `limit`: more at each attempt."""
    minutes = max(FEWEST_MINUTES, math.ceil(attempt * margin * (START_SECONDS + seconds) / 60))
    return minutes if limit is None else max(1, min(minutes, math.floor(limit)))


def job_megabytes(study: Study, memory: int) -> int:
    """Return the memory a job asks for: `memory`, and twice the images, which are read and then moved to the device."""
    dataset = study.dataset
    return memory + 2 * math.ceil((dataset.n_train + dataset.n_test) * math.prod(dataset.shape or (0,)) / 1e6)
