"""What every curve that answers questions can do, be it a fitted family or the forecast."""

from typing import Protocol

from trainsize.curves.confidence import Confidence
from trainsize.curves.families import Array, Range


class Predictor(Protocol):
    """A learning curve read at any size from its smallest on, and B curves that show how uncertain it is.

    Targets are searched up to `reach` times the largest measured size. `floor` is the error that the curve approaches,
    None where it has none. `whole` says that the B curves hold all that is uncertain; otherwise they are a bootstrap's,
    and intervals of few units have to be widened.
    """

    @property
    def name(self) -> str: ...

    @property
    def smallest(self) -> float: ...

    @property
    def reach(self) -> float: ...

    @property
    def floor(self) -> float | None: ...

    @property
    def whole(self) -> bool: ...

    def errors(self, n: Array) -> Array:
        """Return the errors (m,) at sizes `n`."""

    def resampled_errors(self, n: Array) -> Array:
        """Return the errors (B, m) at sizes `n` of the B curves."""

    def sizes_for(self, error: float | Array, limits: Range) -> Array:
        """Return the sizes (1 + B,) at which the curve and the B curves reach `error`, a number or (1 + B,).

        They are at least the lower of `limits`, and infinite beyond the upper or where the error is never reached.
        """

    def exponents(self, near: Range) -> Array:
        """Return the local exponents -d ln(e - floor) / d ln n (1 + B,) between two sizes close to each other."""


def units_of(predictor: Predictor, confidence: Confidence) -> float:
    """Return the number of units for which the predictor's intervals are widened; infinite where they need not be."""
    return float("inf") if predictor.whole else confidence.units
