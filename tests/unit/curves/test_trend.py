"""The damped trend: its process against numerical integrals and its own simulations, and the forecasts made of it."""

from dataclasses import replace

import numpy as np
import pytest
from scipy.integrate import dblquad

from trainsize.curves.confidence import confidence_of
from trainsize.curves.curve import Curve
from trainsize.curves.forecast import REACH, forecast, log_means
from trainsize.curves.next_runs import best_next
from trainsize.curves.targets import target_size
from trainsize.curves.trend import PRIOR, posterior, recent_exponent
from trainsize.runs.metrics import SCORE

SIZES = np.array([100, 200, 400, 800, 1600, 3200.0])


def curve_of(errors: np.ndarray, seeds: int = 5, noise: float = 0.002, shared: float = 0.0, seed: int = 0) -> Curve:
    rng = np.random.default_rng(seed)
    own, common = rng.normal(0, noise, (seeds, len(errors))), rng.normal(0, shared, (seeds, 1))
    return Curve(SCORE, SIZES[: len(errors)], tuple(range(seeds)), errors + own + common, "seed", 10_000, 0.9)


def falling(n: np.ndarray) -> np.ndarray:
    return 0.05 + 2 * n**-0.5


def test_the_process_has_the_covariance_of_an_integrated_ornstein_uhlenbeck_process():
    """What noise-free means leave unknown, against double integrals of the exponent's covariance."""
    sizes, at, drift, damping = np.array([1.0, np.e]), np.array([np.e**3]), 0.3, 0.4

    def of_exponents(u: float, v: float) -> float:
        return drift**2 / (2 * damping) * (np.exp(-damping * abs(u - v)) - np.exp(-damping * (u + v)))

    prior = replace(PRIOR, damping=damping, exponent=1e-12, volatility=drift, spread=1e-12, first=0.2)
    log_errors = np.array([0.0, -1.0])  # a recent exponent of 1, so that the drift is the volatility
    led = [(1 - np.exp(-damping * x)) / damping for x in (1.0, 3.0)]
    joint = np.array(
        [[dblquad(of_exponents, 0, a, 0, b)[0] for b in (1.0, 3.0)] for a in (1.0, 3.0)]
    ) + 0.2**2 * np.outer(led, led)
    found = posterior(prior, sizes, log_errors, 1e-12 * np.eye(2), at)
    expected = joint[1, 1] - joint[0, 1] ** 2 / joint[0, 0]
    assert found.covariances[0, 0, 0] == pytest.approx(expected, rel=1e-4)
    assert found.means[0, 0] == pytest.approx(-joint[0, 1] / joint[0, 0], rel=1e-4)


def test_worlds_of_the_prior_are_held_by_its_intervals():
    """In curves drawn from the process itself, 95 % intervals at four times the largest size hold 95 %."""
    rng, held = np.random.default_rng(0), 0
    at = np.append(SIZES, 4 * SIZES[-1])
    x = np.log(at / at[0])
    for _ in range(400):
        steps = np.linspace(0, x[-1], 400)
        exponent = np.empty_like(steps)
        exponent[0] = rng.normal(0.4, 0.05)
        drift = 0.15 * np.exp(PRIOR.spread * rng.normal())
        for i, step in enumerate(np.diff(steps), start=1):
            back = PRIOR.damping * (PRIOR.exponent - exponent[i - 1]) * step
            exponent[i] = exponent[i - 1] + back + drift * np.sqrt(step) * rng.normal()
        log_errors = np.interp(x, steps, -np.append(0, np.cumsum(np.diff(steps) * exponent[:-1])))
        known = posterior(PRIOR, SIZES, log_errors[:-1] + rng.normal(0, 0.01, 6), 1e-4 * np.eye(6), at[-1:])
        low, high = np.quantile(known.paths(500, rng)[:, 0], [0.025, 0.975])
        held += low <= log_errors[-1] <= high
    assert 0.91 <= held / 400 <= 0.99


def test_the_recent_exponent_is_that_of_the_largest_sizes():
    log_errors = np.array([-0.1, -0.2, -1.0, -1.5, -2.0, -2.5])
    assert recent_exponent(SIZES, log_errors) == pytest.approx(0.5 / np.log(2))


def test_intervals_widen_with_the_distance_and_hold_the_measured_means():
    curve = curve_of(falling(SIZES))
    drawn = forecast(curve, 1000).resampled_errors(np.append(SIZES, SIZES[-1] * np.array([2, 4, 8, 32])))
    widths = np.diff(np.quantile(np.log(drawn), [0.025, 0.975], axis=0), axis=0)[0]
    assert (np.diff(widths[len(SIZES) - 1 :]) > 0).all()
    assert np.exp(np.median(np.log(drawn[:, : len(SIZES)]), axis=0)) == pytest.approx(curve.means, rel=0.02)


def test_what_seeds_share_is_uncertain_however_many_sizes_there_are():
    alone, shared = curve_of(falling(SIZES), noise=0.004), curve_of(falling(SIZES), noise=0.0005, shared=0.004)
    assert alone.correlation() < 0.5 < 0.8 < shared.correlation()
    widths = [
        np.ptp(np.quantile(forecast(c, 1000).resampled_errors(SIZES[-1:]), [0.025, 0.975])) for c in (alone, shared)
    ]
    assert widths[1] > widths[0]


def test_images_for_a_target_are_searched_as_far_as_was_checked():
    curve = curve_of(falling(SIZES))
    confidence = confidence_of(curve, 0.95, allow_few=False)
    found = forecast(curve, 1000)
    near = target_size(found, curve, float(falling(2 * SIZES[-1])), confidence)
    assert near.low < 2 * SIZES[-1] < near.high
    assert near.low < near.low_80 < near.median < near.high_80 < near.high
    far = target_size(found, curve, 0.001, confidence)
    assert np.isinf(far.median) and far.p_never > 0.9 and far.reach == REACH
    within = target_size(found, curve, float(falling(600.0)), confidence)
    assert within.estimate == pytest.approx(600, rel=0.1)
    below = found.sizes_for(float(falling(50.0)), (10.0, 1e5))[0]
    assert below == pytest.approx(50, rel=0.3)


def test_sizes_without_errors_count_as_half_an_error():
    curve = curve_of(np.array([0.1, 0.05, 0.02, 0.0, 0.0]), noise=0.0)
    log_errors, noise = log_means(curve)
    assert log_errors[-1] == pytest.approx(np.log(0.5 / 50_000))
    assert noise[-1, -1] >= 1
    assert np.isfinite(forecast(curve, 100).resampled_errors(np.array([6400.0]))).all()


def test_what_has_no_forecast_says_why():
    with pytest.raises(ValueError, match="2 sizes, damped_trend needs at least 3"):
        forecast(curve_of(falling(SIZES[:2])), 100)
    with pytest.raises(ValueError, match="the metric is the same at every size"):
        forecast(curve_of(np.full(4, 0.5), noise=0.0), 100)


def test_planned_runs_narrow_a_forecast_as_much_as_they_say():
    """The interval of the error at 2 N with the planned runs, against the width that was promised."""
    curve = curve_of(falling(SIZES), noise=0.004)
    target = float(forecast(curve, 0).errors(np.array([2 * SIZES[-1]]))[0])
    steps = best_next(forecast(curve, 0), curve, (0.0, 1.0), 3 * SIZES.sum(), target, most=SIZES[-1])
    assert steps and all(step.width < 0.95 for step in steps)
    rng = np.random.default_rng(1)
    more = np.full((60, len(SIZES)), np.nan)
    more[:5] = curve.values
    for step in steps:
        column = int(np.searchsorted(SIZES, step.n))
        more[5 : 5 + step.seeds, column] = falling(step.n) + rng.normal(0, 0.004, step.seeds)
    grown = replace(curve, units=tuple(range(60)), values=more)
    widths = [
        np.ptp(np.quantile(np.log(forecast(c, 2000).resampled_errors(2 * SIZES[-1:])), [0.025, 0.975]))
        for c in (curve, grown)
    ]
    assert widths[1] / widths[0] == pytest.approx(steps[0].width, abs=0.2)
