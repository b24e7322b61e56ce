"""Recipes of models: merging layers of settings, and detecting settings that contradict each other."""

import math
from collections.abc import Iterator

from trainsize.common import schema
from trainsize.common.errors import listing
from trainsize.datasets.catalogue import Dataset


def contradictions(recipe: dict, dataset: Dataset, subset: dict) -> Iterator[tuple[tuple, str]]:
    """Yield (keys, message) for settings of a recipe that contradict each other or the data set."""
    if recipe["optimizer"].get("nesterov") and not recipe["optimizer"]["momentum"]:
        yield ("optimizer", "nesterov"), "found true, which needs a momentum above 0"
    if recipe["batch_size"] % recipe["repeated_augmentation"]:
        found = recipe["repeated_augmentation"]
        yield ("repeated_augmentation",), f"found {found}, must divide the batch size {recipe['batch_size']}"
    for i, transform in enumerate(recipe["augmentation"]):
        if transform.get("smallest", 0) > transform.get("largest", 1):
            yield ("augmentation", i, "smallest"), f"found {transform['smallest']}, more than `largest`"
        if dataset.shape and (why := _idle(transform, dataset.shape)):
            yield ("augmentation", i), f"found '{transform['name']}', which would have no effect: {why}"
    for key, choice in (("selection", "best_on_validation"), ("schedule", "plateau")):
        if recipe[key]["name"] == choice and not subset["validation"]:
            yield (key,), f"found '{choice}', which needs validation images (subset.validation, or kfold)"
    if recipe["carried_through_folds"] and subset["method"] != "kfold":
        yield ("carried_through_folds",), f"found true, which needs kfold (subset.method is {subset['method']})"
    if recipe["scores"] == "last_batch" and recipe["gpus"] > 1:
        yield ("scores",), "found 'last_batch', which needs one process (gpus: 1)"
    for key in ("mean", "std") if recipe["normalisation"]["name"] == "constants" and dataset.shape else ():
        found, channels = len(recipe["normalisation"][key]), dataset.shape[2]
        if found != channels:
            message = f"found {found} numbers, but the images of {dataset.name} have {channels} channels"
            yield ("normalisation", key), message


def ignored_options(schedule: dict, layers: list[tuple[str, dict]]) -> Iterator[tuple[tuple, str]]:
    """Yield (keys, message) for an option of a schedule that is set but ignored because of another one.

    A model that extends another may override its option by the one that takes precedence.
    """

    def last_layer(option: str) -> int:
        options = [schema.split_choice({}, settings.get("schedule"))[1] for _, settings in layers]
        return max((i for i, stated in enumerate(options) if option in stated), default=-1)

    for option, ignored in (("warmup_passes", "warmup"), ("every_passes", "times")):
        if schedule.get(option) and schedule.get(ignored) and last_layer(ignored) >= last_layer(option):
            yield ("schedule", ignored), f"ignored, because {option} takes precedence; set only one of them"


def _idle(transform: dict, shape: tuple[int, int, int]) -> str:
    """Return why a transform has no effect on images of a shape (height, width, channels), or ""."""
    match transform["name"]:
        case "horizontal_flip" | "erasing" if not transform["probability"]:
            return "its probability is 0"
        case "resized_crop" if transform["smallest"] == 1 and shape[0] == shape[1]:
            return "`smallest` is 1, the whole image"
        case "shift" if transform["fraction"] * max(shape[:2]) < 1:
            height, width, _ = shape
            least = math.ceil(1e4 / max(height, width)) / 1e4
            found = f"{transform['fraction']:g} of {height}×{width} pixels is less than one"
            return f"{found} (use a fraction of {least:g} or more)"
        case "colour_jitter":
            amounts = ["brightness", "contrast", *(["saturation", "hue"] if shape[2] == 3 else [])]
            grey = "" if shape[2] == 3 else " (saturation and hue have no effect on grey images)"
            return "" if any(transform[name] for name in amounts) else f"set at least one of {listing(amounts)}{grey}"
    return ""


def dotted(keys: tuple) -> str:
    return ".".join(str(key) for key in keys if key != "")


def origin(keys: tuple, layers: list[tuple[str, dict]]) -> str:
    """Return the dotted path of the setting at `keys` in the last layer that sets it."""
    for layer, settings in reversed(layers):
        try:
            for key in keys:
                settings = settings[key]
        except (TypeError, KeyError, IndexError):
            continue
        return dotted((layer, *keys))
    return dotted((layers[-1][0], *keys))


def merge(below: dict, above: dict, rules: dict) -> dict:
    """Return the settings `below` overridden by `above`. A new choice by name drops the options of the old one."""
    merged = dict(below)
    for key, value in above.items():
        part = rules.get("properties", {}).get(key, {})
        if "named" in part and key in below:
            name, options = schema.split_choice(part, value)
            old_name, old_options = schema.split_choice(part, below[key])
            kept = old_options if name in (None, old_name) else {}
            merged[key] = {"name": name or old_name, **kept, **options}
        else:
            merged[key] = value
    return merged
