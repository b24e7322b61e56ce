"""SIGKILL at any moment, of a job, of Snakemake or of everything: nothing is lost, and nothing else comes out."""

import shutil
import signal
import time
from pathlib import Path

import numpy as np
import pandas as pd
import psutil
import pytest

STAGES = ("download", "subsets", "overlap", "training", "metrics", "regressions", "audit", "figures", "report")
TARGETS = ("job", "snakemake", "all")
GO_ON = ("--cores", "2", "--rerun-incomplete", "--quiet", "rules")
# Tables are the same byte for byte, but where times of training are recorded or decide.
TIMED = ["seconds_train", "seconds_evaluate", "seconds_total"]
RUNS, PLANNING = "metrics/runs.parquet", "regressions/planning.parquet"


def outputs(stage: str, project) -> list[Path]:
    """What is to be removed for the stage to run again."""
    names = {"download": [project.folder / "results/datasets"], "training": [project.results / "runs"]}
    return names.get(stage, [project.results / stage, project.results / f"{stage}.html"])


def remove(stage: str, project) -> None:
    for path in outputs(stage, project):
        shutil.rmtree(path) if path.is_dir() else path.unlink(missing_ok=True)


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


def tables(project) -> dict[str, bytes | pd.DataFrame]:
    """Return what the study has come to, without times."""
    found = {}
    for path in sorted(project.results.rglob("*.parquet")):
        name = str(path.relative_to(project.results))
        if "state" not in path.parts and name != PLANNING:
            found[name] = pd.read_parquet(path).drop(columns=TIMED) if name == RUNS else path.read_bytes()
    return found


def assert_same(found: dict, undisturbed: dict) -> None:
    assert found.keys() == undisturbed.keys()
    for name, table in undisturbed.items():
        if name == RUNS:
            pd.testing.assert_frame_equal(found[name], table)
        else:
            assert found[name] == table, f"{name} differs"


def assert_nothing_is_left(project) -> None:
    left = [p for p in (project.folder / "results").rglob("*") if p.name.endswith(".part") or p.name == "lock.json"]
    assert not left


def test_a_few_kills(finished, finished_project, faults):
    undisturbed = tables(finished_project)
    rng = np.random.default_rng(1)
    shutil.rmtree(finished.results / "runs/mlp/n80")
    shutil.rmtree(finished.results / "metrics")
    for stage, target in (("training", "all"), ("training", "job"), ("metrics", "snakemake")):
        if kill(finished, stage, target, rng.uniform(0, 3)):
            faults(f"kills of {target} during {stage}")
        finished.snakemake("--unlock")
    go_on(finished)
    assert_same(tables(finished), undisturbed)


@pytest.mark.slow
@pytest.mark.parametrize("stage", STAGES)
def test_many_kills(finished, finished_project, faults, stage):
    """Twelve kills in each stage: four of the job, of Snakemake and of everything, at random moments."""
    undisturbed = tables(finished_project)
    rng = np.random.default_rng(STAGES.index(stage))
    kills = 0
    while kills < 12:
        remove(stage, finished)
        target = TARGETS[kills % 3]
        if kill(finished, stage, target, rng.uniform(0, 4)):
            kills += 1
            faults(f"kills of {target} during {stage}")
        finished.snakemake("--unlock")
        if kills % 4 == 0:
            go_on(finished)
            assert_same(tables(finished), undisturbed)
    assert_nothing_is_left(finished)
    assert finished.planned_jobs() == {}
