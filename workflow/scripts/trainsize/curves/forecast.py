"""A curve read on by its damped trend and by families together: the answers' curve, unless a study asks for a family.

Which family is true is not known, and often none is. The width comes from the damped trend alone, which assumes none;
the centre is half way, in log error, between the trend's and that of the median of three families: combined forecasts
err less than single ones (Bates and Granger 1969). How often its intervals hold on real curves is in
docs/calibration.md.
"""

from dataclasses import dataclass, field

import numpy as np

from trainsize.common.errors import plural
from trainsize.curves.bootstrap import SEED, t_inflation
from trainsize.curves.curve import Curve
from trainsize.curves.families import FAMILIES, TREND, Array, Range, predict
from trainsize.curves.problem import problem_of
from trainsize.curves.search import fit_many
from trainsize.curves.trend import FEWEST_RECENT, PRIOR, Prior, drifts, posterior
from trainsize.runs.metrics import LOSS

REACH = 32.0  # times the largest size: as far as real curves could show how well it predicts
POINTS = 96  # sizes at which a trend is drawn, beside the measured ones
FAMILIES_OF_CENTRE = ("pow3", "pow4", "mmf4")
SHARE_OF_FAMILIES = 0.5
SMALLEST_ERROR = 1e-9


@dataclass(frozen=True)
class Forecast:
    """A predicted curve: ln e of its `centre` (k,) and of drawn curves, `paths` (B, k), at the ascending `sizes` (k,).

    Between the sizes it is a straight line on log-log axes. `weights` (G,) are those of the exponent's `drifts` (G,).
    """

    sizes: Array
    centre: Array
    paths: Array = field(repr=False)
    weights: Array
    drifts: Array

    name = TREND
    reach = REACH
    floor = None
    whole = True

    @property
    def smallest(self) -> float:
        return float(self.sizes[0])

    def errors(self, n: Array) -> Array:
        """Return the errors (m,) at sizes `n`."""
        return np.exp(self._at(self.centre[None], n)[0])

    def resampled_errors(self, n: Array) -> Array:
        """Return the errors (B, m) at sizes `n` of the drawn curves."""
        return np.exp(self._at(self.paths, n))

    def sizes_for(self, error: float | Array, limits: Range) -> Array:
        """Return the smallest size (1 + B,) at which the centre and the drawn curves reach `error`, of either shape.

        It is at least the lower of `limits`, and infinite where it would be beyond the upper or is never reached. Below
        the smallest size the curves go on at their first exponent.
        """
        curves, x = np.vstack([self.centre, self.paths]), np.log(self.sizes)
        level = np.broadcast_to(np.log(np.maximum(error, SMALLEST_ERROR)), len(curves))
        reached = curves <= level[:, None]
        after = np.maximum(reached.argmax(1), 1)
        rows = np.arange(len(curves))
        above, below = curves[rows, after - 1], curves[rows, after]
        with np.errstate(divide="ignore", invalid="ignore", over="ignore"):
            share = (above - level) / np.maximum(above - below, 0.0)
            size = np.exp(x[after - 1] + share * (x[after] - x[after - 1]))
        size = np.maximum(np.nan_to_num(size, nan=limits[0]), limits[0])
        return np.where(reached.any(1) & (size <= limits[1]), size, np.inf)

    def exponents(self, near: Range) -> Array:
        """Return the local exponent -d ln e / d ln n (1 + B,) of the centre and the drawn curves between two sizes."""
        values = self._at(np.vstack([self.centre, self.paths]), np.array(near))
        return -np.diff(values, axis=1)[:, 0] / np.log(near[1] / near[0])

    def _at(self, curves: Array, n: Array) -> Array:
        """Return ln e (..., m) of curves (..., k) at sizes `n` (m,), which are not below the smallest."""
        x, own = np.log(n), np.log(self.sizes)
        after = np.clip(np.searchsorted(own, x), 1, len(own) - 1)
        share = (x - own[after - 1]) / (own[after] - own[after - 1])
        return (1 - share) * curves[..., after - 1] + share * curves[..., after]


def forecast(curve: Curve, count: int, prior: Prior = PRIOR) -> Forecast:
    """Return the forecast of a curve, with `count` drawn curves. Raises ValueError, with the reason, if it has none."""
    if len(curve.sizes) < FEWEST_RECENT:
        raise ValueError(f"{plural(len(curve.sizes), 'size')}, {TREND} needs at least {FEWEST_RECENT}")
    if np.ptp(curve.means) == 0:
        raise ValueError("the metric is the same at every size")
    sizes = _drawn_sizes(curve)
    log_errors, noise = log_means(curve)
    known = posterior(prior, curve.sizes, log_errors, noise, sizes)
    trend = posterior(prior, curve.sizes, *log_means(curve, inflated=False), sizes).mean
    shift = centre(curve, sizes, trend) - known.mean
    paths = known.paths(count, np.random.default_rng(SEED)) if count else np.zeros((0, len(sizes)))
    drift = drifts(prior, curve.sizes, log_errors)
    return Forecast(sizes, known.mean + shift, paths + shift, known.weights, drift)


def log_means(curve: Curve, inflated: bool = True) -> tuple[Array, Array]:
    """Return the logarithms of the mean errors (m,) and their covariance (m, m), `inflated` for few units if asked.

    A mean without errors counts as half an error. What units share at all sizes is known from the units alone, the rest
    of the variance from all sizes together: each is inflated for its own degrees of freedom.
    """
    counts, means = curve.counts, curve.means
    images = curve.n_test if curve.kind != LOSS else None
    least = 0.5 / (images * counts) if images else means[means > 0].min() / 2
    lifted = np.maximum(means, least)
    deviations = np.sqrt(curve.variances() / counts) / lifted
    deviations = np.where(means > 0, deviations, np.maximum(deviations, 1.0))
    shared = curve.correlation()
    own, common = (1 - shared) * np.diag(deviations**2), shared * np.outer(deviations, deviations)
    if inflated:
        own, common = t_inflation(int((counts - 1).sum())) * own, t_inflation(curve.replicates - 1) * common
    return np.log(lifted), own + common


def centre(curve: Curve, sizes: Array, trend: Array) -> Array:
    """Return ln e (k,) of the centre at `sizes`: the mean of the `trend` and of the families, none of them rising.

    Beyond the largest size it is the mean of how far either falls from there; up to it, it is the trend.
    """
    beyond = sizes > curve.sizes[-1]
    last = np.flatnonzero(~beyond)[-1]
    fall = np.minimum(trend - trend[last], 0.0)
    families = _fall_of_families(curve, sizes[beyond])
    if families is not None:
        fall[beyond] = SHARE_OF_FAMILIES * families + (1 - SHARE_OF_FAMILIES) * fall[beyond]
    return np.where(beyond, trend[last] + fall, trend)


def _fall_of_families(curve: Curve, sizes: Array) -> Array | None:
    """Return by how much ln e (k,) falls from the largest size, of the families' median; None with too few sizes."""
    problem, at = problem_of(curve), np.append(curve.sizes[-1], sizes)
    families = [FAMILIES[name] for name in FAMILIES_OF_CENTRE]
    fitted = [
        predict(family, fit_many(family, problem, curve.means[None]), at, problem.n0, problem.chance)[0]
        for family in families
        if len(curve.sizes) >= family.fewest_sizes
    ]
    if not fitted:
        return None
    median = np.log(np.maximum(np.median(fitted, axis=0), SMALLEST_ERROR))
    return np.minimum(median[1:] - median[0], 0.0)


def _drawn_sizes(curve: Curve) -> Array:
    """Return the sizes (k,) at which curves are drawn: the measured ones, and more from the smallest to the reach."""
    between = np.geomspace(curve.sizes[0], REACH * curve.sizes[-1], POINTS)
    apart = ~np.isclose(between[:, None], curve.sizes, rtol=0.01).any(1)
    return np.sort(np.concatenate([curve.sizes, between[apart]]))
