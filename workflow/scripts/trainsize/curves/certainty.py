"""How sure an answer is: what its intervals rest on, or why there are none."""

from dataclasses import dataclass

from trainsize.common.errors import counted
from trainsize.curves.measured import Curve

FEWEST_UNITS, ENOUGH_UNITS = 3, 5


@dataclass(frozen=True)
class Sureness:
    """How intervals are made: their level, the number and kind of units they rest on, and why there are none, if so."""

    level: float
    units: int
    unit: str
    reason: str

    @property
    def allowed(self) -> bool:
        return not self.reason

    @property
    def note(self) -> str:
        """Why there are no intervals, or what they rest on."""
        if self.reason:
            return self.reason
        few = f"; with fewer than {ENOUGH_UNITS} they are wide and uncertain" if self.units < ENOUGH_UNITS else ""
        return f"intervals from {self.units} {self.unit}s{few}"


def sureness(curve: Curve, level: float, allow_few: bool) -> Sureness:
    """Say whether the curve has enough independent units for intervals."""
    units, reason = curve.replicates, ""
    if units < 2:
        reason = f"no intervals: a size with {counted(units, curve.unit)} shows no spread"
    elif units < FEWEST_UNITS and not allow_few:
        reason = f"no intervals: {units} {curve.unit}s, at least {FEWEST_UNITS} are needed (allow_few_seeds overrides)"
    return Sureness(level, units, curve.unit, reason)
