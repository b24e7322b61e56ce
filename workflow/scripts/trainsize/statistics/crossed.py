"""Runs of several draws with several seeds each: how much a single run varies, by its draw and its seed."""

import numpy as np
import pandas as pd
from scipy import stats

from trainsize.statistics.intervals import Interval


def is_crossed(runs: pd.DataFrame) -> bool:
    """Whether there are several draws, one of them with several runs of a size."""
    return runs["draw"].nunique() > 1 and bool(runs.duplicated(["draw", "n"]).any())


def table_of(runs: pd.DataFrame, column: str) -> np.ndarray:
    """Return the table (draws, seeds) of `column` of one size's runs, nan where a run is missing."""
    draws, seeds = (pd.factorize(runs[name])[0] for name in ("draw", "seed"))
    table = np.full((draws.max() + 1, seeds.max() + 1), np.nan)
    table[draws, seeds] = runs[column]
    return table


def complete_table(table: np.ndarray) -> np.ndarray:
    """Return a table (draws, seeds) without the seeds, or else the draws, that lack a run."""
    complete = np.isfinite(table).all(0)
    return table[:, complete] if complete.sum() > 1 else table[np.isfinite(table).all(1)]


def run_variance(table: np.ndarray) -> float:
    """Return the variance of a single run from a table (draws, seeds), nan where a run is missing.

    It is half the mean squared difference of two runs that share neither draw nor seed (Koch 1968), which is unbiased
    whichever runs are missing. In a complete table it is the sum of the components of draw, of seed and of the rest.
    Without two such runs it is nan.
    """
    present = np.isfinite(table)
    values = np.where(present, table - table[present].mean(), 0.0)

    def squares(axis: int | None) -> float:
        """Half the squared differences of all pairs along `axis`, in either order: n Σ y² - (Σ y)²."""
        return float((present.sum(axis) * (values**2).sum(axis) - values.sum(axis) ** 2).sum())

    pairs = present.sum() ** 2 - (present.sum(0) ** 2).sum() - (present.sum(1) ** 2).sum() + present.sum()
    return max(squares(None) - squares(0) - squares(1), 0.0) / pairs if pairs else float("nan")


def mean_squares(table: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return the mean squares of draws, seeds and the rest, and their degrees of freedom, of a complete table.

    The table is (draws, seeds). They are those of the two-way analysis of variance without replication.
    """
    draws, seeds = table.shape
    of_draws, of_seeds = table.mean(1), table.mean(0)
    rest = table - of_draws[:, None] - of_seeds + table.mean()
    freedom = np.array([draws - 1, seeds - 1, (draws - 1) * (seeds - 1)])
    squares = np.array([seeds * of_draws.var(ddof=1), draws * of_seeds.var(ddof=1), (rest**2).sum() / freedom[2]])
    return squares, freedom


def run_variance_interval(tables: list[np.ndarray], level: float = 0.95) -> Interval:
    """Return the mean over sizes of `run_variance`, from complete tables, with the ends of its interval.

    It is a sum of multiples of independent mean squares, each with the ends of its own χ² interval; their distances
    from it are combined as the root of the sum of squares (Graybill and Wang 1980), which keeps its level with few
    draws, where Satterthwaite's degrees of freedom do not. All sizes share their draws and seeds, so more sizes do not
    add degrees of freedom.
    """
    by_size = [mean_squares(table) for table in tables]
    shares = [[1 / seeds, 1 / draws, 1 - 1 / seeds - 1 / draws] for draws, seeds in (table.shape for table in tables)]
    parts = np.mean([squares * share for (squares, _), share in zip(by_size, shares, strict=True)], axis=0)
    freedom = np.min([own for _, own in by_size], axis=0)
    low, high = (parts * freedom / stats.chi2.ppf(0.5 + side * level / 2, freedom) for side in (1, -1))
    total = float(parts.sum())
    return total, total - float(np.linalg.norm(parts - low)), total + float(np.linalg.norm(high - parts))
