"""How often the intervals hold real errors: those of classifiers on scikit-learn's digits, cut and held to the rest."""

import importlib.util
import warnings
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from threadpoolctl import threadpool_limits

from trainsize.curves.families import CHOSEN_FAMILY, TREND
from trainsize.curves.forecast import centre
from trainsize.curves.trend import PRIOR, posterior
from trainsize.runs.metrics import LOSS

BENCHMARK = Path(__file__).parents[3] / "benchmarks" / "real_curves.py"


@pytest.fixture(scope="module", autouse=True)
def one_thread():
    """Threads of such small products wait for each other most of the time."""
    with threadpool_limits(1):
        yield


@pytest.fixture(scope="module")
def real_curves():
    spec = importlib.util.spec_from_file_location("real_curves", BENCHMARK)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture(scope="module")
def cells(real_curves):
    """The digits' curves of errors, cut at each of their sizes from the third on, with 5 and with 10 seeds."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        runs = real_curves.digits()
    return list(real_curves.cells(runs[runs["kind"] != LOSS], seeds=(5, 10)))


@pytest.fixture(scope="module")
def answers(real_curves, cells) -> pd.DataFrame:
    rows = [
        row
        for cell in cells
        for method, predictor in real_curves.predictors(cell).items()
        for row in real_curves.answers(cell, method, predictor)
    ]
    return real_curves.scored(pd.DataFrame(rows)).query("m <= 4")


def test_the_intervals_of_the_answers_hold_real_errors(answers):
    own = answers[answers["method"] == TREND]
    held = own.groupby("m")["held95"].agg(["size", "mean"])
    assert (held["size"] >= 36).all()
    assert (held["mean"] >= 0.85).all(), held


def test_the_intervals_are_not_wide_without_bound(answers):
    own = answers[(answers["method"] == TREND) & (answers["k"] >= 5)]
    widths = own.groupby("m")["width95"].median()
    assert widths[2] < np.log(2.2)
    assert widths[4] < np.log(5)
    assert 0.6 <= own["held80"].mean() <= 1


def test_the_chosen_family_alone_holds_less_often(answers):
    held = answers.groupby("method")["held95"].mean()
    assert held[CHOSEN_FAMILY] < min(held[TREND], 0.85), held


def test_the_centre_errs_less_than_the_last_value(answers, cells):
    last = {(c.learner, c.seeds, len(c.curve.sizes)): c.curve.means[-1] for c in cells}
    own = answers[answers["method"] == TREND]
    standing = np.log([last[key] for key in zip(own["learner"], own["seeds"], own["k"], strict=True)])
    assert np.square(own["error"]).mean() < 0.25 * np.square(standing - np.log(own["truth"])).mean()


def test_many_centres_at_once_are_those_of_single_curves(real_curves, cells):
    batch = real_curves.batches(cells)[0]
    trend = posterior(PRIOR, batch.sizes, batch.log_errors, batch.noise, batch.at).mean
    curves = [cell.curve for cell in cells if np.array_equal(cell.curve.sizes, batch.sizes)]
    single = [centre(curve, batch.at, row)[1:] for curve, row in zip(curves, trend, strict=True)]
    np.testing.assert_allclose(real_curves.centres(trend, batch.families), single, rtol=1e-9)
