"""Two models on the same seeds and test set: their difference, and how many images one saves over the other."""

from dataclasses import dataclass

import numpy as np
from scipy import stats

from trainsize.curves.bootstrap import interval, quantile
from trainsize.curves.confidence import Confidence
from trainsize.curves.curve import Curve
from trainsize.curves.families import Array
from trainsize.curves.predictor import Predictor, units_of
from trainsize.statistics.hypotheses import has_spread


@dataclass(frozen=True)
class Difference:
    """How much better b is than a at one size, in errors less.

    `p` is that of the paired t-test over `pairs` units. `p_improvement` is the probability that a run of b is better
    than one of a, ties counting half.
    """

    difference: float
    p: float
    p_improvement: float
    pairs: int
    low: float = np.nan
    high: float = np.nan


@dataclass(frozen=True)
class Efficiency:
    """How many times a's images b needs to be as good as a: below 1, b saves images; infinite where it never is.

    `p_never` is the share of resamples in which it never is.
    """

    ratio: float
    ratio_low: float = np.nan
    ratio_high: float = np.nan
    p_never: float = np.nan


def shared_sizes(a: Curve, b: Curve) -> list[tuple[int, int]]:
    """Return the indices (in a, in b) of the sizes that both curves have."""
    indices = {n: j for j, n in enumerate(b.sizes)}
    return [(j, indices[n]) for j, n in enumerate(a.sizes) if n in indices]


def difference(
    a: Curve, b: Curve, at: tuple[int, int], means: tuple[Array | None, Array | None], confidence: Confidence
) -> Difference:
    """Compare two curves at one size, given by its indices in both.

    The interval is the paired bootstrap's: `means` are the resampled means of both, of the same units.
    """
    left, right = a.values[:, at[0]], b.values[:, at[1]]
    paired = _paired_differences(a, b, at)
    low = high = np.nan
    if confidence.allowed and a.units == b.units:
        _, low, high = interval(means[0][:, at[0]] - means[1][:, at[1]], confidence.units, confidence.level)
    return Difference(
        difference=float(np.nanmean(left) - np.nanmean(right)),
        p=_p_paired(paired),
        p_improvement=p_improvement(a.runs_at(at[0]), b.runs_at(at[1])),
        pairs=len(paired),
        low=low,
        high=high,
    )


def _paired_differences(a: Curve, b: Curve, at: tuple[int, int]) -> Array:
    """Return error of a minus error of b, one per unit that both have."""
    of_b = dict(zip(b.units, b.values[:, at[1]], strict=True))
    values = np.array([v - of_b.get(unit, np.nan) for unit, v in zip(a.units, a.values[:, at[0]], strict=True)])
    return values[np.isfinite(values)]


def _p_paired(differences: Array) -> float:
    """Return the two-sided p-value of the paired t-test."""
    if not has_spread(differences):
        return np.nan
    return float(stats.ttest_1samp(differences, 0).pvalue)


def p_improvement(a: Array, b: Array) -> float:
    """Return the share of pairs of runs in which b has the lower error, ties counting half (Agarwal et al. 2021)."""
    if not len(a) or not len(b):
        return np.nan
    return float((b[:, None] < a).mean() + 0.5 * (b[:, None] == a).mean())


def efficiency(a: Predictor, b: Predictor, n: float, curves: tuple[Curve, Curve], confidence: Confidence) -> Efficiency:
    """Return how many times a's images b needs to be as good as a with `n`."""
    size = np.array([n])
    smallest, largest = curves[1].sizes[[0, -1]]
    limits = (smallest / b.reach, b.reach * largest)
    errors = a.errors(size)
    if not confidence.allowed or curves[0].units != curves[1].units:
        return Efficiency(float(b.sizes_for(float(errors[0]), limits)[0] / n))
    ratios = b.sizes_for(np.concatenate([errors, a.resampled_errors(size)[:, 0]]), limits) / n
    units = max(units_of(a, confidence), units_of(b, confidence))
    _, low, high = interval(ratios[1:], units, confidence.level, log=True)
    return Efficiency(float(quantile(ratios[1:], 0.5)), low, high, float(np.isinf(ratios[1:]).mean()))


def mcnemar(only_a: int, only_b: int) -> float:
    """Return the exact two-sided p-value of McNemar's test from the images that only one of two runs gets right."""
    return float(stats.binomtest(only_a, only_a + only_b, 0.5).pvalue) if only_a + only_b else 1.0
