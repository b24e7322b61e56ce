"""The straight line in log10 n with random effects of draws and seeds."""

import warnings
from dataclasses import dataclass

import numpy as np
import pandas as pd
import statsmodels.api as sm
from scipy import stats

from trainsize.common.errors import plural
from trainsize.regressions.lines import FEWEST_SIZES, SLOPE

SMALLEST_SHARE = 1e-6  # of the residual variance: a random effect's variance below it is 0
TERMS = ["const", SLOPE]


@dataclass(frozen=True)
class Line:
    """Coefficients with errors and degrees of freedom, with the attribute names of statsmodels."""

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
    """A line with random effects: the variance of each effect and of the residuals. `method` is REML or ANOVA."""

    line: Line
    variances: dict[str, float]
    method: str


def mixed(runs: pd.DataFrame, column: str, unit: str) -> Mixed:
    """Fit column ~ 1 + log10 n with a random intercept per unit; crossed draws and seeds get one each.

    A balanced table with one random effect needs no search: its analysis of variance gives the estimates of REML.
    Others are fitted by REML. Where that finds no solution, or a variance of 0, the analysis of variance is used if the
    table allows it. Raises ValueError, with the reason, where neither is possible.
    """
    if runs[unit].nunique() < 2:
        raise ValueError(f"a single {unit}: there is no random effect to estimate")
    frame = runs[["draw", "seed"]].assign(y=runs[column].astype(float), **{SLOPE: np.log10(runs["n"].astype(float))})
    crossed = unit == "draw" and runs["seed"].nunique() > 1
    balanced = runs.groupby(unit)["n"].apply(tuple).nunique() == 1 and not runs.duplicated([unit, "n"]).any()
    by_reml = None if balanced and not crossed else _reml(frame, ["draw", "seed"] if crossed else [unit])
    return by_reml or anova_line(frame, unit)


def _reml(frame: pd.DataFrame, effects: list[str]) -> Mixed | None:
    """Fit y ~ 1 + log10 n by REML; None where the search fails or the variance of an effect is 0."""
    scale = frame["y"].std()  # statsmodels treats small variances as 0
    formulas = {name: f"0 + C({name})" for name in effects}
    model = sm.MixedLM.from_formula(
        f"y ~ {SLOPE}", frame.assign(y=frame["y"] / scale), vc_formula=formulas, groups=np.ones(len(frame))
    )
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            fit = model.fit(reml=True)
        except (ValueError, np.linalg.LinAlgError):
            return None
    if not fit.converged or min(fit.vcomp) <= SMALLEST_SHARE * fit.scale:
        return None
    estimates, errors = (pd.Series(values.to_numpy() * scale, TERMS) for values in (fit.fe_params, fit.bse_fe))
    variances = dict(zip(model.exog_vc.names, map(float, fit.vcomp * scale**2), strict=True))
    return Mixed(Line(estimates, errors, np.inf), {**variances, "residual": float(fit.scale * scale**2)}, "REML")


def anova_line(frame: pd.DataFrame, unit: str) -> Mixed:
    """Fit y ~ 1 + log10 n with a random intercept per unit by analysis of variance.

    With S units and m sizes, MSB the mean square between units and MSW that of the rest, the variance of the units is
    (MSB - MSW) / m, at least 0, and that of the slope MSW / (S Sxx). Raises ValueError where units lack sizes.
    """
    table = frame.pivot_table(index=unit, columns=SLOPE, values="y")
    if table.isna().any(axis=None):
        raise ValueError("the mixed model found no solution, and some units lack sizes, so ANOVA cannot replace it")
    x, y = table.columns.to_numpy(), table.to_numpy()
    units, sizes = y.shape
    if sizes < FEWEST_SIZES:
        raise ValueError(f"{plural(sizes, 'size')}; at least {FEWEST_SIZES} are needed")
    spread = ((x - x.mean()) ** 2).sum()
    slope = float(((x - x.mean()) * y.mean(0)).sum() / spread)
    of_units = y.mean(1)
    rest = y - of_units[:, None] - slope * (x - x.mean())
    freedom = units * (sizes - 1) - 1
    within = float((rest**2).sum() / freedom)
    between = max((sizes * of_units.var(ddof=1) - within) / sizes, 0.0)
    error = np.sqrt(within / (units * spread))
    of_mean = np.sqrt((between + within / sizes) / units)
    estimates = pd.Series([y.mean() - slope * x.mean(), slope], TERMS)
    errors = pd.Series([np.hypot(of_mean, x.mean() * error), error], TERMS)
    return Mixed(Line(estimates, errors, freedom), {unit: between, "residual": within}, "ANOVA")
