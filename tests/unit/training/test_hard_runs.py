"""Runs at the edge: out of memory, no number, one image, a class that is missing; and images that cannot be read."""

import hashlib
import json
import os
import shutil
import threading

import numpy as np
import pandas as pd
import pytest
import torch
from PIL import Image
from support import evaluation, recipe

from trainsize.common import files
from trainsize.common.errors import UserError
from trainsize.common.files import read_json
from trainsize.common.schema import with_defaults
from trainsize.common.tables import read_arrow
from trainsize.datasets.described import described
from trainsize.datasets.prepared import Prepared, write_manifest
from trainsize.download.stage import prepare
from trainsize.study.schema import study_schema
from trainsize.training import custom
from trainsize.training.evaluation import BATCH, FEWER
from trainsize.training.stage import train_runs

NETWORK = """
import torch
from torch import nn

class Greedy(nn.Module):
    # Fails for a GPU's memory, as PyTorch does, when it is given more images at once than `most`.
    def __init__(self, shape, n_classes, most, where):
        super().__init__()
        self.most, self.where = most, where
        self.layers = nn.Sequential(nn.Flatten(), nn.Linear(shape[0] * shape[1] * shape[2], n_classes))

    def forward(self, images):
        if len(images) > self.most and self.training == (self.where == "training"):
            raise torch.cuda.OutOfMemoryError("CUDA out of memory. Tried to allocate 20.00 GiB. GPU 0 has 1 GiB.")
        return self.layers(images)
"""


def settings(architecture, **model) -> dict:
    return {
        "subset": {"dataset": "digits", "method": "nested", "validation": 0},
        "budget": {"updates": 4},
        "evaluation": evaluation(points=2),
        "model": recipe(architecture, **model),
    }


@pytest.fixture
def run(digits, tmp_path, monkeypatch):
    """Train one run and return its record."""
    monkeypatch.chdir(tmp_path)

    def run(asked: dict, n: int = 40, dataset=digits) -> dict:
        path = tmp_path / "results" / "s" / f"runs/m/n{n}/draw1/seed1/run.json"
        shutil.rmtree(tmp_path / "results", ignore_errors=True)
        train_runs(asked, "c", dataset, 1, "cpu", [path])
        return read_json(path) | {"history": read_arrow(path.parent / "history.parquet").to_pandas()}

    return run


def greedy(tmp_path, most: int, where: str) -> dict:
    (tmp_path / "nets.py").write_text(NETWORK)
    code = custom.code("nets.Greedy", tmp_path)
    return settings({"name": "custom", "path": "nets.Greedy", "code": code, "options": {"most": most, "where": where}})


def test_evaluation_that_does_not_fit_is_tried_in_smaller_batches(run, tmp_path, capsys, faults):
    fits = run(greedy(tmp_path, 10**9, "evaluation"))
    tight = run(greedy(tmp_path, BATCH["cpu"] // FEWER, "evaluation"))
    faults("runs out of memory")
    assert f"evaluating {BATCH['cpu'] // FEWER} images at a time instead of {BATCH['cpu']}" in capsys.readouterr().out
    assert tight["status"] == "finished"
    assert tight["final"]["test"]["loss"] == pytest.approx(fits["final"]["test"]["loss"], rel=1e-6)
    assert tight["final"]["test"]["accuracy"] == fits["final"]["test"]["accuracy"]


@pytest.mark.parametrize(("most", "where", "step"), [(2, "evaluation", 2), (7, "training", 0)])
def test_a_run_that_does_not_fit_at_all_is_a_failed_row(run, tmp_path, faults, most, where, step):
    record = run(greedy(tmp_path, most, where))
    faults("runs out of memory")
    assert record["status"] == "failed"
    assert record["reason"] == f"out of memory after update {step}: CUDA out of memory"
    assert (len(record["history"]), record["final"]) == (0, {})


def test_a_host_out_of_memory_fails_the_job_and_keeps_the_others(digits, tmp_path, monkeypatch):
    (tmp_path / "nets.py").write_text(NETWORK.replace("torch.cuda.OutOfMemoryError", "MemoryError"))
    monkeypatch.chdir(tmp_path)
    asked = greedy(tmp_path, 20, "training")
    (tmp_path / "nets.py").write_text(NETWORK.replace("torch.cuda.OutOfMemoryError", "MemoryError"))
    asked["model"]["architecture"]["code"] = custom.code("nets.Greedy", tmp_path)
    asked["model"]["batch_size"] = 32
    paths = [tmp_path / f"results/s/runs/m/n{n}/draw1/seed1/run.json" for n in (10, 40)]
    with pytest.raises(UserError, match=r"(?s)1 of 2 runs failed; the others are kept:.*n40.*MemoryError"):
        train_runs(asked, "c", digits, 1, "cpu", paths)
    assert [path.exists() for path in paths] == [True, False]


def test_a_loss_that_is_no_number_is_a_row(run, faults):
    record = run(settings({"name": "mlp", "hidden": [8]}, optimizer={"name": "sgd", "lr": 1e30}))
    faults("runs that diverge")
    assert record["status"] == "diverged"
    assert "not a finite number" in record["reason"]


def test_a_batch_of_one_that_cannot_be_normalised_is_a_failed_row(run, faults):
    """ResNet's last features of a small image are one pixel: batch normalisation has no spread to divide by."""
    record = run(settings("resnet18", batch_size=4, last_batch="partial"), n=5)
    faults("runs at the edge")
    assert record["status"] == "failed"
    assert record["reason"].startswith("a batch too small to be normalised after update 1: Expected more than 1 value")
    assert run(settings("resnet18", batch_size=4), n=5)["status"] == "finished", "every batch is full by default"


@pytest.mark.parametrize("architecture", [{"name": "cnn", "channels": [4]}, "ga_cnn", "mlp"])
def test_a_single_image_trains(run, architecture, faults):
    record = run(settings(architecture), n=1)
    faults("runs at the edge")
    assert record["status"] == "finished"
    assert record["images_seen"] == 4
    assert set(record["history"]["n_evaluated"]) == {1, 500}


def test_a_batch_larger_than_the_subset_makes_an_update_per_pass(run):
    record = run(settings("mlp", batch_size=500), n=30)
    assert (record["updates"], record["images_seen"]) == (4, 120)


def test_classes_that_the_subset_lacks_are_evaluated_all_the_same(run):
    asked = settings("mlp")
    asked["subset"]["method"] = "first_n"
    record = run(asked, n=3)
    assert record["status"] == "finished"
    assert set(record["history"].query("split == 'test'")["n_evaluated"]) == {500}


def test_a_test_label_that_training_lacks(run, digits, tmp_path):
    """A class that only the test set has is never right, and no error: its recall is 0."""
    folder = tmp_path / "seen"
    folder.mkdir()
    data = Prepared(digits)
    seen = data.labels("train") != 9
    for split, rows in (("train", seen), ("test", slice(None))):
        np.save(folder / f"{split}_images.npy", data.images(split)[rows])
        np.save(folder / f"{split}_labels.npy", data.labels(split)[rows])
    write_manifest(folder, data.manifest, [path.name for path in folder.glob("*.npy")])
    record = run(settings("mlp") | {"budget": {"updates": 60}}, n=400, dataset=folder)
    predictions = pd.read_parquet(tmp_path / "results/s/runs/m/n400/draw1/seed1/predictions.parquet")
    assert record["status"] == "finished"
    assert not (predictions.query("label == 9")["class_1"] == 9).any()
    assert record["final"]["test"]["accuracy"] > 0.5


@pytest.fixture
def photos(tmp_path):
    """Return a folder of 2 classes × 1,100 images of which three cannot be read, and a function to prepare it."""
    rng = np.random.default_rng(0)
    for split, count in (("train", 1000), ("val", 100)):
        for name in ("a", "b"):
            folder = tmp_path / "photos" / split / name
            folder.mkdir(parents=True)
            for k in range(count):
                Image.fromarray(rng.integers(0, 255, (6, 6), np.uint8)).save(folder / f"{k:04}.png")
    spoilt = [tmp_path / "photos" / name for name in ("train/a/0007.png", "train/b/0999.png", "val/a/0000.png")]
    spoilt[0].write_bytes(spoilt[0].read_bytes()[:30])
    spoilt[1].write_text("<html>404</html>")
    spoilt[2].write_bytes(b"")

    def made(**more):
        form = {"name": "folder", "path": str(tmp_path / "photos"), "size": 6, "channels": 1, **more}
        value = {"name": "photos", "format": form, "classes": ["a", "b"], "n_train": 1998, "n_test": 199}
        rules = study_schema()
        card = described(with_defaults(value, rules["properties"]["dataset"], rules))
        prepare(json.loads(json.dumps(card.request)), tmp_path / "out")
        return Prepared(tmp_path / "out")

    return made, spoilt


def test_an_image_that_cannot_be_read_stops_by_default(photos, tmp_path):
    made, _ = photos
    with pytest.raises(UserError, match="found 2,000 training images, expected 1,998"):
        made()
    assert not (tmp_path / "out" / "manifest.json").exists()


def test_a_pipe_among_images_is_refused_and_not_waited_for(photos, faults):
    made, spoilt = photos
    spoilt[0].unlink()
    os.mkfifo(spoilt[0])
    with pytest.raises(UserError, match=r"a/0007\.png: has the name of an image but is not a regular file; remove it"):
        made()
    faults("paths that never answer")


def test_a_file_that_is_long_in_coming_is_waited_for_and_told(tmp_path, monkeypatch, capsys, faults):
    """A pipe stands for a network disk that does not answer for a while."""
    monkeypatch.setattr(files, "SLOW", 0.05)
    os.mkfifo(tmp_path / "a.bin")
    later = threading.Timer(0.3, (tmp_path / "a.bin").write_bytes, [b"at last"])
    later.start()
    assert files.file_hash(tmp_path / "a.bin", "sha256") == hashlib.sha256(b"at last").hexdigest()
    later.join()
    faults("paths that never answer")
    told = capsys.readouterr().out
    assert f"{tmp_path}/a.bin: still reading; waiting for its disk if that does not respond" in told


def test_images_that_cannot_be_read_are_left_out_where_that_is_asked_for_and_counted(photos, faults):
    made, spoilt = photos
    data = made(unreadable="skip")
    faults("images that cannot be read", 3)
    assert (len(data.images("train")), len(data.images("test"))) == (1998, 199)
    assert np.bincount(data.labels("train")).tolist() == [999, 999]
    left_out = data.manifest["unreadable"]
    assert [len(left_out[split]) for split in ("train", "test")] == [2, 1]
    assert all(str(path) in " ".join(left_out["train"] + left_out["test"]) for path in spoilt)
    index = pd.read_parquet(data.folder / "train_index.parquet")
    for row in (0, 6, 7, 500, 998, 999, 1997):
        with Image.open(spoilt[0].parents[2] / index["path"][row]) as image:
            assert (data.images("train")[row, ..., 0] == np.asarray(image)).all()


def test_the_count_of_images_left_out_is_told_where_the_counts_do_not_fit(photos):
    made, spoilt = photos
    shutil.copy(spoilt[0], spoilt[0].with_name("1234.png"))
    (spoilt[0].with_name("0008.png")).unlink()
    with pytest.raises(UserError, match=r"expected 1,998 \(n_train\); .*; left out as unreadable: 3 train and 1 test"):
        made(unreadable="skip")


def test_out_of_memory_is_one_exception_on_every_device():
    assert torch.cuda.OutOfMemoryError is torch.OutOfMemoryError
