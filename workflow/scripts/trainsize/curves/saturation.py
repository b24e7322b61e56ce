"""From which size on more images make no difference that matters, and how returns diminish."""

from dataclasses import dataclass, replace

import numpy as np

from trainsize.curves.bootstrap import interval, upper_quantile
from trainsize.curves.confidence import Confidence
from trainsize.curves.curve import Curve
from trainsize.curves.families import Array
from trainsize.curves.predictor import Predictor, units_of
from trainsize.statistics.hypotheses import holm, tost
from trainsize.statistics.intervals import mean_interval


@dataclass(frozen=True)
class Equivalence:
    """Whether a size is as good as the largest: the paired difference of their errors, and its test."""

    n: float
    difference: float
    difference_low_90: float
    difference_high_90: float
    p_tost: float
    p_tost_holm: float
    equivalent: bool


@dataclass(frozen=True)
class Returns:
    """What more images bring at a size, by the curve of the answers; nan where that is unknown.

    `gain` is the error saved by doubling the size, `images_per_point` the images for 0.01 less error, and `remaining`
    the share (e(n) - c) / (chance - c) of all there is to learn that is left.
    """

    gain: float = np.nan
    gain_low: float = np.nan
    gain_high: float = np.nan
    gain_below_margin: bool = False
    exponent: float = np.nan
    exponent_low: float = np.nan
    exponent_high: float = np.nan
    images_per_point: float = np.nan
    remaining: float = np.nan


def equivalence_to_largest(curve: Curve, margin: float) -> list[Equivalence]:
    """Test every size for equivalence to the largest.

    By two one-sided paired t-tests (TOST) against `margin`, with Holm's correction over the sizes. A size counts as
    equivalent when all larger ones do.
    """
    last = len(curve.sizes) - 1
    differences = [_paired_differences(curve, j, last) for j in range(last)]
    p_values = [tost(d, margin) for d in differences]
    adjusted = holm(p_values)
    equivalent = np.array([*(p < 0.05 for p in adjusted), True])
    equivalent = np.flip(np.logical_and.accumulate(np.flip(equivalent)))
    return [
        Equivalence(float(n), *mean_interval(difference, 0.9), p, p_holm, bool(same))
        for n, difference, p, p_holm, same in zip(
            curve.sizes,
            [*differences, np.zeros(0)],
            [*p_values, np.nan],
            [*adjusted, np.nan],
            equivalent,
            strict=True,
        )
    ]


def returns_at(predictor: Predictor | None, curve: Curve, n: float, margin: float, confidence: Confidence) -> Returns:
    """Return the gain of doubling n, with the local exponent and the images per point, by the predictor's curve."""
    if predictor is None or n < predictor.smallest:
        return Returns()
    pair, near = np.array([n, 2 * n]), (max(n * 0.999, predictor.smallest), n * 1.001)
    first, second = predictor.errors(pair)
    if second < 0:  # an impossible error has no gain
        return Returns()
    slope = float(np.diff(predictor.errors(np.array(near)))[0] / np.diff(near)[0])
    exponent, *exponents = predictor.exponents(near)
    estimates = Returns(
        gain=float(first - second),
        exponent=float(exponent),
        images_per_point=0.01 / -slope if slope < 0 else float("inf"),
        remaining=remaining(predictor, curve, n),
    )
    if not confidence.allowed:
        return estimates
    return _with_intervals(estimates, predictor, pair, np.array(exponents), margin, confidence)


def _with_intervals(
    returns: Returns, predictor: Predictor, pair: Array, exponents: Array, margin: float, confidence: Confidence
) -> Returns:
    errors, units = predictor.resampled_errors(pair), units_of(predictor, confidence)
    gains = errors[:, 0] - errors[:, 1]
    _, low, high = map(float, interval(gains, units, confidence.level))
    below = bool(upper_quantile(gains, units, 0.95) < margin)
    returns = replace(returns, gain_low=low, gain_high=high, gain_below_margin=below)
    if not np.isfinite(exponents).all():
        return returns
    _, low, high = map(float, interval(exponents, units, confidence.level))
    return replace(returns, exponent_low=low, exponent_high=high)


def remaining(predictor: Predictor, curve: Curve, n: float) -> float:
    """Return (e(n) - c) / (chance - c), the share of all there is to learn that is left at n; nan without a floor."""
    c = predictor.floor
    return np.nan if c is None else float((predictor.errors(np.array([n]))[0] - c) / (curve.chance - c))


def _paired_differences(curve: Curve, a: int, b: int) -> Array:
    """Return the error at size a minus that at size b (indices), one per unit that has both."""
    difference = curve.values[:, a] - curve.values[:, b]
    return difference[np.isfinite(difference)]
