"""What a study's design shows on paper: schedules, options, regressions, removed sizes, labels."""

from collections.abc import Iterator
from itertools import product

import numpy as np
import pandas as pd
from scipy import stats

from trainsize.audit_findings import CLEAR, FINDING, QUESTION, Finding, untested
from trainsize.audit_input import Facts, Sheet, card_of, options_of, regressions
from trainsize.audit_scores import ROW_DROPOUT, ROWS_TESTED, f1_finding, log_equal_by_chance, row_dropout_finding
from trainsize.catalogue import DATASETS
from trainsize.errors import counted, nearest

TRAINING, OPTIONS, RANGE, OUTLIER, LABELS = "unequal-training", "unused-option", "fit-range", "outlier", "labels"

UPDATES_TOLERANCE = 1.05  # ratio of the largest to the smallest that still counts as equal
COUNTS_TOLERANCE = 1.10  # the same for numbers of whole epochs, which are rounded

# Options that have no effect beside another one's value, as in PyTorch and its reference training scripts.
_STEPS = ("lr_step", "lr_gamma")
COSINE = ("cosine", "cosineannealinglr", "cosineannealing", "cosine_annealing")
UNUSED = (
    ("scheduler", COSINE, _STEPS),
    ("scheduler", ("constant", "none", "fixed"), _STEPS),
    ("scheduler", ("exponential", "exponentiallr"), ("lr_step",)),
    ("optimizer", ("adam", "adamw", "adamax", "adagrad", "adadelta"), ("momentum", "nesterov")),
    ("warmup_epochs", ("0", "0.0"), ("lr_warmup_method", "lr_warmup_decay", "warmup_method", "warmup_decay")),
    ("ra_sampler", (None,), ("ra_reps",)),
)
_OFF = ("0", "0.0", "false", "no", "none")  # values of an option that count as not giving it


def check_training(sheet: Sheet, facts: Facts) -> Iterator[Finding]:
    """Compare what each size gets: updates, decays of the learning rate, share of warm-up."""
    tested = "whether all sizes get the same updates, decays of the learning rate and share of warm-up"
    size = "n" if sheet.has("n") else "percent"
    if not sheet.has(size) or not (sheet.has("updates") or sheet.has("epochs")):
        yield untested(TRAINING, tested, "no column n or percent beside epochs or updates")
        return
    for model, rows in sheet.rows.dropna(subset=[size]).groupby(sheet.texts("model")):
        table = rows.groupby(size).median(numeric_only=True)  # runs of a size that stopped early differ
        if "scheduler" in rows:
            table["scheduler"] = rows.groupby(size)["scheduler"].first()
        if len(table) < 2:
            continue
        found = [*_updates(table, facts, size), *_decays(table), *_warmup(table)]
        unequal = [text for _, text in found if text]
        if unequal:
            yield Finding(TRAINING, str(model), FINDING, tested, "; ".join(unequal), _meaning(found))
        elif found:
            equal = f"{', '.join(what for what, _ in found)} the same over {len(table)} sizes"
            yield Finding(TRAINING, str(model), CLEAR, tested, equal, "sizes are trained alike")


def _meaning(found: list[tuple[str, str]]) -> str:
    names = [what for what, text in found if text]
    return f"sizes differ in {' and '.join(names)} as well: a difference between them is not that of the data alone"


def _updates(table: pd.DataFrame, facts: Facts, size: str) -> Iterator[tuple[str, str]]:
    """Yield what was compared, and the difference in words where it is too large."""
    batch = table["batch_size"] if "batch_size" in table else pd.Series(facts.batch_size or np.nan, index=table.index)
    n = table.index.to_series().astype(float)
    if "updates" in table and table["updates"].notna().any():
        what, amount = "updates", table["updates"]
    elif "epochs" not in table:
        return
    elif size == "n" and batch.notna().all():
        what, amount = "updates", table["epochs"] * np.ceil(n / batch)
    else:
        what, amount = "images seen", table["epochs"] * n
    yield what, _difference(what, amount.dropna(), UPDATES_TOLERANCE, relative=what != "updates")


def _decays(table: pd.DataFrame) -> Iterator[tuple[str, str]]:
    if not {"lr_step", "epochs"} <= set(table):
        return
    steps = table[table["lr_step"].notna()]
    if "scheduler" in steps:
        steps = steps[~steps["scheduler"].fillna("").str.lower().isin(COSINE)]
    decays = np.floor(steps["epochs"] / steps["lr_step"])
    if len(decays) < 2:
        return
    text = _difference("decays", decays, COUNTS_TOLERANCE)
    gamma = steps["lr_gamma"].dropna() if "lr_gamma" in steps else []
    if text and len(gamma):
        text += f", so that the last learning rates differ by a factor {gamma.iloc[0] ** -np.ptp(decays):.2f}"
    yield "decays of the learning rate", text


def _warmup(table: pd.DataFrame) -> Iterator[tuple[str, str]]:
    if not {"warmup_epochs", "epochs"} <= set(table):
        return
    share = (100 * table["warmup_epochs"] / table["epochs"]).dropna()
    if len(share) > 1:
        yield "warm-up", _difference("% of training in warm-up", share.round(2), COUNTS_TOLERANCE)


def _at(amount: pd.Series, size: float) -> str:
    return f"{size:g} %" if amount.index.name == "percent" else f"n = {size:,.0f}"


def _difference(what: str, amount: pd.Series, tolerance: float, relative: bool = False) -> str:
    """Return in words by how much the largest amount exceeds the smallest, or nothing where they count as equal."""
    if len(amount) < 2 or amount.max() <= tolerance * amount.min():
        return ""
    low, high = amount.idxmin(), amount.idxmax()
    if relative:
        times = amount.max() / amount.min()
        return f"{what}: {times:.3g} times as many at {_at(amount, high)} as at {_at(amount, low)}"
    usual = amount.mode().iloc[0] if amount.duplicated().any() else None
    odd = [f"{amount[n]:,g} at {_at(amount, n)}" for n in amount.index if usual is not None and amount[n] != usual]
    if usual is not None and len(odd) <= len(amount) / 2:
        return f"{what}: {usual:,g} at {len(amount) - len(odd)} sizes, {', '.join(odd)}"
    return f"{what}: from {amount.min():,g} at {_at(amount, low)} to {amount.max():,g} at {_at(amount, high)}"


def check_options(sheet: Sheet, facts: Facts) -> Iterator[Finding]:
    """Look for options that have no effect beside the others."""
    tested = "whether an option is given that the schedule or the optimiser does not use"
    if not (sheet.has("scheduler") or sheet.has("optimizer") or sheet.has("command")):
        yield untested(OPTIONS, tested, "no column scheduler, optimizer or command")
        return
    for model, rows in sheet.rows.groupby(sheet.texts("model")):
        unused = sorted({text for _, row in rows.iterrows() for text in _unused(row)})
        if unused:
            meaning = "an option without effect: what is said to follow from it has another cause"
            yield Finding(OPTIONS, str(model), FINDING, tested, "; ".join(unused), meaning)
        else:
            yield Finding(OPTIONS, str(model), CLEAR, tested, f"{len(rows)} rows", "no option is without effect")


def _unused(row: pd.Series) -> Iterator[str]:
    given = {key: value if isinstance(value, str) else f"{value:g}" for key, value in row.dropna().items()}
    given |= options_of(given.get("command", ""))
    for option, values, idle in UNUSED:
        value = given.get(option)
        if (None if value is None else value.lower()) in values:
            beside = f"without {option}" if value is None else f"with {option} {value}"
            without_effect = [name for name in idle if given.get(name, "no").lower() not in _OFF]
            yield from (" ".join(filter(None, (name, given[name], beside))) for name in without_effect)


def check_range(sheet: Sheet, facts: Facts) -> Iterator[Finding]:
    """Find where straight lines on log10 n leave what a score can be, within the data set's own sizes."""
    tested = (
        "whether a regression on log10 n predicts accuracies outside 0 to 1 or losses below 0 within the data's range"
    )
    if not sheet.has("metric", "intercept", "slope"):
        yield untested(RANGE, tested, "no columns metric, intercept and slope of a regression")
        return
    for fit in regressions(sheet.rows).itertuples():
        largest = facts.n_train or max(fit.sizes, default=None)
        if largest is None:
            wanted = "neither the sizes of the regression (sizes) nor of the data (--n-train)"
            yield untested(RANGE, tested, wanted, _fit_name(fit))
        else:
            yield _range_finding(fit, tested, (min(fit.sizes), largest) if fit.sizes else (largest,))


def _range_finding(fit: tuple, tested: str, ends: tuple[int, ...]) -> Finding:
    """Judge a regression, a row of `regressions`, at the sizes between which it is followed."""
    low, high = 0.0, np.inf if fit.metric.endswith("loss") else 1.0
    predicted = [fit.intercept + fit.slope * np.log10(n) for n in ends]
    beyond = [(n, y) for n, y in zip(ends, predicted, strict=True) if not low <= y <= high]
    if not beyond:
        values = " and ".join(f"{y:.4g} at n = {n:,}" for n, y in zip(ends, predicted, strict=True))
        return Finding(RANGE, _fit_name(fit), CLEAR, tested, values, "the line stays within what the score can be")
    n, y = beyond[-1]
    limit = high if y > high else low
    reached = (limit - fit.intercept) / fit.slope if fit.slope else np.inf
    crossing = f"{limit:g} is reached at n = {10**reached:,.0f}; " if 0 <= reached <= np.log10(ends[-1]) else ""
    statistic = f"{crossing}predicted at n = {n:,}: {y:.4g}"
    meaning = "the line cannot be the law that it is taken for: it leaves the possible within the data set itself"
    return Finding(RANGE, _fit_name(fit), FINDING, tested, statistic, meaning)


def _fit_name(fit: tuple) -> str:
    return ", ".join(filter(None, (fit.model, fit.metric, _counted(fit.sizes))))


def _counted(sizes: tuple[int, ...]) -> str:
    return counted(len(sizes), "size") if sizes else ""


def check_row_dropout_of_regressions(sheet: Sheet, facts: Facts) -> Iterator[Finding]:
    """Look for dropped rows in regressions of training scores, from their level at the middle of the sizes."""
    if not sheet.has("metric", "intercept", "slope"):
        return
    for (model, sizes), fits in regressions(sheet.rows).groupby(["model", "sizes"]):
        lines = fits.set_index("metric")[["level", "slope"]]
        if not {"train_accuracy", "train_loss"} <= set(lines.index) or not sizes:
            continue
        subject = ", ".join(filter(None, (model, _counted(sizes))))
        if facts.classes is None:
            yield untested(ROW_DROPOUT, ROWS_TESTED, "the number of classes is not given (--classes)", subject)
            continue
        level, change = lines["level"], abs(lines.loc["train_accuracy", "slope"]) * np.ptp(np.log10(sizes))
        test = level.get("test_accuracy")
        yield row_dropout_finding(subject, level["train_accuracy"], level["train_loss"], test, change, facts)


def check_f1_of_regressions(sheet: Sheet, facts: Facts) -> Iterator[Finding]:
    """Look for regressions of F1 that are those of accuracy: the same intercept and slope over the same sizes.

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
    """Return how many of intercept and slope differ, and the log of the probability that macro F1 gives equal ones."""
    unit = 2 * sheet.half.loc[[accuracy.Index, f1.Index], ["intercept", "slope"]].max().to_numpy(float)
    differing = np.abs([accuracy.intercept - f1.intercept, accuracy.slope - f1.slope]) >= 0.5 * unit
    return int(differing.sum()), float(log_equal_by_chance(np.array(min(1.0, accuracy.level)), unit).sum())


def check_outlier(sheet: Sheet, facts: Facts) -> Iterator[Finding]:
    """Judge sizes that the authors left out: from the values, or from the regressions with and without them."""
    tested = (
        "whether what was removed as an outlier is one (externally studentised residual, Bonferroni over the sizes)"
    )
    if "removed" in sheet.rows and sheet.rows["removed"].any():
        columns = sheet.scores("share", "loss") if sheet.has("n") else []
        for column in columns:
            yield from _removed_rows(sheet, column, tested)
        if not columns:
            yield untested(OUTLIER, tested, "no column n and no score beside the rows marked as removed")
        return
    pairs = list(_nested_fits(sheet)) if sheet.has("metric", "intercept", "slope", "sizes") else []
    for whole, part, dropped in pairs:
        yield _removed_size(whole, part, dropped, tested)
    if not pairs:
        yield untested(OUTLIER, tested, "no row is marked as removed, and no regressions with and without a size")


def _removed_rows(sheet: Sheet, column: str, tested: str) -> Iterator[Finding]:
    """Judge every removed size of every model by its residual from the line through the means that were kept."""
    kinds = sheet.texts("statistic", "run")
    data = sheet.rows[kinds.isin(("run", "mean", "median"))].dropna(subset=[column, "n"])
    for model, rows in data.groupby(sheet.texts("model").loc[data.index]):
        subject = ", ".join(filter(None, (str(model), column)))
        kept, removed = (rows[rows["removed"] == flag].groupby("n")[column].mean() for flag in (False, True))
        if removed.empty:
            continue
        if len(kept) < 3:
            yield untested(OUTLIER, tested, f"{counted(len(kept), 'size')} kept; at least 3 are needed", subject)
            continue
        x, is_kept = np.log10([*kept.index, *removed.index]), np.arange(len(kept) + len(removed)) < len(kept)
        fit = stats.linregress(x[is_kept], kept)
        variance = float(((kept - fit.intercept - fit.slope * x[is_kept]) ** 2).sum()) / (len(kept) - 2)
        for n, value in removed.items():
            found = (value, fit.intercept + fit.slope * np.log10(n))
            yield _judged_outlier(f"{subject}, n = {n:,.0f}", tested, found, variance, x, is_kept, np.log10(n))


def _judged_outlier(
    subject: str,
    tested: str,
    found: tuple[float, float],
    variance: float,
    x: np.ndarray,
    kept: np.ndarray,
    place: float,
) -> Finding:
    """Judge a removed mean at `place`: `found` is it and what the line through x[kept], of that variance, predicts."""
    if variance == 0:
        return untested(OUTLIER, tested, "the others lie on a line exactly", subject)
    away = (place - x[kept].mean()) ** 2 / ((x[kept] - x[kept].mean()) ** 2).sum()
    t = (found[0] - found[1]) / np.sqrt(variance * (1 + 1 / kept.sum() + away))
    degrees = int(kept.sum()) - 2
    p = float(2 * stats.t.sf(abs(t), degrees))
    corrected = min(1.0, p * len(x))
    leverage = 1 / len(x) + float((place - x.mean()) ** 2 / ((x - x.mean()) ** 2).sum())
    statistic = (
        f"{found[0]:.4g} against {found[1]:.4g} predicted by the others: externally studentised residual {t:.2f} on "
        f"{degrees} degrees of freedom, p {p:.2g}, Bonferroni over {len(x)} sizes {corrected:.2g}; leverage "
        f"{leverage:.3f} (mean {2 / len(x):.3f})"
    )
    if corrected < 0.05:
        return Finding(OUTLIER, subject, CLEAR, tested, statistic, "it does not follow the line of the others")
    meaning = "no outlier at 5 %: leaving it out is a choice, and raises the fit"
    if leverage > 4 / len(x):
        meaning += ". It is the size that says most about the shape of the curve"
    return Finding(OUTLIER, subject, FINDING, tested, statistic, meaning)


def _nested_fits(sheet: Sheet) -> Iterator[tuple[tuple, tuple, int]]:
    """Yield a regression and the same without one size, both rows of `regressions`, and that size."""
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
    subject = f"{_fit_name(whole)}, n = {dropped:,}"
    x, kept = np.log10(whole.sizes), np.array([n != dropped for n in whole.sizes])
    if len(set(whole.sizes)) < 4:
        return untested(OUTLIER, tested, "too few sizes", subject)
    with_all, without = (fit.intercept + fit.slope * x for fit in (whole, part))
    value = len(x) * with_all.mean() - kept.sum() * without[kept].mean()
    variance = _variance(part, x[kept])
    if variance is None:
        return untested(OUTLIER, tested, "neither log_likelihood nor slope_se of the regression without it", subject)
    found = (float(value), float(without[~kept][0]))
    return _judged_outlier(subject, tested, found, variance, x, kept, float(x[~kept][0]))


def _variance(fit: tuple, x: np.ndarray) -> float | None:
    """Return the residual variance of a printed regression through points at x, or None where nothing tells it."""
    count, log_likelihood, error = len(x), getattr(fit, "log_likelihood", np.nan), getattr(fit, "slope_se", np.nan)
    if log_likelihood == log_likelihood:
        return float(count * np.exp(-2 * log_likelihood / count - 1) / (2 * np.pi) / (count - 2))
    return float(error**2 * ((x - x.mean()) ** 2).sum()) if error == error else None


def check_labels(sheet: Sheet, facts: Facts) -> Iterator[Finding]:
    """Compare classes and row counts found with those of the data set."""
    tested = "whether classes and row counts are those of the data set"
    if not (sheet.has("classes") or sheet.has("rows")):
        yield untested(LABELS, tested, "no column classes or rows")
        return
    labels = sheet.rows.reindex(columns=["dataset", "classes", "rows"]).drop_duplicates()
    for row in labels.dropna(subset=["classes", "rows"], how="all").itertuples():
        yield from _labels_of(row, facts, tested)


def _labels_of(row: tuple, facts: Facts, tested: str) -> Iterator[Finding]:
    """Judge a row's classes and row count; a data set that it names itself counts before the facts."""
    own = card_of(row.dataset) if isinstance(row.dataset, str) else None
    dataset = row.dataset if isinstance(row.dataset, str) else facts.dataset
    expected = len(own.classes) if own else facts.classes
    subject = dataset or f"row {row.Index + 1}"
    if row.classes == row.classes:
        yield _classes_finding(subject, tested, int(row.classes), expected)
    if row.rows == row.rows:
        yield _rows_finding(subject, tested, int(row.rows), dataset)


def _classes_finding(subject: str, tested: str, classes: int, expected: int | None) -> Finding:
    if classes == 1 or (expected and classes != expected):
        statistic = f"{classes} classes found, {expected or 'more than one'} expected"
        meaning = "these are not the labels of that data set: look for labels that were scaled, cut or read wrongly"
        return Finding(LABELS, subject, FINDING, tested, statistic, meaning)
    if expected:
        return Finding(LABELS, subject, CLEAR, tested, f"{classes} classes", "as expected")
    return untested(LABELS, tested, "the number of classes to expect is not given (--classes, --dataset)", subject)


def _rows_finding(subject: str, tested: str, rows: int, dataset: str | None) -> Finding:
    cards = [card_of(dataset)] if dataset else [*DATASETS.values()]
    if None in cards:
        wanted = f"data set '{dataset}' is not known{nearest(dataset.lower(), DATASETS)}"
        return untested(LABELS, tested, wanted, subject)
    counts = [(card, count) for card in cards for count in (card.n_train, card.n_test, card.n_train + card.n_test)]
    short = [f"{card.name} ({count:,})" for card, count in counts if rows == count - 1]
    statistic = f"{rows:,} rows"
    if short:
        status = FINDING if dataset else QUESTION
        statistic += f", one fewer than {' or '.join(short[:3])}"
        return Finding(LABELS, subject, status, tested, statistic, "the first row was read as a header and lost")
    return Finding(LABELS, subject, CLEAR, tested, statistic, "not one fewer than a known data set has")
