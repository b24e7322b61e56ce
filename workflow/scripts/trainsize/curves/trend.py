"""The damped trend: a learning curve as a process whose local exponent drifts, fitted to no family of curves.

On log-log axes, with x = ln n, the log error falls at the local exponent b(x), which returns to a typical one and is
pushed off it at random: an Ornstein-Uhlenbeck process. Its integral is a Gaussian process, so what the measured means
say about any other size follows in closed form. Forecasts of time series damp their trends too (Gardner and McKenzie
1985). The covariance is that of the integrated Ornstein-Uhlenbeck process (Taylor, Cumberland and Sy 1994).
"""

from dataclasses import dataclass

import numpy as np
from scipy import stats
from scipy.special import logsumexp

from trainsize.curves.families import Array

RECENT = 4.0  # sizes down to the largest / 4 tell how fast the exponent drifts
FEWEST_RECENT = 3
VOLATILITIES = np.linspace(-2.5, 2.5, 11)  # in standard deviations of the prior of ln volatility
FIRST_SD = 10.0  # prior standard deviation of ln e at the smallest size: nothing is known about it


@dataclass(frozen=True)
class Prior:
    """What learning curves are like; sizes count as ln n.

    `damping` is the rate at which the exponent returns to the typical `exponent`. `volatility` is how fast it drifts,
    per square root of ln n and as a share of the exponent at the largest sizes; `spread` is the standard deviation of
    ln volatility between curves. `first` is the standard deviation of the exponent at the smallest size.
    """

    damping: float
    exponent: float
    volatility: float
    spread: float
    first: float


# Fitted by benchmarks/real_curves.py to 46 curves of classifiers on five image data sets (docs/calibration.md).
PRIOR = Prior(damping=0.25, exponent=0.053, volatility=0.39, spread=0.74, first=0.18)


@dataclass(frozen=True)
class Posterior:
    """ln e at k sizes: a mixture of G normal distributions, one for each volatility.

    `weights` are (..., G), `means` (..., G, k) and `covariances` (..., G, k, k), for the leading axes of the data.
    """

    weights: Array
    means: Array
    covariances: Array

    @property
    def mean(self) -> Array:
        """The mean (..., k)."""
        return (self.weights[..., None] * self.means).sum(-2)

    @property
    def deviations(self) -> Array:
        """The standard deviations (..., G, k)."""
        return np.sqrt(np.maximum(np.diagonal(self.covariances, axis1=-2, axis2=-1), 0.0))

    def paths(self, count: int, rng: np.random.Generator) -> Array:
        """Return `count` draws (count, k) of a single curve's ln e at all sizes together."""
        drawn = [
            rng.multivariate_normal(mean, covariance, size=number, method="eigh", check_valid="ignore")
            for number, mean, covariance in zip(
                rng.multinomial(count, self.weights), self.means, self.covariances, strict=True
            )
        ]
        return rng.permutation(np.concatenate(drawn))


def posterior(prior: Prior, sizes: Array, log_errors: Array, noise: Array, at: Array) -> Posterior:
    """Return what is known about ln e at sizes `at` (k,), from means `log_errors` (..., m) at ascending `sizes` (m,).

    `noise` (..., m, m) is the covariance of the means. Sizes in `at` are at least the smallest measured one.
    """
    last = log_errors[..., -1:]
    typical = prior.exponent * np.log(sizes / sizes[0])
    y = (log_errors - last + typical)[..., None, :, None]  # constant if every exponent is the typical one
    measured, across, unknown = _joint(prior, drifts(prior, sizes, log_errors), sizes, noise, at)
    gain = np.swapaxes(np.linalg.solve(measured, across), -1, -2)
    fit = (y * np.linalg.solve(measured, y)).sum((-1, -2)) + np.linalg.slogdet(measured)[1]
    weights = stats.norm.logpdf(VOLATILITIES) - fit / 2
    means = (gain @ y)[..., 0] - prior.exponent * np.log(at / sizes[0])
    return Posterior(
        weights=np.exp(weights - logsumexp(weights, axis=-1, keepdims=True)),
        means=means + last[..., None],
        covariances=unknown - gain @ across,
    )


def variances_with(prior: Prior, drift: Array, sizes: Array, noise: Array, at: Array) -> Array:
    """Return the variances (G, k) of ln e at sizes `at` that means with covariance `noise` (m, m) would leave."""
    measured, across, unknown = _joint(prior, drift, sizes, noise, at)
    return np.diagonal(unknown - np.swapaxes(across, -1, -2) @ np.linalg.solve(measured, across), axis1=-2, axis2=-1)


def drifts(prior: Prior, sizes: Array, log_errors: Array) -> Array:
    """Return the drifts (..., G) of the exponent, per square root of ln n, from log errors (..., m)."""
    scale = np.hypot(recent_exponent(sizes, log_errors), prior.exponent)
    return scale[..., None] * prior.volatility * np.exp(prior.spread * VOLATILITIES)


def _joint(prior: Prior, drift: Array, sizes: Array, noise: Array, at: Array) -> tuple[Array, Array, Array]:
    """Return the prior covariances of the measured ln e with noise (..., m, m), across (..., m, k) and at `at`."""
    x = np.log(np.concatenate([sizes, at]) / sizes[0])
    led = -np.expm1(-prior.damping * x) / prior.damping  # how far a first exponent of 1 has led
    start = FIRST_SD**2 + prior.first**2 * np.outer(led, led)
    joint = start + drift[..., None, None] ** 2 * _covariance(prior.damping, x)
    m = len(sizes)
    return joint[..., :m, :m] + noise[..., None, :, :], joint[..., :m, m:], joint[..., m:, m:]


def recent_exponent(sizes: Array, log_errors: Array) -> Array:
    """Return the exponent (...) of the line through the largest sizes on log-log axes, of log errors (..., m)."""
    recent = max(FEWEST_RECENT, int((sizes >= sizes[-1] / RECENT * (1 - 1e-9)).sum()))
    x = np.log(sizes[-recent:])
    x = x - x.mean()
    return -(log_errors[..., -recent:] @ x) / (x @ x)


def _covariance(damping: float, x: Array) -> Array:
    """Return the covariance (k, k) of the integrated Ornstein-Uhlenbeck process that starts at 0 and has drift 1."""
    fading = np.exp(-damping * x)
    fading_sum = fading[:, None] + fading
    apart, product = np.exp(-damping * np.abs(x[:, None] - x)), fading[:, None] * fading
    return (2 * (damping * np.minimum(x[:, None], x) - 1 + fading_sum) - apart - product) / (2 * damping**3)
