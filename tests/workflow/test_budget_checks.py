"""What limits a size, from Snakemake's own runs on the digits: one network has too few updates, another converges."""

import json

import pandas as pd
import pytest

STUDY = """\
title: Which network needs more training, and which more images?
dataset: digits
sizes: [40, 200, 1000]
seeds: [1, 2, 3]
subset: {method: nested, validation: 200}
budget: {updates: 30}
evaluation: {points: 10}
base: {batch_size: 32, optimizer: {name: sgd, lr: 0.05}, architecture: {name: mlp, hidden: [32]}}
models:
  short: {}
  long:
    sizes: [40, 200]
    optimizer: {lr: 0.5}
    budget: {until: converged, updates: 2000}
regressions: {metrics: [accuracy, loss], targets: {accuracy: [0.999]}, bootstrap: 100}
figures: {metrics: [accuracy], without: [samples, reliability, overlap, overlap-classes]}
"""
CHECK = ("budget: {updates: 30}", "budget: {updates: 30, check: 2}")


@pytest.fixture(scope="module")
def trained(trained_once):
    return trained_once("limits", STUDY)


def limits(project) -> pd.DataFrame:
    table = pd.read_parquet(project.results / "regressions" / "limits.parquet")
    return table[table["metric"] == "accuracy"].set_index(["model", "n"])


def test_each_network_has_its_own_limit(trained):
    found = limits(trained)
    assert found.loc[("short", 1000), "verdict"] == "budget"
    assert found.loc[("long", 40), "verdict"] == found.loc[("long", 200), "verdict"] == "data"
    assert found.loc[("short", 1000), "gain_low"] > 0
    assert found.loc["long", "train_error"].max() < 0.05
    runs = pd.read_parquet(trained.results / "metrics" / "runs.parquet").query("model == 'long'")
    assert (runs["updates"] < 2000).all()
    assert set(runs["stopped"]) == {"no better validation loss in 5 evaluations"}


def test_the_answers_and_the_page_say_so_first(trained):
    answers = (trained.results / "regressions" / "answers.txt").read_text()
    of_short = answers.partition("short: accuracy\n- ")[2]
    assert of_short.startswith("These networks were not trained to the end: with 30 updates, the accuracy is")
    page = (trained.results / "report.html").read_text()
    assert page.index("These networks were not trained to the end") < page.index('id="figures"')
    assert "What limits each size" in page
    assert "at most 2,000 updates" in page
    assert (trained.results / "figures" / "limits-accuracy.png").exists()


def test_a_check_trains_only_its_own_runs_and_tells_the_budgets_share(trained, tmp_path):
    project = trained.copy(tmp_path / "project")
    before = {path: path.read_text() for path in project.results.glob("runs/*/n*/draw*/seed*/run.json")}
    project.edit("studies/tiny.yaml", *CHECK)
    assert project.planned_jobs()["training"] == 2  # a job for each of the two largest sizes
    project.snakemake("--cores", "2")
    assert {path: path.read_text() for path in before} == before
    runs = pd.read_parquet(project.results / "metrics" / "runs.parquet")
    assert runs.groupby("model").size().to_dict() == {"short": 9, "long": 6, "short-x2": 6}
    assert set(runs.query("model == 'short-x2'")["updates"]) == {60}
    found = limits(project).loc["short"]
    assert found["check"].isna().tolist() == [True, False, False]
    assert found.loc[1000, "check_low"] > 0
    assert found.loc[1000, "check_updates"] == 60
    for name in ("fits", "comparisons", "limits", "saturation"):
        assert "short-x2" not in (project.results / "regressions" / f"{name}.parquet").read_bytes().decode("latin-1")
    assert project.planned_jobs() == {}
    assert project.planned_jobs("--profile", "slurm") == {}
    assert "x2" not in project.tool("failures")
    assert "files, all match" in project.tool("archive", "--check", archived(project))
    plan = json.loads(project.tool("plan", "--format", "json"))
    assert {row["model"]: row["to_do"] for row in plan["rows"]} == {"short": 0, "long": 0, "short-x2": 0}
    assert "NOT" not in project.tool("verify", "--runs", "21")


def archived(project) -> str:
    """Return the path of an archive of the study."""
    project.tool("archive")
    return str(project.folder / "results" / "tiny.tar.gz")
