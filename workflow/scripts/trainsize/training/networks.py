"""Generic networks that a study file can name."""

import math
from collections.abc import Callable

from torch import nn

Shape = tuple[int, int, int]  # channels, height, width
SMALL_IMAGE = 64  # pixels; smaller images get a stem that keeps their resolution


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
    return nn.Sequential(nn.Flatten(), *dense(math.prod(shape), hidden, dropout, n_classes))


def dense(inputs: int, hidden: list[int], dropout: float, n_classes: int) -> list[nn.Module]:
    layers = []
    for outputs in hidden:
        layers += [nn.Linear(inputs, outputs), nn.ReLU(), nn.Dropout(dropout)]
        inputs = outputs
    return [*layers, nn.Linear(inputs, n_classes)]


def resnet(name: str) -> Callable[[Shape, int], nn.Module]:
    def resnet(shape: Shape, n_classes: int) -> nn.Module:
        from torchvision import models

        model = getattr(models, name)(num_classes=n_classes)
        small = min(shape[1:]) < SMALL_IMAGE
        if small:
            model.maxpool = nn.Identity()
        if small or shape[0] != 3:
            size = {"kernel_size": 3, "padding": 1} if small else {"kernel_size": 7, "padding": 3, "stride": 2}
            model.conv1 = nn.Conv2d(shape[0], 64, bias=False, **size)
            nn.init.kaiming_normal_(model.conv1.weight, mode="fan_out", nonlinearity="relu")
        return model

    return resnet


def mobilenet_v2(shape: Shape, n_classes: int) -> nn.Module:
    """Return torchvision's MobileNetV2; for small images its first two strides are 1."""
    from torchvision import models

    model = models.mobilenet_v2(num_classes=n_classes)
    small = min(shape[1:]) < SMALL_IMAGE
    if small or shape[0] != 3:
        model.features[0][0] = nn.Conv2d(shape[0], 32, 3, stride=1 if small else 2, padding=1, bias=False)
        nn.init.kaiming_normal_(model.features[0][0].weight, mode="fan_out")
    if small:
        model.features[2].conv[1][0].stride = (1, 1)
    return model
