"""Whole runs from folders with odd names: the checkout, its interpreter, the results, the data and TMPDIR lie there."""

import json
import os
import shutil
import subprocess
import sys
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from support import ROOT

from trainsize.jobs.places import LONGEST

ODD = "-a b'c\"d{e}{f#g$HOME&h*i;j\\k%l`touch pwned`$(touch pwned)(m)[n]?<o>|~ {{p}} é e\u0301 漢\nq"
SMALL = {
    "sizes: [20, 40, 80]": "sizes: [20, 40]",
    "seeds: [1, 2]": "seeds: [1]",
    "  cnn: {architecture: {name: cnn, channels: [4]}}\n": "",
}
AGGREGATES = {"metrics": 1, "regressions": 1, "audit": 1, "figures": 1, "report": 1, "all": 1}
TRAINER = "workflow/scripts/trainsize/training/loop.py"


@pytest.fixture
def small(project):
    """A project with two runs of one model."""
    for old, new in SMALL.items():
        project.edit("studies/tiny.yaml", old, new)
    return project


def assert_whole_run(project) -> None:
    """Run the study to its end; then growth and edits make stale what they should, and the plan agrees."""
    project.snakemake("--cores", "1", "--quiet", "rules")
    assert (project.results / "report.html").is_file()
    assert project.planned_jobs() == {}
    project.edit("studies/tiny.yaml", "sizes: [20, 40]", "sizes: [20, 40, 80]")
    new = {"subsets": 1, "subsets_table": 1, "overlap": 1, "training": 1}
    assert project.planned_jobs() == {**new, **AGGREGATES}
    project.snakemake("plan", "--cores", "1")
    assert list(pd.read_parquet(project.results / "plan.parquet")["to_do"]) == [0, 0, 1]
    project.edit("studies/tiny.yaml", "sizes: [20, 40, 80]", "sizes: [20, 40]")
    project.edit(TRAINER, "losses.append(self.update())", "losses += [self.update()]")
    assert project.planned_jobs() == {"training": 2, **AGGREGATES}


def test_everything_at_an_odd_place(small, tmp_path):
    """The results and the images are linked from elsewhere, and TMPDIR is odd too."""
    project = small.moved(tmp_path / ODD)
    for name in ("results", "tmp", "images"):
        (tmp_path / f"{name} of {ODD}").mkdir()
    (project.folder / "results").symlink_to(tmp_path / f"results of {ODD}")
    (project.folder / "images").symlink_to(tmp_path / f"images of {ODD}")
    images = np.random.default_rng(0).integers(0, 255, (150, 8, 8), np.uint8)
    labels = np.arange(150) % 2
    arrays = {"x_train": images[:100], "y_train": labels[:100], "x_test": images[100:], "y_test": labels[100:]}
    np.savez(project.folder / "images" / f"{ODD}.npz", **arrays)
    described = {"name": "own", "classes": ["a", "b"], "format": {"name": "npz", "path": f"images/{ODD}.npz"}}
    project.edit("studies/tiny.yaml", "dataset: digits", f"dataset: {json.dumps(described)}")
    project = replace(project, environment={"TMPDIR": str(tmp_path / f"tmp of {ODD}")})
    assert_whole_run(project)
    assert not list(tmp_path.rglob("pwned"))


def test_a_moved_checkout_reruns_nothing(finished, tmp_path):
    project = finished.moved(tmp_path / ODD)
    assert project.planned_jobs() == {}
    environment = os.environ | {"PYTHONPATH": ""}
    ready = subprocess.run(["cksum"], stdin=(ROOT / "envs/requirements.lock").open(), capture_output=True, text=True)
    (project.folder / ".venv" / f"ready-{ready.stdout.split()[0]}").touch()
    shutil.copy(ROOT / "Makefile", project.folder)
    plan = subprocess.run(["make", "plan"], cwd=project.folder, env=environment, capture_output=True, text=True)
    assert plan.returncode == 0, plan.stderr
    assert "all                           12     12      0" in plan.stdout


def test_from_another_working_folder(small, tmp_path):
    """Results lie where the call says, and everything else comes from the checkout."""
    project = small.moved(tmp_path / ODD)
    elsewhere, called = tmp_path / f"results of {ODD}", tmp_path / "called from 'here'"
    for folder in (elsewhere, called):
        folder.mkdir()
    there = ("--snakefile", str(project.folder / "Snakefile"), "--directory", str(elsewhere))
    caller = replace(project, folder=called)
    caller.snakemake(*there, "--cores", "1", "--until", "subsets_table")
    assert (elsewhere / "results/tiny/subsets/subsets.parquet").is_file()
    assert caller.planned_jobs(*there) == {"training": 2, "overlap": 1, **AGGREGATES}
    assert replace(project, folder=elsewhere).planned_jobs(*there[:2]) == {"training": 2, "overlap": 1, **AGGREGATES}
    (elsewhere / "config.yaml").write_text("study: digits\n")  # settings of its own go first
    assert "results/digits/report.html" in caller.snakemake(*there, "-n")


def test_what_a_cluster_cannot_take_is_refused_before_any_work(project, tmp_path):
    """And a dry run without a cluster goes on to the study."""
    project = project.moved(tmp_path / "50% of $HOME")
    found = "found '%' and '$' in the path of this folder, and a cluster's jobs cannot be started there"
    assert_refused(project, found, "--profile", "slurm")
    assert project.planned_jobs()["training"] == 6


def test_a_colon_in_the_path_of_the_interpreter_is_refused(project, tmp_path):
    assert_refused(project.moved(tmp_path / "a:b"), "found ':' in the path of the interpreter, which separates folders")


def assert_refused(project, message: str, *arguments: str) -> None:
    printed = project.snakemake("-n", *(arguments or ("--cores", "1")), check=False)
    assert message in printed.splitlines()[-1]
    assert "Traceback" not in printed
    assert not list((project.folder / "results").glob("*"))


def at_length(project, top, length: int):
    """Move the project below `top`, so that its path has so many bytes."""
    folder = top
    while (rest := length - len(os.fsencode(folder)) - 1) > 202:
        folder = folder / ("x" * 200)
    folder = folder / ("x" * rest)
    folder.parent.mkdir(parents=True)
    project.folder.rename(folder)
    return replace(project, folder=folder)


@pytest.mark.slow
@pytest.mark.parametrize(
    "name",
    [
        "a b",
        "it's",
        'say "so"',
        "{a}",
        "a#b",
        "$HOME",
        "a&b",
        "*",
        "a;b",
        "a\\b",
        "50%",
        "-a",
        "é",
        "e\u0301",
        "a\nb",
        "~",
    ],
)
def test_each_odd_name_by_itself(small, tmp_path, name):
    assert_whole_run(small.moved(tmp_path / name))


@pytest.mark.slow
def test_the_longest_path(small, tmp_path):
    assert_whole_run(at_length(small, tmp_path, LONGEST))


@pytest.mark.slow
def test_make_setup_at_an_odd_place(project, tmp_path):
    """Without packages to install: what is tried is that nothing is called by a path that a shell or #! cannot hold."""
    folder = tmp_path / ODD
    project.folder.rename(folder)
    shutil.copy(ROOT / "Makefile", folder)
    (folder / "envs/requirements.lock").write_text("")
    setup = subprocess.run(["make", "setup", f"PYTHON={sys.executable}"], cwd=folder, capture_output=True, text=True)
    assert setup.returncode == 0, setup.stderr
    program = [folder / ".venv/bin/python", "-c", "import trainsize; print(trainsize.__file__)"]
    environment = {key: value for key, value in os.environ.items() if key != "PYTHONPATH"}
    found = subprocess.run(program, cwd="/", env=environment, capture_output=True, text=True, check=True)
    assert found.stdout == f"{folder}/workflow/scripts/trainsize/__init__.py\n"
    assert not list(tmp_path.rglob("pwned"))
