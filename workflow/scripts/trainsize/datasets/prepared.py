"""A prepared data set, as written by the download stage and opened by later stages.

Its folder holds `train_images.npy` and `test_images.npy` (uint8, images × height × width × channels),
`train_labels.npy` and `test_labels.npy` (int64) and `manifest.json`. Images that are only listed have no
arrays of pixels. The manifest has checksums of every array and of itself.
"""

from collections.abc import Iterable
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path

import numpy as np

from trainsize.common.errors import UserError, unreadable
from trainsize.common.files import file_hash, read_json, write_with_checksum


def write_manifest(folder: Path, facts: dict, arrays: Iterable[str]) -> None:
    """Write the manifest of the data set in `folder`, with the checksums of its `arrays` (file names)."""
    write_with_checksum(
        folder / "manifest.json", {**facts, "files": {name: _checksum(folder / name) for name in arrays}}
    )


def _checksum(path: Path) -> str:
    return file_hash(path, "sha256")


@dataclass(frozen=True)
class Prepared:
    """A prepared data set. The arrays are memory-mapped: they stay on disk until they are indexed.

    An array is compared with its checksum when it is first opened. Raises UserError if it is damaged.
    """

    folder: Path
    _opened: dict[str, np.ndarray] = field(default_factory=dict, compare=False, repr=False)

    @cached_property
    def manifest(self) -> dict:
        return read_json(self.folder / "manifest.json")

    def images(self, split: str) -> np.ndarray:
        """Return uint8, images × height × width × channels. Raises UserError if the images are only listed."""
        if self.manifest["shape"] is None:
            raise UserError(
                f"{self.folder}: its images are only listed, so no model can be trained on them; set the size to "
                "prepare them at (dataset.format.size)"
            )
        return self._array(f"{split}_images")

    def labels(self, split: str) -> np.ndarray:
        """Return int64, one per image, from 0."""
        return self._array(f"{split}_labels")

    def _array(self, name: str) -> np.ndarray:
        if name not in self._opened:
            self._opened[name] = self._open(self.folder / f"{name}.npy")
        return self._opened[name]

    def _open(self, path: Path) -> np.ndarray:
        advice = f"delete {self.folder} and run snakemake again"
        try:
            checksum = _checksum(path)
        except OSError as error:
            raise unreadable(path, error, advice) from error
        if checksum != self.manifest.get("files", {}).get(path.name):
            raise UserError(f"{path}: damaged or replaced: its checksum is not the one in manifest.json; {advice}")
        return np.load(path, mmap_mode="r", allow_pickle=False)
