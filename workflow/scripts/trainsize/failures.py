"""The runs of a study that were started but have no results: where, why, and the last lines of their logs.

python -m trainsize.failures [STUDY] [--format text|json]
"""

import json
import re
import time
from collections import Counter
from dataclasses import asdict, dataclass
from pathlib import Path

from trainsize.common.errors import exit_on_user_error
from trainsize.jobs import lock, slurm
from trainsize.runs.logs import last_lines, newest_log, training_log
from trainsize.runs.record import Record
from trainsize.runs.run import Run
from trainsize.study.command_line import named_study, study_parser
from trainsize.study.records import read_records
from trainsize.study.study import Study

# Patterns that SLURM writes into the log of a job that it ends, and the reasons that they stand for.
_LOG_REASONS = (
    (r"DUE TO TIME LIMIT", "time limit"),
    (r"DUE TO PREEMPTION", "preempted"),
    (r"DUE TO NODE FAILURE", "node failure"),
    (r"oom_kill|oom-kill|Out Of Memory", "out of memory"),
    (r"CANCELLED AT", "cancelled"),
)
_STATE_REASONS = {  # by SLURM's state of a job
    "TIMEOUT": "time limit",
    "PREEMPTED": "preempted",
    "NODE_FAIL": "node failure",  # a node that lost power writes nothing to the log
    "OUT_OF_MEMORY": "out of memory",
    "CANCELLED": "cancelled",
    "RUNNING": "in training",
    "PENDING": "waiting in the queue again",
}
_INTERRUPTED = re.compile(r"^Interrupted\. Progress is saved", re.M)
_JOB = re.compile(r"SLURM job (?P<job>\d+) on (?P<node>[^\s,]+)|JOB (?P<job2>\d+) ON (?P<node2>\S+) CANCELLED")


@dataclass(frozen=True)
class Failure:
    """A run that was started but has no results."""

    model: str
    n: int
    draw: int
    seed: int
    reason: str  # why it has no results
    ended: bool  # it counts as done: it diverged, or failed in a way that it would fail again
    saved: bool  # it has a checkpoint
    job: str  # of SLURM; empty without
    node: str  # of SLURM; empty without
    log: str  # path; empty without
    last: tuple[str, ...]  # lines of the log


def failures(study: Study, results: Path) -> list[Failure]:
    """Return the runs of the study that have a log or a state but no results, and those that ended without results."""
    records = read_records(study, results)
    done = {run for run, record in records.items() if record.is_finished}
    failed = (_failure(study, run, results, records.get(run)) for run in study.runs if run not in done)
    return [failure for failure in failed if failure is not None]


def _failure(study: Study, run: Run, results: Path, record: Record | None) -> Failure | None:
    """Return the failure of a run that is not finished, or None if it was never started."""
    state = results / study.name / run.folder / "state"
    folder = re.escape(run.folder.as_posix())
    own = training_log(results / study.name, run)
    of_job = newest_log(
        (results / "logs/slurm").glob(f"rule_training*/{study.name}_{run.model}_{run.n}*/*.log"),
        rf"{folder}/run\.json",
    )
    logs = [log for log in (own, of_job) if log is not None]
    if not logs and not state.exists():
        return None
    texts = {log: log.read_text(errors="replace") for log in logs}
    jobs = [match for text in texts.values() for match in _JOB.finditer(text)]
    job, node = (jobs[-1]["job"] or jobs[-1]["job2"], jobs[-1]["node"] or jobs[-1]["node2"]) if jobs else ("", "")
    log, own_text, job_text = own or of_job, texts.get(own, ""), texts.get(of_job, "")
    return Failure(
        **vars(run),
        reason=f"{record.status}: {record.reason}" if record else _reason(run, state, own_text, job_text, job),
        ended=record is not None,
        saved=(state / "checkpoint.pt").exists(),
        job=job,
        node=node,
        log=str(log or ""),
        last=last_lines(log),
    )


def _reason(run: Run, state: Path, own: str, of_job: str, job: str) -> str:
    """Return why a run is not finished, from its lock, the logs of its stage and its job, and SLURM."""
    try:
        if time.time() - (state / lock.NAME).stat().st_mtime < lock.DEAD:
            return "in training"
    except FileNotFoundError:
        pass
    error = re.search(rf"{re.escape(run.folder.as_posix())}: (\w+(?:\.\w+)*: .*)", own)
    if error:
        return error[1]
    for pattern, reason in _LOG_REASONS:
        if re.search(pattern, of_job):
            return reason
    if _INTERRUPTED.search(own):
        return "interrupted, progress saved"
    errors = re.findall(r"^\w+(?:\.\w+)*(?:Error|Exception|Interrupt)\b.*", own, re.M)
    if errors:
        return errors[-1]
    return _STATE_REASONS.get(slurm.state(job), "killed") if job else "killed"


def describe(study: Study, failed: list[Failure]) -> str:
    """Return the failures as text for people."""
    if not failed:
        return f"{study.name}: every run that was started has results"
    counts = Counter(failure.reason.partition(":")[0] for failure in failed)
    lines = [f"{study.name}: " + ", ".join(f"{count} {reason}" for reason, count in counts.most_common()), ""]
    for failure in failed:
        where = f" (job {failure.job} on {failure.node})" if failure.job else ""
        then = "; to train it again, delete its folder" if failure.ended else ""
        then = "; resumes from its checkpoint" if failure.saved else then
        lines.append(
            f"{failure.model} n={failure.n} draw={failure.draw} seed={failure.seed}{where}: {failure.reason}{then}"
        )
        lines += [f"    {line}" for line in failure.last] + ([f"    {failure.log}"] if failure.log else [])
    if not all(failure.ended for failure in failed):
        lines += ["", "Run `snakemake` to train the other runs."]
    return "\n".join(lines)


def main() -> None:
    parser = study_parser("failures", "List the runs that failed, and why.")
    parser.add_argument("--format", choices=("text", "json"), default="text")
    options = parser.parse_args()
    with exit_on_user_error():
        study = named_study(options.study)
    if options.format == "text" and not (options.results / study.name).exists():
        print(f"{options.results / study.name}: no run of {study.name} has been started; run snakemake first")
        return
    failed = failures(study, options.results)
    print(json.dumps([asdict(f) for f in failed], indent=1) if options.format == "json" else describe(study, failed))


if __name__ == "__main__":
    main()
