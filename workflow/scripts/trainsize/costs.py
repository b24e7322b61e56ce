"""What the jobs of a study asked for and what they used, so that the next request can be better.

python -m trainsize.costs [STUDY] [--profile slurm] [--format text|tsv]

From SLURM's accounting where it keeps the jobs' comments, which name the study, model and size; otherwise from
Snakemake's benchmark files, which know the last attempt of every job.
"""

import re
import sys
from pathlib import Path

import pandas as pd

from trainsize.jobs import slurm
from trainsize.plan.estimates import START_SECONDS, Estimates, device_of, job_megabytes, job_minutes
from trainsize.plan.text import duration
from trainsize.study.command_line import machine_settings, mistakes_told, named_study, study_parser
from trainsize.study.study import Study

_MEGABYTES = {"K": 1 / 1024, "M": 1.0, "G": 1024.0, "T": 1024.0**2}


def from_accounting(study: Study, folder: Path, since: str) -> pd.DataFrame | None:
    """Return a row per attempt of the study's jobs, submitted in `folder`, that SLURM's accounting knows since then.

    None when it knows of none.
    """
    columns = "JobID,Comment,WorkDir,State,ElapsedRaw,TimelimitRaw,ReqMem,MaxRSS,Submit,Start"
    printed = slurm.ask(
        *("sacct", "--noheader", "--parsable2", "--duplicates", "--user", slurm.user()),
        *("--starttime", since, "--format", columns),
    )
    jobs: list[dict] = []
    names = "|".join(map(re.escape, study.models))
    of_study = re.compile(rf"rule_training\w*_wildcards_{re.escape(study.name)}_(?P<model>{names})_(?P<n>\d+)(_|$)")
    inside = False
    for line in (printed or "").splitlines():
        row = dict(zip(columns.split(","), line.split("|"), strict=True))
        if "." not in row["JobID"]:  # the job itself; its steps follow
            match = of_study.match(row["Comment"])
            ended = row["State"].split()[0] not in ("PENDING", "RUNNING")
            inside = match is not None and ended and Path(row["WorkDir"]) == folder
            if inside:
                jobs.append(_attempt(row, match["model"], int(match["n"])))
        elif inside:
            jobs[-1]["used_mb"] = max(jobs[-1]["used_mb"], _megabytes(row["MaxRSS"]))
    return pd.DataFrame(jobs) if jobs else None


def _attempt(row: dict[str, str], model: str, n: int) -> dict:
    started = pd.to_datetime(row["Start"], errors="coerce")
    return {
        "model": model,
        "n": n,
        "failed": row["State"] != "COMPLETED",
        "waited_minutes": (started - pd.to_datetime(row["Submit"])).total_seconds() / 60,
        "asked_minutes": float(row["TimelimitRaw"]) if row["TimelimitRaw"].isdigit() else None,
        "used_minutes": int(row["ElapsedRaw"]) / 60,
        "asked_mb": _megabytes(row["ReqMem"]),
        "used_mb": 0.0,
    }


def _megabytes(text: str) -> float:
    """Return the megabytes of a size as SLURM writes it (952460K, 4002M, 4Gn)."""
    found = re.match(r"([\d.]+)([KMGT])", text)
    return float(found[1]) * _MEGABYTES[found[2]] if found else 0.0


def from_benchmarks(study: Study, results: Path, settings: dict, estimates: Estimates) -> pd.DataFrame | None:
    """Return a row per job that left a benchmark file; what it asked for is what it would ask for now."""
    jobs = []
    runs = min(settings["runs_per_job"], len(study.pairs))
    for model in study.models:
        for n in study.model_sizes[model]:
            folder = results / study.name / "benchmarks/training" / model / f"n{n}"
            for file in sorted(folder.rglob("*.tsv")):
                used = pd.read_csv(file, sep="\t", na_values="-").iloc[-1]
                margin = settings["time_margin"]
                seconds = runs * estimates.seconds(model, n)
                jobs.append(
                    {
                        "model": model,
                        "n": n,
                        "failed": False,
                        "waited_minutes": None,
                        "asked_minutes": margin and job_minutes(seconds, margin, limit=settings["time_limit"]),
                        "used_minutes": used["s"] / 60,
                        "asked_mb": job_megabytes(study, settings["memory"]),
                        "used_mb": used["max_rss"],
                    }
                )
    return pd.DataFrame(jobs) if jobs else None


def summary(study: Study, jobs: pd.DataFrame, settings: dict, estimates: Estimates) -> pd.DataFrame:
    """Return a row per model and size with what its jobs asked for, used and were expected to use."""
    runs = min(settings["runs_per_job"], len(study.pairs))
    rows = []
    for (model, n), group in jobs.groupby(["model", "n"], sort=False):
        rows.append(
            {
                "model": model,
                "n": n,
                "jobs": len(group),
                "failed": int(group["failed"].sum()),
                "waited_minutes": group["waited_minutes"].astype(float).median(),
                "asked_minutes": group["asked_minutes"].astype(float).max(),
                "used_minutes": group["used_minutes"].median(),
                "longest_minutes": group["used_minutes"].max(),
                "expected_minutes": (START_SECONDS + runs * estimates.seconds(model, n)) / 60,
                "asked_mb": group["asked_mb"].max(),
                "used_mb": group["used_mb"].max(),
            }
        )
    return pd.DataFrame(rows)


def describe(study: Study, table: pd.DataFrame, source: str) -> str:
    """Return the costs as a person reads them, with what could be asked for instead."""
    lines = [f"{study.name}: jobs of the training rule, from {source}", ""]
    header = f"{'model':<16}{'n':>9}{'jobs':>6}{'failed':>8}{'waited':>10}{'asked':>10}{'used':>10}{'longest':>10}"
    header += f"{'expected':>10}{'asked MB':>10}{'used MB':>9}"
    lines += [header, "-" * len(header)]
    for row in table.itertuples():
        times = (row.waited_minutes, row.asked_minutes, row.used_minutes, row.longest_minutes, row.expected_minutes)
        told = "".join(f"{'–' if pd.isna(minutes) else duration(minutes / 60):>10}" for minutes in times)
        lines.append(
            f"{row.model:<16}{row.n:>9,}{row.jobs:>6}{row.failed:>8}{told}{row.asked_mb:>10,.0f}{row.used_mb:>9,.0f}"
        )
    lines += [
        "",
        "Waited and used are medians; used MB is the most; expected is what a full job would be expected to take now.",
    ]
    time, memory = (
        100 * (table[used] / table[asked]).max()
        for used, asked in (("longest_minutes", "asked_minutes"), ("used_mb", "asked_mb"))
    )
    if not pd.isna(time):
        lines.append(f"The longest job used {time:.0f} % of its run time, the largest {memory:.0f} % of its memory.")
    return "\n".join(lines)


def main() -> None:
    parser = study_parser("costs", "Say what jobs asked for and used.")
    parser.add_argument("--profile", help="folder of a Snakemake profile, such as slurm: what its jobs ask for")
    parser.add_argument("--since", default="2000-01-01", help="first day of SLURM's accounting to look at")
    parser.add_argument("--format", choices=("text", "tsv"), default="text")
    options = parser.parse_args()
    with mistakes_told():
        settings, _ = machine_settings(options.study, options.profile)
        study = named_study(settings["study"])
    estimates = Estimates(study, options.results, device_of(settings))
    jobs, source = from_accounting(study, options.results.resolve().parent, options.since), "SLURM's accounting"
    if jobs is None:
        jobs, source = from_benchmarks(study, options.results, settings, estimates), "Snakemake's benchmark files"
    if jobs is None:
        sys.exit(f"{study.name}: no job has run yet")
    table = summary(study, jobs, settings, estimates)
    print(table.to_csv(sep="\t", index=False) if options.format == "tsv" else describe(study, table, source))


if __name__ == "__main__":
    main()
