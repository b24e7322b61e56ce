"""A prepared data set, as the download stage leaves it and every later stage opens it.

Its folder holds `train_images.npy` and `test_images.npy` (uint8, images × height × width × channels),
`train_labels.npy` and `test_labels.npy` (int64) and `manifest.json`. Of images that are only listed there are no arrays
of pixels.
"""

from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np

from trainsize.errors import UserError
from trainsize.files import read_json


@dataclass(frozen=True)
class Prepared:
    """A prepared data set, opened; the arrays stay on disk until they are indexed."""

    folder: Path

    @cached_property
    def manifest(self) -> dict:
        return read_json(self.folder / "manifest.json")

    def images(self, split: str) -> np.ndarray:
        """uint8, images × height × width × channels. Raises UserError for a data set whose images are only listed."""
        if self.manifest["shape"] is None:
            raise UserError(
                f"{self.folder}: its images are only listed, so nothing can be trained on them; say to which size they "
                "are to be prepared (dataset.format.size)"
            )
        return self._array(f"{split}_images")

    def labels(self, split: str) -> np.ndarray:
        """int64, one per image, from 0."""
        return self._array(f"{split}_labels")

    def _array(self, name: str) -> np.ndarray:
        path = self.folder / f"{name}.npy"
        try:
            return np.load(path, mmap_mode="r", allow_pickle=False)
        except (OSError, ValueError) as error:
            raise UserError(
                f"{path}: cannot be read ({error}); delete {self.folder} and run snakemake again"
            ) from error
