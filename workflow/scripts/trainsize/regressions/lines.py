"""Straight lines in log10 n, by statsmodels: as published studies fit them, and over all runs with honest errors."""

import warnings
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import pandas as pd
import statsmodels.api as sm
from scipy import stats
from statsmodels.stats.outliers_influence import OLSInfluence
from statsmodels.stats.stattools import durbin_watson, jarque_bera, omni_normtest
from statsmodels.tools.sm_exceptions import ConvergenceWarning

from trainsize.common.errors import counted

FEWEST_SIZES = 3  # two points leave a line no error
SLOPE = "log10_n"
SMALLEST_SHARE = 1e-6  # of the residual variance: a random effect's variance below it is 0


def size_means(runs: pd.DataFrame, column: str) -> pd.Series:
    """Return the mean of `column` over the runs of each size, indexed by n, ascending."""
    return runs.groupby("n")[column].mean()


def design(n: np.ndarray) -> pd.DataFrame:
    return pd.DataFrame({"const": 1.0, SLOPE: np.log10(np.asarray(n, dtype=float))})


def check(values: np.ndarray, sizes: int) -> None:
    """Raise ValueError, with the reason, for values at so many sizes that no line can be fitted to."""
    if sizes < FEWEST_SIZES:
        raise ValueError(f"{counted(sizes, 'size')} with finished runs, at least {FEWEST_SIZES} are needed")
    if not np.isfinite(values).all():
        raise ValueError("a mean is not a finite number")
    if np.ptp(values) == 0:
        raise ValueError("the metric is the same at every size")


def log_linear(means: pd.Series):
    """Fit means ~ 1 + log10 n by ordinary least squares; return statsmodels' results.

    Raises ValueError, with the reason, for means that no line can be fitted to.
    """
    check(means.to_numpy(), len(means))
    return sm.OLS(means.to_numpy(), design(means.index)).fit()


def statistics(fit) -> dict:
    """Return what a published summary of an OLS fit states, but its coefficients. Omnibus needs 8 sizes (else nan)."""
    _, p_jarque_bera, skew, kurtosis = jb = jarque_bera(fit.resid)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        omnibus, p_omnibus = omni_normtest(fit.resid) if fit.nobs >= 8 else (np.nan, np.nan)
    return {
        "r2": fit.rsquared,
        "r2_adjusted": fit.rsquared_adj,
        "f": fit.fvalue,
        "p_f": fit.f_pvalue,
        "df_model": fit.df_model,
        "df_residual": fit.df_resid,
        "log_likelihood": fit.llf,
        "aic": fit.aic,
        "bic": fit.bic,
        "omnibus": omnibus,
        "p_omnibus": p_omnibus,
        "durbin_watson": durbin_watson(fit.resid),
        "jarque_bera": jb[0],
        "p_jarque_bera": p_jarque_bera,
        "skew": skew,
        "kurtosis": kurtosis,
        "condition_number": fit.condition_number,
    }


def goodness(fit) -> dict:
    """Return what statsmodels' least-squares fits say of themselves; a robust one has none of it."""
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


def coefficients(fit, level: float = 0.95, errors: str = "classical") -> list[dict]:
    """Return a row per coefficient of a line."""
    interval = pd.DataFrame(np.asarray(fit.conf_int(alpha=1 - level)), index=fit.params.index)
    return [
        {
            "term": term,
            "estimate": fit.params[term],
            "standard_error": fit.bse[term],
            "t": fit.tvalues[term],
            "p": fit.pvalues[term],
            "low": interval.loc[term, 0],
            "high": interval.loc[term, 1],
            "errors": errors,
        }
        for term in ("const", SLOPE)
    ]


def summary_text(fit, title: str, metric: str) -> str:
    """Return statsmodels' summary without the date and time of day, so that the same fit gives the same text."""
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="omni_normtest is not valid")
        lines = str(fit.summary(title=title, yname=metric)).splitlines()
    half = next(len(line) for line in lines if line.startswith("==")) // 2
    lines = [" " * half + line[half:] if line.startswith(("Date:", "Time:")) else line for line in lines]
    return "\n".join(line.rstrip() for line in lines) + "\n"


def influence(means: pd.Series) -> list[dict]:
    """Return a row per size: its leverage, residual and Cook's distance, and the line without it.

    The residual is externally studentised; its p-value is two-sided, Bonferroni's over the sizes.
    """
    fit = log_linear(means)
    of_sizes = OLSInfluence(fit)
    freedom = fit.df_resid - 1
    with np.errstate(divide="ignore", invalid="ignore"):
        studentised = of_sizes.resid_studentized_external
        p = 2 * stats.t.sf(np.abs(studentised), freedom) if freedom > 0 else np.full(len(means), np.nan)
        cooks = of_sizes.cooks_distance[0]
    rows = []
    for j, n in enumerate(means.index):
        without = _line_without(means, j)
        rows.append(
            {
                "n": float(n),
                "mean": means.iloc[j],
                "fitted": fit.fittedvalues.iloc[j],
                "leverage": of_sizes.hat_matrix_diag[j],
                "studentised": studentised[j],
                "p": p[j],
                "p_bonferroni": min(1.0, len(means) * p[j]) if np.isfinite(p[j]) else np.nan,
                "cooks_distance": cooks[j],
                **without,
            }
        )
    return rows


def _line_without(means: pd.Series, j: int) -> dict:
    names = ("slope_without", "intercept_without", "r2_without", "foretold_without")
    try:
        fit = log_linear(means.drop(means.index[j]))
    except ValueError:
        return dict.fromkeys(names, np.nan)
    foretold = fit.params["const"] + fit.params[SLOPE] * np.log10(means.index[j])
    return dict(zip(names, (fit.params[SLOPE], fit.params["const"], fit.rsquared, foretold), strict=True))


def over_runs(
    runs: pd.DataFrame, column: str, unit: str, weights: pd.Series | None
) -> Iterator[tuple[str, str, object]]:
    """Yield (method, kind of errors, statsmodels fit or the reason why there is none) of lines through all runs.

    `runs` has n, draw, seed and `column`; `unit` names the independent ones; `weights` are by size.
    """
    y, x = runs[column].to_numpy(dtype=float), design(runs["n"])
    try:
        check(y, runs["n"].nunique())
    except ValueError as reason:
        yield from ((method, "", str(reason)) for method in ("ols_cluster", "ols_hc3", "wls", "rlm"))
        return
    groups = pd.factorize(runs[unit])[0]
    if groups.max() > 0:
        fit = sm.OLS(y, x).fit(cov_type="cluster", cov_kwds={"groups": groups}, use_t=True)
        defined = (np.diag(fit.cov_params()) > 0).all()
        reason = f"{groups.max() + 1} {unit}s are too few for cluster-robust errors of these runs"
        yield "ols_cluster", f"cluster-robust by {unit}", fit if defined else reason
    else:
        yield "ols_cluster", "", f"a single {unit}, cluster-robust errors need at least two"
    if len(y) > x.shape[1]:
        yield "ols_hc3", "HC3", sm.OLS(y, x).fit(cov_type="HC3", use_t=True)
    if weights is None:
        yield "wls", "", "no size has two runs, so there is no variance to weigh by"
    else:
        yield "wls", "classical", sm.WLS(y, x, weights=runs["n"].map(weights).to_numpy()).fit()
    yield "rlm", "Huber's", robust(y, x)


def robust(y: np.ndarray, x: pd.DataFrame):
    """Return statsmodels' regression with Huber's loss, or the reason why there is none."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        try:
            fit = sm.RLM(y, x, M=sm.robust.norms.HuberT()).fit()
        except (ValueError, ZeroDivisionError, np.linalg.LinAlgError) as error:
            return f"not fitted: {error}"
    return fit if np.isfinite(fit.bse).all() else "not fitted: most runs lie on the line, which leaves no scale"


@dataclass(frozen=True)
class Line:
    """Coefficients with errors, spelled as statsmodels does."""

    params: pd.Series
    bse: pd.Series
    freedom: float

    @property
    def tvalues(self) -> pd.Series:
        return self.params / self.bse

    @property
    def pvalues(self) -> pd.Series:
        return pd.Series(2 * stats.t.sf(self.tvalues.abs(), self.freedom), index=self.params.index)

    def conf_int(self, alpha: float) -> np.ndarray:
        half = stats.t.ppf(1 - alpha / 2, self.freedom) * self.bse
        return np.column_stack([self.params - half, self.params + half])


@dataclass(frozen=True)
class Mixed:
    """A line with random effects: the variance of each effect, and of the rest. `method` is REML or ANOVA."""

    line: object
    variances: dict[str, float]
    method: str


def mixed(runs: pd.DataFrame, column: str, unit: str) -> Mixed:
    """Fit column ~ 1 + log10 n with a random intercept per unit; crossed draws and seeds get one each.

    A balanced table with one random effect needs no search: its analysis of variance gives what REML does. Others are
    fitted by REML; where that finds no solution, or a variance of 0, the analysis of variance serves if the table
    allows it. Raises ValueError, with the reason, where neither is possible.
    """
    if runs[unit].nunique() < 2:
        raise ValueError(f"a single {unit}: there is no random effect to estimate")
    frame = runs[["draw", "seed"]].assign(y=runs[column].astype(float), **{SLOPE: np.log10(runs["n"].astype(float))})
    crossed = unit == "draw" and runs["seed"].nunique() > 1
    balanced = runs.groupby(unit)["n"].apply(tuple).nunique() == 1 and not runs.duplicated([unit, "n"]).any()
    if balanced and not crossed:
        return anova_line(frame, unit)
    effects = ["draw", "seed"] if crossed else [unit]
    unit_of_y = frame["y"].std()  # statsmodels takes small variances for 0
    formulas = {name: f"0 + C({name})" for name in effects}
    model = sm.MixedLM.from_formula(
        f"y ~ {SLOPE}", frame.assign(y=frame["y"] / unit_of_y), vc_formula=formulas, groups=np.ones(len(frame))
    )
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            fit = model.fit(reml=True)
        except (ValueError, np.linalg.LinAlgError):
            return anova_line(frame, unit)
    if not fit.converged or min(fit.vcomp) <= SMALLEST_SHARE * fit.scale:
        return anova_line(frame, unit)
    terms = ["const", SLOPE]
    line = Line(
        pd.Series(fit.fe_params.to_numpy() * unit_of_y, terms),
        pd.Series(fit.bse_fe.to_numpy() * unit_of_y, terms),
        np.inf,
    )
    variances = dict(zip(model.exog_vc.names, map(float, fit.vcomp * unit_of_y**2), strict=True))
    return Mixed(line, {**variances, "residual": float(fit.scale * unit_of_y**2)}, "REML")


def anova_line(frame: pd.DataFrame, unit: str) -> Mixed:
    """Fit y ~ 1 + log10 n with a random intercept per unit by analysis of variance, for as many runs per unit and size.

    With S units and m sizes, MSB the mean square between units and MSW that of the rest, the variance of the units is
    (MSB - MSW) / m, at least 0, and that of the slope MSW / (S Sxx). Raises ValueError for an unbalanced table.
    """
    table = frame.pivot_table(index=unit, columns=SLOPE, values="y")
    if table.isna().any(axis=None):
        raise ValueError(
            "the mixed model found no solution, and units miss sizes, so that there is no ANOVA to fall back on"
        )
    x, y = table.columns.to_numpy(), table.to_numpy()
    units, sizes = y.shape
    if sizes < FEWEST_SIZES:
        raise ValueError(f"{counted(sizes, 'size')}, at least {FEWEST_SIZES} are needed")
    spread = ((x - x.mean()) ** 2).sum()
    slope = float(((x - x.mean()) * y.mean(0)).sum() / spread)
    of_units = y.mean(1)
    rest = y - of_units[:, None] - slope * (x - x.mean())
    freedom = units * (sizes - 1) - 1
    within = float((rest**2).sum() / freedom)
    between = max((sizes * of_units.var(ddof=1) - within) / sizes, 0.0)
    error = np.sqrt(within / (units * spread))
    of_mean = np.sqrt((between + within / sizes) / units)
    terms = ["const", SLOPE]
    line = Line(
        pd.Series([y.mean() - slope * x.mean(), slope], terms),
        pd.Series([np.hypot(of_mean, x.mean() * error), error], terms),
        freedom,
    )
    return Mixed(line, {unit: between, "residual": within}, "ANOVA")


def anova(runs: pd.DataFrame, column: str) -> tuple[float, float, int, int]:
    """Return F, its p-value and the degrees of freedom of a one-way analysis of variance over the sizes.

    Raises ValueError, with the reason, where it says nothing.
    """
    groups = [group.to_numpy() for _, group in runs.groupby("n")[column]]
    if len(groups) < 2 or sum(map(len, groups)) <= len(groups):
        raise ValueError("an analysis of variance needs two sizes, and a size with two runs")
    if all(np.ptp(group) == 0 for group in groups):
        raise ValueError("the runs of every size are the same")
    result = stats.f_oneway(*groups)
    return float(result.statistic), float(result.pvalue), len(groups) - 1, sum(map(len, groups)) - len(groups)
