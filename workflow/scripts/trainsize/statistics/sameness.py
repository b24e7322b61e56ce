"""Repetitions that agree to the last digit: by chance, or because they are not independent."""

from dataclasses import dataclass
from math import comb

import numpy as np
from scipy.special import erf

CHANCE = 0.001  # a lower probability of agreeing by chance is a question
MANY_IMAGES = 100_000  # stands for a test set of unknown size; few are larger
# Without a size that shows a spread: the variance between runs, as a share of that of sampling the test set. That is
# the spread of two networks that disagree on a tenth of the images that one of them gets wrong.
LEAST_SPREAD = 0.05
_ROUNDING = 1e-12  # of 1 - accuracy in double precision


@dataclass(frozen=True)
class Sameness:
    """How repetitions agree exactly, with an upper bound `p` of the probability that independent ones do.

    `everywhere`: all of them, at every size that has several. `constant`: and at every size alike; `guessing`: at the
    value of guessing. `copies`: pairs of indices of repetitions that agree at every size. `sizes`: indices of the sizes
    at which all of them agree although nothing forces them to.
    """

    everywhere: bool
    constant: bool
    guessing: bool
    copies: tuple[tuple[int, int], ...]
    sizes: tuple[int, ...]
    p: float

    @property
    def unlikely(self) -> bool:
        return self.p < CHANCE

    def words(self, units: list[str], sizes: list[str], unit: str, metric: str) -> str:
        """Say which repetitions agree, by the names of the repetitions and sizes and of what they are and measure."""
        every, exactly = f"all {len(units)} {unit}s gave", f"exactly the same {metric} at"
        if self.everywhere:
            return f"{every} {exactly} every size"
        if self.copies:
            pairs = ", ".join(f"{units[a]} and {units[b]}" for a, b in self.copies[:5])
            return f"{unit}s {pairs} gave {exactly} every size"
        return f"{every} {exactly} {' and '.join(sizes[j] for j in self.sizes[:5])}"


def sameness(
    errors: np.ndarray, is_share: bool, step: float = 1.0, n_test: int | None = None, chance: float = np.nan
) -> Sameness:
    """Compare repetitions with each other: `errors` (S, m) of S of them at m ascending sizes, nan where there is none.

    `step` is the smallest difference that the numbers can show; the smallest that they do show counts where repetitions
    differ at all. `chance` is the error of guessing. Agreeing needs no explanation without errors, at the error of
    guessing (1 - 1/K for K classes), or at the largest size, which may be the whole data set.

    A number of spread σ, rounded to `step`, is its most frequent value with probability erf(step / (√8 σ)). P is that
    of so many ties, times the number of ways to choose the repetitions, or the sizes, that agree.
    """
    counts = np.isfinite(errors).sum(0)
    same = (counts > 1) & (_range(errors) <= _ROUNDING)
    means = np.nanmean(errors, axis=0)
    everywhere = bool((counts > 1).any() and same[counts > 1].all())
    tie = _tie(errors, means, is_share, step if everywhere else smallest_step(errors), n_test)
    constant = bool(len(means) > 1 and np.nanmax(errors) - np.nanmin(errors) <= _ROUNDING)
    guessed = _is_guessed(means, is_share, chance)
    tie[guessed | (means <= _ROUNDING)] = 1.0
    tie[-1] = 1.0
    copies = _copies(errors)
    suspect = np.flatnonzero(same & (tie < 1))
    p_copies = _p_copies(errors, copies, tie)
    p_sizes = comb(len(tie), len(suspect)) * float(np.prod(tie[suspect] ** (counts[suspect] - 1)))
    return Sameness(
        everywhere=everywhere,
        constant=constant,
        guessing=constant and bool(guessed[0]),
        copies=tuple(copies) if p_copies <= p_sizes else (),
        sizes=tuple(map(int, suspect)),
        p=min(1.0, 2 * min(p_copies, p_sizes)),
    )


def smallest_step(errors: np.ndarray) -> float:
    """Return the smallest difference between any two different values, and at most 1.

    No number rounded to a step, or counted in a test set, differs from another by less.
    """
    steps = np.diff(np.unique(errors[np.isfinite(errors)]))
    steps = steps[steps > _ROUNDING]
    return float(steps.min(initial=1.0))


def _range(errors: np.ndarray) -> np.ndarray:
    return np.nanmax(errors, axis=0) - np.nanmin(errors, axis=0)


def _tie(errors: np.ndarray, means: np.ndarray, is_share: bool, step: float, n_test: int | None) -> np.ndarray:
    """Return a bound of the probability that one more repetition agrees, at each size (m,).

    The spread is relative to that of sampling, √(p (1 - p)), or, of a loss, to its mean: its mean over the sizes, those
    that show none included.
    """
    scale = np.sqrt(np.maximum(means * (1 - means), 0)) if is_share else means
    several = (np.isfinite(errors).sum(0) > 1) & (scale > 0)
    relative = np.nanstd(errors[:, several], axis=0, ddof=1) / scale[several]
    if not (relative > _ROUNDING).any():
        relative = np.sqrt(LEAST_SPREAD / (n_test or MANY_IMAGES))
    return erf(step / np.maximum(np.sqrt(8) * np.mean(relative) * scale, 1e-300))


def _is_guessed(means: np.ndarray, is_share: bool, chance: float) -> np.ndarray:
    """Whether the error is that of guessing: `chance`, or 1 - 1/K of a share."""
    guessed = np.isclose(means, chance, rtol=0, atol=1e-9)
    if is_share:
        classes = 1 / np.maximum(1 - means, _ROUNDING)
        guessed |= (classes > 1.5) & np.isclose(classes, np.round(classes), rtol=1e-9, atol=0)
    return guessed


def _copies(errors: np.ndarray) -> list[tuple[int, int]]:
    """Return each repetition that agrees with an earlier one wherever both have a value, with that one before it."""
    found = []
    for later in range(len(errors)):
        for earlier in range(later):
            difference = np.abs(errors[later] - errors[earlier])
            if np.isfinite(difference).any() and np.nanmax(difference) <= _ROUNDING:
                found.append((earlier, later))
                break
    return found


def _p_copies(errors: np.ndarray, copies: list[tuple[int, int]], tie: np.ndarray) -> float:
    if not copies:
        return 1.0
    shared = [np.isfinite(errors[[a, b]]).all(0) for a, b in copies]
    return float(np.prod([min(1.0, comb(len(errors), 2) * np.prod(tie[both])) for both in shared]))
