"""Draws that are each trained with several seeds: what is said of single runs holds for single runs."""

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from trainsize.curves import comparisons, next_runs
from trainsize.curves.bootstrap import resampled_means
from trainsize.curves.choosing import candidates
from trainsize.curves.confidence import Confidence, confidence_of
from trainsize.curves.curve import Response, make_curve
from trainsize.curves.families import FAMILIES, size_for
from trainsize.curves.fitting import fit
from trainsize.curves.predictions import predictions
from trainsize.curves.problem import Problem
from trainsize.curves.search import fit_many
from trainsize.published.printed import Claim
from trainsize.regressions import variance
from trainsize.regressions.options import Data, Options
from trainsize.regressions.stage import analyse
from trainsize.reproduction.claims import TESTS, Untestable
from trainsize.runs.metrics import METRICS, SCORE
from trainsize.statistics.crossed import is_crossed, run_variance, table_of

SIZES = np.array([200 * 2**k for k in range(7)])
ONE_SIZE = SIZES[:1]


def error(n):
    return 0.05 + 3 * n**-0.5


def made(rng, draws, seeds, of_draw, of_seed=0.0, of_run=0.0, sizes=SIZES) -> pd.DataFrame:
    """Return runs of every draw with every seed, with an effect of each of these standard deviations at each size."""
    shapes = {(draws, 1): of_draw, (1, seeds): of_seed, (draws, seeds): of_run}
    accuracy = 1 - error(sizes) + sum(rng.normal(0, sd, (*shape, len(sizes))) for shape, sd in shapes.items())
    grid = pd.MultiIndex.from_product([range(draws), range(seeds), sizes], names=["draw", "seed", "n"])
    return grid.to_frame(index=False).assign(model="m", status="finished", accuracy=accuracy.ravel())


def claim(margin: float) -> Claim:
    return Claim("", "", "spread", model="m", metric="accuracy", margin=margin)


def test_the_variance_of_a_run_is_that_of_pairs_that_share_nothing():
    rng = np.random.default_rng(0)
    table = np.where(rng.random((4, 6)) < 0.7, rng.normal(0.9, 0.01, (4, 6)), np.nan)
    cells = [(i, j) for i, j in np.ndindex(table.shape) if np.isfinite(table[i, j])]
    halves = [(table[a] - table[b]) ** 2 / 2 for a in cells for b in cells if a[0] != b[0] and a[1] != b[1]]
    assert run_variance(table) == pytest.approx(np.mean(halves))
    values = rng.normal(size=5)
    assert run_variance(np.where(np.eye(5) > 0, values, np.nan)) == pytest.approx(values.var(ddof=1))
    assert np.isnan(run_variance(table[:1])) and np.isnan(run_variance(table[:, :1]))
    assert run_variance(np.full((3, 4), 0.1)) == 0


def test_the_components_of_a_complete_table_sum_to_the_variance_of_a_run():
    data = made(np.random.default_rng(0), 6, 8, 0.01, 0.01, 0.01, ONE_SIZE)
    parts = {part.component: part.variance for part in variance.components(data, "accuracy", None, None)}
    assert parts["runs"] == pytest.approx(parts["draw"] + parts["seed"] + parts["draw with seed"])


@pytest.mark.parametrize("missing", [0, 8])
def test_the_variance_of_a_run_is_unbiased_with_two_draws_of_many_seeds(missing):
    rng, found = np.random.default_rng(2), []
    for _ in range(400):
        data = made(rng, 2, 20, 0.01, 0.002, 0.002, ONE_SIZE).drop(index=rng.permutation(40)[:missing])
        found.append(variance.between_runs(data, "accuracy"))
    assert abs(np.mean(found) - 1.08e-4) < 3 * np.std(found) / np.sqrt(len(found))


def test_seeds_of_their_own_in_every_draw_leave_the_variance_unbiased():
    rng, found = np.random.default_rng(3), []
    for _ in range(400):
        data = made(rng, 3, 6, 0.01, 0.0, 0.005, ONE_SIZE)
        data["seed"] += 100 * data["draw"]
        (part,) = variance.draw_and_seed(data, "accuracy")
        found.append(part.variance)
    assert part.component == "draw and seed together"
    assert abs(np.mean(found) - 1.25e-4) < 3 * np.std(found) / np.sqrt(len(found))


def test_the_spread_on_any_test_set_is_that_of_other_draws_too():
    """Every draw has images of its own that it gets wrong, and 2 draws × 20 seeds differ little within a draw."""
    rng, found = np.random.default_rng(4), []
    for _ in range(300):
        chances = np.clip(0.9 + rng.normal(0, 0.02, (2, 1, 1)) + rng.normal(0, 0.005, (2, 20, 1)), 0, 1)
        right = rng.random((2, 20, 500)) < chances
        data = made(rng, 2, 20, 0.0, sizes=ONE_SIZE).assign(accuracy=right.mean(2).ravel())
        found.append(variance.components(data, "accuracy", 500, right.sum((0, 1)))[-1].variance)
    assert abs(np.mean(found) - (0.02**2 + 0.005**2)) < 3 * np.std(found) / np.sqrt(len(found))


@pytest.mark.parametrize(("draw", "run"), [(0.002, 0.01), (0.01, 0.002)])
def test_the_band_for_a_new_run_holds_new_runs(draw, run):
    rng, inside = np.random.default_rng(0), []
    for _ in range(40):
        curve = make_curve(made(rng, 5, 8, draw, 0.0, run), "accuracy", SCORE)
        (candidate,) = candidates(curve, ("pow3",), resampled_means(curve, 300))
        row = predictions(candidate, curve, SIZES[-1:], confidence_of(curve, 0.95, False)).iloc[0]
        new = 1 - error(SIZES[-1]) + rng.normal(0, np.hypot(draw, run), 200)
        inside.append(((row["low_run"] <= new) & (new <= row["high_run"])).mean())
    assert 0.93 < np.mean(inside) < 0.998


def test_the_probability_that_a_run_is_better_is_of_runs():
    rng, found = np.random.default_rng(1), []
    for _ in range(60):
        a, b = (made(rng, 5, 8, 0.002, 0.0, 0.01) for _ in range(2))
        curves = [make_curve(t, "accuracy", SCORE) for t in (a, b.assign(accuracy=b["accuracy"] + 0.005))]
        confidence = Confidence(0.95, 5, "draw", "no intervals")
        found += [comparisons.difference(*curves, (j, j), (None, None), confidence).p_improvement for j in range(7)]
    assert np.mean(found) == pytest.approx(stats.norm.cdf(0.005 / np.hypot(0.002, 0.01) / np.sqrt(2)), abs=0.02)


def test_the_width_after_the_next_runs_is_what_they_make_it():
    """40 draws with 8 seeds, so that the variances are known well, and worlds in which the planned runs are made."""
    rng = np.random.default_rng(0)
    curve = make_curve(made(rng, 40, 8, 0.002, 0.0, 0.01), "accuracy", SCORE)
    sizes = SIZES.astype(float)
    found = fit(FAMILIES["pow3"], Problem(sizes, curve.weights(), (0.0, 1.0)), curve.means, rng)
    steps = next_runs.best_next(found, curve, (0.0, 1.0), 500 * sizes.sum(), 0.1, most=sizes[-1])
    added = np.array([next((step.seeds for step in steps if step.n == n), 0) for n in sizes])
    draw, run = 0.002**2 + 0.01**2 / 8, 0.002**2 + 0.01**2
    spreads = [_log_size_spread(40 / draw + runs / run) for runs in (added, 0 * added)]
    assert steps[0].width == pytest.approx(spreads[0] / spreads[1], rel=0.12)


def _log_size_spread(weights: np.ndarray) -> float:
    """Return the standard deviation over 400 worlds of ln n for 10 % of errors, with means of these weights."""
    means = error(SIZES) + np.random.default_rng(1).normal(size=(400, 7)) / np.sqrt(weights)
    problem = Problem(SIZES.astype(float), weights, (0.0, 1.0))
    curves = fit_many(FAMILIES["pow3"], problem, means)
    return float(np.log(size_for(FAMILIES["pow3"], curves, 0.1, problem.n0, problem.chance, (100, 1e9))).std())


def test_the_next_runs_are_of_sizes_in_the_fit():
    rng = np.random.default_rng(0)
    curve, kept = make_curve(made(rng, 5, 1, 0.005), "accuracy", SCORE), slice(2, None)
    sizes = curve.sizes[kept]
    found = fit(FAMILIES["pow3"], Problem(sizes, curve.weights()[kept], (0.0, 1.0)), curve.means[kept], rng)
    steps = next_runs.best_next(found, curve, (0.0, 1.0), 10 * SIZES.sum(), error=None)
    assert steps and min(step.n for step in steps) >= sizes[0]


@pytest.mark.parametrize("design", ["one draw", "a seed per draw", "one seed"])
def test_draws_with_one_seed_each_and_one_draw_are_as_they_were(design):
    draws, seeds = {"one draw": (1, 6)}.get(design, (6, 1))
    data = made(np.random.default_rng(0), draws, seeds, 0.01, 0.0, 0.01)
    if design == "a seed per draw":
        data["seed"] = data["draw"] + 100
    curve = make_curve(data, "accuracy", SCORE)
    assert not is_crossed(data) and curve.runs is None
    assert np.array_equal(curve.run_variances(), curve.variances())
    group = data[data["n"] == 200]
    assert variance.between_runs(group, "accuracy") == group["accuracy"].var(ddof=1)
    own = data.groupby("n")["accuracy"].var(ddof=1).mean()
    found = TESTS["spread"](data, claim(0.01))
    assert (found.value, found.repeats) == (pytest.approx(1.96 * np.sqrt(own)), 42)


@pytest.mark.filterwarnings("error::RuntimeWarning")
def test_missing_runs_and_draws_leave_the_answers_finite():
    """A run is missing here and there, one size has a single draw so far, and at one the draws' means are the same."""
    rng = np.random.default_rng(0)
    data = made(rng, 4, 3, 0.004, 0.0, 0.004)
    data = data.drop(index=[0, 9, 40])
    alone = data[(data["n"] < 12_800) | (data["draw"] == 0)].assign(seconds_total=1.0)
    alike = data.assign(accuracy=data["accuracy"].mask(data["n"] == 800, 0.8 + 0.01 * data["seed"]))
    for runs in (alike, alone):
        curve = make_curve(runs, "accuracy", SCORE)
        assert np.isfinite(curve.run_variances()).all()
        assert [len(curve.runs_at(j)) for j in range(7)] == list(runs.groupby("n").size())
    rows = analyse(alone, ["m"], [Response("accuracy", METRICS["accuracy"])], Options(bootstrap=200), Data(1000))
    between = rows.frames()["variance"].query("component == 'runs'")
    assert len(between) == 7 and np.isfinite(between["variance"]).all()


@pytest.mark.parametrize(("draw", "seed", "run"), [(0.006, 0, 0.002), (0.006, 0.002, 0.002), (0.002, 0, 0.006)])
def test_the_claim_that_one_run_is_enough_is_judged_by_draws(draw, seed, run):
    """300 designs of 3 draws with 5 seeds: the intervals hold, and few say of a larger spread that it is small."""
    rng, truth = np.random.default_rng(4), 1.96 * np.sqrt(draw**2 + seed**2 + run**2)
    held = holds = 0
    for _ in range(300):
        data = made(rng, 3, 5, draw, seed, run, ONE_SIZE)
        found = TESTS["spread"](data, claim(0.99 * truth))
        held += found.low <= truth <= found.high
        holds += found.verdict == "holds"
    assert 278 <= held <= 297
    assert holds <= 14


def test_the_spread_of_crossed_runs_with_missing_ones():
    small = claim(0.1)
    data = made(np.random.default_rng(0), 3, 5, 0.006, 0.0, 0.002, ONE_SIZE)
    whole, lacking = TESTS["spread"](data, small), TESTS["spread"](data.drop(index=7), small)
    assert (whole.repeats, lacking.repeats) == (15, 12)
    assert whole.value == pytest.approx(1.96 * np.sqrt(run_variance(table_of(data, "accuracy"))))
    same = TESTS["spread"](data.assign(accuracy=0.5), small)
    assert (same.low, same.high, same.verdict) == (0, 0, "holds")
    apart = data.assign(seed=data["seed"] + 10 * data["draw"])
    with pytest.raises(Untestable, match="no two draws with runs of the same two seeds"):
        TESTS["spread"](apart, small)
