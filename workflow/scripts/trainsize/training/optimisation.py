"""Optimisers and learning-rate schedules by the names that study files use."""

import math

import torch
from torch import nn

OPTIMIZERS = {
    "sgd": torch.optim.SGD,
    "adam": torch.optim.Adam,
    "adamw": torch.optim.AdamW,
    "rmsprop": torch.optim.RMSprop,
}
FUSED = ("sgd", "adam", "adamw")
NORM_LAYERS = (nn.modules.batchnorm._BatchNorm, nn.GroupNorm, nn.LayerNorm)


def make_optimizer(settings: dict, model: nn.Module) -> torch.optim.Optimizer:
    """Return the optimiser of a recipe over all parameters of `model`.

    `norm_weight_decay`, where it is not None, is the weight decay of the normalisation layers' parameters.
    """
    options = {key: value for key, value in settings.items() if key not in ("name", "norm_weight_decay")}
    if settings["name"] in FUSED:
        options["fused"] = True
    return OPTIMIZERS[settings["name"]](_groups(model, settings["norm_weight_decay"]), **options)


def _groups(model: nn.Module, norm_weight_decay: float | None) -> list[dict]:
    if norm_weight_decay is None:
        return [{"params": list(model.parameters())}]
    of_norms = {id(p) for layer in model.modules() if isinstance(layer, NORM_LAYERS) for p in layer.parameters()}
    return [
        {"params": [p for p in model.parameters() if id(p) not in of_norms]},
        {"params": [p for p in model.parameters() if id(p) in of_norms], "weight_decay": norm_weight_decay},
    ]


def rate_factor(schedule: dict, step: int, total: int, per_pass: float, reductions: int = 0) -> float:
    """Return the factor on the learning rate for update `step` (from 0) of `total`, `per_pass` of them to a pass.

    A warm-up rises to 1 over a share of all updates. The rest, a share t in [0, 1) of which is done, follows the name:
    step: gamma^⌊t·times⌋, so that there are `times` levels; exponential: final^t; cosine: half a cosine from 1 to 0;
    inverse_time: 1 / (1 + decay·step), as Keras' older optimisers do; plateau: factor^reductions, with the `reductions`
    so far. `every_passes` makes a step after so many passes, and `warmup_passes` a warm-up of so many. Both make the
    rates depend on the size: published mistakes.
    """
    passes = schedule.get("warmup_passes")
    warmup = schedule["warmup"] * total if passes is None else passes * per_pass
    if step < warmup:
        return (step + 1) / (warmup + 1)
    done = (step - warmup) / max(total - warmup, 1)
    match schedule["name"]:
        case "step":
            passes = schedule["every_passes"]
            steps = int(step // (passes * per_pass)) if passes else math.floor(done * schedule["times"] + 1e-9)
            return schedule["gamma"] ** steps
        case "exponential":
            return schedule["final"] ** done
        case "cosine":
            return 0.5 * (1 + math.cos(math.pi * done))
        case "plateau":
            return schedule["factor"] ** reductions
        case "inverse_time":
            return 1 / (1 + schedule["decay"] * step)
        case _:
            return 1.0
