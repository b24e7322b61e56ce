"""Our own numbers for the artefacts of the published studies, from a study's tables.

Each function takes a study and its folder of results and yields the numbers that they give.
"""

from collections.abc import Callable, Iterator
from pathlib import Path

import pandas as pd

from trainsize.common.tables import read_table
from trainsize.regressions import lines
from trainsize.reproduction.verdicts import OurNumber
from trainsize.runs.budget import Batches
from trainsize.runs.status import only_finished
from trainsize.statistics.intervals import independent_values, mean_interval
from trainsize.study.study import Study

METRICS = {"accuracy": "accuracy", "f1": "f1_micro", "loss": "loss"}  # the letters study's F1 is micro F1
PERCENTS = (5, 12.5, 25, 50, 75, 100)  # the sizes of the ImageNet study, of all images
FASHION = {
    "FM-T6": {
        "ALL Convolutional Layers": "three-conv",
        "All Layers Fully Connected": "three-fc",
        "Two Fully Connected Layers, One Convolutional": "one-conv",
        "Two Convolutional Layers, One Fully Connected": "baseline",
    },
    "FM-T7": {"0.0001": "rate-0.0001", "0.001": "baseline", "0.01": "rate-0.01", "0.1": "rate-0.1"},
    "FM-T8": {"64": "batch-64", "128": "baseline", "256": "batch-256", "512": "batch-512"},
    "FM-T9": {
        "Xavier Uniform": "baseline",
        "Xavier Normal": "xavier-normal",
        "Kaiming Uniform": "kaiming-uniform",
        "Kaiming Normal": "kaiming-normal",
    },
    "FM-T10": {
        "ToTensor, Normalize": "baseline",
        "RandomHorizontalFlip, ToTensor, Normalize": "flip",
        "ColorJitter, ToTensor, Normalize": "jitter",
        "RandomRotation, ToTensor, Normalize": "rotation",
    },
}


def numbers(study: Study, results: Path) -> list[OurNumber]:
    """Return our numbers for the artefacts of the published study that `study` is a version of."""
    numbers_of = NUMBERS.get(study.name.split("+")[0])
    return list(numbers_of(study, results)) if numbers_of else []


def finished_runs(results: Path) -> pd.DataFrame:
    return only_finished(read_table(results / "metrics" / "runs.parquet"))


def mean_number(artefact: str, quantity: str, values: pd.Series, scale: float = 1.0, mode: str = "") -> OurNumber:
    """Return the mean of independent values, with its interval and their standard deviation."""
    mean_and_ends = mean_interval(scale * values.to_numpy())
    return OurNumber(artefact, quantity, *mean_and_ends, seed_sd=scale * values.std(ddof=1), mode=mode)


def letters(study: Study, results: Path) -> Iterator[OurNumber]:
    model, runs = study.models["cnn"], finished_runs(results)
    for n in study.sizes:
        batches = Batches.of(model, n)
        updates = batches.updates(study.budgets["cnn"])
        passes = updates / batches.per_pass
        yield OurNumber("GA-T1", f"{n} epochs", passes)
        yield OurNumber("GA-T1", f"{n} base epochs", passes / study.evaluation["points"])
        yield OurNumber("GA-T1", f"{n} updates", updates)
    for split in ("train", "test"):
        for name, metric in METRICS.items():
            yield from _lines(f"{split}_{name}", lines.size_means(runs, f"{split}_{metric}"))


def _lines(name: str, means: pd.Series) -> Iterator[OurNumber]:
    """Yield the coefficients of both published lines through the means: with and without the largest size."""
    both = lines.lines_through_means(means, leave_out=means.index[-1:])
    for artefact, line in zip(("GA-T6", "GA-T7"), both, strict=False):
        if line.fit is None:
            continue  # the table of fits states the reason
        for row, term in zip(lines.coefficients(line.fit), ("intercept", "slope"), strict=True):
            errors = {"low": row.low, "high": row.high, "standard_error": row.standard_error}
            yield OurNumber(artefact, f"{name} {term}", row.estimate, **errors)
        if name == "test_accuracy":
            yield OurNumber(artefact, "condition_number", line.fit.condition_number)
    if name in ("test_accuracy", "test_loss", "train_accuracy", "train_loss"):
        yield OurNumber("GA-T6", f"{name} mean", means.mean())
        if 12_000 in means.index:
            yield OurNumber("GA-T9", name, means.loc[12_000])


def loss_by_size(study: Study, results: Path) -> Iterator[OurNumber]:
    """The study does not say whether its losses are of training or test images; we use those of training images."""
    runs = finished_runs(results)
    for n, group in runs[runs["model"] == "mlp"].groupby("n"):
        yield mean_number("MI-T1", str(n), independent_values(group, "train_loss"))


def fashion(study: Study, results: Path) -> Iterator[OurNumber]:
    runs = finished_runs(results)
    for artefact, models in FASHION.items():
        for quantity, model in models.items():
            group = runs[runs["model"] == model]
            if len(group):
                yield mean_number(artefact, quantity, independent_values(group, "test_accuracy"), 100)
    units = read_table(results / "metrics" / "neurons.parquet")
    for quantity, column in (("mean", "mean"), ("standard deviation", "sd")):
        own = units.loc[units["model"] == "baseline", column]
        if len(own):
            yield mean_number("FM-T12", f"Your Model {quantity}", own)


def folds(study: Study, results: Path) -> Iterator[OurNumber]:
    """One study holds both modes: the leaky folds are as published, the fresh ones correct."""
    runs = finished_runs(results)
    for model in study.models:
        for draw, group in runs[runs["model"] == model].groupby("draw"):
            mode = "as_published" if model == "carried" else "corrected"
            yield mean_number("FM-T11", f"fold {draw + 1}", group["validation_accuracy"], 100, mode)


def volume(study: Study, results: Path) -> Iterator[OurNumber]:
    """The schedules follow from the design. A cosine schedule has no steps, so only MobileNetV2 has a step."""
    for model, recipe in study.models.items():
        name = {"mobilenet_v2": "MobileNetV2"}.get(recipe["architecture"]["name"], "ResNet50")
        schedule = recipe["schedule"]
        for n in study.model_sizes[model]:
            percent = 100 * n / study.dataset.n_train
            nearest = min(PERCENTS, key=lambda printed: abs(printed - percent))
            if abs(nearest - percent) > 0.01 * nearest:
                continue
            label = f"{name} {nearest:g} %"
            batches = Batches.of(recipe, n)
            passes = batches.updates(study.budgets[model]) / batches.per_pass
            yield OurNumber("CH-T6", f"{label} epochs", passes)
            if schedule["name"] == "step":
                step = schedule["every_passes"] or passes / schedule["times"]
                yield OurNumber("CH-T6", f"{label} learning-rate step", step)
            if schedule["name"] == "cosine":
                warmup = schedule.get("warmup_passes")
                passes_of_warmup = schedule["warmup"] * passes if warmup is None else warmup
                yield OurNumber("CH-T6", f"{label} warm-up", passes_of_warmup)
    pairs = read_table(results / "overlap" / "overlap.parquet")
    smallest = pairs[(pairs["n_a"] == min(study.sizes)) & (pairs["n_b"] == min(study.sizes))]
    for a, b, share in smallest[["draw_a", "draw_b", "share_a"]].itertuples(index=False):
        yield OurNumber("CH-T1", f"{a + 1} and {b + 1}", 100 * share)


def slides(study: Study, results: Path) -> Iterator[OurNumber]:
    runs = finished_runs(results)
    group = runs[runs["model"] == "stage-3"]
    if len(group):
        yield mean_number("CF-T2", "test accuracy", independent_values(group, "test_accuracy"), 100)


NUMBERS: dict[str, Callable[[Study, Path], Iterator[OurNumber]]] = {
    "ga-letters": letters,
    "imagenet-volume": volume,
    "emnist-loss": loss_by_size,
    "fashion-hyperparameters": fashion,
    "fashion-folds": folds,
    "cifar10-cnn": slides,
}
