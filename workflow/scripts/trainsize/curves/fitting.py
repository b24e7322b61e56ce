"""Bounded weighted least squares of a learning curve.

The shape is searched from many starts; the best curve is then polished by scipy over all its parameters.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np
from scipy.optimize import least_squares

from trainsize.common.errors import plural
from trainsize.curves.families import Array, Family, Floor, predict
from trainsize.curves.problem import Problem
from trainsize.curves.projection import TINY
from trainsize.curves.search import fit_from_many_starts

SAME_COST = 1e-6  # starts agree when their costs differ by no more than this share


@dataclass(frozen=True)
class Fit:
    """The best curve (2 + q,) of a family, and how the search for it went.

    `cost` is the weighted residual sum of squares, which `agreeing` of the `starts` reached. `condition` is the
    condition number of the scaled normal equations. `bound` names the parameters at a bound; `free` has the indices of
    the others, and `jacobian` (m, len(free)) the derivatives of the fitted errors by them.
    """

    family: Family
    problem: Problem
    curve: Array
    cost: float
    starts: int
    agreeing: int
    condition: float
    bound: tuple[str, ...]
    status: str
    free: tuple[int, ...]
    jacobian: Array

    def predict(self, n: Array) -> Array:
        return predict(self.family, self.curve, n, self.problem.n0, self.problem.chance)

    @property
    def reported(self) -> Array:
        """The parameters of the family's formula, in its order."""
        return np.array(self.family.reported(*self.curve, self.problem.n0), dtype=float)


def fit(family: Family, problem: Problem, errors: Array, rng: np.random.Generator, robust: bool = False) -> Fit:
    """Fit one curve to `errors` (m,). Raises ValueError, with the reason, for errors that no curve can be fitted to."""
    if len(problem.sizes) < family.fewest_sizes:
        raise ValueError(f"{plural(len(problem.sizes), 'size')}, {family.name} needs at least {family.fewest_sizes}")
    if np.ptp(errors) == 0:
        raise ValueError("the metric is the same at every size")
    if family.curve and not problem.chance > errors.max():
        raise ValueError(f"{family.name} needs an error of guessing above all errors; found {problem.chance:.3g}")
    curves, costs = fit_from_many_starts(family, problem, errors, rng)
    best = int(np.argmin(costs))
    agreeing = int((costs <= costs[best] * (1 + SAME_COST) + TINY).sum())
    return _polished(family, problem, errors, curves[best], len(costs), agreeing, robust)


def polish(
    curve: Callable[[Array], Array],
    y: Array,
    weights: Array,
    start: Array,
    bounds: tuple[Array, Array],
    robust: bool = False,
):
    """Return scipy's bounded least-squares result for the parameters of `curve(parameters) -> (m,)`, from one start.

    `robust` means Huber's loss at 1.345 times the scaled median absolute residual of the plain fit. The result's
    `shares` (m,) are what is left of each weight with that loss.
    """
    root = np.sqrt(weights)
    low, high = (np.asarray(bound, dtype=float) for bound in bounds)
    options = {"bounds": (low, high), "method": "trf", "x_scale": "jac", "max_nfev": 20_000}
    tight = {"ftol": 1e-12, "xtol": 1e-12, "gtol": 1e-12}

    def residuals(parameters: Array) -> Array:
        return root * (curve(parameters) - y)

    result = least_squares(residuals, np.clip(start, low, high), **options, **tight)
    shares = np.ones(len(y))
    if robust:
        scale = 1.345 * np.median(np.abs(result.fun)) / 0.6745
        if scale > 0:
            result = least_squares(residuals, result.x, loss="huber", f_scale=scale, **options, **tight)
            shares = scale / np.maximum(np.abs(result.fun), scale)
    result.shares = shares
    return result


def derivative(function: Callable[[Array], Array], at: Array) -> Array:
    """Return the derivatives of `function`, (m,) or a number, by each of its parameters, by central differences."""
    steps = 1e-5 * np.maximum(np.abs(at), 1e-8)
    shifts = np.diag(steps)
    with np.errstate(invalid="ignore"):
        columns = [
            (function(at + shift) - function(at - shift)) / (2 * h) for shift, h in zip(shifts, steps, strict=True)
        ]
    return np.stack(columns, axis=-1) if columns else np.zeros((*np.shape(function(at)), 0))


def _polished(
    family: Family, problem: Problem, errors: Array, curve: Array, starts: int, agreeing: int, robust: bool
) -> Fit:
    """Polish the curve over all its parameters and describe the fit; those at a bound are left out of the Jacobian."""
    estimated = family.estimated
    ranges = [problem.floor_of(family), (0.0, np.inf), *np.exp(problem.bounds(family))]
    low, high = np.array([ranges[index] for index in estimated], dtype=float).T
    status = "fitted"
    if family.floor != Floor.LAST:

        def fitted(parameters: Array) -> Array:
            return predict(family, replaced(curve, estimated, parameters), problem.sizes, problem.n0, problem.chance)

        result = polish(fitted, errors, problem.weights, curve[list(estimated)], (low, high), robust)
        polished = replaced(curve, estimated, result.x)
        problem = replace(problem, weights=problem.weights * result.shares)  # so that resamples are fitted as robustly
        if robust or _cost(family, problem, errors, polished) <= _cost(family, problem, errors, curve):
            curve = polished
        if result.status <= 0:
            status = "fitted; the search stopped before it converged"
    else:
        low, high = low - np.inf, high + np.inf
    at_bound = {
        index: term
        for index, term, lower, upper in zip(estimated, family.terms, low, high, strict=True)
        if _close(curve[index], lower) or _close(curve[index], upper)
    }
    free = tuple(index for index in estimated if index not in at_bound)
    jacobian = derivative(
        lambda p: predict(family, replaced(curve, free, p), problem.sizes, problem.n0, problem.chance),
        curve[list(free)],
    )
    return Fit(
        family=family,
        problem=problem,
        curve=curve,
        cost=_cost(family, problem, errors, curve),
        starts=starts,
        agreeing=agreeing,
        condition=_condition(np.sqrt(problem.weights)[:, None] * jacobian),
        bound=tuple(at_bound.values()),
        status=status,
        free=free,
        jacobian=jacobian,
    )


def replaced(curve: Array, indices: tuple[int, ...], values: Array) -> Array:
    """Return the curve with other values of the parameters at `indices`."""
    curve = curve.copy()
    curve[list(indices)] = values
    return curve


def _cost(family: Family, problem: Problem, errors: Array, curve: Array) -> float:
    return float(problem.weights @ (errors - predict(family, curve, problem.sizes, problem.n0, problem.chance)) ** 2)


def _close(value: float, bound: float) -> bool:
    return np.isfinite(bound) and abs(value - bound) <= 1e-4 * max(abs(bound), 1e-6)


def _condition(jacobian: Array) -> float:
    """Return the condition number of J'J with the columns of J scaled to length 1."""
    lengths = np.linalg.norm(jacobian, axis=0)
    if not jacobian.size or not lengths.all():
        return float("inf") if jacobian.size else float("nan")
    return float(np.linalg.cond(jacobian / lengths) ** 2)
