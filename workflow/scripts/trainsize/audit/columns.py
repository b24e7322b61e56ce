"""The columns that the auditor reads, and other names for them."""

import re
from collections.abc import Iterable
from dataclasses import dataclass

import pandas as pd

from trainsize.runs.metrics import METRICS, Metric


@dataclass(frozen=True)
class Field:
    """A column the auditor knows. Kinds: text, flag, count, number, positive, share (0 to 1, or per cent), loss."""

    name: str
    kind: str
    meaning: str
    aliases: tuple[str, ...] = ()


SPLITS = {"test": "on the test set", "train": "on the training images", "validation": "on validation images"}
SCORES = tuple(METRICS[name] for name in ("accuracy", "accuracy_top5", "f1", "loss"))


def _score_fields() -> Iterable[Field]:
    for split, where in SPLITS.items():
        for metric in SCORES:
            names = [f"{prefix}_{alias}" for prefix in _prefixes(split) for alias in (metric.name, *metric.aliases)]
            bare = (metric.name, *metric.aliases) if split == "test" else ()
            yield Field(f"{split}_{metric.name}", kind_of(metric), f"{metric.label} {where}", (*names[1:], *bare))


def kind_of(metric: Metric) -> str:
    """Return what a column of the metric holds."""
    return "share" if metric.is_share else "loss"


def _prefixes(split: str) -> tuple[str, ...]:
    return (split, "val", "valid") if split == "validation" else (split,)


# Columns that the options of a command line fill. Options with the name of another column can mean something else.
_OF_COMMANDS = (
    "model",
    "epochs",
    "batch_size",
    "scheduler",
    "lr_step",
    "lr_gamma",
    "warmup_epochs",
    "optimizer",
    "momentum",
)
FIELDS = (
    Field("model", "text", "what else distinguishes rows: network, recipe, configuration"),
    Field(
        "n", "count", "size: training images", ("size", "train_size", "dataset_size", "train_images", "training_size")
    ),
    Field("percent", "positive", "size in per cent of all training images", ("percent_of_data",)),
    Field("seed", "text", "repeat of the training", ("run",)),
    Field("draw", "text", "subset of that size"),
    Field("epoch", "number", "epoch of the measurement, if a run has several rows"),
    Field("fold", "number", "fold of a cross-validation, in the order of training"),
    Field(
        "statistic",
        "text",
        "what a row prints: `run` (one run's value, the default), `mean`, `median`, `q1`, `q3`, `whisker_low`, "
        "`whisker_high`, `outlier`",
    ),
    Field("runs", "count", "number of runs behind a mean, a median or a box"),
    Field("precision", "positive", "half-width of a value read off a figure, in the value's own unit"),
    Field("removed", "flag", "`yes` in rows that the authors left out as outliers", ("excluded", "outlier")),
    *_score_fields(),
    Field("first_loss", "loss", "training loss of the first epoch"),
    Field("last_loss", "loss", "training loss of the last epoch"),
    Field("epochs", "positive", "passes over the training subset"),
    Field("updates", "positive", "optimiser updates", ("steps", "iterations")),
    Field("batch_size", "count", "images per update", ("batch",)),
    Field("scheduler", "text", "learning-rate schedule", ("lr_scheduler", "lr_schedule")),
    Field(
        "lr_step", "positive", "epochs from one decay of the learning rate to the next", ("lr_step_size", "step_size")
    ),
    Field("lr_gamma", "positive", "factor of a decay", ("gamma",)),
    Field("warmup_epochs", "number", "epochs of warm-up", ("warmup", "lr_warmup_epochs", "warm_up")),
    Field("optimizer", "text", "name of the optimiser", ("optimiser", "opt")),
    Field("momentum", "number", "momentum of the optimiser"),
    Field(
        "command",
        "text",
        f"the command line as printed; its options fill the columns {', '.join(f'`{name}`' for name in _OF_COMMANDS)}",
    ),
    Field(
        "selection",
        "text",
        "reported evaluation: `best` on the test set, best on `validation` images, `last`",
    ),
    Field("evaluations", "count", "number of evaluations, or configurations, from which the best was chosen"),
    Field("metric", "text", "metric of a regression on log10 n, such as `test_accuracy`"),
    Field("intercept", "number", "the regression's value at n = 1", ("const",)),
    Field("slope", "number", "the regression's change per tenfold n", ("coef", "coefficient")),
    Field("slope_se", "positive", "standard error of the slope", ("slope_std_err",)),
    Field("log_likelihood", "number", "log-likelihood of the regression", ("log_lik", "llf")),
    Field("sizes", "text", "the sizes in the regression, separated by spaces or semicolons"),
    Field("dataset", "text", "data set of the rows"),
    Field("rows", "count", "number of rows or images read"),
    Field("classes", "count", "number of classes found: width of the label matrix, distinct labels", ("n_classes",)),
    Field("note", "text", "any text; not audited", ("notes", "comment")),
)
COLUMNS = {field.name: field for field in FIELDS}
KNOWN_NAMES = {alias: field.name for field in FIELDS for alias in (field.name, *field.aliases)}
STATISTICS = ("run", "mean", "median", "q1", "q3", "whisker_low", "whisker_high", "outlier")
SELECTIONS = ("best", "validation", "last")
SINGLE = ("run", "whisker_low", "whisker_high", "outlier")  # statistics that are the value of one run


def is_known(column: str) -> bool:
    """Whether the auditor knows the name of a column."""
    return plain_name(column) in KNOWN_NAMES


def plain_name(column: str) -> str:
    return re.sub(r"[\s\-]+", "_", column.strip().lower())


_OPTION = re.compile(r"--([A-Za-z][\w-]*)(?:[ =]+(?!--)(\S+))?")


def options_of(command: str) -> dict[str, str]:
    """Return the `--options` of a command line and their values, by the auditor's column name if there is one."""
    plain = {key.lower().replace("-", "_"): value for key, value in _OPTION.findall(command)}
    return {KNOWN_NAMES.get(key, key): value for key, value in plain.items()}


def with_options(texts: pd.DataFrame) -> pd.DataFrame:
    """Fill columns with the options of the printed command lines."""
    if "command" not in texts:
        return texts
    texts = texts.copy()
    for row, command in texts["command"].items():
        for column, value in options_of(command).items():
            if column in _OF_COMMANDS:
                if column not in texts:
                    texts[column] = ""
                texts.loc[row, column] = texts.loc[row, column] or value
    return texts
