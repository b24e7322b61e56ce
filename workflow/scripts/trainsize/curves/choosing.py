"""Which family to believe: one that goes through the means, by extrapolation to held-out sizes first, then by AIC."""

from dataclasses import dataclass, field, replace

import numpy as np
from scipy import stats

from trainsize.curves.bootstrap import inflation, quantile
from trainsize.curves.families import FAMILIES, Array, Family, predict, size_for
from trainsize.curves.fitting import Fit, Problem, fit, fit_many
from trainsize.curves.measured import Curve
from trainsize.runs.metrics import LOSS

TAIL = "pow3_tail"
BASELINE = "last1"  # no law of learning, but what one must predict better than
DEFAULT_FAMILIES = (BASELINE, "log2", "pow3", TAIL, "pow4", "exp3", "mmf4")
ALL_FAMILIES = (*FAMILIES, TAIL)
CUTS = (2, 4)  # fits see sizes up to n_max / 2 and n_max / 4
HOLDOUT_RESAMPLES = 100
LACK_OF_FIT = 0.001  # p-value below which a family does not go through the means
SAME_AIC = 2  # families closer than that are not told apart (Burnham and Anderson 2002)
# What decided which family to believe.
HELD_OUT, KNOWN_AIC, AICC, ALONE = "hold-out", "AIC", "AICc", "alone"


@dataclass(frozen=True)
class Holdout:
    """How well a family that saw only small sizes foretold the held-out ones.

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


@dataclass(frozen=True)
class Candidate:
    """A family for a curve: its fit or the reason why there is none, its score and its resampled curves."""

    name: str
    parameters: int
    status: str
    start: float | None = None  # the smallest size in the fit, of a tail
    fit: Fit | None = None
    holdout: Holdout | None = None
    aicc: float = float("nan")
    bic: float = float("nan")
    weight: float = float("nan")
    p_fit: float = float("nan")  # that the means lie about the curve as the spread between units lets expect
    chosen: bool = False
    chosen_by: str | None = None
    as_good: bool = False  # whether it does as well as the best, by what decided
    resampled: Array | None = field(default=None, repr=False)

    @property
    def smallest(self) -> float:
        """The smallest size in the fit; the curve says nothing of smaller ones."""
        return float(self.fit.problem.sizes[0])

    @property
    def family(self) -> Family:
        return family_of(self.name)

    @property
    def misses(self) -> bool:
        """Whether the curve misses the means by more than chance."""
        return self.p_fit < LACK_OF_FIT

    def errors(self, n: Array) -> Array:
        """Return the fitted errors (m,) at sizes `n`."""
        return self.fit.predict(n)

    def resampled_errors(self, n: Array) -> Array:
        """Return the errors (B, m) at sizes `n` of the resampled curves."""
        return predict(self.family, self.resampled, n, self.fit.problem.n0, self.fit.problem.chance)

    def sizes_for(self, error: float | Array, limits: tuple[float, float]) -> Array:
        """Return the size (1 + B,) at which the fitted and the resampled curves reach `error`, a number or (1 + B,)."""
        curves = np.vstack([self.fit.curve, self.resampled])
        return size_for(self.family, curves, error, self.fit.problem.n0, self.fit.problem.chance, limits)


def family_of(name: str) -> Family:
    return FAMILIES["pow3" if name == TAIL else name]


def problem_of(curve: Curve, kept: Array | slice = slice(None)) -> Problem:
    """Return the weighted problem of the sizes `kept`.

    The floor lies between 0 and the largest mean; that of a loss has no upper limit.
    """
    limit = 1e9 if curve.kind == LOSS else float(curve.means[kept].max())
    return Problem(curve.sizes[kept], curve.weights()[kept], (0.0, limit), curve.chance)


def candidates(
    curve: Curve, families: tuple[str, ...], means: Array | None, robust: bool = False, seed: int = 0
) -> list[Candidate]:
    """Fit every family to the curve, hold out, compare and choose; `means` (B, m) are the resampled means, if any."""
    rng = np.random.default_rng(seed)
    found = [_fitted(curve, name, means, robust, rng) for name in families]
    return chosen(_weighed(found))


def _fitted(curve: Curve, name: str, means: Array | None, robust: bool, rng: np.random.Generator) -> Candidate:
    family = family_of(name)
    parameters = len(family.terms) + (name == TAIL)
    start = best_start(curve) if name == TAIL else curve.sizes[0]
    if start is None:
        return Candidate(name, parameters, "no size can be left out at the small end")
    kept = curve.sizes >= start
    problem = problem_of(curve, kept)
    try:
        found = fit(family, problem, curve.means[kept], rng, robust)
    except ValueError as reason:
        return Candidate(name, parameters, str(reason))
    within = found.predict(curve.sizes[kept])
    status = found.status
    if within.max() > curve.highest or within.min() < 0:
        status = "refused: predicts what cannot be, within the sizes"
    aicc, bic = criteria(found.cost, len(problem.sizes), len(family.terms)) if name != TAIL else (np.nan, np.nan)
    return Candidate(
        name=name,
        parameters=parameters,
        status=status,
        start=float(start) if name == TAIL else None,
        fit=found,
        holdout=hold_out(curve, family, kept, means),
        aicc=aicc,
        bic=bic,
        p_fit=float("nan") if robust else p_fit(curve, found),
        resampled=None if means is None else fit_many(family, found.problem, means[:, kept], found.curve),
    )


def p_fit(curve: Curve, found: Fit) -> float:
    """Return the p-value of the test for lack of fit: weighted residuals over the spread between units, against F.

    It is nan where there are no more sizes than parameters, or a single unit.
    """
    free = len(found.problem.sizes) - len(found.family.terms)
    within = int((curve.counts - 1).sum())
    return float(stats.f.sf(found.cost / free, free, within)) if free > 0 and within > 0 else float("nan")


def criteria(cost: float, sizes: int, parameters: int) -> tuple[float, float]:
    """Return AICc and BIC of a least-squares fit; the variance counts as a parameter. Too few sizes have none (nan)."""
    k = parameters + 1
    fit_term = sizes * np.log(max(cost, 1e-30) / sizes)
    aicc = fit_term + 2 * k + 2 * k * (k + 1) / (sizes - k - 1) if sizes - k - 1 > 0 else np.nan
    return float(aicc), float(fit_term + k * np.log(sizes))


def best_start(curve: Curve) -> float | None:
    """Return the smallest size from which a power law with floor best foretells the held-out sizes."""
    family, starts = FAMILIES["pow3"], curve.sizes[1 : len(curve.sizes) // 2 + 1]
    scores = {start: hold_out(curve, family, curve.sizes >= start, None) for start in starts}
    scores = {start: score.error for start, score in scores.items() if score}
    return min(scores, key=scores.get) if scores else None


def hold_out(curve: Curve, family: Family, kept: Array, means: Array | None) -> Holdout | None:
    """Fit the kept sizes up to n_max / 2 and n_max / 4 and score the larger ones; None where too few are left."""
    rows = curve.means[None] if means is None else np.vstack([curve.means, means[:HOLDOUT_RESAMPLES]])
    scores, logs, inside, cuts = [], [], [], []
    for cut in CUTS:
        seen = kept & (curve.sizes <= curve.sizes[-1] / cut * (1 + 1e-9))
        rest = curve.sizes > curve.sizes[seen].max(initial=0)
        if seen.sum() < len(family.terms) + 2 or not rest.any():
            continue
        problem = problem_of(curve, seen)
        if family.curve and not problem.chance > rows[:, seen].max():
            continue
        fitted = fit_many(family, problem, rows[:, seen])
        foretold = predict(family, fitted, curve.sizes[rest], problem.n0, problem.chance)
        gaps = foretold - rows[:, rest]
        cuts.append(cut)
        scores.append(np.abs(gaps).mean(1))
        logs.append(_log_distance(foretold[0], curve.means[rest]))
        inside.append(_inside(curve, foretold[1:], rest))
    if not cuts:
        return None
    coverage = float(np.concatenate(inside).mean()) if means is not None else float("nan")
    return Holdout(tuple(cuts), np.array(scores), float(np.sqrt(np.mean(logs))), coverage)


def _log_distance(foretold: Array, means: Array) -> float:
    """Return the mean square of ln foretold - ln mean; infinite where a foretold error is not above 0."""
    with np.errstate(divide="ignore", invalid="ignore"):
        squares = (np.log(np.maximum(foretold, 0)) - np.log(means)) ** 2
    return float(squares[means > 0].mean()) if (means > 0).any() else float("nan")


def _inside(curve: Curve, foretold: Array, rest: Array) -> Array:
    """Return whether each held-out mean lies in the 95 % prediction interval of the fit to the smaller sizes."""
    if not len(foretold):
        return np.zeros(0)
    middle, low, high = quantile(foretold, [0.5, 0.025, 0.975])
    noise = 1.96**2 * (curve.variances() / curve.counts)[rest]
    factor = inflation(curve.replicates, 0.95)
    below = factor * np.sqrt((middle - low) ** 2 + noise)
    above = factor * np.sqrt((high - middle) ** 2 + noise)
    means = curve.means[rest]
    return (means >= middle - below) & (means <= middle + above)


def _weighed(found: list[Candidate]) -> list[Candidate]:
    """Return the candidates with their Akaike weights, over those that were fitted to all sizes."""
    kept = [c.name for c in fitting([c for c in found if usable(c)])]
    aicc = np.array([c.aicc if c.name in kept else np.nan for c in found])
    if not np.isfinite(aicc).any():
        return found
    weights = np.exp(-(aicc - np.nanmin(aicc)) / 2)
    weights = weights / np.nansum(weights)
    return [replace(c, weight=float(w)) for c, w in zip(found, weights, strict=True)]


def usable(candidate: Candidate) -> bool:
    return candidate.fit is not None and not candidate.status.startswith("refused")


def fitting(found: list[Candidate]) -> list[Candidate]:
    """Return the candidates that go through the means, or all where none does."""
    return [c for c in found if not c.misses] or found


def chosen(found: list[Candidate]) -> list[Candidate]:
    """Mark the family to believe, of those that go through the means if any does; the baseline is no curve."""
    could = [c for c in found if usable(c) and c.name != BASELINE]
    if not could:
        return found
    pick, near, how = _decided(fitting(could)) if len(could) > 1 else (could[0], [], ALONE)
    return [
        replace(c, chosen=c is pick, chosen_by=how if c is pick else None, as_good=any(c is other for other in near))
        for c in found
    ]


def _decided(open_to: list[Candidate]) -> tuple[Candidate, list[Candidate], str]:
    """Return the candidate to believe, those that do as well with itself, and what decided.

    It is the one with the smallest error at the held-out sizes or, of those within one standard error of it (of the
    difference, over resampled units), the one with the fewest parameters. Where no curved family has enough sizes for
    the hold-out, AIC decides: with the variance between units where there is one, else AICc and, where that is not
    defined either, the number of parameters, of which more are better.
    """
    tested, cuts = _tested(open_to)
    if tested:
        scores = {c.name: c.holdout.at(cuts) for c in tested}
        best = min(tested, key=lambda c: scores[c.name][0])
        near = [c for c in tested if _within_one_error(scores[c.name], scores[best.name])]
        return min(near, key=lambda c: (c.parameters, scores[c.name][0])), near, HELD_OUT
    if all(np.isfinite(c.p_fit) for c in open_to):
        aic = {c.name: c.fit.cost + 2 * c.parameters for c in open_to}
        pick = min(open_to, key=lambda c: aic[c.name])
        return pick, [c for c in open_to if aic[c.name] < aic[pick.name] + SAME_AIC], KNOWN_AIC
    known = [c for c in open_to if np.isfinite(c.aicc)]
    pick = min(known, key=lambda c: c.aicc) if known else max(open_to, key=lambda c: (c.parameters, -c.fit.cost))
    return pick, [], AICC


def _tested(open_to: list[Candidate]) -> tuple[list[Candidate], tuple[int, ...]]:
    """Return the candidates held out at both cuts if a curved family is among them, else at the first; and the cuts."""
    for cuts in (CUTS, CUTS[:1]):
        tested = [c for c in open_to if c.holdout and set(cuts) <= set(c.holdout.cuts)]
        if any(c.family.shapes for c in tested):
            return tested, cuts
    return [], ()


def _within_one_error(score: Array, best: Array) -> bool:
    """Whether a score (1 + B,) exceeds the best by no more than the standard error of the difference."""
    return bool(score[0] - best[0] <= (np.std(score[1:] - best[1:]) if len(score) > 1 else 0.0))
