"""What the intervals of a curve rest on, or why there are none."""

from dataclasses import dataclass

from trainsize.common.errors import plural
from trainsize.curves.curve import Curve

FEWEST_UNITS, ENOUGH_UNITS = 3, 5


@dataclass(frozen=True)
class Confidence:
    """The level of a curve's intervals and the independent units they rest on; `reason` says why there are none."""

    level: float
    units: int
    unit: str
    reason: str

    @property
    def allowed(self) -> bool:
        return not self.reason

    @property
    def note(self) -> str:
        """What the intervals rest on, or why there are none."""
        if self.reason:
            return self.reason
        few = f"; with fewer than {ENOUGH_UNITS} they are wide and uncertain" if self.units < ENOUGH_UNITS else ""
        return f"intervals from {self.units} {self.unit}s{few}"


def confidence_of(curve: Curve, level: float, allow_few: bool, in_question: bool = False) -> Confidence:
    """Decide whether the curve has enough independent units for intervals.

    `in_question`: its units were found to agree as independent ones do not, and were made one.
    """
    units, reason = curve.replicates, ""
    if in_question:
        reason = "no intervals and no tests: the runs may be copies of each other"
    elif units < 2:
        reason = f"no intervals: a size with {plural(units, curve.unit)} shows no spread"
    elif units < FEWEST_UNITS and not allow_few:
        reason = f"no intervals: {units} {curve.unit}s, at least {FEWEST_UNITS} are needed (allow_few_seeds overrides)"
    return Confidence(level, units, curve.unit, reason)
