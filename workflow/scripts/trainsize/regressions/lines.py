"""The straight line in log10 n through the means of the sizes, as published studies fit it, by statsmodels."""

import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
import statsmodels.api as sm
from scipy import stats
from statsmodels.stats.outliers_influence import OLSInfluence
from statsmodels.stats.stattools import durbin_watson, jarque_bera, omni_normtest

from trainsize.common.errors import plural

FEWEST_SIZES = 3  # a line through two points has no error
SLOPE = "log10_n"
LineFit = Any  # results of statsmodels, or what has the same attributes


@dataclass(frozen=True)
class MeansLine:
    """A line through the `means` of sizes (a series by n), of which some are left out; `reason`: why it has no fit."""

    means: pd.Series
    left_out: tuple[int, ...]
    fit: LineFit | None = None
    reason: str = ""


@dataclass(frozen=True)
class Coefficient:
    """A coefficient of a line; `errors` says what its standard error assumes."""

    term: str
    estimate: float
    standard_error: float
    t: float
    p: float
    low: float
    high: float
    errors: str


@dataclass(frozen=True)
class Influence:
    """The influence of one size on the line: its residual and leverage, and the line without it.

    The residual is externally studentised; its p-value is two-sided, with Bonferroni's correction over the sizes.
    """

    n: float
    mean: float
    fitted: float
    leverage: float
    studentised: float
    p: float
    p_bonferroni: float
    cooks_distance: float
    slope_without: float = np.nan
    intercept_without: float = np.nan
    r2_without: float = np.nan
    foretold_without: float = np.nan


def size_means(runs: pd.DataFrame, column: str) -> pd.Series:
    """Return the mean of `column` over the runs of each size, indexed by n, ascending."""
    return runs.groupby("n")[column].mean()


def design(n: np.ndarray) -> pd.DataFrame:
    """Return the columns 1 and log10 n."""
    return pd.DataFrame({"const": 1.0, SLOPE: np.log10(np.asarray(n, dtype=float))})


def check(values: np.ndarray, sizes: int) -> None:
    """Raise ValueError, with the reason, where no line can be fitted to these values at so many sizes."""
    if sizes < FEWEST_SIZES:
        raise ValueError(f"{plural(sizes, 'size')} with finished runs; at least {FEWEST_SIZES} are needed")
    if not np.isfinite(values).all():
        raise ValueError("a mean is not a finite number")
    if np.ptp(values) == 0:
        raise ValueError("the metric is the same at every size")


def lines_through_means(means: pd.Series, leave_out: Sequence[int] = ()) -> list[MeansLine]:
    """Fit the line through all means and, if any of the sizes `leave_out` has one, the line without those."""
    dropped = tuple(n for n in leave_out if n in means.index)
    return [_line_through(means.drop(list(sizes)), sizes) for sizes in dict.fromkeys(((), dropped))]


def _line_through(means: pd.Series, left_out: tuple[int, ...]) -> MeansLine:
    try:
        return MeansLine(means, left_out, log_linear(means))
    except ValueError as reason:
        return MeansLine(means, left_out, reason=str(reason))


def log_linear(means: pd.Series) -> LineFit:
    """Fit means ~ 1 + log10 n by ordinary least squares; return statsmodels' results.

    Raises ValueError, with the reason, where that is impossible.
    """
    check(means.to_numpy(), len(means))
    return sm.OLS(means.to_numpy(), design(means.index)).fit()


def goodness(fit: LineFit) -> dict[str, float]:
    """Return the columns of the table of fits that statsmodels' least-squares fits have; a robust fit has none."""
    if not hasattr(fit, "rsquared"):
        return {}
    names = {
        "r2": "rsquared",
        "r2_adjusted": "rsquared_adj",
        "f": "fvalue",
        "p_f": "f_pvalue",
        "df_model": "df_model",
        "df_residual": "df_resid",
        "log_likelihood": "llf",
        "aic": "aic",
        "bic": "bic",
        "condition_number": "condition_number",
    }
    return {name: float(np.squeeze(getattr(fit, theirs))) for name, theirs in names.items()}


def statistics(fit: LineFit) -> dict[str, float]:
    """Return all that a published summary of an OLS fit states but the coefficients, as columns of the table of fits.

    The omnibus test needs 8 sizes (else nan).
    """
    statistic, p_jarque_bera, skew, kurtosis = jarque_bera(fit.resid)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        omnibus, p_omnibus = omni_normtest(fit.resid) if fit.nobs >= 8 else (np.nan, np.nan)
    return {
        **goodness(fit),
        "omnibus": omnibus,
        "p_omnibus": p_omnibus,
        "durbin_watson": durbin_watson(fit.resid),
        "jarque_bera": statistic,
        "p_jarque_bera": p_jarque_bera,
        "skew": skew,
        "kurtosis": kurtosis,
    }


def coefficients(fit: LineFit, level: float = 0.95, errors: str = "classical") -> list[Coefficient]:
    """Return intercept and slope of a line."""
    interval = pd.DataFrame(np.asarray(fit.conf_int(alpha=1 - level)), index=fit.params.index)
    return [
        Coefficient(
            term=term,
            estimate=fit.params[term],
            standard_error=fit.bse[term],
            t=fit.tvalues[term],
            p=fit.pvalues[term],
            low=interval.loc[term, 0],
            high=interval.loc[term, 1],
            errors=errors,
        )
        for term in ("const", SLOPE)
    ]


def summary_text(fit: LineFit, title: str, metric: str) -> str:
    """Return statsmodels' summary without date and time, so that the same fit gives the same text."""
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="omni_normtest is not valid")
        lines = str(fit.summary(title=title, yname=metric)).splitlines()
    half = next(len(line) for line in lines if line.startswith("==")) // 2
    lines = [" " * half + line[half:] if line.startswith(("Date:", "Time:")) else line for line in lines]
    return "\n".join(line.rstrip() for line in lines) + "\n"


def influence(means: pd.Series) -> list[Influence]:
    """Return the influence of each size on the line through the means. Raises ValueError as `log_linear` does."""
    fit = log_linear(means)
    of_sizes = OLSInfluence(fit)
    freedom = fit.df_resid - 1
    with np.errstate(divide="ignore", invalid="ignore"):
        studentised = of_sizes.resid_studentized_external
        p = 2 * stats.t.sf(np.abs(studentised), freedom) if freedom > 0 else np.full(len(means), np.nan)
        cooks = of_sizes.cooks_distance[0]
    return [
        Influence(
            n=float(n),
            mean=means.iloc[j],
            fitted=fit.fittedvalues.iloc[j],
            leverage=of_sizes.hat_matrix_diag[j],
            studentised=studentised[j],
            p=p[j],
            p_bonferroni=min(1.0, len(means) * p[j]) if np.isfinite(p[j]) else np.nan,
            cooks_distance=cooks[j],
            **_line_without(means, j),
        )
        for j, n in enumerate(means.index)
    ]


def _line_without(means: pd.Series, j: int) -> dict[str, float]:
    """Return the fields of `Influence` on the line without one size; none where no line is left."""
    try:
        fit = log_linear(means.drop(means.index[j]))
    except ValueError:
        return {}
    slope, intercept = fit.params[SLOPE], fit.params["const"]
    return {
        "slope_without": slope,
        "intercept_without": intercept,
        "r2_without": fit.rsquared,
        "foretold_without": intercept + slope * np.log10(means.index[j]),
    }
