"""Where the spread between runs comes from: the test set, the draw, the seed; and how many runs are enough."""

from dataclasses import dataclass

import numpy as np
import pandas as pd
from scipy import stats

from trainsize.curves.curve import Curve
from trainsize.curves.families import Array
from trainsize.regressions.correctness import Correctness
from trainsize.regressions.options import Options
from trainsize.regressions.rows import Rows, Subject
from trainsize.statistics.crossed import complete_table, is_crossed, mean_squares, run_variance, table_of

MOST_RUNS = 100_000
TEST_SET = "test set"


@dataclass(frozen=True)
class Component:
    """A component of the variance between runs; `repeats` is how many runs, draws, seeds or images it rests on."""

    component: str
    variance: float
    repeats: int
    method: str = "analysis of variance"

    @property
    def sd(self) -> float:
        return float(np.sqrt(max(self.variance, 0.0))) if np.isfinite(self.variance) else np.nan

    def repeats_for(self, margin: float) -> float:
        """Return how many repeats make the 95 % interval of the mean no wider than ± the margin.

        It is nan for images, and where no spread was seen, which is no proof that there is none.
        """
        unknown = self.component == TEST_SET or self.variance == 0
        return np.nan if unknown else repeats_needed(max(self.variance, 0.0), margin)


def add_spread(rows: Rows, subject: Subject, curve: Curve, options: Options, correctness: Correctness | None) -> None:
    """Add where the spread between the runs of each size comes from."""
    metric = subject.response.metric
    margin, n_test = options.margin(metric), curve.n_test if metric.name == "accuracy" else None
    for n, group in subject.runs.groupby("n"):
        right = correctness.right.get((subject.model, n)) if correctness else None
        if right is not None and len(right) != n_test:
            right = None  # the predictions are of more images than the scores
        for part in components(group, subject.response.column, n_test, right):
            repeats = part.repeats_for(margin)
            rows.add("variance", subject.coordinates, part, n=float(n), sd=part.sd, repeats_needed=repeats)


def halves_variance(right: Array, runs: int, accuracies: Array) -> float:
    """Return the variance between runs of the accuracy on the distribution the test images are from.

    `right` (images,) counts the runs that get each image right; `accuracies` (runs,) are on all images. It is the mean,
    over all splits of the test set into random halves, of the covariance over runs of the accuracies on the two halves
    (Jordan 2023), which is unbiased, here in closed form: the mean over pairs of different images of the covariance of
    being right. It may be slightly negative.
    """
    images = len(right)
    share = right / runs
    of_images = (share * (1 - share)).sum() * runs / (runs - 1)
    return float((images**2 * np.var(accuracies, ddof=1) - of_images) / (images * (images - 1)))


def draw_and_seed(runs: pd.DataFrame, column: str) -> list[Component]:
    """Return the components of the variance of `column` at one size, by analysis of variance.

    With draws crossed with seeds (both more than one): draw, seed and the rest, from the mean squares of a two-way
    table without replication; negative estimates are 0. Otherwise the spread of the one that varies, or of both
    together.
    """
    several = runs["draw"].nunique() > 1, runs["seed"].nunique() > 1
    values = complete_table(table_of(runs, column)) if all(several) else np.zeros((0, 0))
    draws, seeds = values.shape
    if draws > 1 and seeds > 1:
        (of_draws, of_seeds, rest), _ = mean_squares(values)
        return [
            Component("draw", _positive((of_draws - rest) / seeds), draws),
            Component("seed", _positive((of_seeds - rest) / draws), seeds),
            Component("draw with seed", float(rest), draws * seeds),
        ]
    name = {(True, False): "draw", (False, True): "seed"}.get(several, "draw and seed together")
    return [Component(name, between_runs(runs, column), int(runs[column].notna().sum()))]


def between_runs(runs: pd.DataFrame, column: str) -> float:
    """Return the variance of `column` between runs of one size that have each a draw and a seed of their own.

    Runs of one draw are more alike: where draws have several seeds, it is `run_variance`.
    """
    return run_variance(table_of(runs, column)) if is_crossed(runs) else _spread(runs[column].dropna())


def _positive(variance: float) -> float:
    return float(max(variance, 0.0))


def _spread(values: pd.Series) -> float:
    return float(values.var(ddof=1)) if len(values) > 1 else np.nan


def repeats_needed(variance: float, margin: float, level: float = 0.95) -> float:
    """Return how many independent repeats make the half-width of the mean's t-interval no larger than `margin`."""
    if not np.isfinite(variance):
        return np.nan
    if _half_width(variance, MOST_RUNS, level) > margin:
        return float("inf")
    repeats = max(
        2, int(variance * (stats.norm.ppf(0.5 + level / 2) / margin) ** 2)
    )  # enough if the variance were known
    while _half_width(variance, repeats, level) > margin:
        repeats += 1
    return float(repeats)


def _half_width(variance: float, repeats: int, level: float) -> float:
    return float(stats.t.ppf(0.5 + level / 2, repeats - 1) * np.sqrt(variance / repeats))


def components(runs: pd.DataFrame, column: str, n_test: int | None, right: Array | None) -> list[Component]:
    """Return the components of one model, metric and size.

    `runs` are the finished ones. The test set's own noise, p (1 - p) / n_test, and the split of the spread between runs
    into that on this test set and that on its distribution are those of an accuracy; `right` counts per test image the
    runs that get it right.
    """
    values = runs[column].dropna()
    total = between_runs(runs, column)
    parts = [Component("runs", total, len(values), "between runs"), *draw_and_seed(runs, column)]
    if n_test:
        p = float(values.mean())
        parts.append(Component(TEST_SET, p * (1 - p) / n_test, n_test, "p (1 - p) / n_test"))
    if right is not None and len(values) > 1:
        lasting = halves_variance(right, len(values), values.to_numpy())
        lasting += total - _spread(values)  # runs of other draws differ more, whatever the test images
        parts.append(Component("runs, on any test set", lasting, len(values), "random halves"))
    return parts
