"""The regressions stage: how a metric moves with the size of the training set."""

import warnings
from itertools import product
from pathlib import Path

import numpy as np
import pandas as pd
import statsmodels.api as sm
from statsmodels.stats.stattools import durbin_watson

from trainsize.files import write_text
from trainsize.tables import FITS, PARAMETERS, read_table, write_table

SPLITS = ("test", "train")
FEWEST_SIZES = 3  # two points leave a line no error


def size_means(runs: pd.DataFrame, column: str) -> pd.Series:
    """Return the mean of `column` over the finished runs of each size, indexed by n, ascending."""
    return runs[runs["status"] == "finished"].groupby("n")[column].mean()


def log_linear(means: pd.Series):
    """Fit means ~ 1 + log10 n by ordinary least squares; return statsmodels' results.

    Raises ValueError, with the reason, for means that no line can be fitted to.
    """
    if len(means) < FEWEST_SIZES:
        raise ValueError(f"{len(means)} sizes with finished runs, at least {FEWEST_SIZES} are needed")
    if not np.isfinite(means).all():
        raise ValueError("a mean is not a finite number")
    if np.ptp(means) == 0:
        raise ValueError("the metric is the same at every size")
    design = pd.DataFrame({"const": 1.0, "log10_n": np.log10(means.index.to_numpy(dtype=float))})
    return sm.OLS(means.to_numpy(), design).fit()


def _fit_row(fit) -> dict:
    return {
        "r2": fit.rsquared,
        "r2_adjusted": fit.rsquared_adj,
        "f": fit.fvalue,
        "p_f": fit.f_pvalue,
        "log_likelihood": fit.llf,
        "aic": fit.aic,
        "bic": fit.bic,
        "durbin_watson": durbin_watson(fit.resid),
        "condition_number": fit.condition_number,
    }


def _parameter_rows(fit) -> list[dict]:
    interval = fit.conf_int(alpha=0.05)
    return [
        {
            "term": term,
            "estimate": fit.params[term],
            "standard_error": fit.bse[term],
            "t": fit.tvalues[term],
            "p": fit.pvalues[term],
            "low": interval.loc[term, 0],
            "high": interval.loc[term, 1],
        }
        for term in fit.params.index
    ]


def summary_text(fit, title: str, metric: str) -> str:
    """Return statsmodels' summary without the date and time of day, so that the same fit gives the same text."""
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="omni_normtest is not valid")
        lines = str(fit.summary(title=title, yname=metric)).splitlines()
    half = next(len(line) for line in lines if line.startswith("==")) // 2
    lines = [" " * half + line[half:] if line.startswith(("Date:", "Time:")) else line for line in lines]
    return "\n".join(lines) + "\n"


def regress(runs_table: Path, models: list[str], metrics: list[str], target: Path) -> None:
    """Fit every metric of every model, on test and training images; write two tables and the text summaries.

    `target` is the stage's folder. A regression that cannot be made is a row that says why.
    """
    runs = read_table(runs_table)
    fits, parameters, texts = [], [], []
    for model, split, metric in product(models, SPLITS, metrics):
        about = {"model": model, "split": split, "metric": metric}
        of_model = runs[runs["model"] == model]
        means = size_means(of_model, f"{split}_{metric}")
        counts = {"n_sizes": len(means), "n_runs": int((of_model["status"] == "finished").sum())}
        title = f"{model}: {split} {metric} on log10 n, means of {counts['n_sizes']} sizes, {counts['n_runs']} runs"
        try:
            fit = log_linear(means)
        except ValueError as reason:
            fits.append({**dict.fromkeys(FITS.schema.names), **about, **counts, "status": str(reason)})
            texts.append(f"{title}\n\nnot fitted: {reason}\n")
            continue
        fits.append({**about, **counts, "status": "fitted", **_fit_row(fit)})
        parameters += [{**about, **row} for row in _parameter_rows(fit)]
        texts.append(summary_text(fit, title, metric))
    write_table(target / "fits.parquet", FITS, pd.DataFrame(fits))
    write_table(target / "parameters.parquet", PARAMETERS, pd.DataFrame(parameters, columns=PARAMETERS.schema.names))
    write_text(target / "summary.txt", "\n\n".join(texts))
