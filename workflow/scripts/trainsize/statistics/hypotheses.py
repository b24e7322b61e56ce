"""Tests of means: above 0, equivalence (TOST) and Holm's correction."""

from collections.abc import Sequence

import numpy as np
from scipy import stats


def has_spread(values: np.ndarray) -> bool:
    """Whether there are two values or more that differ by more than rounding, so that a t-test can judge them."""
    return len(values) > 1 and bool(np.ptp(values) > 1e-9 * np.abs(values).max())


def p_above(values: np.ndarray) -> float:
    """Return the one-sided p-value that the mean of the finite values is above 0; nan where they have no spread."""
    values = values[np.isfinite(values)]
    if not has_spread(values):
        return np.nan
    return float(stats.ttest_1samp(values, 0, alternative="greater").pvalue)


def tost(differences: np.ndarray, margin: float) -> float:
    """Return the p-value of two one-sided t-tests that the mean difference is inside ±margin (Schuirmann 1987).

    It is nan where the differences have no spread: that is no proof that they never do.
    """
    if not has_spread(differences):
        return np.nan
    error = differences.std(ddof=1) / np.sqrt(len(differences))
    freedom = len(differences) - 1
    distance = (margin - abs(differences.mean())) / error
    return float(stats.t.sf(distance, freedom))


def holm(p_values: Sequence[float]) -> list[float]:
    """Return Holm's (1979) adjusted p-values; those that are nan stay so and do not count.

    Statsmodels' own function runs the garbage collector first, which takes 60 ms a call.
    """
    p = np.asarray(p_values, dtype=float)
    order = np.argsort(p)[: int(np.isfinite(p).sum())]
    adjusted = np.full(len(p), np.nan)
    adjusted[order] = np.minimum(np.maximum.accumulate(p[order] * (len(order) - np.arange(len(order)))), 1.0)
    return adjusted.tolist()
