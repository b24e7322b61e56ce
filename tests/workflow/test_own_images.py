"""A user's own images through Snakemake: what is left out and what means nothing is refused, or told first."""

import html
import json
import re

import numpy as np
import pytest
from PIL import Image
from support import write_photos

STUDY = """\
title: Own images
dataset:
  name: own
  format: {format}
  classes: 2
sizes: [6, 12]
seeds: [1, 2]
budget: {{updates: 4}}
evaluation: {{points: 2}}
base: {{batch_size: 4, optimizer: {{name: sgd, lr: 0.1}}}}
models: {{mlp: {{architecture: {{name: mlp, hidden: [8]}}}}}}
regressions: {{bootstrap: 100, allow_few_seeds: true}}
figures: {{metrics: [accuracy]}}
"""
FOLDER = "{name: folder, path: data, size: 8}"
MANIFEST = "results/datasets/own/manifest.json"


@pytest.fixture
def own(project):
    """A project whose study `own` describes the folder `data`: 8 training and 4 test images of each class."""
    (project.folder / "studies" / "own.yaml").write_text(STUDY.format(format=FOLDER))
    write_photos(project.folder / "data", 8, 4, "{}.png")
    return project


def snakemake(project, *arguments, check=True):
    return project.snakemake("--cores", "1", *arguments, "--config", "study=own", check=check)


def state_counts(project, n_train, n_test):
    project.edit("studies/own.yaml", "  classes: 2", f"  classes: 2\n  n_train: {n_train}\n  n_test: {n_test}")


def page(project):
    """Return the text of the report, line by line."""
    text = (project.folder / "results" / "own" / "report.html").read_text()
    text = re.sub(r"<(script|style)[^>]*>.*?</\1>|<img[^>]*>", "", text, flags=re.S)
    lines = (html.unescape(re.sub(r"<[^>]+>", " ", line)).split() for line in re.split(r"</p>|</h\d>|</tr>", text))
    return [" ".join(line) for line in lines if line]


def test_a_class_of_unread_photographs_stops_the_study(own):
    for path in sorted((own.folder / "data").glob("*/dog/*.png")):
        path.rename(path.with_suffix(".heic"))
    said = r"data/train/dog: no images of the class 'dog': found 8 .heic files (0.heic, 1.heic and 6 more)"
    printed = snakemake(own, "-n", check=False)
    assert f"studies/own.yaml: dataset: {said}" in printed
    assert "in training: cat 8, dog 0; in test: cat 4, dog 0" in printed
    state_counts(own, 16, 8)
    printed = snakemake(own, MANIFEST, check=False)
    assert said in printed
    assert "Traceback" not in printed
    assert not (own.folder / MANIFEST).exists()


def test_files_that_are_left_out_are_told_everywhere(own):
    for k in range(3):
        (own.folder / "data" / "train" / "dog" / f"{k}.png").rename(own.folder / "data" / "train" / "dog" / f"{k}.HEIC")
    (own.folder / "data" / "train" / "dog" / "Thumbs.db").touch()
    told = "3 files are left out, not read as images: in train/dog: 3 .heic files (0.HEIC, 1.HEIC and 1 more)."
    printed = snakemake(own, "-n", check=False)
    assert (
        "n_train: 13\n  n_test: 8\nNot counted, because they are not read as images:\n  train/dog: 3 .heic" in printed
    )
    state_counts(own, 13, 8)
    assert f"own: WARNING: {told}" in snakemake(own)
    manifest = json.loads((own.folder / MANIFEST).read_text())
    assert manifest["left_out"]["train"]["train/dog"][".heic"]["files"] == 3
    assert manifest["clutter"] == {"train": 1, "test": 0}
    log = (own.folder / "results/datasets/own/download.log").read_text().splitlines()
    assert log[0].startswith(f"WARNING: {told} To read HEIC photographs, install")
    assert log[1] == "note: 1 hidden or system file or folder ignored."
    lines = page(own)
    assert lines[1].startswith(f"Data: {told}")
    assert "1 hidden or system file or folder ignored." in lines
    assert any(line.startswith("data set data own 3 files are left out") for line in lines)  # the auditor's remark
    first, second = own.tool("plan", "own").splitlines()[:2]
    assert first == "own: Own images"
    assert second.startswith(f"WARNING: own: {told}")
    assert json.loads(own.tool("plan", "own", "--format", "json"))["remarks"][0].startswith(told)


def test_shapes_in_the_transparency_are_prepared(own):
    """Black everywhere, with the shape in the alpha channel only."""
    for path in sorted((own.folder / "data").glob("*/*/*.png")):
        rgba = np.zeros((8, 8, 4), np.uint8)
        rgba[..., 3] = np.asarray(Image.open(path))[..., 0]
        Image.fromarray(rgba).save(path)
    state_counts(own, 16, 8)
    snakemake(own, MANIFEST)
    manifest = json.loads((own.folder / MANIFEST).read_text())
    assert manifest["duplicates"]["groups"] == 0
    assert manifest["transparent"] == {"train": 16, "test": 8}
    content = manifest["content"]
    own.edit("studies/own.yaml", "size: 8}", "size: 8, background: black}")
    snakemake(own, MANIFEST)
    manifest = json.loads((own.folder / MANIFEST).read_text())
    assert manifest["content"] != content
    assert manifest["flat_channels"] == [0, 1, 2]
    warnings = (own.folder / "results/datasets/own/download.log").read_text().splitlines()[:4]
    assert warnings[0].startswith("WARNING: 16 training and 8 test images have a single colour, so they show nothing.")
    assert warnings[3].startswith("WARNING: 24 images in 1 group of identical images have different labels")
    printed = snakemake(own, "plan")
    assert printed.index("WARNING: own: 16 training and 8 test images") < printed.index("model  ")
    own.edit("studies/own.yaml", "background: black", "background: blue")
    printed = snakemake(own, "-n", check=False)
    assert (
        "background: found 'blue' (text), allowed: white, black, grey, none, or a colour such as '#3366cc'" in printed
    )


@pytest.mark.parametrize("what", ["no test images", "channels first", "unequal"])
def test_arrays_that_do_not_fit_stop_before_any_job(own, what):
    own.edit("studies/own.yaml", FOLDER, "{name: npz, path: own.npz}")
    x, y = np.random.default_rng(0).integers(0, 256, (24, 8, 8, 3), dtype=np.uint8), np.arange(24) % 2
    test = slice(0, 0) if what == "no test images" else slice(0, 8)
    images = {"x_train": x, "x_test": x[test]}
    if what == "channels first":
        images = {name: of_split.transpose(0, 3, 1, 2) for name, of_split in images.items()}
    labels = {"y_train": y[1:] if what == "unequal" else y, "y_test": y[test]}
    np.savez(own.folder / "own.npz", **images, **labels)
    printed = snakemake(own, check=False)
    message = {
        "no test images": "own.npz: there are no test images; training and test set need images of every class. Found",
        "channels first": "the training images have the shape (24, 3, 8, 8), which looks like channels first",
        "unequal": "there are 24 training images and 23 labels; there must be one label per image. Found training:",
    }[what]
    assert message in printed
    assert "test: images uint8" in printed
    assert "Traceback" not in printed
    assert "Job stats" not in printed
