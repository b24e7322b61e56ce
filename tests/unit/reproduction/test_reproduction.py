"""Published numbers beside ours: differences, intervals and verdicts by the rules of each artefact."""

import math
from dataclasses import replace
from itertools import chain
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from support import ROOT, record

from trainsize.common.errors import UserError
from trainsize.common.tables import read_table, write_table
from trainsize.metrics.tables import RUNS
from trainsize.overlap.tables import OVERLAP
from trainsize.published import printed
from trainsize.published.versions import REPRODUCED, mistakes, roles, versions
from trainsize.report.reproduction_section import effect_sentence
from trainsize.reproduction.__main__ import describe, main
from trainsize.reproduction.effects import effect, effects_table, settings_table
from trainsize.reproduction.our_numbers import numbers
from trainsize.reproduction.stage import reproduce, write_reproduction
from trainsize.reproduction.tables import MISTAKES, REPRODUCTION, VERSIONS
from trainsize.reproduction.verdicts import OurNumber, compare
from trainsize.runs.record import write_record
from trainsize.study.reader import load_study

STUDIES = ROOT / "studies"


def ours(artefact: str, quantity: str, value: float, mode: str = "as_published", **more) -> OurNumber:
    return OurNumber(artefact, quantity, value, mode=mode, **more)


def row(*numbers: OurNumber) -> pd.Series:
    """Return the comparison of the first number."""
    return compare(numbers).set_index("quantity").loc[numbers[0].quantity]


def test_a_slope_agrees_within_two_combined_standard_errors():
    slope = ours("GA-T6", "test_accuracy slope", 0.15, low=0.13, high=0.18, standard_error=0.011)
    corrected = ours("GA-T6", "test_accuracy slope", 0.11, "corrected")
    found = row(slope, corrected)
    assert found["verdict"] == "agrees"
    assert found["published"] == 0.1188
    assert found["difference"] == pytest.approx(0.0312)
    assert found["difference_low"] == pytest.approx(0.0312 - np.hypot(0.02, 1.96 * 0.017))
    assert found["difference_high"] == pytest.approx(0.0312 + np.hypot(0.03, 1.96 * 0.017))
    assert found["effect"] == pytest.approx(-0.04)
    far = row(replace(slope, value=0.1188 + 2.1 * np.hypot(0.017, 0.011)))
    assert far["verdict"] == "differs"
    assert "0.0405 is allowed" in far["why"]
    without = row(ours("GA-T6", "test_accuracy slope", 0.15))
    assert (without["verdict"], without["why"]) == ("not comparable", "no standard error")


@pytest.mark.parametrize(
    ("artefact", "quantity", "value", "more", "verdict"),
    [
        ("MI-T1", "9000", 4.9e-6, {}, "agrees"),
        ("MI-T1", "9000", 9e-6, {}, "differs"),
        ("MI-T1", "697931", 1.193e-7, {}, "agrees"),
        ("MI-T1", "697931", 2.4e-7, {}, "differs"),
        ("GA-T6", "condition_number", 33.68, {}, "agrees"),
        ("GA-T7", "condition_number", 40.6, {}, "differs"),
        ("GA-T1", "2400 epochs", 60, {}, "agrees"),
        ("GA-T1", "2400 epochs", 61, {}, "differs"),
        ("GA-T1", "2400 epochs", 60.4, {}, "agrees"),  # it is printed without decimals
        ("FM-T6", "ALL Convolutional Layers", 87.9, {"seed_sd": 0.6}, "agrees"),
        ("FM-T6", "ALL Convolutional Layers", 89.9, {"seed_sd": 0.6}, "differs"),
        ("FM-T6", "ALL Convolutional Layers", 86.1, {}, "agrees"),  # whatever the seeds' deviation is
        ("FM-T6", "ALL Convolutional Layers", 89.9, {}, "not comparable"),
        ("CF-T2", "test accuracy", 77.6, {}, "agrees"),
        ("CF-T2", "test accuracy", 73.5, {}, "differs"),
        ("GA-T9", "test_accuracy", 0.88, {}, "not comparable"),
        ("CF-T2", "test accuracy", 75.6, {"not_comparable": "trained on a stand-in"}, "not comparable"),
    ],
)
def test_verdicts_follow_the_rules(artefact, quantity, value, more, verdict):
    found = row(ours(artefact, quantity, value, **more))
    assert found["verdict"] == verdict
    assert bool(found["why"]) == (verdict != "agrees")


def test_numbers_we_do_not_have_are_rows():
    table = compare([ours("FM-T8", "64", 89.0, seed_sd=0.2)])
    assert list(table.columns) == REPRODUCTION.schema.names
    assert list(table["quantity"]) == ["64", "128", "256", "512"]
    assert list(table["verdict"]) == ["agrees", *["not comparable"] * 3]
    assert set(table["why"][1:]) == {"we have no number"}


@pytest.fixture(scope="module")
def letters(tmp_path_factory):
    """Results of versions of the letters study, as if every run had followed a line, half of the seeds above it."""
    results = tmp_path_factory.mktemp("letters")

    def made(name: str, intercept: float, slope: float, spread: float = 0.0) -> None:
        study = load_study(name, STUDIES)
        rows = []
        for run in study.runs:
            accuracy = intercept + slope * math.log10(run.n) + (spread if run.seed // 101 % 2 else -spread)
            values = {"accuracy": accuracy, "f1_micro": accuracy, "loss": 2.0592 - 0.4422 * math.log10(run.n)}
            scores = {f"{split}_{metric}": value for split in ("train", "test") for metric, value in values.items()}
            rows.append({"study": name, **vars(run), "status": "finished", **scores})
            trained = {"settings": study.run_settings(run.model), "commit": "3f2a", "dirty": False}
            write_record(results / name / run.folder / "run.json", record(name, run, **trained))
        columns = {key: [row.get(key) for row in rows] for key in RUNS.schema.names}
        write_table(results / name / RUNS.path, RUNS, columns)

    made("ga-letters", 0.4344, 0.1188, 0.02)
    made("ga-letters+corrected", 0.5, 0.1)
    made("ga-letters+whole-test-set", 0.4444, 0.1188, 0.005)
    made("ga-letters+devanagari", 0.4344, 0.1188)
    made("ga-letters+devanagari+quick+corrected", 0.5, 0.1)
    return results


def beside(name: str, results: Path) -> pd.DataFrame:
    return reproduce(load_study(name, STUDIES), versions(name, results), studies=STUDIES)


def test_the_letters_study_beside_its_published_lines(letters):
    table = beside("ga-letters", letters).set_index(["artefact", "quantity"])
    slope = table.loc[("GA-T6", "test_accuracy slope")]
    assert slope["as_published"] == pytest.approx(0.1188)
    assert slope["effect"] == pytest.approx(0.1 - 0.1188)
    assert slope["verdict"] == "agrees"
    exact = table.loc[[("GA-T6", "condition_number"), ("GA-T7", "condition_number")], "as_published"]
    assert exact.round(1).tolist() == [33.7, 40.5]
    schedule = table.loc["GA-T1"]
    assert set(schedule["verdict"]) == {"agrees"}
    assert len(schedule) == 33
    printed = describe(table.reset_index())
    assert "GA-T6    test_accuracy slope" in printed
    assert table.equals(beside("ga-letters+corrected", letters).set_index(["artefact", "quantity"]))


def test_a_stand_in_is_not_compared_but_for_what_follows_from_the_design(letters):
    table = beside("ga-letters+devanagari", letters)
    agreeing = table[table["verdict"] == "agrees"]
    assert set(agreeing["artefact"]) == {"GA-T1", "GA-T6", "GA-T7"}
    assert set(agreeing.loc[agreeing["artefact"] != "GA-T1", "quantity"]) == {"condition_number"}
    assert table["why"].str.contains("stand-in for the data").any()


def test_runs_that_are_missing_are_compared_with_nothing(letters):
    study = load_study("ga-letters", STUDIES)
    table = reproduce(study, versions(study.name, letters), "3 runs are missing", STUDIES)
    assert set(table["verdict"]) == {"not comparable"}
    assert set(table["why"]) == {"3 runs are missing"}


def test_the_other_versions_of_a_study(letters):
    """The study itself and what is one switch away and has been run; `quick` goes last, but is found anywhere."""
    found = {version.role: version.name for version in versions("ga-letters+corrected", letters)}
    assert found == {
        "as published": "ga-letters",
        "corrected": "ga-letters+corrected",
        "whole-test-set": "ga-letters+whole-test-set",
    }
    assert roles("ga-letters+devanagari+quick")["corrected"] == "ga-letters+devanagari+corrected+quick"
    found = {version.role: version.name for version in versions("ga-letters+devanagari+quick", letters)}
    assert found == {
        "as published": "ga-letters+devanagari+quick",
        "corrected": "ga-letters+devanagari+quick+corrected",
    }


def test_what_a_mistake_did_is_described_in_the_unit_of_its_metric():
    sds = {"as_published_sd": 0.05, "without_sd": float("nan")}
    loss = {"metric": "train_loss", "as_published": 1.2e-07, "without": 0.34, "difference": 0.34}
    ends = {"difference_low": 0.3, "difference_high": 0.38}
    sentence = effect_sentence({"model": "mlp", **loss, **ends, **sds}, several=True)
    changed = "mlp: train cross-entropy 0.34 nats instead of 1.2e-07 nats"
    assert sentence == f"{changed}, a difference of 0.34 nats (0.3 to 0.38 nats)."
    accuracy = {"metric": "test_accuracy", "as_published": 0.8, "without": 0.82, "difference": 0.02}
    one_run = {"difference_low": float("nan"), "difference_high": float("nan")}
    sentence = effect_sentence({"model": "mlp", **accuracy, **one_run, **sds, "without_sd": 0.01}, several=False)
    spread = "standard deviation between runs 1.00 points instead of 5.00 points"
    assert sentence == f"test accuracy 82.00 % instead of 80.00 %, {spread}."


def test_what_a_mistake_did_to_the_mean_and_the_spread(letters):
    """Ten seeds, half of them 0.02 above and below the mean, without the mistake 0.005, and 0.01 better."""
    table = effects_table(versions("ga-letters", letters)).set_index(["role", "metric"])
    row = table.loc[("whole-test-set", "test_accuracy")]
    assert row["difference"] == pytest.approx(0.01)
    assert row["as_published_sd"] == pytest.approx(0.02 * math.sqrt(10 / 9))
    assert row["without_sd"] == pytest.approx(0.005 * math.sqrt(10 / 9))
    half = 2.262157 * 0.015 * math.sqrt(10 / 9) / math.sqrt(10)
    assert (row["difference_low"], row["difference_high"]) == pytest.approx((0.01 - half, 0.01 + half))
    assert set(table.index.unique("role")) == {"corrected", "whole-test-set"}


def test_means_are_of_the_seeds_that_both_versions_have():
    """Seeds 1 and 2 have both sizes in both versions, seed 3 has one without the mistake, seed 4 is in one version."""
    base = pd.DataFrame(
        [(seed, n, 0.1 * seed + n) for seed in (1, 2, 3, 4) for n in (10, 20)], columns=["seed", "n", "x"]
    )
    other = base[(base["seed"] < 3) | ((base["seed"] == 3) & (base["n"] == 10))].assign(x=lambda runs: runs["x"] + 0.5)
    row = effect(base, other, "x")
    assert (row["as_published"], row["without"]) == pytest.approx((15.15, 15.65))
    assert row["difference"] == pytest.approx(0.5)
    row = effect(base[base["seed"] == 4], other, "x")  # all seeds there are, every size counting the same
    assert (row["as_published"], row["without"]) == pytest.approx((15.4, (10 + 0.7 + 20 + 0.65) / 2))
    assert math.isnan(row["difference_low"])


def test_the_settings_of_both_versions_side_by_side(letters):
    table = settings_table(versions("ga-letters", letters)).set_index(["model", "setting"])
    assert tuple(table.loc[("cnn", "scores")]) == ("last_batch", "whole")
    assert tuple(table.loc[("cnn", "architecture.row_dropout")]) == ("true", "false")
    assert tuple(table.loc[("cnn", "subset.method")]) == ("first_n", "nested")
    assert table.loc[("all", "draws"), "as_published"] == "0"
    assert ("cnn", "optimizer.lr") not in table.index


def test_every_table_of_the_stage_is_written_with_where_the_versions_come_from(letters):
    study = load_study("ga-letters", STUDIES)
    write_reproduction(study, letters, letters / study.name)
    found = read_table(letters / study.name / VERSIONS.path).set_index("role")
    assert tuple(found.loc["corrected"]) == ("ga-letters+corrected", 110, "2026-11-21", "3f2a")
    assert tuple(found.loc["unit-dropout"]) == ("ga-letters+unit-dropout", 0, "", "")
    assert (letters / study.name / REPRODUCTION.path).exists()
    table = read_table(letters / study.name / MISTAKES.path)
    assert set(table["role"]) - {""} == set(found.index) - {"as published", "corrected"}


@pytest.mark.parametrize("name", sorted({*REPRODUCED.values()}))
def test_every_version_is_one_of_a_study_file(name):
    known = [roles(study) for study, reproduced in REPRODUCED.items() if reproduced == name]
    for version in chain.from_iterable(by_role.values() for by_role in known):
        assert load_study(version, STUDIES).runs
    switches = {mistake.variant for mistake in mistakes(name) if mistake.variant}
    assert switches <= {*chain.from_iterable(known)}
    assert ("corrected" in roles(name)) == (name != "fashion-folds")


@pytest.mark.parametrize("name", ["imagenet-volume", "imagenet-volume+tiny"])
def test_the_schedules_of_the_imagenet_study_but_for_its_mistake_are_as_planned(tmp_path, name):
    study = load_study(name, STUDIES)
    write_table(tmp_path / OVERLAP.path, OVERLAP, pd.DataFrame(columns=OVERLAP.schema.names))
    ours = [replace(number, mode="as_published") for number in numbers(study, tmp_path)]
    table = compare(ours).set_index("quantity").dropna(subset="as_published")
    assert len(table) == 6 * 2 + 3 * 2
    # An epoch at 75 % is a decay, as it was run; at 12.5 % the warm-up was 5 and not the 40 of the table.
    assert set(table.index[table["verdict"] == "differs"]) == {"ResNet50 12.5 % warm-up"}
    assert table.loc["ResNet50 12.5 % warm-up", "as_published"] == 5


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("ga-letters+quick", "no results yet; run the study first: snakemake --config study=ga-letters[+]quick"),
        ("ga-letter", "no study 'ga-letter'; did you mean 'ga-letters'"),
        ("digits", "digits reproduces no published study"),
    ],
)
def test_studies_that_have_not_been_run(letters, monkeypatch, name, message):
    monkeypatch.setattr("sys.argv", ["reproduction", name, "--results", str(letters)])
    with pytest.raises(SystemExit, match=message):
        main()


@pytest.mark.parametrize(
    ("value", "message"),
    [
        (ours("GA-T66", "x", 1.0), "did you mean 'GA-T6'"),
        (ours("FM-T8", "65", 1.0), "FM-T8 has no number '65'; did you mean '64'"),
        (ours("FM-T8", "64", 1.0, "as_printed"), "did you mean 'as_published'"),
    ],
)
def test_unknown_names_are_answered_with_the_nearest(value, message):
    with pytest.raises(UserError, match=message):
        compare([value])
    with pytest.raises(UserError, match="there are two values"):
        compare([ours("FM-T8", "64", 1.0)] * 2)


def test_every_artefact_with_rules_names_its_numbers():
    """All but CH-A, whose one number is in words, and quantities are told apart."""
    for study in printed.STUDIES:
        for entry in printed.artefacts(study):
            numbers = printed.numbers(entry.id)
            assert len(numbers) or not entry.rules or entry.id in ("GA-T2", "CH-A"), entry.id
            assert numbers["quantity"].is_unique, entry.id
            named = {quantity for rule in entry.rules for quantity in rule.quantities}
            assert named <= set(numbers["quantity"]), entry.id
