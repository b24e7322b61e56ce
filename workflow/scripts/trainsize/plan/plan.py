"""A plan: what a study still needs, and the machine that it would run on."""

from dataclasses import dataclass, field

import pandas as pd

from trainsize.jobs import slurm
from trainsize.plan.estimates import device_of, job_minutes
from trainsize.plan.rates import Rates
from trainsize.study.study import Study


@dataclass(frozen=True)
class Machine:
    """The machine or cluster that the runs are trained on."""

    settings: dict  # config.yaml's, with every default
    jobs: int  # at once
    retries: int = 0  # of a failed job
    limits: slurm.Limits | None = None  # of a cluster
    is_here: bool = True  # rather than a cluster, whose nodes may have other processors

    @property
    def limit(self) -> float | None:
        """The longest run time of a job, in minutes."""
        return min(filter(None, (self.settings["time_limit"], self.limits and self.limits.minutes)), default=None)

    @property
    def device(self) -> str:
        return device_of(self.settings)

    def minutes(self, seconds: float) -> int | None:
        """Return the minutes that a job whose runs take `seconds` requests; None where no run time is requested."""
        margin = self.settings["time_margin"]
        return None if margin is None else job_minutes(seconds, margin, limit=self.limit)


@dataclass(frozen=True)
class Plan:
    """What a study still needs, and what that costs on a machine."""

    study: Study
    machine: Machine
    table: pd.DataFrame  # a row per model and size, with the columns of tables.PLAN
    rates: dict[str, Rates]  # by model
    wall_hours: float
    warnings: list[str]
    remarks: list[str] = field(default_factory=list)  # on the prepared data set, for everyone to see
    notes: list[str] = field(default_factory=list)  # the rest of what was left out or changed
    precision: list[str] = field(default_factory=list)  # which number format is faster, for models in bfloat16
