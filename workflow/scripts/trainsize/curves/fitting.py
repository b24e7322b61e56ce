"""Bounded weighted least squares of learning curves, for one curve or thousands of resampled ones at once.

Given the shape, c and a follow in closed form (variable projection, Golub and Pereyra 1973), so only the shape is
searched: over a grid, then by Levenberg-Marquardt on the projected residuals, all curves together. The estimate itself
is polished by scipy over all parameters.
"""

from collections.abc import Callable
from dataclasses import dataclass, field, replace

import numpy as np
from scipy.optimize import least_squares

from trainsize.common.errors import counted
from trainsize.curves.families import UNBOUNDED, Array, Family, Range, basis_of, predict

STARTS = 32
START_SPREAD = 0.5  # standard deviation of ln(start / best grid point)
SAME_COST = 1e-6  # starts agree when their costs differ by no more than this share
GRID = {1: (240,), 2: (40, 24), 4: (6, 6, 8, 5)}
COARSE_GRID = {1: (40,), 2: (16, 10), 4: (5, 4, 5, 4)}  # of resampled curves, which lie near the original
TINY = 1e-300


@dataclass(frozen=True)
class Problem:
    """What is fitted: errors at `sizes` (m,) with `weights` (m,), the range of the floor c, and the error by chance."""

    sizes: Array
    weights: Array
    floor: Range
    chance: float = 1.0
    n0: float = field(init=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "n0", float(np.exp(np.log(self.sizes).mean())))

    def bounds(self, family: Family) -> Array:
        """Return the logarithms of the bounds of the shape, (q, 2)."""
        x = self.sizes / self.n0
        ranges = np.array(family.bounds(x.min(), x.max())).reshape(-1, 2)
        if family.curve:  # its floor is searched with the shape, and must stay below chance
            ranges[0, 1] = max(min(self.floor[1], 0.99 * self.chance), 2 * ranges[0, 0])
        return np.log(ranges)

    def floor_of(self, family: Family) -> Range:
        return {"any": UNBOUNDED, "zero": (0.0, 0.0)}.get(family.floor, self.floor)


@dataclass(frozen=True)
class Fit:
    """The best curve (2 + q,) of a family, and how it was found.

    `cost` is the weighted residual sum of squares; `agreeing` of `starts` came to it; `condition` is that of the scaled
    normal equations; `bound` names the parameters that lie at a bound.
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
    jacobian: Array  # of the fitted errors by the free parameters, (m, len(free))

    def predict(self, n: Array) -> Array:
        return predict(self.family, self.curve, n, self.problem.n0, self.problem.chance)

    @property
    def reported(self) -> Array:
        """The parameters of the family's formula, in its order."""
        return np.array(self.family.reported(*self.curve, self.problem.n0), dtype=float)


def fit(family: Family, problem: Problem, errors: Array, rng: np.random.Generator, robust: bool = False) -> Fit:
    """Fit one curve to `errors` (m,). Raises ValueError, with the reason, for errors that no curve can be fitted to."""
    needed = len(family.terms) + 2
    if len(problem.sizes) < needed:
        raise ValueError(f"{counted(len(problem.sizes), 'size')}, {family.name} needs at least {needed}")
    if np.ptp(errors) == 0:
        raise ValueError("the metric is the same at every size")
    if family.curve and not problem.chance > errors.max():
        raise ValueError(f"{family.name} needs the error of chance, above all errors; found {problem.chance:.3g}")
    curves, costs = _from_many_starts(family, problem, errors, rng)
    best = int(np.argmin(costs))
    agreeing = int((costs <= costs[best] * (1 + SAME_COST) + TINY).sum())
    return _polished(family, problem, errors, curves[best], len(costs), agreeing, robust)


def _from_many_starts(family: Family, problem: Problem, errors: Array, rng: np.random.Generator) -> tuple[Array, Array]:
    if not family.shapes:
        curves, residuals = _projected(family, problem, errors[None], np.zeros((1, 0)))
        return curves, _squares(residuals)
    grid = _grid(family, problem, GRID)
    low, high = problem.bounds(family).T
    centre = grid[_best_of_grid(family, problem, errors[None], grid)[0]]
    starts = np.clip(centre + START_SPREAD * rng.standard_normal((STARTS, family.shapes)), low, high)
    starts = np.vstack([centre, starts])
    return descend(family, problem, np.broadcast_to(errors, (len(starts), len(errors))), starts, 1e-10)


def fit_many(family: Family, problem: Problem, errors: Array, near: Array | None = None) -> Array:
    """Fit a curve to every row of `errors` (B, m); return the curves (B, 2 + q).

    `near` is a curve whose shape is tried as a start beside the grid's.
    """
    if not family.shapes:
        return _projected(family, problem, errors, np.zeros((len(errors), 0)))[0]
    grid = _grid(family, problem, COARSE_GRID)
    if near is not None:
        grid = np.vstack([grid, np.log(near[2:])])
    return descend(family, problem, errors, grid[_best_of_grid(family, problem, errors, grid)], 1e-6, steps=30)[0]


def _grid(family: Family, problem: Problem, counts: dict[int, tuple[int, ...]]) -> Array:
    """Return shapes over their bounds, evenly spaced in their logarithms, (G, q)."""
    axes = [
        np.linspace(low, high, k) for (low, high), k in zip(problem.bounds(family), counts[family.shapes], strict=True)
    ]
    return np.stack(np.meshgrid(*axes, indexing="ij"), axis=-1).reshape(-1, family.shapes)


def _best_of_grid(family: Family, problem: Problem, errors: Array, grid: Array) -> Array:
    """Return for every row of `errors` the place in `grid` with the smallest cost."""
    weights = problem.weights / problem.weights.sum()
    if family.curve:
        fitted = predict(family, _padded(np.exp(grid)), problem.sizes, problem.n0, problem.chance)
        costs = (weights * fitted**2).sum(1)[:, None] - 2 * (weights * fitted) @ errors.T
        return np.argmin(costs, axis=0)
    basis = basis_of(family, problem.sizes, problem.n0, np.exp(grid))
    means = basis @ weights
    centred = basis - means[:, None]
    moments = (
        (errors @ weights)[None],
        means[:, None],
        ((weights * centred) @ errors.T),
        (centred**2 @ weights)[:, None],
    )
    _, _, costs = _bounded(*moments, problem.floor_of(family))
    return np.argmin(costs, axis=0)


def _bounded(y: Array, g: Array, cov: Array, var: Array, floor: Range) -> tuple[Array, Array, Array]:
    """Return c, a and cost of min over low <= c <= high, a >= 0 of the weighted mean of (y - c - a g)^2.

    The arguments are weighted means of y and g, their covariance and the variance of g; the cost is up to the variance
    of y. The problem is convex: its solution is free, or the best on one of the edges.
    """
    low, high = floor
    var = np.maximum(var, TINY)
    a = cov / var
    c = y - a * g
    cost = -a * cov
    outside = (a < 0) | (c < low) | (c > high)
    if not outside.any():
        return c, a, cost
    y, g, cov, var = (part[outside] for part in np.broadcast_arrays(y, g, cov, var))
    edges = [(np.clip(y, low, high), np.zeros_like(y))]
    edges += [(np.full_like(y, end), np.maximum((cov + g * (y - end)) / (var + g**2), 0.0)) for end in floor]
    costs = np.stack([edge_a * (edge_a * var - 2 * cov) + (y - edge_c - edge_a * g) ** 2 for edge_c, edge_a in edges])
    best = np.argmin(costs, axis=0)
    c[outside], a[outside] = (np.choose(best, parts) for parts in zip(*edges, strict=True))
    cost[outside] = costs.min(0)
    return c, a, cost


def _padded(shape: Array) -> Array:
    return np.concatenate([np.zeros((*shape.shape[:-1], 2)), shape], axis=-1)


def _projected(family: Family, problem: Problem, errors: Array, shapes: Array) -> tuple[Array, Array]:
    """Return the best curves (B, 2 + q) for errors (B, m) with logarithms of shapes (B, q), and their residuals."""
    shape = np.exp(shapes)
    root = np.sqrt(problem.weights)
    if family.curve:
        curves = _padded(shape)
        return curves, root * (errors - predict(family, curves, problem.sizes, problem.n0, problem.chance))
    basis = basis_of(family, problem.sizes, problem.n0, shape)
    if family.floor == "last":
        c, a = errors[:, -1], np.zeros(len(errors))
    else:
        weights = problem.weights / problem.weights.sum()
        means = basis @ weights
        centred = basis - means[:, None]
        cov, var = (centred * errors) @ weights, centred**2 @ weights
        c, a, _ = _bounded(errors @ weights, means, cov, var, problem.floor_of(family))
    return np.column_stack([c, a, shape]), root * (errors - c[:, None] - a[:, None] * basis)


def _squares(residuals: Array) -> Array:
    return np.einsum("bm,bm->b", residuals, residuals)


def descend(
    family: Family, problem: Problem, errors: Array, shapes: Array, tolerance: float, steps: int = 100
) -> tuple[Array, Array]:
    """Refine the logarithms of shapes (B, q) for errors (B, m); return the curves (B, 2 + q) and their costs.

    Levenberg-Marquardt on the projected residuals with derivatives by differences, every curve with its own damping;
    a shape parameter stays at its bound while the descent points outwards. A curve is left alone when a step lowers its
    cost by less than the share `tolerance`, or no step lowers it.
    """
    low, high = problem.bounds(family).T
    shapes, damping = shapes.copy(), np.full(len(shapes), 1e-3)
    waiting = np.arange(len(shapes))
    curves, residuals = _projected(family, problem, errors, shapes)
    costs = _squares(residuals)
    for _ in range(steps):
        here, y, before = shapes[waiting], errors[waiting], costs[waiting]
        step = _step(family, problem, y, here, residuals[waiting], damping[waiting], low, high)
        moved = np.clip(here + step, low, high)
        tried, gaps = _projected(family, problem, y, moved)
        cost = _squares(gaps)
        better = cost < before
        took = waiting[better]
        shapes[took], curves[took], costs[took], residuals[took] = (
            moved[better],
            tried[better],
            cost[better],
            gaps[better],
        )
        damping[waiting] *= np.where(better, 0.1, 10)
        settled = np.where(better, before - cost <= tolerance * before, damping[waiting] > 1e4)
        settled |= np.abs(moved - here).max(1) < 1e-8
        waiting = waiting[~settled]
        if not len(waiting):
            break
    return curves, costs


def _step(
    family: Family,
    problem: Problem,
    errors: Array,
    shapes: Array,
    residuals: Array,
    damping: Array,
    low: Array,
    high: Array,
) -> Array:
    """Return the Levenberg-Marquardt step (B, q) of each curve."""
    rows, places = len(shapes), np.arange(family.shapes)
    shift = np.where(shapes + 1e-6 > high, -1e-6, 1e-6)
    moved = np.repeat(shapes[:, None], family.shapes, axis=1)
    moved[:, places, places] += shift
    _, shifted = _projected(
        family, problem, np.repeat(errors, family.shapes, axis=0), moved.reshape(rows * family.shapes, family.shapes)
    )
    jacobian = (shifted.reshape(rows, family.shapes, -1) - residuals[:, None]) / shift[..., None]
    slope = (jacobian @ residuals[..., None])[..., 0]
    normal = jacobian @ jacobian.transpose(0, 2, 1)
    held = ((shapes <= low) & (slope > 0)) | ((shapes >= high) & (slope < 0))
    normal = np.where(held[:, :, None] | held[:, None, :], 0.0, normal)
    diagonal = normal[:, places, places]
    ridge = damping[:, None] * diagonal + 1e-12 * diagonal.max(1, keepdims=True) + TINY
    normal[:, places, places] += np.where(held, 1.0, ridge)
    step = -np.linalg.solve(normal, np.where(held, 0.0, slope)[..., None])[..., 0]
    return np.clip(np.nan_to_num(step), -2.0, 2.0)


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
    places = family.places
    ranges = [problem.floor_of(family), (0.0, np.inf), *np.exp(problem.bounds(family))]
    low, high = np.array([ranges[place] for place in places], dtype=float).T
    status = "fitted"
    if family.floor != "last":

        def fitted(parameters: Array) -> Array:
            whole = replaced(curve, places, parameters)
            return predict(family, whole, problem.sizes, problem.n0, problem.chance)

        result = polish(fitted, errors, problem.weights, curve[list(places)], (low, high), robust)
        polished = replaced(curve, places, result.x)
        problem = replace(problem, weights=problem.weights * result.shares)  # so that resamples are fitted as robustly
        if robust or _cost(family, problem, errors, polished) <= _cost(family, problem, errors, curve):
            curve = polished
        if result.status <= 0:
            status = "fitted; the search stopped before it settled"
    else:
        low, high = low - np.inf, high + np.inf
    at_bound = {
        place: term
        for place, term, lower, upper in zip(places, family.terms, low, high, strict=True)
        if _close(curve[place], lower) or _close(curve[place], upper)
    }
    free = tuple(place for place in places if place not in at_bound)
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


def replaced(curve: Array, places: tuple[int, ...], values: Array) -> Array:
    """Return the curve with other values of the parameters at `places`."""
    curve = curve.copy()
    curve[list(places)] = values
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
