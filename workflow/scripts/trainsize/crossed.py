"""Runs of several draws, each trained with several seeds: how much a single run varies, by its draw and its seed."""

import numpy as np
import pandas as pd


def is_crossed(runs: pd.DataFrame) -> bool:
    """Whether there are several draws, one of them with several runs of a size."""
    return runs["draw"].nunique() > 1 and bool(runs.duplicated(["draw", "n"]).any())


def table_of(runs: pd.DataFrame, column: str) -> np.ndarray:
    """Return the table (draws, seeds) of `column` of one size's runs, nan where there is no run."""
    draws, seeds = (pd.factorize(runs[name])[0] for name in ("draw", "seed"))
    table = np.full((draws.max() + 1, seeds.max() + 1), np.nan)
    table[draws, seeds] = runs[column]
    return table


def run_variance(table: np.ndarray) -> float:
    """Return the variance of a single run from a table (draws, seeds), nan where there is no run.

    It is half the mean squared difference of two runs that share neither draw nor seed (Koch 1968), which is unbiased
    whichever runs are missing. In a complete table it is the sum of the components of draw, of seed and of the rest.
    Without two such runs it is nan.
    """
    there = np.isfinite(table)
    values = np.where(there, table - table[there].mean(), 0.0)

    def squares(axis: int | None) -> float:
        """Half the squared differences of all pairs along `axis`, in either order: n Σ y² - (Σ y)²."""
        return float((there.sum(axis) * (values**2).sum(axis) - values.sum(axis) ** 2).sum())

    pairs = there.sum() ** 2 - (there.sum(0) ** 2).sum() - (there.sum(1) ** 2).sum() + there.sum()
    return max(squares(None) - squares(0) - squares(1), 0.0) / pairs if pairs else float("nan")
