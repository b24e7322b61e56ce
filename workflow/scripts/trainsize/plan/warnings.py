"""The warnings of a plan: runs trained twice, jobs that take too long, limits of the queue."""

import math
from collections import Counter
from collections.abc import Iterator

import pandas as pd

from trainsize.common.errors import plural
from trainsize.jobs import slurm
from trainsize.plan.estimates import START_SECONDS, Estimates
from trainsize.plan.plan import Machine
from trainsize.plan.text import duration
from trainsize.study.study import Study


def twin_warnings(study: Study, settings: dict[str, str]) -> Iterator[str]:
    """Yield which models have the same settings. No random number depends on a model's name, so neither do results."""
    for hashed in dict.fromkeys(settings.values()):
        twins = [model for model in study.models if settings[model] == hashed]
        sizes = Counter(n for model in twins for n in study.model_sizes[model])
        again = (sizes.total() - len(sizes)) * len(study.pairs)
        if again:
            yield f"{' and '.join(twins)} have the same settings: {plural(again)} would only repeat others"


def time_warnings(machine: Machine, table: pd.DataFrame, runs_per_job: int, estimates: Estimates) -> Iterator[str]:
    """Yield which jobs would exceed the time limit, and what then happens or would help."""
    limit = 60 * machine.limit
    usable = 0.9 * limit - START_SECONDS  # seconds of an attempt, which leaves before the limit
    for row in table[table["to_do"] > 0].itertuples():
        seconds = estimates.seconds(row.model, row.n)
        needed = START_SECONDS + runs_per_job * seconds
        if needed <= limit:
            continue
        fitting = int((limit - START_SECONDS) // seconds)
        attempts = math.ceil(needed / usable) if usable > 0 else math.inf
        if fitting >= 1:
            then = f"use runs_per_job={fitting}, which fits"
        elif attempts <= machine.retries + 1:
            then = f"it saves, stops and resumes, in {attempts} attempts"
        else:
            then = f"it cannot finish in {plural(machine.retries + 1, 'attempt')} (retries: {machine.retries})"
        what = f"{row.model}, n={row.n:,}: a job of {plural(runs_per_job)} takes about {duration(needed / 3600)}"
        yield f"{what}, but the limit is {duration(limit / 3600)}: {then}"


def queue_warnings(limits: slurm.Limits, at_once: int) -> Iterator[str]:
    """Yield which limits `at_once` jobs in the queue would exceed."""
    if limits.jobs_queued is not None and at_once > limits.jobs_queued:
        yield f"{at_once} jobs at once, but the queue takes only {limits.jobs_queued}: set jobs to {limits.jobs_queued}"
    if limits.jobs_running is not None and at_once > limits.jobs_running:
        yield f"only {limits.jobs_running} of {at_once} jobs in the queue can run at once; the others wait"
