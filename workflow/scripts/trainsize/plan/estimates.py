"""What a run costs: its work, the rates that turn work into seconds, and the run time that a job requests.

Imports nothing heavy: the Snakefile calls it for every training job. Rates come from recorded runs. For a model without
any they are assumed, from its floating-point operations, which only PyTorch can count.
"""

import json
import math
from functools import cached_property
from pathlib import Path

from trainsize.common.errors import UserError
from trainsize.common.files import write_json
from trainsize.plan.rates import Rates, Work, assumed_rates, recorded_rates, work_of
from trainsize.runs.run import settings_hash
from trainsize.study.records import read_records
from trainsize.study.study import Study

START_SECONDS = 30.0  # of a job: Snakemake twice, Python, PyTorch and the images, from a shared file system
FEWEST_MINUTES = 5  # that a job requests: in less time, a slow start dominates
MISTAKE = 65  # exit status of a count that fails because of the study file: BSD's EX_DATAERR


def device_of(settings: dict) -> str:
    """Return the device that runs are expected to use with config.yaml's settings: "cuda" or "cpu"."""
    return "cuda" if settings["gpus"] or settings["device"] == "cuda" else "cpu"


class Estimates:
    """The cost of a study's runs on a device ("cuda" or "cpu"), from the records under `results`.

    The operations of models without runs are counted once and kept in `results/{study}/operations.json`.
    """

    def __init__(self, study: Study, results: Path, device: str):
        self.study, self.device = study, device
        self.records = read_records(study, results)
        self.file = results / study.name / "operations.json"
        self.settings = {model: settings_hash(study.run_settings(model)) for model in study.models}
        self.same = {model: [] for model in study.models}
        for run, record in self.records.items():
            if record.settings_hash == self.settings[run.model]:
                self.same[run.model].append(record)
        self.operations = self._known_operations()

    def _known_operations(self) -> dict[str, int]:
        """Return one image's forward floating-point operations, for each model that has been run or counted."""
        try:
            counted = json.loads(self.file.read_bytes())
        except (OSError, ValueError):
            counted = {}
        known = {m: counted[settings] for m, settings in self.settings.items() if settings in counted}
        return known | {model: records[0].flops_per_image for model, records in self.same.items() if records}

    def uncounted(self) -> list[str]:
        return [model for model in self.study.models if model not in self.operations]

    def count(self) -> None:
        """Count the operations of the models that lack them, by running their networks. Imports PyTorch.

        Raises UserError for a network that cannot be built, does not fit the images, or lacks the layer that `neurons`
        names.
        """
        from trainsize.training.architectures import build, flops_per_image
        from trainsize.training.neurons import check_layer

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
                raise UserError(f"{self._key(model)}: {error}") from error
            except (RuntimeError, ValueError) as error:
                size = f"{height} × {width} × {channels}"
                raise UserError(f"{self._key(model)}: its network does not fit images of {size} ({error})") from error
        write_json(self.file, {self.settings[model]: count for model, count in self.operations.items()})

    def _key(self, model: str) -> str:
        """Return the study file and the key of a model."""
        return f"studies/{self.study.name.partition('+')[0]}.yaml: models.{model}"

    @cached_property
    def rates(self) -> dict[str, Rates]:
        """The rates of each model. A model without an operation count is treated as having none."""
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
    """Return the minutes that a job whose runs take `seconds` requests: more at each attempt, but at most `limit`."""
    minutes = max(FEWEST_MINUTES, math.ceil(attempt * margin * (START_SECONDS + seconds) / 60))
    return minutes if limit is None else max(1, min(minutes, math.floor(limit)))


def job_megabytes(study: Study, memory: int) -> int:
    """Return the megabytes that a job requests: `memory`, and twice the images, which are read and then copied."""
    dataset = study.dataset
    return memory + 2 * math.ceil((dataset.n_train + dataset.n_test) * math.prod(dataset.shape or (0,)) / 1e6)
