"""The images that two independent subsets share by chance, per class and in total.

Within a class of N images, independent uniform subsets of a and b images share a number of images with a
hypergeometric distribution; the classes are independent. Everything is conditional on the class counts, so it holds for
any method that draws uniformly within classes, and for a plain random draw too.
"""

from functools import lru_cache

import numpy as np
from scipy import special, stats

# Probabilities below this share of the largest are dropped; sums over a class are then exact to about 1e-15.
_NEGLIGIBLE = 1e-18
# Above this standard deviation, the sum over classes is treated as normal, which changes p by less than 0.002.
_NORMAL_FROM = 30.0


def moments(a: np.ndarray, b: np.ndarray, total: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return mean ab/N and variance ab(N-a)(N-b)/(N²(N-1)) per class; zeros for a class without images."""
    a, b, total = (np.asarray(x, dtype=np.float64) for x in (a, b, total))
    size = np.maximum(total, 1)
    return a * b / size, a * b * (total - a) * (total - b) / (size**2 * np.maximum(total - 1, 1))


@lru_cache(maxsize=8192)
def common_images(a: int, b: int, total: int) -> tuple[int, np.ndarray]:
    """Return the distribution of the images shared by a and b of `total`: the smallest number, and probabilities."""
    low, high = max(0, a + b - total), min(a, b)
    k = np.arange(low, high + 1)
    logs = _log_choose(a, k) + _log_choose(total - a, b - k)
    return _trimmed(low, np.exp(logs - logs.max()))


def _log_choose(n: int, k: np.ndarray) -> np.ndarray:
    return special.gammaln(n + 1) - special.gammaln(k + 1) - special.gammaln(n - k + 1)


def _trimmed(low: int, weights: np.ndarray) -> tuple[int, np.ndarray]:
    """Return the weights as probabilities without negligible ones at both ends, and the new smallest number."""
    kept = np.flatnonzero(weights > _NEGLIGIBLE * weights.max())
    weights = weights[kept[0] : kept[-1] + 1]
    return low + int(kept[0]), weights / weights.sum()


def p_value(common: int, a: np.ndarray, b: np.ndarray, total: np.ndarray) -> float:
    """Return the two-sided p-value of `common` images in all classes together: twice the smaller tail, at most 1.

    Exact, by convolving the classes' distributions, if the sum has a small variance; otherwise by the normal
    distribution with continuity correction.
    """
    mean, variance = (float(moment.sum()) for moment in moments(a, b, total))
    if variance >= _NORMAL_FROM**2:
        beyond = max(abs(common - mean) - 0.5, 0.0) / np.sqrt(variance)
        return float(min(1.0, 2 * stats.norm.sf(beyond)))
    low, probabilities = 0, np.ones(1)
    for x, y, size in zip(a, b, total, strict=True):
        start, of_class = common_images(int(x), int(y), int(size))
        low, probabilities = _trimmed(low + start, np.convolve(probabilities, of_class))
    index = common - low
    below, above = probabilities[: max(index + 1, 0)].sum(), probabilities[max(index, 0) :].sum()
    return float(min(1.0, 2 * min(below, above)))


def expected_largest_share(a: np.ndarray, b: np.ndarray, total: np.ndarray) -> float:
    """Return the expected maximum over the classes of (common images) / a.

    Computed as E max = ∫ (1 - Π F_c(t)) dt over the possible shares; classes with equal counts have the same
    distribution F. The result is 0 if `a` has no images.
    """
    if not np.any(a):
        return 0.0
    kinds, times = np.unique(np.stack([a, b, total])[:, np.asarray(a) > 0], axis=1, return_counts=True)
    distributions = [(kind[0], *common_images(*map(int, kind))) for kind in kinds.T]
    shares = [(low + np.arange(len(p))) / size for size, low, p in distributions]
    grid = np.unique(np.concatenate(shares))
    log_all_below = np.zeros(len(grid))
    for (_, _, p), share, count in zip(distributions, shares, times, strict=True):
        below = np.concatenate([[0.0], np.minimum(np.cumsum(p), 1.0)])
        with np.errstate(divide="ignore"):
            log_all_below += count * np.log(below[np.searchsorted(share, grid, side="right")])
    return float(grid[0] + ((1 - np.exp(log_all_below[:-1])) * np.diff(grid)).sum())


def sorted_share_band(
    a: np.ndarray, b: np.ndarray, total: np.ndarray, rng: np.random.Generator, level: float = 0.95, repeats: int = 400
) -> tuple[np.ndarray, np.ndarray]:
    """Return the band, by rank, of the classes' shares in descending order for independent draws.

    Simulated with `repeats` pairs of subsets with these counts.
    """
    a, b, total = (np.asarray(x)[np.asarray(a) > 0] for x in (a, b, total))
    simulated = np.sort(rng.hypergeometric(a, total - a, b, size=(repeats, len(a))) / a, axis=1)[:, ::-1]
    low, high = np.quantile(simulated, [0.5 - level / 2, 0.5 + level / 2], axis=0)
    return low, high
