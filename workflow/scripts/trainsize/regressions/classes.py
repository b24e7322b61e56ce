"""Learning curves of single classes."""

import numpy as np
import pandas as pd

from trainsize.curves import families
from trainsize.curves.families import FAMILIES, Array
from trainsize.curves.fitting import Problem, fit_many
from trainsize.curves.measured import Curve, make_curve
from trainsize.regressions.correctness import Correctness
from trainsize.runs.metrics import SCORE
from trainsize.statistics import hypotheses


def class_rows(correctness: Correctness, counts: pd.DataFrame) -> list[dict]:
    """Return a row per model, class and size: recall with its interval, training images, and a power law through them.

    The law c + a count^-b is fitted to each class alone, unweighted, to its error by its own
    number of training images; with fewer than five sizes there is none.
    """
    rows = []
    table = pd.DataFrame(correctness.classes)
    if not len(table):
        return rows
    table = table.merge(counts, on=["n", "label"], how="left")
    for (model, label), runs in table.groupby(["model", "label"], sort=False):
        curve = make_curve(runs, "recall", SCORE)
        images = runs.groupby("n")["count"].first()
        fitted = _class_curve(curve, images.to_numpy())
        for j, n in enumerate(curve.sizes):
            recalls = 1 - curve.values[np.isfinite(curve.values[:, j]), j]
            mean, low, high = np.clip(hypotheses.t_interval(recalls, 0.95), 0, 1)
            about = {"model": model, "label": label, "n": n, "images": images.iloc[j], "n_test": runs["n_test"].iloc[0]}
            rows.append({**about, "recall": mean, "low": low, "high": high, "fitted": fitted[j]})
    return rows


def _class_curve(curve: Curve, images: Array) -> Array:
    """Return the recall of the power law through a class's mean errors, nan where it has too few sizes."""
    family = FAMILIES["pow3"]
    if len(np.unique(images[images > 0])) < len(family.terms) + 2 or not (images > 0).all():
        return np.full(len(images), np.nan)
    problem = Problem(images.astype(float), np.ones(len(images)), (0.0, 1.0))
    found = fit_many(family, problem, curve.means[None])
    return 1 - families.predict(family, found, images, problem.n0, problem.chance)[0]
