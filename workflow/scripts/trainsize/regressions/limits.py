"""What limits a size: its images, the training budget, both, or nothing beyond the noise.

All metrics count as errors: 1 - metric for a share that should be high.
"""

from dataclasses import dataclass, replace

import numpy as np
import pandas as pd
from scipy import stats

from trainsize.statistics.hypotheses import has_spread, holm, p_above
from trainsize.statistics.intervals import independent_values, mean_interval, ratio_interval

DATA, BUDGET, BOTH, NOISE = VERDICTS = ("data", "budget", "both", "noise")
PART = 0.25  # share of the test error from which on its parts count: the training error, and the gap to it
SAVING = 0.05  # share of the test error that longer training must save to count
ALPHA = 0.05

# The signs of the training budget, one for each verdict.
HELPED, NOT_HELPED = "more updates help", "more updates do not help"
AT_CEILING, CONVERGED = "most runs ended at the ceiling", "most runs ended by themselves"
IMPROVING, LEVEL = "still improving", "no longer improving"
UNFITTED, FITTED = "large training error", "small training error"

RUN = ["n", "draw", "seed"]


@dataclass(frozen=True)
class Training:
    """How a model is trained: `decays`, its learning rate with the budget; `stops_early`, its runs by themselves.

    With `softened` labels (smoothed or mixed), no network can bring its training loss to 0.
    """

    decays: bool = False
    stops_early: bool = False
    softened: bool = False


@dataclass(frozen=True)
class Estimate:
    """A mean over units with the ends of its t-interval, and the p-value that it is above 0; nan where unknown."""

    mean: float = np.nan
    low: float = np.nan
    high: float = np.nan
    p: float = np.nan


@dataclass(frozen=True)
class Evidence:
    """What the runs of one size show; errors are means over units, nan where unknown.

    `gap` is the test error minus the training error, `gain` the test error saved by doubling the updates, `fall` the
    test error saved since the size before, and `check` the share of the test error that `check_updates`, a multiple of
    the budget, save. `over_training` is the error of the last checkpoint above that of the best one, which stands at
    the share `best_at` of the updates. `noise` is the standard deviation of a run, and `at_ceiling` the share of runs
    that the budget ended.
    """

    n: float
    runs: int
    updates: float
    error: float
    train_error: float
    gap: Estimate
    gain: Estimate
    fall: Estimate
    check: Estimate
    check_updates: float
    over_training: float
    best_at: float
    noise: float
    at_ceiling: float


@dataclass(frozen=True)
class Verdict:
    """One of VERDICTS and the signs that led to it; or nothing, and the reason."""

    verdict: str
    why: str


def gain_per_doubling(steps: np.ndarray, errors: np.ndarray) -> float:
    """Return how much the error falls per doubling of the updates over the last half of the training.

    By least squares on log2 of the updates `steps` (k,), in order; nan for a single evaluation there.
    """
    late = steps >= steps[-1] / 2
    doublings, errors = np.log2(steps[late]), errors[late]
    if len(errors) < 2:
        return np.nan
    deviations = doublings - doublings.mean()
    return float(-(deviations @ errors) / (deviations @ deviations))


def progress(history: pd.DataFrame) -> pd.DataFrame:
    """Return `gain`, `over_training` and `best_at` of each run, from its checkpoints' `error` and `step`."""
    rows = []
    for run, of_run in history.sort_values("step").groupby(RUN):
        steps, errors = of_run["step"].to_numpy(float), of_run["error"].to_numpy(float)
        best = int(errors.argmin())
        row = (gain_per_doubling(steps, errors), errors[-1] - errors[best], steps[best] / steps[-1])
        rows.append((*run, *row))
    table = pd.DataFrame(rows, columns=[*RUN, "gain", "over_training", "best_at"], dtype=float)
    return table.astype(dict.fromkeys(RUN, int))


def evidence(runs: pd.DataFrame, images: int | None, level: float) -> list[Evidence]:
    """Return the evidence for each size, ascending, with p-values that Holm's method corrects over the sizes.

    `runs` are those of one model with the columns n, draw, seed, updates, error, train_error, stopped, the columns of
    `progress`, and `longer` and `longer_updates`, the error and the updates of the same run with a multiple of the
    budget. `images` is the number of test images that an error is a share of, or None.
    """
    sizes = sorted(runs["n"].unique())
    before = [None, *sizes[:-1]]
    found = [_evidence(runs, n, smaller, images, level) for n, smaller in zip(sizes, before, strict=True)]
    for name in ("gap", "gain", "fall"):
        corrected = holm([getattr(of_size, name).p for of_size in found])
        found = [
            replace(of_size, **{name: replace(getattr(of_size, name), p=p)})
            for of_size, p in zip(found, corrected, strict=True)
        ]
    return found


def _evidence(runs: pd.DataFrame, n: int, before: int | None, images: int | None, level: float) -> Evidence:
    runs = runs.assign(saved=runs["error"] - runs["longer"], checked=runs["error"].where(runs["longer"].notna()))
    of_size = runs[runs["n"] == n]

    def units(column: str, size: int = n) -> pd.Series:
        return independent_values(runs, column, size)

    errors = units("error")
    error, sampling = float(errors.mean()), _sampling_error(errors.mean(), images)
    return Evidence(
        n=n,
        runs=len(of_size),
        updates=float(of_size["updates"].mean()),
        error=error,
        train_error=float(units("train_error").mean()),
        gap=_estimate(errors - units("train_error"), level, sampling),
        gain=_estimate(units("gain"), level),
        fall=_estimate(units("error", before) - errors, level) if before else Estimate(),
        check=_share(units("saved").dropna(), units("checked").dropna(), level),
        check_updates=float(of_size["longer_updates"].mean()),
        over_training=float(of_size["over_training"].mean()),
        best_at=float(of_size["best_at"].mean()),
        noise=float(np.nanmax([errors.std(ddof=1), sampling, 0.0])),
        at_ceiling=float(1 - of_size["stopped"].mean()),
    )


def _sampling_error(error: float, images: int | None) -> float:
    """Return the standard error that the choice of the test images gives a share of them; nan without `images`."""
    return float(np.sqrt(error * (1 - error) / images)) if images else np.nan


def _estimate(values: pd.Series, level: float, sampling: float = np.nan) -> Estimate:
    """Return the estimate from one value per unit.

    Without spread, as of a single run, there is no interval, and p is that of a normal value of the standard error
    `sampling`.
    """
    values = values.dropna().to_numpy()
    if has_spread(values):
        return Estimate(*mean_interval(values, level), p_above(values))
    if not len(values):
        return Estimate()
    mean = float(values.mean())
    return Estimate(mean, p=float(stats.norm.sf(mean / sampling)) if sampling > 0 else np.nan)


def _share(saved: pd.Series, errors: pd.Series, level: float) -> Estimate:
    """Return the share of the errors that is saved, from one value of each per unit."""
    if not errors.sum() > 0:
        return Estimate()
    share, low, high = ratio_interval(saved.to_numpy(), errors.to_numpy(), level)
    return Estimate(share, low, high) if low < high else Estimate(share)


def verdict(found: Evidence, training: Training, is_share: bool) -> Verdict:
    """Return what limits a size. `is_share` says whether the metric is a share of images rather than a loss."""
    if not found.error > 0:
        return Verdict("", "no errors are left")
    if np.isnan(found.gap.mean):
        return Verdict("", "no training scores are recorded")
    if np.isnan(found.gap.p):
        return Verdict("", "the runs show no spread")
    improves, sign = _improves(found, training)
    if improves is None and training.softened and not is_share:
        return Verdict("", "smoothed or mixed labels keep the training loss above 0")
    if improves is None:
        improves = found.train_error >= PART * found.error
        sign = UNFITTED if improves else FITTED
    open_gap = found.gap.mean >= PART * found.error and found.gap.p < ALPHA
    signs = f"{sign}; {'open' if open_gap else 'closed'} gap"
    if improves:
        return Verdict(BOTH if open_gap else BUDGET, signs)
    if open_gap:
        return Verdict(DATA, signs)
    return Verdict(DATA, f"{signs}; better than the size before") if found.fall.p < ALPHA else Verdict(NOISE, signs)


def _improves(found: Evidence, training: Training) -> tuple[bool | None, str]:
    """Return whether more updates would save a part of the error that counts, None if unknown, and what shows it.

    A check with a multiple of the budget shows it, or early stopping, or the slope at the end of the training. With a
    learning rate that decays with the budget the slope shows nothing: the error falls because the rate does.
    """
    if found.check.low > 0 and found.check.mean >= SAVING:
        return True, HELPED
    if training.stops_early:
        return (True, AT_CEILING) if found.at_ceiling > 0.5 else (False, CONVERGED)
    if not training.decays and found.gain.p < ALPHA and found.gain.mean >= SAVING * found.error:
        return True, IMPROVING
    if found.check.mean < SAVING:
        return False, NOT_HELPED
    # A slope that is too uncertain, as from small samples of test images, does not show that training has ended.
    if not training.decays and found.gain.mean < SAVING * found.error and found.gain.high < PART * found.error:
        return False, LEVEL
    return None, ""
