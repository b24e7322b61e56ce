"""Questions to SLURM: about the job a process runs in, other jobs, and the limits of a partition.

Without SLURM, or if it does not reply in time, the answer is None or empty.
"""

import getpass
import os
import subprocess
from dataclasses import dataclass

TIMEOUT = 20  # seconds to wait for a command of SLURM


def ask(*command: str) -> str | None:
    """Return the output of a command of SLURM, or None if it is missing, fails or does not reply."""
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=TIMEOUT)
    except (OSError, subprocess.TimeoutExpired):
        return None
    return done.stdout.strip() if done.returncode == 0 else None


def user() -> str:
    return getpass.getuser()


def own_job() -> str | None:
    """Return the id of the SLURM job that this process runs in."""
    return os.environ.get("SLURM_JOB_ID")


def seconds_left() -> float | None:
    """Return the seconds until SLURM ends the job that this process runs in; None outside a job or without a limit."""
    job = own_job()
    return job and parse_time(ask("squeue", "--noheader", "--job", job, "--format", "%L"))


def state(job: str) -> str:
    """Return SLURM's name for the state of a running or ended job, such as NODE_FAIL; "" for an unknown job."""
    known = ask("squeue", "--noheader", "--states", "all", "--job", job, "--format", "%T")
    known = known or ask("sacct", "--allocations", "--noheader", "--parsable2", "--job", job, "--format", "State")
    return known.split()[0] if known else ""


def is_over(job: str) -> bool:
    """Return whether a job has ended according to SLURM; False if SLURM does not know."""
    return state(job) not in ("", "RUNNING", "COMPLETING", "SUSPENDED", "STOPPED", "SIGNALING")


def parse_time(text: str | None) -> float | None:
    """Return the seconds of a time in SLURM's format ("12:30", "2-03:00:00"); None if there is none or no limit."""
    days, _, clock = (text or "").rpartition("-")
    try:
        parts = [int(part) for part in clock.split(":")]
        parts = parts if len(parts) > 1 else [*parts, 0]
        seconds = 0
        for part in parts:
            seconds = 60 * seconds + part
        return float(seconds + 86400 * int(days or 0))
    except ValueError:
        return None


@dataclass(frozen=True)
class Limits:
    """The limits of a partition, an account and a quality of service (QOS) together; None where they set none."""

    partition: str
    minutes: float | None
    jobs_running: int | None
    jobs_queued: int | None


def limits(partition: str | None, account: str | None = None, qos: str | None = None) -> Limits | None:
    """Return the limits of jobs in `partition` (default: the cluster's default); None if there is no such partition."""
    rows = [line.split("|") for line in (ask("sinfo", "--noheader", "--format", "%R|%P|%l") or "").splitlines()]
    matching = [row for row in rows if row[0] == partition or (not partition and row[1].endswith("*"))]
    if not matching:
        return None
    name, _, time = matching[0]
    own = _accounting("assoc", f"user={user()}", "Account,MaxWall,MaxJobs,MaxSubmit,DefaultQOS")
    own = [row for row in own if account is None or row["Account"] == account]
    names = {qos} if qos else {row["DefaultQOS"] or "normal" for row in own}
    service = [row for row in _accounting("qos", "", "Name,MaxWall,MaxJobsPU,MaxSubmitPU") if row["Name"] in names]
    seconds = [parse_time(text) for text in (time, *(row["MaxWall"] for row in own + service))]
    return Limits(
        name,
        min((value / 60 for value in seconds if value is not None), default=None),
        _least([row["MaxJobs"] for row in own] + [row["MaxJobsPU"] for row in service]),
        _least([row["MaxSubmit"] for row in own] + [row["MaxSubmitPU"] for row in service]),
    )


def _accounting(what: str, of: str, columns: str) -> list[dict[str, str]]:
    """Return rows of the accounting database; none if there is no database."""
    where = ["where", of] if of else []
    printed = ask("sacctmgr", "--noheader", "--parsable2", "show", what, *where, f"format={columns}")
    return [dict(zip(columns.split(","), line.split("|"), strict=True)) for line in (printed or "").splitlines()]


def _least(numbers: list[str]) -> int | None:
    return min((int(number) for number in numbers if number.isdigit()), default=None)
