"""Intervals from resampling whole units (draws or seeds), widened for their small number.

The percentile interval of a whole-unit bootstrap of S units is too narrow by the factor sqrt(S / (S - 1)) and, for few
units, by that of Student's t over the normal distribution; widened by both about the bootstrap median it holds its
level (see docs/methods.md for the simulation). Intervals by the cluster-robust delta method are the check.
"""

from functools import cache

import numpy as np
from scipy import stats

from trainsize.curves.curve import Curve
from trainsize.curves.families import Array

ATTEMPTS = 50
SEED = 20_260_101


def resampled_means(curve: Curve, count: int) -> Array:
    """Return the means (count, m) over units drawn with replacement, whole units where they are crossed with the sizes.

    Curves with the same number of units get the same draws of units, so that they can be compared in pairs.
    """
    units = len(curve.units)
    rng = np.random.default_rng([SEED, units])
    if not curve.crossed:
        return np.stack([_drawn(column[np.isfinite(column)], count, rng) for column in curve.values.T], axis=1)
    present, values = np.isfinite(curve.values).astype(float), np.nan_to_num(curve.values)
    times = rng.multinomial(units, np.full(units, 1 / units), size=count)
    for _ in range(ATTEMPTS):  # a size without a drawn unit has no mean: those resamples are drawn again
        empty = (times @ present == 0).any(1)
        if not empty.any():
            break
        times[empty] = rng.multinomial(units, np.full(units, 1 / units), size=int(empty.sum()))
    with np.errstate(invalid="ignore"):
        means = (times @ values) / (times @ present)
    return np.where(np.isfinite(means), means, curve.means)


def _drawn(values: Array, count: int, rng: np.random.Generator) -> Array:
    return rng.choice(values, (count, len(values))).mean(1)


@cache
def inflation(units: float, level: float) -> float:
    """Return by how much the half-widths of a percentile interval from `units` units are widened."""
    if np.isinf(units):
        return 1.0
    tail = 0.5 + level / 2
    return float(np.sqrt(units / (units - 1)) * stats.t.ppf(tail, units - 1) / stats.norm.ppf(tail))


def t_inflation(freedom: int) -> float:
    """Return by how much a variance with these degrees of freedom is inflated, so that z gives a t-interval (95 %)."""
    return float((stats.t.ppf(0.975, freedom) / stats.norm.ppf(0.975)) ** 2) if freedom > 0 else 1.0


def quantile(samples: Array, share: float | Array) -> Array:
    """Return quantiles of samples that may be infinite, without interpolating."""
    return np.quantile(samples, share, axis=0, method="inverted_cdf")


def interval(samples: Array, units: float, level: float, log: bool = False) -> tuple[Array, Array, Array]:
    """Return the median of bootstrap samples (B, ...) and the ends of the interval widened about it.

    With `log` that is done for the logarithm, where the samples are positive. Samples may be infinite: where the median
    or an end is, the interval takes a further quantile instead of a wider distance, which is the same for a normal
    distribution.
    """
    tail = (1 - level) / 2
    factor = inflation(units, level)
    median, low, high = quantile(samples, [0.5, tail, 1 - tail])
    further = float(stats.norm.cdf(factor * stats.norm.ppf(tail)))
    far_low, far_high = quantile(samples, [further, 1 - further])
    with np.errstate(invalid="ignore", divide="ignore", over="ignore"):
        wide_low, wide_high = median - factor * (median - low), median + factor * (high - median)
        if log:
            positive = low > 0
            wide_low = np.where(positive, median * (low / median) ** factor, wide_low)
            wide_high = np.where(positive, median * (high / median) ** factor, wide_high)
    finite = np.isfinite(median) & np.isfinite(low) & np.isfinite(high)
    return median, np.where(finite, wide_low, far_low)[()], np.where(finite, wide_high, far_high)[()]


def upper_quantile(samples: Array, units: float, share: float, log: bool = False) -> Array:
    """Return the widened quantile `share`, above one half, of the samples."""
    return interval(samples, units, 2 * share - 1, log)[2]
