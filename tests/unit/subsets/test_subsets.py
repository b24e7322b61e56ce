"""Subsets: exact class counts, nesting, disjoint folds, and the same rows on every machine."""

import os
import subprocess
import sys
from itertools import pairwise

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from support import ROOT

from trainsize.common.errors import UserError
from trainsize.common.tables import read_notes, read_table
from trainsize.subsets.methods import METHODS, content_hash, draw_subsets, shares, shortest_fraction
from trainsize.subsets.stage import list_subsets, read_rows, subset_path, write_subsets

SCRIPTS = ROOT / "workflow" / "scripts"
ALL_METHODS = sorted({*METHODS, "nested"})

# Rows must never change: not with NumPy, not with the machine.
EXPECTED = {
    "balanced": "52b93975468e2bdc",
    "first_n": "d3b26cbf1890c687",
    "kfold": "2f36b22d4eb6e7e4",
    "nested": "c9dd70d83a12f981",
    "per_class_fraction": "f0745569a5676007",
    "random": "13a6a63c613328cf",
    "stratified": "f0745569a5676007",
}

# Labels of 2 to 6 classes, each with 1 to 40 images, in a shuffled order.
labelled = st.tuples(st.lists(st.integers(1, 40), min_size=2, max_size=6), st.integers(0, 100)).map(
    lambda drawn: np.random.default_rng(drawn[1]).permutation(np.repeat(np.arange(len(drawn[0])), drawn[0]))
)


def draw(labels, method, n, number=0, validation=0, **more):
    return draw_subsets(labels, {"method": method, "validation": validation, **more}, [n], number)[n]


def class_counts(labels, rows):
    return np.bincount(labels[rows], minlength=labels.max() + 1)


@given(labelled, st.data())
def test_stratified_counts_add_up_and_are_within_one_of_the_exact_share(labels, data):
    n = data.draw(st.integers(1, len(labels)))
    counts = class_counts(labels, draw(labels, "stratified", n)["train"])
    assert counts.sum() == n
    assert (np.abs(counts - n * np.bincount(labels) / len(labels)) < 1).all()


@given(labelled, st.integers(0, 50), st.data())
def test_nested_sizes_contain_the_smaller_ones_and_keep_the_shares(labels, number, data):
    sizes = sorted(data.draw(st.sets(st.integers(1, len(labels)), min_size=2, max_size=5)))
    drawn = draw_subsets(labels, {"method": "nested", "validation": 0}, sizes, number)
    for small, large in pairwise(sizes):
        assert set(drawn[small]["train"]) <= set(drawn[large]["train"])
    totals = np.bincount(labels)
    for n in sizes:
        counts = class_counts(labels, drawn[n]["train"])
        assert counts.sum() == n
        # What defines Webster's method: the image taken last was due no later than any that is not taken yet.
        assert ((counts - 0.5) / totals).max() <= ((counts + 0.5) / totals).min() + 1e-12


@given(labelled, st.integers(2, 5))
def test_folds_are_disjoint_hold_everything_and_are_stratified(labels, folds):
    n = len(labels) - -(-len(labels) // folds)
    parts = [draw(labels, "kfold", n, number, folds=folds) for number in range(folds)] if n else []
    held = [part["validation"] for part in parts]
    if parts:
        assert sorted(np.concatenate(held)) == list(range(len(labels)))
        counts = np.array([class_counts(labels, rows) for rows in held])
        assert np.ptp(counts, axis=0).max() <= 1
        assert np.ptp(counts.sum(axis=1)) <= 1
    for part in parts:
        assert len(part["train"]) == n
        assert not set(part["train"]) & set(part["validation"])


@given(labelled, st.data())
def test_every_method_draws_without_repeats_from_what_is_not_held_out(labels, data):
    method = data.draw(st.sampled_from([m for m in ALL_METHODS if m not in ("kfold", "balanced")]))
    validation = data.draw(st.integers(0, len(labels) // 2))
    n = len(labels) - validation
    drawn = draw(labels, method, n, validation=validation)
    assert len(drawn["validation"]) == validation
    assert sorted([*drawn["train"], *drawn["validation"]]) == list(range(len(labels)))


@given(st.lists(st.integers(1, 1000), min_size=1, max_size=30), st.data())
def test_shares_add_up_exactly(counts, data):
    n = data.draw(st.integers(0, sum(counts)))
    taken = shares(np.array(counts), n, np.random.default_rng(0))
    assert taken.sum() == n
    assert (taken <= counts).all()


def test_balanced_takes_equally_many_of_each_class():
    labels = np.repeat(np.arange(4), [10, 20, 30, 40])
    assert class_counts(labels, draw(labels, "balanced", 40)["train"]).tolist() == [10, 10, 10, 10]
    counts = class_counts(labels, draw(labels, "balanced", 10)["train"])
    assert counts.sum() == 10
    assert np.ptp(counts) == 1


def test_balanced_says_the_largest_possible_size():
    labels = np.repeat(np.arange(4), [10, 20, 30, 40])
    with pytest.raises(UserError, match=r"need 11 of every class, but class 0 has 10; the largest possible size is 40"):
        draw(labels, "balanced", 44)


def test_first_n_takes_the_first_whatever_the_draw():
    labels = np.arange(30) % 3
    for number in (0, 7):
        assert draw(labels, "first_n", 12, number)["train"].tolist() == list(range(12))


def test_per_class_fraction_rounds_in_every_class():
    labels = np.repeat(np.arange(4), [50, 30, 10, 70])
    # A tenth of each, halves to even: 5, 3, 1, 7; a twentieth: 2.5, 1.5, 0.5, 3.5.
    assert class_counts(labels, draw(labels, "per_class_fraction", 16)["train"]).tolist() == [5, 3, 1, 7]
    assert class_counts(labels, draw(labels, "per_class_fraction", 8)["train"]).tolist() == [2, 2, 0, 4]


def test_per_class_fraction_of_nothing_is_refused():
    with pytest.raises(UserError, match="rounds to no image"):
        draw(np.arange(300) % 100, "per_class_fraction", 1)


@pytest.mark.parametrize(
    ("fraction", "total"), [(0.05, 1_281_167), (0.125, 1_281_167), (0.75, 1_281_167), (0.1, 1297), (1, 1297)]
)
def test_the_shortest_fraction_is_the_one_that_was_meant(fraction, total):
    assert shortest_fraction(round(fraction * total), total) == fraction


@given(st.integers(1, 2_000_000), st.data())
def test_the_shortest_fraction_gives_n(total, data):
    n = data.draw(st.integers(1, total))
    assert round(shortest_fraction(n, total) * total) == n


@pytest.mark.parametrize("method", sorted(set(ALL_METHODS) - {"first_n"}))
def test_draws_differ_and_repeat(method):
    labels = np.arange(200) % 5
    once, again, other = (draw(labels, method, 100, number, folds=4)["train"] for number in (1, 1, 2))
    assert (once == again).all()
    assert set(once) != set(other)


def test_a_size_does_not_depend_on_the_other_sizes():
    labels = np.arange(300) % 7
    for method in ALL_METHODS:
        settings = {"method": method, "validation": 0, "folds": 5}
        alone = draw_subsets(labels, settings, [50], 3)[50]
        among = draw_subsets(labels, settings, [20, 50, 140], 3)[50]
        assert content_hash(alone) == content_hash(among)


def test_validation_images_are_the_same_for_every_size_of_a_draw():
    drawn = draw_subsets(np.arange(300) % 7, {"method": "stratified", "validation": 60}, [20, 240], 3)
    assert (drawn[20]["validation"] == drawn[240]["validation"]).all()
    assert class_counts(np.arange(300) % 7, drawn[20]["validation"]).tolist().count(9) == 4


def test_rows_are_the_same_in_another_process():
    program = (
        "import numpy as np; from trainsize.subsets.methods import draw_subsets, content_hash\n"
        f"for method in {ALL_METHODS!r}:\n"
        "    settings = {'method': method, 'validation': 0, 'folds': 3}\n"
        "    print(content_hash(draw_subsets(np.sqrt(np.arange(999)).astype(int) % 9, settings, [90], 2)[90]))"
    )
    outputs = [
        subprocess.run(
            [sys.executable, "-c", program],
            env={**os.environ, "PYTHONPATH": str(SCRIPTS), "PYTHONHASHSEED": hash_seed},
            capture_output=True,
            text=True,
            check=True,
        ).stdout.split()
        for hash_seed in ("1", "2")
    ]
    assert outputs == [list(EXPECTED.values())] * 2


def test_the_rows_of_today_are_the_rows_of_tomorrow():
    labels = np.sqrt(np.arange(999)).astype(int) % 9
    found = {method: content_hash(draw(labels, method, 90, 2, folds=3)) for method in ALL_METHODS}
    assert found == EXPECTED


def test_tables_hold_rows_roles_and_what_they_are(tmp_path):
    labels = np.arange(100) % 4
    paths = [subset_path(tmp_path, n, 2) for n in (20, 60)]
    write_subsets({"dataset": "made-up", "method": "stratified", "validation": 12}, [20, 60], 2, labels, paths)
    table, about = read_table(paths[0]), read_notes(paths[0])
    assert (labels[table["index"]] == table["label"]).all()
    assert table["role"].value_counts().to_dict() == {"train": 20, "validation": 12}
    assert about["class_counts"] == {"train": [5, 5, 5, 5], "validation": [3, 3, 3, 3]}
    rows = read_rows(tmp_path, 20, 2)
    assert about["content"] == content_hash(rows)
    assert {key: about[key] for key in ("method", "draw", "n")} == {"method": "stratified", "draw": 2, "n": 20}


def test_the_list_of_subsets_says_how_many_images_there_really_are(tmp_path):
    labels = np.repeat(np.arange(4), [50, 30, 10, 70])
    write_subsets({"method": "per_class_fraction", "validation": 0}, [4], 0, labels, [subset_path(tmp_path, 4, 0)])
    list_subsets([(4, 0)], tmp_path, tmp_path / "subsets.parquet")
    row = pd.read_parquet(tmp_path / "subsets.parquet").iloc[0]
    # 2.5 % of 50, 30, 10 and 70, rounded: 1, 1, 0 and 2.
    assert (row["n"], row["n_train"], row["smallest_class"], row["largest_class"]) == (4, 4, 0, 2)
