"""The plan: which runs a study still needs, why, and what they cost.

python -m trainsize.plan [STUDY] [--profile slurm] [--format text|json|tsv]
"""

import argparse
import heapq
import json
import math
import sys
from collections import Counter
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path

import pandas as pd

from trainsize import slurm
from trainsize.budget import checkpoints
from trainsize.catalogue import Dataset
from trainsize.errors import UserError, counted
from trainsize.estimates import START_SECONDS, Estimates, Rates, Work, device_of, job_minutes
from trainsize.files import read_json
from trainsize.fingerprint import fingerprint
from trainsize.machine import check_config, read_profile
from trainsize.runs import FILES, Run
from trainsize.schema import read_yaml
from trainsize.study import Study, load_study
from trainsize.tables import PLAN, write_table

ROOT = Path(__file__).resolve().parents[3]

# Bytes of a run's files before one has been written: its predictions, and its history per checkpoint.
ASSUMED_BYTES_PER_TEST_IMAGE, ASSUMED_BYTES_PER_CHECKPOINT = 30, 500


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
    warnings = list(_twin_warnings(study, estimates.settings))
    if place.limit:
        warnings += _time_warnings(place, table, runs_per_job, estimates)
    if place.limits:
        warnings += _queue_warnings(place.limits, min(place.jobs, int(table["jobs"].sum())))
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


def _twin_warnings(study: Study, settings: dict[str, str]) -> Iterator[str]:
    """Yield which models are the same: nothing random depends on a model's name, so their runs are, too."""
    for hashed in dict.fromkeys(settings.values()):
        twins = [model for model in study.models if settings[model] == hashed]
        sizes = Counter(n for model in twins for n in study.model_sizes[model])
        again = (sizes.total() - len(sizes)) * len(study.pairs)
        if again:
            yield f"{' and '.join(twins)} have the same settings: {counted(again)} would only repeat others"


def _time_warnings(place: Place, table: pd.DataFrame, runs_per_job: int, estimates: Estimates) -> Iterator[str]:
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


def _queue_warnings(limits: slurm.Limits, at_once: int) -> Iterator[str]:
    """Yield which limits `at_once` jobs in the queue exceed."""
    if limits.jobs_queued is not None and at_once > limits.jobs_queued:
        yield f"{at_once} jobs at once, but {limits.jobs_queued} may be in the queue: set jobs to that"
    if limits.jobs_running is not None and at_once > limits.jobs_running:
        yield f"{limits.jobs_running} of the {at_once} jobs in the queue may run at once; the others wait"


def describe(plan: Plan) -> str:
    """Return the plan as a person reads it."""
    table, place = plan.table, plan.place
    asks = place.settings["time_margin"] is not None
    lines = [f"{plan.study.name}: {plan.study.title}", ""]
    header = f"{'model':<16}{'n':>9}{'runs':>7}{'done':>7}{'to do':>7}{'updates':>13}{'images':>17}{'TFLOP':>13}"
    header += f"{'time':>10}{'jobs':>7}" + (f"{'asks for':>10}" if asks else "") + "  why"
    lines += [header, "-" * len(header)]
    for row in table.itertuples():
        asked = f"{duration(row.job_minutes / 60):>10}" if asks else ""
        lines.append(f"{row.model:<16}{row.n:>9,}" + _counts(row) + asked + f"  {row.why}")
    total = table.select_dtypes("number").sum()
    lines += ["-" * len(header), f"{'all':<25}" + _counts(total), ""]
    lines += [f"{model}: time from {rate.basis}" for model, rate in plan.rates.items()]
    lines += _costs(plan, total)
    lines += [f"WARNING: {warning}" for warning in plan.warnings]
    return "\n".join(lines)


def _costs(plan: Plan, total: pd.Series) -> list[str]:
    """Return in words what the runs to do cost; nothing when there are none."""
    if not total["to_do"]:
        return []
    place = plan.place
    gpus = plan.table["model"].map(lambda model: plan.study.models[model]["gpus"])
    hours, low, high = (_hours((plan.table[key] * gpus).sum()) for key in ("hours", "hours_low", "hours_high"))
    what = f"{hours} {'GPU-hours' if place.settings['gpus'] else 'hours'} of training"
    jobs = counted(int(total["jobs"]), "job")
    at_once = f"{place.jobs} at once" if place.jobs > 1 else "one after another"
    lines = [
        f"In all {what} (between {low} and {high}), in {jobs}; {size(total['bytes'])} on disk.",
        f"With {at_once}, each starting in about {START_SECONDS:.0f} s: about {duration(plan.wall_hours)}.",
    ]
    if place.limits:
        limit = duration(place.limits.minutes / 60) if place.limits.minutes else "none"
        lines.append(f"Partition {place.limits.partition}: time limit {limit}. Waiting in the queue is not counted.")
    return lines


def _counts(row) -> str:
    return (
        f"{row.runs:>7,.0f}{row.finished:>7,.0f}{row.to_do:>7,.0f}{row.updates:>13,.0f}{row.images:>17,.0f}"
        f"{row.flops / 1e12:>13,.2f}{duration(row.hours):>10}{row.jobs:>7,.0f}"
    )


def _hours(hours: float) -> str:
    return f"{hours:,.1f}" if hours >= 10 else f"{hours:.2g}"


def duration(hours: float) -> str:
    """Return hours as a person says them: 12 s, 3.5 min, 2.1 h, 4.0 d."""
    for unit_hours, unit in ((24.0, "d"), (1.0, "h"), (1 / 60, "min")):
        if hours >= unit_hours:
            return f"{hours / unit_hours:.1f} {unit}"
    return f"{hours * 3600:.0f} s"


def size(count: float) -> str:
    """Return bytes as a person says them."""
    for power, unit in ((1e9, "GB"), (1e6, "MB"), (1e3, "kB")):
        if count >= power:
            return f"{count / power:.1f} {unit}"
    return f"{count:.0f} bytes"


def as_json(plan: Plan) -> str:
    """Return the plan for programs: the table's rows, the rates, the sums and the warnings."""
    rows = json.loads(plan.table.to_json(orient="records"))
    value = {
        "study": plan.study.name,
        "rows": rows,
        "rates": {model: asdict(rates) for model, rates in plan.rates.items()},
        "jobs_at_once": plan.place.jobs,
        "wall_hours": plan.wall_hours,
        "limits": plan.place.limits and asdict(plan.place.limits),
        "warnings": plan.warnings,
    }
    return json.dumps(value, indent=1)


def as_tsv(plan: Plan) -> str:
    return plan.table.to_csv(sep="\t", index=False).rstrip("\n")


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


def _at_once(jobs: str | int) -> int:
    """Return a number of jobs as Snakemake takes it. Raises UserError for anything else."""
    if str(jobs) == "unlimited":
        return sys.maxsize
    if not str(jobs).isdecimal() or int(jobs) < 1:
        raise UserError(f"jobs: found {jobs!r}, must be a whole number from 1, or 'unlimited'")
    return int(jobs)


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m trainsize.plan", description="Say what a study still costs.")
    parser.add_argument("study", nargs="?", help="name of the study (default: the one in config.yaml)")
    parser.add_argument(
        "--results", type=Path, default=ROOT / "results", help="results folder (default: the repository's)"
    )
    parser.add_argument("--profile", help="folder of a Snakemake profile, such as slurm: plan for its cluster")
    parser.add_argument("--jobs", help="jobs at once, a number or 'unlimited' (default: the profile's, else 1)")
    parser.add_argument("--format", choices=("text", "json", "tsv"), default="text")
    options = parser.parse_args()
    try:
        profile = read_profile(ROOT, options.profile) if options.profile else {}
        named = {"study": options.study} if options.study else {}
        settings = check_config({**read_yaml(ROOT / "config.yaml"), **profile.get("config", {}), **named})
        jobs = _at_once(options.jobs or profile.get("jobs", 1))
    except UserError as error:
        sys.exit(str(error))
    place = {
        "settings": settings,
        "jobs": jobs,
        "retries": profile.get("retries", 0),
        "asked": profile.get("default-resources"),
    }
    plan_for(place, options.results, options.format)


if __name__ == "__main__":
    main()
