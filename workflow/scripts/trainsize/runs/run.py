"""Runs: the coordinates of one training, their folder, and what makes two runs the same."""

import re
from collections.abc import Sequence
from dataclasses import dataclass, fields
from itertools import product
from pathlib import Path

from trainsize.common.errors import UserError
from trainsize.common.files import canonical_json, digest

FILES = ("history.parquet", "predictions.parquet", "run.json")
RUN_FOLDER = "runs/{model}/n{n}/draw{draw}/seed{seed}"
_RUN_PATH = re.compile(r"runs/(?P<model>[^/]+)/n(?P<n>\d+)/draw(?P<draw>\d+)/seed(?P<seed>\d+)$")


@dataclass(frozen=True, order=True)
class Run:
    """The coordinates of one training."""

    model: str
    n: int
    draw: int
    seed: int

    @property
    def folder(self) -> Path:
        """The run's folder, relative to the study's results."""
        return Path(RUN_FOLDER.format(**vars(self)))

    @classmethod
    def from_folder(cls, folder: Path) -> "Run":
        match = _RUN_PATH.search(folder.as_posix())
        if match is None:
            raise UserError(f"{folder}: not a run's folder, which ends in {RUN_FOLDER}")
        return cls(match["model"], int(match["n"]), int(match["draw"]), int(match["seed"]))


COORDINATES = [field.name for field in fields(Run)]


@dataclass(frozen=True)
class Pack:
    """Draws and seeds that share a training job per model and size. Folders may contain wildcards in braces."""

    name: str
    label: str
    folders: tuple[str, ...]


def packs(pairs: Sequence[tuple[int, int]], size: int) -> list[Pack]:
    """Split (draw, seed) pairs into packs of `size`; for size 1, return one pack with wildcards, which is faster."""
    if size == 1:
        return [Pack("training", "draw{draw}/seed{seed}", (RUN_FOLDER,))]
    return [_pack(pairs[start : start + size]) for start in range(0, len(pairs), size)]


def _pack(pairs: Sequence[tuple[int, int]]) -> Pack:
    folders = [RUN_FOLDER.replace("{draw}", str(draw)).replace("{seed}", str(seed)) for draw, seed in pairs]
    first, last = (f"draw{draw}-seed{seed}" for draw, seed in (pairs[0], pairs[-1]))
    label = first if first == last else f"{first}-to-{last}"
    return Pack(f"training_{label.replace('-', '_')}", label, tuple(folders))


def settings_hash(settings: dict) -> str:
    return digest(canonical_json(settings))


def grid_runs(grid: dict) -> list[Run]:
    """Return the runs of `Study.grid()`."""
    return [
        Run(model, n, draw, seed)
        for model in grid["models"]
        for n, (draw, seed) in product(grid["model_sizes"][model], grid["pairs"])
    ]
