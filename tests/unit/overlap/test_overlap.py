"""Overlap: counts against plain sets, chance against scipy and simulation, and the numbers of the ImageNet thesis."""

import time

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from trainsize.overlap import chance
from trainsize.overlap.stage import overlap_table, overlaps, write_overlap
from trainsize.subsets.methods import draw_subsets
from trainsize.subsets.stage import subset_path, write_subsets


def imagenet_labels():
    """Labels with ImageNet-1k's counts: 1,281,167 images, 895 classes of 1,300 and 105 of fewer, the rarest 732."""
    counts = np.full(1000, 1300)
    counts[:105] -= [568, *np.linspace(350, 1, 104).astype(int)]
    counts[1 : 1 + counts.sum() - 1_281_167] -= 1
    return np.repeat(np.arange(1000), counts)


def table_of(subsets, labels):
    return overlap_table([row for row, _ in overlaps(subsets, labels)])


counts = st.integers(1, 60).flatmap(lambda n: st.tuples(st.integers(0, n), st.integers(0, n), st.just(n)))


@given(counts)
def test_the_distribution_is_the_hypergeometric(abn):
    a, b, total = abn
    low, probabilities = chance.common_images(a, b, total)
    expected = stats.hypergeom(total, a, b).pmf(np.arange(low, low + len(probabilities)))
    np.testing.assert_allclose(probabilities, expected, atol=1e-12)
    mean, variance = chance.moments(*([x] for x in abn))
    # scipy divides by zero for the skewness, which it computes along, of the smallest sets.
    with np.errstate(all="ignore"):
        expected = stats.hypergeom(total, a, b).stats()
    np.testing.assert_allclose((mean[0], variance[0]), expected if total > 1 else (expected[0], 0), atol=1e-9)


@given(counts, st.integers(0, 60))
def test_the_p_value_of_one_class_is_exact(abn, common):
    a, b, total = abn
    common = min(common, a, b)
    law = stats.hypergeom(total, a, b)
    expected = min(1.0, 2 * min(law.cdf(common), law.sf(common - 1)))
    assert chance.p_value(common, *([x] for x in abn)) == pytest.approx(expected, abs=1e-9)


def test_the_p_value_of_several_classes_is_that_of_their_sum():
    a, b, total = np.array([5, 8, 3]), np.array([6, 2, 9]), np.array([20, 15, 9])
    rng = np.random.default_rng(0)
    sums = rng.hypergeometric(a, total - a, b, size=(200_000, 3)).sum(axis=1)
    for common in (3, 5, 8):
        expected = min(1.0, 2 * min((sums <= common).mean(), (sums >= common).mean()))
        assert chance.p_value(common, a, b, total) == pytest.approx(expected, abs=0.01)


def test_the_normal_p_value_continues_the_exact_one(monkeypatch):
    a = b = np.full(400, 65)
    total = np.full(400, 1300)
    for common in (1300, 1250, 1400):
        exact = chance.p_value(common, a, b, total)
        monkeypatch.setattr(chance, "_NORMAL_FROM", 1.0)
        assert chance.p_value(common, a, b, total) == pytest.approx(exact, rel=0.15, abs=1e-3)
        monkeypatch.undo()


def test_the_expected_largest_share_is_what_simulation_gives():
    a, b, total = np.array([10, 20, 0, 15]), np.array([30, 10, 5, 15]), np.array([100, 50, 20, 15])
    rng = np.random.default_rng(0)
    some = a > 0
    shares = rng.hypergeometric(a[some], (total - a)[some], b[some], size=(100_000, 3)) / a[some]
    assert chance.expected_largest_share(a, b, total) == pytest.approx(shares.max(axis=1).mean(), abs=2e-3)
    a, b, total = np.array([10, 20]), np.array([30, 10]), np.array([100, 50])
    shares = rng.hypergeometric(a, total - a, b, size=(100_000, 2)) / a
    assert chance.expected_largest_share(a, b, total) == pytest.approx(shares.max(axis=1).mean(), abs=2e-3)


@settings(max_examples=30)
@given(st.integers(0, 1000))
def test_common_images_are_those_of_plain_sets(seed):
    rng = np.random.default_rng(seed)
    labels = rng.choice([0, 1, 2, 5], size=rng.integers(5, 80))  # classes 3 and 4 do not occur
    subsets = {(k, k): rng.permutation(len(labels))[: rng.integers(1, len(labels) + 1)] for k in range(4)}
    for row, classes in overlaps(subsets, labels):
        first, second = (subsets[row[f"n_{x}"], row[f"draw_{x}"]] for x in "ab")
        both = sorted(set(first) & set(second))
        assert row["common"] == len(both)
        assert row["share_a"] == pytest.approx(len(both) / len(first))
        found = dict(zip(classes["label"], classes["common"], strict=True))
        assert found == {label: int((labels[both] == label).sum()) for label in np.unique(labels)}
        assert classes["expected"].sum() == pytest.approx(row["expected"])


def test_subsets_that_are_not_independent_are_flagged_and_others_not():
    labels = np.arange(2000) % 10
    nested = [draw_subsets(labels, {"method": "nested", "validation": 0}, [200, 500], draw) for draw in (0, 1)]
    table = table_of({(n, draw): nested[draw][n]["train"] for n in (200, 500) for draw in (0, 1)}, labels)
    same_draw = table["draw_a"] == table["draw_b"]
    assert table.loc[same_draw, "dependent"].all()
    assert not table.loc[~same_draw, "dependent"].any()
    assert (table.loc[same_draw, "share_a"] == 1).all()


def test_the_flag_is_rare_when_draws_are_independent():
    labels = np.arange(500) % 5
    subsets = {
        (50, draw): draw_subsets(labels, {"method": "stratified", "validation": 0}, [50], draw)[50]["train"]
        for draw in range(40)
    }
    table = table_of(subsets, labels)
    assert not table["dependent"].any()
    assert 0.01 < (table["p"] < 0.05).mean() < 0.06  # a discrete p-value is a little conservative
    assert table["common"].mean() == pytest.approx(table["expected"].mean(), rel=0.03)
    assert table["common"].std() == pytest.approx(table["sd"].mean(), rel=0.1)


def test_full_subsets_leave_chance_no_room():
    labels = np.arange(20) % 2
    table = table_of({(20, 0): np.arange(20), (20, 1): np.arange(20)}, labels)
    assert table["z"].isna().all()
    assert table[["p", "share_a", "expected_largest_class_share"]].iloc[0].tolist() == [1, 1, 1]


def test_a_study_of_one_subset_has_no_pairs(tmp_path):
    labels = np.arange(20) % 2
    write_subsets(
        {"method": "stratified", "validation": 0}, [10], 0, labels, [subset_path(tmp_path / "subsets", 10, 0)]
    )
    write_overlap([(10, 0)], labels, tmp_path)
    for name in ("overlap", "overlap_classes"):
        assert len(pd.read_parquet(tmp_path / "overlap" / f"{name}.parquet")) == 0


def test_five_per_cent_of_imagenet_three_times_lands_on_the_published_overlap():
    # Published: 4.95, 4.91 and 5.11 %, and about 14 % at most in a class.
    labels = imagenet_labels()
    assert (len(labels), np.bincount(labels).min(), np.bincount(labels).max()) == (1_281_167, 732, 1300)
    n = round(0.05 * len(labels))
    method = {"method": "per_class_fraction", "validation": 0}
    subsets = {(n, draw): draw_subsets(labels, method, [n], draw)[n]["train"] for draw in range(3)}
    table = table_of(subsets, labels)
    expected, sd = table["expected"] / n, table["sd"] / n
    np.testing.assert_allclose(expected, 0.05, atol=1e-4)
    np.testing.assert_allclose(sd, 0.00084, atol=1e-5)
    assert (np.abs(table["share_a"] - 0.05) < 3.5 * 0.00084).all()
    assert (np.abs(np.array([0.0495, 0.0491, 0.0511]) - 0.05) < 3.5 * 0.00084).all()
    np.testing.assert_allclose(table["expected_largest_class_share"], 0.155, atol=0.003)
    assert table["largest_class_share"].between(0.138, 0.185).all()
    assert not table["dependent"].any()


def test_the_whole_plan_for_imagenet_takes_seconds(tmp_path):
    labels = imagenet_labels()
    sizes = [round(share * len(labels)) for share in (0.05, 0.125, 0.25, 0.5, 0.75, 1)]
    start = time.perf_counter()
    for draw in range(3):
        paths = [subset_path(tmp_path / "subsets", n, draw) for n in sizes]
        write_subsets({"method": "stratified", "validation": 0}, sizes, draw, labels, paths)
    write_overlap([(n, draw) for n in sizes for draw in range(3)], labels, tmp_path)
    assert time.perf_counter() - start < 60  # about 4 s on one core; the rest is for a busy machine
    pairs = pd.read_parquet(tmp_path / "overlap" / "overlap.parquet")
    classes = pd.read_parquet(tmp_path / "overlap" / "overlap_classes.parquet")
    assert len(pairs) == 18 * 17 // 2
    assert len(classes) == 1000 * len(pairs)
    sums = classes.groupby(["n_a", "draw_a", "n_b", "draw_b"])[["common", "expected"]].sum()
    whole = pairs.set_index(["n_a", "draw_a", "n_b", "draw_b"]).loc[sums.index]
    assert (sums["common"] == whole["common"]).all()
    np.testing.assert_allclose(sums["expected"], whole["expected"])


def test_a_subset_without_images_has_no_share():
    assert chance.expected_largest_share(np.array([0, 0]), np.array([3, 0]), np.array([5, 4])) == 0
