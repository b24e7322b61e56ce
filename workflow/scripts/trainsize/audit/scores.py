"""Checks of scores: F1 that is accuracy, losses at the floor, dropped rows, leaking folds, the best of many."""

from collections.abc import Iterator
from itertools import permutations

import numpy as np
import pandas as pd
from scipy import integrate, stats

from trainsize.audit.facts import Facts
from trainsize.audit.findings import CLEAR, FINDING, QUESTION, Finding, untested
from trainsize.audit.sheet import Sheet
from trainsize.common.errors import plural

F1, FLOOR, ROW_DROPOUT, FOLDS, BEST = "f1-is-accuracy", "loss-floor", "row-dropout", "fold-order", "best-of-many"
F1_TESTED = "whether F1 equals accuracy, as micro-averaged F1 does"
ROWS_TESTED = (
    "whether training loss is q ln K and training accuracy 1 - q + q/K, as if whole rows were dropped at rate q"
)
FLOOR_UNIT = 2.0**-23  # spacing of float32 just above 1, and -log(1 - 2^-23) to 7 digits
NEAR_FLOOR = 10  # floor units
# Macro F1 and accuracy differ by at least this times (1 - accuracy)², as for classes of mildly unequal difficulty.
MILDEST_DIFFERENCE = 0.01
DROPOUT_WINDOW = 0.05  # how far a share of dropped rows may be from the rate
LEAST_GAP = 0.05  # by which test accuracy must exceed training accuracy to contradict an ordinary fit
VISIBLE_BIAS = 0.0005


def log_equal_by_chance(accuracy: np.ndarray, unit: np.ndarray) -> np.ndarray:
    """Return the log of an upper bound of the probability that macro F1 is printed as the same number as accuracy."""
    difference = MILDEST_DIFFERENCE * (1 - accuracy) ** 2
    return np.log(np.minimum(1.0, unit / (2 * difference)))


def check_f1_is_accuracy(sheet: Sheet, facts: Facts) -> Iterator[Finding]:
    """Look for F1 that equals accuracy in every row: micro-averaged F1 is accuracy."""
    pairs = [(f"{split}_accuracy", f"{split}_f1") for split in ("test", "train", "validation")]
    pairs = [pair for pair in pairs if sheet.has(*pair)]
    if not pairs and not sheet.has("metric"):
        yield untested(F1, F1_TESTED, "no F1 beside an accuracy")
    for accuracy, f1 in pairs:
        rows = sheet.rows.dropna(subset=[accuracy, f1])
        unit = 2 * sheet.half.loc[rows.index, [accuracy, f1]].max(axis=1)
        differing = int((abs(rows[accuracy] - rows[f1]) >= 0.5 * unit).sum())
        informative = ((rows[accuracy] > 0) & (rows[accuracy] < 1)).to_numpy() & ~rows[accuracy].duplicated().to_numpy()
        log_p = float(log_equal_by_chance(rows[accuracy].to_numpy()[informative], unit.to_numpy()[informative]).sum())
        yield f1_finding(f"{f1} and {accuracy}", len(rows), differing, log_p, facts)


def f1_finding(subject: str, count: int, differing: int, log_p: float, facts: Facts) -> Finding:
    """Judge `count` pairs of numbers, of which some differ; `log_p` is the log probability that all are equal.

    That probability is unknown for two classes, where F1 and accuracy differ only in the second order of the difference
    between the recalls.
    """
    tested, p = F1_TESTED, float(np.exp(log_p))
    conclusive = p < 0.05  # if the numbers were equal; this does not depend on whether they are
    if differing:
        statistic, other = f"{differing} of {count} numbers differ", "F1 is not accuracy"
        if not conclusive:
            return Finding(F1, subject, CLEAR, tested, statistic, other)
        return Finding(F1, subject, FINDING, tested, statistic, "", 1.0, otherwise=other)
    statistic = f"all {count} numbers are the same as printed"
    if not conclusive:
        return untested(F1, tested, f"{statistic}, but macro F1 could be the same at so few digits", subject)
    if facts.classes == 2:
        return untested(F1, tested, f"{statistic}, but for two classes macro F1 may print the same", subject)
    meaning, otherwise = "F1 is micro-averaged, which is accuracy", "it may be macro F1 that agrees by chance"
    if facts.classes is None:
        asked = f"{meaning}, unless there are two classes, for which macro F1 may print the same: give --classes"
        return Finding(F1, subject, QUESTION, tested, statistic, asked, p, otherwise=otherwise)
    meaning += ": it adds no evidence"
    return Finding(F1, subject, FINDING, tested, statistic, meaning, p, otherwise=otherwise)


def check_loss_floor(sheet: Sheet, facts: Facts) -> Iterator[Finding]:
    """Look for cross-entropies that are rounding errors: below ten times 2^-23, single precision's spacing at 1."""
    tested = "whether losses are at the floor of single precision, 2^-23 = 1.19e-07"
    columns = sheet.scores("loss") + [column for column in ("first_loss", "last_loss") if sheet.has(column)]
    if not columns:
        yield untested(FLOOR, tested, "no loss")
    for column in columns:
        losses = sheet.rows[column].dropna()
        half = sheet.half.loc[losses.index, column]
        small = losses[losses + half < NEAR_FLOOR * FLOOR_UNIT]
        if small.empty and (losses <= half).any():
            yield untested(FLOOR, tested, "losses are printed as 0 with too few digits", column)
        elif small.empty:
            yield Finding(FLOOR, column, CLEAR, tested, f"smallest {losses.min():.3g}", "no loss is near the floor")
        else:
            units = ", ".join(f"{loss / FLOOR_UNIT:.3f}" for loss in small.sort_values(ascending=False)[:8])
            statistic = f"{len(small)} of {len(losses)} losses below {NEAR_FLOOR} floor units: {units}"
            meaning = (
                "every image is classified with certainty and the loss is a rounding error: differences between such "
                "losses say nothing about learning. Check whether all labels are the same"
            )
            yield Finding(FLOOR, column, FINDING, tested, statistic, meaning)


def check_row_dropout(sheet: Sheet, facts: Facts) -> Iterator[Finding]:
    """Look for training scores in which a fixed share of the rows is guessed and the rest is right."""
    if facts.classes is None:
        yield untested(ROW_DROPOUT, ROWS_TESTED, "the number of classes is unknown (--classes)")
    elif sheet.has("train_accuracy", "train_loss"):
        central = ~sheet.texts("statistic", "run").isin(("q1", "q3"))
        rows = sheet.rows[central].dropna(subset=["train_accuracy", "train_loss"])
        columns = ["n", "train_accuracy", "train_loss", "test_accuracy"]
        for model, of_model in rows.reindex(columns=columns).groupby(sheet.texts("model").loc[rows.index]):
            means = of_model.groupby("n", dropna=False).mean()
            accuracy, loss, test = (float(means[column].mean()) for column in columns[1:])
            change = float(np.ptp(means["train_accuracy"])) if len(means) > 2 else None
            yield row_dropout_finding(str(model), accuracy, loss, None if np.isnan(test) else test, change, facts)
    elif not sheet.has("metric"):
        yield untested(ROW_DROPOUT, ROWS_TESTED, "no training accuracy beside a training loss")


def row_dropout_finding(
    subject: str, accuracy: float, loss: float, test: float | None, change: float | None, facts: Facts
) -> Finding:
    """Judge mean training accuracy and loss, mean test accuracy, and the change of training accuracy over the sizes."""
    tested, k, rate = ROWS_TESTED, facts.classes, facts.dropout
    by_accuracy, by_loss = (1 - accuracy) / (1 - 1 / k), loss / np.log(k)
    statistic = (
        f"training accuracy {accuracy:.3f} (expected {1 - rate + rate / k:.3f}), training loss {loss:.3f} (expected "
        f"{rate * np.log(k):.3f}): shares dropped {by_accuracy:.3f} and {by_loss:.3f} for a rate of {rate:g}"
    )
    if max(abs(by_accuracy - rate), abs(by_loss - rate)) > DROPOUT_WINDOW or (change or 0) > 2 * DROPOUT_WINDOW:
        return Finding(ROW_DROPOUT, subject, CLEAR, tested, statistic, "training scores are not those of dropped rows")
    meaning = (
        f"a share {rate:g} of the training images is guessed by class frequency and the rest is right: dropout "
        "removes whole images, not units, and is on when training scores are measured"
    )
    if test is None or change is None:
        missing = "test accuracy" if test is None else "three sizes or more"
        return Finding(ROW_DROPOUT, subject, QUESTION, tested, statistic, f"perhaps {meaning} ({missing} would show)")
    if test - accuracy < LEAST_GAP:
        return Finding(ROW_DROPOUT, subject, CLEAR, tested, statistic, "test accuracy is no higher: an ordinary fit")
    statistic += f"; test accuracy {test:.3f}; training accuracy changes by {change:.3f} over the sizes"
    return Finding(ROW_DROPOUT, subject, FINDING, tested, statistic, meaning)


def check_fold_order(sheet: Sheet, facts: Facts) -> Iterator[Finding]:
    """Look for cross-validation scores that improve fold by fold: one model, trained on through the folds."""
    tested = "whether scores improve in the order of the folds"
    names = [name for name in sheet.scores("share", "loss") if not name.startswith("train_")]
    names += [name for name in ("first_loss", "last_loss") if sheet.has(name)]
    if not sheet.has("fold") or not names:
        yield untested(FOLDS, tested, "no column fold beside a score")
        return
    for name in names:
        scores = _fold_means(sheet, name)
        if len(scores) < 4:
            yield untested(FOLDS, tested, f"{plural(len(scores), 'fold')} with scores; at least 4 are needed", name)
            continue
        if scores.hasnans:
            yield untested(FOLDS, tested, "no model has a score in every fold", name)
            continue
        if np.ptp(scores) == 0:
            yield untested(FOLDS, tested, "the score is the same in every fold", name)
            continue
        better = -np.log(scores.clip(lower=1e-12)) if name.endswith("loss") else scores
        correlation = stats.pearsonr(scores.index.to_numpy(float), better, alternative="greater")
        statistic = (
            f"{len(scores)} folds, correlation with the order {correlation.statistic:+.3f}, t test p "
            f"{correlation.pvalue:.2g}{_exact(better)}"
        )
        meaning = (
            "later folds benefit from earlier ones: the model is not reset for each fold, so it has been trained on "
            "their validation images. Only the first fold is valid"
        )
        yield Finding(
            FOLDS,
            name,
            FINDING,
            tested,
            statistic,
            meaning,
            float(correlation.pvalue),
            otherwise="no trend over the folds",
        )


def _fold_means(sheet: Sheet, name: str) -> pd.Series:
    """Return the mean score of each fold over the models and sizes that have all folds; nan if none has.

    Models and sizes that share folds share their difficulty, so only the means of the folds are independent values.
    """
    rows = sheet.rows.dropna(subset=["fold", name])
    table = rows.groupby([*sheet.settings(rows), rows["fold"]])[name].mean().unstack()
    return table.dropna().mean()


def _exact(better: pd.Series) -> str:
    """Return the exact p-value of the trend among all orders of up to 8 folds, as text."""
    if len(better) > 8:
        return ""
    order, ranks = np.arange(len(better)), stats.rankdata(better)
    trends = np.array([np.dot(order, order_of) for order_of in permutations(ranks)])
    return f"; by all {len(trends)} orders p {(trends >= np.dot(order, ranks)).mean():.2g}"


def expected_maximum(count: int) -> float:
    """Return the expected largest of `count` independent standard normal numbers."""
    if count < 2:
        return 0.0
    return float(integrate.quad(lambda x: x * count * stats.norm.pdf(x) * stats.norm.cdf(x) ** (count - 1), -12, 12)[0])


def check_best_of_many(sheet: Sheet, facts: Facts) -> Iterator[Finding]:
    """Compute by how much reporting the best of several evaluations on the test set raises the score."""
    tested = "by how much choosing the best of several evaluations on the test set raises the reported score"
    best = sheet.rows[sheet.texts("selection") == "best"]
    if "selection" not in sheet.rows or not sheet.rows["selection"].notna().any():
        yield untested(BEST, tested, "unknown whether the best or the last evaluation is reported (column selection)")
    elif best.empty:
        words = ", ".join(sheet.rows["selection"].dropna().unique())
        yield Finding(BEST, "selection", CLEAR, tested, words, "the reported evaluation was not chosen on the test set")
    elif facts.n_test is None:
        yield untested(BEST, tested, "the number of test images is unknown (--n-test)")
    elif not (sheet.has("evaluations") or sheet.has("epochs")):
        yield untested(BEST, tested, "no column evaluations (or epochs)")
    else:
        counts = (best["evaluations"] if sheet.has("evaluations") else best["epochs"]).dropna()
        if counts.empty:
            yield untested(BEST, tested, "no number of evaluations (or epochs) in the rows with selection best")
            return
        accuracy = best["test_accuracy"].fillna(0.5) if sheet.has("test_accuracy") else pd.Series(0.5, index=best.index)
        bias = np.sqrt(accuracy * (1 - accuracy) / facts.n_test)[counts.index] * counts.astype(int).map(
            expected_maximum
        )
        models = sheet.texts("model").loc[counts.index]
        for model, rows in models.groupby(models).groups.items():
            yield _best_finding(str(model), tested, counts[rows], bias[rows], facts.n_test)


def _best_finding(model: str, tested: str, counts: pd.Series, bias: pd.Series, n_test: int) -> Finding:
    few, many = counts.min(), counts.max()
    between = f"{few:,.0f} to {many:,.0f}" if few < many else f"{many:,.0f}"
    span = f"{100 * bias.min():.2f} to {100 * bias.max():.2f}" if few < many else f"{100 * bias.max():.2f}"
    statistic = (
        f"best of {between} evaluations on {n_test:,} images: up to {span} points too high (expected maximum of that "
        "many independent errors; errors of neighbouring epochs are similar and add less)"
    )
    if bias.max() <= VISIBLE_BIAS:
        return Finding(BEST, model, CLEAR, tested, statistic, "the choice raises the score by less than 0.05 points")
    unequal = "; rows with more evaluations gain more, so they cannot be compared" if few < many else ""
    meaning = f"the reported score was chosen on the data it is reported for, so it is too high{unequal}"
    return Finding(BEST, model, FINDING, tested, statistic, meaning)
