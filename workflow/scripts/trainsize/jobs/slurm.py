"""What SLURM's commands say: of the job a process runs in, of other jobs, and of the limits of a partition.

Where there is no SLURM, or it does not reply in time, the answer is None or empty.
"""

import getpass
import os
import subprocess
from dataclasses import dataclass

PATIENCE = 20  # seconds


def ask(*command: str) -> str | None:
    """Return what a command of SLURM prints, or None where it is missing, fails or does not answer."""
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=PATIENCE)
    except (OSError, subprocess.TimeoutExpired):
        return None
    return done.stdout.strip() if done.returncode == 0 else None


def user() -> str:
    return getpass.getuser()


def own_job() -> str | None:
    """Return the id of the SLURM job that this process runs in."""
    return os.environ.get("SLURM_JOB_ID")


def seconds_left() -> float | None:
    """Return the seconds until SLURM ends the job that this process runs in, or None."""
    job = own_job()
    return job and parse_time(ask("squeue", "--noheader", "--job", job, "--format", "%L"))


def state(job: str) -> str:
    """Return the state of a job, running or over, as SLURM names it (NODE_FAIL); empty where it knows none."""
    known = ask("squeue", "--noheader", "--states", "all", "--job", job, "--format", "%T")
    known = known or ask("sacct", "--allocations", "--noheader", "--parsable2", "--job", job, "--format", "State")
    return known.split()[0] if known else ""


def is_over(job: str) -> bool:
    """Tell whether SLURM says that a job has ended; False while it does not say."""
    return state(job) not in ("", "RUNNING", "COMPLETING", "SUSPENDED", "STOPPED", "SIGNALING")


def parse_time(text: str | None) -> float | None:
    """Return the seconds of a time as SLURM writes it ("12:30", "2-03:00:00"), or None if it is none or unlimited."""
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
    """What a partition, an account and a quality of service allow; None where they set no limit."""

    partition: str
    minutes: float | None
    jobs_running: int | None
    jobs_queued: int | None


def limits(partition: str | None, account: str | None = None, qos: str | None = None) -> Limits | None:
    """Return the limits of jobs in `partition`, by default the cluster's default one; None without such a partition."""
    rows = [line.split("|") for line in (ask("sinfo", "--noheader", "--format", "%R|%P|%l") or "").splitlines()]
    found = [row for row in rows if row[0] == partition or (not partition and row[1].endswith("*"))]
    if not found:
        return None
    name, _, time = found[0]
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
    """Return the rows that the accounting database shows, none where there is no database."""
    where = ["where", of] if of else []
    printed = ask("sacctmgr", "--noheader", "--parsable2", "show", what, *where, f"format={columns}")
    return [dict(zip(columns.split(","), line.split("|"), strict=True)) for line in (printed or "").splitlines()]


def _least(numbers: list[str]) -> int | None:
    return min((int(number) for number in numbers if number.isdigit()), default=None)
