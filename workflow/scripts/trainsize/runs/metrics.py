"""The metrics: their meaning, their format and which differences matter.

A new metric is one more entry here and, unless it follows from others by a formula, a value computed in
training/evaluation.py. Schemas, tables, regressions, figures, sentences and the auditor use the entry.
Imports nothing heavy: the Snakefile imports it.
"""

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

# Kinds: a share that should be high, a share that should be low, or a loss. All are fitted as errors, lower is better.
SCORE, ERROR, LOSS = "score", "error", "loss"
KINDS = (SCORE, ERROR, LOSS)
MARGINS = {SCORE: 0.005, ERROR: 0.005, LOSS: 0.02}  # differences too small to matter
SPLITS = ("test", "train", "validation")


@dataclass(frozen=True)
class Metric:
    """A metric by the name of its column.

    `words` name it in a sentence and `meaning` describes its column. `unit` is that of a loss; shares are between 0 and
    1 and are printed as per cent. `of_guessing` returns its value if every class is guessed with the same probability,
    from the images per class (K,); None if that is not known. A metric with a `formula` is computed from the others of
    its row, numbers or whole columns. `aliases` are its names in tables from elsewhere.
    """

    name: str
    words: str
    kind: str
    meaning: str = ""
    unit: str = ""
    of_guessing: Callable[[Sequence[int]], float] | None = None
    formula: Callable[[Mapping], float] | None = None
    aliases: tuple[str, ...] = ()

    @property
    def is_share(self) -> bool:
        return self.kind != LOSS

    @property
    def highest(self) -> float:
        """The largest possible value; the smallest is 0."""
        return 1.0 if self.is_share else math.inf

    @property
    def margin(self) -> float:
        """The largest difference that does not matter, unless a study sets another."""
        return MARGINS[self.kind]

    def chance(self, class_counts: Sequence[int] | None) -> float:
        """Return its value if every class is guessed with the same probability; nan if unknown."""
        known = self.of_guessing is not None and class_counts is not None
        return self.of_guessing(class_counts) if known else math.nan

    @property
    def label(self) -> str:
        """The label of an axis; for a share the ticks have the per-cent sign."""
        return f"{self.words} ({self.unit})" if self.unit else self.words

    @property
    def difference_unit(self) -> str:
        return "points" if self.is_share else self.unit

    def value(self, *numbers: float) -> str:
        """Return values as text, joined by "to"."""
        if self.is_share:
            return f"{_joined(numbers, 100, '.2f')} %"
        return f"{_joined(numbers, 1, '.4g')} {self.unit}".strip()

    def change(self, *numbers: float) -> str:
        """Return differences of values as text, joined by "to"."""
        text = _joined(numbers, 100, ".2f") if self.is_share else _joined(numbers, 1, ".2g")
        return f"{text} {self.difference_unit}".strip()


def _joined(numbers: Sequence[float], scale: float, form: str) -> str:
    return " to ".join(f"{scale * number:{form}}" for number in numbers)


def _one_class(class_counts: Sequence[int]) -> float:
    return 1 / len(class_counts)


def _macro_f1(class_counts: Sequence[int]) -> float:
    """A class that is the share s of the images has precision s and recall 1 / K, so F1 = 2 s / (K s + 1)."""
    shares = [count / sum(class_counts) for count in class_counts]
    return math.fsum(2 * s / (len(shares) * s + 1) for s in shares) / len(shares)


def _uniform_entropy(class_counts: Sequence[int]) -> float:
    return math.log(len(class_counts))


# In the order of the tables' columns.
RECORDED = (
    Metric(
        "loss",
        "cross-entropy",
        LOSS,
        "mean cross-entropy, from float64 logits",
        unit="nats",
        of_guessing=_uniform_entropy,
        aliases=("cross_entropy", "ce", "log_loss"),
    ),
    Metric(
        "accuracy",
        "accuracy",
        SCORE,
        "share of images whose most probable class is the label",
        of_guessing=_one_class,
        aliases=("acc", "top1", "acc1", "acc@1"),
    ),
    Metric(
        "f1_macro",
        "macro F1",
        SCORE,
        "F1 averaged over the classes that occur as label or prediction",
        of_guessing=_macro_f1,
    ),
    Metric(
        "f1_micro",
        "micro F1",
        SCORE,
        "F1 of all classes' counts together, which is the accuracy: published by mistake",
        of_guessing=_one_class,
    ),
    Metric(
        "accuracy_top5",
        "top-5 accuracy",
        SCORE,
        "share of images whose label is among the five most probable classes",
        of_guessing=lambda class_counts: min(1.0, 5 / len(class_counts)),
        aliases=("top5", "acc5", "acc@5"),
    ),
    Metric(
        "accuracy_balanced",
        "balanced accuracy",
        SCORE,
        "recall averaged over the classes that occur as label",
        of_guessing=_one_class,
    ),
    Metric(
        "brier",
        "Brier score",
        LOSS,
        "mean squared distance of the probabilities from the label, summed over classes",
        of_guessing=lambda class_counts: 1 - _one_class(class_counts),
    ),
    Metric("calibration_error", "calibration error", ERROR, "expected calibration error, 15 bins of equal mass"),
)
DERIVED = (
    Metric(
        "error",
        "error rate",
        ERROR,
        "share of images whose most probable class is not the label",
        of_guessing=lambda class_counts: 1 - _one_class(class_counts),
        formula=lambda scores: 1 - scores["accuracy"],
    ),
)
# Metrics that only occur in tables from elsewhere.
_FOREIGN = (
    Metric("f1", "F1 score", SCORE, of_guessing=_one_class, aliases=("f1_score", "f1_macro", "f1_micro")),
    Metric("cross_entropy", "cross-entropy", LOSS, unit="nats", of_guessing=_uniform_entropy),
)
OF_STUDIES = {metric.name: metric for metric in (*RECORDED, *DERIVED)}
METRICS = {**OF_STUDIES, **{metric.name: metric for metric in _FOREIGN}}


def metric_of(column: str) -> Metric | None:
    """Return the metric of a column, whose name may begin with a split; None for one that is not known."""
    for split in SPLITS:
        column = column.removeprefix(f"{split}_")
    return METRICS.get(column)


def derived(scores: Mapping) -> dict:
    """Return the metrics that follow from the recorded ones, which may be numbers or whole columns."""
    return {metric.name: metric.formula(scores) for metric in DERIVED}
