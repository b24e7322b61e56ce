"""The choice of a family: one that fits the means, by prediction of held-out sizes first, then by AIC."""

from dataclasses import dataclass, field, replace

import numpy as np
from scipy import stats

from trainsize.curves.curve import Curve
from trainsize.curves.families import BASELINE, TAIL, Array, Family, Range, family_of, predict, size_for
from trainsize.curves.fitting import Fit, fit
from trainsize.curves.holdout import CUTS, Holdout, best_start, hold_out
from trainsize.curves.problem import problem_of
from trainsize.curves.search import fit_many

REACH = 1e4  # sizes for targets are searched up to this many times the largest
LACK_OF_FIT = 0.001  # p-value below which a family does not fit the means
SAME_AIC = 2  # families closer than this are not distinguished (Burnham and Anderson 2002)
# What decided the choice.
HELD_OUT, KNOWN_AIC, AICC, ALONE = "hold-out", "AIC", "AICc", "alone"


@dataclass(frozen=True)
class Candidate:
    """A family for a curve: its fit or the reason why there is none, its scores and its resampled curves."""

    name: str
    parameters: int
    status: str
    start: float | None = None  # the smallest size in the fit, of a tail
    fit: Fit | None = None
    holdout: Holdout | None = None
    aicc: float = float("nan")
    bic: float = float("nan")
    weight: float = float("nan")
    p_fit: float = float("nan")  # of the test that the means deviate from the curve by chance alone
    chosen: bool = False
    chosen_by: str | None = None
    as_good: bool = False  # whether it does as well as the best by the criterion that decided
    resampled: Array | None = field(default=None, repr=False)

    reach = REACH
    whole = False

    @property
    def smallest(self) -> float:
        """The smallest size in the fit; the curve does not describe smaller ones."""
        return float(self.fit.problem.sizes[0])

    @property
    def family(self) -> Family:
        return family_of(self.name)

    @property
    def misses(self) -> bool:
        """Whether the curve misses the means by more than chance allows."""
        return self.p_fit < LACK_OF_FIT

    @property
    def floor(self) -> float | None:
        """The error that the fitted curve approaches; None where the family has no floor."""
        index = self.family.floor_index
        return None if index is None else float(self.fit.curve[index])

    def errors(self, n: Array) -> Array:
        """Return the fitted errors (m,) at sizes `n`."""
        return self.fit.predict(n)

    def resampled_errors(self, n: Array) -> Array:
        """Return the errors (B, m) at sizes `n` of the resampled curves."""
        return predict(self.family, self.resampled, n, self.fit.problem.n0, self.fit.problem.chance)

    def sizes_for(self, error: float | Array, limits: Range) -> Array:
        """Return the size (1 + B,) at which the fitted and the resampled curves reach `error`, a number or (1 + B,)."""
        return size_for(self.family, self._curves, error, self.fit.problem.n0, self.fit.problem.chance, limits)

    def exponents(self, near: Range) -> Array:
        """Return the local exponent -d ln(e - c) / d ln n (1 + B,) between two sizes; c is 0 without a floor."""
        curves, index, problem = self._curves, self.family.floor_index, self.fit.problem
        c = 0.0 if index is None else curves[:, index, None]
        excess = predict(self.family, curves, np.array(near), problem.n0, problem.chance) - c
        with np.errstate(divide="ignore", invalid="ignore"):
            return -np.diff(np.log(excess), axis=1)[:, 0] / np.log(near[1] / near[0])

    @property
    def _curves(self) -> Array:
        """The fitted curve and the resampled ones, (1 + B, 2 + q)."""
        return self.fit.curve[None] if self.resampled is None else np.vstack([self.fit.curve, self.resampled])


def candidates(
    curve: Curve, families: tuple[str, ...], means: Array | None, robust: bool = False, seed: int = 0
) -> list[Candidate]:
    """Fit every family to the curve, hold out, compare and choose; `means` (B, m) are the resampled means, if any."""
    rng = np.random.default_rng(seed)
    return chosen(_weighted([_fitted(curve, name, means, robust, rng) for name in families]))


def _fitted(curve: Curve, name: str, means: Array | None, robust: bool, rng: np.random.Generator) -> Candidate:
    family = family_of(name)
    parameters = len(family.terms) + (name == TAIL)
    start = best_start(curve) if name == TAIL else curve.sizes[0]
    if start is None:
        return Candidate(name, parameters, "no small size can be left out")
    kept = curve.sizes >= start
    problem = problem_of(curve, kept)
    try:
        best = fit(family, problem, curve.means[kept], rng, robust)
    except ValueError as reason:
        return Candidate(name, parameters, str(reason))
    within = best.predict(curve.sizes[kept])
    status = best.status
    if within.max() > curve.highest or within.min() < 0:
        status = "refused: predicts impossible values within the measured sizes"
    aicc, bic = criteria(best.cost, len(problem.sizes), len(family.terms)) if name != TAIL else (np.nan, np.nan)
    return Candidate(
        name=name,
        parameters=parameters,
        status=status,
        start=float(start) if name == TAIL else None,
        fit=best,
        holdout=hold_out(curve, family, kept, means),
        aicc=aicc,
        bic=bic,
        p_fit=float("nan") if robust else p_fit(curve, best),
        resampled=None if means is None else fit_many(family, best.problem, means[:, kept], best.curve),
    )


def p_fit(curve: Curve, fitted: Fit) -> float:
    """Return the p-value of the test for lack of fit: weighted residuals over the spread between units, against F.

    It is nan where there are no more sizes than parameters, or a single unit.
    """
    free = len(fitted.problem.sizes) - len(fitted.family.terms)
    within = int((curve.counts - 1).sum())
    return float(stats.f.sf(fitted.cost / free, free, within)) if free > 0 and within > 0 else float("nan")


def criteria(cost: float, sizes: int, parameters: int) -> tuple[float, float]:
    """Return AICc and BIC of a least-squares fit; the variance counts as a parameter. Too few sizes have none (nan)."""
    k = parameters + 1
    fit_term = sizes * np.log(max(cost, 1e-30) / sizes)
    aicc = fit_term + 2 * k + 2 * k * (k + 1) / (sizes - k - 1) if sizes - k - 1 > 0 else np.nan
    return float(aicc), float(fit_term + k * np.log(sizes))


def _weighted(tried: list[Candidate]) -> list[Candidate]:
    """Return the candidates with their Akaike weights, over those fitted to all sizes."""
    kept = [c.name for c in fitting([c for c in tried if usable(c)])]
    aicc = np.array([c.aicc if c.name in kept else np.nan for c in tried])
    if not np.isfinite(aicc).any():
        return tried
    weights = np.exp(-(aicc - np.nanmin(aicc)) / 2)
    weights = weights / np.nansum(weights)
    return [replace(c, weight=float(w)) for c, w in zip(tried, weights, strict=True)]


def usable(candidate: Candidate) -> bool:
    """Whether the family was fitted and predicts possible values."""
    return candidate.fit is not None and not candidate.status.startswith("refused")


def fitting(tried: list[Candidate]) -> list[Candidate]:
    """Return the candidates that fit the means, or all where none does."""
    return [c for c in tried if not c.misses] or tried


def chosen(tried: list[Candidate]) -> list[Candidate]:
    """Mark the family to believe, among those that fit the means if any does; the baseline is never chosen."""
    possible = [c for c in tried if usable(c) and c.name != BASELINE]
    if not possible:
        return tried
    pick, near, how = _decided(fitting(possible)) if len(possible) > 1 else (possible[0], [], ALONE)
    return [
        replace(c, chosen=c is pick, chosen_by=how if c is pick else None, as_good=any(c is other for other in near))
        for c in tried
    ]


def _decided(eligible: list[Candidate]) -> tuple[Candidate, list[Candidate], str]:
    """Return the candidate to believe, those that do as well (itself included), and what decided.

    It is the one with the smallest error at the held-out sizes or, of those within one standard error of it (of the
    difference, over resampled units), the one with the fewest parameters. Where no curved family has enough sizes for
    the hold-out, AIC decides: with the variance between units where there is one, else AICc and, where that is not
    defined either, the number of parameters, of which more are better.
    """
    tested, cuts = _tested(eligible)
    if tested:
        scores = {c.name: c.holdout.at(cuts) for c in tested}
        best = min(tested, key=lambda c: scores[c.name][0])
        near = [c for c in tested if _within_one_error(scores[c.name], scores[best.name])]
        return min(near, key=lambda c: (c.parameters, scores[c.name][0])), near, HELD_OUT
    if all(np.isfinite(c.p_fit) for c in eligible):
        aic = {c.name: c.fit.cost + 2 * c.parameters for c in eligible}
        pick = min(eligible, key=lambda c: aic[c.name])
        return pick, [c for c in eligible if aic[c.name] < aic[pick.name] + SAME_AIC], KNOWN_AIC
    defined = [c for c in eligible if np.isfinite(c.aicc)]
    pick = min(defined, key=lambda c: c.aicc) if defined else max(eligible, key=lambda c: (c.parameters, -c.fit.cost))
    return pick, [], AICC


def _tested(eligible: list[Candidate]) -> tuple[list[Candidate], tuple[int, ...]]:
    """Return the candidates held out at both cuts if a curved family is among them, else at the first; and the cuts."""
    for cuts in (CUTS, CUTS[:1]):
        tested = [c for c in eligible if c.holdout and set(cuts) <= set(c.holdout.cuts)]
        if any(c.family.shapes for c in tested):
            return tested, cuts
    return [], ()


def _within_one_error(score: Array, best: Array) -> bool:
    """Whether a score (1 + B,) exceeds the best by no more than the standard error of the difference."""
    return bool(score[0] - best[0] <= (np.std(score[1:] - best[1:]) if len(score) > 1 else 0.0))
