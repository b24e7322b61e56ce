"""SIGKILL at any moment, of a job, of Snakemake or of everything: nothing is lost, and nothing else comes out."""

import shutil
import signal
import time
from contextlib import suppress

import numpy as np
import psutil
import pytest
from disturbed import GO_ON, STAGES, assert_nothing_is_left, assert_same, remove, tables, up_to
from support import PATIENCE

TARGETS = ("job", "snakemake", "all")


def job_of(snakemake: int, stage: str) -> psutil.Process | None:
    """Return the process of a script of the stage below that of Snakemake."""
    try:
        for process in psutil.Process(snakemake).children(recursive=True):
            words = process.cmdline()
            if words[:1] and words[0].endswith("python") and words[1].endswith(f"/scripts/{stage}.py"):
                return process
    except (psutil.NoSuchProcess, IndexError):
        pass
    return None


def used(process: psutil.Process) -> float:
    """Return the seconds of processor time that a process has used; infinity when it has ended."""
    try:
        ended = process.status() == psutil.STATUS_ZOMBIE
        return np.inf if ended else sum(process.cpu_times()[:2])
    except psutil.NoSuchProcess:
        return np.inf


def kill(project, stage: str, target: str, moment: float) -> bool:
    """Start the workflow up to the stage, and kill `target` when the stage's first job is at `moment`.

    Moments are seconds of processor time, so that they are the same on a busy machine; Snakemake, or everything, is
    killed at the job's end when that comes first. Returns whether there was anything left to be killed.
    """
    # What an earlier kill has left locked: as `snakemake --unlock` does, which `go_on` types.
    shutil.rmtree(project.folder / ".snakemake/locks", ignore_errors=True)
    running = project.start(*up_to(stage))
    while running.poll() is None and (job := job_of(running.pid, stage)) is None:
        time.sleep(0.05)
    while running.poll() is None and used(job) < moment:
        time.sleep(0.05)
    if running.poll() is not None:
        printed = running.communicate()[0]
        assert running.returncode == 0, printed
        return False
    snakemake = psutil.Process(running.pid)
    victims = {"job": [job], "snakemake": [snakemake], "all": [snakemake, *snakemake.children(recursive=True)]}
    living = [victim for victim in victims[target] if used(victim) < np.inf]
    for victim in living:
        with suppress(psutil.NoSuchProcess):
            victim.send_signal(signal.SIGKILL)
    printed, _ = running.communicate(timeout=PATIENCE)
    if target == "job":
        assert "Traceback" not in printed
    return bool(living)


def go_on(project) -> None:
    """Do what the README says is to be done after a kill, and see that Snakemake says it too."""
    printed = project.snakemake(*GO_ON, check=False)
    if "Directory cannot be locked" in printed:
        assert "--unlock" in printed
        project.snakemake("--unlock")
        printed = project.snakemake(*GO_ON)
    assert "Traceback" not in printed


def test_a_few_kills(finished, finished_project, faults):
    undisturbed = tables(finished_project)
    rng = np.random.default_rng(1)
    shutil.rmtree(finished.results / "runs/mlp/n80")
    shutil.rmtree(finished.results / "metrics")
    for stage, target in (("training", "all"), ("training", "job"), ("metrics", "snakemake")):
        assert kill(finished, stage, target, rng.uniform(0, 2))
        faults(f"kills during {stage}")
    go_on(finished)
    assert_same(tables(finished), undisturbed)


@pytest.mark.slow
@pytest.mark.parametrize("way", range(3))
def test_many_kills(project, finished_project, faults, way):
    """On the way from nothing to the report, each stage is killed four times at random moments."""
    rng = np.random.default_rng(way)
    for stage in STAGES:
        for k in range(4):
            target, moment = TARGETS[(way + k) % 3], rng.uniform(0, 4)
            while not kill(project, stage, target, moment):
                remove(stage, project)
                moment /= 2
            faults(f"kills during {stage}")
    go_on(project)
    assert_same(tables(project), tables(finished_project))
    assert_nothing_is_left(project)
    assert project.planned_jobs() == {}
