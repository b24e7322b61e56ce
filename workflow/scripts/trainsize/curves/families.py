"""The families of learning curves: error as a falling function of the number of training images.

All but M4 are e(n) = c + a g(x; shape) with x = n / n0, so that c and a follow from the shape by linear least squares.
Sources: last1, pow2 to pow4, exp3, mmf4 (Hill), wbl4, log2 and ilog2 as in LCDB (Mohr, Viering, Loog and van Rijn 2022;
Yan, Mohr and Viering 2025); M4 by Alabdulmohsin, Neyshabur and Zhai (2022); the broken law by Caballero et al. (2023).
"""

from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum

import numpy as np

Array = np.ndarray
Range = tuple[float, float]
LARGEST_EXPONENT = 3.0
SMALLEST_EXPONENT = 0.01
UNBOUNDED = (-1e9, 1e9)  # the range of an intercept that is not a floor
BISECTIONS = 50
NEWTON_STEPS = 10


class Floor(StrEnum):
    """What c of a family is."""

    FREE = "free"  # between 0 and the problem's limit
    ZERO = "zero"
    ANY = "any"  # an intercept, no floor
    LAST = "last"  # the error of the largest size


@dataclass(frozen=True)
class Family:
    """A family of curves.

    A curve is an array (c, a, shape ...), c and a being 0 where the family has none. `basis(x, *shape)` falls with x
    and broadcasts; `inverse(level, *shape)` is the x at which it has that level, where that is known in closed form.
    `bounds(low, high)` gives the range of each shape parameter from the smallest and the largest x. `reported` turns
    (c, a, shape ..., n0) into the parameters of `formula`, which is in n. Where `scaled` is false, the basis is a
    function of n itself instead of x.
    """

    name: str
    formula: str
    terms: tuple[str, ...]
    floor: Floor
    basis: Callable[..., Array] | None
    reported: Callable[..., tuple]
    bounds: Callable[[float, float], tuple[Range, ...]] = lambda low, high: ()
    inverse: Callable[..., Array] | None = None
    curve: Callable[..., Array] | None = None  # instead of a basis: (x, chance, *shape)
    scaled: bool = True

    @property
    def shapes(self) -> int:
        """The number of shape parameters, over which the search runs."""
        return len(self.bounds(1.0, 10.0))

    @property
    def fewest_sizes(self) -> int:
        """The number of sizes that a fit needs: two more than parameters."""
        return len(self.terms) + 2

    @property
    def estimated(self) -> tuple[int, ...]:
        """The indices into (c, a, shape ...) of the parameters it estimates, in the order of its terms."""
        linear = () if self.curve else {Floor.ZERO: (1,), Floor.LAST: (0,)}.get(self.floor, (0, 1))
        return (*linear, *range(2, 2 + self.shapes))

    @property
    def floor_index(self) -> int | None:
        """The index into (c, a, shape ...) of the error that the curve approaches; None where there is none."""
        if self.floor in (Floor.ANY, Floor.LAST):
            return None
        return 2 if self.curve else 0


def _exponent(low: float, high: float) -> tuple[Range, ...]:
    return ((SMALLEST_EXPONENT, LARGEST_EXPONENT),)


def _log_level(level: Array) -> Array:
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.log(level)


def _power(x: Array, b: Array) -> Array:
    return np.exp(-b * np.log(x))


def _broken(x: Array, c0: Array, c1: Array, d: Array, f: Array) -> Array:
    bend = np.logaddexp(0.0, (np.log(x) - np.log(d)) / f)
    return np.exp(-c0 * np.log(x) - c1 * f * bend)


def _m4(x: Array, chance: float, c: Array, alpha: Array, beta: Array, gamma: Array) -> Array:
    """Solve (e - c) / (chance - e)^alpha = beta x^-gamma for e between c and chance.

    With e = c + (chance - c) / (1 + exp(-t)) the logarithm of the left side is smooth and of one curvature in t, its
    slope lies between 1 and alpha, and Newton's method converges from everywhere.
    """
    span = chance - c
    right = np.log(beta) - gamma * np.log(x) + (alpha - 1) * np.log(span)
    t = np.where(right < 0, right, right / alpha)
    for _ in range(NEWTON_STEPS):
        above, below = np.logaddexp(0.0, -t), np.logaddexp(0.0, t)  # -ln of the shares above c and below chance
        t = t - (alpha * below - above - right) / (np.exp(-below) + alpha * np.exp(-above))
    return c + span * np.exp(-np.logaddexp(0.0, -t))


FAMILIES = {
    family.name: family
    for family in (
        Family(
            "last1",
            "a",
            ("a",),
            Floor.LAST,
            None,
            lambda c, a, n0: (c,),
            inverse=lambda level: np.full_like(level, np.nan),
        ),
        Family(
            "log2",
            "a - b log10(n)",
            ("a", "b"),
            Floor.ANY,
            lambda x: -np.log10(x),
            lambda c, a, n0: (c + a * np.log10(n0), a),
            inverse=lambda level: 10.0 ** np.clip(-level, -300, 300),
        ),
        Family(
            "ilog2",
            "c + a / ln(n + 1)",
            ("c", "a"),
            Floor.FREE,
            lambda n: 1 / np.log1p(n),
            lambda c, a, n0: (c, a),
            inverse=lambda level: np.expm1(np.minimum(1 / np.maximum(level, 1e-3), 700.0)),
            scaled=False,
        ),
        Family(
            "pow2",
            "a n^-b",
            ("a", "b"),
            Floor.ZERO,
            _power,
            lambda c, a, b, n0: (a * n0**b, b),
            _exponent,
            lambda level, b: np.exp(-_log_level(level) / b),
        ),
        Family(
            "pow3",
            "c + a n^-b",
            ("c", "a", "b"),
            Floor.FREE,
            _power,
            lambda c, a, b, n0: (c, a * n0**b, b),
            _exponent,
            lambda level, b: np.exp(-_log_level(level) / b),
        ),
        Family(
            "exp3",
            "c + a exp(-b n)",
            ("c", "a", "b"),
            Floor.FREE,
            lambda x, b: np.exp(-b * x),
            lambda c, a, b, n0: (c, a, b / n0),
            lambda low, high: ((0.01 / high, 5 / low),),
            lambda level, b: -_log_level(level) / b,
        ),
        Family(
            "pow4",
            "c + a (n + d)^-b",
            ("c", "a", "b", "d"),
            Floor.FREE,
            lambda x, b, d: np.exp(-b * np.log(x + d)),
            lambda c, a, b, d, n0: (c, a * n0**b, b, d * n0),
            lambda low, high: ((SMALLEST_EXPONENT, LARGEST_EXPONENT), (1e-3 * low, 10 * high)),
            lambda level, b, d: np.exp(-_log_level(level) / b) - d,
        ),
        Family(
            "mmf4",
            "c + a / (1 + (n/k)^d)",
            ("c", "a", "k", "d"),
            Floor.FREE,
            lambda x, k, d: 1 / (1 + np.exp(d * np.log(x / k))),
            lambda c, a, k, d, n0: (c, a, k * n0, d),
            lambda low, high: ((low / 10, 1e3 * high), (0.05, 10.0)),
            lambda level, k, d: k * np.exp(_log_level(1 / level - 1) / d),
        ),
        Family(
            "wbl4",
            "c + a exp(-b n^d)",
            ("c", "a", "b", "d"),
            Floor.FREE,
            lambda x, k, d: np.exp(-np.exp(d * np.log(x / k))),
            lambda c, a, k, d, n0: (c, a, (k * n0) ** -d, d),
            lambda low, high: ((1e-3 * low, 1e3 * high), (0.05, 5.0)),
            lambda level, k, d: k * np.exp(_log_level(-_log_level(level)) / d),
        ),
        Family(
            "m4",
            "(e - c) / (chance - e)^alpha = beta n^-gamma",
            ("c", "alpha", "beta", "gamma"),
            Floor.FREE,
            None,
            lambda _, a, c, alpha, beta, gamma, n0: (c, alpha, beta * n0**gamma, gamma),
            lambda low, high: ((1e-6, 1.0), (0.05, 5.0), (1e-4, 1e3), (SMALLEST_EXPONENT, LARGEST_EXPONENT)),
            curve=_m4,
        ),
        Family(
            "bnsl1",
            "c + a n^-c0 (1 + (n/d)^(1/f))^(-c1 f)",
            ("c", "a", "c0", "c1", "d", "f"),
            Floor.FREE,
            _broken,
            lambda c, a, c0, c1, d, f, n0: (c, a * n0**c0, c0, c1, d * n0, f),
            lambda low, high: ((1e-3, LARGEST_EXPONENT), (1e-2, LARGEST_EXPONENT), (low, high), (0.05, 2.0)),
        ),
    )
}

TAIL = "pow3_tail"  # pow3 on the sizes from one on, which the hold-out chooses
# What answers come from: a curve that assumes no family, or the family that the hold-out chooses.
TREND, CHOSEN_FAMILY = "damped_trend", "chosen_family"
BASELINE = "last1"  # not a law of learning: what a family must predict better than
DEFAULT_FAMILIES = (BASELINE, "log2", "pow3", TAIL, "pow4", "exp3", "mmf4")
ALL_FAMILIES = (*FAMILIES, TAIL)


def family_of(name: str) -> Family:
    return FAMILIES["pow3" if name == TAIL else name]


def basis_of(family: Family, n: Array, n0: float, shape: Array) -> Array:
    """Return the basis at sizes `n` (m,) for shapes (..., q), as (..., m); zero for a family without one."""
    if family.basis is None:
        return np.zeros((*shape.shape[:-1], len(n)))
    x = n / n0 if family.scaled else n
    if not shape.shape[-1]:
        return np.broadcast_to(family.basis(x), (*shape.shape[:-1], len(n)))
    return family.basis(x, *(shape[..., k, None] for k in range(shape.shape[-1])))


def predict(family: Family, curves: Array, n: Array, n0: float, chance: float) -> Array:
    """Return the errors (..., m) at sizes `n` (m,) of curves (..., 2 + q)."""
    n = np.asarray(n, dtype=float)
    if family.curve:
        return family.curve(n / n0, chance, *(curves[..., k, None] for k in range(2, curves.shape[-1])))
    return curves[..., :1] + curves[..., 1:2] * basis_of(family, n, n0, curves[..., 2:])


def size_for(family: Family, curves: Array, error: Array | float, n0: float, chance: float, limits: Range) -> Array:
    """Return the size at which each curve (B, 2 + q) reaches `error`, a number or (B,).

    It is at least the lower of `limits`. It is infinite beyond the upper, and where the curve never reaches the error.
    """
    low, high = limits
    at_low, at_high = predict(family, curves, np.array([low, high]), n0, chance).T
    with np.errstate(all="ignore"):
        if family.curve:
            _, _, c, alpha, beta, gamma = curves.T
            level = (error - c) / np.maximum(chance - error, 1e-300) ** alpha
            size = n0 * np.exp(-(np.log(level) - np.log(beta)) / gamma)
        elif family.inverse:
            scale = n0 if family.scaled else 1.0
            size = scale * family.inverse((error - curves[:, 0]) / curves[:, 1], *curves[:, 2:].T)
        else:
            size = _bisect(family, curves, error, n0, chance, limits)
    size = np.where(np.isfinite(size), np.clip(size, low, None), np.inf)
    size = np.where(at_high > error, np.inf, np.minimum(size, high))
    return np.where(at_low <= error, low, size)


def _bisect(family: Family, curves: Array, error: Array | float, n0: float, chance: float, limits: Range) -> Array:
    """Return the sizes between the limits at which the falling curves reach `error`, by bisection of ln n."""
    low, high = (np.full(len(curves), np.log(limit)) for limit in limits)
    for _ in range(BISECTIONS):
        middle = (low + high) / 2
        x = np.exp(middle)[:, None] / n0
        reached = curves[:, 0] + curves[:, 1] * family.basis(x, *curves[:, 2:].T[..., None])[:, 0] <= error
        low, high = np.where(reached, low, middle), np.where(reached, middle, high)
    return np.exp((low + high) / 2)
