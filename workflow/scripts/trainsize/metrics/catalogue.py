"""The metrics."""

from collections.abc import Mapping, Sequence

import numpy as np

# What a metric is: a share to be high, a share to be low, or a loss. All are fitted as errors, which are to be low.
SCORE, ERROR, LOSS = "score", "error", "loss"
KINDS = {
    **dict.fromkeys(("accuracy", "accuracy_balanced", "accuracy_top5", "f1_macro", "f1_micro", "f1"), SCORE),
    **dict.fromkeys(("error", "calibration_error"), ERROR),
    **dict.fromkeys(("loss", "cross_entropy", "brier"), LOSS),
}


def kind_of(metric: str) -> str | None:
    """Return what a metric is by its name, which may begin with a split; None for one that is not known."""
    for split in ("test_", "train_", "validation_"):
        metric = metric.removeprefix(split)
    return KINDS.get(metric)


def by_chance(metric: str, kind: str, class_counts: Sequence[int] | None) -> float:
    """Return what a metric is where every class is guessed with the same probability; nan where that is not known.

    `class_counts` (K,) are the images per class.
    """
    if class_counts is None or metric == "calibration_error":
        return float("nan")
    count = len(class_counts)
    if metric == "f1_macro":  # a class that is the share s of the images has precision s and recall 1 / K
        shares = np.array(class_counts) / sum(class_counts)
        return float(np.mean(2 * shares / (count * shares + 1)))
    if kind == LOSS and metric != "brier":
        return float(np.log(count))
    right = min(1.0, 5 / count) if metric == "accuracy_top5" else 1 / count
    return right if kind == SCORE else 1 - right


NAMES = {"accuracy": "accuracy", "f1_macro": "macro F1", "f1_micro": "micro F1", "loss": "cross-entropy"}
LABELS = {**NAMES, "loss": f"{NAMES['loss']} (nats)"}
FRACTIONS = ("accuracy", "f1_macro", "f1_micro")


def difference_unit(metric: str) -> str:
    """Return the unit of differences of a metric."""
    return "points" if metric in FRACTIONS else "nats"


MARGINS = {SCORE: 0.005, ERROR: 0.005, LOSS: 0.02}
CROSS_ENTROPIES = ("loss", "cross_entropy")
SHARE = "%"


def measured_in(metric: str, kinds: Mapping[str, str] = KINDS) -> str:
    """Return the unit of a metric: "%" of a share, "nats" of a cross-entropy, "" of another loss.

    `kinds` says what each metric is: a score, an error or a loss.
    """
    if kinds.get(metric) != LOSS:
        return SHARE
    return "nats" if metric in CROSS_ENTROPIES else ""


def value(unit: str, *numbers: float) -> str:
    """Return values of a metric that is measured in `unit`, joined by "to"."""
    if unit == SHARE:
        return " to ".join(f"{100 * number:.2f}" for number in numbers) + " %"
    return " to ".join(f"{number:.4g}" for number in numbers) + (f" {unit}" if unit else "")


def change(unit: str, *numbers: float) -> str:
    """Return differences of a metric that is measured in `unit`, joined by "to"."""
    if unit == SHARE:
        return " to ".join(f"{100 * number:.2f}" for number in numbers) + " points"
    return " to ".join(f"{number:.2g}" for number in numbers) + (f" {unit}" if unit else "")
