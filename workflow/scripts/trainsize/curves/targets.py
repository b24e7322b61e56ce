"""What users ask of a learning curve: images for a target, gain per doubling, saturation, and how sure."""

from collections.abc import Iterable

import numpy as np
import pandas as pd
from scipy import stats

from trainsize.curves.bootstrap import delta_interval, interval, upper_quantile
from trainsize.curves.certainty import Sureness
from trainsize.curves.choosing import Candidate, usable
from trainsize.curves.families import Array, predict, size_for
from trainsize.curves.fitting import Fit, derivative, replaced
from trainsize.curves.measured import Curve
from trainsize.statistics.hypotheses import NAN

REACH = 1e4  # sizes are looked for up to this many times the largest
FAR = 10  # beyond this many times the largest size an answer is flagged


def parameter_covariance(fit: Fit, curve: Curve, kept: Array) -> Array:
    """Return the cluster-robust covariance of the free parameters (c, a, shape ...), from whole units' residuals.

    It is A C A' with A = (J'WJ)^-1 J'W, J the derivatives of the fitted errors, W the weights and C the covariance of
    the means over units.
    """
    return _influence(fit) @ curve.covariance()[np.ix_(kept, kept)] @ _influence(fit).T


def _influence(fit: Fit) -> Array:
    weighted = fit.jacobian.T * fit.problem.weights
    return np.linalg.pinv(weighted @ fit.jacobian) @ weighted


def classical_covariance(fit: Fit) -> Array:
    """Return s² (J'WJ)^-1, s² being the weighted residual variance: the usual linear approximation."""
    free = len(fit.problem.sizes) - len(fit.free)
    normal = (fit.jacobian.T * fit.problem.weights) @ fit.jacobian
    return np.linalg.pinv(normal) * fit.cost / free if free > 0 else np.full_like(normal, np.nan)


def parameters(candidate: Candidate, curve: Curve, sure: Sureness) -> list[dict]:
    """Return a row per reported parameter: estimate, error, interval, and whether it lies at a bound."""
    fit = candidate.fit
    kept = np.isin(curve.sizes, fit.problem.sizes)
    robust = sure.allowed
    covariance = parameter_covariance(fit, curve, kept) if robust else classical_covariance(fit)
    freedom = sure.units - 1 if robust else len(fit.problem.sizes) - len(fit.free)
    n0, free = fit.problem.n0, fit.free
    slopes = derivative(
        lambda p: np.array(fit.family.reported(*replaced(fit.curve, free, p), n0), dtype=float), fit.curve[list(free)]
    )
    rows = []
    for term, estimate, slope in zip(fit.family.terms, fit.reported, slopes, strict=True):
        bound = term in fit.bound
        error = NAN if bound or freedom < 1 else float(np.sqrt(max(slope @ covariance @ slope, 0.0)))
        half = stats.t.ppf(0.5 + sure.level / 2, freedom) * error if freedom > 0 else NAN
        rows.append(
            {
                "term": term,
                "estimate": float(estimate),
                "standard_error": error,
                "low": float(estimate - half),
                "high": float(estimate + half),
                "errors": "cluster" if robust else "classical",
                "at_bound": bound,
            }
        )
    return rows


def delta_errors(candidate: Candidate, curve: Curve, n: Array, sure: Sureness) -> tuple[Array, Array]:
    """Return the cluster-robust delta intervals of the errors at sizes `n`, on the logarithm: the bootstrap's check."""
    problem = candidate.fit.problem

    def log_errors(c: Array) -> Array:
        return np.log(np.maximum(predict(candidate.family, c, n, problem.n0, problem.chance), 1e-12))

    return _delta(candidate, curve, sure, log_errors)


def delta_size(
    candidate: Candidate, curve: Curve, error: float, limits: tuple[float, float], sure: Sureness
) -> tuple[float, float]:
    """Return the cluster-robust delta interval of the size for `error`, on its logarithm; nan where that is no size."""
    problem = candidate.fit.problem

    def log_size(c: Array) -> Array:
        return np.log(size_for(candidate.family, c[None], error, problem.n0, problem.chance, limits))

    if not np.log(limits[0]) < log_size(candidate.fit.curve)[0] < np.log(limits[1]):
        return NAN, NAN
    low, high = _delta(candidate, curve, sure, log_size)
    return float(low[0]), float(high[0])


def _delta(candidate: Candidate, curve: Curve, sure: Sureness, logarithms) -> tuple[Array, Array]:
    """Return the ends of the intervals of quantities whose logarithms `logarithms(curve)` gives."""
    fit = candidate.fit
    kept = np.isin(curve.sizes, fit.problem.sizes)
    gradient = derivative(lambda p: logarithms(replaced(fit.curve, fit.free, p)), fit.curve[list(fit.free)])
    covariance = parameter_covariance(fit, curve, kept)
    ends = delta_interval(logarithms(fit.curve), gradient, covariance, sure.units, sure.level)
    return tuple(np.exp(np.clip(end, -700, 700)) for end in ends)


def reach(candidate: Candidate, curve: Curve) -> tuple[float, float]:
    """Return the sizes between which targets are looked for."""
    return candidate.smallest, float(REACH * curve.sizes[-1])


def target_size(candidate: Candidate, curve: Curve, error: float) -> float:
    """Return the size at which the fitted curve reaches `error`; infinite where it does not."""
    problem = candidate.fit.problem
    return float(
        size_for(
            candidate.family, candidate.fit.curve[None], error, problem.n0, problem.chance, reach(candidate, curve)
        )[0]
    )


def target(candidate: Candidate, curve: Curve, error: float, sure: Sureness) -> dict:
    """Return how many images the candidate needs for `error`: estimate, median, intervals, and how likely never."""
    smallest, largest = limits = reach(candidate, curve)
    largest /= REACH
    estimate = target_size(candidate, curve, error)
    row = dict.fromkeys(
        ("median", "low", "high", "low_80", "high_80", "planning", "p_never", "p_beyond", "low_delta", "high_delta"),
        NAN,
    )
    row |= {
        "estimate": estimate,
        "confidence": sure.level,
        "status": _reached(estimate, smallest, largest),
        "beyond": estimate > FAR * largest,
    }
    if not sure.allowed:
        return {**row, "status": f"{row['status']}; {sure.reason}"}
    resampled = candidate.sizes_for(error, limits)[1:]
    row["median"], row["low"], row["high"] = _held(interval(resampled, sure.units, sure.level, log=True), limits)
    _, row["low_80"], row["high_80"] = _held(interval(resampled, sure.units, 0.8, log=True), limits)
    row["planning"] = _held((upper_quantile(resampled, sure.units, 0.9, log=True),), limits)[0]
    row["p_never"] = float(np.isinf(resampled).mean())
    row["p_beyond"] = float((resampled > FAR * largest).mean())
    row["low_delta"], row["high_delta"] = delta_size(candidate, curve, error, limits, sure)
    row["beyond"] = row["median"] > FAR * largest
    row["status"] = _reached(row["median"], smallest, largest)
    return row


def _held(sizes: Iterable[float], limits: tuple[float, float]) -> tuple[float, ...]:
    """Return the sizes held to the smallest; those beyond the reach are never."""
    return tuple(float("inf") if size > limits[1] else max(float(size), limits[0]) for size in sizes)


def _reached(size: float, smallest: float, largest: float) -> str:
    if np.isinf(size):
        return "not reached"
    if size <= smallest:
        return "reached at the smallest size already"
    if size > FAR * largest:
        return f"extrapolated beyond {FAR} times the largest size"
    return "extrapolated" if size > largest else "within the sizes"


def predictions(candidate: Candidate, curve: Curve, n: Array, sure: Sureness) -> pd.DataFrame:
    """Return a row per size in `n`: the metric, its interval, and a band for one new run. What cannot be is refused."""
    errors = candidate.errors(n)
    possible = (errors >= 0) & (errors <= curve.highest)
    table = pd.DataFrame(
        {
            "n": n,
            "extrapolated": n > curve.sizes[-1],
            "status": np.where(possible, "predicted", "refused: the prediction cannot be"),
            "value": np.where(possible, curve.shown(errors), NAN),
        }
    )
    ends = dict.fromkeys(("", "_run", "_delta"), (np.full(len(n), NAN),) * 2)
    if sure.allowed:
        median, low, high = interval(candidate.resampled_errors(n), sure.units, sure.level, log=True)
        spread = stats.t.ppf(0.5 + sure.level / 2, sure.units - 1) * np.sqrt(_new_run_variance(curve, n, errors))
        ends[""] = low, high
        ends["_run"] = median - np.hypot(median - low, spread), median + np.hypot(high - median, spread)
        ends["_delta"] = delta_errors(candidate, curve, n, sure)
    for name, pair in ends.items():
        shown = curve.shown(np.clip(np.stack(pair), 0, curve.highest))
        table[f"low{name}"], table[f"high{name}"] = (np.where(possible, end, NAN) for end in np.sort(shown, axis=0))
    return table


def _new_run_variance(curve: Curve, n: Array, errors: Array) -> Array:
    """Return the variance of a new run about the curve: that of single runs and that of another test set."""
    between = np.exp(np.interp(np.log(n), np.log(curve.sizes), np.log(curve.run_variances())))
    share = np.clip(errors, 0, 1)
    test = share * (1 - share) / curve.n_test if curve.n_test and curve.highest == 1 else 0.0
    return between + test


def average(found: list[Candidate], n: Array) -> Array:
    """Return the errors (m,) at sizes `n`, averaged over the families by their Akaike weights; nan without any."""
    weighted = [c for c in found if usable(c) and np.isfinite(c.weight)]
    return sum((c.weight * c.errors(n) for c in weighted), np.zeros(len(n))) if weighted else np.full(len(n), np.nan)
