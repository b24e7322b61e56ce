"""Training: the same run gives the same numbers, alone or in company; streams are independent; failures are rows."""

import json
import shutil

import numpy as np
import pandas as pd
import pytest
import torch
from support import evaluation, recipe

from trainsize.common.errors import UserError
from trainsize.datasets.prepared import Prepared
from trainsize.runs.budget import LAST_BATCHES, Batches
from trainsize.runs.streams import STREAMS, generator, torch_seed
from trainsize.subsets.methods import draw_subsets
from trainsize.training.architectures import build
from trainsize.training.images import Images
from trainsize.training.optimisation import rate_factor
from trainsize.training.order import batch_rows
from trainsize.training.stage import train_runs
from trainsize.training.trainer import Trainer

SETTINGS = {
    "subset": {"dataset": "digits", "method": "nested", "validation": 50},
    "budget": {"updates": 12},
    "evaluation": evaluation(points=3),
    "model": recipe(
        architecture={"name": "cnn", "channels": [4, 8], "dropout": 0.3},
        initialisation="default",
        batch_size=16,
        optimizer={"name": "adamw", "lr": 0.01, "weight_decay": 0.1, "norm_weight_decay": 0},
        schedule={"name": "cosine", "warmup": 0.1},
        label_smoothing=0.1,
        clip_norm=1.0,
        clip_value=None,
    ),
}


@pytest.fixture
def train(digits, tmp_path):
    def train(*folders: str, settings=SETTINGS, study="s", code="c"):
        records = [tmp_path / study / "runs" / folder / "run.json" for folder in folders]
        train_runs(settings, code, digits, 1, "cpu", records)
        return records[0].parent if len(records) == 1 else [record.parent for record in records]

    return train


def with_model(**changes) -> dict:
    return {**SETTINGS, "model": {**SETTINGS["model"], **changes}}


def numbers(folder) -> pd.DataFrame:
    return pd.read_parquet(folder / "history.parquet").drop(columns=["study", "model", "draw", "seed"])


def same_files(a, b) -> bool:
    return all(
        (a / name).read_bytes() == (b / name).read_bytes() for name in ("history.parquet", "predictions.parquet")
    )


def test_the_same_run_twice_is_the_same_bit_for_bit(train):
    first = train("m/n40/draw1/seed1")
    kept = first.rename(first.with_name("kept"))
    assert same_files(kept, train("m/n40/draw1/seed1"))


def test_a_packed_run_is_the_same_as_alone(train, tmp_path):
    alone = train("m/n40/draw1/seed2").rename(tmp_path / "alone")
    _, second, _ = train("m/n40/draw1/seed1", "m/n40/draw1/seed2", "m/n80/draw1/seed3")
    assert same_files(alone, second)


def test_seeds_and_draws_matter(train):
    folders = train("m/n40/draw1/seed1", "m/n40/draw1/seed2", "m/n40/draw2/seed1")
    losses = [tuple(numbers(folder)["loss"]) for folder in folders]
    assert len(set(losses)) == 3


def test_history_holds_every_split_on_all_its_images(train):
    history = numbers(train("m/n40/draw1/seed1"))
    assert list(history["step"].unique()) == [4, 8, 12]
    assert history.groupby("split")["n_evaluated"].unique().map(list).to_dict() == {
        "test": [500],
        "train": [40],
        "validation": [50],
    }
    assert list(history.loc[history["split"] == "test", "samples_seen"]) == [4 * 16, 8 * 16, 12 * 16]


def test_it_learns(train):
    settings = {**SETTINGS, "budget": {"updates": 200}}
    record = json.loads((train("m/n800/draw1/seed1", settings=settings) / "run.json").read_text())
    assert record["final"]["test"]["accuracy"] > 0.9


def test_a_finished_run_is_taken_over(train):
    folder = train("m/n40/draw1/seed1")
    before = (folder / "run.json").read_bytes()
    for name in ("history.parquet", "predictions.parquet", "run.json"):
        (folder / name).unlink()
    train("m/n40/draw1/seed1")
    assert (folder / "run.json").read_bytes() == before


@pytest.mark.parametrize("change", [{"settings": with_model(batch_size=17)}, {"code": "other"}])
def test_a_run_of_other_settings_or_code_is_trained_anew(train, change):
    folder = train("m/n40/draw1/seed1")
    before = json.loads((folder / "run.json").read_text())
    train("m/n40/draw1/seed1", **change)
    after = json.loads((folder / "run.json").read_text())
    assert (after["settings_hash"], after["code"]) != (before["settings_hash"], before["code"])


def test_a_diverged_run_is_a_row_with_its_reason(train):
    settings = with_model(optimizer={"name": "sgd", "lr": 1e30, "norm_weight_decay": None}, clip_norm=None)
    bad = train("m/n40/draw1/seed1", settings=settings)
    record = json.loads((bad / "run.json").read_text())
    assert record["status"] == "diverged"
    assert record["reason"].startswith("the training loss of update ")
    assert len(pd.read_parquet(bad / "predictions.parquet")) == 0


def test_weights_that_blow_up_in_the_last_update_make_a_run_diverged(train):
    settings = {**with_model(optimizer={"name": "sgd", "lr": 1e38, "norm_weight_decay": None}, clip_norm=None)}
    folder = train("m/n40/draw1/seed1", settings={**settings, "budget": {"updates": 1}})
    record = json.loads((folder / "run.json").read_text())
    assert (record["status"], record["updates"], record["final"]) == ("diverged", 1, {})
    assert record["reason"] == "the loss after update 1 is not a finite number"


def test_a_failing_run_leaves_the_others_finished(train, tmp_path, monkeypatch):
    run = Trainer.run

    def failing(self, saved):
        if self.seed == 2:
            raise RuntimeError("the device went away")
        return run(self, saved)

    monkeypatch.setattr(Trainer, "run", failing)
    with pytest.raises(UserError, match=r"1 of 3 runs failed[^$]*seed2: RuntimeError: the device went away"):
        train("m/n40/draw1/seed1", "m/n40/draw1/seed2", "m/n40/draw1/seed3")
    runs = tmp_path / "s" / "runs" / "m" / "n40" / "draw1"
    assert sorted(path.parent.name for path in runs.glob("*/run.json")) == ["seed1", "seed3"]


def test_streams_are_independent_and_named():
    draws = {stream: tuple(generator(5, stream).random(4)) for stream in STREAMS}
    assert len(set(draws.values())) == len(STREAMS)
    assert draws["order"] == tuple(generator(5, "order").random(4))
    assert torch_seed(0, "order") != torch_seed(1, "order")
    assert all(0 <= torch_seed(seed, stream) < 2**63 for seed in range(50) for stream in STREAMS)


def test_initialisation_has_a_stream_of_its_own():
    """Other random numbers, drawn before, change neither the weights nor are changed by making them."""
    torch.manual_seed(1)
    first = build(SETTINGS["model"], (1, 8, 8), 10, seed=3)
    after_first = torch.rand(3)
    torch.manual_seed(1)
    assert torch.equal(after_first, torch.rand(3))
    second = build(SETTINGS["model"], (1, 8, 8), 10, seed=3)
    assert all(torch.equal(a, b) for a, b in zip(first.parameters(), second.parameters(), strict=True))


def test_order_does_not_hang_on_dropout(digits):
    """The batches of a run are the same whatever the network draws for its dropout."""
    pair = [batch_rows(Batches(40, 16, "partial"), 1, 1, torch.device("cpu")) for _ in range(2)]
    for _ in range(7):
        first = next(pair[0])
        torch.rand(1000)
        assert torch.equal(first, next(pair[1]))


@pytest.mark.parametrize(("last", "sizes"), [("rollover", [16] * 5), ("partial", [16, 16, 8] * 2)])
def test_every_pass_sees_every_image_once(last, sizes):
    batches = batch_rows(Batches(40, 16, last), 1, 1, torch.device("cpu"))
    rows = [next(batches) for _ in sizes]
    assert [len(part) for part in rows] == sizes
    for of_pass in torch.cat(rows).split(40):
        assert sorted(of_pass.tolist()) == list(range(40))


def test_a_dropped_batch_holds_other_images_in_every_pass():
    batches = batch_rows(Batches(40, 16, "drop"), 1, 1, torch.device("cpu"))
    passes = [torch.cat([next(batches), next(batches)]) for _ in range(5)]
    assert all(len(set(rows.tolist())) == 32 for rows in passes)
    assert len({frozenset(rows.tolist()) for rows in passes}) == 5


@pytest.mark.parametrize("last", LAST_BATCHES)
@pytest.mark.parametrize("repeats", [1, 2])
def test_fewer_images_than_a_batch_are_one_batch(last, repeats):
    batches = batch_rows(Batches(10, 16, last), repeats, 1, torch.device("cpu"))
    assert all(len(next(batches)) == 10 for _ in range(3))
    assert len(set(next(batches).tolist())) == 10 / repeats


def test_validation_images_are_never_trained_on(digits):
    rows = draw_subsets(Prepared(digits).labels("train"), SETTINGS["subset"], [1200], 1)[1200]
    assert len(rows["validation"]) == 50
    assert len(np.intersect1d(rows["train"], rows["validation"])) == 0


def test_inputs_are_normalised(digits):
    images = Images.load(Prepared(digits), "train", torch.device("cpu"))
    inputs = images.inputs(slice(None))
    assert inputs.shape == (1297, 1, 8, 8)
    assert inputs.mean().item() == pytest.approx(0, abs=1e-5)
    assert inputs.std(correction=0).item() == pytest.approx(1, abs=1e-5)


def test_learning_rates():
    constant, cosine = ({"name": name, "warmup": 0.1} for name in ("constant", "cosine"))
    for schedule in (constant, cosine):
        warm = [rate_factor(schedule, step, 100, 10) for step in range(11)]
        assert warm == sorted(warm)
        assert 0 < warm[0] < 0.1
        assert warm[10] == 1
    assert rate_factor(constant, 99, 100, 10) == 1
    assert rate_factor(cosine, 55, 100, 10) == pytest.approx(0.5)
    assert 0 < rate_factor(cosine, 99, 100, 10) < 0.001


def test_a_gpu_that_is_not_there(train, digits, tmp_path):
    if torch.cuda.is_available():
        pytest.skip("there is a GPU")
    with pytest.raises(UserError, match="device: found 'cuda', but PyTorch sees no GPU on this machine"):
        train_runs(SETTINGS, "c", digits, 1, "cuda", [tmp_path / "s/runs/m/n40/draw1/seed1/run.json"])


def test_a_damaged_data_set_is_named(digits, tmp_path):
    broken = tmp_path / "digits"
    shutil.copytree(digits, broken)
    data = (broken / "train_images.npy").read_bytes()
    (broken / "train_images.npy").write_bytes(data[:1000])
    with pytest.raises(UserError, match=r"train_images\.npy: damaged or replaced"):
        Prepared(broken).images("train")
