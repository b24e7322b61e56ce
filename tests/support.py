"""What tests share beside fixtures: where the project is, a model's recipe, a run's record, and independent runs."""

from pathlib import Path

import numpy as np
from PIL import Image

from trainsize.common.schema import with_defaults
from trainsize.runs.record import Device, Record
from trainsize.runs.run import Run
from trainsize.study.schema import study_schema

ROOT = Path(__file__).resolve().parents[1]
LIBRARY = "workflow/scripts/trainsize"
PATIENCE = 1800  # seconds that a command may take: only one that hangs should fail, on however slow a host


def write_photos(folder: Path, train: int, test: int, file: str) -> None:
    """Write random photos of 8×8 pixels into `folder`: so many of each of the classes cat and dog.

    `file` is the name of each, with its number in braces.
    """
    rng = np.random.default_rng(0)
    for split, count in (("train", train), ("val", test)):
        for name in ("cat", "dog"):
            place = folder / split / name
            place.mkdir(parents=True)
            for k in range(count):
                Image.fromarray(rng.integers(0, 256, (8, 8, 3), dtype=np.uint8)).save(place / file.format(k))


def evaluation(**settings) -> dict:
    """Return the settings of an evaluation with their defaults, but on all images unless `settings` say otherwise."""
    schema = study_schema()
    return with_defaults({"images": "all", **settings}, schema["properties"]["evaluation"], schema)


def recipe(architecture="mlp", **settings) -> dict:
    """Return the recipe of a model with every default written out."""
    schema = study_schema()
    value = {"architecture": architecture, "batch_size": 8, "optimizer": {"name": "sgd", "lr": 0.1}, **settings}
    return with_defaults(value, schema["$defs"]["recipe"], schema)


def record(study: str, run: Run, **changes) -> Record:
    """Return the record of a run, finished unless `changes` say otherwise."""
    hashes = dict.fromkeys(("settings_hash", "code", "dataset_content", "subset_content"), "")
    counts = dict.fromkeys(("parameters", "flops_per_image", "updates", "images_seen", "images_evaluated"), 1)
    texts = {"status": "finished", "reason": "", "started": "", "finished": "2026-11-21", "host": ""}
    others = {"settings": {}, "final": {}, "seconds": {}, "versions": {}, "commit": None, "dirty": None}
    device = Device("cpu", "a laptop", 1)
    return Record(**{"study": study, **vars(run), **hashes, **counts, **texts, **others, "device": device, **changes})


def independent_errors(rng, levels: np.ndarray, repetitions: int, images: int, stability: float = 0.3) -> np.ndarray:
    """Return errors (repetitions, sizes) of independent runs with these expected errors (sizes,), on one test set.

    Each image has its own probability of being wrong. The smaller `stability` is, the more runs agree on the images: at
    0.1 they disagree on a fifth of the expected errors.
    """
    hard = [rng.beta(stability * level, stability * (1 - level), images) for level in levels]
    return np.stack([(rng.random((repetitions, images)) < of_images).mean(1) for of_images in hard], axis=1)
