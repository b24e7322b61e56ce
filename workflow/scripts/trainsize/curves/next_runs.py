"""Which runs to train next: the sizes at which more seeds narrow an answer most per second of training."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from scipy.optimize import nnls

from trainsize.curves.choosing import REACH
from trainsize.curves.curve import Curve
from trainsize.curves.families import Array, predict, size_for
from trainsize.curves.fitting import Fit, derivative, replaced
from trainsize.curves.forecast import Forecast
from trainsize.curves.trend import PRIOR, variances_with

NEW_SIZES = (2.0, 4.0)  # times the largest: sizes offered beside the measured ones
STEPS = 200  # parts of a large budget: runs are added one at a time only where one costs more than a part
RIDGE = 1e-9


@dataclass(frozen=True)
class Step:
    """Runs to add at a size, their cost, and the factor by which all additions change the interval's width."""

    n: float
    seeds: int
    seconds: float
    width: float


def seconds_model(n: Array, seconds: Array) -> tuple[float, float]:
    """Return (t0, t1), not negative, of seconds = t0 + t1 n, by least squares of the recorded runs."""
    design = np.column_stack([np.ones(len(n)), n])
    scale = design.max(0)
    solution, _ = nnls(design / scale, np.asarray(seconds, dtype=float))
    return float(solution[0] / scale[0]), float(solution[1] / scale[1])


def best_next(
    found: Fit | Forecast,
    curve: Curve,
    seconds: tuple[float, float],
    budget: float,
    error: float | None,
    most: float = np.inf,
) -> list[Step]:
    """Spend `budget` seconds on runs, a few at a time, each time where the answer's variance falls most per second.

    The answer is ln n for `error` or, without one, the mean over the sizes of the variance of ln e (a narrower curve).
    Twice and four times the largest size are offered beside the measured ones, where they are at most `most`. A run
    added is a new draw with one seed: where the curve's draws have several, it counts for less than one of them, by the
    ratio of the variance of their means to that of a single run.
    """
    smallest = found.smallest if isinstance(found, Forecast) else found.problem.sizes[0]
    sizes = curve.sizes[curve.sizes >= smallest]
    offered = np.array([*sizes, *(factor * sizes[-1] for factor in NEW_SIZES if factor * sizes[-1] <= most)])
    counts = dict(zip(curve.sizes, curve.counts, strict=True))
    units = np.array([counts.get(n, 0) for n in offered], dtype=float)
    variances, of_runs = (
        np.exp(np.interp(np.log(offered), np.log(curve.sizes), np.log(by_size)))
        for by_size in (curve.variances(), curve.run_variances())
    )
    costs = seconds[0] + seconds[1] * offered
    uncertainty = _of_forecast if isinstance(found, Forecast) else _of_fit
    variance = uncertainty(found, offered, sizes, error)
    if variance is None or not (costs > 0).all():
        return []
    worth = variances / of_runs

    def variance_with(added: Array) -> float:
        return variance((units + worth * added) / variances)

    before = variance_with(np.zeros(len(offered)))
    if not (np.isfinite(before) and before > 0):  # a flat curve: more runs would narrow nothing
        return []
    added, after = _spend(budget, costs, variance_with, before)
    width = float(np.sqrt(after / before))
    return [Step(float(n), int(k), float(k * c), width) for n, k, c in zip(offered, added, costs, strict=True) if k]


def _of_fit(fit: Fit, offered: Array, sizes: Array, error: float | None) -> Callable[[Array], float] | None:
    """Return the variance of a family's answer as a function of the weights at the offered sizes, units over variance.

    It follows from the linear approximation: information sum_n S_n / s²(n) J_n J_n', J being the derivatives by the
    fit's free parameters. It is None where the answer does not depend on them.
    """
    if not fit.free:
        return None
    jacobian = _derivatives(fit, lambda c: predict(fit.family, c, offered, fit.problem.n0, fit.problem.chance))
    answer = _answer_derivatives(fit, sizes, error)
    scale = np.linalg.norm(jacobian, axis=0)
    if not np.isfinite(answer).all() or not scale.all():
        return None
    return lambda weights: _variance(jacobian / scale, weights, answer / scale)


def _of_forecast(
    forecast: Forecast, offered: Array, sizes: Array, error: float | None
) -> Callable[[Array], float] | None:
    """Return the same for a forecast; the variance of ln n for a target is taken as that of ln e at the size for it."""
    limits = (sizes[0], forecast.reach * sizes[-1])
    at = sizes if error is None else forecast.sizes_for(error, limits)[:1]
    if not np.isfinite(at).all():
        return None
    errors = forecast.errors(offered)

    def variance(weights: Array) -> float:
        had = weights > 0
        noise = np.diag(1 / (weights[had] * errors[had] ** 2))
        return float(forecast.weights @ variances_with(PRIOR, forecast.drifts, offered[had], noise, at).mean(1))

    return variance


def _spend(budget: float, costs: Array, variance_with: Callable[[Array], float], before: float) -> tuple[Array, float]:
    """Return the runs added at each size (k,), greedily, and the variance of the answer with them."""
    added, left, now = np.zeros(len(costs), dtype=int), budget, before
    options = np.diag(np.maximum(1, budget / STEPS // costs).astype(int))
    prices = options @ costs
    while (prices <= left).any():
        after = np.array([variance_with(added + few) for few in options])
        gain = np.where(prices <= left, (now - after) / prices, 0.0)
        pick = int(np.argmax(gain))
        if gain[pick] <= 0:
            break
        added += options[pick]
        left -= prices[pick]
        now = after[pick]
    return added, now


def _derivatives(fit: Fit, quantity: Callable[[Array], Array]) -> Array:
    return derivative(lambda p: quantity(replaced(fit.curve, fit.free, p)), fit.curve[list(fit.free)])


def _answer_derivatives(fit: Fit, sizes: Array, error: float | None) -> Array:
    """Return the derivatives (rows, free parameters) of the answer to be narrowed."""
    problem = fit.problem
    if error is None:
        return _derivatives(
            fit, lambda c: np.log(np.maximum(predict(fit.family, c, sizes, problem.n0, problem.chance), 1e-12))
        )
    limits = (sizes[0], REACH * sizes[-1])
    return _derivatives(fit, lambda c: np.log(size_for(fit.family, c[None], error, problem.n0, problem.chance, limits)))


def _variance(jacobian: Array, weights: Array, answer: Array) -> float:
    """Return the mean variance of the answer, from its derivatives and those of the errors at the weighted sizes."""
    information = (jacobian.T * weights) @ jacobian
    information += RIDGE * np.trace(information) * np.eye(len(information))
    return float(np.mean(np.einsum("kp,pq,kq->k", answer, np.linalg.inv(information), answer)))
