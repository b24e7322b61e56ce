"""Networks, optimisers and learning-rate schedules by the names that study files use."""

import math
from collections.abc import Callable

import torch
from torch import nn

from trainsize.streams import torch_seed

Shape = tuple[int, int, int]  # channels, height, width


def cnn(shape: Shape, n_classes: int, channels: list[int], dropout: float) -> nn.Module:
    """Return 3×3 convolutions with batch norm and ReLU, pooled by 2 after each but the first, and a classifier."""
    layers, (inputs, height, width) = [], shape
    for i, outputs in enumerate(channels):
        layers += [nn.Conv2d(inputs, outputs, 3, padding=1, bias=False), nn.BatchNorm2d(outputs), nn.ReLU()]
        if i > 0 and min(height, width) > 2:
            layers.append(nn.MaxPool2d(2))
            height, width = height // 2, width // 2
        inputs = outputs
    return nn.Sequential(*layers, nn.Flatten(), nn.Dropout(dropout), nn.Linear(inputs * height * width, n_classes))


def mlp(shape: Shape, n_classes: int, hidden: list[int], dropout: float) -> nn.Module:
    """Return fully connected layers with ReLU and dropout, and a classifier."""
    layers, inputs = [nn.Flatten()], math.prod(shape)
    for outputs in hidden:
        layers += [nn.Linear(inputs, outputs), nn.ReLU(), nn.Dropout(dropout)]
        inputs = outputs
    return nn.Sequential(*layers, nn.Linear(inputs, n_classes))


ARCHITECTURES: dict[str, Callable[..., nn.Module]] = {"cnn": cnn, "mlp": mlp}
OPTIMIZERS = {"sgd": torch.optim.SGD, "adam": torch.optim.Adam, "adamw": torch.optim.AdamW}


def build(architecture: dict, shape: Shape, n_classes: int, seed: int) -> nn.Module:
    """Return the network that the recipe's `architecture` names, its weights from the seed's own stream."""
    name, options = _named(architecture)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(torch_seed(seed, "initialisation"))
        return ARCHITECTURES[name](shape, n_classes, **options)


def make_optimizer(optimizer: dict, model: nn.Module) -> torch.optim.Optimizer:
    """Return the optimiser that the recipe's `optimizer` names, over all parameters of `model`."""
    name, options = _named(optimizer)
    return OPTIMIZERS[name](model.parameters(), fused=True, **options)


def rate_factor(schedule: dict, step: int, total: int) -> float:
    """Return the factor on the learning rate for update `step` (from 0) of `total`."""
    warmup = schedule["warmup"] * total
    if step < warmup:
        return (step + 1) / (warmup + 1)
    if schedule["name"] == "constant":
        return 1.0
    return 0.5 * (1 + math.cos(math.pi * (step - warmup) / (total - warmup)))


def _named(choice: dict) -> tuple[str, dict]:
    return choice["name"], {key: value for key, value in choice.items() if key != "name"}


def count_parameters(model: nn.Module) -> int:
    return sum(parameter.numel() for parameter in model.parameters() if parameter.requires_grad)


def flops_per_image(model: nn.Module, shape: Shape) -> int:
    """Return the floating-point operations (a multiplication and an addition are two) of one image's forward pass."""
    from torch.utils.flop_counter import FlopCounterMode

    training = model.training
    model.eval()
    with FlopCounterMode(display=False) as counter, torch.no_grad():
        model(next(model.parameters()).new_zeros(1, *shape))
    model.train(training)
    return counter.get_total_flops()
