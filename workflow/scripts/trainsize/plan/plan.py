"""A plan: what a study still needs, and where it would run."""

from dataclasses import dataclass

import pandas as pd

from trainsize.jobs import slurm
from trainsize.plan.estimates import device_of, job_minutes
from trainsize.plan.rates import Rates
from trainsize.study.study import Study


@dataclass(frozen=True)
class Place:
    """Where the runs are to be made: config.yaml's settings, how many jobs at once, and on a cluster its limits."""

    settings: dict
    jobs: int
    retries: int = 0
    limits: slurm.Limits | None = None

    @property
    def limit(self) -> float | None:
        """The longest run time of a job, in minutes."""
        return min(filter(None, (self.settings["time_limit"], self.limits and self.limits.minutes)), default=None)

    @property
    def device(self) -> str:
        return device_of(self.settings)

    def minutes(self, seconds: float) -> int | None:
        """Return the run time that a job whose runs take `seconds` asks for."""
        margin = self.settings["time_margin"]
        return None if margin is None else job_minutes(seconds, margin, limit=self.limit)


@dataclass(frozen=True)
class Plan:
    """`table` has a row per model and size (the columns of tables.PLAN), `warnings` what will not work as it stands."""

    study: Study
    place: Place
    table: pd.DataFrame
    rates: dict[str, Rates]
    wall_hours: float
    warnings: list[str]
