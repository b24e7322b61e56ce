"""The weighted least-squares problem that a family of curves is fitted to."""

from dataclasses import dataclass, field

import numpy as np

from trainsize.curves.curve import Curve
from trainsize.curves.families import UNBOUNDED, Array, Family, Floor, Range
from trainsize.runs.metrics import LOSS


@dataclass(frozen=True)
class Problem:
    """What a family is fitted to: sizes (m,), weights (m,), the range of the floor c, and the error of guessing."""

    sizes: Array
    weights: Array
    floor: Range
    chance: float = 1.0
    n0: float = field(init=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "n0", float(np.exp(np.log(self.sizes).mean())))

    def bounds(self, family: Family) -> Array:
        """Return the logarithms of the bounds of the shape, (q, 2)."""
        x = self.sizes / self.n0
        ranges = np.array(family.bounds(x.min(), x.max())).reshape(-1, 2)
        if family.curve:  # its floor is searched with the shape, and must stay below the error of guessing
            ranges[0, 1] = max(min(self.floor[1], 0.99 * self.chance), 2 * ranges[0, 0])
        return np.log(ranges)

    def floor_of(self, family: Family) -> Range:
        return {Floor.ANY: UNBOUNDED, Floor.ZERO: (0.0, 0.0)}.get(family.floor, self.floor)


def problem_of(curve: Curve, kept: Array | slice = slice(None)) -> Problem:
    """Return the weighted problem of the sizes `kept`.

    The floor lies between 0 and the largest mean; that of a loss has no upper limit.
    """
    limit = 1e9 if curve.kind == LOSS else float(curve.means[kept].max())
    return Problem(curve.sizes[kept], curve.weights()[kept], (0.0, limit), curve.chance)
