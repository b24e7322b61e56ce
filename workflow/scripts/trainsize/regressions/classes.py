"""The rows of the learning curves of single classes."""

import numpy as np
import pandas as pd

from trainsize.curves.curve import Curve, make_curve
from trainsize.curves.families import FAMILIES, Array, predict
from trainsize.curves.problem import Problem
from trainsize.curves.search import fit_many
from trainsize.regressions.correctness import ClassRecall
from trainsize.regressions.rows import Rows
from trainsize.runs.metrics import SCORE
from trainsize.statistics.intervals import mean_interval


def add_classes(rows: Rows, recalls: list[ClassRecall], counts: pd.DataFrame) -> None:
    """Add for each model, class and size the recall with its interval, the training images, and a power law.

    The law c + a count^-b is fitted, unweighted, to the errors of each class by its own number of training images.
    With fewer than five sizes there is none. `counts` are those of `class_counts`.
    """
    if not recalls:
        return
    table = pd.DataFrame(recalls, columns=ClassRecall._fields).merge(counts, on=["n", "label"], how="left")
    for (model, label), runs in table.groupby(["model", "label"], sort=False):
        curve = make_curve(runs, "recall", SCORE)
        images = runs.groupby("n")["count"].first()
        fitted = _fitted_recalls(curve, images.to_numpy())
        of = {"model": model, "label": label, "n_test": runs["n_test"].iloc[0]}
        for j, n in enumerate(curve.sizes):
            recalls_at_size = 1 - curve.values[np.isfinite(curve.values[:, j]), j]
            mean, low, high = np.clip(mean_interval(recalls_at_size), 0, 1)
            rows.add("classes", of, n=n, images=images.iloc[j], recall=mean, low=low, high=high, fitted=fitted[j])


def _fitted_recalls(curve: Curve, images: Array) -> Array:
    """Return the recall of the power law through a class's mean errors, nan where it has too few sizes."""
    family = FAMILIES["pow3"]
    if len(np.unique(images[images > 0])) < len(family.terms) + 2 or not (images > 0).all():
        return np.full(len(images), np.nan)
    problem = Problem(images.astype(float), np.ones(len(images)), (0.0, 1.0))
    curves = fit_many(family, problem, curve.means[None])
    return 1 - predict(family, curves, images, problem.n0, problem.chance)[0]
