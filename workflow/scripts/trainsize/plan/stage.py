"""The plan: which runs a study still needs, why, and what they cost.

python -m trainsize.plan [STUDY] [--profile slurm] [--format text|json|tsv]
"""

import heapq
import sys
from collections import Counter
from pathlib import Path

import pandas as pd

from trainsize.common.errors import UserError
from trainsize.common.files import read_json
from trainsize.common.fingerprint import fingerprint
from trainsize.common.places import ROOT
from trainsize.common.tables import write_table
from trainsize.datasets.catalogue import Dataset
from trainsize.jobs import slurm
from trainsize.plan.estimates import START_SECONDS, Estimates
from trainsize.plan.plan import Place, Plan
from trainsize.plan.rates import Rates, Work
from trainsize.plan.tables import PLAN
from trainsize.plan.text import as_json, as_tsv, describe
from trainsize.plan.warnings import queue_warnings, time_warnings, twin_warnings
from trainsize.runs.budget import checkpoints
from trainsize.runs.run import FILES, Run
from trainsize.study.reader import load_study
from trainsize.study.study import Study

# Bytes of a run's files before one has been written: its predictions, and its history per checkpoint.
ASSUMED_BYTES_PER_TEST_IMAGE, ASSUMED_BYTES_PER_CHECKPOINT = 30, 500


def reason(record: dict | None, settings: str, code: str, data: str | None) -> str:
    """Return why a run has to be trained, or nothing if it is finished; `data` is what `data_content` says."""
    if record is None:
        return "missing"
    if record.get("settings_hash") != settings:
        return "settings changed"
    if data is not None and record.get("dataset_content") != data:
        return "data set changed"
    return "code changed" if record.get("code") != code else ""


def data_content(card: Dataset, results: Path) -> str | None:
    """Return the content of the data set as it is prepared, and None where it is not.

    Nothing ("") where it will be prepared again, because it has changed: then no run is of the present content. Raises
    UserError for a damaged manifest.
    """
    path = results / "datasets" / card.name / "manifest.json"
    if not path.exists():
        return None
    found = read_json(path)
    prepared = (found["n_train"], found["n_test"], len(found["classes"]), found["shape"])
    stated = (card.n_train, card.n_test, len(card.classes), card.shape and list(card.shape))
    return found["content"] if prepared == stated else ""


def make_plan(study: Study, results: Path, code: str, place: Place) -> Plan:
    """Return what the study still needs with training code `code`, made at `place`."""
    estimates = Estimates(study, results, place.device)
    if estimates.uncounted():
        estimates.count()
    data = data_content(study.dataset, results)
    runs_per_job = min(place.settings["runs_per_job"], len(study.pairs))
    bytes_per_run = _bytes_per_run(study, results, estimates)
    rows, durations = [], []
    for model in study.models:
        for n in study.model_sizes[model]:
            reasons = {
                pair: reason(estimates.records.get(Run(model, n, *pair)), estimates.settings[model], code, data)
                for pair in study.pairs
            }
            jobs = _jobs(list(reasons.values()), runs_per_job)
            seconds = estimates.seconds(model, n)
            durations += [START_SECONDS + runs * seconds for runs in jobs]
            counts = Counter(filter(None, reasons.values()))
            rates = estimates.rates[model]
            row = _row(model, n, len(reasons), counts, estimates.work(model, n), seconds, rates)
            asked = place.minutes(runs_per_job * seconds)
            rows.append(row | {"jobs": len(jobs), "job_minutes": asked, "bytes": counts.total() * bytes_per_run})
    table = pd.DataFrame(rows)
    warnings = list(twin_warnings(study, estimates.settings))
    if place.limit:
        warnings += time_warnings(place, table, runs_per_job, estimates)
    if place.limits:
        warnings += queue_warnings(place.limits, min(place.jobs, int(table["jobs"].sum())))
    return Plan(study, place, table, estimates.rates, _makespan(durations, place.jobs) / 3600, warnings)


def _jobs(reasons: list[str], runs_per_job: int) -> list[int]:
    """Return how many runs are to be made by each job that has any; `reasons` has one for each run, in their order."""
    packed = (reasons[start : start + runs_per_job] for start in range(0, len(reasons), runs_per_job))
    return [count for count in (sum(map(bool, pack)) for pack in packed) if count]


def _row(model: str, n: int, runs: int, reasons: Counter, work: Work, seconds: float, rates: Rates) -> dict:
    to_do = reasons.total()
    hours = to_do * seconds / 3600
    low, high = rates.interval(work)
    return {
        "model": model,
        "n": n,
        "runs": runs,
        "finished": runs - to_do,
        "to_do": to_do,
        "why": ", ".join(f"{count} {why}" for why, count in reasons.items()),
        "updates": to_do * work.updates,
        "images": to_do * work.images,
        "images_evaluated": to_do * work.images_evaluated,
        "flops": to_do * work.flops,
        "hours": hours,
        "hours_low": hours * low,
        "hours_high": hours * high,
    }


def _bytes_per_run(study: Study, results: Path, estimates: Estimates) -> int:
    """Return the bytes that a run leaves on disk: the mean of some that are there, else an assumption."""
    folders = [results / study.name / run.folder for run in list(estimates.records)[:20]]
    sizes = [sum((folder / "state" / name).stat().st_size for name in FILES) for folder in folders if _is_whole(folder)]
    if sizes:
        return round(sum(sizes) / len(sizes))
    points = max(
        len(checkpoints(estimates.work(model, n).updates, study.evaluation))
        for model, sizes in study.model_sizes.items()
        for n in sizes
    )
    return study.dataset.n_test * ASSUMED_BYTES_PER_TEST_IMAGE + points * ASSUMED_BYTES_PER_CHECKPOINT


def _is_whole(folder: Path) -> bool:
    return all((folder / "state" / name).exists() for name in FILES)


def _makespan(durations: list[float], jobs: int) -> float:
    """Return the seconds until the last job ends when `jobs` run at once and each next one starts where one ends."""
    ends = [0.0] * min(jobs, len(durations))
    for duration in durations:
        heapq.heapreplace(ends, ends[0] + duration)
    return max(ends, default=0.0)


def plan_for(place: dict, results: Path, form: str = "text") -> None:
    """Print the plan of a study and write it to `results/{study}/plan.parquet`.

    `place` holds config.yaml's `settings` with every default, the `jobs` at once, the `retries` of a job, and `asked`:
    what jobs ask a cluster for (slurm_partition, slurm_account, qos), or None where there is no cluster.
    """
    settings, asked = place["settings"], place["asked"]
    try:
        study = load_study(settings["study"], ROOT / "studies")
        limits = asked and slurm.limits(*(asked.get(key) for key in ("slurm_partition", "slurm_account", "qos")))
        plan = make_plan(
            study, results, fingerprint("training"), Place(settings, place["jobs"], place["retries"], limits or None)
        )
    except UserError as error:
        sys.exit(str(error))
    write_table(results / study.name / "plan.parquet", PLAN, plan.table)
    print({"text": describe, "json": as_json, "tsv": as_tsv}[form](plan))
