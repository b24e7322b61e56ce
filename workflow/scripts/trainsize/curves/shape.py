"""Whether a learning curve falls at all, falls everywhere, and flattens: tests that assume no family."""

from dataclasses import dataclass

import numpy as np
from scipy.optimize import isotonic_regression

from trainsize.curves.curve import Curve
from trainsize.curves.families import Array
from trainsize.statistics.hypotheses import holm, p_above

FLAT = 0.05  # a curve whose error falls by no more than this share is flat
SEED = 20_260_102
ROUNDING = 1e-20  # share of the means' squares: a smaller distance from a falling curve is due to rounding


@dataclass(frozen=True)
class Change:
    """The change of the error from the size before, and tests that it rises or bends down.

    These are one-sided paired t-tests over units. `p_worse`: the error rises from the size before, Holm-corrected over
    the steps. `p_concave`: the error falls faster per image after this size than before it, corrected over the inner
    sizes.
    """

    change: float
    p_worse: float
    p_concave: float


def changes_by_size(curve: Curve) -> list[Change]:
    """Return the change at each size; the first has none (nan)."""
    values, n = curve.values, curve.sizes
    changes = np.diff(values, axis=1)
    bends = np.diff(changes / np.diff(n), axis=1)
    worse = holm([p_above(change) for change in changes.T])
    concave = holm([p_above(-bend) for bend in bends.T])
    return [
        Change(
            change=float(np.nanmean(changes[:, j - 1])) if j and np.isfinite(changes[:, j - 1]).any() else np.nan,
            p_worse=worse[j - 1] if j else np.nan,
            p_concave=concave[j - 1] if 0 < j < len(n) - 1 else np.nan,
        )
        for j in range(len(n))
    ]


def p_monotone(curve: Curve, count: int = 500) -> float:
    """Return the p-value that the mean error never rises with the size.

    The weighted distance of the means from the best falling curve (isotonic regression) is compared with that of
    resampled units whose means are made to fall: their residuals about the size means, added to the falling curve.
    """
    units = len(curve.units)
    if curve.replicates < 3 or not curve.crossed:
        return np.nan
    weights = curve.weights()
    falling = _falling(curve.means, weights)
    residuals = np.nan_to_num(curve.values - curve.means) * np.sqrt(units / (units - 1))
    present = np.isfinite(curve.values).astype(float)
    times = np.random.default_rng(SEED).multinomial(units, np.full(units, 1 / units), size=count)
    noise = (times @ residuals) / np.maximum(times @ present, 1)
    distances = [_distance(falling + shift, weights) for shift in noise]
    seen = _distance(curve.means, weights)
    if seen <= ROUNDING * float(weights @ curve.means**2):
        return 1.0
    return float((1 + np.sum(np.array(distances) >= seen * (1 - 1e-12))) / (1 + count))


def _falling(means: Array, weights: Array) -> Array:
    return isotonic_regression(means, weights=weights, increasing=False).x


def _distance(means: Array, weights: Array) -> float:
    return float(weights @ (means - _falling(means, weights)) ** 2)


def is_flat(curve: Curve) -> bool:
    """Whether the error of the largest size is no more than 5 % below that of the smallest."""
    return bool(curve.means[-1] > (1 - FLAT) * curve.means[0])
