"""The stored predictions of a run."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from trainsize.common.tables import read_arrow


@dataclass(frozen=True)
class Predictions:
    """Labels and most probable classes (images,) of a run's test images; a run that diverged has none."""

    labels: np.ndarray
    classes: np.ndarray

    @property
    def correct(self) -> np.ndarray:
        return self.classes == self.labels


def read_predictions(path: Path, source: bytes | None = None) -> Predictions:
    """Read a run's predictions from its file or, where that has been read already, from its bytes.

    Raises UserError naming a file that is missing or damaged.
    """
    table = read_arrow(path, source, columns=["label", "class_1"])
    return Predictions(table["label"].to_numpy(), table["class_1"].to_numpy())
