"""Repetitions that agree: copies are found, and what independent runs do by chance is not."""

import numpy as np
import pytest
from support import independent_errors

from trainsize.statistics.sameness import CHANCE, sameness

SIZES = 6


def errors(repetitions: int = 5, images: int = 10_000, digits: int = 4, seed: int = 0) -> np.ndarray:
    """Return errors of independent runs (repetitions, SIZES), as printed."""
    levels = 0.03 + 0.5 * 2.0 ** (-0.5 * np.arange(SIZES))
    return np.round(independent_errors(np.random.default_rng(seed), levels, repetitions, images), digits)


def test_independent_runs_do_not_agree():
    same = sameness(errors(), is_share=True)
    assert (same.everywhere, same.constant, same.copies, same.sizes, same.p) == (False, False, (), (), 1)


def test_a_seed_that_was_not_used_is_found():
    same = sameness(np.repeat(errors(1), 5, axis=0), is_share=True, step=1e-4)
    assert same.everywhere and same.unlikely and not same.constant
    assert same.words([*"abcde"], [], "seed", "accuracy") == "all 5 seeds gave exactly the same accuracy at every size"


def test_a_run_counted_twice_is_named():
    table = errors()
    table[4] = table[2]
    table[1, 0] = np.nan
    same = sameness(table, is_share=True)
    assert same.copies == ((2, 4),) and same.unlikely and not same.everywhere
    assert same.words([*"abcde"], [], "seed", "F1") == "seeds c and e gave exactly the same F1 at every size"


def test_one_size_at_which_all_agree_is_named():
    table = errors()
    table[:, 2] = table[0, 2]
    same = sameness(table, is_share=True)
    assert same.sizes == (2,) and same.unlikely
    assert (
        same.words([*"abcde"], [f"{n} images" for n in range(6)], "seed", "loss")
        == "all 5 seeds gave exactly the same loss at 2 images"
    )


@pytest.mark.parametrize(("size", "value"), [(SIZES - 1, None), (0, 0.9), (0, 0.5), (0, 1 - 1 / 26), (3, 0.0)], ids=str)
def test_values_that_something_else_fixes_are_no_copies(size, value):
    """All runs of the whole data set, of a network that only guesses, or without errors may agree."""
    table = errors()
    table[:, size] = table[0, size] if value is None else value
    assert not sameness(table, is_share=True).unlikely


def test_a_small_test_set_lets_runs_agree():
    table = errors(3, images=100, digits=2)
    table[1, 2] = table[0, 2] = table[2, 2]
    table[1, 4] = table[0, 4]
    assert not sameness(table, is_share=True).unlikely


@pytest.mark.parametrize(("value", "guessing"), [(0.9, True), (0.38, False), (0.0, False)])
def test_a_value_that_never_changes_is_told_from_copies(value, guessing):
    same = sameness(np.full((3, 4), value), is_share=True)
    assert same.constant and same.everywhere and same.guessing == guessing


def test_a_loss_at_that_of_guessing():
    table = errors() * 2
    table[:, 0] = np.log(10)
    assert sameness(table, is_share=False).unlikely
    assert not sameness(table, is_share=False, chance=np.log(10)).unlikely


def test_numbers_too_coarse_to_show_a_spread_are_not_unlikely():
    table = np.repeat(errors(1, digits=2), 5, axis=0)
    assert not sameness(table, is_share=True, step=0.01).unlikely
    assert sameness(table, is_share=True, step=0.01, n_test=100).unlikely


@pytest.mark.parametrize("studies", [300, pytest.param(10_000, marks=pytest.mark.slow)])
def test_independent_runs_rarely_agree_as_copies_do(studies):
    """P(p < CHANCE) <= CHANCE, for test sets of 100 to 10,000 images and numbers of 2 to 4 digits."""
    rng, raised = np.random.default_rng(1), 0
    for study in range(studies):
        images, digits = int(rng.choice([100, 300, 1000, 3000, 10_000])), int(rng.integers(2, 5))
        raised += sameness(errors(int(rng.integers(2, 8)), images, digits, study), is_share=True).unlikely
    print(f"{raised} of {studies} tables of independent runs looked like copies")
    assert raised <= max(1, 2 * CHANCE * studies)
