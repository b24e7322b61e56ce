"""What the tests that disturb the workflow share: taking a stage's outputs away, and comparing what comes out."""

import shutil
from pathlib import Path

import pandas as pd

STAGES = ("download", "subsets", "overlap", "training", "metrics", "regressions", "audit", "figures", "report")
GO_ON = ("--cores", "2", "--rerun-incomplete", "--quiet", "rules")
RULES = {"training": "training_draw1_seed1_to_draw2_seed2"}  # where a stage's rule has another name
# Tables are the same byte for byte, but where times of training are recorded or decide.
TIMED = ["seconds_train", "seconds_evaluate", "seconds_total"]
RUNS, PLANNING = "metrics/runs.parquet", "regressions/planning.parquet"


def up_to(stage: str) -> tuple[str, ...]:
    """Return the arguments with which Snakemake goes on and ends after the stage."""
    return *GO_ON, "--until", RULES.get(stage, stage)


def outputs(stage: str, project) -> list[Path]:
    """What is to be removed for the stage to run again: its files, and the report, without which nothing is missed."""
    folders = {"download": project.folder / "results/datasets", "training": project.results / "runs"}
    return [folders.get(stage, project.results / stage), project.results / "report.html"]


def remove(stage: str, project) -> None:
    for path in outputs(stage, project):
        shutil.rmtree(path) if path.is_dir() else path.unlink(missing_ok=True)


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
