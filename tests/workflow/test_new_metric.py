"""A metric that the catalogue did not have, added there and nowhere else, is everywhere."""

import os
import subprocess
import sys

import pandas as pd
from support import LIBRARY

ENTRY = """DERIVED = (
    Metric(
        "error_top5",
        "top-5 error",
        ERROR,
        "share of images whose label is not among the five most probable classes",
        of_guessing=lambda class_counts: 1 - min(1.0, 5 / len(class_counts)),
        formula=lambda scores: 1 - scores["accuracy_top5"],
    ),
"""
SETTINGS = """
regressions: {metrics: [error_top5], targets: {error_top5: [0.05]}, bootstrap: 100}
figures: {metrics: [error_top5]}
"""
AXIS = """
from matplotlib import pyplot as plt
from trainsize.figures.axes import metric_axis
from trainsize.reference import pages
ax = plt.figure().add_subplot()
ax.plot([10, 20], [0.3, 0.2])
metric_axis(ax, "error_top5", "test")
print(ax.get_yscale(), ax.get_ylabel(), ax.yaxis.get_major_formatter()(0.2), sep="\\n")
print("".join(pages().values()).count("error_top5"))
"""


def test_a_new_metric_is_one_entry(finished):
    finished.edit(f"{LIBRARY}/runs/metrics.py", "DERIVED = (\n", ENTRY)
    finished.study.write_text(finished.study.read_text() + SETTINGS)
    assert "training" not in finished.planned_jobs()
    finished.snakemake("--cores", "2")
    runs = pd.read_parquet(finished.results / "metrics" / "runs.parquet")
    assert (runs["test_error_top5"] == 1 - runs["test_accuracy_top5"]).all()
    history = pd.read_parquet(finished.results / "metrics" / "history.parquet")
    assert (history["error_top5"] == 1 - history["accuracy_top5"]).all()
    fits = pd.read_parquet(finished.results / "regressions" / "fits.parquet")
    assert set(fits["metric"]) == {"error_top5"}
    assert (finished.results / "figures" / "curve-error_top5.png").exists()
    answers = (finished.results / "regressions" / "answers.txt").read_text()
    assert "cnn: top-5 error" in answers
    assert "top-5 error: cnn has" in answers
    assert "points less error than mlp" in answers
    assert "top-5 error" in (finished.results / "report.html").read_text()


def test_its_axis_and_its_documentation_follow(project):
    project.edit(f"{LIBRARY}/runs/metrics.py", "DERIVED = (\n", ENTRY)
    environment = os.environ | {"PYTHONPATH": str(project.folder / "workflow/scripts"), "MPLBACKEND": "agg"}
    command = [sys.executable, "-c", AXIS]
    done = subprocess.run(command, env=environment, cwd=project.folder, capture_output=True, text=True, check=True)
    scale, label, tick, mentions = done.stdout.splitlines()
    assert (scale, label, tick) == ("linear", "test top-5 error", "20.0%")
    assert int(mentions) >= 6  # in history and runs, and in the study file's metrics, targets and margins
