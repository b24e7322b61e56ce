"""Networks by the names that study files use: functions of the image's shape, the number of classes and options."""

import traceback
from collections.abc import Callable
from pathlib import Path

import torch
from torch import nn

from trainsize.common.errors import UserError
from trainsize.runs.streams import torch_seed
from trainsize.training.custom import load
from trainsize.training.networks import Shape, cnn, mlp, mobilenet_v2, resnet
from trainsize.training.published_networks import (
    ga_cnn,
    one_conv_two_fc,
    slides_cnn,
    three_conv,
    three_fc,
    two_conv_one_fc,
)


def limited_layers(model: nn.Module) -> list[nn.Module]:
    """Return the layers that have a `max_norm`."""
    return [layer for layer in model.modules() if hasattr(layer, "max_norm")]


@torch.no_grad()
def limit_norms(layers: list[nn.Module]) -> None:
    """Scale back the incoming weights of every unit whose norm is larger than its layer's `max_norm`."""
    for layer in layers:
        layer.weight.copy_(torch.renorm(layer.weight, 2, 0, layer.max_norm))


def custom(shape: Shape, n_classes: int, path: str, options: dict, code: str) -> nn.Module:
    """Return the user's network: what the class or function at `path` returns for the shape, classes and options."""
    make = load(path, code, Path.cwd(), options)
    try:
        model = make(shape, n_classes, **options)
        with torch.no_grad():
            outputs = tuple(model.eval()(torch.zeros(2, *shape)).shape)
    except Exception as error:
        raise UserError(f"the network {path} cannot be built or used: {_in_own_words(error)}") from error
    if outputs != (2, n_classes):
        raise UserError(f"the network {path} turns 2 images into {outputs}, must return 2 × {n_classes} logits")
    return model.train()


def _in_own_words(error: Exception) -> str:
    """Return an error of the user's network as Python says it, with the line of the user's own code it came from."""
    if isinstance(error, UserError):
        return str(error)
    own = [frame for frame in traceback.extract_tb(error.__traceback__) if Path(frame.filename).parent == Path.cwd()]
    place = f" (line {own[-1].lineno} of {Path(own[-1].filename).name})" if own else ""
    return f"{type(error).__name__}: {error}{place}"


ARCHITECTURES: dict[str, Callable[..., nn.Module]] = {
    "cnn": cnn,
    "mlp": mlp,
    "ga_cnn": ga_cnn,
    "two_conv_one_fc": two_conv_one_fc,
    "one_conv_two_fc": one_conv_two_fc,
    "three_fc": three_fc,
    "three_conv": three_conv,
    "slides_cnn": slides_cnn,
    "resnet18": resnet("resnet18"),
    "resnet50": resnet("resnet50"),
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

    Raises UserError for a user's network that cannot be built or does not return n_classes logits.
    """
    options = {key: value for key, value in recipe["architecture"].items() if key != "name"}
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(torch_seed(seed, "initialisation"))
        model = ARCHITECTURES[recipe["architecture"]["name"]](shape, n_classes, **options)
        match recipe["initialisation"]:
            case "default":
                pass
            case "ga_letters":
                # As in the study's code: a function that visits all layers is applied to every module in turn.
                model.apply(lambda module: initialise(module, INITIALISERS["kaiming_uniform"]))
            case name:
                initialise(model, INITIALISERS[name])
        return model.to(memory_format=torch.channels_last)


def initialise(model: nn.Module, draw: Callable[[torch.Tensor], torch.Tensor]) -> None:
    """Redraw the weights of all convolutions and fully connected layers; biases stay as they are."""
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
