"""The options of the analysis, and the facts about the data set that it uses."""

from collections.abc import Sequence
from dataclasses import dataclass, field

from trainsize.curves.families import DEFAULT_FAMILIES, TREND
from trainsize.runs.metrics import Metric


@dataclass(frozen=True)
class Options:
    """The options of the analysis; `targets` and `margins` are by metric, in the metric's own unit.

    The answers come from the `extrapolation`: damped_trend, or chosen_family.
    """

    families: tuple[str, ...] = DEFAULT_FAMILIES
    targets: dict[str, list[float]] = field(default_factory=dict)
    margins: dict[str, float] = field(default_factory=dict)
    leave_out: tuple[int, ...] = ()
    confidence: float = 0.95
    bootstrap: int = 2000
    allow_few_seeds: bool = False
    robust: bool = False
    extrapolation: str = TREND
    purpose: str = "target"
    hours: float | None = None

    def margin(self, metric: Metric) -> float:
        """Return the difference that does not matter."""
        return self.margins.get(metric.name, metric.margin)


@dataclass(frozen=True)
class Data:
    """The numbers of test images, of test images per class, and of training images; None where unknown."""

    n_test: int | None = None
    class_counts: Sequence[int] | None = None
    n_train: int | None = None


UNKNOWN = Data()
