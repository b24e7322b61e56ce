"""Samples of a run's images: what its checkpoints look at where all images would cost more than the training.

The last checkpoint, or the selected one, is scored once more: on the whole test set, and on more training images.
"""

ALL = "all"


def sample_size(split: str, images: int, evaluation: dict, recipe: dict) -> int | None:
    """Return how many of a split's images a checkpoint looks at, or None for all of them.

    A checkpoint is selected, and training ended, by all the images there are.
    """
    selects = split == "validation" or (split == "test" and recipe["selection"]["name"] == "best_on_test")
    return None if selects or recipe["scores"] != "whole" else _fewer(evaluation["images"], images)


def final_size(split: str, images: int, evaluation: dict) -> int | None:
    """Return how many of a split's images the final scores look at, no fewer than a checkpoint, or None for all."""
    if split != "train" or ALL in (evaluation["images"], evaluation["train_images"]):
        return None
    return _fewer(max(evaluation["images"], evaluation["train_images"]), images)


def _fewer(limit: int | str, images: int) -> int | None:
    return None if limit == ALL or limit >= images else limit


def images_evaluated(checkpoints: int, images: dict[str, int], evaluation: dict, recipe: dict) -> int:
    """Return the images that a run evaluates at so many checkpoints and at its end; `images` has each split's."""
    total = 0
    for split, available in images.items():
        sample = sample_size(split, available, evaluation, recipe)
        total += checkpoints * (available if sample is None else sample)
        if sample is not None:
            total += final_size(split, available, evaluation) or available
    return total
