"""Checkpoints: what a killed run goes on from."""

import time
import zipfile
from pathlib import Path

import torch

from trainsize.common.errors import UserError
from trainsize.common.files import assert_there, canonical_json, whole


class Checkpoints:
    """Saves the state of a run from time to time, and gives the newest whole one back.

    The last two are kept, so that a damaged one can be done without. A checkpoint of another identity (settings, code,
    data) is never given back.
    """

    NAMES = ("checkpoint.pt", "checkpoint-before.pt")

    def __init__(self, folder: Path, identity: dict, every: float):
        """Keep checkpoints in `folder`, `every` seconds or, where saving is slow, 20 times what the last save took."""
        self.paths = [folder / name for name in self.NAMES]
        self.identity, self.every, self.last = canonical_json(identity), every, time.monotonic()

    def due(self) -> bool:
        return time.monotonic() - self.last >= self.every

    def save(self, state: dict) -> None:
        """Save `state`: tensors, numbers, texts, and lists and dicts of them.

        Where that fails, because the disk is full or away for one, the one before is kept and training goes on.
        """
        start = time.monotonic()
        newest, before = self.paths
        try:
            assert_there(newest.parent)
            with whole(newest) as partial:
                torch.save({"identity": self.identity, "state": state}, partial)
                if newest.exists():
                    newest.replace(before)
        except (OSError, RuntimeError, UserError) as error:  # PyTorch's writer raises the latter
            print(f"  no checkpoint could be saved ({error}); going on", flush=True)
        self.last = time.monotonic()
        self.every = max(self.every, 20 * (self.last - start))

    def load(self, device: torch.device) -> dict | None:
        """Return the newest state that is whole and of this identity, or None."""
        for path in self.paths:
            try:
                _check(path)
                saved = torch.load(path, map_location=device, weights_only=True)
            except FileNotFoundError:
                continue
            except torch.OutOfMemoryError:
                raise
            # What a damaged file makes of the readers is any of a dozen exceptions.
            except Exception as error:
                print(f"  {path.name} is damaged and left out ({type(error).__name__})", flush=True)
                continue
            if saved["identity"] == self.identity:
                return saved["state"]
            print(f"  {path.name} is of other settings, code or data and left out", flush=True)
        return None

    def clear(self) -> None:
        for path in self.paths:
            path.unlink(missing_ok=True)


def _check(path: Path) -> None:
    """Raise an exception unless every part of the file has its checksum, which PyTorch writes and does not compare."""
    with zipfile.ZipFile(path) as file:
        if damaged := file.testzip():
            raise zipfile.BadZipFile(damaged)
