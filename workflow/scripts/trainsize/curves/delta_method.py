"""The cluster-robust delta method, against which the bootstrap's intervals can be checked."""

from collections.abc import Callable

import numpy as np
from scipy import stats

from trainsize.curves.choosing import Candidate
from trainsize.curves.confidence import Confidence
from trainsize.curves.curve import Curve
from trainsize.curves.families import Array, predict, size_for
from trainsize.curves.fitting import Fit, derivative, replaced


def parameter_covariance(fit: Fit, curve: Curve) -> Array:
    """Return the cluster-robust covariance of the free parameters (c, a, shape ...), from whole units' residuals.

    It is A C A' with A = (J'WJ)^-1 J'W, J the derivatives of the fitted errors, W the weights and C the covariance of
    the means over units.
    """
    kept = np.isin(curve.sizes, fit.problem.sizes)
    weighted = fit.jacobian.T * fit.problem.weights
    influence = np.linalg.pinv(weighted @ fit.jacobian) @ weighted
    return influence @ curve.covariance()[np.ix_(kept, kept)] @ influence.T


def delta_errors(candidate: Candidate, curve: Curve, n: Array, confidence: Confidence) -> tuple[Array, Array]:
    """Return the ends of the intervals of the errors at sizes `n`, computed on the logarithm."""
    problem = candidate.fit.problem

    def log_errors(c: Array) -> Array:
        return np.log(np.maximum(predict(candidate.family, c, n, problem.n0, problem.chance), 1e-12))

    return _interval(candidate.fit, curve, confidence, log_errors)


def delta_size(
    candidate: Candidate, curve: Curve, error: float, limits: tuple[float, float], confidence: Confidence
) -> tuple[float, float]:
    """Return the ends of the interval of the size for `error`, computed on the logarithm.

    They are nan where the curve does not reach it between the `limits`.
    """
    problem = candidate.fit.problem

    def log_size(c: Array) -> Array:
        return np.log(size_for(candidate.family, c[None], error, problem.n0, problem.chance, limits))

    if not np.log(limits[0]) < log_size(candidate.fit.curve)[0] < np.log(limits[1]):
        return np.nan, np.nan
    low, high = _interval(candidate.fit, curve, confidence, log_size)
    return float(low[0]), float(high[0])


def _interval(
    fit: Fit, curve: Curve, confidence: Confidence, logarithms: Callable[[Array], Array]
) -> tuple[Array, Array]:
    """Return the ends of the t-intervals of quantities whose logarithms `logarithms(curve)` gives."""
    gradient = derivative(lambda p: logarithms(replaced(fit.curve, fit.free, p)), fit.curve[list(fit.free)])
    variance = np.einsum("kp,pq,kq->k", gradient, parameter_covariance(fit, curve), gradient)
    t = stats.t.ppf(0.5 + confidence.level / 2, confidence.units - 1)
    half = t * np.sqrt(np.maximum(variance, 0.0))
    estimate = logarithms(fit.curve)
    return tuple(np.exp(np.clip(end, -700, 700)) for end in (estimate - half, estimate + half))
