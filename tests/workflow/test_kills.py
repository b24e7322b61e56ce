"""SIGKILL at any moment, of a job, of Snakemake or of everything: nothing is lost, and nothing else comes out."""

import shutil
import signal
import time

import numpy as np
import psutil
import pytest
from disturbed import GO_ON, STAGES, assert_nothing_is_left, assert_same, remove, tables

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


def kill(project, stage: str, target: str, delay: float) -> bool:
    """Start the workflow and, `delay` seconds after the stage's first job has begun, kill `target`.

    Returns whether there was anything left to be killed.
    """
    running = project.start(*GO_ON)
    while running.poll() is None and (job := job_of(running.pid, stage)) is None:
        time.sleep(0.01)
    if running.poll() is not None:
        printed = running.communicate()[0]
        assert running.returncode == 0, printed
        return False
    time.sleep(delay)
    family = [*psutil.Process(running.pid).children(recursive=True)] if running.poll() is None else []
    victims = {"job": [job], "snakemake": [psutil.Process(running.pid)], "all": [psutil.Process(running.pid), *family]}
    hit = False
    for victim in victims[target]:
        try:
            victim.send_signal(signal.SIGKILL)
            hit = True
        except psutil.NoSuchProcess:
            continue
    printed, _ = running.communicate(timeout=300)
    if target == "job":
        assert "Traceback" not in printed
    return hit


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
        finished.snakemake("--unlock")
        if kill(finished, stage, target, rng.uniform(0, 3)):
            faults(f"kills of {target} during {stage}")
    go_on(finished)
    assert_same(tables(finished), undisturbed)


@pytest.mark.slow
@pytest.mark.parametrize("stage", STAGES)
def test_many_kills(finished, finished_project, faults, stage):
    """Twelve kills in each stage: four of the job, of Snakemake and of everything, at random moments."""
    undisturbed = tables(finished_project)
    rng = np.random.default_rng(STAGES.index(stage))
    kills = tries = 0
    while kills < 12:
        assert (tries := tries + 1) < 30, "the stage hardly runs"
        finished.snakemake("--unlock")
        remove(stage, finished)
        target = TARGETS[kills % 3]
        if kill(finished, stage, target, rng.uniform(0, 4)):
            kills += 1
            faults(f"kills of {target} during {stage}")
        if kills % 4 == 0:
            go_on(finished)
            assert_same(tables(finished), undisturbed)
    assert_nothing_is_left(finished)
    assert finished.planned_jobs() == {}
