"""What the jobs of a study requested and what they used, as a guide for the next request.

python -m trainsize.costs [STUDY] [--profile slurm] [--format text|tsv]

The numbers come from SLURM's accounting if it keeps the jobs' comments, which name the study, model and size. Otherwise
they come from Snakemake's benchmark files, which record the last attempt of every job.
"""

import re
import sys
from pathlib import Path

import pandas as pd

from trainsize.common.arguments import day
from trainsize.common.errors import exit_on_user_error
from trainsize.jobs import slurm
from trainsize.plan.estimates import START_SECONDS, Estimates, device_of, job_megabytes, job_minutes
from trainsize.plan.text import duration
from trainsize.study.command_line import machine_settings, named_study, study_parser
from trainsize.study.study import Study

_MEGABYTES = {"K": 1 / 1024, "M": 1.0, "G": 1024.0, "T": 1024.0**2}


def from_accounting(study: Study, folder: Path, since: str) -> pd.DataFrame | None:
    """Return a row per attempt of the study's jobs in SLURM's accounting, submitted in `folder` from `since` on.

    Returns None when there are none.
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
    match = re.match(r"([\d.]+)([KMGT])", text)
    return float(match[1]) * _MEGABYTES[match[2]] if match else 0.0


def from_benchmarks(study: Study, results: Path, settings: dict, estimates: Estimates) -> pd.DataFrame | None:
    """Return a row per job with a benchmark file. Its request is the one that the job would make now."""
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
    """Return a row per model and size with what its jobs requested, used and were expected to use."""
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
    """Return the costs as text for people, with the shares of the requests that were used."""
    lines = [f"{study.name}: jobs of the training rule, from {source}", ""]
    header = f"{'model':<16}{'n':>9}{'jobs':>6}{'failed':>8}{'waited':>10}{'requested':>11}{'used':>10}{'longest':>10}"
    header += f"{'expected':>10}{'requested MB':>14}{'used MB':>9}"
    lines += [header, "-" * len(header)]
    for row in table.itertuples():
        times = (row.waited_minutes, row.asked_minutes, row.used_minutes, row.longest_minutes, row.expected_minutes)
        waited, requested, *others = ("–" if pd.isna(minutes) else duration(minutes / 60) for minutes in times)
        text = f"{waited:>10}{requested:>11}" + "".join(f"{other:>10}" for other in others)
        lines.append(
            f"{row.model:<16}{row.n:>9,}{row.jobs:>6}{row.failed:>8}{text}{row.asked_mb:>14,.0f}{row.used_mb:>9,.0f}"
        )
    lines += [
        "",
        "Waited and used are medians; used MB is a maximum; expected is the estimate for a full job now.",
    ]
    time, memory = (
        100 * (table[used] / table[asked]).max()
        for used, asked in (("longest_minutes", "asked_minutes"), ("used_mb", "asked_mb"))
    )
    if not pd.isna(time):
        lines.append(f"The longest job used {time:.0f} % of its run time, the largest {memory:.0f} % of its memory.")
    return "\n".join(lines)


def main() -> None:
    parser = study_parser("costs", "Print what jobs requested and used.")
    parser.add_argument("--profile", help="folder of a Snakemake profile, such as slurm: compare with its requests")
    parser.add_argument("--since", type=day, metavar="YYYY-MM-DD", help="first day of SLURM's accounting to use")
    parser.add_argument("--format", choices=("text", "tsv"), default="text")
    options = parser.parse_args()
    with exit_on_user_error():
        settings, _ = machine_settings(options.study, options.profile)
        study = named_study(settings["study"])
    estimates = Estimates(study, options.results, device_of(settings))
    since = str(options.since or "2000-01-01")
    jobs, source = from_accounting(study, options.results.resolve().parent, since), "SLURM's accounting"
    if jobs is None and options.since:
        after = f"no job of the study was submitted on or after {since}, as far as SLURM's accounting shows"
        sys.exit(f"--since {since}: {after}; without --since, Snakemake's benchmark files count too")
    if jobs is None:
        jobs, source = from_benchmarks(study, options.results, settings, estimates), "Snakemake's benchmark files"
    if jobs is None:
        sys.exit(f"{study.name}: no job has run yet")
    table = summary(study, jobs, settings, estimates)
    print(table.to_csv(sep="\t", index=False) if options.format == "tsv" else describe(study, table, source))


if __name__ == "__main__":
    main()
