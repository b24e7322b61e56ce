"""Hold-out by size: fits to the smaller sizes, scored by how well they predict the larger ones."""

from dataclasses import dataclass

import numpy as np

from trainsize.curves.bootstrap import inflation, quantile
from trainsize.curves.curve import Curve
from trainsize.curves.families import FAMILIES, Array, Family, predict
from trainsize.curves.problem import problem_of
from trainsize.curves.search import fit_many

CUTS = (2, 4)  # fits see sizes up to n_max / 2 and n_max / 4
HOLDOUT_RESAMPLES = 100


@dataclass(frozen=True)
class Holdout:
    """How well a family fitted to the small sizes only predicted the held-out ones.

    `errors` (cuts, 1 + B) holds the mean absolute difference to the held-out means at each of the `cuts`, of the curve
    itself and of the resampled ones; `log_error` is the root mean square of the difference of ln e; `coverage` is the
    share of held-out means inside the family's 95 % prediction interval.
    """

    cuts: tuple[int, ...]
    errors: Array
    log_error: float
    coverage: float

    @property
    def error(self) -> float:
        return float(self.errors[:, 0].mean())

    def at(self, cuts: tuple[int, ...]) -> Array:
        """Return the score (1 + B,) at these cuts, their mean."""
        return self.errors[[self.cuts.index(cut) for cut in cuts]].mean(0)


def hold_out(curve: Curve, family: Family, kept: Array, means: Array | None) -> Holdout | None:
    """Fit the kept sizes up to n_max / 2 and n_max / 4 and score the larger ones; None where too few sizes are left."""
    rows = curve.means[None] if means is None else np.vstack([curve.means, means[:HOLDOUT_RESAMPLES]])
    scores, logs, inside, cuts = [], [], [], []
    for cut in CUTS:
        seen = kept & (curve.sizes <= curve.sizes[-1] / cut * (1 + 1e-9))
        rest = curve.sizes > curve.sizes[seen].max(initial=0)
        if seen.sum() < family.fewest_sizes or not rest.any():
            continue
        problem = problem_of(curve, seen)
        if family.curve and not problem.chance > rows[:, seen].max():
            continue
        fitted = fit_many(family, problem, rows[:, seen])
        predicted = predict(family, fitted, curve.sizes[rest], problem.n0, problem.chance)
        gaps = predicted - rows[:, rest]
        cuts.append(cut)
        scores.append(np.abs(gaps).mean(1))
        logs.append(_log_distance(predicted[0], curve.means[rest]))
        inside.append(_inside(curve, predicted[1:], rest))
    if not cuts:
        return None
    coverage = float(np.concatenate(inside).mean()) if means is not None else float("nan")
    return Holdout(tuple(cuts), np.array(scores), float(np.sqrt(np.mean(logs))), coverage)


def best_start(curve: Curve) -> float | None:
    """Return the smallest size from which a power law with floor best predicts the held-out sizes."""
    family, starts = FAMILIES["pow3"], curve.sizes[1 : len(curve.sizes) // 2 + 1]
    scores = {start: hold_out(curve, family, curve.sizes >= start, None) for start in starts}
    scores = {start: score.error for start, score in scores.items() if score}
    return min(scores, key=scores.get) if scores else None


def _log_distance(predicted: Array, means: Array) -> float:
    """Return the mean square of ln predicted - ln mean; infinite where a predicted error is not above 0."""
    with np.errstate(divide="ignore", invalid="ignore"):
        squares = (np.log(np.maximum(predicted, 0)) - np.log(means)) ** 2
    return float(squares[means > 0].mean()) if (means > 0).any() else float("nan")


def _inside(curve: Curve, predicted: Array, rest: Array) -> Array:
    """Return whether each held-out mean lies in the 95 % prediction interval of the fit to the smaller sizes."""
    if not len(predicted):
        return np.zeros(0)
    middle, low, high = quantile(predicted, [0.5, 0.025, 0.975])
    noise = 1.96**2 * (curve.variances() / curve.counts)[rest]
    factor = inflation(curve.replicates, 0.95)
    below = factor * np.sqrt((middle - low) ** 2 + noise)
    above = factor * np.sqrt((high - middle) ** 2 + noise)
    means = curve.means[rest]
    return (means >= middle - below) & (means <= middle + above)
