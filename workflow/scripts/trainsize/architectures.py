"""Networks by the names that study files use: functions of the image's shape, the number of classes and options."""

import math
from collections.abc import Callable
from pathlib import Path

import torch
from torch import nn

from trainsize.custom import load
from trainsize.errors import UserError
from trainsize.streams import torch_seed

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
    return nn.Sequential(nn.Flatten(), *_dense(math.prod(shape), hidden, dropout, n_classes))


def _dense(inputs: int, hidden: list[int], dropout: float, n_classes: int) -> list[nn.Module]:
    layers = []
    for outputs in hidden:
        layers += [nn.Linear(inputs, outputs), nn.ReLU(), nn.Dropout(dropout)]
        inputs = outputs
    return [*layers, nn.Linear(inputs, n_classes)]


class RowDropout(nn.Module):
    """A network whose last hidden features lose whole images in training, as `nn.Dropout1d` does to a matrix.

    A dropped image gets the head's bias for its logits and trains nothing else, so the body never computes it.
    """

    def __init__(self, body: nn.Module, head: nn.Linear, rate: float):
        super().__init__()
        self.body, self.head, self.rate = body, head, rate

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        if not self.training:
            return self.head(self.body(images))
        # Drawn on the CPU, so that a GPU need not be waited for to know which images are left.
        kept = (torch.rand(len(images)) >= self.rate).nonzero()[:, 0].to(images.device)
        logits = self.head(self.body(images[kept]) / (1 - self.rate))
        return self.head.bias.to(logits.dtype).repeat(len(images), 1).index_copy(0, kept, logits)


def ga_cnn(
    shape: Shape, n_classes: int, dropout2d: float, dropout: float, row_dropout: bool, as_printed: bool
) -> nn.Module:
    """Return the network of the GA-Letters study's code (its file modelC3.py).

    1,443,610 parameters for 28×28×1 images and 26 classes. `row_dropout` makes the published mistake. `as_printed` is
    the network of the study's report: the third pool like the others, no activation after the hidden layer and no
    dropout of channels; 558,874 parameters.
    """
    channels, height, width = shape
    third = (nn.SiLU(), nn.MaxPool2d(2)) if as_printed else (nn.Dropout2d(dropout2d), nn.SiLU(), nn.MaxPool2d(2, 1))
    flat = 128 * (height // 8) * (width // 8) if as_printed else 128 * (height // 4 - 1) * (width // 4 - 1)
    body = nn.Sequential(
        *(nn.Conv2d(channels, 32, 5, padding="same"), nn.SiLU(), nn.MaxPool2d(2)),
        *(nn.Conv2d(32, 64, 5, padding="same"), nn.SiLU(), nn.MaxPool2d(2)),
        *(nn.Conv2d(64, 128, 5, padding="same"), *third),
        *(nn.Flatten(), nn.Linear(flat, 256), *([] if as_printed else [nn.SiLU()])),
    )
    head = nn.Linear(256, n_classes)
    return RowDropout(body, head, dropout) if row_dropout else nn.Sequential(body, nn.Dropout(dropout), head)


def _plain(shape: Shape, n_classes: int, blocks: list[tuple[int, bool]], hidden: list[int]) -> nn.Module:
    """Return 3×3 convolutions with ReLU, given as (channels, pooled by 2 afterwards), and fully connected layers."""
    layers, (inputs, height, width) = [], shape
    for outputs, pooled in blocks:
        layers += [nn.Conv2d(inputs, outputs, 3, padding=1), nn.ReLU()]
        if pooled:
            layers.append(nn.MaxPool2d(2))
            height, width = height // 2, width // 2
        inputs = outputs
    return nn.Sequential(*layers, nn.Flatten(), *_dense(inputs * height * width, hidden, 0.0, n_classes))


def two_conv_one_fc(shape: Shape, n_classes: int) -> nn.Module:
    """Return the FashionMNIST study's best network; 1,625,866 parameters for its images."""
    return _plain(shape, n_classes, [(32, False), (64, True)], [128])


def one_conv_two_fc(shape: Shape, n_classes: int) -> nn.Module:
    """Return the FashionMNIST study's network of one convolution; 411,402 parameters for its images."""
    return _plain(shape, n_classes, [(32, True)], [64, 128])


def three_fc(shape: Shape, n_classes: int) -> nn.Module:
    """Return the FashionMNIST study's fully connected network; 94,154 parameters for its images."""
    return mlp(shape, n_classes, [64, 128, 256], 0.0)


def three_conv(shape: Shape, n_classes: int) -> nn.Module:
    """Return the FashionMNIST study's network of three convolutions; 155,402 parameters for its images.

    It cannot be built as described: one pool leaves 14×14, and the stated 128·7·7 inputs need two. The second pool
    stands here after the second convolution.
    """
    return _plain(shape, n_classes, [(32, False), (64, True), (128, True)], [])


def slides_cnn(shape: Shape, n_classes: int) -> nn.Module:
    """Return the network of the CIFAR-10 slides; 620,362 parameters for their images.

    Two layers hold the norm of each unit's incoming weights at 3 or less (`limit_norms`).
    """
    channels, height, width = shape
    second, dense = nn.Conv2d(32, 64, 3, padding=1), nn.Linear(128 * (height // 8) * (width // 8), 256)
    second.max_norm = dense.max_norm = 3.0
    return nn.Sequential(
        *(nn.Conv2d(channels, 32, 3, padding=1), nn.ReLU(), nn.MaxPool2d(2), nn.Dropout(0.2)),
        *(second, nn.ReLU(), nn.MaxPool2d(2)),
        *(nn.Conv2d(64, 128, 3, padding=1), nn.ReLU(), nn.MaxPool2d(2), nn.Dropout(0.3)),
        *(nn.Flatten(), dense, nn.ReLU(), nn.Dropout(0.5), nn.Linear(256, n_classes)),
    )


def limited_layers(model: nn.Module) -> list[nn.Module]:
    """Return the layers that say `max_norm`."""
    return [layer for layer in model.modules() if hasattr(layer, "max_norm")]


@torch.no_grad()
def limit_norms(layers: list[nn.Module]) -> None:
    """Scale back the incoming weights of every unit whose norm is larger than its layer's `max_norm`."""
    for layer in layers:
        layer.weight.copy_(torch.renorm(layer.weight, 2, 0, layer.max_norm))


def _resnet(name: str) -> Callable[[Shape, int], nn.Module]:
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


def custom(shape: Shape, n_classes: int, path: str, options: dict, code: str) -> nn.Module:
    """Return the user's network that `path` names: what that gives for the shape, the classes and the options."""
    make = load(path, code, Path.cwd())
    try:
        model = make(shape, n_classes, **options)
        with torch.no_grad():
            found = tuple(model.eval()(torch.zeros(2, *shape)).shape)
    except Exception as error:
        raise UserError(f"the network {path} cannot be made or used: {type(error).__name__}: {error}") from error
    if found != (2, n_classes):
        raise UserError(f"the network {path} turns 2 images into {found}, must give 2 × {n_classes} logits")
    return model.train()


ARCHITECTURES: dict[str, Callable[..., nn.Module]] = {
    "cnn": cnn,
    "mlp": mlp,
    "ga_cnn": ga_cnn,
    "two_conv_one_fc": two_conv_one_fc,
    "one_conv_two_fc": one_conv_two_fc,
    "three_fc": three_fc,
    "three_conv": three_conv,
    "slides_cnn": slides_cnn,
    "resnet18": _resnet("resnet18"),
    "resnet50": _resnet("resnet50"),
    "mobilenet_v2": mobilenet_v2,
    "custom": custom,
}

INITIALISERS: dict[str, Callable[[torch.Tensor], torch.Tensor]] = {
    "xavier_uniform": nn.init.xavier_uniform_,
    "xavier_normal": nn.init.xavier_normal_,
    "kaiming_uniform": lambda weight: nn.init.kaiming_uniform_(weight, nonlinearity="relu"),
    "kaiming_normal": lambda weight: nn.init.kaiming_normal_(weight, nonlinearity="relu"),
}


def build(recipe: dict, shape: Shape, n_classes: int, seed: int) -> nn.Module:
    """Return the network of a recipe, its weights drawn from the seed's own stream.

    Raises UserError for a network of the user's own that cannot be made or does not give n_classes logits.
    """
    options = {key: value for key, value in recipe["architecture"].items() if key != "name"}
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(torch_seed(seed, "initialisation"))
        model = ARCHITECTURES[recipe["architecture"]["name"]](shape, n_classes, **options)
        match recipe["initialisation"]:
            case "default":
                pass
            case "ga_letters":
                # As in the study's code: a function that goes through all layers is applied to every part in turn.
                model.apply(lambda part: initialise(part, INITIALISERS["kaiming_uniform"]))
            case name:
                initialise(model, INITIALISERS[name])
        return model.to(memory_format=torch.channels_last)


def initialise(model: nn.Module, draw: Callable[[torch.Tensor], torch.Tensor]) -> None:
    """Draw the weights of all convolutions and fully connected layers anew; biases stay as they are."""
    for layer in model.modules():
        if isinstance(layer, (nn.Conv2d, nn.Linear)):
            draw(layer.weight)


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
