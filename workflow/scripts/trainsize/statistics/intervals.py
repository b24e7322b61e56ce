"""Intervals of means over runs."""

import numpy as np
import pandas as pd
from scipy import stats

Interval = tuple[float, float, float]  # mean, lower end, upper end


def mean_interval(values: np.ndarray, level: float = 0.95) -> Interval:
    """Return the mean of independent `values` and the ends of its two-sided t-interval.

    One value has no interval, and no value not even a mean (nan).
    """
    values = np.asarray(values, dtype=float)
    mean = float(values.mean()) if len(values) else np.nan
    if len(values) < 2:
        return mean, np.nan, np.nan
    half = stats.t.ppf(0.5 + level / 2, len(values) - 1) * values.std(ddof=1) / np.sqrt(len(values))
    return mean, float(mean - half), float(mean + half)


def ratio_interval(parts: np.ndarray, wholes: np.ndarray, level: float = 0.95) -> Interval:
    """Return the ratio Σ parts / Σ wholes over independent pairs (k,), and the ends of its two-sided t-interval.

    The standard error is that of the mean of parts - ratio · wholes, over the mean of wholes (Cochran 1977, chapter 6).
    """
    ratio = float(parts.sum() / wholes.sum())
    mean, *ends = mean_interval(parts - ratio * wholes, level)
    return ratio, *(float(ratio + (end - mean) / wholes.mean()) for end in ends)


def unit_of(runs: pd.DataFrame) -> str:
    """Return the column that names independent runs: draw where there are several draws, else seed.

    Where every seed has the draw of the same number, the two are one and are called seeds.
    """
    return "draw" if runs["draw"].nunique() > 1 and (runs["draw"] != runs["seed"]).any() else "seed"


def independent_values(runs: pd.DataFrame, column: str, n: int | None = None) -> pd.Series:
    """Return one value of `column` per draw, the mean over its seeds; with a single draw, one per seed.

    Runs of one draw share their images and are not independent, so an interval over all runs of several draws would be
    too narrow. `runs` are those of one model. With `n` the values are of that size alone, but what is independent is
    decided over all sizes, because some may have runs of one draw only.
    """
    of_size = runs if n is None else runs[runs["n"] == n]
    return of_size.groupby(unit_of(runs))[column].mean()


def size_interval(runs: pd.DataFrame, column: str, n: int) -> Interval:
    """Return mean and interval of `column` at the size `n` of one model, whose `runs` of all sizes are given."""
    return mean_interval(independent_values(runs, column, n))


def share_interval(interval: Interval) -> Interval:
    """Return the interval of a share, cut at 0 and 1; nan stays nan."""
    mean, *ends = interval
    return mean, *(float(np.clip(end, 0, 1)) for end in ends)


def paired_interval(runs: pd.DataFrame, column: str, n: int, before: int) -> Interval:
    """Return mean and interval of the change of `column` from size `before` to size `n`, paired by draw (or seed)."""
    return mean_interval((independent_values(runs, column, n) - independent_values(runs, column, before)).dropna())
