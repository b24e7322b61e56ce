"""The auditor raises no false alarms: simulated honest studies, and the calibration of its tests.

The honest studies are like real ones: bounded learning curves, seeds that differ, classes of unequal difficulty, whole
test sets, macro F1, numbers rounded as papers round them.
"""

import numpy as np
import pandas as pd
import pytest
from scipy import stats
from statsmodels.stats.multitest import multipletests
from support import independent_errors

from trainsize.audit.facts import Facts
from trainsize.audit.findings import FINDING, QUESTION
from trainsize.audit.last_batch import Values, find_grid, fits, log_chance
from trainsize.audit.repetitions import IDENTICAL
from trainsize.audit.sheet import sheet_of_texts
from trainsize.audit.stage import ALPHA, audit
from trainsize.statistics.hypotheses import holm

TEST_SETS = ((10_000, 10), (20_800, 26), (13_800, 46), (10_000, 100), (2_007, 10), (500, 10), (10_000, 2))


def confusions(rng, rates: np.ndarray, images: int) -> np.ndarray:
    """Return the counts label × prediction of a classifier with these error rates by class, on balanced images."""
    classes = len(rates)
    partners = rng.gamma(2.0, size=(classes, classes))
    np.fill_diagonal(partners, 0)
    chances = partners / partners.sum(axis=1, keepdims=True) * rates[:, None]
    np.fill_diagonal(chances, 1 - rates)
    counts = np.full(classes, images // classes) + (np.arange(classes) < images % classes)
    return np.array([rng.multinomial(count, row) for count, row in zip(counts, chances, strict=True)])


def scores(table: np.ndarray) -> tuple[float, float]:
    """Return accuracy and macro F1."""
    return np.trace(table) / table.sum(), np.mean(2 * np.diag(table) / (table.sum(axis=0) + table.sum(axis=1)))


def honest_study(rng) -> tuple[pd.DataFrame, Facts]:
    """Return a table of printed runs and what is known of it."""
    n_test, classes = TEST_SETS[rng.integers(len(TEST_SETS))]
    sizes = np.unique(
        np.geomspace(rng.integers(100, 1000), rng.integers(5_000, 50_000), rng.integers(4, 10)).astype(int)
    )
    seeds, batch = rng.integers(2, 8), int(rng.choice([32, 50, 64, 72, 128, 256]))
    floor, exponent, spread = rng.uniform(0.005, 0.1), rng.uniform(0.2, 0.6), rng.uniform(0.01, 0.15)
    harder = np.exp(rng.uniform(0.3, 0.8) * rng.standard_normal(classes))
    rows = []
    for n in sizes:
        error = floor + (0.7 - floor) * (n / 100) ** -exponent
        for seed in range(seeds):
            rates = np.clip(error * harder / harder.mean() * np.exp(spread * rng.standard_normal()), 0.001, 0.9)
            accuracy, f1 = scores(confusions(rng, rates, n_test))
            train = rng.binomial(n, min(0.9999, 1 - 0.3 * rates.mean())) / n
            losses = [2.2 * (1 - share) * np.exp(0.1 * rng.standard_normal()) + 1e-4 for share in (accuracy, train)]
            rows.append((n, seed, accuracy, f1, losses[0], train, losses[1], rng.integers(1960, 2040)))
    names = ("n", "seed", "test_accuracy", "test_f1", "test_loss", "train_accuracy", "train_loss", "updates")
    data = pd.DataFrame(rows, columns=names)
    return printed(rng, data), Facts(n_test=n_test, classes=classes, batch_size=batch if rng.random() < 0.5 else None)


def printed(rng, data: pd.DataFrame) -> pd.DataFrame:
    """Round a table as papers do: shares to 2 to 5 digits or to per cent, losses to 3 to 5 digits."""
    scale, digits = (100, rng.integers(1, 4)) if rng.random() < 0.5 else (1, rng.integers(2, 6))
    texts = pd.DataFrame(index=data.index)
    for name in data:
        if name.endswith(("accuracy", "f1")):
            texts[name] = [f"{scale * value:.{digits}f}" for value in data[name]]
        elif name.endswith("loss"):
            texts[name] = [f"{value:.{rng.integers(3, 6)}f}" for value in data[name]]
        else:
            texts[name] = data[name].astype(int).astype(str)
    return texts


def honest_folds(rng) -> pd.DataFrame:
    """Return a cross-validation without a leak: folds of unequal difficulty, two models, losses."""
    folds = int(rng.choice([5, 10]))
    level, hard = rng.uniform(0.7, 0.97), rng.normal(0, 0.005, folds)
    rows = []
    for model in ("a", "b"):
        for fold in range(folds):
            accuracy = rng.binomial(60_000 // folds, np.clip(level + hard[fold] + rng.normal(0, 0.002), 0, 1)) / (
                60_000 // folds
            )
            rows.append((model, fold + 1, accuracy, 2 * (1 - accuracy) * np.exp(0.1 * rng.standard_normal())))
    data = pd.DataFrame(rows, columns=("model", "fold", "validation_accuracy", "validation_loss"))
    texts = data.astype({"fold": str})
    texts["validation_accuracy"] = data["validation_accuracy"].map(lambda value: f"{100 * value:.2f}")
    texts["validation_loss"] = data["validation_loss"].map("{:.4f}".format)
    return texts


@pytest.mark.parametrize("studies", [60, pytest.param(1000, marks=pytest.mark.slow)])
def test_honest_studies_raise_no_more_false_alarms_than_stated(studies):
    """One audit per study, of its runs and of a cross-validation: at most ALPHA of the studies may raise an alarm."""
    rng = np.random.default_rng(20261121)
    alarms = []
    for _ in range(studies):
        data, facts = honest_study(rng)
        folds = Facts(n_validation=12_000)
        found = audit([(sheet_of_texts(data, "runs"), facts), (sheet_of_texts(honest_folds(rng), "folds"), folds)])
        alarms += [[f for f in found if f.status in (FINDING, QUESTION)]]
    raised = sum(bool(of_study) for of_study in alarms)
    print(f"{raised} of {studies} honest studies raised an alarm")
    assert raised <= stats.binom.ppf(0.999, studies, ALPHA), [f for of_study in alarms for f in of_study]


@pytest.mark.parametrize("studies", [100, pytest.param(5000, marks=pytest.mark.slow)])
def test_independent_runs_are_not_taken_for_copies(studies):
    """Runs that err on nearly the same images of small and large test sets, printed with 2 to 4 digits."""
    rng, raised = np.random.default_rng(20261128), 0
    for _ in range(studies):
        n_test, digits = int(rng.choice([100, 300, 1000, 3000, 10_000])), int(rng.integers(2, 5))
        levels = rng.uniform(0, 0.1) + rng.uniform(0.2, 0.7) * 2.0 ** (-rng.uniform(0.2, 0.6) * np.arange(3, 10))
        levels = levels[: rng.integers(3, 8)]
        errors = independent_errors(rng, levels, int(rng.integers(2, 8)), n_test, float(rng.choice([0.1, 0.3, 1])))
        rows = [(100 * 2**j, seed, f"{1 - e:.{digits}f}") for (seed, j), e in np.ndenumerate(errors)]
        sheet = sheet_of_texts(pd.DataFrame(rows, columns=["n", "seed", "accuracy"]).astype(str), "runs")
        found = audit([(sheet, Facts(n_test=n_test if rng.random() < 0.5 else None))])
        raised += any(f.check == IDENTICAL and f.status in (FINDING, QUESTION) for f in found)
    print(f"{raised} of {studies} tables of independent runs raised an alarm")
    assert raised <= stats.binom.ppf(0.999, studies, ALPHA)


def test_holm_is_that_of_statsmodels():
    p = np.array([0.03, 0.001, 0.8, 0.02, 0.02])
    assert holm(p) == pytest.approx(multipletests(p, method="holm")[1], abs=1e-15)


@pytest.mark.parametrize("most", [4, 60])
@pytest.mark.parametrize(("n_images", "digits"), [(100, 4), (500, 4), (500, 3), (2_007, 3), (10_000, 2), (20_800, 3)])
def test_p_values_of_grids_are_no_smaller_than_chance(n_images, digits, most):
    """P(p <= level) <= level for honest values, with few of them (a grid by chance is common) and with many."""
    rng = np.random.default_rng(n_images + digits)
    repeats, p = 400, []
    for _ in range(repeats):
        shares = np.unique((rng.integers(n_images // 2, n_images, rng.integers(1, most + 1)) / n_images).round(digits))
        shares = shares[shares < 1]
        values = Values(shares, np.full(len(shares), 0.5 * 10.0**-digits), np.ones(len(shares)))
        p.append(find_grid(values, n_images, supposed=n_images % 37 + 2).p)
    for level in (0.01, 0.05, 0.2):
        assert np.mean(np.array(p) <= level) <= level + 3 * np.sqrt(level * (1 - level) / repeats)


@pytest.mark.parametrize("digits", [1, 2, 3])
def test_printable_numbers_on_a_grid_are_counted(digits):
    numbers = np.arange(10**digits) / 10**digits
    values = Values(numbers, np.full(len(numbers), 0.5 * 10.0**-digits), np.ones(len(numbers)))
    k = np.arange(2, 1200)
    counted = fits(values, k).sum(axis=0)
    assert (np.exp(log_chance(values, k, np.inf)[0]) * 10**digits).tolist() == pytest.approx(counted.tolist())


def test_the_test_of_folds_holds_its_level_and_is_alive():
    """At a level of 10 % for everything, honest folds alone raise some alarms, and no more than that."""
    rng = np.random.default_rng(7)
    raised = []
    for _ in range(120):
        sheet = sheet_of_texts(honest_folds(rng), "folds")
        raised.append(any(f.status == FINDING for f in audit([(sheet, Facts(n_validation=12_000))], alpha=0.1)))
    assert 0.01 < np.mean(raised) <= 0.1 + 3 * np.sqrt(0.1 * 0.9 / 120)
