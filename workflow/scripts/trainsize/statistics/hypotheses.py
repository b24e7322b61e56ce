"""Tests and intervals of means: Student's t, equivalence (TOST), Holm's correction."""

from collections.abc import Sequence

import numpy as np
from scipy import stats

NAN = float("nan")


def t_interval(values: np.ndarray, level: float) -> tuple[float, float, float]:
    """Return the mean and the ends of its t-interval; nan where there are too few values."""
    if not len(values):
        return NAN, NAN, NAN
    if len(values) < 2:
        return float(values.mean()), NAN, NAN
    half = stats.t.ppf(0.5 + level / 2, len(values) - 1) * values.std(ddof=1) / np.sqrt(len(values))
    return float(values.mean()), float(values.mean() - half), float(values.mean() + half)


def has_spread(values: np.ndarray) -> bool:
    """Whether there are two values or more that differ by more than rounding, so that a t-test can judge them."""
    return len(values) > 1 and bool(np.ptp(values) > 1e-9 * np.abs(values).max())


def tost(differences: np.ndarray, margin: float) -> float:
    """Return the p-value of two one-sided t-tests that the mean difference is inside ±margin (Schuirmann 1987)."""
    if len(differences) < 2:
        return NAN
    error = differences.std(ddof=1) / np.sqrt(len(differences))
    if error == 0:
        return 0.0 if abs(differences.mean()) < margin else 1.0
    freedom = len(differences) - 1
    distance = (margin - abs(differences.mean())) / error
    return float(stats.t.sf(distance, freedom))


def holm(p_values: Sequence[float]) -> list[float]:
    """Return Holm's (1979) adjusted p-values; those that are nan stay so and do not count.

    (statsmodels' function collects garbage first, at 60 ms a call.)
    """
    p = np.asarray(p_values, dtype=float)
    order = np.argsort(p)[: int(np.isfinite(p).sum())]
    adjusted = np.full(len(p), NAN)
    adjusted[order] = np.minimum(np.maximum.accumulate(p[order] * (len(order) - np.arange(len(order)))), 1.0)
    return adjusted.tolist()
