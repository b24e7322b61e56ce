"""A measured learning curve: the errors of independent units (draws or seeds) by size."""

from dataclasses import dataclass, replace

import numpy as np
import pandas as pd
from scipy.special import digamma

from trainsize.common.errors import listing
from trainsize.runs.metrics import LOSS, SCORE, Metric
from trainsize.runs.status import FINISHED
from trainsize.statistics.crossed import is_crossed, run_variance
from trainsize.statistics.intervals import unit_of

FEWEST_FOR_SLOPE = 4  # sizes with a variance that a line through the variances needs
OUT_OF_RANGE = "out of range"
MOST_NAMED = 3  # runs of a kind that are left out
SMALLEST_SHARE = 1e-6  # of the squared mean: the least variance, so that no size has all the weight


@dataclass(frozen=True)
class Response:
    """A column of the table of runs, and the metric and split it holds."""

    column: str
    metric: Metric
    split: str = "test"


@dataclass(frozen=True)
class Curve:
    """Errors `values` (S, m) of S units at the ascending `sizes` (m,), nan where a unit has no run.

    Units are independent: draws, or seeds where there is a single draw. Where draws have several seeds, `values` are
    their means, and `runs` (m, S, k) the errors of the single runs, nan where there is none; otherwise `runs` is None.
    """

    kind: str
    sizes: np.ndarray
    units: tuple
    values: np.ndarray
    unit: str
    n_test: int | None
    chance: float
    runs: np.ndarray | None = None

    @property
    def counts(self) -> np.ndarray:
        """The number of units with a value at each size, (m,)."""
        return np.isfinite(self.values).sum(0)

    @property
    def means(self) -> np.ndarray:
        return np.nanmean(self.values, axis=0)

    @property
    def crossed(self) -> bool:
        """Whether units go through most of the sizes, so that whole units can be resampled."""
        return bool(np.isfinite(self.values).mean() >= 0.5)

    @property
    def replicates(self) -> int:
        """The number of independent repetitions that an interval rests on."""
        return int(self.counts.min()) if len(self.sizes) else 0

    @property
    def highest(self) -> float:
        """The largest possible error."""
        return np.inf if self.kind == LOSS else 1.0

    def variances(self) -> np.ndarray:
        """Return the variance between units at each size (m,), smoothed: its logarithm is a line in ln n.

        Sizes with fewer than three units, or equal values, do not count. Fewer than four other sizes would give an
        uncertain slope, so the variance is pooled. It is at least that of sampling the test set, p (1 - p) / n_test.
        """
        floor = np.maximum(SMALLEST_SHARE * self.means**2, 1e-12)
        if self.n_test and self.kind != LOSS:
            p = np.clip(self.means, 0, 1)
            floor = np.maximum(floor, p * (1 - p) / self.n_test)
        counts = self.counts
        with np.errstate(invalid="ignore", divide="ignore"):
            squares = np.nansum((self.values - self.means) ** 2, axis=0)
            observed = np.where(counts > 1, squares / (counts - 1), np.nan)
        usable = (counts >= 3) & (observed > 0)
        if usable.sum() < FEWEST_FOR_SLOPE:
            pooled = squares.sum() / max((counts - 1).sum(), 1)
            return np.maximum(np.full(len(self.sizes), pooled), floor.max() if pooled == 0 else floor)
        half = (counts[usable] - 1) / 2
        bias = digamma(half) - np.log(half)  # of the logarithm of a variance from few units: -0.58 from three
        logarithms = np.log(np.maximum(observed, floor)[usable]) - bias
        slope, intercept = np.polyfit(np.log(self.sizes[usable]), logarithms, 1)
        return np.maximum(np.exp(intercept + slope * np.log(self.sizes)), floor)

    def run_variances(self) -> np.ndarray:
        """Return the variance of a single run at each size (m,), of its draw, its seed and the rest, smoothed alike."""
        if self.runs is None:
            return self.variances()
        with np.errstate(invalid="ignore", divide="ignore"):
            of_units = np.nansum((self.values - self.means) ** 2, axis=0) / (self.counts - 1)
            stretch = np.sqrt([run_variance(table) for table in self.runs] / of_units)
        stretch = np.where(np.isfinite(stretch), stretch, 1.0)  # one draw, or draws with the same mean
        return replace(self, values=self.means + stretch * (self.values - self.means)).variances()

    def runs_at(self, size: int) -> np.ndarray:
        """Return the errors of the single runs (runs,) at the size with this index."""
        errors = self.values[:, size] if self.runs is None else self.runs[size]
        return errors[np.isfinite(errors)]

    def weights(self) -> np.ndarray:
        """Return the weight of each size's mean (m,): its units by their variance."""
        return self.counts / self.variances()

    def covariance(self) -> np.ndarray:
        """Return the covariance (m, m) of the means over independent units, each unit with its whole curve."""
        deviations = np.nan_to_num(self.values - self.means)
        counts = self.counts
        share = deviations / counts
        few = self.replicates
        return share.T @ share * (few / (few - 1))

    def correlation(self) -> float:
        """Return how alike a unit's deviations from the means are at different sizes, from 0 to 1.

        It is the covariance over that of a correlation of 1, over all pairs of sizes: high where a good seed is good
        everywhere.
        """
        if not self.crossed:
            return 0.0
        deviations = np.nan_to_num(self.values - self.means)
        products = deviations.T @ deviations
        lengths = np.sqrt(np.diag(products))
        pairs, most = (table.sum() - np.trace(table) for table in (products, np.outer(lengths, lengths)))
        return float(np.clip(pairs / most, 0.0, 1.0)) if most > 0 else 0.0

    def shown(self, errors: np.ndarray) -> np.ndarray:
        """Return errors as values of the metric itself; it is its own inverse."""
        return 1 - errors if self.kind == SCORE else errors


def clean(runs: pd.DataFrame, column: str, kind: str) -> tuple[pd.DataFrame, str]:
    """Return the finished runs with a possible value of `column`, and which runs were left out, in words.

    `runs` has the columns n, draw, seed, status and `column`.
    """
    value = pd.to_numeric(runs[column], errors="coerce").astype(float)
    high = np.inf if kind == LOSS else 1.0
    reasons = np.select(
        [runs["status"] != FINISHED, ~np.isfinite(value), (value < 0) | (value > high)],
        [runs["status"].astype(str), "missing or not finite", OUT_OF_RANGE],
        default="",
    )
    good = runs[reasons == ""]
    described = ", ".join(
        f"{(reasons == reason).sum()} {reason} ({_named(runs[reasons == reason], value, reason == OUT_OF_RANGE)})"
        for reason in dict.fromkeys(reasons[reasons != ""])
    )
    return good.assign(**{column: value[good.index]}), described


def _named(runs: pd.DataFrame, value: pd.Series, with_value: bool) -> str:
    """Return the sizes and seeds of some runs, and their draws if these are other numbers."""
    names = []
    for run in runs.itertuples():
        draw = f" draw {run.draw}" if run.draw != run.seed else ""
        names.append(f"n {run.n}{draw} seed {run.seed}" + (f": {value[run.Index]:g}" if with_value else ""))
    return listing(names, MOST_NAMED)


def make_curve(
    runs: pd.DataFrame, column: str, kind: str, n_test: int | None = None, chance: float = float("nan")
) -> Curve:
    """Gather `column` of one model's clean runs into a curve of errors; `chance` is the metric's value by guessing."""
    unit = unit_of(runs)
    errors = 1 - runs[column] if kind == SCORE else runs[column]
    runs = runs.assign(error=errors)
    table = runs.pivot_table(index=unit, columns="n", values="error", aggfunc="mean")
    return Curve(
        kind=kind,
        sizes=table.columns.to_numpy(dtype=float),
        units=tuple(table.index),
        values=table.to_numpy(dtype=float),
        unit=unit,
        n_test=n_test,
        chance=1 - chance if kind == SCORE else chance,
        runs=_single_runs(runs) if unit == "draw" and is_crossed(runs) else None,
    )


def _single_runs(runs: pd.DataFrame) -> np.ndarray:
    """Return the errors of the runs by size, draw and seed (m, S, k), nan where there is none."""
    axes = [np.unique(runs[name], return_inverse=True) for name in ("n", "draw", "seed")]
    errors = np.full([len(values) for values, _ in axes], np.nan)
    errors[tuple(index for _, index in axes)] = runs["error"]
    return errors
