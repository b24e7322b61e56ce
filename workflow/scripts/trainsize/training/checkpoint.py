"""Checkpoints: the saved state from which a killed run resumes."""

import time
import zipfile
from pathlib import Path

import torch

from trainsize.common.errors import UserError, why
from trainsize.common.files import atomic_write, canonical_json, require_folder


class Checkpoints:
    """Saves the state of a run from time to time, and loads the newest undamaged one.

    The last two are kept, in case one is damaged. A checkpoint of another identity (settings, code, data) is never
    loaded.
    """

    NAMES = ("checkpoint.pt", "checkpoint-before.pt")

    def __init__(self, folder: Path, identity: dict, every: float):
        """Save in `folder` after `every` seconds or, where saving is slow, 20 times as long as the last save took."""
        self.paths = [folder / name for name in self.NAMES]
        self.identity, self.every, self.last = canonical_json(identity), every, time.monotonic()

    def due(self) -> bool:
        return time.monotonic() - self.last >= self.every

    def save(self, state: dict) -> None:
        """Save `state`: tensors, numbers, strings, and lists and dicts of them.

        If that fails, for example because the disk is full, the previous checkpoint is kept and training continues.
        """
        start = time.monotonic()
        newest, before = self.paths
        try:
            require_folder(newest.parent)
            with atomic_write(newest) as partial:
                torch.save({"identity": self.identity, "state": state}, partial)
                if newest.exists():
                    newest.replace(before)
        except (OSError, RuntimeError, UserError) as error:  # PyTorch's writer raises the latter
            print(f"  cannot save a checkpoint ({error}); training continues", flush=True)
        self.last = time.monotonic()
        self.every = max(self.every, 20 * (self.last - start))

    def load(self, device: torch.device) -> dict | None:
        """Return the newest undamaged state of this identity, or None."""
        for path in self.paths:
            try:
                _check(path)
                saved = torch.load(path, map_location=device, weights_only=True)
            except FileNotFoundError:
                continue
            except torch.OutOfMemoryError:
                raise
            # A damaged file makes the readers raise any of a dozen exceptions.
            except Exception as error:
                print(f"  {path.name} is damaged ({why(error)}); ignored", flush=True)
                continue
            if saved["identity"] == self.identity:
                return saved["state"]
            print(f"  {path.name} belongs to other settings, code or data; ignored", flush=True)
        return None

    def clear(self) -> None:
        for path in self.paths:
            path.unlink(missing_ok=True)


def _check(path: Path) -> None:
    """Raise an exception unless every part of the file matches its checksum, which PyTorch does not compare."""
    with zipfile.ZipFile(path) as file:
        if damaged := file.testzip():
            raise zipfile.BadZipFile(damaged)
