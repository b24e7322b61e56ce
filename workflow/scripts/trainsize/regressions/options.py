"""What of the regressions can be chosen, and what is known of the data set."""

from collections.abc import Sequence
from dataclasses import dataclass, field

from trainsize.curves.choosing import DEFAULT_FAMILIES


@dataclass(frozen=True)
class Options:
    """What of the analysis can be chosen; `targets` and `margins` are by metric, in the metric's own unit."""

    families: tuple[str, ...] = DEFAULT_FAMILIES
    targets: dict[str, list[float]] = field(default_factory=dict)
    margins: dict[str, float] = field(default_factory=dict)
    leave_out: tuple[int, ...] = ()
    confidence: float = 0.95
    bootstrap: int = 2000
    allow_few_seeds: bool = False
    robust: bool = False
    purpose: str = "target"
    hours: float | None = None


@dataclass(frozen=True)
class Data:
    """What is known of the data set: numbers of test images, of test images per class, and of training images."""

    n_test: int | None = None
    class_counts: Sequence[int] | None = None
    n_train: int | None = None


UNKNOWN = Data()
