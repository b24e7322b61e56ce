"""The recipes of the published studies train on small parts of real images."""

import json
import math

import numpy as np
import pytest
from support import ROOT, evaluation

from trainsize.common.files import read_json
from trainsize.datasets.prepared import Prepared, write_manifest
from trainsize.download.stage import prepare
from trainsize.study.reader import load_study
from trainsize.training.stage import train_runs

STUDIES = {
    "fashion-hyperparameters": 32,
    "fashion-folds": 16,
    "cifar10-cnn": 64,
    "cifar10-cnn+sizes": 64,
    "ga-letters+devanagari": 64,
    "ga-letters+devanagari+corrected": 64,
    "emnist-loss+fashion": 64,
    "imagenet-volume+tiny+corrected": 2,  # large networks: enough to see that everything fits together
}
RECIPES = [(study, model) for study in STUDIES for model in load_study(study, ROOT / "studies").models]


@pytest.fixture(scope="module")
def part(mirror, tmp_path_factory):
    """Return the folder of a part of a prepared data set: 800 training and 200 test images, drawn at random."""
    folders = {}

    def part(dataset):
        if dataset.name not in folders:
            whole, folder = (tmp_path_factory.mktemp(name) for name in ("whole", "part"))
            prepare(dataset.request, whole, mirror=str(mirror))
            for split, count in (("train", 800), ("test", 200)):
                rows = np.random.default_rng(0).permutation(len(Prepared(whole).labels(split)))[:count]
                for kind in ("images", "labels"):
                    np.save(folder / f"{split}_{kind}.npy", np.load(whole / f"{split}_{kind}.npy", mmap_mode="r")[rows])
            arrays = [path.name for path in folder.glob("*.npy")]
            write_manifest(folder, read_json(whole / "manifest.json"), arrays)
            folders[dataset.name] = folder
        return folders[dataset.name]

    return part


@pytest.mark.parametrize(("name", "model"), RECIPES)
def test_a_published_recipe_learns(part, tmp_path, name, model):
    """A few updates bring the loss on the training images below that of guessing; a rate of 1 may diverge instead."""
    study = load_study(name, ROOT / "studies")
    settings = study.run_settings(model)
    held = {"validation": 160} if settings["subset"]["validation"] else {}
    settings = {
        **settings,
        "subset": {**settings["subset"], **held},
        "budget": {"updates": STUDIES[name]},
        "evaluation": evaluation(points=1),
        "model": {**settings["model"], "batch_size": min(32, settings["model"]["batch_size"])},
    }
    record = tmp_path / "s" / "runs" / model / "n600" / "draw1" / "seed1" / "run.json"
    train_runs(settings, "c", part(study.dataset), 1, "cpu", [record])
    result = json.loads(record.read_text())
    assert result["status"] == "finished" or model == "rate-1"
    if model == "rate-1" or settings["budget"]["updates"] < 10:
        return
    guessing = math.log(len(study.dataset.classes))
    # Row dropout halves what the last batch can show, and a few updates at a small rate are few.
    assert result["final"]["train"]["loss"] < guessing + 0.05
