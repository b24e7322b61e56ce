"""Whether bfloat16 pays on this machine: an update in either number format, measured once and remembered."""

import json
import time
from collections.abc import Iterator
from pathlib import Path
from statistics import median

from trainsize.common.files import write_json
from trainsize.common.provenance import processor
from trainsize.study.study import Study

FORMATS = ("float32", "bfloat16")
REPEATS = 5
FLOPS = 2e11  # of the images of a timed update, so that no network takes longer than some seconds on a core
SAME = 0.05  # relative difference that a busy machine makes by itself


def precision_notes(
    study: Study, settings: dict[str, str], flops: dict[str, int], results: Path, threads: int
) -> Iterator[str]:
    """Yield a sentence for each model in bfloat16: how long an update takes on this machine's CPU in either format.

    `settings` are the hashes of the models' settings, and `flops` the floating-point operations of a forward pass on
    one image. What was measured is kept in `results/{study}/precision.json`.
    """
    file = results / study.name / "precision.json"
    known = _read(file)
    for model, recipe in study.models.items():
        if recipe["precision"] != "bfloat16":
            continue
        key = f"{settings[model]} {processor()} {threads}"
        if key not in known:
            known[key] = seconds_per_update(study, recipe, flops[model], threads)
            write_json(file, known)
        yield f"{model}: {_in_words(known[key])}"


def _read(file: Path) -> dict[str, dict[str, float]]:
    try:
        return json.loads(file.read_bytes())
    except (OSError, ValueError):
        return {}


def seconds_per_update(study: Study, recipe: dict, flops: int, threads: int) -> dict[str, float]:
    """Return the median seconds of an update on random images by number format, measured in turns. Imports PyTorch."""
    import torch

    from trainsize.training.architectures import build
    from trainsize.training.images import Images
    from trainsize.training.processes import ALONE
    from trainsize.training.trainer import Trainer

    torch.set_num_threads(threads)
    height, width, channels = study.dataset.pixels()
    shape, classes = (channels, height, width), len(study.dataset.classes)
    count = max(2, min(recipe["batch_size"], int(FLOPS / (3 * max(flops, 1)))))
    of_channels = torch.full((channels, 1, 1), 0.5)
    pixels = torch.randint(0, 256, (count, *shape), dtype=torch.uint8)
    images = Images(pixels, torch.arange(count) % classes, of_channels, of_channels)
    trainers = {}
    for name in FORMATS:
        settings = {
            "model": {**recipe, "precision": name},
            "budget": {"updates": REPEATS + 1},
            "evaluation": study.evaluation,
        }
        trainers[name] = Trainer(build(recipe, shape, classes, 0), [{"train": images}], settings, 0, ALONE)
        trainers[name].update()  # the first one allocates memory
    seconds = {name: [] for name in FORMATS}
    for _ in range(REPEATS):
        for name, trainer in trainers.items():
            start = time.perf_counter()
            trainer.update()
            seconds[name].append(time.perf_counter() - start)
    return {name: median(values) for name, values in seconds.items()}


def _in_words(seconds: dict[str, float]) -> str:
    ratio = seconds["bfloat16"] / seconds["float32"]
    measured = f"an update in bfloat16 takes {ratio:.2f} times as long as in float32 on this machine's CPU"
    if ratio > 1 + SAME:
        return f"{measured}; `precision: float32` is faster here, and more precise"
    return f"{measured}, so it pays here" if ratio < 1 - SAME else f"{measured}; it saves no time here"
