"""The rows of curves: the fits, what they predict, the images for targets, and saturation."""

from dataclasses import dataclass, replace

import numpy as np

from trainsize.curves.bootstrap import resampled_means
from trainsize.curves.choosing import SAME_AIC, Candidate, candidates, usable
from trainsize.curves.confidence import Confidence, confidence_of
from trainsize.curves.curve import Curve
from trainsize.curves.families import TREND, Array, family_of
from trainsize.curves.forecast import Forecast, forecast
from trainsize.curves.parameters import parameters
from trainsize.curves.predictions import average, predictions
from trainsize.curves.predictor import Predictor
from trainsize.curves.saturation import equivalence_to_largest, returns_at
from trainsize.curves.shape import changes_by_size, is_flat, p_monotone
from trainsize.curves.targets import target_size, targets_of
from trainsize.regressions.options import Options
from trainsize.regressions.rows import Rows, Subject

CURVE_POINTS = 32  # sizes at which a curve is predicted, beside the measured ones
AHEAD = 4  # times the largest size: how far curves are predicted


@dataclass(frozen=True)
class CurveAnalysis:
    """The analysed curve of one model and metric: its resampled means and what the answers come from, if any."""

    curve: Curve
    confidence: Confidence
    means: Array | None = None
    chosen: Predictor | None = None


@dataclass(frozen=True)
class FamilyCurve:
    """A family's curve of one model and metric."""

    model: str
    metric: str
    family: str
    chosen: bool = False


def add_curves(rows: Rows, subject: Subject, curve: Curve, options: Options) -> CurveAnalysis:
    """Add the families' fits, their predictions, the images for targets and the saturation of one curve."""
    confidence = confidence_of(curve, options.confidence, options.allow_few_seeds, bool(subject.question))
    if not len(curve.sizes):
        for name in options.families:
            method = {"method": name, "left_out": "", "n_parameters": len(family_of(name).terms)}
            rows.add("fits", subject.coordinates, subject.counts, method, status="no finished run")
        return CurveAnalysis(curve, confidence)
    means = resampled_means(curve, options.bootstrap) if confidence.allowed else None
    tried = candidates(curve, options.families, means, options.robust)
    chosen = next((c for c in tried if c.chosen), None)
    if options.extrapolation == TREND:
        tried = [replace(c, chosen=False) for c in tried]
        chosen = _forecast(curve, options.bootstrap if confidence.allowed else 0)
    analysis = CurveAnalysis(curve, confidence, means, chosen)
    _add_fits(rows, subject, tried, analysis)
    for candidate in tried:
        if candidate.fit is not None:
            for parameter in parameters(candidate, curve, confidence):
                rows.add("parameters", subject.coordinates, parameter, method=candidate.name, left_out="")
    for predictor in [*filter(usable, tried), *([chosen] if isinstance(chosen, Forecast) else [])]:
        _add_predictions(rows, subject, predictor, analysis)
        _add_targets(rows, subject, predictor, analysis, options)
    _add_average(rows, subject, tried, curve)
    _add_saturation(rows, subject, analysis, options)
    return analysis


def _forecast(curve: Curve, count: int) -> Forecast | None:
    try:
        return forecast(curve, count)
    except ValueError:  # too few sizes, or nothing that changes with them: the families' fits say so
        return None


def _add_fits(rows: Rows, subject: Subject, tried: list[Candidate], analysis: CurveAnalysis) -> None:
    curve = analysis.curve
    whole = {"p_monotone": p_monotone(curve), "flat": is_flat(curve), "intervals": analysis.confidence.note}
    whole["question"] = subject.question
    if isinstance(analysis.chosen, Forecast):
        counts = replace(subject.counts, n_sizes=len(curve.sizes))
        rows.add("fits", subject.coordinates, counts, whole, method=TREND, left_out="", status="fitted", chosen=True)
    lowest = min((c.aicc for c in tried if usable(c) and np.isfinite(c.aicc)), default=np.nan)
    for c in tried:
        counts = replace(subject.counts, n_sizes=len(c.fit.problem.sizes)) if c.fit else subject.counts
        rows.add(
            "fits",
            subject.coordinates,
            counts,
            whole,
            _quality(c, lowest),
            method=c.name,
            left_out="",
            status=c.status,
            n_parameters=c.parameters,
            chosen=c.chosen,
            chosen_by=c.chosen_by,
            as_good=c.as_good,
            p_fit=c.p_fit,
        )


def _quality(c: Candidate, lowest: float) -> dict:
    """Return the columns of the table of fits on how well a family fits and predicts; `lowest` is the best AICc."""
    if c.fit is None:
        return {}
    delta = c.aicc - lowest
    columns = {
        "start": c.start,
        "weighted_rss": c.fit.cost,
        "aicc": c.aicc,
        "bic": c.bic,
        "akaike_weight": c.weight,
        "delta_aicc": delta,
        "distinguishable": bool(delta >= SAME_AIC) if np.isfinite(delta) else None,
        "starts": c.fit.starts,
        "starts_agreeing": c.fit.agreeing,
        "condition_number": c.fit.condition,
        "at_bound": ", ".join(c.fit.bound),
    }
    if c.holdout:
        columns["holdout_error"] = c.holdout.error
        columns["holdout_log_error"] = c.holdout.log_error
        columns["holdout_coverage"] = c.holdout.coverage
    return columns


def _add_predictions(rows: Rows, subject: Subject, c: Predictor, analysis: CurveAnalysis) -> None:
    sizes, of = analysis.curve.sizes, _family_curve(subject, c, analysis)
    between = np.geomspace(c.smallest, AHEAD * sizes[-1], CURVE_POINTS)
    own = np.append(sizes[sizes >= c.smallest], 2 * sizes[-1])
    n = np.unique(np.concatenate([own, between[~np.isclose(between[:, None], own).any(1)]]))
    for row in predictions(c, analysis.curve, n, analysis.confidence).to_dict("records"):
        rows.add("predictions", of, row)


def _family_curve(subject: Subject, c: Predictor, analysis: CurveAnalysis) -> FamilyCurve:
    chosen = analysis.chosen is not None and c.name == analysis.chosen.name
    return FamilyCurve(subject.model, subject.response.metric.name, c.name, chosen)


def _add_targets(rows: Rows, subject: Subject, c: Predictor, analysis: CurveAnalysis, options: Options) -> None:
    curve, of = analysis.curve, _family_curve(subject, c, analysis)
    for target in targets_of(curve, options.targets.get(of.metric, ())):
        size = target_size(c, curve, target.error(curve), analysis.confidence)
        rows.add("targets", of, size, target=target.value, origin=target.origin)


def _add_average(rows: Rows, subject: Subject, tried: list[Candidate], curve: Curve) -> None:
    """Add the predictions at the measured sizes of all families together, by their Akaike weights."""
    of = FamilyCurve(subject.model, subject.response.metric.name, "average")
    for n, error in zip(curve.sizes, average(tried, curve.sizes), strict=True):
        if np.isfinite(error):
            value = float(curve.shown(error))
            rows.add("predictions", of, n=n, extrapolated=False, status="predicted", value=value)


def _add_saturation(rows: Rows, subject: Subject, analysis: CurveAnalysis, options: Options) -> None:
    curve, chosen, metric = analysis.curve, analysis.chosen, subject.response.metric
    margin, family = options.margin(metric), chosen.name if chosen else None
    for equivalence, change in zip(equivalence_to_largest(curve, margin), changes_by_size(curve), strict=True):
        returns = returns_at(chosen, curve, equivalence.n, margin, analysis.confidence)
        of = {"model": subject.model, "metric": metric.name, "family": family, "margin": margin}
        rows.add("saturation", of, equivalence, returns, change)
