"""What the tests on SLURM share: looking at the queue, and runs that go on until they are stopped."""

import json
import os
import re
import signal
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from cluster import Cluster, wait_until
from support import PATIENCE

ENDLESS = {
    "updates: 6": "updates: 100000000",
    "points: 2": "points: 1",
    "{name: mlp, hidden: [8]}": "{name: custom, path: patient.Patient}",
    "  cnn: {architecture: {name: cnn, channels: [4]}}\n": "",
}
PATIENT = """\
import math
import time

from torch import nn


class Patient(nn.Sequential):
    def __init__(self, shape, n_classes):
        super().__init__(nn.Flatten(), nn.Linear(math.prod(shape), n_classes))

    def forward(self, images):
        time.sleep(0.2)
        return super().forward(images)
"""


@dataclass(frozen=True)
class Job:
    """A job in the queue or in accounting."""

    id: str
    state: str
    node: str
    comment: str


def queue(cluster: Cluster) -> list[Job]:
    """Return the jobs of Snakemake that are waiting or running."""
    lines = cluster.ask("squeue", "--noheader", "--format", "%i|%T|%N|%k").splitlines()
    return [job for job in (Job(*line.split("|")) for line in lines) if job.comment.startswith("rule_")]


def running(cluster: Cluster, comment: str = "") -> list[Job]:
    return [job for job in queue(cluster) if job.state == "RUNNING" and comment in job.comment]


def accounted(cluster: Cluster, columns: str, *names: str) -> list[dict[str, str]]:
    """Return the columns of every job with one of `names`, without its steps, from accounting.

    Accounting hears of everything a little later: wait until it knows what the controller does.
    """
    columns = f"JobID,Comment,State,{columns}"
    command = ("sacct", "-X", "--noheader", "--parsable2", "--duplicates", "--starttime", "2000-01-01")

    def known() -> list[dict[str, str]]:
        lines = cluster.ask(*command, "--format", columns).splitlines()
        rows = [dict(zip(columns.split(","), line.split("|"), strict=True)) for line in lines]
        states = cluster.ask("squeue", "--noheader", "--states", "all", "--format", "%i|%T").splitlines()
        return rows if set(states) <= {f"{row['JobID']}|{row['State'].split()[0]}" for row in rows} else []

    rows = wait_until(known, "the accounting of all jobs")
    return [row for row in rows if any(name in row["Comment"] for name in names)]


def make_endless(project, sizes: str = "[20]", seeds: str = "[1]") -> None:
    """Let the study's only model train until it is stopped, saving every second, one run to a job.

    Its network sleeps most of the time, so that runs which only wait for what is done to them leave the host to others.
    """
    (project.folder / "patient.py").write_text(PATIENT)
    for old, new in ENDLESS.items():
        project.edit("studies/tiny.yaml", old, new)
    project.edit("studies/tiny.yaml", "sizes: [20, 40, 80]", f"sizes: {sizes}")
    project.edit("studies/tiny.yaml", "seeds: [1, 2]", f"seeds: {seeds}")
    project.edit("slurm/settings.yaml", "runs_per_job: 10", "runs_per_job: 1")
    trainer = project.folder / "workflow/scripts/trainsize/training/stage.py"
    text, count = re.subn(r"^SAVE_EVERY = .*", "SAVE_EVERY = 1.0", trainer.read_text(), flags=re.M)
    assert count == 1
    trainer.write_text(text)


def run_folder(project, n: int = 20, seed: int = 1) -> Path:
    return project.results / f"runs/mlp/n{n}/draw{seed}/seed{seed}"


def log_of(project, n: int = 20, seed: int = 1) -> str:
    path = project.results / f"logs/training/mlp/n{n}/draw{seed}/seed{seed}.log"
    return path.read_text() if path.exists() else ""


def holder(project, n: int = 20, seed: int = 1) -> dict:
    """Return who holds the run's lock: the process that trains it."""
    path = run_folder(project, n, seed) / "state" / "lock.json"
    return json.loads(path.read_text() or "{}") if path.exists() else {}


def saved(project, n: int = 20, seed: int = 1) -> int:
    """Return the time of the run's last checkpoint, in ns; 0 without one."""
    path = run_folder(project, n, seed) / "state" / "checkpoint.pt"
    return path.stat().st_mtime_ns if path.exists() else 0


def wait_for_checkpoint(project, **run: int) -> dict:
    """Wait until the run has trained and saved; return who trains it."""
    before = saved(project, **run)
    wait_until(lambda: saved(project, **run) > before and holder(project, **run), f"a checkpoint of {run}")
    return holder(project, **run)


def wait_for_resumption(project, job: str, **run: int) -> dict:
    """Wait until another process than that of `job` has taken the run up from its checkpoint."""

    def resumed():
        return "resuming from update" in log_of(project, **run) and holder(project, **run).get("job") not in (None, job)

    wait_until(resumed, f"{run} to be gone on with")
    return holder(project, **run)


@contextmanager
def in_background(project, *arguments: str):
    """Run snakemake in the background; if it is still there at the end, interrupt it as Ctrl-C does."""
    process = project.start(*arguments)
    try:
        yield process
    finally:
        if process.poll() is None:
            os.killpg(process.pid, signal.SIGINT)
        printed, _ = process.communicate(timeout=PATIENCE)
        print(printed)
