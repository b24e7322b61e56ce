"""Reports before a study is finished, of published studies whose other versions come later, and Snakemake's own."""

import shutil

import pytest
from support import ROOT

from trainsize.common.errors import UserError
from trainsize.common.tables import read_table
from trainsize.interim import write_interim
from trainsize.metrics.tables import RUNS
from trainsize.reproduction.tables import SETTINGS, VERSIONS
from trainsize.study.reader import load_study

PUBLISHED = """\
title: A tiny version of a published study
dataset: digits
sizes: [20, 40]
seeds: [1, 2]
draws: [0]
subset: {method: first_n}
budget: {epochs: 2}
base: {batch_size: 16, optimizer: {name: sgd, lr: 0.1}}
models:
  mlp: {architecture: {name: mlp, hidden: [8]}, labels: constant}
variants:
  corrected: {draws: per_seed, models: {mlp: {labels: given}}}
"""


def files(folder) -> dict:
    return {path: path.stat().st_mtime_ns for path in folder.rglob("*") if path.is_file()}


def test_an_interim_report_says_what_is_missing_and_changes_nothing(finished):
    """One run has left its log, and the two of another size nothing."""
    shutil.rmtree(finished.results / "runs" / "mlp" / "n80" / "draw2" / "seed2")
    shutil.rmtree(finished.results / "runs" / "cnn" / "n40")
    shutil.rmtree(finished.results / "logs" / "training" / "cnn" / "n40")
    before = files(finished.folder / "results") | files(finished.folder / ".snakemake")
    page = write_interim(load_study("tiny", finished.folder / "studies"), finished.folder / "results")
    after = files(finished.folder / "results") | files(finished.folder / ".snakemake")
    assert {path: when for path, when in after.items() if "interim" not in path.parts} == before
    runs = read_table(finished.results / "interim" / RUNS.path)
    assert dict(runs["status"].value_counts()) == {"finished": 9, "missing": 3}
    page = page.read_text()
    assert "<strong>Interim report:</strong> 3 of 12 runs are missing" in page
    assert "mlp, 80 images, draw 2, seed 2: killed" in page
    assert "runs/mlp/n80/draw2/seed2 of tiny: training" in page
    assert "Not started: 2 runs of cnn with 40 images." in page
    assert "Interim report" not in (finished.results / "report.html").read_text()


def test_runs_of_other_settings_make_no_interim_report(finished):
    study = finished.folder / "studies" / "tiny.yaml"
    study.write_text(study.read_text().replace("lr: 0.1", "lr: 0.2"))
    with pytest.raises(UserError, match="12 runs finished, but none of them with the study's current settings"):
        write_interim(load_study("tiny", study.parent), finished.folder / "results")


def test_without_a_finished_run_there_is_no_interim_report(tmp_path):
    with pytest.raises(UserError, match="digits: no run is finished yet"):
        write_interim(load_study("digits", ROOT / "studies"), tmp_path)


@pytest.mark.slow
def test_a_reproduction_is_made_anew_when_another_version_has_been_run(project):
    (project.folder / "studies" / "emnist-loss.yaml").write_text(PUBLISHED)
    versions = "emnist-loss", "emnist-loss+corrected"
    as_published, corrected = (("--config", f"study={version}") for version in versions)
    folder = project.folder / "results" / versions[0]
    project.snakemake("--cores", "2", *as_published)
    assert list(read_table(folder / VERSIONS.path)["runs"]) == [4, 0]
    assert "study=emnist-loss+corrected</code> runs it" in (folder / "report.html").read_text()
    assert project.planned_jobs(*as_published) == {}
    project.snakemake("--cores", "2", *corrected)
    assert project.planned_jobs(*corrected) == {}
    assert project.planned_jobs(*as_published) == {"reproduction": 1, "report": 1, "all": 1}
    project.snakemake("--cores", "2", *as_published)
    assert list(read_table(folder / VERSIONS.path)["runs"]) == [4, 4]
    settings = read_table(folder / SETTINGS.path).set_index("setting")
    assert list(settings.loc["labels"]) == ["mlp", "constant", "given"]
    assert project.planned_jobs(*as_published) == {}
    project.snakemake("--cores", "2", *corrected, "--forcerun", "metrics")
    assert project.planned_jobs(*as_published).get("training") is None


@pytest.mark.slow
def test_snakemakes_own_report_has_the_figures_the_answers_and_the_page(finished):
    finished.snakemake("--report", "own.html")
    page = (finished.folder / "own.html").read_text()
    for name in [f"{figure.stem}.png" for figure in finished.results.glob("figures/*.pdf")]:
        assert name in page
    assert all(name in page for name in ("answers.txt", "summary.txt", "report.html", "Regressions"))
    assert finished.planned_jobs() == {}
