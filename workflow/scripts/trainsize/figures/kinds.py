"""The kinds of figures: what each shows, and what a study needs for it.

Imports nothing heavy, because every cluster job reads the study file, which names kinds.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import product

# The features of a study that a kind may need, described for messages.
FEATURES = {
    "sizes": "at least two sizes",
    "three sizes": "at least three sizes",
    "one size": "one size",
    "checkpoints": "at least two checkpoints (evaluation)",
    "repeats": "at least two runs per size (seeds, draws)",
    "draws": "at least two draws",
    "subsets": "at least two subsets",
    "folds": "folds (subset.method: kfold)",
    "pixels": "images prepared as pixels (dataset.format.size)",
    "augmentation": "a model that augments its images",
    "neurons": "a model with correlations of its units (neurons)",
    "few models": "at most six models",
}


@dataclass(frozen=True)
class Kind:
    """A kind of figure: its caption, which may contain {metric}, and what there is one figure of `each`.

    It needs the features `needs` (of FEATURES). It is drawn by default for studies that also have the features `usual`,
    or only on request if `usual` is None. A `regressed` kind is drawn only for metrics that are regressed. One that
    shows scores `during` training says if they are those of samples.
    """

    caption: str
    each: tuple[str, ...] = ()
    needs: tuple[str, ...] = ()
    usual: tuple[str, ...] | None = None
    regressed: bool = False
    during: bool = False


FIGURES = {
    "curve": Kind(
        "Test {metric} by size: a dot per run, and the fitted curve with its interval, dashed where it extrapolates. A "
        "bar at the height of a target shows the interval of the images needed to reach it.",
        each=("metric",),
        needs=("sizes",),
        usual=(),
    ),
    "boxes": Kind(
        "Distribution of {metric} by size, on the test set and on the run's own training images: quartiles "
        "(interpolated as in plotly), and whiskers to the last run within 1.5 times the interquartile range.",
        each=("metric",),
        needs=("sizes",),
        usual=(),
    ),
    "history": Kind(
        "Test {metric} during training: the mean of the runs of each size, while all of them train.",
        each=("metric",),
        needs=("checkpoints",),
        usual=("sizes",),
        during=True,
    ),
    "sweep": Kind(
        "Comparison of models: mean test {metric} of the runs during training, and final scores with a dot per run and "
        "the mean with its 95 % interval.",
        each=("metric", "sweep"),
        usual=("one size",),
        during=True,
    ),
    "folds": Kind(
        "Validation {metric} on each fold: runs as dots, and a line through their means.",
        each=("metric",),
        needs=("folds", "draws"),
        usual=(),
    ),
    "surface": Kind(
        "Training and test {metric} by size and update, the mean of the runs. surface.html is interactive.",
        each=("metric",),
        needs=("sizes", "checkpoints"),
        during=True,
    ),
    "training": Kind(
        "Training and held-out {metric} during training, one panel per size: runs as thin lines, and their mean. "
        "Selected checkpoints, early stops and restarts are marked.",
        each=("metric", "model"),
        needs=("checkpoints",),
        during=True,
    ),
    "best-last": Kind(
        "Test {metric} at the best and at the last checkpoint: runs as dots, and a line through their means with the "
        "95 % interval. The best checkpoint looks too good, because it is chosen on the test set.",
        each=("metric",),
        needs=("checkpoints",),
        during=True,
    ),
    "limits": Kind(
        "What limits each size: the training and test {metric} at the end of the training, and the test error that "
        "doubling the updates saves there, with its interval.",
        each=("metric",),
        needs=("checkpoints",),
        usual=("sizes", "repeats"),
        regressed=True,
        during=True,
    ),
    "families": Kind(
        "Families of curves for {metric}: mean error of predicting held-out sizes from the smaller ones, and Akaike "
        "weight from all sizes. The family that the hold-out prefers is filled.",
        each=("metric",),
        needs=("sizes",),
        regressed=True,
    ),
    "line": Kind(
        "The straight line in log10 n through the means of test {metric}, as in the published analysis. Dashed: "
        "without the sizes that the study leaves out.",
        each=("metric",),
        needs=("three sizes",),
        regressed=True,
    ),
    "residuals": Kind(
        "The straight line through the mean test {metric} of each size: residuals, and the leverage of each size.",
        each=("metric",),
        needs=("three sizes",),
        regressed=True,
    ),
    "variance": Kind(
        "Sources of the spread of test {metric} between runs, by size.",
        each=("metric",),
        needs=("repeats",),
        regressed=True,
    ),
    "gap": Kind(
        "Training minus test score by size: runs as dots, and the mean with its 95 % interval.",
        needs=("sizes",),
        usual=(),
    ),
    "spread": Kind(
        "Standard deviation of the test accuracy between runs of a size, with its 95 % interval, and the binomial "
        "one of that many test images.",
        needs=("repeats",),
        usual=("sizes",),
    ),
    "reliability": Kind(
        "Share of right predictions by their predicted probability, in 15 bins of equally many test images. On the "
        "diagonal, a network is perfectly calibrated.",
        usual=("few models",),
    ),
    "margins": Kind(
        "Mean margin (C1 - C2)/C1 of right and of wrong predictions during training, where C1 and C2 are the two "
        "largest probabilities: the mean of the runs of each size.",
        each=("model",),
        needs=("checkpoints",),
        during=True,
    ),
    "schedule": Kind("Learning rate over the updates, for the smallest and the largest size if they differ."),
    "confusion": Kind(
        "Share of each class's test images predicted as each class, at the largest size, all runs together.",
        usual=("few models",),
    ),
    "per-class": Kind("Precision, recall and F1 of each class at the largest size, all runs together."),
    "neurons": Kind(
        "Correlations between the units of a layer over test images: the mean of the runs of the largest size.",
        needs=("neurons",),
        usual=(),
    ),
    "overlap": Kind(
        "Share of each subset (row) that is also in each other subset (column).",
        needs=("subsets",),
        usual=(),
    ),
    "overlap-classes": Kind(
        "Each class's share in common, sorted, for up to three pairs of draws of one size, compared with chance.",
        needs=("draws",),
        usual=(),
    ),
    "classes": Kind("Images per class, sorted, in the training and the test set.", usual=()),
    "samples": Kind("The first training images of each class.", needs=("pixels",), usual=()),
    "augmentation": Kind(
        "Training images (left) and augmented versions of them.",
        needs=("pixels", "augmentation"),
    ),
}


def figures_of(chosen: set[str], metrics: list[str], regressed: list[str], subjects: dict[str, list]) -> Iterator[dict]:
    """Yield the name, the kind and the subject of each figure of the `chosen` kinds, first those of each metric.

    `subjects` are the models and the sweeps ("model", "sweep") that get one figure each.
    """
    kinds = [(name, FIGURES[name]) for name in FIGURES if name in chosen]
    for metric in metrics:
        for name, kind in kinds:
            if "metric" in kind.each and (metric in regressed or not kind.regressed):
                yield from _figures(name, kind, {**subjects, "metric": [metric]})
    for name, kind in kinds:
        if "metric" not in kind.each:
            yield from _figures(name, kind, subjects)


def _figures(name: str, kind: Kind, subjects: dict[str, list]) -> Iterator[dict]:
    for values in product(*(subjects[each] for each in kind.each)):
        yield {"name": "-".join([name, *values]), "kind": name, **dict(zip(kind.each, values, strict=True))}
