"""The auditor on the published numbers, on planted errors of many shapes, and on what it cannot know."""

import gzip
import json
import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
from pyarrow import parquet
from scipy import stats
from support import independent_errors

from trainsize.audit import __main__
from trainsize.audit.__main__ import main
from trainsize.audit.facts import Facts, facts_of
from trainsize.audit.findings import CLEAR, FINDING, QUESTION, UNTESTED, Finding
from trainsize.audit.last_batch import last_batch
from trainsize.audit.scores import expected_maximum
from trainsize.audit.sheet import sheet_of_texts
from trainsize.audit.stage import audit, audit_study
from trainsize.audit.tables import FINDINGS
from trainsize.common.errors import UserError
from trainsize.common.fingerprint import SCRIPTS
from trainsize.common.tables import PARQUET_OPTIONS, read_table, with_file_metadata
from trainsize.datasets.prepared import write_manifest
from trainsize.published import printed

SIZES = "100 200 400 800 1600 3200"


def table(**columns) -> pd.DataFrame:
    """Return a table of texts, as a CSV file holds it."""
    return pd.DataFrame({name: [str(value) for value in values] for name, values in columns.items()})


def findings(frame: pd.DataFrame, status: str = FINDING, **facts) -> dict[str, list[Finding]]:
    """Audit a table and return the findings (or those of another status) by check."""
    found: dict[str, list[Finding]] = {}
    for finding in audit([(sheet_of_texts(frame.astype(str), "table"), facts_of(**facts))]):
        if finding.status == status:
            found.setdefault(finding.check, []).append(finding)
    return found


@pytest.fixture(scope="module")
def of_published() -> dict[str, list[Finding]]:
    return {study: audit(__main__.sheets(study)) for study in printed.STUDIES}


def named(findings: list[Finding], check: str, table: str = "", status: str = FINDING) -> list[Finding]:
    return [f for f in findings if (f.check, f.status) == (check, status) and f.table.startswith(table)]


# -- the published numbers ------------------------------------------------------------------------------------------


def test_ga_letters_shows_its_last_batch(of_published):
    (grid,) = named(of_published["ga-letters"], "last-batch")
    assert "fit as printed is 64" in grid.statistic
    assert "last batch of 72" in grid.meaning
    assert grid.p_adjusted < 1e-20
    (spread,) = named(of_published["ga-letters"], "seed-spread")
    assert "mean box height 0.0639, expected 0.060" in spread.statistic


def test_ga_letters_shows_dropped_rows_and_micro_f1(of_published):
    rows = named(of_published["ga-letters"], "row-dropout", "regressions")
    assert len(rows) == 2
    assert all("for a rate of 0.5" in finding.statistic for finding in rows)
    (f1,) = named(of_published["ga-letters"], "f1-is-accuracy")
    assert "all 8 numbers" in f1.statistic
    assert f1.p_adjusted < 1e-4


def test_ga_letters_outlier_is_none_and_its_line_leaves_the_possible(of_published):
    outliers = {f.subject: f for f in named(of_published["ga-letters"], "outlier")}
    accuracy = outliers["test_accuracy, 11 sizes, n = 12,000"]
    assert "0.8823 against 0.951 predicted" in accuracy.statistic
    assert "residual -3.86 on 8 degrees of freedom, p 0.0048, Bonferroni over 11 sizes 0.053" in accuracy.statistic
    assert "leverage 0.477" in accuracy.statistic
    ranges = {f.subject: f.statistic for f in named(of_published["ga-letters"], "fit-range")}
    assert ranges["test_accuracy, 11 sizes"] == "1 is reached at n = 57,669; predicted at n = 124,800: 1.04"
    assert ranges["test_loss, 11 sizes"].startswith("0 is reached at n = 45,365")
    assert len(ranges) == 6


def test_emnist_loss_shows_the_floor_and_the_labels(of_published):
    (floor,) = named(of_published["emnist-loss"], "loss-floor")
    assert "1.310, 1.032, 1.005, 1.001" in floor.statistic
    labels = [f.statistic for f in named(of_published["emnist-loss"], "labels")]
    assert labels[0] == "47 classes found, 62 expected"
    assert labels[1].startswith("697,931 rows, one fewer than emnist-byclass")
    (updates,) = named(of_published["emnist-loss"], "unequal-training")
    assert "77.5 times" in updates.statistic


def test_fashion_hyperparameters_shows_the_leaking_folds(of_published):
    folds = {f.subject: f for f in named(of_published["fashion-hyperparameters"], "fold-order")}
    assert set(folds) == {"validation_accuracy", "first_loss", "last_loss"}
    assert max(f.p_adjusted for f in folds.values()) < 0.005
    assert "by all 120 orders p 0.0083" in folds["validation_accuracy"].statistic
    assert not named(of_published["fashion-hyperparameters"], "last-batch")


def test_imagenet_volume_shows_decays_options_and_best_epochs(of_published):
    found = of_published["imagenet-volume"]
    (decays,) = named(found, "unequal-training", "table6")
    assert decays.subject == "MobileNetV2"
    assert decays.statistic == "decays: 90 at 5 sizes, 120 at 75 %"
    (run,) = [f for f in named(found, "unequal-training", "derived") if f.subject == "ResNet50"]
    assert "8.33 at 2 sizes, 1.04 at 12.5 %" in run.statistic
    assert "lr_step 30 with scheduler cosineannealinglr" in named(found, "unused-option", "commands")[0].statistic
    best = {f.subject: f.statistic for f in named(found, "best-of-many")}
    assert best["MobileNetV2"].startswith("best of 90 to 1,800 evaluations on 50,000 images: up to 0.55 to 0.76 points")


def test_expected_maximum_is_that_of_the_order_statistic():
    assert expected_maximum(1) == 0
    assert expected_maximum(2) == pytest.approx(1 / np.sqrt(np.pi), abs=1e-9)
    assert expected_maximum(10) == pytest.approx(1.5387527308, abs=1e-8)
    draws = np.random.default_rng(1).standard_normal((2000, 1800)).max(axis=1)
    assert expected_maximum(1800) == pytest.approx(draws.mean(), abs=4 * draws.std() / np.sqrt(2000))


# -- planted errors of other shapes ---------------------------------------------------------------------------------


def runs(rng, k: int, n_sizes: int = 8, seeds: int = 5, low: float = 0.6, high: float = 0.93) -> pd.DataFrame:
    """Return scores of runs that were each evaluated on k images of their own."""
    n = np.repeat(np.geomspace(100, 20_000, n_sizes).astype(int), seeds)
    p = np.repeat(np.linspace(low, high, n_sizes), seeds)
    return pd.DataFrame({"n": n, "seed": np.tile(range(seeds), n_sizes), "accuracy": rng.binomial(k, p) / k})


@pytest.mark.parametrize("known_batch", [True, False])
@pytest.mark.parametrize(
    ("n_test", "batch", "digits", "percent"),
    [
        (10_000, 128, 4, False),
        (10_000, 128, 2, False),
        (10_000, 128, 1, True),
        (10_000, 32, 3, False),
        (10_000, 256, 2, True),
        (26_032, 64, 3, False),
        (20_800, 72, 4, False),
        (10_000, 100, 4, False),
        (13_800, 128, 3, False),
        (50_000, 192, 4, False),
        (2_007, 64, 3, False),
    ],
)
def test_a_last_batch_is_found(n_test, batch, digits, percent, known_batch):
    k = last_batch(n_test, batch)
    data = runs(np.random.default_rng(n_test + batch), k)
    scale, sign = (100, "%") if percent else (1, "")
    data["accuracy"] = [f"{scale * value:.{digits}f}{sign}" for value in data["accuracy"]]
    found = findings(data, n_test=n_test, batch_size=batch if known_batch else None)
    (grid,) = found["last-batch"]
    assert f"is {k}" in grid.statistic
    assert ("last batch of" if known_batch else f"measured on {k} images") in grid.meaning
    assert found["seed-spread"]


def test_two_digits_cannot_show_a_batch_of_a_hundred():
    data = runs(np.random.default_rng(0), 100)
    data["accuracy"] = [f"{value:.2f}" for value in data["accuracy"]]
    assert "last-batch" not in findings(data, n_test=10_000)
    (clear,) = findings(data, status="clear", n_test=10_000)["last-batch"]
    visible = int(clear.meaning.rsplit(" ", 1)[1])
    assert 8 <= visible < 100  # and the limit of what could be seen is said


@pytest.mark.parametrize("odd", ["0.90", "0.9000", "0.925"])
def test_a_number_with_more_digits_says_nothing_of_the_others(odd):
    accuracy = ["0.88", "0.84", "0.79", "0.61", "0.68", "0.74", "0.91", "0.93", "0.94", "0.95", "0.96"]
    assert "last-batch" not in findings(table(accuracy=[*accuracy, odd]), n_test=10_000)


def test_numbers_printed_with_more_digits_than_they_have_are_tested():
    rng = np.random.default_rng(10)
    printed = [repr(float(share)) for share in np.append(rng.binomial(64, 0.8, 20) / 64, [11 / 17_000, 7 / 17])]
    assert max(map(len, printed)) > 20
    assert "last-batch" in findings(table(accuracy=printed), status="clear", n_test=10_000)


def test_too_few_values_are_said_to_be_too_few():
    found = findings(table(accuracy=["0.91", "0.92"]), status=UNTESTED, n_test=10_000)
    assert "too few values or digits" in found["last-batch"][0].meaning


def test_an_unknown_test_set_makes_a_grid_a_question():
    data = runs(np.random.default_rng(2), 64)
    assert "64 images or a multiple" in findings(data, status=QUESTION)["last-batch"][0].meaning
    assert "last-batch" not in findings(data)
    assert "last-batch" not in findings(data, n_test=64)


def test_means_over_runs_lie_on_a_finer_grid():
    data = runs(np.random.default_rng(3), 16, n_sizes=20, seeds=4).groupby("n", as_index=False)["accuracy"].mean()
    data = data.assign(accuracy=data["accuracy"].map("{:.4f}".format), statistic="mean", runs=4)
    assert "is 16" in findings(data, n_test=10_000, batch_size=128)["last-batch"][0].statistic
    assert "last-batch" not in findings(data.drop(columns="runs"), n_test=10_000)


def test_a_model_with_a_last_batch_is_named_among_honest_ones():
    rng = np.random.default_rng(4)
    data = pd.concat([runs(rng, 16).assign(model="quick"), runs(rng, 10_000).assign(model="whole")])
    data["accuracy"] = data["accuracy"].map("{:.4f}".format)
    (grid,) = findings(data, n_test=10_000)["last-batch"]
    assert grid.subject == "test_accuracy, quick"


@pytest.mark.parametrize("batch_size", [None, 100, 60])
def test_a_batch_size_hides_no_grid(batch_size):
    rng = np.random.default_rng(1)
    data = table(accuracy=[f"{rng.binomial(16, p) / 16:.2f}" for p in np.linspace(0.3, 0.95, 40)])
    (grid,) = findings(data, n_test=10_000, batch_size=batch_size)["last-batch"]
    assert "is 16" in grid.statistic
    assert "multiple" not in grid.meaning


def test_a_batch_that_values_could_not_show_is_not_visible():
    data = table(accuracy=["0.61", "0.68", "0.74", "0.79", "0.83", "0.87"])
    meanings = [
        findings(data, "clear", n_test=10_000, batch_size=size)["last-batch"][0].meaning for size in (None, 100)
    ]
    most = [int(meaning.rsplit(" ", 1)[1]) for meaning in meanings]
    assert most[1] <= most[0] < 100


def test_a_training_score_repeated_at_all_sizes_is_one_value():
    data = table(n=[100, 200, 500, 1000, 2000, 5000], train_accuracy=["0.1000"] * 6)
    assert "last-batch" not in findings(data)
    assert "last-batch" not in findings(data, batch_size=64)


@pytest.mark.parametrize("known_batch", [True, False])
@pytest.mark.parametrize("batch", [72, 128])
def test_training_scores_of_the_last_batch_are_found(batch, known_batch):
    rng = np.random.default_rng(batch)
    n = np.repeat([750, 800, 1000, 1200, 1500, 2000, 2400, 3000, 4000], 5)
    scores = rng.binomial(last_batch(n, batch), 0.7) / last_batch(n, batch)
    data = table(n=n, train_accuracy=[f"{score:.4f}" for score in scores])
    (grid,) = findings(data, batch_size=batch if known_batch else None)["last-batch"]
    assert f"last batch of {batch}" in grid.statistic
    honest = table(n=n, train_accuracy=[f"{score:.4f}" for score in rng.binomial(n, 0.7) / n])
    assert "last-batch" not in findings(honest, batch_size=batch if known_batch else None)


def test_a_real_spread_of_seeds_is_more_than_the_last_batch():
    rng = np.random.default_rng(5)
    data = runs(rng, 64)
    shifted = np.clip(data["accuracy"] + rng.normal(0, 0.12, len(data)), 0.2, 0.95)
    data["accuracy"] = [f"{round(64 * value) / 64:.4f}" for value in shifted]
    found = findings(data, n_test=20_800, batch_size=72)
    assert found["last-batch"]
    assert "seed-spread" not in found


def test_runs_on_the_same_few_images_differ_by_less():
    rng = np.random.default_rng(11)
    n, level = np.repeat([100, 200, 500, 1000, 2000, 5000], 5), np.repeat([0.6, 0.7, 0.78, 0.84, 0.88, 0.91], 5)
    scores = (np.round(64 * level) + rng.integers(-1, 2, 30)) / 64
    data = table(n=n, accuracy=[f"{score:.4f}" for score in scores])
    assert "seed-spread" not in findings(data, n_test=20_800, batch_size=72)
    (spread,) = findings(data, "clear", n_test=20_800, batch_size=72)["seed-spread"]
    assert "they share the images" in spread.meaning


def boxes(runs: int, height: int, models: str = "a") -> pd.DataFrame:
    """Return boxes of runs on 64 images each, about medians that depend on size and model, `height` images high."""
    medians = {
        (model, n): 26 + 4 * place + 8 * models.index(model)
        for model in models
        for place, n in enumerate(SIZES.split()[:5])
    }
    rows = [
        (model, n, statistic, runs if statistic == "median" else "", f"{(median + away) / 64:.6f}")
        for (model, n), median in medians.items()
        for statistic, away in (("q1", -height / 2), ("median", 0), ("q3", height / 2))
    ]
    return pd.DataFrame(rows, columns=["model", "n", "statistic", "runs", "accuracy"])


BOXES = {"n_test": 20_800, "batch_size": 72}


def test_values_too_few_for_a_grid_say_nothing_of_the_spread():
    data = table(accuracy=["0.888888888889", "0.777777777778", "0.888888888889"])
    assert not findings(data, n_test=10_000)


def test_boxes_of_several_models_are_compared_model_by_model():
    (alone,) = findings(boxes(10, 6), **BOXES)["seed-spread"]
    (both,) = findings(boxes(10, 6, "ab"), **BOXES)["seed-spread"]
    assert "mean box height 0.0938" in alone.statistic
    assert alone.statistic.split(";")[1].split(",")[0] == both.statistic.split(";")[1].split(",")[0]  # mean range
    assert "5 sizes" in alone.statistic
    assert "10 sizes" in both.statistic


def test_boxes_of_runs_on_the_same_images_and_of_single_runs():
    (shared,) = findings(boxes(10, 2), "clear", **BOXES)["seed-spread"]
    assert "they share the images" in shared.meaning
    assert "two runs or more" in findings(boxes(1, 4), UNTESTED, **BOXES)["seed-spread"][0].meaning


def test_f1_that_is_accuracy_is_found_and_macro_f1_is_not():
    accuracy = np.random.default_rng(6).uniform(0.7, 0.9, 12)
    printed = [f"{100 * value:.2f}" for value in accuracy]
    assert findings(table(test_acc=printed, test_f1=printed), classes=10)["f1-is-accuracy"]
    other = [f"{100 * value - 0.04:.2f}" for value in accuracy]
    assert "f1-is-accuracy" not in findings(table(test_acc=printed, test_f1=other))
    (asked,) = findings(table(test_acc=printed, test_f1=printed), QUESTION)["f1-is-accuracy"]
    assert "unless there are two classes" in asked.meaning
    two = findings(table(test_acc=printed, test_f1=printed), UNTESTED, classes=2)["f1-is-accuracy"][0]
    assert "for two classes macro F1 may print the same" in two.meaning
    few = [f"{value:.2f}" for value in accuracy]
    assert "so few digits" in findings(table(test_acc=few, test_f1=few), status=UNTESTED)["f1-is-accuracy"][0].meaning


@pytest.mark.parametrize("loss", ["1.19e-07", "0.00000012", "2.4e-7", "0.000000e0"])
def test_losses_at_the_floor_are_found(loss):
    assert findings(table(loss=["0.51", loss]))["loss-floor"]


def test_a_loss_printed_as_zero_is_no_floor():
    assert "too few digits" in findings(table(loss=["0.51", "0.000"]), status=UNTESTED)["loss-floor"][0].meaning
    assert "loss-floor" not in findings(table(loss=["0.51", "0.00002"]))


@pytest.mark.parametrize(("classes", "rate"), [(10, 0.5), (46, 0.5), (100, 0.3)])
def test_dropped_rows_are_found(classes, rate):
    rng = np.random.default_rng(classes)
    n = np.repeat([500, 1000, 2000, 4000], 3)
    accuracy = 1 - rate + rate / classes + rng.normal(0, 0.02, 12)
    loss = rate * np.log(classes) + rng.normal(0, 0.02, 12)
    data = pd.DataFrame({"n": n, "train_accuracy": accuracy.round(4), "train_loss": loss.round(4)})
    data["test_accuracy"] = np.repeat([0.80, 0.85, 0.88, 0.9], 3)
    assert findings(data, classes=classes, dropout=rate)["row-dropout"]
    assert findings(data.drop(columns="test_accuracy"), QUESTION, classes=classes, dropout=rate)["row-dropout"]
    assert "--classes" in findings(data, UNTESTED)["row-dropout"][0].meaning
    assert "row-dropout" not in findings(data.assign(test_accuracy=accuracy.round(4)), classes=classes, dropout=rate)


def test_models_and_sizes_without_training_scores_are_no_dropped_rows():
    n, test = [100, 200, 400] * 2, ["0.80", "0.80", "0.85"] * 2
    other = table(
        model=list("aaabbb"),
        n=n,
        train_accuracy=["0.9"] * 3 + [""] * 3,
        train_loss=["0.3"] * 3 + [""] * 3,
        test_accuracy=test,
    )
    assert "row-dropout" not in findings(other, classes=10)
    rising = table(
        n=[100, 200, 400, 800],
        train_accuracy=["0.40", "0.55", "0.70", ""],
        train_loss=["1.9", "1.15", "0.4", ""],
        test_accuracy=["0.8", "0.8", "0.8", "0.9"],
    )
    assert "row-dropout" not in findings(rising, classes=10)


def repeated(seeds: int = 5, digits: int = 4, copied: bool = True) -> pd.DataFrame:
    """Return runs on 10,000 test images of which all seeds have the values of the first, if `copied`."""
    errors = independent_errors(np.random.default_rng(0), np.array([0.4, 0.2, 0.15, 0.1]), seeds, 10_000)
    rows = [
        (n, seed, f"{1 - errors[0 if copied else seed, j]:.{digits}f}")
        for seed in range(seeds)
        for j, n in enumerate((100, 200, 400, 800))
    ]
    return pd.DataFrame(rows, columns=["n", "seed", "accuracy"])


def test_a_seed_that_was_not_used_is_found():
    (found,) = findings(repeated(), n_test=10_000)["identical-runs"]
    assert found.statistic == "all 5 repetitions gave exactly the same test_accuracy at every size"
    assert found.p_adjusted < 1e-4
    assert "identical-runs" in findings(repeated().drop(columns="seed"))
    assert "identical-runs" not in findings(repeated(copied=False), n_test=10_000)
    assert "identical-runs" not in findings(repeated(seeds=2, digits=2))  # too coarse to show a spread


def test_a_copied_seed_is_named_within_its_model():
    other, own = repeated(copied=False).assign(model="a"), repeated(copied=False).assign(model="b")
    own.loc[own["seed"] == 3, "accuracy"] = own.loc[own["seed"] == 1, "accuracy"].to_numpy()
    (found,) = findings(pd.concat([other, own], ignore_index=True))["identical-runs"]
    assert (found.subject, found.statistic.partition(" gave")[0]) == ("b, test_accuracy", "repetitions 1 and 3")


def test_a_model_that_only_guesses_is_a_question():
    (found,) = findings(repeated().assign(accuracy="0.1"), QUESTION)["identical-runs"]
    assert found.statistic == "0.1 at every size, in every run, as by guessing"


@pytest.mark.parametrize("folds", [5, 10])
def test_leaking_folds_are_found_among_several_models(folds):
    rng = np.random.default_rng(folds)
    fold = np.tile(np.arange(1, folds + 1), 2)
    scores = 88 + 8 * (1 - 0.6**fold) + rng.normal(0, 0.3, 2 * folds)
    data = table(model=["a"] * folds + ["b"] * folds, fold=fold, val_acc=[f"{value:.1f}" for value in scores])
    assert findings(data)["fold-order"]
    assert "fold-order" not in findings(data.assign(fold=rng.permutation(folds).tolist() * 2))
    assert "at least 4" in findings(data[data["fold"].isin(["1", "2", "3"])], UNTESTED)["fold-order"][0].meaning


def test_models_that_lack_folds_make_no_trend():
    begins = {"a": (0.7, 1), "b": (0.9, 3), "c": (0.9, 5), "d": (0.95, 7)}
    rows = [(model, fold, level) for model, (level, first) in begins.items() for fold in range(first, 11)]
    data = pd.DataFrame(rows, columns=["model", "fold", "val_acc"])
    data["val_acc"] = [f"{x:.4f}" for x in data["val_acc"] + np.random.default_rng(3).normal(0, 0.003, len(data))]
    assert "fold-order" not in findings(data)


def test_equal_passes_and_equal_updates():
    n = [1000, 2000, 4000]
    passes = findings(table(n=n, epochs=[20, 20, 20]), batch_size=50)["unequal-training"][0]
    assert "from 400 at n = 1,000 to 1,600 at n = 4,000" in passes.statistic
    assert "unequal-training" not in findings(table(n=n, epochs=[80, 40, 20]), batch_size=50)
    assert "unequal-training" not in findings(table(n=n, updates=[500, 500, 500]))


def test_runs_that_stopped_early_are_compared_by_their_medians():
    updates = [480, 500, 520, 500, 490, 510]
    assert "unequal-training" not in findings(table(n=[100] * 3 + [200] * 3, updates=updates))
    assert findings(table(n=[100] * 3 + [200] * 3, updates=[480, 500, 520, 800, 890, 810]))["unequal-training"]


def test_a_batch_size_in_the_table_is_used():
    data = runs(np.random.default_rng(9), 16).assign(batch_size=128)
    assert "as many as the last batch of 128 has" in findings(data, n_test=10_000)["last-batch"][0].meaning


@pytest.mark.parametrize(
    "columns",
    [
        {"command": ["train.py --ra-sampler --ra-reps 4"]},
        {"command": ["train.py --ra-reps=4 --ra-sampler"]},
        {"optimizer": ["adam", "sgd"], "momentum": ["0", "0.9"]},
        {"command": ["train.py --opt adam --momentum 0.0"]},
    ],
)
def test_flags_are_given_and_zeros_are_not(columns):
    assert "unused-option" not in findings(table(**columns))


def test_options_of_a_command_with_another_meaning_fill_no_column():
    command = "train.py --loss cross_entropy --precision 16 --size 224 --metric top1 --epochs 90"
    sheet = sheet_of_texts(table(command=[command], accuracy=["0.9134"]), "t")
    assert set(sheet.rows) == {"command", "test_accuracy", "epochs"}
    assert sheet.half["test_accuracy"].tolist() == pytest.approx([5e-5])


def test_options_without_effect_in_columns_and_commands():
    assert findings(table(command=["train.py --ra-reps 4"]))["unused-option"]
    unused = findings(table(optimizer=["Adam"], momentum=["0.9"]))["unused-option"][0].statistic
    assert unused == "momentum 0.9 with optimizer Adam"
    command = "python train.py --lr-scheduler=cosineannealinglr --lr-gamma 0.1 --epochs 90"
    assert "lr_gamma 0.1" in findings(table(command=[command]))["unused-option"][0].statistic
    assert "unused-option" not in findings(table(command=["train.py --lr-scheduler steplr --lr-step-size 30"]))


def test_a_line_is_judged_within_the_sizes_that_are_known():
    line = table(metric=["test_accuracy"], intercept=["0.30"], slope=["0.15"], sizes=["100 1000 10000"])
    assert "fit-range" not in findings(line)
    assert "n = 46,416" in findings(line, n_train=60_000)["fit-range"][0].statistic
    percent = table(metric=["test_accuracy"], intercept=["30"], slope=["15"], sizes=["100 1000 10000"])
    assert "1 is reached at n = 46,416" in findings(percent, n_train=60_000)["fit-range"][0].statistic
    assert "--n-train" in findings(line.drop(columns="sizes"), UNTESTED)["fit-range"][0].meaning


def test_a_line_without_sizes_is_judged_at_the_largest_size_only():
    line = table(metric=["test_accuracy"], intercept=["-0.2"], slope=["0.25"])
    assert "fit-range" not in findings(line, n_train=60_000)
    assert findings(line, "clear", n_train=60_000)["fit-range"][0].statistic == "0.9945 at n = 60,000"


def test_a_limit_that_no_size_reaches_is_left_out():
    flat = table(metric=["test_accuracy"], intercept=["1.2"], slope=["-0.00001"], sizes=["10 100"])
    assert findings(flat)["fit-range"][0].statistic == "predicted at n = 100: 1.2"


FITS = {
    "test_accuracy": (0.43441, 0.08812, 0.007, 28.456),
    "test_f1": (0.43441, 0.08812, 0.007, 28.456),
    "train_accuracy": (0.530, -0.002, 0.01, 25.808),
    "train_loss": (1.62, 0.0, 0.07, 11.797),
}


def printed_fits(scale: int = 1, sizes: str = SIZES, level: float = 0.0) -> pd.DataFrame:
    """Return FITS, or with the accuracies raised by `level`, as printed as fractions (scale 1) or in per cent (100)."""
    rows = []
    for metric, (intercept, slope, error, likelihood) in FITS.items():
        factor, digits = (1, 5) if metric.endswith("loss") else (scale, 5 - 2 * (scale > 1))
        numbers = [f"{factor * number:.{digits}f}" for number in (intercept + level, slope, error)]
        rows.append((metric, *numbers, f"{likelihood - len(sizes.split()) * np.log(factor):.6f}", sizes))
    return pd.DataFrame(rows, columns=["metric", "intercept", "slope", "slope_se", "log_likelihood", "sizes"])


def test_regressions_in_per_cent_say_what_those_of_fractions_say():
    fractions, percents = (
        pd.concat([printed_fits(scale), printed_fits(scale, SIZES.removesuffix(" 3200"), level=0.01)])
        for scale in (1, 100)
    )
    expected, found = (
        audit([(sheet_of_texts(fits, "t"), facts_of(classes=26, n_train=60_000))]) for fits in (fractions, percents)
    )
    said = [(f.check, f.status, f.subject, f.statistic, f.meaning) for f in found]
    assert said == [(f.check, f.status, f.subject, f.statistic, f.meaning) for f in expected]
    assert {"row-dropout", "f1-is-accuracy"} <= {f.check for f in found if f.status == FINDING}
    assert any(f.check == "outlier" and f.statistic for f in found)


def test_sizes_of_regressions_are_compared_as_numbers():
    fits = printed_fits()
    fits.loc[fits["metric"] == "test_f1", "sizes"] = "3,200; 1600; 800; 400; 200; 100"
    assert "all 2 numbers" in findings(fits, classes=26)["f1-is-accuracy"][0].statistic


def test_missing_coefficients_are_not_equal_ones():
    fits = pd.concat([printed_fits().assign(model=model) for model in "abcd"])
    fits.loc[fits["metric"] == "test_f1", "intercept"] = ""
    assert "f1-is-accuracy" not in findings(fits, classes=26)


def test_removed_sizes_are_judged_by_their_residual():
    n = np.array([100, 200, 400, 800, 1600, 3200, 6400, 12800])
    noise = np.array([4, -3, 1, -2, 3, -4, 2, 0]) / 1000
    accuracy = 0.3 + 0.12 * np.log10(n) + noise
    removed = ["no"] * 7 + ["yes"]
    kept = findings(table(n=n, test_accuracy=accuracy.round(4), removed=removed))["outlier"][0]
    accuracy[-1] -= 0.1
    assert "outlier" not in findings(table(n=n, test_accuracy=accuracy.round(4), removed=removed))
    x = np.log10(n)
    fit = stats.linregress(x[:-1], (0.3 + 0.12 * x + noise)[:-1].round(4))
    assert f"{fit.intercept + fit.slope * x[-1]:.4g} predicted" in kept.statistic


def test_a_removed_seed_leaves_the_others_of_its_size():
    n = np.repeat([100, 200, 400, 800, 1600], 2)
    accuracy = (0.3 + 0.12 * np.log10(n) + np.array([4, -3, 1, -2, 3, -4, 2, 0, -1, 1]) / 1000).round(4)
    removed = ["no"] * 10
    accuracy[5], removed[5] = 0.2, "yes"
    (found,) = findings(table(n=n, test_accuracy=accuracy, removed=removed), "clear")["outlier"]
    assert found.subject == "test_accuracy, n = 400"
    assert "0.2 against 0.61" in found.statistic
    assert "on 3 degrees of freedom" in found.statistic


@pytest.mark.parametrize(
    ("columns", "check", "reason"),
    [
        ({"percent": [10, 100], "removed": ["no", "yes"], "accuracy": ["0.7", "0.8"]}, "outlier", "no column n"),
        ({"n": [1, 2, 3], "removed": ["no", "no", "yes"], "loss": [3, 2, 1]}, "outlier", "2 sizes kept; at least 3"),
        ({"fold": range(5), "val_acc": ["0.9"] * 5}, "fold-order", "the same in every fold"),
        ({"model": list("abcd"), "fold": range(4), "val_acc": [0.1, 0.2, 0.3, 0.4]}, "fold-order", "no model has a"),
        (
            {"selection": ["best", "last"], "evaluations": ["", "7"], "accuracy": ["0.9", "0.8"]},
            "best-of-many",
            "no number of evaluations",
        ),
    ],
)
def test_a_check_that_is_not_made_says_why(columns, check, reason):
    assert reason in findings(table(**columns), UNTESTED, n_test=10_000)[check][0].meaning


def test_two_removed_sizes_are_judged_against_the_kept_ones():
    n = np.array([100, 200, 400, 800, 1600, 3200, 6400, 12800])
    accuracy = 0.3 + 0.12 * np.log10(n) + np.array([4, -3, 1, -2, 3, -4, -150, -200]) / 1000
    removed = ["no"] * 6 + ["yes"] * 2
    found = findings(table(n=n, test_accuracy=accuracy.round(4), removed=removed), status="clear")["outlier"]
    assert [finding.subject for finding in found] == ["test_accuracy, n = 6,400", "test_accuracy, n = 12,800"]


def test_labels_are_those_of_the_row_s_own_data_set_or_else_of_the_facts():
    row = {"classes": ["3"] * 6, "n": range(1, 7)}
    assert "labels" not in findings(table(**row), dataset="mnist", classes=3)
    (one,) = findings(table(**row), dataset="mnist")["labels"]
    assert one.statistic == "3 classes found, 10 expected"
    assert findings(table(**row, dataset=["Mnist"] * 6), classes=3)["labels"][0].statistic == one.statistic
    own = table(dataset=["my-set", "mnits"], classes=["3", "3"], rows=["59999", "59999"])
    assert "labels" not in findings(own, QUESTION, classes=3)
    unknown = [finding.meaning for finding in findings(own, UNTESTED, classes=3)["labels"]]
    assert [meaning.split(";")[0] for meaning in unknown] == [f"unknown data set '{x}'" for x in ("my-set", "mnits")]
    assert "did you mean 'mnist'?" in unknown[1]


def test_labels_lost_rows_and_constant_labels():
    assert "header" in findings(table(dataset=["mnist"], rows=["59,999"]))["labels"][0].meaning
    assert "labels" not in findings(table(dataset=["mnist"], rows=["60,000"], classes=["10"]))
    assert findings(table(classes=["1"]))["labels"]
    assert "mnist (60,000)" in findings(table(rows=["59999"]), QUESTION)["labels"][0].statistic


# -- the study's own runs and the command ----------------------------------------------------------------------------


def written(path, table: pd.DataFrame) -> None:
    """Write a table of whatever columns as the workflow's are written."""
    arrow = pa.Table.from_pandas(table, preserve_index=False)
    parquet.write_table(arrow.cast(with_file_metadata(arrow.schema, path)), path, **PARQUET_OPTIONS)


def test_own_runs_are_audited_model_by_model(tmp_path):
    rng = np.random.default_rng(8)
    own = runs(rng, 500).rename(columns={"accuracy": "test_accuracy"}).assign(model="whole")
    own["test_f1_micro"] = own["test_accuracy"] - rng.uniform(0.002, 0.01, len(own))
    last = runs(rng, 500 % 64).rename(columns={"accuracy": "test_accuracy"})
    last = last.assign(model="last", test_f1_micro=last["test_accuracy"])
    table = pd.concat([own, last]).assign(status="finished", draw=1)
    (tmp_path / "metrics").mkdir()
    written(tmp_path / "metrics" / "runs.parquet", table)
    written(tmp_path / "metrics" / "history.parquet", pd.concat([table] * 7).assign(split="test", sampled=False))
    models = {
        "whole": {"batch_size": 64, "selection": "validation"},
        "last": {"batch_size": 64, "selection": "best"},
    }
    data = {"n_train": 20_000, "n_test": 500, "n_validation": None, "classes": 10}
    write_manifest(
        tmp_path, {"name": "birds", "n_train": 20_000, "n_test": 500, "one_colour": {"train": 3, "test": 0}}, []
    )
    settings = {**data, "folds": False, "f1": "f1_micro", "models": models}
    audit_study(settings, tmp_path, tmp_path / "manifest.json")
    found = read_table(tmp_path / "audit" / "findings.parquet")
    assert list(found.columns) == FINDINGS.schema.names
    of_data = found[found["check"] == "data"].iloc[0]
    assert (of_data["status"], of_data["table"], of_data["subject"]) == (QUESTION, "data set", "birds")
    assert "3 training and 0 test images have a single colour" in of_data["statistic"]
    write_manifest(tmp_path, {"name": "birds", "n_train": 20_000, "n_test": 500}, [])
    audit_study(settings, tmp_path, tmp_path / "manifest.json")
    clear = read_table(tmp_path / "audit" / "findings.parquet").set_index("check").loc["data"]
    assert (clear["status"], clear["statistic"]) == (CLEAR, "20,000 training and 500 test images")
    found = found[found["status"] == FINDING]
    assert set(found["table"]) == {"last"}
    assert set(found["check"]) == {"last-batch", "seed-spread", "f1-is-accuracy", "best-of-many"}
    assert "best of 7 evaluations on 500 images" in found.set_index("check").loc["best-of-many", "statistic"]


def csv(folder: Path, text: str) -> str:
    path = folder / "paper.csv"
    path.write_text(text, encoding="utf-8")
    return str(path)


def test_the_command_prints_and_exits(tmp_path, capsys):
    honest = csv(tmp_path, "size,accuracy\n100,0.9134\n200,0.9377\n400,0.9581\n")
    assert main([honest, "--n-test", "10_000"]) == 0
    assert "Tested, nothing found" in capsys.readouterr().out
    floor = csv(tmp_path, "size,loss,hardware\n100,1.2e-07,P100\n")
    assert main([floor]) == 1
    text = capsys.readouterr().out
    assert "loss-floor" in text
    assert "Columns that no check reads: " in text
    assert main([floor, "--format", "json"]) == 1
    assert json.loads(capsys.readouterr().out)[0]["check"] == "loss-floor"
    assert main([floor, "--format", "tsv"]) == 1
    lines = capsys.readouterr().out.splitlines()
    assert lines[0].split("\t") == FINDINGS.schema.names
    assert main(["--published", "ga-letters"]) == 1
    assert "outlier" in capsys.readouterr().out
    assert main(["--published", "cifar10-cnn"]) == 0


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("test_acuracy\n0.9\n", "unknown column 'test_acuracy'; did you mean 'test_accuracy'?"),
        ("colour\nred\n", "the auditor knows none of the columns colour"),
        ("accuracy\n0.91\nabout 0.9\n", "line 3, column accuracy: 'about 0.9' is not a number"),
        ("accuracy\n912\n", "neither a share (0 to 1) nor a percentage"),
        ("loss\n-0.1\n", "below 0"),
        ("n,accuracy\n0,0.91\n", "'0' is not a whole number from 1 to 1,000,000,000"),
        ("accuracy,test_acc\n0.9,0.9\n", "two columns mean 'test_accuracy': 'accuracy' and 'test_acc'; keep one"),
        ("accuracy,statistic\n0.9,medain\n", "'medain'; did you mean 'median'?"),
        ("n,epochs\n10,0\n", "'0' is not above 0"),
        ("metric,intercept,slope\ntest_acuracy,0.4,0.1\n", "did you mean 'test_accuracy'"),
        ("metric,intercept,slope,sizes\naccuracy,0.4,0.1,750 to 900\n", "write whole numbers from 1 to"),
        ("metric,intercept,slope,sizes\naccuracy,0.4,0.1,² 10\n", "column sizes: '² 10'; write whole numbers from 1"),
        ("metric,intercept,slope,sizes\naccuracy,0.4,0.1,0 10\n", "column sizes: '0 10'; write whole numbers from 1"),
        (
            "metric,intercept,slope,sizes\ntop1,0.4,0.1,10 20\ntop1,0.5,0.1,20; 10\n",
            "line 3, column metric: a second regression of test_accuracy over the same sizes; distinguish them by",
        ),
        ("n,accuracy,removed\n10,0.9,maybe\n", "'maybe'; allowed: yes, no"),
        ("accuracy\n", "has a header but no rows"),
        ("", "has no rows"),
        ('accuracy\n"0.9\n', "cannot be read as CSV ("),
        ("accuracy\n0.9,0.8\n", "paper.csv: line 2 has 2 fields, but the header has 1; decimal commas?"),
        ("n,n,accuracy\n1,2,0.8\n", "two columns are called 'n'; rename or remove one of them"),
        ("accuracy,accuracy\n0.9,0.8\n", "two columns are called 'accuracy'"),
        ("accuracy\n\n0.91\n,\nabc\n", "line 5, column accuracy: 'abc'"),
        ('note,accuracy\n"two\nlines",0.91\nx,abc\n', "line 4, column accuracy: 'abc'"),
        ("loss\n1e400\n", "'1e400' is too large"),
        ("n,accuracy\n1e30,0.91\n", "'1e30' is not a whole number from 1 to 1,000,000,000"),
        (
            "n,accuracy\n10%,0.91\n",
            "column 'n' holds parts of the data set (10%); state the number of training images with",
        ),
        ("n,accuracy\n12.000,0.91\n", "'12.000': thousands or decimals?"),
        (
            "accuracy\n0.91\n92.5\n",
            "line 2, column accuracy: '0.91' is in a column of per cents; write 91%, or 0.91%",
        ),
        ("accuracy\n91%\n0.92\n", "line 3, column accuracy: '0.92' is in a column of per cents"),
    ],
)
def test_a_table_that_makes_no_sense_is_one_message(tmp_path, capsys, text, message):
    assert main([csv(tmp_path, text)]) == 2
    error = capsys.readouterr().err
    assert message in error
    assert error.count("\n") == 1


@pytest.mark.parametrize(
    "arguments",
    [
        [],
        ["none.csv"],
        ["--published", "ga-leters"],
        ["a.csv", "--published", "x"],
        ["--published", "ga-letters", "--n-test", "5"],
        ["--published", "ga-letters", "--dataset", "nonsense"],
    ],
)
def test_bad_arguments_are_one_message(arguments, capsys):
    assert main(arguments) == 2
    assert capsys.readouterr().err.count("\n") == 1


@pytest.mark.parametrize("suffix", ["zip", "gz", "xz", "zst", "tar"])
def test_a_file_is_read_by_its_content_whatever_it_is_called(tmp_path, suffix):
    path = tmp_path / f"paper.csv.{suffix}"
    path.write_text("size,accuracy\n100,0.9134\n", encoding="utf-8")
    assert main([str(path)]) == 0
    path.write_bytes(gzip.compress(b"size,accuracy\n100,0.9134\n"))
    assert main([str(path)]) == 0


@pytest.mark.parametrize(
    "name",
    ["test_accuracy_std", "test_loss_sd", "test_auc", "val_auc", "test_mcc", "test_top3", "test_f2", "f1_micro"],
)
def test_a_name_that_is_near_another_and_no_slip_is_left_out(name):
    sheet = sheet_of_texts(table(run=[1], test_accuracy=["0.91"], f1_macro=["0.90"], **{name: ["0.5"]}), "t")
    assert sheet.ignored == (name,)
    assert sheet.rows["test_f1"].tolist() == [0.9]


def test_a_table_without_a_score_says_so(tmp_path, capsys):
    assert main([csv(tmp_path, "n,Quality (%)\n100,91.2\n")]) == 0
    assert "Quality (%) (and no column is a score" in capsys.readouterr().out


@pytest.mark.parametrize(
    "option",
    [["--classes", "1"], ["--classes", "9" * 400], ["--n-test", "9" * 20], ["--n-test", "9" * 5000], ["--n-test", "²"]],
)
def test_counts_as_options_have_limits(option, capsys):
    with pytest.raises(SystemExit, match="2"):
        main(["paper.csv", *option])
    assert f"from {1 + (option[0] == '--classes')} to 1,000,000,000" in capsys.readouterr().err


@pytest.mark.parametrize("table", ["size,loss\n100,1.2e-07\n", "size,loss\n100,0.5\n"])
@pytest.mark.parametrize("unbuffered", ["", "1"])
def test_a_reader_that_leaves_early_does_not_change_the_exit_status(tmp_path, table, unbuffered):
    command = [sys.executable, "-m", "trainsize.audit", csv(tmp_path, table)]
    reading, writing = os.pipe()
    os.close(reading)
    environment = {**os.environ, "PYTHONUNBUFFERED": unbuffered, "PYTHONPATH": str(SCRIPTS)}
    done = subprocess.run(command, stdout=writing, stderr=subprocess.PIPE, env=environment, check=False)
    os.close(writing)
    assert (done.returncode, done.stderr) == (int("e-07" in table), b"")


def test_counts_of_a_data_frame_and_single_per_cents_are_understood():
    sheet = sheet_of_texts(table(n=["100.0", "2e3"], accuracy=["0.1%", "92.5%"]), "t")
    assert sheet.rows["n"].tolist() == [100, 2000]
    assert sheet.rows["test_accuracy"].tolist() == [0.001, 0.925]


def test_percent_signs_and_decimals_are_understood():
    sheet = sheet_of_texts(table(accuracy=["91.25 %", "90.5%", "-"], loss=["1.5e-3", "0.25", ""]), "t")
    assert sheet.rows["test_accuracy"].tolist()[:2] == [0.9125, 0.905]
    assert sheet.half["test_accuracy"].tolist()[:2] == pytest.approx([5e-5, 5e-4])
    assert sheet.half["test_loss"].tolist()[:2] == pytest.approx([5e-5, 5e-3])
    assert sheet.percentages == ("test_accuracy",)


def test_facts_of_a_known_data_set_can_be_overruled():
    assert facts_of("mnist") == Facts(n_test=10_000, n_train=60_000, classes=10, dataset="mnist")
    assert facts_of("mnist", n_test=500) == replace(facts_of("mnist"), n_test=500)
    assert facts_of("MNIST") == facts_of("mnist")
    with pytest.raises(UserError, match="did you mean 'mnist'"):
        facts_of("MNITS")


def test_a_row_that_stands_twice_is_a_question(tmp_path, capsys):
    rows = "".join(f"{n},{seed},{0.7 + n / 1000 + seed / 137:.4f}\n" for n in (50, 100, 200) for seed in range(5))
    once, twice = (f"n,seed,accuracy\n{rows}{again}" for again in ("", rows.splitlines()[0] + "\n"))
    main([csv(tmp_path, once)])
    assert "equal to another one" not in capsys.readouterr().out
    main([csv(tmp_path, twice)])
    text = " ".join(capsys.readouterr().out.split())
    assert "1 row equal to another one in every column, the first with n 50, seed 0" in text
    assert "is a run counted twice?" in text
