"""What a recipe can ask of one training: each setting does what it says, and each published mistake is the mistake."""

import json
import math
import os
import subprocess
import sys

import numpy as np
import pandas as pd
import pytest
import torch
from support import evaluation, recipe

from trainsize.common.errors import Interrupted, UserError
from trainsize.common.fingerprint import SCRIPTS
from trainsize.datasets.prepared import Prepared
from trainsize.runs.budget import Batches
from trainsize.subsets.methods import draw_subsets
from trainsize.training.architectures import build
from trainsize.training.average import Average
from trainsize.training.checkpoint import Checkpoints
from trainsize.training.evaluation import clipped_loss
from trainsize.training.images import Images, normalised_by
from trainsize.training.interruption import Interruption
from trainsize.training.neurons import check_layer, correlations, summary
from trainsize.training.order import batch_rows
from trainsize.training.selection import Plateau, Selection
from trainsize.training.stage import train_runs
from trainsize.training.trainer import Trainer

CPU = torch.device("cpu")
SUBSET = {"dataset": "digits", "method": "nested", "validation": 100, "header_row_lost": False}


def settings(subset=(), updates=60, points=6, architecture=None, **model) -> dict:
    return {
        "subset": {**SUBSET, **dict(subset)},
        "budget": {"updates": updates},
        "evaluation": evaluation(points=points),
        "model": recipe(
            architecture or {"name": "mlp", "hidden": [16]},
            **{"batch_size": 16, "optimizer": {"name": "sgd", "lr": 0.1, "momentum": 0.9}, **model},
        ),
    }


@pytest.fixture
def train(digits, tmp_path):
    """Train one run and return its history, its record and its folder."""
    count = iter(range(100))

    def train(given: dict, run="m/n80/draw1/seed1"):
        record = tmp_path / str(next(count)) / "runs" / run / "run.json"
        train_runs(given, "c", digits, 1, "cpu", [record])
        folder = record.parent
        history = pd.read_parquet(folder / "history.parquet").drop(columns=["study", "draw", "seed"])
        return history, json.loads(record.read_text()), folder

    return train


def losses(history, split="test") -> list[float]:
    return history.loc[history["split"] == split, "loss"].tolist()


# The training as it should be


@pytest.mark.parametrize(
    "change",
    [
        {"ema": 0.9},
        {"mixup": 0.5},
        {"cutmix": 1.0},
        {"augmentation": ["horizontal_flip"]},
        {"repeated_augmentation": 4},
        {"precision": "bfloat16"},
        {"normalisation": "none"},
        {"normalisation": "subset"},
        {"restart": {"at": 0.5, "seed": 7}},
        {"label_smoothing": 0.1},
        {"initialisation": "kaiming_normal"},
        {"schedule": "cosine"},
        {"batch_size": 32},
        {"clip_norm": 0.1},
        {"labels": "constant"},
    ],
    ids=lambda change: next(iter(change)),
)
def test_every_setting_matters(train, change):
    plain, changed = train(settings())[0], train(settings(**change))[0]
    assert losses(plain) != losses(changed)
    assert np.isfinite(losses(changed)).all()


def test_streams_are_independent(digits, train):
    """Another use of random numbers leaves the others bit for bit as they were."""

    def trained(**model):
        return losses(train(settings(**model))[0])

    still = {"name": "rotation", "degrees": 1e-9}  # draws numbers and leaves the images (nearly) alone
    assert trained() == trained(architecture={"name": "mlp", "hidden": [16], "dropout": 0})
    assert trained() == pytest.approx(trained(augmentation=[still]), abs=1e-4)
    assert trained() == trained(mixup=0, cutmix=0, repeated_augmentation=1)


def test_an_average_of_weights_is_what_pytorchs_is():
    """With the decays that TensorFlow documents: 1/10, 2/11, ... up to the stated one, here after eight updates."""
    from torch.optim.swa_utils import AveragedModel

    def average(mine, its, count):  # PyTorch's first update only copies
        return torch.lerp(mine, its, 1 - min(0.5, float(count) / (9 + float(count))))

    torch.manual_seed(0)
    model = torch.nn.Sequential(torch.nn.Conv2d(1, 2, 3), torch.nn.BatchNorm2d(2))
    ours, theirs = Average(model, 0.5), AveragedModel(model, avg_fn=average)
    theirs.update_parameters(model)
    for _ in range(12):
        with torch.no_grad():
            for parameter in model.parameters():
                parameter.add_(torch.randn_like(parameter))
        model(torch.randn(4, 1, 5, 5))
        ours.update(model)
        theirs.update_parameters(model)
    for a, b in zip(ours.model.parameters(), theirs.module.parameters(), strict=True):
        torch.testing.assert_close(a, b)
    assert torch.equal(ours.model[1].running_mean, model[1].running_mean)


def test_an_average_over_few_updates_is_of_trained_weights(train):
    plain, averaged = (
        train(settings(updates=40, points=1, ema=ema))[1]["final"]["test"]["accuracy"] for ema in (None, 0.999)
    )
    assert plain > 0.7
    assert averaged > plain - 0.1


def test_repeated_augmentation_puts_each_image_into_its_batch_several_times():
    rows = [part.tolist() for _, part in zip(range(3), batch_rows(Batches(40, 16, "partial"), 4, 1, CPU), strict=False)]
    assert [len(part) for part in rows] == [16, 16, 8]
    assert [len(set(part)) for part in rows] == [4, 4, 2]
    assert len({row for part in rows for row in part}) == 10
    assert all(part[i] != part[i - 1] for part in rows for i in range(len(part))), "no image is mixed with itself"


def test_the_best_checkpoint_on_validation_is_put_back(train):
    """A rate that ruins the network near the end: the scores and predictions are of the best checkpoint."""
    given = settings(optimizer={"name": "sgd", "lr": 3.0}, selection={"name": "best_on_validation"}, points=12)
    history, record, folder = train(given)
    validation = history[history["split"] == "validation"]
    best = validation.loc[validation["loss"].idxmin()]
    assert record["selected_step"] == best["step"] < 60
    assert record["final"]["validation"]["loss"] == best["loss"]
    predictions = pd.read_parquet(folder / "predictions.parquet")
    accuracy = (predictions["class_1"] == predictions["label"]).mean()
    assert accuracy == pytest.approx(record["final"]["test"]["accuracy"])
    at_best = history[(history["step"] == best["step"]) & (history["split"] == "test")]
    assert accuracy == pytest.approx(at_best["accuracy"].item())


def test_early_stopping_ends_a_run_and_says_why(train):
    given = settings(
        optimizer={"name": "sgd", "lr": 3.0}, selection={"name": "best_on_validation", "patience": 3}, points=60
    )
    history, record, _ = train(given)
    steps = history["step"].unique()
    assert record["updates"] == steps[-1] < 60
    assert record["selected_step"] == steps[-4]
    assert record["stopped"] == "no better validation loss in 3 evaluations"
    assert record["status"] == "finished"


def test_a_patience_that_ends_with_the_budget_has_stopped_nothing(train):
    patient = {"name": "best_on_validation", "patience": 2, "minimum_change": 1.0}
    ends = [train(settings(updates=updates, points=updates, selection=patient))[1] for updates in (3, 4)]
    assert [record["updates"] for record in ends] == [3, 3]
    assert [record["stopped"] for record in ends] == ["", "no better validation loss in 2 evaluations"]


def test_selection_and_patience_count_evaluations():
    selection = Selection({"name": "best_on_validation", "metric": "accuracy", "patience": 2, "minimum_change": 0.05})
    for step, accuracy in enumerate([0.5, 0.54, 0.6, 0.64, 0.6]):
        assert not selection.stop
        selection.update(step, [{"split": "validation", "accuracy": accuracy}], {"w": torch.tensor(float(step))})
    assert selection.stop == "no better validation accuracy in 2 evaluations"
    assert (selection.step, selection.weights["w"].item()) == (2, 2)


def test_a_plateau_reduces_the_rate():
    plateau = Plateau({"name": "plateau", "factor": 0.1, "patience": 1})
    seen = []
    for loss in (3, 2, 2.5, 2.1, 1.9, 1.95, 1.91, 1.92, 1.93):
        plateau.update([{"split": "validation", "loss": loss}])
        seen.append(plateau.reductions)
    assert seen == [0, 0, 0, 1, 1, 1, 2, 2, 3]


def test_a_restarted_run_is_the_first_run_until_then(train):
    """Half the updates of seed 7, then the run's own; a restart with the same seed changes nothing."""
    given = {"restart": {"at": 0.5, "seed": 7}}
    base = losses(train(settings(), "m/n80/draw1/seed7")[0])
    same = losses(train(settings(**given), "m/n80/draw1/seed7")[0])
    other = losses(train(settings(**given), "m/n80/draw1/seed8")[0])
    assert same == base
    assert other[:3] == base[:3]
    assert all(a != b for a, b in zip(other[3:], base[3:], strict=True))


def test_normalisation_of_the_subset_and_by_constants(digits):
    images = Images.load(Prepared(digits), "train", CPU)
    subset = images.take(torch.arange(30))
    inputs = normalised_by({"name": "subset"}, subset, subset).inputs(slice(None))
    assert inputs.mean().item() == pytest.approx(0, abs=1e-6)
    assert inputs.std(correction=0).item() == pytest.approx(1, abs=1e-6)
    constants = normalised_by({"name": "constants", "mean": [0.5], "std": [0.25]}, images, subset)
    assert constants.inputs(slice(2)).equal((images.scaled(slice(2)) - 0.5) / 0.25)
    plain = normalised_by({"name": "none"}, images, subset).inputs(slice(None))
    assert (plain.min().item(), plain.max().item()) == (0, 1)
    black = Images(torch.zeros_like(subset.pixels), subset.labels, subset.mean, subset.std)
    assert normalised_by({"name": "subset"}, black, black).inputs(slice(None)).abs().max() == 0


def test_normalisation_by_the_data_set_leaves_a_channel_without_spread_at_0(digits):
    images = Images.load(Prepared(digits), "train", CPU)
    usual = normalised_by({"name": "dataset"}, images, images)
    assert usual.mean.equal(images.mean) and usual.std.equal(images.std)
    opaque = torch.full_like(images.pixels, 255)
    with_alpha = Images(
        torch.cat([images.pixels, opaque], 1),
        images.labels,
        torch.cat([images.mean, torch.ones(1, 1, 1)]),
        torch.cat([images.std, torch.zeros(1, 1, 1)]),
    )
    inputs = normalised_by({"name": "dataset"}, with_alpha, images).inputs(slice(9))
    assert inputs[:, :1].equal(images.inputs(slice(9)))
    assert inputs[:, 1].eq(0).all()


def test_the_mean_loss_of_the_batches_is_kept(train):
    """With one image per class in one batch and no dropout, the loss of the first update is that of the start."""
    history = train(settings(updates=1, points=1, batch_size=80))[0]
    told = history.set_index("split")["loss_batches"]
    assert told["train"] == pytest.approx(math.log(10), abs=0.4)
    assert told[["test", "validation"]].isna().all()
    assert history.set_index("split").loc["train", "loss"] < told["train"]


def test_neurons_are_compared_over_the_first_test_images(train):
    architecture = {"name": "mlp", "hidden": [16, 12]}
    given = settings(architecture=architecture, neurons={"layer": "4", "images": 50})
    _, record, folder = train(given)
    matrix = np.load(folder / "state" / "neurons.npy")
    assert matrix.shape == (12, 12)
    assert {"layer": "4", "images": 50, "units": 12}.items() <= record["neurons"].items()
    off = matrix[~np.eye(12, dtype=bool)]
    assert record["neurons"]["mean_off_diagonal"] == pytest.approx(off.mean(), abs=1e-6)


def test_neuron_correlations_are_numpys():
    values = np.random.default_rng(0).normal(size=(200, 7)) @ np.random.default_rng(1).normal(size=(7, 7))
    np.testing.assert_allclose(correlations(values), np.corrcoef(values.T), atol=1e-12)
    values[:, 3] = 2.0  # a unit that never changes is correlated with none
    matrix = correlations(values)
    assert matrix[3].tolist() == [0, 0, 0, 1, 0, 0, 0]
    assert summary(np.eye(10))["mean"] == pytest.approx(0.1)
    assert summary(np.eye(10))["mean_off_diagonal"] == 0


def test_a_layer_that_is_not_there_is_named_before_anything_is_trained(train, monkeypatch):
    monkeypatch.setattr(Trainer, "run", lambda *_: pytest.fail("a run was trained"))
    with pytest.raises(UserError, match=r"neurons.layer: found '99', allowed: 0, 1, 2, 3, 4"):
        train(settings(neurons={"layer": "99", "images": 50}))


class Twice(torch.nn.Module):
    """A network that uses one of its layers twice, one never, and one that gives two tensors."""

    def __init__(self):
        super().__init__()
        self.flat, self.relu, self.unused = torch.nn.Flatten(), torch.nn.ReLU(), torch.nn.ReLU()
        self.recurrent = torch.nn.LSTM(64, 10)

    def forward(self, images):
        return self.recurrent(self.relu(self.relu(self.flat(images))))[0]


@pytest.mark.parametrize(
    ("network", "layer", "message"),
    [
        (Twice, "relu", "found 'relu', which an image passes 2 times, must be once"),
        (Twice, "unused", "found 'unused', which an image passes 0 times, must be once"),
        (Twice, "recurrent", "found 'recurrent', which does not return a tensor"),
        (lambda: torch.nn.Sequential(torch.nn.Conv2d(1, 65, 1)), "0", "found '0', which has 4,160 units, must have at"),
    ],
)
def test_layers_whose_units_cannot_be_compared(network, layer, message):
    with pytest.raises(UserError, match=message):
        check_layer(network(), layer, (1, 8, 8))
    check_layer(torch.nn.Sequential(torch.nn.Conv2d(1, 64, 1)), "0", (1, 8, 8))  # 4,096 units


# The published mistakes


def test_scores_of_the_last_batch_are_of_a_few_images(train):
    history, _, _ = train(settings(scores="last_batch", batch_size=72))
    seen = history.groupby("split")["n_evaluated"].unique().map(list).to_dict()
    assert seen["test"] == [500 % 72]
    assert seen["validation"] == [100 % 72]
    assert set(seen["train"]) <= {72, 80 - 72}
    test = history[history["split"] == "test"]
    grid = test["accuracy"] * (500 % 72)
    np.testing.assert_allclose(grid, grid.round(), atol=1e-9)
    assert test["loss"].nunique() == len(test), "other images each time"
    again = train(settings(scores="last_batch", batch_size=72))[0]
    pd.testing.assert_frame_equal(history, again)
    honest = train(settings(batch_size=72))[0]
    assert honest.groupby("split")["n_evaluated"].unique().map(list).to_dict()["test"] == [500]


def test_row_dropout_shows_in_the_train_loss_of_the_last_batch(train):
    """Half the images predict the prior and half are learned: ½·ln K, as published, and accuracy ½ + 1/(2K)."""

    def last(row_dropout):
        architecture = {"name": "ga_cnn", "dropout2d": 0, "row_dropout": row_dropout}
        given = settings(
            updates=150, points=15, architecture=architecture, scores="last_batch", batch_size=80,
            optimizer={"name": "adamw", "lr": 1e-3},
        )  # fmt: skip
        history = train(given)[0]
        return history[history["split"] == "train"].tail(5)[["loss", "accuracy"]].mean()

    assert last(True)["loss"] == pytest.approx(math.log(10) / 2, abs=0.2)
    assert last(True)["accuracy"] == pytest.approx(0.55, abs=0.1)
    assert last(False)["loss"] < 0.2


def test_constant_labels_end_near_the_floor(train):
    history, _, _ = train(settings(labels="constant", updates=200, points=1))
    assert set(history["accuracy"]) == {1.0}
    assert history["loss"].max() < 1e-2


def test_clipped_probabilities_have_keras_floor(train):
    """-log(1 - 2^-23), which is the nearest float32 to 1 - 1e-7, and not a bit less."""
    logits = torch.tensor([[60.0, 0.0], [0.0, 60.0], [3.0, 0.0]]).double()
    floor = clipped_loss(logits[:2], torch.tensor([0, 1])).item()
    assert floor == pytest.approx(1.192093e-07, rel=1e-6)
    assert clipped_loss(logits[:1], torch.tensor([1])).item() == pytest.approx(-math.log(1e-7), rel=1e-6)
    plain = torch.nn.functional.cross_entropy(logits[2:], torch.tensor([0])).item()
    assert clipped_loss(logits[2:], torch.tensor([0])).item() == pytest.approx(plain, rel=1e-5)
    given = settings(
        labels="constant", probabilities="clipped", updates=2000, points=1, optimizer={"name": "adam", "lr": 0.01}
    )
    losses_at_the_end = train(given)[0]["loss"]
    assert 1.192e-07 < losses_at_the_end.min() < losses_at_the_end.max() < 1e-5


def test_a_lost_header_row_is_never_trained_on(digits):
    labels = Prepared(digits).labels("train")
    for method in ("first_n", "nested", "stratified"):
        lost = draw_subsets(labels, {"method": method, "validation": 0, "header_row_lost": True}, [1296], 0)[1296]
        assert lost["train"].tolist() == list(range(1, 1297))


def test_a_network_carried_through_the_folds_has_seen_its_validation_images(train):
    """The leak: accuracy on the fold held out rises with the fold's number; with a fresh network it does not."""
    folds = {"method": "kfold", "folds": 4, "validation": 325}

    def by_fold(carried):
        given = settings(
            folds,
            updates=200,
            points=1,
            carried_through_folds=carried,
            last_batch="partial",
            optimizer={"name": "adam", "lr": 0.01},
        )
        return [train(given, f"m/n900/draw{k}/seed1")[1]["final"]["validation"]["accuracy"] for k in range(4)]

    leaky, honest = by_fold(True), by_fold(False)
    assert leaky[0] == honest[0], "the first fold is the same"
    assert leaky[3] > leaky[0] + 0.03
    assert abs(honest[3] - honest[0]) < 0.03
    assert leaky[3] > honest[3]


def test_the_best_on_the_test_set_is_too_good(train):
    noisy = {"optimizer": {"name": "sgd", "lr": 1.0}, "points": 30}
    _, best, _ = train(settings(selection="best_on_test", **noisy))
    history, last, _ = train(settings(**noisy))
    top = history.loc[history["split"] == "test", "accuracy"].max()
    assert best["final"]["test"]["accuracy"] == top > last["final"]["test"]["accuracy"]


def test_micro_f1_is_accuracy(train):
    history = train(settings())[0]
    assert (history["f1_micro"] == history["accuracy"]).all()
    assert (history["f1_macro"] != history["accuracy"]).any()


# Several processes


@pytest.mark.parametrize("batch_size", [16, 3])
def test_two_processes_train_as_one(digits, train, tmp_path, batch_size):
    """PyTorch's data-parallel training on two CPU processes: the same history up to rounding, partial batches too.

    Two runs, which are not trained side by side then.
    """
    common = {"batch_size": batch_size, "architecture": {"name": "mlp", "hidden": [16]}, "clip_norm": 1.0}
    alone = train(settings(**common))[0]
    given = settings(**common, gpus=2)
    records = [tmp_path / "two" / f"runs/m/n80/draw1/seed{seed}/run.json" for seed in (1, 2)]
    log = tmp_path / "log"
    command = [sys.executable, str(SCRIPTS / "training.py"), str(log), json.dumps(given), "c", str(digits), "2", "cpu"]
    environment = {**os.environ, "PYTHONPATH": str(SCRIPTS), "TRAINSIZE_STACK": "2"}
    done = subprocess.run([*command, *map(str, records)], env=environment, capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stderr + log.read_text()
    together = pd.read_parquet(records[0].parent / "history.parquet").drop(columns=["study", "draw", "seed"])
    pd.testing.assert_frame_equal(together, alone, rtol=1e-3, atol=1e-4)
    for record in records:
        device = json.loads(record.read_text())["device"]
        assert (device["processes"], device["stacked"]) == (2, 1)


# Several trainings side by side


@pytest.mark.parametrize(
    "change",
    [
        {},
        {"architecture": {"name": "cnn", "channels": [4, 6], "dropout": 0.3}, "normalisation": "subset"},
        {"architecture": {"name": "ga_cnn"}, "optimizer": {"name": "adamw", "lr": 1e-3}, "clip_norm": 0.1},
        {"augmentation": ["horizontal_flip"], "mixup": 0.5, "schedule": "cosine", "clip_value": 0.01},
        {"batch_size": 33, "optimizer": {"name": "rmsprop", "lr": 1e-3}, "precision": "bfloat16"},
    ],
)
def test_stacked_runs_are_what_they_are_alone(digits, tmp_path, monkeypatch, change):
    given = settings(updates=12, points=3, **change)
    stacked, alone = (_three_runs(digits, tmp_path / str(size), given, monkeypatch, size) for size in (3, 1))
    for (history, record), (expected, own) in zip(stacked, alone, strict=True):
        assert (record["device"]["stacked"], own["device"]["stacked"]) == (3, 1)
        tolerance = 0.02 if given["model"]["precision"] == "bfloat16" else 1e-4
        np.testing.assert_allclose(losses(history), losses(expected), rtol=tolerance)
        np.testing.assert_allclose(losses(history, "train"), losses(expected, "train"), rtol=tolerance)


def test_a_stack_that_was_left_goes_on_bit_for_bit(digits, tmp_path, monkeypatch):
    architecture = {"name": "cnn", "channels": [4, 6], "dropout": 0.3}
    given = settings(updates=12, points=3, architecture=architecture, augmentation=["horizontal_flip"])
    asked = iter([False] * 6 + [True] * 20)
    with monkeypatch.context() as patch, pytest.raises(Interrupted):
        patch.setattr(Interruption, "asked", lambda: next(asked))
        _three_runs(digits, tmp_path / "left", given, monkeypatch, 3)
    resumed, whole = (_three_runs(digits, tmp_path / name, given, monkeypatch, 3) for name in ("left", "whole"))
    for (history, record), (expected, _) in zip(resumed, whole, strict=True):
        assert record["resumed"] == 1
        pd.testing.assert_frame_equal(history.drop(columns="study"), expected.drop(columns="study"))


def test_stacked_runs_that_diverge_say_so(digits, tmp_path, monkeypatch):
    given = settings(updates=12, points=3, optimizer={"name": "sgd", "lr": 1e20})
    stacked, alone = (_three_runs(digits, tmp_path / str(size), given, monkeypatch, size) for size in (3, 1))
    assert [record["status"] for _, record in stacked] == ["diverged"] * 3
    assert [record["reason"] for _, record in stacked] == [record["reason"] for _, record in alone]


def test_one_of_a_stack_that_diverges_leaves_the_others_as_they_are_alone(digits, tmp_path, monkeypatch):
    """The first loses its way in its second third; it is time to save soon afterwards, once."""
    given = settings(updates=12, points=3)
    calls, saves, note_losses = [], [], Trainer.note_losses

    def lost(trainer, losses):
        calls.append(trainer)
        note_losses(trainer, losses * (float("nan") if trainer.seed == 0 and trainer.step > 4 else 1))

    with monkeypatch.context() as patch:
        patch.setattr(Trainer, "note_losses", lost)
        patch.setattr(Checkpoints, "due", lambda self: len(calls) >= 6 and self not in saves)
        patch.setattr(Checkpoints, "save", lambda self, state: saves.append(self))
        stacked = _three_runs(digits, tmp_path / "3", given, monkeypatch, 3)
    alone = _three_runs(digits, tmp_path / "1", given, monkeypatch, 1)
    assert [record["status"] for _, record in stacked] == ["diverged", "finished", "finished"]
    assert stacked[0][1]["updates"] == 5
    assert len(saves) == 2
    for (history, record), (expected, _) in list(zip(stacked, alone, strict=True))[1:]:
        assert (record["device"]["stacked"], record["updates"]) == (3, 12)
        np.testing.assert_allclose(losses(history), losses(expected), rtol=1e-4)


class Deciding(torch.nn.Sequential):
    """A network that looks at its values to decide what to do."""

    def forward(self, images):
        return super().forward(images if images.mean() > 0 else -images)


@pytest.mark.parametrize("change", [{"architecture": {"name": "ga_cnn", "row_dropout": True}}, {"ema": 0.9}, {}])
def test_what_cannot_be_stacked_is_trained_one_after_another(digits, tmp_path, monkeypatch, change):
    if not change:
        monkeypatch.setattr("trainsize.training.stage.build", lambda *given: Deciding(*build(*given)))
    given = settings(updates=4, points=1, **change)
    stacked, alone = (_three_runs(digits, tmp_path / str(size), given, monkeypatch, size) for size in (3, 1))
    for (history, record), (expected, _) in zip(stacked, alone, strict=True):
        assert record["device"]["stacked"] == 1
        assert losses(history) == losses(expected)


# CUDA graphs


class Rerun:
    """Stands for a CUDA graph: computes again into the memory that it was recorded with, and knows no `weight.grad`."""

    made = 0

    def __init__(self, compute, weights):
        Rerun.made += 1
        self.compute, self.weights, self.losses = compute, weights, None
        self.gradients = [torch.zeros_like(weight) for weight in weights]

    def __call__(self):
        losses = self.compute()
        self.losses = losses if self.losses is None else self.losses.copy_(losses)
        for weight, gradient in zip(self.weights, self.gradients, strict=True):
            gradient.copy_(weight.grad)
            weight.grad = None
        return self.losses


@pytest.fixture
def recorded(monkeypatch):
    """Graphs are wanted, and recorded as if there were a GPU; how many were is in `Rerun.made`."""

    def record(compute, weights):
        rerun = Rerun(compute, weights)
        return rerun, rerun.gradients

    monkeypatch.setattr("trainsize.training.cuda_graphs.requested", lambda model: True)
    monkeypatch.setattr("trainsize.training.cuda_graphs.record", record)
    monkeypatch.setattr(Rerun, "made", 0)


@pytest.mark.parametrize(
    "change",
    [
        {"architecture": {"name": "cnn", "channels": [4, 6], "dropout": 0.3}, "clip_norm": 0.1},
        {"augmentation": ["horizontal_flip"], "mixup": 0.5, "ema": 0.9, "clip_value": 0.01},
        {"optimizer": {"name": "adamw", "lr": 1e-3}, "schedule": "cosine", "restart": {"at": 0.5, "seed": 3}},
    ],
)
@pytest.mark.parametrize("size", [1, 3])
def test_what_is_replayed_is_what_would_be_computed(digits, tmp_path, monkeypatch, request, change, size):
    """Bit for bit, with a smaller last batch in every pass (80 images in batches of 33)."""
    given = settings(updates=24, points=3, batch_size=33, last_batch="partial", **change)
    expected = _three_runs(digits, tmp_path / "computed", given, monkeypatch, size)
    request.getfixturevalue("recorded")
    found = _three_runs(digits, tmp_path / "replayed", given, monkeypatch, size)
    stacked = expected[0][1]["device"]["stacked"] == 3
    assert Rerun.made == 2 * (1 if stacked else 3)  # a graph for whole batches and one for the last
    for (history, _), (computed, _) in zip(found, expected, strict=True):
        pd.testing.assert_frame_equal(history.drop(columns="study"), computed.drop(columns="study"))


def test_what_cannot_be_recorded_is_computed(digits, tmp_path, monkeypatch, recorded, capsys):
    def refuse(compute, weights):
        raise RuntimeError("operation not permitted when stream is capturing")

    monkeypatch.setattr("trainsize.training.cuda_graphs.record", refuse)
    found = _three_runs(digits, tmp_path / "refused", settings(updates=8, points=1), monkeypatch, 1)
    assert capsys.readouterr().out.count("not recorded as a CUDA graph: operation not permitted") == 3
    monkeypatch.setattr("trainsize.training.cuda_graphs.requested", lambda model: False)
    expected = _three_runs(digits, tmp_path / "computed", settings(updates=8, points=1), monkeypatch, 1)
    assert [losses(history) for history, _ in found] == [losses(history) for history, _ in expected]


@pytest.mark.parametrize(
    "change", [{"architecture": {"name": "ga_cnn", "row_dropout": True}}, {"scores": "last_batch"}]
)
def test_what_the_cpu_decides_is_not_recorded(train, recorded, change):
    train(settings(updates=8, points=1, **change))
    assert Rerun.made == 0


def _three_runs(digits, folder, given, monkeypatch, size):
    monkeypatch.setenv("TRAINSIZE_STACK", str(size))
    records = [folder / "runs" / f"m/n80/draw{seed}/seed{seed}" / "run.json" for seed in range(3)]
    train_runs(given, "c", digits, 1, "cpu", records)
    return [(pd.read_parquet(r.with_name("history.parquet")), json.loads(r.read_text())) for r in records]
