"""Straight lines in log10 n through all runs: least squares with honest errors, weighted, robust, and ANOVA."""

import warnings
from collections.abc import Iterator
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import pandas as pd
import statsmodels.api as sm
from scipy import stats
from statsmodels.tools.sm_exceptions import ConvergenceWarning

from trainsize.regressions.lines import LineFit, check, design

METHODS = ("ols_cluster", "ols_hc3", "wls", "rlm")


class RunLine(NamedTuple):
    """A line through all runs, or the reason why there is none; `errors` says what its standard errors assume."""

    method: str
    errors: str = ""
    fit: LineFit | None = None
    reason: str = ""


@dataclass(frozen=True)
class Anova:
    """A one-way analysis of variance over the sizes."""

    f: float
    p_f: float
    df_model: int
    df_residual: int


def lines_through_runs(runs: pd.DataFrame, column: str, unit: str, weights: pd.Series | None) -> Iterator[RunLine]:
    """Yield a line of each of METHODS.

    `runs` has n, draw, seed and `column`; `unit` names the independent ones; `weights` are by size.
    """
    y, x = runs[column].to_numpy(dtype=float), design(runs["n"])
    try:
        check(y, runs["n"].nunique())
    except ValueError as reason:
        yield from (RunLine(method, reason=str(reason)) for method in METHODS)
        return
    yield _clustered(y, x, pd.factorize(runs[unit])[0], unit)
    if len(y) > x.shape[1]:
        yield RunLine("ols_hc3", "HC3", sm.OLS(y, x).fit(cov_type="HC3", use_t=True))
    if weights is None:
        yield RunLine("wls", reason="no size has two runs, so there is no variance to weight by")
    else:
        yield RunLine("wls", "classical", sm.WLS(y, x, weights=runs["n"].map(weights).to_numpy()).fit())
    yield robust(y, x)


def _clustered(y: np.ndarray, x: pd.DataFrame, groups: np.ndarray, unit: str) -> RunLine:
    if groups.max() == 0:
        return RunLine("ols_cluster", reason=f"a single {unit}; cluster-robust errors need at least two")
    fit = sm.OLS(y, x).fit(cov_type="cluster", cov_kwds={"groups": groups}, use_t=True)
    if (np.diag(fit.cov_params()) > 0).all():
        return RunLine("ols_cluster", f"cluster-robust by {unit}", fit)
    reason = f"{groups.max() + 1} {unit}s are too few for cluster-robust errors of these runs"
    return RunLine("ols_cluster", reason=reason)


def robust(y: np.ndarray, x: pd.DataFrame) -> RunLine:
    """Return statsmodels' regression with Huber's loss."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        try:
            fit = sm.RLM(y, x, M=sm.robust.norms.HuberT()).fit()
        except (ValueError, ZeroDivisionError, np.linalg.LinAlgError) as error:
            return RunLine("rlm", reason=f"not fitted: {error}")
    if np.isfinite(fit.bse).all():
        return RunLine("rlm", "Huber's", fit)
    return RunLine("rlm", reason="not fitted: most runs lie on the line, so the residuals have no scale")


def anova(runs: pd.DataFrame, column: str) -> Anova:
    """Return the analysis of variance of `column` over the sizes. Raises ValueError, with the reason, without one."""
    groups = [group.to_numpy() for _, group in runs.groupby("n")[column]]
    if len(groups) < 2 or sum(map(len, groups)) <= len(groups):
        raise ValueError("an analysis of variance needs two sizes, and a size with two runs")
    if all(np.ptp(group) == 0 for group in groups):
        raise ValueError("all runs of a size are the same, at every size")
    result = stats.f_oneway(*groups)
    freedom = len(groups) - 1, sum(map(len, groups)) - len(groups)
    return Anova(float(result.statistic), float(result.pvalue), *freedom)
