"""What the header of a column means, in the words that people use."""

import re
from dataclasses import dataclass

from trainsize.runs.metrics import METRICS
from trainsize.sheets.numbers import MISSING

# Other names, in lower case and with underscores, for the columns that say which run a row holds.
_KEYS = {
    "n": "size train_size trainsize train_sizes training_size dataset_size set_size train_set_size training_set_size "
    "sample_size images n_images num_images number_of_images train_images training_images n_training_images "
    "num_training_images number_of_training_images samples n_samples num_samples number_of_samples train_samples "
    "training_samples n_train_samples num_train_samples examples n_examples num_examples train_examples "
    "training_examples num_training_examples n_train num_train ntrain n_training",
    "fraction": "data_fraction train_fraction training_fraction fraction_of_data train_frac frac",
    "percent": "percent_of_data percentage percentage_of_data data_percent of_data of_training_data",
    "seed": "run trial repeat repetition replicate rep random_seed random_state rng_seed",
    "draw": "subset",
    "fold": "split cv_fold cv_split k_fold kfold",
    "model": "method algorithm architecture arch network classifier learner",
}
# Names of metrics beside their aliases.
_SCORES = {
    "accuracy": "top_1 acc_1 top1_accuracy top_1_accuracy top1_acc top_1_acc",
    "accuracy_top5": "top_5 acc_5 top5_accuracy top_5_accuracy top5_acc top_5_acc",
    "accuracy_balanced": "balanced_accuracy balanced_acc bal_acc",
    "error": "err error_rate misclassification_rate classification_error top1_error top_1_error",
    "f1_macro": "macro_f1 macro_f1_score f1_score_macro",
    "f1_micro": "micro_f1 micro_f1_score f1_score_micro",
    "loss": "cross_entropy_loss ce_loss",
}
_SPLITS = {"test": "test", "train": "train training", "validation": "validation valid val"}


def _by_synonym(names: dict[str, str]) -> dict[str, str]:
    return {synonym: name for name, synonyms in names.items() for synonym in (name, *synonyms.split())}


KEYS, SPLITS = _by_synonym(_KEYS), _by_synonym(_SPLITS)
SCORES = _by_synonym({name: " ".join(metric.aliases) for name, metric in METRICS.items()}) | _by_synonym(_SCORES)
SCORES |= {name: name for name in METRICS}
MEAN, SPREAD = "mean", "spread"
_STATISTICS = {
    MEAN: r"(?:mean|avg|average)",
    SPREAD: r"(?:std|sd|stdev|std_dev|se|sem|stderr|std_err|std_error|ci|ci95)",
}
_UNIT = re.compile(r"[(\[]\s*(%|pct|percent|per cent|nats)\s*[)\]]|(%)", re.IGNORECASE)


@dataclass(frozen=True)
class Heading:
    """The meaning of a header: a name such as n, seed or test_accuracy.

    `percent`: it states that unit. `statistic`: MEAN or SPREAD of several runs, or empty.
    """

    name: str
    percent: bool = False
    statistic: str = ""


def plain(header: str) -> str:
    """Return a header in lower case, with underscores for all other signs, and without a unit."""
    words = re.sub(r"(?<=[a-z])(?=[A-Z])", "_", _UNIT.sub(" ", header))
    return re.sub(r"[^a-z0-9@]+", "_", words.lower()).strip("_")


def in_per_cent(header: str) -> bool:
    """Whether a header states per cent as its unit."""
    unit = _UNIT.search(header)
    return bool(unit and "nats" not in unit.group().lower())


def with_sign(cell: str) -> str:
    """Return a cell in per cent with the sign."""
    return cell if cell.lower() in MISSING or cell.endswith("%") else f"{cell}%"


def heading_of(header: str) -> Heading | None:
    """Return the meaning of a header; None if it is not certain."""
    percent, words = in_per_cent(header), plain(header)
    if words in KEYS:
        return Heading(KEYS[words], percent)
    for statistic, pattern in {"": "", **_STATISTICS}.items():
        score = score_of(_without(pattern, words)) if pattern else score_of(words)
        if score and (not pattern or _without(pattern, words) != words):
            return Heading(score, percent, statistic)
    return None


def _without(pattern: str, words: str) -> str:
    return re.sub(f"^{pattern}_|_{pattern}$", "", words)


def score_of(words: str) -> str | None:
    """Return the name of the score that plain words mean, such as accuracy or test_accuracy; None if unknown."""
    if words in SCORES:
        return SCORES[words]
    first, _, after = words.partition("_")
    before, _, last = words.rpartition("_")
    for split, metric in ((first, after), (last, before)):
        if split in SPLITS and metric in SCORES:
            return f"{SPLITS[split]}_{SCORES[metric]}"
    return None
