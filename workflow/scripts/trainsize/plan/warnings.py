"""What a plan warns of: runs trained twice, jobs that take too long, queues that are too short."""

import math
from collections import Counter
from collections.abc import Iterator

import pandas as pd

from trainsize.common.errors import counted
from trainsize.jobs import slurm
from trainsize.plan.estimates import START_SECONDS, Estimates
from trainsize.plan.plan import Place
from trainsize.plan.text import duration
from trainsize.study.study import Study


def twin_warnings(study: Study, settings: dict[str, str]) -> Iterator[str]:
    """Yield which models are the same: nothing random depends on a model's name, so their runs are, too."""
    for hashed in dict.fromkeys(settings.values()):
        twins = [model for model in study.models if settings[model] == hashed]
        sizes = Counter(n for model in twins for n in study.model_sizes[model])
        again = (sizes.total() - len(sizes)) * len(study.pairs)
        if again:
            yield f"{' and '.join(twins)} have the same settings: {counted(again)} would only repeat others"


def time_warnings(place: Place, table: pd.DataFrame, runs_per_job: int, estimates: Estimates) -> Iterator[str]:
    """Yield which jobs of the runs to do the limit on their time will not let finish at once, and what then."""
    limit = 60 * place.limit
    usable = 0.9 * limit - START_SECONDS  # of an attempt that has to leave in time
    for row in table[table["to_do"] > 0].itertuples():
        seconds = estimates.seconds(row.model, row.n)
        needed = START_SECONDS + runs_per_job * seconds
        if needed <= limit:
            continue
        fitting = int((limit - START_SECONDS) // seconds)
        attempts = math.ceil(needed / usable) if usable > 0 else math.inf
        if fitting >= 1:
            then = f"runs_per_job={fitting} would fit"
        elif attempts <= place.retries + 1:
            then = f"it is left in time and goes on, {attempts} times in all"
        else:
            then = f"it cannot finish in {counted(place.retries + 1, 'attempt')} (retries: {place.retries})"
        what = f"{row.model}, n={row.n:,}: a job of {counted(runs_per_job)} takes about {duration(needed / 3600)}"
        yield f"{what}, the limit is {duration(limit / 3600)}: {then}"


def queue_warnings(limits: slurm.Limits, at_once: int) -> Iterator[str]:
    """Yield which limits `at_once` jobs in the queue exceed."""
    if limits.jobs_queued is not None and at_once > limits.jobs_queued:
        yield f"{at_once} jobs at once, but {limits.jobs_queued} may be in the queue: set jobs to that"
    if limits.jobs_running is not None and at_once > limits.jobs_running:
        yield f"{limits.jobs_running} of the {at_once} jobs in the queue may run at once; the others wait"
