"""Where the spread between runs comes from: the test set, the draw, the seed; and how many runs are enough."""

import numpy as np
import pandas as pd
from scipy import stats

from trainsize.curves.families import Array
from trainsize.statistics.crossed import complete_table, is_crossed, mean_squares, run_variance, table_of
from trainsize.statistics.hypotheses import NAN

MOST_RUNS = 100_000


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


def draw_and_seed(runs: pd.DataFrame, column: str) -> list[dict]:
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
            {"component": "draw", "variance": _positive((of_draws - rest) / seeds), "repeats": draws},
            {"component": "seed", "variance": _positive((of_seeds - rest) / draws), "repeats": seeds},
            {"component": "draw with seed", "variance": float(rest), "repeats": draws * seeds},
        ]
    name = {(True, False): "draw", (False, True): "seed"}.get(several, "draw and seed together")
    return [{"component": name, "variance": between_runs(runs, column), "repeats": int(runs[column].notna().sum())}]


def between_runs(runs: pd.DataFrame, column: str) -> float:
    """Return the variance of `column` between runs of one size that have each a draw and a seed of their own.

    Runs of one draw are more alike: where draws have several seeds, it is `run_variance`.
    """
    return run_variance(table_of(runs, column)) if is_crossed(runs) else _spread(runs[column].dropna())


def _positive(variance: float) -> float:
    return float(max(variance, 0.0))


def _spread(values: pd.Series) -> float:
    return float(values.var(ddof=1)) if len(values) > 1 else NAN


def repeats_needed(variance: float, margin: float, level: float = 0.95) -> float:
    """Return how many independent repeats make the half-width of the mean's t-interval no larger than `margin`."""
    if not np.isfinite(variance):
        return NAN
    if _half_width(variance, MOST_RUNS, level) > margin:
        return float("inf")
    repeats = max(2, int(variance * (stats.norm.ppf(0.5 + level / 2) / margin) ** 2))  # enough, were the variance known
    while _half_width(variance, repeats, level) > margin:
        repeats += 1
    return float(repeats)


def _half_width(variance: float, repeats: int, level: float) -> float:
    return float(stats.t.ppf(0.5 + level / 2, repeats - 1) * np.sqrt(variance / repeats))


def components(runs: pd.DataFrame, column: str, n_test: int | None, right: Array | None, margin: float) -> list[dict]:
    """Return the rows of one model, metric and size: each component, and what one run and many say.

    `runs` are the finished ones. The test set's own noise, p (1 - p) / n_test, and the split of the spread between runs
    into that on this test set and that on its distribution are those of an accuracy; `right` counts per test image the
    runs that get it right.
    """
    values = runs[column].dropna()
    rows = [{**row, "method": "analysis of variance"} for row in draw_and_seed(runs, column)]
    total = between_runs(runs, column)
    rows.insert(0, {"component": "runs", "variance": total, "repeats": len(values), "method": "between runs"})
    if n_test:
        p = float(values.mean())
        noise = p * (1 - p) / n_test
        rows.append({"component": "test set", "variance": noise, "repeats": n_test, "method": "p (1 - p) / n_test"})
    if right is not None and len(values) > 1:
        lasting = halves_variance(right, len(values), values.to_numpy())
        lasting += total - _spread(values)  # by which runs of other draws differ more is not the test images' doing
        rows.append(
            {
                "component": "runs, on any test set",
                "variance": lasting,
                "repeats": len(values),
                "method": "random halves",
            }
        )
    return [
        {
            **row,
            "sd": float(np.sqrt(max(row["variance"], 0.0))) if np.isfinite(row["variance"]) else NAN,
            "repeats_needed": NAN
            if row["component"] == "test set"
            else repeats_needed(max(row["variance"], 0.0), margin),
        }
        for row in rows
    ]
