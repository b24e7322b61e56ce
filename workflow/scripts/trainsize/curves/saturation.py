"""From which size on more images make no difference that matters, and whether returns diminish."""

import numpy as np

from trainsize.curves.bootstrap import interval, upper_quantile
from trainsize.curves.certainty import Sureness
from trainsize.curves.choosing import Candidate
from trainsize.curves.families import Array, predict
from trainsize.curves.measured import Curve
from trainsize.statistics.hypotheses import NAN, holm, t_interval, tost


def saturation(candidate: Candidate | None, curve: Curve, margin: float, sure: Sureness) -> list[dict]:
    """Return a row per size: whether it is as good as the largest, and what more images still bring there.

    Equivalence to the largest size is tested by two one-sided paired t-tests (TOST) against `margin`, with Holm's
    correction over the sizes; a size counts when all larger ones do. The gain per doubling, the local exponent and the
    images for one point less error are the candidate's.
    """
    differences = [_paired(curve, j, len(curve.sizes) - 1) for j in range(len(curve.sizes) - 1)]
    p_values = [tost(d, margin) for d in differences]
    held = [*holm(p_values), NAN]
    equivalent = np.array([*(p < 0.05 for p in held[:-1]), True])
    equivalent = np.flip(np.logical_and.accumulate(np.flip(equivalent)))
    rows = []
    for j, n in enumerate(curve.sizes):
        difference = differences[j] if j < len(differences) else np.zeros(0)
        mean, low, high = t_interval(difference, 0.9)
        row = {
            "n": float(n),
            "difference": mean,
            "difference_low_90": low,
            "difference_high_90": high,
            "p_tost": p_values[j] if j < len(p_values) else NAN,
            "p_tost_holm": held[j],
            "equivalent": bool(equivalent[j]),
        }
        told = candidate is not None and n >= candidate.smallest
        rows.append(row | (_returns(candidate, curve, n, margin, sure) if told else _no_returns()))
    return rows


def _no_returns() -> dict:
    names = [f"{what}{end}" for what in ("gain", "exponent") for end in ("", "_low", "_high")]
    return {**dict.fromkeys([*names, "images_per_point", "remaining"], NAN), "gain_below_margin": False}


def _returns(candidate: Candidate, curve: Curve, n: float, margin: float, sure: Sureness) -> dict:
    """Return the gain of doubling n, with the exponent and the images per point there."""
    pair = np.array([n, 2 * n])
    near = np.array([n * 0.999, n * 1.001])
    row = _no_returns()
    first, second = candidate.errors(pair)
    if second < 0:  # what cannot be has no gain
        return row
    exponents = _exponent(candidate.fit.curve[None], candidate, near)
    slope = float(np.diff(candidate.errors(near))[0] / np.diff(near)[0])
    row["gain"], row["exponent"] = float(first - second), float(exponents[0])
    row["images_per_point"] = 0.01 / -slope if slope < 0 else float("inf")
    row["remaining"] = remaining(candidate, curve, n)
    if sure.allowed:
        errors = candidate.resampled_errors(pair)
        gains = errors[:, 0] - errors[:, 1]
        _, row["gain_low"], row["gain_high"] = map(float, interval(gains, sure.units, sure.level))
        row["gain_below_margin"] = bool(upper_quantile(gains, sure.units, 0.95) < margin)
        exponents = _exponent(candidate.resampled, candidate, near)
        if np.isfinite(exponents).all():
            _, row["exponent_low"], row["exponent_high"] = map(float, interval(exponents, sure.units, sure.level))
    return row


def _exponent(curves: Array, candidate: Candidate, near: Array) -> Array:
    """Return the local exponent -d ln(e - c) / d ln n (B,) between the two sizes `near`; c is 0 for a line."""
    problem = candidate.fit.problem
    c = {"any": 0.0, "last": 0.0}.get(candidate.family.floor, curves[:, 2 if candidate.family.curve else 0])
    excess = predict(candidate.family, curves, near, problem.n0, problem.chance) - np.reshape(c, (-1, 1))
    with np.errstate(divide="ignore", invalid="ignore"):
        return -np.diff(np.log(excess), axis=1)[:, 0] / np.diff(np.log(near))[0]


def remaining(candidate: Candidate, curve: Curve, n: float) -> float:
    """Return (e(n) - c) / (chance - c): which share of all there is to learn is left at n; nan without a floor."""
    family = candidate.family
    if family.floor in ("any", "last"):
        return NAN
    c = candidate.fit.curve[2 if family.curve else 0]
    return float((candidate.errors(np.array([n]))[0] - c) / (curve.chance - c))


def _paired(curve: Curve, a: int, b: int) -> Array:
    """Return error at size a minus error at size b, one per unit that has both."""
    difference = curve.values[:, a] - curve.values[:, b]
    return difference[np.isfinite(difference)]
