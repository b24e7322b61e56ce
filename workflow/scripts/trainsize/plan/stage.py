"""The plan: which runs a study still needs, why, and what they cost.

python -m trainsize.plan [STUDY] [--profile slurm] [--format text|json|tsv]
"""

import heapq
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pandas as pd

from trainsize.common.files import read_json
from trainsize.common.fingerprint import fingerprint
from trainsize.common.paths import ROOT
from trainsize.common.tables import write_table
from trainsize.datasets.catalogue import Dataset
from trainsize.datasets.changes import compare
from trainsize.datasets.remarks import notes, remarks
from trainsize.jobs import slurm
from trainsize.plan.estimates import START_SECONDS, Estimates
from trainsize.plan.plan import Machine, Plan
from trainsize.plan.precision import precision_notes
from trainsize.plan.rates import Rates, Work
from trainsize.plan.tables import PLAN
from trainsize.plan.text import as_json, as_tsv, describe
from trainsize.plan.warnings import queue_warnings, time_warnings, twin_warnings
from trainsize.runs.budget import checkpoints
from trainsize.runs.record import Record
from trainsize.runs.run import FILES, Run
from trainsize.study.reader import load_study
from trainsize.study.shared import check_description, told_changes
from trainsize.study.study import Study

# Bytes of a run's files, assumed until some are written: its predictions, and its history per checkpoint.
ASSUMED_BYTES_PER_TEST_IMAGE, ASSUMED_BYTES_PER_CHECKPOINT = 30, 500


def reason(record: Record | None, settings: str, code: str, data: str | None) -> str:
    """Return why a run has to be trained, or nothing if it is finished; `data` is from `data_content`."""
    if record is None:
        return "missing"
    if record.settings_hash != settings:
        return "settings changed"
    if data is not None and record.dataset_content != data:
        return "data set changed"
    return "code changed" if record.code != code else ""


def data_manifest(card: Dataset, results: Path) -> dict | None:
    """Return the manifest of the prepared data set, or None where it is not prepared. Raises UserError if damaged."""
    path = results / "datasets" / card.name / "manifest.json"
    return read_json(path) if path.exists() else None


def data_content(card: Dataset, manifest: dict | None) -> str | None:
    """Return the content hash of the prepared data set, or None where it is not prepared.

    The hash is empty where the data set has changed and will be prepared again: then every run has to be trained again.
    """
    if manifest is None:
        return None
    prepared = (manifest["n_train"], manifest["n_test"], len(manifest["classes"]), manifest["shape"])
    stated = (card.n_train, card.n_test, len(card.classes), card.shape and list(card.shape))
    return manifest["content"] if prepared == stated and _in_order(manifest["classes"], card) else ""


def _in_order(classes: list[str], card: Dataset) -> bool:
    """Whether prepared classes are in the order of the card, which for folders gives the labels."""
    if card.format["name"] != "folder":
        return True
    return classes == (list(card.classes) if card.has_names else sorted(classes))


def make_plan(study: Study, results: Path, code: str, machine: Machine) -> Plan:
    """Return what the study still needs on `machine`, with training code of the fingerprint `code`."""
    check_description(study, ROOT / "studies", results)
    estimates = Estimates(study, results, machine.device)
    if estimates.uncounted():
        estimates.count()
    manifest = data_manifest(study.dataset, results)
    files = compare(study.dataset, results / "datasets" / study.dataset.name, machine.settings["data"]["mirror"])
    data = "" if files.changes else data_content(study.dataset, manifest)
    told = manifest if data and manifest else {}  # of a data set that has changed nothing is known
    runs_per_job = min(machine.settings["runs_per_job"], len(study.pairs))
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
            minutes = machine.minutes(runs_per_job * seconds)
            rows.append(row | {"jobs": len(jobs), "job_minutes": minutes, "bytes": counts.total() * bytes_per_run})
    table = pd.DataFrame(rows)
    warnings = [*study.notes, *twin_warnings(study, estimates.settings)]
    if machine.limit:
        warnings += time_warnings(machine, table, runs_per_job, estimates)
    if files.changes:
        warnings.insert(0, told_changes(study, files, ROOT / "studies", results))
    if machine.limits:
        warnings += queue_warnings(machine.limits, min(machine.jobs, int(table["jobs"].sum())))
    hours = _makespan(durations, machine.jobs) / 3600
    precision = list(_precision(estimates, results, machine))
    return Plan(study, machine, table, estimates.rates, hours, warnings, remarks(told), notes(told), precision)


def _precision(estimates: Estimates, results: Path, machine: Machine) -> Iterator[str]:
    if machine.is_here and machine.device == "cpu":
        study, operations = estimates.study, estimates.operations
        yield from precision_notes(study, estimates.settings, operations, results, machine.settings["threads"])


def _jobs(reasons: list[str], runs_per_job: int) -> list[int]:
    """Return how many runs each job has to train, without jobs that have none; `reasons` has one per run, in order."""
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
    """Return the bytes that a run needs on disk: the mean of some recorded runs, else an assumption."""
    folders = [results / study.name / run.folder for run in list(estimates.records)[:20]]
    sizes = [
        sum((folder / "state" / name).stat().st_size for name in FILES) for folder in folders if _is_complete(folder)
    ]
    if sizes:
        return round(sum(sizes) / len(sizes))
    points = max(
        len(checkpoints(estimates.work(model, n).updates, study.evaluation))
        for model, sizes in study.model_sizes.items()
        for n in sizes
    )
    return study.dataset.n_test * ASSUMED_BYTES_PER_TEST_IMAGE + points * ASSUMED_BYTES_PER_CHECKPOINT


def _is_complete(folder: Path) -> bool:
    return all((folder / "state" / name).exists() for name in FILES)


def _makespan(durations: list[float], jobs: int) -> float:
    """Return the seconds until the last job ends, when `jobs` run at once and each job starts as soon as one ends."""
    ends = [0.0] * min(jobs, len(durations))
    for duration in durations:
        heapq.heapreplace(ends, ends[0] + duration)
    return max(ends, default=0.0)


def plan_for(options: dict, results: Path, form: str = "text") -> None:
    """Print the plan of a study and write it to `results/{study}/plan.parquet`.

    `options` holds config.yaml's `settings` with every default, the `jobs` at once, the `retries` of a job, and
    `requested`: the resources that jobs request from a cluster (slurm_partition, slurm_account, qos), or None where
    there is no cluster. Raises UserError.
    """
    settings, requested = options["settings"], options["requested"]
    study = load_study(settings["study"], ROOT / "studies")
    limits = requested and slurm.limits(*(requested.get(key) for key in ("slurm_partition", "slurm_account", "qos")))
    machine = Machine(settings, options["jobs"], options["retries"], limits or None, is_here=requested is None)
    plan = make_plan(study, results, fingerprint("training"), machine)
    write_table(results / study.name / "plan.parquet", PLAN, plan.table)
    print({"text": describe, "json": as_json, "tsv": as_tsv}[form](plan))
