"""The search for the shape of curves: over a grid, then by Levenberg-Marquardt, for thousands of curves at once."""

import numpy as np

from trainsize.curves.families import Array, Family, basis_of, predict
from trainsize.curves.problem import Problem
from trainsize.curves.projection import TINY, bounded_line, projected, sums_of_squares, with_shape

STARTS = 32
START_SPREAD = 0.5  # standard deviation of ln(start / best grid point)
GRID = {1: (240,), 2: (40, 24), 4: (6, 6, 8, 5)}
COARSE_GRID = {1: (40,), 2: (16, 10), 4: (5, 4, 5, 4)}  # of resampled curves, which lie near the original


def fit_from_many_starts(
    family: Family, problem: Problem, errors: Array, rng: np.random.Generator
) -> tuple[Array, Array]:
    """Fit one curve to `errors` (m,) from several starts; return the curves (starts, 2 + q) and their costs."""
    if not family.shapes:
        curves, residuals = projected(family, problem, errors[None], np.zeros((1, 0)))
        return curves, sums_of_squares(residuals)
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
        return projected(family, problem, errors, np.zeros((len(errors), 0)))[0]
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
    """Return for every row of `errors` the index in `grid` of the shape with the smallest cost."""
    weights = problem.weights / problem.weights.sum()
    if family.curve:
        fitted = predict(family, with_shape(np.exp(grid)), problem.sizes, problem.n0, problem.chance)
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
    _, _, costs = bounded_line(*moments, problem.floor_of(family))
    return np.argmin(costs, axis=0)


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
    curves, residuals = projected(family, problem, errors, shapes)
    costs = sums_of_squares(residuals)
    for _ in range(steps):
        current, y, before = shapes[waiting], errors[waiting], costs[waiting]
        step = _step(family, problem, y, current, residuals[waiting], damping[waiting], low, high)
        moved = np.clip(current + step, low, high)
        new_curves, new_residuals = projected(family, problem, y, moved)
        cost = sums_of_squares(new_residuals)
        better = cost < before
        improved = waiting[better]
        shapes[improved], curves[improved] = moved[better], new_curves[better]
        costs[improved], residuals[improved] = cost[better], new_residuals[better]
        damping[waiting] *= np.where(better, 0.1, 10)
        settled = np.where(better, before - cost <= tolerance * before, damping[waiting] > 1e4)
        settled |= np.abs(moved - current).max(1) < 1e-8
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
    rows, diagonal = len(shapes), np.arange(family.shapes)
    shift = np.where(shapes + 1e-6 > high, -1e-6, 1e-6)
    moved = np.repeat(shapes[:, None], family.shapes, axis=1)
    moved[:, diagonal, diagonal] += shift
    _, shifted = projected(
        family, problem, np.repeat(errors, family.shapes, axis=0), moved.reshape(rows * family.shapes, family.shapes)
    )
    jacobian = (shifted.reshape(rows, family.shapes, -1) - residuals[:, None]) / shift[..., None]
    slope = (jacobian @ residuals[..., None])[..., 0]
    normal = jacobian @ jacobian.transpose(0, 2, 1)
    held = ((shapes <= low) & (slope > 0)) | ((shapes >= high) & (slope < 0))
    normal = np.where(held[:, :, None] | held[:, None, :], 0.0, normal)
    squares = normal[:, diagonal, diagonal]
    ridge = damping[:, None] * squares + 1e-12 * squares.max(1, keepdims=True) + TINY
    normal[:, diagonal, diagonal] += np.where(held, 1.0, ridge)
    step = -np.linalg.solve(normal, np.where(held, 0.0, slope)[..., None])[..., 0]
    return np.clip(np.nan_to_num(step), -2.0, 2.0)
