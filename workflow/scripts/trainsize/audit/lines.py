"""Checks of regression lines: impossible predictions, and lines of scores with a known mistake."""

from collections.abc import Iterator

import numpy as np

from trainsize.audit.facts import Facts
from trainsize.audit.findings import CLEAR, FINDING, Finding, untested
from trainsize.audit.printed_lines import regressions
from trainsize.audit.scores import ROW_DROPOUT, ROWS_TESTED, f1_finding, log_equal_by_chance, row_dropout_finding
from trainsize.audit.sheet import Sheet
from trainsize.common.errors import plural

RANGE = "fit-range"


def check_fit_range(sheet: Sheet, facts: Facts) -> Iterator[Finding]:
    """Find straight lines on log10 n that predict impossible scores at sizes that the data set has."""
    tested = (
        "whether a regression on log10 n predicts accuracies outside 0 to 1 or losses below 0 within the data's range"
    )
    if not sheet.has("metric", "intercept", "slope"):
        yield untested(RANGE, tested, "no columns metric, intercept and slope of a regression")
        return
    for fit in regressions(sheet.rows).itertuples():
        largest = facts.n_train or max(fit.sizes, default=None)
        if largest is None:
            unknown = "unknown are both the sizes of the regression (sizes) and the size of the data (--n-train)"
            yield untested(RANGE, tested, unknown, fit_name(fit))
        else:
            yield _range_finding(fit, tested, (min(fit.sizes), largest) if fit.sizes else (largest,))


def _range_finding(fit: tuple, tested: str, ends: tuple[int, ...]) -> Finding:
    """Judge a regression, a row of `regressions`, at the smallest and the largest size."""
    low, high = 0.0, np.inf if fit.metric.endswith("loss") else 1.0
    predicted = [fit.intercept + fit.slope * np.log10(n) for n in ends]
    beyond = [(n, y) for n, y in zip(ends, predicted, strict=True) if not low <= y <= high]
    if not beyond:
        values = " and ".join(f"{y:.4g} at n = {n:,}" for n, y in zip(ends, predicted, strict=True))
        return Finding(RANGE, fit_name(fit), CLEAR, tested, values, "all predictions are possible scores")
    n, y = beyond[-1]
    limit = high if y > high else low
    reached = (limit - fit.intercept) / fit.slope if fit.slope else np.inf
    crossing = f"{limit:g} is reached at n = {10**reached:,.0f}; " if 0 <= reached <= np.log10(ends[-1]) else ""
    statistic = f"{crossing}predicted at n = {n:,}: {y:.4g}"
    meaning = "a straight line cannot describe this score: it predicts an impossible value at sizes of the data set"
    return Finding(RANGE, fit_name(fit), FINDING, tested, statistic, meaning)


def fit_name(fit: tuple) -> str:
    return ", ".join(filter(None, (fit.model, fit.metric, _counted(fit.sizes))))


def _counted(sizes: tuple[int, ...]) -> str:
    return plural(len(sizes), "size") if sizes else ""


def check_row_dropout_of_regressions(sheet: Sheet, facts: Facts) -> Iterator[Finding]:
    """Look for dropped rows in regressions of training scores, by their level in the middle of the sizes."""
    if not sheet.has("metric", "intercept", "slope"):
        return
    for (model, sizes), fits in regressions(sheet.rows).groupby(["model", "sizes"]):
        lines = fits.set_index("metric")[["level", "slope"]]
        if not {"train_accuracy", "train_loss"} <= set(lines.index) or not sizes:
            continue
        subject = ", ".join(filter(None, (model, _counted(sizes))))
        if facts.classes is None:
            yield untested(ROW_DROPOUT, ROWS_TESTED, "the number of classes is unknown (--classes)", subject)
            continue
        level, change = lines["level"], abs(lines.loc["train_accuracy", "slope"]) * np.ptp(np.log10(sizes))
        test = level.get("test_accuracy")
        yield row_dropout_finding(subject, level["train_accuracy"], level["train_loss"], test, change, facts)


def check_f1_of_regressions(sheet: Sheet, facts: Facts) -> Iterator[Finding]:
    """Look for regressions of F1 that are regressions of accuracy: same intercept, slope and sizes.

    Fits of one metric to several sets of sizes are not independent: only the largest counts for the probability.
    """
    if not sheet.has("metric", "intercept", "slope"):
        return
    fits = {(fit.model, fit.metric, fit.sizes): fit for fit in regressions(sheet.rows).itertuples()}
    count, differing, log_p = 0, 0, {}
    for (model, metric, sizes), f1 in fits.items():
        accuracy = fits.get((model, metric.replace("_f1", "_accuracy"), sizes), f1)
        if accuracy is not f1:
            unequal, by_chance = _equal_lines(sheet, accuracy, f1)
            count, differing = count + 2, differing + unequal
            log_p[model, metric] = max(log_p.get((model, metric), (0, 0.0)), (len(sizes), by_chance))
    if count:
        log_chance = sum(p for _, p in log_p.values())
        yield f1_finding("intercepts and slopes of regressions", count, differing, log_chance, facts)


def _equal_lines(sheet: Sheet, accuracy: tuple, f1: tuple) -> tuple[int, float]:
    """Return how many of the two coefficients differ, and the log probability that macro F1 gives equal ones."""
    unit = 2 * sheet.half.loc[[accuracy.Index, f1.Index], ["intercept", "slope"]].max().to_numpy(float)
    differing = np.abs([accuracy.intercept - f1.intercept, accuracy.slope - f1.slope]) >= 0.5 * unit
    return int(differing.sum()), float(log_equal_by_chance(np.array(min(1.0, accuracy.level)), unit).sum())
