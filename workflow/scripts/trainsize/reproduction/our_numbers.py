"""Our own numbers for the artefacts of the published studies, out of a study's tables.

Each function takes a study and its folder of results and yields (artefact, quantity, value, more), as
`published.numbers` names them and in the printed unit; `more` has the interval (low, high), standard_error and seed_sd
where there are any. A size that was not published has no number there and is left out.
"""

from collections.abc import Callable, Iterator
from pathlib import Path

import pandas as pd

from trainsize.common.tables import read_table
from trainsize.regressions import lines
from trainsize.runs.budget import total_updates, updates_per_pass
from trainsize.statistics.intervals import independent_values, mean_interval
from trainsize.study.study import Study

Number = tuple[str, str, float, dict]
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


def numbers(study: Study, results: Path) -> list[Number]:
    """Return our numbers for the artefacts of the published study that `study` is a form of."""
    take = NUMBERS.get(study.name.split("+")[0])
    return list(take(study, results)) if take else []


def finished_runs(results: Path) -> pd.DataFrame:
    runs = read_table(results / "metrics" / "runs.parquet")
    return runs[runs["status"] == "finished"]


def over_runs(values: pd.Series, scale: float = 1.0) -> tuple[float, dict]:
    """Return the mean of independent values, its interval and their standard deviation."""
    mean, low, high = mean_interval(scale * values.to_numpy())
    return mean, {"low": low, "high": high, "seed_sd": scale * values.std(ddof=1)}


def letters(study: Study, results: Path) -> Iterator[Number]:
    model, runs = study.models["cnn"], finished_runs(results)
    for n in study.sizes:
        updates = total_updates(study.budgets["cnn"], n, model["batch_size"])
        passes = updates / updates_per_pass(n, model["batch_size"])
        yield "GA-T1", f"{n} epochs", passes, {}
        yield "GA-T1", f"{n} base epochs", passes / study.evaluation["points"], {}
        yield "GA-T1", f"{n} updates", updates, {}
    for split in ("train", "test"):
        for name, metric in METRICS.items():
            yield from _lines(f"{split}_{name}", lines.size_means(runs, f"{split}_{metric}"))


def _lines(name: str, means: pd.Series) -> Iterator[Number]:
    """Yield the coefficients of both published lines through the means, with and without the largest size."""
    for artefact, kept in (("GA-T6", means), ("GA-T7", means.iloc[:-1])):
        try:
            fit = lines.log_linear(kept)
        except ValueError:
            continue  # the table of regressions gives the reason
        for row, term in zip(lines.coefficients(fit), ("intercept", "slope"), strict=True):
            more = {key: row[key] for key in ("low", "high", "standard_error")}
            yield artefact, f"{name} {term}", row["estimate"], more
        if name == "test_accuracy":
            yield artefact, "condition_number", fit.condition_number, {}
    if name in ("test_accuracy", "test_loss", "train_accuracy", "train_loss"):
        yield "GA-T6", f"{name} mean", means.mean(), {}
        if 12_000 in means.index:
            yield "GA-T9", name, means.loc[12_000], {}


def loss_by_size(study: Study, results: Path) -> Iterator[Number]:
    """Whether the published losses are of training or test images is not said; those of training images are taken."""
    runs = finished_runs(results)
    for n, group in runs[runs["model"] == "mlp"].groupby("n"):
        value, more = over_runs(independent_values(group, "train_loss"))
        yield "MI-T1", str(n), value, more


def fashion(study: Study, results: Path) -> Iterator[Number]:
    runs = finished_runs(results)
    for artefact, models in FASHION.items():
        for quantity, model in models.items():
            group = runs[runs["model"] == model]
            if len(group):
                yield artefact, quantity, *over_runs(independent_values(group, "test_accuracy"), 100)
    units = read_table(results / "metrics" / "neurons.parquet")
    for quantity, column in (("mean", "mean"), ("standard deviation", "sd")):
        own = units.loc[units["model"] == "baseline", column]
        if len(own):
            yield "FM-T12", f"Your Model {quantity}", *over_runs(own)


def folds(study: Study, results: Path) -> Iterator[Number]:
    """The leaky folds are as published, the fresh ones correct: both are in one study."""
    runs = finished_runs(results)
    for model in study.models:
        for draw, group in runs[runs["model"] == model].groupby("draw"):
            value, more = over_runs(group["validation_accuracy"], 100)
            mode = "as_published" if model == "carried" else "corrected"
            yield "FM-T11", f"fold {draw + 1}", value, {**more, "mode": mode}


def volume(study: Study, results: Path) -> Iterator[Number]:
    """The schedules follow from the design. The decays of a cosine are none, so only MobileNetV2 has a step."""
    for model, recipe in study.models.items():
        name = {"mobilenet_v2": "MobileNetV2"}.get(recipe["architecture"]["name"], "ResNet50")
        schedule, budget, batch_size = recipe["schedule"], study.budgets[model], recipe["batch_size"]
        for n in study.model_sizes[model]:
            percent = 100 * n / study.dataset.n_train
            nearest = min(PERCENTS, key=lambda printed: abs(printed - percent))
            if abs(nearest - percent) > 0.01 * nearest:
                continue
            label = f"{name} {nearest:g} %"
            passes = total_updates(budget, n, batch_size) / updates_per_pass(n, batch_size)
            yield "CH-T6", f"{label} epochs", passes, {}
            if schedule["name"] == "step":
                yield "CH-T6", f"{label} learning-rate step", schedule["every_passes"] or passes / schedule["times"], {}
            if schedule["name"] == "cosine":
                warmup = schedule.get("warmup_passes")
                yield "CH-T6", f"{label} warm-up", schedule["warmup"] * passes if warmup is None else warmup, {}
    pairs = read_table(results / "overlap" / "overlap.parquet")
    least = pairs[(pairs["n_a"] == min(study.sizes)) & (pairs["n_b"] == min(study.sizes))]
    for a, b, share in least[["draw_a", "draw_b", "share_a"]].itertuples(index=False):
        yield "CH-T1", f"{a + 1} and {b + 1}", 100 * share, {}


def slides(study: Study, results: Path) -> Iterator[Number]:
    runs = finished_runs(results)
    group = runs[runs["model"] == "stage-3"]
    if len(group):
        yield "CF-T2", "test accuracy", *over_runs(independent_values(group, "test_accuracy"), 100)


NUMBERS: dict[str, Callable[[Study, Path], Iterator[Number]]] = {
    "ga-letters": letters,
    "imagenet-volume": volume,
    "emnist-loss": loss_by_size,
    "fashion-hyperparameters": fashion,
    "fashion-folds": folds,
    "cifar10-cnn": slides,
}
