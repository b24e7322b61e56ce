"""The parameters of a fitted curve, with their errors and intervals."""

from dataclasses import dataclass

import numpy as np
from scipy import stats

from trainsize.curves.choosing import Candidate
from trainsize.curves.confidence import Confidence
from trainsize.curves.curve import Curve
from trainsize.curves.delta_method import parameter_covariance
from trainsize.curves.families import Array
from trainsize.curves.fitting import Fit, derivative, replaced


@dataclass(frozen=True)
class Parameter:
    """A parameter of a family's formula; one at a bound of its range has neither error nor interval (nan)."""

    term: str
    estimate: float
    standard_error: float
    low: float
    high: float
    errors: str  # cluster or classical: what the standard error assumes
    at_bound: bool


def parameters(candidate: Candidate, curve: Curve, confidence: Confidence) -> list[Parameter]:
    """Return the parameters that the family reports, in the order of its terms."""
    fit = candidate.fit
    clustered = confidence.allowed
    covariance = parameter_covariance(fit, curve) if clustered else classical_covariance(fit)
    freedom = confidence.units - 1 if clustered else len(fit.problem.sizes) - len(fit.free)
    n0, free = fit.problem.n0, fit.free
    slopes = derivative(
        lambda p: np.array(fit.family.reported(*replaced(fit.curve, free, p), n0), dtype=float), fit.curve[list(free)]
    )
    described = []
    for term, estimate, slope in zip(fit.family.terms, fit.reported, slopes, strict=True):
        bound = term in fit.bound
        error = np.nan if bound or freedom < 1 else float(np.sqrt(max(slope @ covariance @ slope, 0.0)))
        half = stats.t.ppf(0.5 + confidence.level / 2, freedom) * error if freedom > 0 else np.nan
        ends = float(estimate - half), float(estimate + half)
        errors = "cluster" if clustered else "classical"
        described.append(Parameter(term, float(estimate), error, *ends, errors, bound))
    return described


def classical_covariance(fit: Fit) -> Array:
    """Return s² (J'WJ)^-1, s² being the weighted residual variance: the usual linear approximation."""
    free = len(fit.problem.sizes) - len(fit.free)
    normal = (fit.jacobian.T * fit.problem.weights) @ fit.jacobian
    return np.linalg.pinv(normal) * fit.cost / free if free > 0 else np.full_like(normal, np.nan)
