"""A prepared data set, as the download stage leaves it and every later stage opens it.

Its folder holds `train_images.npy` and `test_images.npy` (uint8, images × height × width × channels),
`train_labels.npy` and `test_labels.npy` (int64) and `manifest.json`. Of images that are only listed there are no arrays
of pixels. The manifest has the checksum of every array, and of itself.
"""

from collections.abc import Iterable
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path

import numpy as np

from trainsize.common.errors import UserError
from trainsize.common.files import file_hash, read_json, write_sealed


def write_manifest(folder: Path, facts: dict, arrays: Iterable[str]) -> None:
    """Write the manifest of a data set whose `arrays` (file names) lie in `folder`."""
    write_sealed(folder / "manifest.json", {**facts, "files": {name: _checksum(folder / name) for name in arrays}})


def _checksum(path: Path) -> str:
    return file_hash(path, "sha256")


@dataclass(frozen=True)
class Prepared:
    """A prepared data set, opened; the arrays stay on disk until they are indexed.

    An array is compared with its checksum when it is first opened. Raises UserError for one that is damaged.
    """

    folder: Path
    _opened: dict[str, np.ndarray] = field(default_factory=dict, compare=False, repr=False)

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
        if name not in self._opened:
            self._opened[name] = self._open(self.folder / f"{name}.npy")
        return self._opened[name]

    def _open(self, path: Path) -> np.ndarray:
        again = f"delete {self.folder} and run snakemake again"
        try:
            found = _checksum(path)
        except OSError as error:
            raise UserError(f"{path}: cannot be read ({error}); {again}") from error
        if found != self.manifest.get("files", {}).get(path.name):
            raise UserError(f"{path}: damaged or exchanged, its checksum is not the one in manifest.json; {again}")
        return np.load(path, mmap_mode="r", allow_pickle=False)
