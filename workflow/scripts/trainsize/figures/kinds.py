"""The kinds of figures: what each shows, and what a study must have for it.

Imports nothing heavy: study files choose among the kinds, and every cluster job reads the study again.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import product

# What a kind may need of a study, and what to say where that is missing.
FEATURES = {
    "sizes": "two sizes or more",
    "three sizes": "three sizes or more",
    "one size": "one size",
    "checkpoints": "two checkpoints or more (evaluation)",
    "repeats": "two runs of a size or more (seeds, draws)",
    "draws": "two draws or more",
    "subsets": "two subsets or more",
    "folds": "folds (subset.method: kfold)",
    "pixels": "images that are prepared as pixels (dataset.format.size)",
    "augmentation": "a model that augments its images",
    "neurons": "a model that keeps the correlations of its units (neurons)",
    "few models": "six models or fewer",
}


@dataclass(frozen=True)
class Kind:
    """One kind of figure: its caption, which may hold {metric}, and one figure `each` metric, model or sweep.

    It needs the features `needs` (of FEATURES) and is drawn unasked for studies that have those of `usual` too; None
    means only where a study asks for it. A `regressed` kind has none for metrics that are not regressed.
    """

    caption: str
    each: tuple[str, ...] = ()
    needs: tuple[str, ...] = ()
    usual: tuple[str, ...] | None = None
    regressed: bool = False


KINDS = {
    "curve": Kind(
        "Test {metric} by size: every run a dot, and the fitted curve with its interval, dashed where it foretells. "
        "A bar at a target's height spans the images needed for it.",
        each=("metric",),
        needs=("sizes",),
        usual=(),
    ),
    "boxes": Kind(
        "Distribution of {metric} by size, on the test set and on the run's own training images: quartiles as plotly's "
        "(linear, between the ranks), whiskers to the last run within 1.5 times their distance.",
        each=("metric",),
        needs=("sizes",),
        usual=(),
    ),
    "history": Kind(
        "Test {metric} during training, the mean of the runs of each size as long as all of them train.",
        each=("metric",),
        needs=("checkpoints",),
        usual=("sizes",),
    ),
    "sweep": Kind(
        "Models side by side: test {metric} during training, the mean of the runs, and as scored, every run a dot and "
        "the mean with its 95 % interval.",
        each=("metric", "sweep"),
        usual=("one size",),
    ),
    "folds": Kind(
        "Validation {metric} on each fold: runs as dots, their means joined.",
        each=("metric",),
        needs=("folds", "draws"),
        usual=(),
    ),
    "surface": Kind(
        "Training and test {metric} by size and update, the mean of the runs; the page surface.html has it to turn.",
        each=("metric",),
        needs=("sizes", "checkpoints"),
    ),
    "training": Kind(
        "During training, {metric} on the training images and those held out, a panel per size: runs as thin lines and "
        "their mean; checkpoints that were selected, early stops and restarts are marked.",
        each=("metric", "model"),
        needs=("checkpoints",),
    ),
    "best-last": Kind(
        "Test {metric} at the best and at the last checkpoint: runs as dots, their means joined, with the 95 % "
        "interval. The best of several checkpoints is the better for being chosen on the test set.",
        each=("metric",),
        needs=("checkpoints",),
    ),
    "families": Kind(
        "Families of curves for {metric}: mean error on held-out sizes, foretold from the smaller ones, and the weight "
        "of evidence from all sizes. The filled one is believed.",
        each=("metric",),
        needs=("sizes",),
        regressed=True,
    ),
    "line": Kind(
        "The straight line in log10 n through the means of test {metric}, as published; dashed without the sizes that "
        "the study leaves out.",
        each=("metric",),
        needs=("three sizes",),
        regressed=True,
    ),
    "residuals": Kind(
        "The straight line through the mean test {metric} of each size: residuals, and how much each size pulls at it.",
        each=("metric",),
        needs=("three sizes",),
        regressed=True,
    ),
    "variance": Kind(
        "Where the spread of test {metric} between runs comes from, by size.",
        each=("metric",),
        needs=("repeats",),
        regressed=True,
    ),
    "gap": Kind(
        "Training minus test score by size: runs as dots, the mean with its 95 % interval.",
        needs=("sizes",),
        usual=(),
    ),
    "spread": Kind(
        "Standard deviation of the test accuracy between runs of a size, with its 95 % interval, over what the choice "
        "of so many test images alone gives (binomial).",
        needs=("repeats",),
        usual=("sizes",),
    ),
    "reliability": Kind(
        "Share of right predictions against the probability given them, 15 bins of equally many test images; on the "
        "diagonal a network is as sure as it is right.",
        usual=("few models",),
    ),
    "margins": Kind(
        "Mean margin (C1 - C2)/C1 of right and of wrong predictions during training, C1 and C2 the two largest "
        "probabilities: the mean of the runs of each size.",
        each=("model",),
        needs=("checkpoints",),
    ),
    "schedule": Kind("Learning rate over the updates, for the largest and the smallest size where they differ."),
    "confusion": Kind(
        "What the test images of each class are taken for, at the largest size, all runs together.",
        usual=("few models",),
    ),
    "per-class": Kind("Precision, recall and F1 of each class at the largest size, all runs together."),
    "neurons": Kind(
        "Correlations between the units of a layer over test images, the mean of the runs of the largest size.",
        needs=("neurons",),
        usual=(),
    ),
    "overlap": Kind(
        "Share of each subset (row) that is also in each other subset (column).",
        needs=("subsets",),
        usual=(),
    ),
    "overlap-classes": Kind(
        "Share in common of every class, sorted, for up to three pairs of draws of one size, over what chance gives.",
        needs=("draws",),
        usual=(),
    ),
    "classes": Kind("Images of each class, sorted, in the training and the test set.", usual=()),
    "samples": Kind("The first training images of each class.", needs=("pixels",), usual=()),
    "augmentation": Kind(
        "Training images (left) and what a model's augmentation makes of them.",
        needs=("pixels", "augmentation"),
    ),
}


def figures_of(chosen: set[str], metrics: list[str], regressed: list[str], things: dict[str, list]) -> Iterator[dict]:
    """Yield name, kind and what it is of, for each figure of the `chosen` kinds, those of a metric first, by metric.

    `things` has the models and the sweeps that there is to be one figure each of.
    """
    kinds = [(name, KINDS[name]) for name in KINDS if name in chosen]
    for metric in metrics:
        for name, kind in kinds:
            if "metric" in kind.each and (metric in regressed or not kind.regressed):
                yield from _figures(name, kind, {**things, "metric": [metric]})
    for name, kind in kinds:
        if "metric" not in kind.each:
            yield from _figures(name, kind, things)


def _figures(name: str, kind: Kind, things: dict[str, list]) -> Iterator[dict]:
    for values in product(*(things[each] for each in kind.each)):
        yield {"name": "-".join([name, *values]), "kind": name, **dict(zip(kind.each, values, strict=True))}
