"""The check of sizes that were removed as outliers."""

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import product

import numpy as np
from scipy import stats

from trainsize.audit.facts import Facts
from trainsize.audit.findings import CLEAR, FINDING, Finding, untested
from trainsize.audit.lines import fit_name
from trainsize.audit.printed_lines import regressions
from trainsize.audit.sheet import Sheet
from trainsize.common.errors import plural

OUTLIER = "outlier"


@dataclass(frozen=True)
class Line:
    """A line through some sizes: log10 n of all sizes, which of them are on it, and its residual variance."""

    x: np.ndarray
    kept: np.ndarray
    variance: float


def check_outlier(sheet: Sheet, facts: Facts) -> Iterator[Finding]:
    """Judge sizes that the authors left out, by their values or by the regressions with and without them."""
    tested = "whether the removed sizes are outliers (externally studentised residual, Bonferroni over the sizes)"
    if "removed" in sheet.rows and sheet.rows["removed"].any():
        columns = sheet.scores("share", "loss") if sheet.has("n") else []
        for column in columns:
            yield from _removed_rows(sheet, column, tested)
        if not columns:
            yield untested(OUTLIER, tested, "no column n, or no score, in the rows marked as removed")
        return
    pairs = list(_nested_fits(sheet)) if sheet.has("metric", "intercept", "slope", "sizes") else []
    for whole, part, dropped in pairs:
        yield _removed_size(whole, part, dropped, tested)
    if not pairs:
        missing = "no row is marked as removed, and there are no regressions with and without a size"
        yield untested(OUTLIER, tested, missing)


def _removed_rows(sheet: Sheet, column: str, tested: str) -> Iterator[Finding]:
    """Judge every removed size of every model by its residual from the line through the kept means."""
    kinds = sheet.texts("statistic", "run")
    data = sheet.rows[kinds.isin(("run", "mean", "median"))].dropna(subset=[column, "n"])
    for model, rows in data.groupby(sheet.texts("model").loc[data.index]):
        subject = ", ".join(filter(None, (str(model), column)))
        kept, removed = (rows[rows["removed"] == flag].groupby("n")[column].mean() for flag in (False, True))
        if removed.empty:
            continue
        if len(kept) < 3:
            yield untested(OUTLIER, tested, f"{plural(len(kept), 'size')} kept; at least 3 are needed", subject)
            continue
        x, is_kept = np.log10([*kept.index, *removed.index]), np.arange(len(kept) + len(removed)) < len(kept)
        fit = stats.linregress(x[is_kept], kept)
        variance = float(((kept - fit.intercept - fit.slope * x[is_kept]) ** 2).sum()) / (len(kept) - 2)
        for n, value in removed.items():
            predicted = fit.intercept + fit.slope * np.log10(n)
            line = Line(x, is_kept, variance)
            yield _judged_outlier(f"{subject}, n = {n:,.0f}", tested, value, predicted, line, np.log10(n))


def _judged_outlier(subject: str, tested: str, value: float, predicted: float, line: Line, position: float) -> Finding:
    """Judge a removed mean `value` at log10 n = `position`, where the line through the kept sizes has `predicted`."""
    x, kept = line.x, line.kept
    if line.variance == 0:
        return untested(OUTLIER, tested, "the kept sizes lie exactly on a line", subject)
    distance = (position - x[kept].mean()) ** 2 / ((x[kept] - x[kept].mean()) ** 2).sum()
    t = (value - predicted) / np.sqrt(line.variance * (1 + 1 / kept.sum() + distance))
    degrees = int(kept.sum()) - 2
    p = float(2 * stats.t.sf(abs(t), degrees))
    corrected = min(1.0, p * len(x))
    leverage = 1 / len(x) + float((position - x.mean()) ** 2 / ((x - x.mean()) ** 2).sum())
    statistic = (
        f"{value:.4g} against {predicted:.4g} predicted by the others: externally studentised residual {t:.2f} on "
        f"{degrees} degrees of freedom, p {p:.2g}, Bonferroni over {len(x)} sizes {corrected:.2g}; leverage "
        f"{leverage:.3f} (mean {2 / len(x):.3f})"
    )
    if corrected < 0.05:
        return Finding(OUTLIER, subject, CLEAR, tested, statistic, "this size is off the line of the others")
    meaning = "no outlier at the 5 % level: leaving this size out is a choice that improves the fit"
    if leverage > 4 / len(x):
        meaning += ". It is the size with the most influence on the shape of the curve"
    return Finding(OUTLIER, subject, FINDING, tested, statistic, meaning)


def _nested_fits(sheet: Sheet) -> Iterator[tuple[tuple, tuple, int]]:
    """Yield two rows of `regressions`, one with and one without a certain size, and that size."""
    for whole, part in product(regressions(sheet.rows).itertuples(), repeat=2):
        dropped = set(whole.sizes) - set(part.sizes)
        same = (whole.model, whole.metric) == (part.model, part.metric)
        if same and len(dropped) == 1 and set(part.sizes) < set(whole.sizes):
            yield whole, part, dropped.pop()


def _removed_size(whole: tuple, part: tuple, dropped: int, tested: str) -> Finding:
    """Judge a size from two printed regressions.

    Lines go through the mean point, so the dropped mean is m ȳ − (m − 1) ȳ', and the residual variance of the smaller
    fit is RSS/(m − 3), RSS from the log-likelihood −m'/2 (ln(2π RSS/m') + 1) or the slope's standard error.
    """
    subject = f"{fit_name(whole)}, n = {dropped:,}"
    x, kept = np.log10(whole.sizes), np.array([n != dropped for n in whole.sizes])
    if len(set(whole.sizes)) < 4:
        return untested(OUTLIER, tested, "fewer than 4 sizes", subject)
    with_all, without = (fit.intercept + fit.slope * x for fit in (whole, part))
    value = len(x) * with_all.mean() - kept.sum() * without[kept].mean()
    variance = _variance(part, x[kept])
    if variance is None:
        return untested(OUTLIER, tested, "no log_likelihood or slope_se of the regression without this size", subject)
    line = Line(x, kept, variance)
    return _judged_outlier(subject, tested, float(value), float(without[~kept][0]), line, float(x[~kept][0]))


def _variance(fit: tuple, x: np.ndarray) -> float | None:
    """Return the residual variance of a printed regression through points at x; None if it cannot be derived."""
    count, log_likelihood, error = len(x), getattr(fit, "log_likelihood", np.nan), getattr(fit, "slope_se", np.nan)
    if log_likelihood == log_likelihood:
        return float(count * np.exp(-2 * log_likelihood / count - 1) / (2 * np.pi) / (count - 2))
    return float(error**2 * ((x - x.mean()) ** 2).sum()) if error == error else None
