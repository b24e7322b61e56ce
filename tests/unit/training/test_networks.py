"""Networks, initialisation, optimisers and schedules."""

import math
from copy import deepcopy

import pytest
import torch
from support import recipe
from torch import nn
from torch.nn import functional as F

from trainsize.study.schema import study_schema
from trainsize.training.architectures import (
    INITIALISERS,
    build,
    count_parameters,
    flops_per_image,
    limit_norms,
    limited_layers,
)
from trainsize.training.optimisation import make_optimizer, rate_factor
from trainsize.training.published_networks import RowDropout

RECIPE = study_schema()["$defs"]["recipe"]
GREY28, COLOUR32 = (1, 28, 28), (3, 32, 32)


@pytest.mark.parametrize(
    ("name", "shape", "classes", "parameters"),
    [
        ("ga_cnn", GREY28, 26, 1_443_610),
        ({"name": "ga_cnn", "as_printed": True}, GREY28, 26, 558_874),
        ("two_conv_one_fc", GREY28, 10, 1_625_866),
        ("one_conv_two_fc", GREY28, 10, 411_402),
        ("three_fc", GREY28, 10, 94_154),
        ("three_conv", GREY28, 10, 155_402),
        ("slides_cnn", COLOUR32, 10, 620_362),
        ({"name": "mlp", "hidden": [128]}, GREY28, 47, 784 * 128 + 128 + 128 * 47 + 47),
        ("resnet18", (3, 224, 224), 1000, 11_689_512),
        ("resnet50", (3, 224, 224), 1000, 25_557_032),
        ("mobilenet_v2", (3, 224, 224), 1000, 3_504_872),
    ],
)
def test_published_parameter_counts(name, shape, classes, parameters):
    model = build(recipe(name), shape, classes, seed=0)
    assert count_parameters(model) == parameters


@pytest.mark.parametrize("name", sorted({*RECIPE["properties"]["architecture"]["named"]} - {"custom"}))
@pytest.mark.parametrize("shape", [GREY28, COLOUR32])
def test_every_architecture_trains_a_step(name, shape):
    model = build(recipe(name), shape, 7, seed=0)
    logits = model(torch.randn(4, *shape))
    assert logits.shape == (4, 7)
    logits.sum().backward()
    assert all(parameter.grad is not None for parameter in model.parameters())


def test_small_images_keep_their_resolution_in_the_stem():
    shapes = ((3, 64, 64), COLOUR32)
    large, small = (flops_per_image(build(recipe("resnet18"), shape, 10, 0), shape) for shape in shapes)
    assert small > 2 * large


class Dropout1dOfAMatrix(nn.Module):
    """The published code: PyTorch takes a matrix's rows for channels and drops whole images."""

    def __init__(self, network: RowDropout):
        super().__init__()
        self.network, self.drop = network, nn.Dropout1d(network.rate)

    def forward(self, images):
        return self.network.head(self.drop(self.network.body(images)))


def test_row_dropout_is_pytorchs_dropout1d_without_computing_what_is_dropped(monkeypatch):
    """The same images dropped: the same logits and the same gradients, though the others were never computed."""
    architecture = {"name": "ga_cnn", "row_dropout": True, "dropout2d": 0}
    ours = build(recipe(architecture), GREY28, 26, 0).double()
    published = Dropout1dOfAMatrix(deepcopy(ours))
    images, labels = torch.randn(72, *GREY28).double(), torch.arange(72) % 26
    computed = []
    ours.body.register_forward_hook(lambda body, inputs, output: computed.append(len(output)))
    dropped = {}
    published.drop.register_forward_hook(lambda layer, inputs, output: dropped.update(kept=(output != 0).any(1)))
    logits = published(images)
    F.cross_entropy(logits, labels).backward()
    monkeypatch.setattr(torch, "rand", lambda n: torch.where(dropped["kept"], 1.0, 0.0))
    mine = ours(images)
    F.cross_entropy(mine, labels).backward()
    torch.testing.assert_close(mine, logits)
    for a, b in zip(ours.parameters(), published.network.parameters(), strict=True):
        torch.testing.assert_close(a.grad, b.grad)
    assert computed == [int(dropped["kept"].sum())]
    assert 20 < computed[0] < 52
    torch.testing.assert_close(ours.eval()(images), published.eval()(images))


def test_the_letters_network_drops_units_by_default():
    model = build(recipe("ga_cnn"), GREY28, 26, 0).train()
    features = model[:2](torch.randn(64, *GREY28))
    assert not (features == 0).all(1).any()
    assert 0.4 < (features == 0).float().mean() < 0.6


def test_ga_letters_own_initialisation_is_kaimings_drawn_again():
    first, again = (
        build(recipe("ga_cnn", initialisation=name), GREY28, 26, 0) for name in ("kaiming_uniform", "ga_letters")
    )
    weights = [next(model.parameters()) for model in (first, again)]
    assert not torch.equal(*weights)
    bound = math.sqrt(6 / 25)
    assert all(0.95 * bound < weight.abs().max() <= bound for weight in weights)


def test_norms_are_limited():
    model = build(recipe("slides_cnn"), COLOUR32, 10, 0)
    layers = limited_layers(model)
    assert len(layers) == 2
    with torch.no_grad():
        for layer in layers:
            layer.weight.mul_(100)
    limit_norms(layers)
    for layer in layers:
        assert layer.weight.detach().flatten(1).norm(dim=1).max().item() == pytest.approx(3, abs=1e-4)


@pytest.mark.parametrize("name", INITIALISERS)
def test_initialisation(name):
    weight = build(recipe("three_fc", initialisation=name), GREY28, 10, 1)[1].weight
    fan_in, fan_out = 784, 64
    variance = 2 / fan_in if name.startswith("kaiming") else 2 / (fan_in + fan_out)
    assert weight.var().item() == pytest.approx(variance, rel=0.05)
    bound = math.sqrt(3 * variance)
    assert (weight.abs().max() <= bound).item() == name.endswith("uniform")


@pytest.mark.parametrize("name", ["sgd", "adam", "adamw", "rmsprop"])
def test_optimisers_with_a_weight_decay_of_their_own_for_norm_layers(name):
    model = build(recipe("cnn"), GREY28, 10, 0)
    settings = recipe(optimizer={"name": name, "lr": 0.1, "weight_decay": 0.5, "norm_weight_decay": 0})["optimizer"]
    rest, norms = make_optimizer(settings, model).param_groups
    assert (rest["weight_decay"], norms["weight_decay"]) == (0.5, 0)
    assert len(norms["params"]) == 4
    assert len(rest["params"]) + len(norms["params"]) == len(list(model.parameters()))


def factors(name: str, total: int = 100, per_pass: int = 10, **options) -> list[float]:
    schedule = recipe(schedule={"name": name, **options})["schedule"]
    return [rate_factor(schedule, step, total, per_pass) for step in range(total)]


def test_schedules():
    steps = factors("step", gamma=0.1, times=4)
    assert [steps[i] for i in (0, 24, 25, 49, 50, 75, 99)] == pytest.approx([1, 1, 0.1, 0.1, 0.01, 0.001, 0.001])
    assert {times: len(set(factors("step", gamma=0.5, times=times))) for times in (2, 3, 10)} == {2: 2, 3: 3, 10: 10}
    assert factors("exponential", final=0.01)[50] == pytest.approx(0.1)
    assert factors("inverse_time", decay=0.01)[50] == pytest.approx(1 / 1.5)
    assert factors("cosine")[50] == pytest.approx(0.5)
    assert set(factors("constant")) == {1.0}


def test_a_step_per_pass_depends_on_the_size_and_one_by_updates_does_not():
    """imagenet-volume's 75 % run decayed its rate 120 times and the others 90: a step per pass, typed per size."""
    typed = [factors("step", 90 * per, per, gamma=0.98, every_passes=1)[-1] for per in (1, 2)]
    assert typed[0] == pytest.approx(typed[1])
    fewer_updates_per_pass = factors("step", 120, 1, gamma=0.98, every_passes=1)[-1]
    assert fewer_updates_per_pass == pytest.approx(0.98**119)
    typed = [factors("cosine", 90 * per, per, warmup_passes=5) for per in (1, 2)]
    assert [rates.index(max(rates)) for rates in typed] == [5, 10]
    short, long = (factors("step", total, gamma=0.98, times=90)[-1] for total in (90, 120))
    assert short == pytest.approx(long)
