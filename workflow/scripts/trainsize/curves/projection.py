"""The best floor c and scale a of curves whose shapes are given, in closed form.

This is variable projection (Golub and Pereyra 1973): the errors are linear in c and a once the shape is fixed.
"""

import numpy as np

from trainsize.curves.families import Array, Family, Floor, Range, basis_of, predict
from trainsize.curves.problem import Problem

TINY = 1e-300


def bounded_line(y: Array, g: Array, cov: Array, var: Array, floor: Range) -> tuple[Array, Array, Array]:
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


def with_shape(shape: Array) -> Array:
    """Return curves (..., 2 + q) without c and a, of a family that is all shape."""
    return np.concatenate([np.zeros((*shape.shape[:-1], 2)), shape], axis=-1)


def projected(family: Family, problem: Problem, errors: Array, shapes: Array) -> tuple[Array, Array]:
    """Return the best curves (B, 2 + q) for errors (B, m) with logarithms of shapes (B, q), and their residuals."""
    shape = np.exp(shapes)
    root = np.sqrt(problem.weights)
    if family.curve:
        curves = with_shape(shape)
        return curves, root * (errors - predict(family, curves, problem.sizes, problem.n0, problem.chance))
    basis = basis_of(family, problem.sizes, problem.n0, shape)
    if family.floor == Floor.LAST:
        c, a = errors[:, -1], np.zeros(len(errors))
    else:
        weights = problem.weights / problem.weights.sum()
        means = basis @ weights
        centred = basis - means[:, None]
        cov, var = (centred * errors) @ weights, centred**2 @ weights
        c, a, _ = bounded_line(errors @ weights, means, cov, var, problem.floor_of(family))
    return np.column_stack([c, a, shape]), root * (errors - c[:, None] - a[:, None] * basis)


def sums_of_squares(residuals: Array) -> Array:
    """Return the sum of squares (B,) of each row of residuals (B, m)."""
    return np.einsum("bm,bm->b", residuals, residuals)
