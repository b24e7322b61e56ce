"""Figures of recipes: the learning rate over the updates, and the augmentation."""

import numpy as np
import torch
from matplotlib import pyplot as plt
from matplotlib.figure import Figure
from matplotlib.ticker import NullFormatter

from trainsize.figures.axes import line_styles, mark_every, updates_axis
from trainsize.figures.data import mosaic
from trainsize.figures.source import Tables
from trainsize.runs.budget import Batches
from trainsize.runs.streams import torch_seed
from trainsize.training.augmentation import Augmentation
from trainsize.training.optimisation import rate_factor
from trainsize.training.selection import Plateau

MOST_STEPS = 1000  # points of a line of learning rates
VERSIONS, IMAGES = 7, 2  # augmented versions per image, and images per recipe


def schedule(tables: Tables) -> Figure:
    """Draw the models' learning rates over the updates for the smallest and largest size; equal ones once."""
    figure, ax = plt.subplots(figsize=(6.4, 3.6))
    drawn: dict[tuple, list[str]] = {}
    for model in tables.models:
        sizes = tables.settings["grid"]["model_sizes"][model]
        for n in dict.fromkeys((sizes[0], sizes[-1])):
            steps, rates = learning_rates(tables, model, n)
            drawn.setdefault((tuple(steps), tuple(rates)), []).append(f"{model}, n = {n:,}")
    labels = [_joined(names) if len(drawn) > 1 else "all models and sizes" for names in drawn.values()]
    for (steps, rates), (label, style) in zip(drawn, line_styles(labels).items(), strict=True):
        ax.plot(steps, rates, label=label, markevery=mark_every(len(steps)), **style)
    positive = [rate for _, rates in drawn for rate in rates if rate > 0]
    if max(positive) > 100 * min(positive) and len(drawn) > 1:
        ax.set_yscale("log")
        ax.yaxis.set_minor_formatter(NullFormatter())
    else:
        ax.set_ylim(bottom=0)
    ax.set_ylabel("learning rate")
    updates_axis(ax)
    ax.legend(ncols=1 + (len(drawn) > 8))
    return figure


def _joined(names: list[str]) -> str:
    return names[0] + (f" and {len(names) - 1} more" if len(names) > 1 else "")


def learning_rates(tables: Tables, model: str, n: int) -> tuple[np.ndarray, np.ndarray]:
    """Return updates, at most MOST_STEPS of them, and the learning rate of each.

    With a plateau schedule, the reductions are those of the first run of the size.
    """
    recipe, images = tables.settings["recipes"][model], tables.trained_on(model, n)
    batches = Batches.of(recipe, images)
    total = batches.updates(tables.settings["budgets"][model])
    steps = np.unique(np.linspace(0, total - 1, MOST_STEPS).astype(int))
    reductions = _reductions(tables, model, n, recipe["schedule"], steps)
    factors = [
        rate_factor(recipe["schedule"], int(step), total, batches.per_pass, count)
        for step, count in zip(steps, reductions, strict=True)
    ]
    return steps, recipe["optimizer"]["lr"] * np.array(factors)


def _reductions(tables: Tables, model: str, n: int, settings: dict, steps: np.ndarray) -> list[int]:
    """Return the number of reductions of a plateau schedule up to each step."""
    rows = tables.history
    rows = rows[(rows["model"] == model) & (rows["n"] == n) & (rows["split"] == "validation")]
    plateau, counts = Plateau(settings), {0: 0}
    if settings["name"] == "plateau" and len(rows):
        first = rows[(rows["draw"] == rows["draw"].iloc[0]) & (rows["seed"] == rows["seed"].iloc[0])]
        for row in first.sort_values("step").to_dict("records"):
            plateau.update([row])
            counts[row["step"]] = plateau.reductions
    evaluated = np.array(list(counts))
    return [counts[evaluated[evaluated <= step].max()] for step in steps.tolist()]


def augmentation(tables: Tables) -> Figure:
    """Draw some training images and augmented versions of each, for every different augmentation."""
    recipes = {model: tables.settings["recipes"][model] for model in tables.models}
    kinds: dict[str, list[str]] = {}
    for model, recipe in recipes.items():
        key = repr([recipe[name] for name in ("augmentation", "mixup", "cutmix")])
        if recipe["augmentation"] or recipe["mixup"] or recipe["cutmix"]:
            kinds.setdefault(key, []).append(model)
    labels, images = tables.data.labels("train"), tables.data.images("train")
    rows = [int(np.flatnonzero(labels == label)[0]) for label in np.unique(labels)[:IMAGES]]
    originals = torch.from_numpy(np.array(images[rows])).permute(0, 3, 1, 2).float() / 255
    tiles, names = [], []
    for models in kinds.values():
        versions = augmented(recipes[models[0]], originals)
        tiles += [torch.stack([image, *changed]) for image, changed in zip(originals, versions.unbind(1), strict=True)]
        names += [_joined(models), *[""] * (len(originals) - 1)]
    figure, ax = plt.subplots(figsize=(6.6, 0.5 + 0.68 * len(tiles)))
    mosaic(ax, torch.stack(tiles).permute(0, 1, 3, 4, 2).numpy(), names)
    return figure


def augmented(recipe: dict, images: torch.Tensor) -> torch.Tensor:
    """Return augmented images (VERSIONS × images × channels × height × width, from 0 to 1)."""
    fill = images.mean((0, 2, 3)).view(-1, 1, 1)
    augment = Augmentation(recipe, fill, torch_seed(0, "augmentation"))
    return torch.stack([augment.mix(augment(images))[0] for _ in range(VERSIONS)])
