"""The runs of a study that were begun and have no results: where, why, and the last lines of their logs.

python -m trainsize.failures [STUDY] [--format text|json]
"""

import json
import re
import time
from collections import Counter
from dataclasses import asdict, dataclass
from pathlib import Path

from trainsize.jobs import lock, slurm
from trainsize.runs.logs import last_lines, newest, training_log
from trainsize.runs.run import Run
from trainsize.study.command_line import mistakes_told, named_study, study_parser
from trainsize.study.records import read_records
from trainsize.study.study import Study

# What SLURM writes into the log of a job that it ends, and what a stage writes that was asked to leave.
_SIGNS = (
    (r"DUE TO TIME LIMIT", "time limit"),
    (r"DUE TO PREEMPTION", "preempted"),
    (r"DUE TO NODE FAILURE", "node failure"),
    (r"oom_kill|oom-kill|Out Of Memory", "out of memory"),
    (r"CANCELLED AT", "cancelled"),
)
_STATES = {
    "TIMEOUT": "time limit",
    "PREEMPTED": "preempted",
    "NODE_FAIL": "node failure",  # of which a node that lost its power writes nothing
    "OUT_OF_MEMORY": "out of memory",
    "CANCELLED": "cancelled",
    "RUNNING": "in training",
    "PENDING": "waiting in the queue again",
}
_LEFT = re.compile(r"^interrupted: saved", re.M)
_PLACE = re.compile(r"SLURM job (?P<job>\d+) on (?P<node>[^\s,]+)|JOB (?P<job2>\d+) ON (?P<node2>\S+) CANCELLED")


@dataclass(frozen=True)
class Failure:
    """A run that was begun and has no results. `job` and `node` are empty where it was no job of SLURM's.

    `ended` tells that it counts as done all the same: it diverged, or met what another try would meet too.
    """

    model: str
    n: int
    draw: int
    seed: int
    reason: str
    ended: bool
    saved: bool
    job: str
    node: str
    log: str
    last: tuple[str, ...]


def failures(study: Study, results: Path) -> list[Failure]:
    """Return the runs of the study that have left a log or a state, but no results, and those that ended without."""
    records = read_records(study, results)
    done = {run for run, record in records.items() if record["status"] == "finished"}
    found = (_failure(study, run, results, records.get(run)) for run in study.runs if run not in done)
    return [failure for failure in found if failure is not None]


def _failure(study: Study, run: Run, results: Path, record: dict | None) -> Failure | None:
    state = results / study.name / run.folder / "state"
    folder = re.escape(run.folder.as_posix())
    own = training_log(results / study.name, run)
    of_job = newest(
        (results / "logs/slurm").glob(f"rule_training*/{study.name}_{run.model}_{run.n}*/*.log"),
        rf"{folder}/run\.json",
    )
    logs = [log for log in (own, of_job) if log is not None]
    if not logs and not state.exists():
        return None
    texts = {log: log.read_text(errors="replace") for log in logs}
    places = [match for text in texts.values() for match in _PLACE.finditer(text)]
    job, node = (
        (places[-1]["job"] or places[-1]["job2"], places[-1]["node"] or places[-1]["node2"]) if places else ("", "")
    )
    log, own_text, job_text = own or of_job, texts.get(own, ""), texts.get(of_job, "")
    return Failure(
        **vars(run),
        reason=f"{record['status']}: {record['reason']}" if record else _reason(run, state, own_text, job_text, job),
        ended=record is not None,
        saved=(state / "checkpoint.pt").exists(),
        job=job,
        node=node,
        log=str(log or ""),
        last=last_lines(log),
    )


def _reason(run: Run, state: Path, own: str, of_job: str, job: str) -> str:
    """Return why a run is not finished, from its lock, its stage's and its job's log, and SLURM."""
    try:
        if time.time() - (state / lock.NAME).stat().st_mtime < lock.DEAD:
            return "in training"
    except FileNotFoundError:
        pass
    error = re.search(rf"{re.escape(run.folder.as_posix())}: (\w+(?:\.\w+)*: .*)", own)
    if error:
        return error[1]
    for sign, reason in _SIGNS:
        if re.search(sign, of_job):
            return reason
    if _LEFT.search(own):
        return "left in time, to be gone on with"
    errors = re.findall(r"^\w+(?:\.\w+)*(?:Error|Exception|Interrupt)\b.*", own, re.M)
    if errors:
        return errors[-1]
    return _STATES.get(slurm.state(job), "killed") if job else "killed"


def describe(study: Study, found: list[Failure]) -> str:
    """Return the failed runs as a person reads them."""
    if not found:
        return f"{study.name}: no run was begun and left without results"
    counts = Counter(failure.reason.partition(":")[0] for failure in found)
    lines = [f"{study.name}: " + ", ".join(f"{count} {reason}" for reason, count in counts.most_common()), ""]
    for failure in found:
        where = f" (job {failure.job} on {failure.node})" if failure.job else ""
        then = "; delete its folder to have it trained again" if failure.ended else ""
        then = "; goes on from its checkpoint" if failure.saved else then
        lines.append(
            f"{failure.model} n={failure.n} draw={failure.draw} seed={failure.seed}{where}: {failure.reason}{then}"
        )
        lines += [f"    {line}" for line in failure.last] + ([f"    {failure.log}"] if failure.log else [])
    if not all(failure.ended for failure in found):
        lines += ["", "`snakemake` trains those again that have not ended."]
    return "\n".join(lines)


def main() -> None:
    parser = study_parser("failures", "Say which runs failed, and why.")
    parser.add_argument("--format", choices=("text", "json"), default="text")
    options = parser.parse_args()
    with mistakes_told():
        study = named_study(options.study)
    found = failures(study, options.results)
    print(json.dumps([asdict(f) for f in found], indent=1) if options.format == "json" else describe(study, found))


if __name__ == "__main__":
    main()
