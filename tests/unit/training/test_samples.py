"""Checkpoints look at samples; the final scores are those of the whole test set."""

import json

import pandas as pd
import pytest
from support import evaluation, recipe

from trainsize.runs.samples import images_evaluated
from trainsize.training import trainer
from trainsize.training.stage import train_runs

SPLITS = {"train": 800, "validation": 300, "test": 500}


def settings(images=50, train_images=200, **model) -> dict:
    return {
        "subset": {"dataset": "digits", "method": "nested", "validation": 300, "header_row_lost": False},
        "budget": {"updates": 30},
        "evaluation": evaluation(points=3, images=images, train_images=train_images),
        "model": recipe({"name": "mlp", "hidden": [16]}, batch_size=16, **model),
    }


@pytest.fixture
def train(digits, tmp_path):
    """Train one run and return its history and its record."""
    count = iter(range(100))

    def train(given: dict, run="m/n800/draw1/seed1"):
        folder = tmp_path / str(next(count)) / "runs" / run
        train_runs(given, "c", digits, 1, "cpu", [folder / "run.json"])
        return pd.read_parquet(folder / "history.parquet").drop(columns="study"), json.loads(
            (folder / "run.json").read_text()
        )

    return train


def seen(history: pd.DataFrame, split: str) -> list[tuple]:
    rows = history[history["split"] == split]
    return list(zip(rows["step"], rows["sampled"], rows["n_evaluated"], strict=True))


def test_a_checkpoint_looks_at_a_sample_and_the_final_scores_at_the_whole_test_set(train):
    history, record = train(settings())
    steps = [10, 20, 30]
    assert seen(history, "test") == [*((step, True, 50) for step in steps), (30, False, 500)]
    assert seen(history, "train") == [*((step, True, 50) for step in steps), (30, False, 200)]
    assert seen(history, "validation") == [(step, False, 300) for step in steps]
    assert record["images_evaluated"] == history["n_evaluated"].sum()
    assert record["images_evaluated"] == images_evaluated(3, SPLITS, settings()["evaluation"], settings()["model"])


def test_the_final_scores_are_those_of_a_run_that_evaluates_everything(train):
    """The sample takes nothing from the training's random numbers."""
    sampled, whole = (train(given)[1]["final"] for given in (settings(), settings("all", 1000)))
    assert sampled["test"] == whole["test"]
    assert sampled["train"] != whole["train"]
    assert train(settings(train_images="all"))[1]["final"] == whole


@pytest.mark.parametrize("selection", ["best_on_validation", "best_on_test"])
def test_a_selected_checkpoint_is_chosen_and_scored_on_all_images(train, selection):
    ruined = {"optimizer": {"name": "sgd", "lr": 3.0}, "selection": selection}
    (history, record), (_, expected) = (train(settings(images, **ruined)) for images in (50, "all"))
    assert record["selected_step"] == expected["selected_step"]
    assert record["final"]["test"] == expected["final"]["test"]
    assert record["final"]["validation"] == expected["final"]["validation"]
    final = history[~history["sampled"] & (history["split"] == "train")]
    assert final["step"].tolist() == [record["selected_step"]]
    if selection == "best_on_test":
        assert seen(history, "test") == [(step, False, 500) for step in (10, 20, 30)]


def test_the_sample_changes_with_the_seed_and_not_along_a_run(train, monkeypatch):
    original, looked_at = trainer.logits_of, []

    def recording(model, images, *others):
        looked_at.append(images.pixels.numpy().tobytes())
        return original(model, images, *others)

    monkeypatch.setattr(trainer, "logits_of", recording)
    of_seeds = []
    for seed in (1, 2):
        train(settings(), f"m/n800/draw1/seed{seed}")
        of_seeds.append({pixels for pixels in looked_at if len(pixels) == 50 * 64})
        looked_at.clear()
    assert [len(samples) for samples in of_seeds] == [2, 2], "one of the subset and one of the test set"
    assert not of_seeds[0] & of_seeds[1]


def test_a_set_no_larger_than_the_sample_is_evaluated_whole(train):
    history, _ = train(settings(images=600), "m/n40/draw1/seed1")
    assert not history["sampled"].any()
    assert history.groupby("split")["n_evaluated"].unique().map(list).to_dict() == {
        "train": [40],
        "validation": [300],
        "test": [500],
    }
    assert len(history) == 9


def test_the_final_scores_look_at_no_fewer_images_than_a_checkpoint(train):
    given = settings(images=300) | {"evaluation": evaluation(points=3, images=300) | {"train_images": 200}}
    history, _ = train(given)
    assert seen(history, "train")[-1] == (30, False, 300)


def test_the_last_batch_is_scored_as_published_whatever_the_sample(train):
    (history, _), (expected, _) = (train(settings(images, scores="last_batch")) for images in (50, "all"))
    pd.testing.assert_frame_equal(history, expected)
