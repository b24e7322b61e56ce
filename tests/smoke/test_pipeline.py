"""The whole workflow on a tiny study: every stage's files are there and say the same thing."""

import base64
import json
import re

import numpy as np
import pandas as pd
import pytest
from sklearn.metrics import f1_score

from trainsize.audit.tables import FINDINGS
from trainsize.common.files import read_json, write_with_checksum
from trainsize.common.tables import read_table, write_table
from trainsize.datasets.catalogue import DATASETS
from trainsize.metrics.tables import HISTORY, RUNS
from trainsize.overlap.tables import OVERLAP
from trainsize.regressions.tables import REGRESSIONS
from trainsize.report.stage import write_report
from trainsize.study.reader import load_study
from trainsize.subsets.tables import SUBSET, SUBSETS
from trainsize.training.tables import PREDICTIONS


@pytest.fixture(scope="module")
def results(finished_project):
    return finished_project.results


def test_every_run_is_a_row(results):
    runs = pd.read_parquet(results / "metrics" / "runs.parquet")
    assert list(runs.columns) == RUNS.schema.names
    assert set(zip(runs["model"], runs["n"], runs["draw"], runs["seed"], strict=True)) == {
        (model, n, seed, seed) for model in ("cnn", "mlp") for n in (20, 40, 80) for seed in (1, 2)
    }
    assert set(runs["status"]) == {"finished"}
    assert set(runs["updates"]) == {6}
    assert set(runs["images_seen"]) == {6 * 16}
    assert set(runs["test_images"]) == {500}
    assert (runs["train_images"] == runs["n"]).all()


def test_histories_hold_every_checkpoint_and_split(results):
    history = pd.read_parquet(results / "metrics" / "history.parquet")
    assert list(history.columns) == HISTORY.schema.names
    sampled = history[history["sampled"]]
    assert len(sampled) == 12 * 2 and set(sampled["split"]) == {"test"}
    assert set(sampled["step"]) == {3, 6} and set(sampled["n_evaluated"]) == {200}
    final = history[~history["sampled"] & (history["split"] == "test")]
    assert len(final) == 12 and set(final["step"]) == {6} and set(final["n_evaluated"]) == {500}
    train = history[history["split"] == "train"]
    assert len(train) == 12 * 2 and (train["n_evaluated"] == train["n"]).all()


def test_predictions_give_the_recorded_metrics(results):
    """accuracy, macro F1 and loss, made again by scikit-learn from the stored predictions."""
    runs = pd.read_parquet(results / "metrics" / "runs.parquet")
    for run in runs.itertuples():
        folder = results / "runs" / run.model / f"n{run.n}" / f"draw{run.draw}" / f"seed{run.seed}"
        predictions = pd.read_parquet(folder / "predictions.parquet")
        assert list(predictions.columns) == PREDICTIONS.schema.names
        assert len(predictions) == 500
        assert (predictions["class_1"] == predictions["label"]).mean() == pytest.approx(run.test_accuracy)
        f1 = f1_score(predictions["label"], predictions["class_1"], average="macro")
        assert f1 == pytest.approx(run.test_f1_macro)
        ranked = predictions[[f"class_{k}" for k in range(1, 6)]].to_numpy()
        assert (np.sort(ranked)[:, 1:] != np.sort(ranked)[:, :-1]).all()


def test_two_seeds_differ(results):
    runs = pd.read_parquet(results / "metrics" / "runs.parquet")
    assert runs.groupby(["model", "n"])["test_loss"].nunique().eq(2).all()


def test_the_record_says_how_the_run_was_made(results):
    record = json.loads((results / "runs/cnn/n20/draw1/seed1/run.json").read_text())
    assert record["settings"]["model"]["optimizer"] == {
        "name": "sgd",
        "lr": 0.1,
        "momentum": 0.9,
        "nesterov": False,
        "weight_decay": 0,
        "norm_weight_decay": None,
    }
    assert record["parameters"] == 1 * 4 * 9 + 4 * 2 + (4 * 64 + 1) * 10
    assert record["versions"]["torch"]
    assert record["device"]["threads"] == 1
    assert set(record["seconds"]) == {"load", "build", "train", "evaluate", "write", "total"}


def test_subsets_and_overlap(results):
    subsets = pd.read_parquet(results / "subsets" / "subsets.parquet")
    assert set(SUBSETS.schema.names) <= set(subsets.columns)
    assert len(subsets) == 6
    small, large = (pd.read_parquet(results / "subsets" / f"n{n}" / "draw1.parquet") for n in (20, 80))
    assert set(SUBSET.schema.names) <= set(small.columns)
    assert len(small) == 20
    assert set(small["index"]) < set(large["index"])
    overlap = pd.read_parquet(results / "overlap" / "overlap.parquet")
    assert set(OVERLAP.schema.names) <= set(overlap.columns)
    assert len(overlap) == 6 * 5 / 2


def test_regressions(results):
    """Three sizes give lines but no family of curves, and two seeds no intervals; both are said."""
    tables = {name: pd.read_parquet(results / "regressions" / f"{name}.parquet") for name in REGRESSIONS}
    for name, table in REGRESSIONS.items():
        assert list(tables[name].columns) == table.schema.names
    fits = tables["fits"]
    assert set(fits.loc[fits["method"] == "published", "status"]) == {"fitted"}
    assert len(fits[fits["method"] == "published"]) == 2 * 2 * 3
    pow3 = fits[fits["method"] == "pow3"]
    assert set(pow3["status"]) == {"3 sizes, pow3 needs at least 5"}
    assert set(pow3["intervals"]) == {"no intervals: 2 seeds, at least 3 are needed (allow_few_seeds overrides)"}
    assert len(tables["comparisons"]) == 3 * 3
    assert len(tables["classes"]) == 2 * 3 * 10
    assert (results / "regressions" / "summary.txt").read_text().count("OLS") == 2 * 2 * 3
    assert set(fits.loc[fits["chosen"].eq(True), "method"]) == {"damped_trend"}
    answers = (results / "regressions" / "answers.txt").read_text()
    assert answers.startswith("cnn: accuracy\n- These networks do not fit their training images: with 6 updates, the")
    assert "\n- Curve: a damped trend, which assumes no family of curves. 3 sizes over a factor of" in answers
    assert "say little about larger ones: take the answers as guesses. No intervals: 2 seeds" in answers


def test_the_audit_of_honest_runs_is_one_sentence(results):
    findings = pd.read_parquet(results / "audit" / "findings.parquet")
    assert list(findings.columns) == FINDINGS.schema.names
    assert set(findings["table"]) >= {"cnn", "mlp"}
    assert not set(findings["status"]) & {"finding", "question"}
    page = (results / "report.html").read_text()
    assert f"The auditor found nothing in the numbers of the runs: {sum(findings['status'] == 'clear')} check" in page


def test_a_remark_of_the_auditor_is_in_the_report(finished):
    path = finished.results / "audit" / "findings.parquet"
    findings = read_table(path)
    findings.loc[0, ["status", "statistic", "meaning"]] = ["finding", "as many as 64 < 500", "measured on 64 images"]
    write_table(path, FINDINGS, findings)
    study = load_study("tiny", finished.folder / "studies")
    manifest = finished.folder / "results" / "datasets" / "digits" / "manifest.json"
    write_report(study.card(), finished.results, manifest, finished.folder / "report.html")
    page = (finished.folder / "report.html").read_text()
    assert "The auditor has 1 remark on" in page
    assert '<td class="text">as many as 64 &lt; 500</td>' in page
    assert "The auditor found nothing" not in page


def test_a_diverged_run_is_listed_with_its_log(finished):
    path = finished.results / RUNS.path
    runs = read_table(path)
    runs.loc[0, ["status", "reason"]] = ["diverged", "the loss is not finite & <odd>"]
    write_table(path, RUNS, runs)
    study = load_study("tiny", finished.folder / "studies")
    manifest = finished.folder / "results" / "datasets" / "digits" / "manifest.json"
    write_report(study.card(), finished.results, manifest, finished.folder / "report.html")
    page = (finished.folder / "report.html").read_text()
    assert "cnn, 20 images, draw 1, seed 1: the loss is not finite &amp; &lt;odd&gt;<pre>" in page
    assert "runs/cnn/n20/draw1/seed1 of tiny: training" in page
    assert "runs/cnn/n20/draw2/seed2 of tiny: training" not in page


def test_images_that_were_left_out_are_told(finished):
    path = finished.folder / "results" / "datasets" / "digits" / "manifest.json"
    spoilt = {"train": [f"a/{k}.png: not a complete image (<cut>)" for k in range(1200)], "test": []}
    write_with_checksum(path, read_json(path) | {"unreadable": spoilt})
    study = load_study("tiny", finished.folder / "studies")
    write_report(study.card(), finished.results, path, finished.folder / "report.html")
    page = (finished.folder / "report.html").read_text()
    assert "left out: 1,200 training and 0 test images" in page
    assert "<li>a/4.png: not a complete image (&lt;cut&gt;)</li>" in page
    assert "a/5.png" not in page


def test_the_report_stands_alone(results):
    page = (results / "report.html").read_text()
    assert page.startswith("<!doctype html>")
    assert "A tiny study" in page
    assert all(text in page for text in DATASETS["digits"].origin.values())
    assert not re.search(r"src=\"(?!data:)", page)
    assert all((results / link).is_file() for link in re.findall(r"href=\"(?!#)([^\"]+)", page))
    images = re.findall(r"data:image/png;base64,([^\"]+)", page)
    assert (
        len(images) == len(list((results / "figures").glob("*.png"))) == len(list((results / "figures").glob("*.pdf")))
    )
    assert all(base64.b64decode(image).startswith(b"\x89PNG") for image in images)
    runs = pd.read_parquet(results / "metrics" / "runs.parquet")
    best = runs[(runs["model"] == "cnn") & (runs["n"] == 80)]["test_accuracy"].mean()
    assert f"{100 * best:.2f} %" in page
