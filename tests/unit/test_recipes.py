"""Networks, initialisation, optimisers and schedules."""

import math

import pytest
import torch
from torch import nn

from trainsize.architectures import (
    INITIALISERS,
    RowDropout,
    build,
    count_parameters,
    flops_per_image,
    limit_norms,
    limited_layers,
)
from trainsize.optimisation import make_optimizer, rate_factor
from trainsize.schema import load_schema, with_defaults

SCHEMA = load_schema("study")
RECIPE = SCHEMA["$defs"]["recipe"]
GREY28, COLOUR32 = (1, 28, 28), (3, 32, 32)


def recipe(architecture="mlp", **settings) -> dict:
    value = {"architecture": architecture, "batch_size": 8, "optimizer": {"name": "sgd", "lr": 0.1}, **settings}
    return with_defaults(value, RECIPE, SCHEMA)


@pytest.mark.parametrize(
    ("name", "shape", "classes", "parameters"),
    [
        ("ga_cnn", GREY28, 26, 1_443_610),
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


@pytest.mark.parametrize("name", RECIPE["properties"]["architecture"]["named"])
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


def test_row_dropout_takes_whole_images_as_pytorchs_dropout1d_does():
    torch.manual_seed(0)
    features = torch.ones(1000, 16)
    for layer in (RowDropout(0.5), nn.Dropout1d(0.5)):
        rows = layer(features)
        assert ((rows == 0).all(1) | (rows == 2).all(1)).all()
        assert 400 < (rows == 0).all(1).sum() < 600
        assert torch.equal(layer.eval()(features), features)


def test_the_letters_network_drops_units_by_default():
    model = build(recipe("ga_cnn"), GREY28, 26, 0).train()
    head = model[:5](torch.randn(64, *GREY28))
    assert not (head == 0).all(1).any()
    published = build(recipe({"name": "ga_cnn", "row_dropout": True}), GREY28, 26, 0).train()
    assert 10 < (published[:5](torch.randn(64, *GREY28)) == 0).all(1).sum() < 54


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
    short, long = (factors("step", total, gamma=0.98, times=90)[-1] for total in (90, 120))
    assert short == pytest.approx(long)
