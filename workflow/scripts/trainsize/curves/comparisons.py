"""Two models on the same seeds and test set: differences, probabilities, and the images one saves over the other."""

import numpy as np
from scipy import stats

from trainsize.curves.bootstrap import interval, quantile
from trainsize.curves.certainty import Sureness
from trainsize.curves.choosing import Candidate
from trainsize.curves.families import Array
from trainsize.curves.measured import Curve
from trainsize.curves.targets import REACH
from trainsize.statistics.hypotheses import NAN, has_spread


def common(a: Curve, b: Curve) -> list[tuple[int, int]]:
    """Return the places (in a, in b) of the sizes that both curves have."""
    places = {n: j for j, n in enumerate(b.sizes)}
    return [(j, places[n]) for j, n in enumerate(a.sizes) if n in places]


def difference(a: Curve, b: Curve, at: tuple[int, int], means: tuple[Array, Array], sure: Sureness) -> dict:
    """Compare two curves at one size: how much better b is than a, in errors less.

    The interval is the paired bootstrap's: `means` are the resampled means of both, of the same units. `p_improvement`
    is the probability that a run of b is better than one of a, ties counting half.
    """
    left, right = a.values[:, at[0]], b.values[:, at[1]]
    shared = _paired(a, b, at)
    row = {
        "difference": float(np.nanmean(left) - np.nanmean(right)),
        "low": NAN,
        "high": NAN,
        "p": _p_paired(shared),
        "p_improvement": p_improvement(a.runs_at(at[0]), b.runs_at(at[1])),
        "pairs": len(shared),
    }
    if sure.allowed and a.units == b.units:
        _, row["low"], row["high"] = interval(means[0][:, at[0]] - means[1][:, at[1]], sure.units, sure.level)
    return row


def _paired(a: Curve, b: Curve, at: tuple[int, int]) -> Array:
    """Return error of a minus error of b, one per unit that both have."""
    of_b = dict(zip(b.units, b.values[:, at[1]], strict=True))
    values = np.array([v - of_b.get(unit, np.nan) for unit, v in zip(a.units, a.values[:, at[0]], strict=True)])
    return values[np.isfinite(values)]


def _p_paired(differences: Array) -> float:
    """Return the two-sided p-value of the paired t-test."""
    if not has_spread(differences):
        return NAN
    return float(stats.ttest_1samp(differences, 0).pvalue)


def p_improvement(a: Array, b: Array) -> float:
    """Return the share of pairs of runs in which b has the lower error, ties counting half (Agarwal et al. 2021)."""
    if not len(a) or not len(b):
        return NAN
    return float((b[:, None] < a).mean() + 0.5 * (b[:, None] == a).mean())


def efficiency(a: Candidate, b: Candidate, n: float, curves: tuple[Curve, Curve], sure: Sureness) -> dict:
    """Return how many times a's images b needs to be as good as a with n: below 1, b saves images.

    Infinite where b never gets there; `p_never` is the share of resamples in which it does not.
    """
    size = np.array([n])
    smallest, largest = curves[1].sizes[[0, -1]]
    errors = [float(a.errors(size)[0])]
    limits = (smallest / REACH, REACH * largest)
    if not sure.allowed or curves[0].units != curves[1].units:
        estimate = b.sizes_for(errors[0], limits)[0] / n if b.resampled is not None else NAN
        return {"ratio": float(estimate), "ratio_low": NAN, "ratio_high": NAN, "p_never": NAN}
    errors = np.array([*errors, *a.resampled_errors(size)[:, 0]])
    ratios = b.sizes_for(errors, limits) / n
    _, low, high = interval(ratios[1:], sure.units, sure.level, log=True)
    return {
        "ratio": float(quantile(ratios[1:], 0.5)),
        "ratio_low": low,
        "ratio_high": high,
        "p_never": float(np.isinf(ratios[1:]).mean()),
    }


def mcnemar(only_a: int, only_b: int) -> float:
    """Return the exact two-sided p-value of McNemar's test from the images that only one of two runs gets right."""
    return float(stats.binomtest(only_a, only_a + only_b, 0.5).pvalue) if only_a + only_b else 1.0
