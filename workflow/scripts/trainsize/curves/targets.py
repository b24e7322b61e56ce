"""How many training images a target needs."""

from collections.abc import Iterable
from dataclasses import dataclass, replace

import numpy as np

from trainsize.curves.bootstrap import interval, upper_quantile
from trainsize.curves.choosing import Candidate
from trainsize.curves.confidence import Confidence
from trainsize.curves.curve import Curve
from trainsize.curves.delta_method import delta_size
from trainsize.curves.families import Range
from trainsize.curves.predictor import Predictor, units_of

FAR = 10  # beyond this many times the largest size an answer is flagged
FEWER_ERRORS = {0.25: "a quarter fewer errors than at the largest size", 0.5: "half the errors of the largest size"}


@dataclass(frozen=True)
class Target:
    """A value of the metric to reach, and its origin: stated, or how it was set."""

    value: float
    origin: str

    def error(self, curve: Curve) -> float:
        """Return the target as an error, as the curve is fitted to."""
        return float(curve.shown(np.array(self.value)))


@dataclass(frozen=True)
class TargetSize:
    """The images that a target needs: of the fitted curve, and the resampled curves' median and intervals (else nan).

    Sizes are infinite where the target is not reached within `reach` times the largest size. `planning` is enough with
    90 % confidence. `p_never` is the share of the curves that do not reach it, `p_beyond` that of those that need more
    than ten times the largest size.
    """

    estimate: float
    confidence: float
    status: str
    beyond: bool
    reach: float
    median: float = np.nan
    low: float = np.nan
    high: float = np.nan
    low_80: float = np.nan
    high_80: float = np.nan
    planning: float = np.nan
    p_never: float = np.nan
    p_beyond: float = np.nan
    low_delta: float = np.nan
    high_delta: float = np.nan


def targets_of(curve: Curve, stated: Iterable[float]) -> list[Target]:
    """Return the stated targets or, without any, two shares of the errors at the largest size."""
    targets = [Target(float(value), "stated") for value in stated]
    if targets or not curve.means[-1]:  # without errors, there is no quarter of them
        return targets
    return [Target(float(curve.shown((1 - share) * curve.means[-1])), text) for share, text in FEWER_ERRORS.items()]


def limits_of(predictor: Predictor, curve: Curve) -> Range:
    """Return the sizes between which targets are searched."""
    return predictor.smallest, float(predictor.reach * curve.sizes[-1])


def fitted_size(predictor: Predictor, curve: Curve, error: float) -> float:
    """Return the size at which the curve itself reaches `error`; infinite where it does not."""
    return float(predictor.sizes_for(error, limits_of(predictor, curve))[0])


def target_size(predictor: Predictor, curve: Curve, error: float, confidence: Confidence) -> TargetSize:
    """Return how many images are needed for `error`."""
    limits, largest = limits_of(predictor, curve), float(curve.sizes[-1])
    estimate, *resampled = predictor.sizes_for(error, limits)
    of = {"smallest": limits[0], "largest": largest}
    size = TargetSize(estimate, confidence.level, _reached(estimate, **of), estimate > FAR * largest, predictor.reach)
    if not confidence.allowed:
        return replace(size, status=f"{size.status}; {confidence.reason}")
    resampled, units = np.array(resampled), units_of(predictor, confidence)
    median, low, high = _limited(interval(resampled, units, confidence.level, log=True), limits)
    _, low_80, high_80 = _limited(interval(resampled, units, 0.8, log=True), limits)
    delta = dict.fromkeys(("low_delta", "high_delta"), np.nan)
    if isinstance(predictor, Candidate):
        delta = dict(zip(delta, delta_size(predictor, curve, error, limits, confidence), strict=True))
    return replace(
        size,
        status=_reached(median, **of),
        beyond=median > FAR * largest,
        median=median,
        low=low,
        high=high,
        low_80=low_80,
        high_80=high_80,
        planning=_limited((upper_quantile(resampled, units, 0.9, log=True),), limits)[0],
        p_never=float(np.isinf(resampled).mean()),
        p_beyond=float((resampled > FAR * largest).mean()),
        **delta,
    )


def _limited(sizes: Iterable[float], limits: tuple[float, float]) -> tuple[float, ...]:
    """Return the sizes, at least the smallest; those beyond the largest are infinite."""
    return tuple(float("inf") if size > limits[1] else max(float(size), limits[0]) for size in sizes)


def _reached(size: float, smallest: float, largest: float) -> str:
    if np.isinf(size):
        return "not reached"
    if size <= smallest:
        return "already reached at the smallest size"
    if size > FAR * largest:
        return f"extrapolated to more than {FAR} times the largest size"
    return "extrapolated" if size > largest else "within the measured sizes"
