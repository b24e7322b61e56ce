"""The user's own files change after a study has run: the messages, what becomes stale, and what is kept."""

import json
import shutil

import pytest
from PIL import Image
from support import write_photos

STUDY = """\
title: Photos
dataset:
  name: photos
  format: {name: folder, path: data/photos, size: 8}
  classes: 2
  n_train: 24
  n_test: 8
sizes: [6]
seeds: [1, 2]
subset: {method: random}
budget: {updates: 2}
evaluation: {points: 1}
models: {m: {architecture: {name: mlp, hidden: [4]}, batch_size: 6, optimizer: {name: sgd, lr: 0.1}}}
"""
TABLE = "results/tiny/metrics/runs.parquet"


@pytest.fixture(scope="module")
def photos_once(new_project, tmp_path_factory):
    project = new_project(tmp_path_factory.mktemp("sources") / "project")
    project.study.write_text(STUDY)
    write_photos(project.folder / "data/photos", 12, 4, "{:02}.bmp")
    project.snakemake("--cores", "1", "--", TABLE)
    return project


@pytest.fixture
def photos(photos_once, tmp_path):
    """A copy, to be changed, of a project whose study of a folder of photos has run, with the photos."""
    return photos_once.copy(tmp_path / "project")


def records(project) -> dict[str, dict]:
    return {str(path): json.loads(path.read_text()) for path in sorted(project.results.glob("runs/**/seed*/run.json"))}


def swap(one, other):
    """Exchange two files, as a user does who corrects their labels."""
    between = one.with_name("between")
    one.rename(between)
    other.rename(one)
    between.rename(other)


def test_corrected_labels_make_the_data_set_and_its_runs_stale(photos):
    assert photos.planned_jobs(TABLE) == {}, "a copy of the project is no change"
    before = records(photos)
    train = photos.folder / "data/photos/train"
    for name in ("00.bmp", "01.bmp"):  # files of the same size, and no number of images changes
        swap(train / "cat" / name, train / "dog" / name)
    told = photos.snakemake("-n", TABLE)
    assert "\ndownload " in told
    assert "\ntraining_" in told
    assert "data/photos: 4 files moved (train/cat/00.bmp, train/cat/01.bmp, train/dog/00.bmp and 1 more) since" in told
    assert "these become stale: results/datasets/photos, results/tiny" in told
    plan = photos.tool("plan")
    assert "WARNING: data/photos: 4 files moved" in plan
    assert "2 data set changed" in plan
    photos.snakemake("--cores", "1", "--", TABLE)
    after = records(photos)
    assert all(after[run]["dataset_content"] != before[run]["dataset_content"] for run in before)
    assert photos.planned_jobs(TABLE) == {}


def test_removed_images_stop_before_anything_is_lost(photos):
    removed = photos.folder / "data/photos/train/dog/03.bmp"
    content = removed.read_bytes()
    removed.unlink()
    manifest = photos.folder / "results/datasets/photos/manifest.json"
    prepared = manifest.read_bytes()
    told = photos.snakemake("--cores", "1", "--", TABLE, check=False)
    assert "data/photos: 1 file removed (train/dog/03.bmp) since results/datasets/photos was made" in told
    message = "studies/tiny.yaml: dataset: n_train: found 24, but there are now 23 images; write `n_train: 23`"
    assert told.rstrip().endswith(message)
    assert manifest.read_bytes() == prepared
    removed.write_bytes(content)
    assert photos.planned_jobs(TABLE) == {}, "what is put back is no change"
    removed.unlink()
    photos.edit("studies/tiny.yaml", "n_train: 24", "n_train: 23")
    photos.snakemake("--cores", "1", "--", TABLE)
    assert json.loads(manifest.read_text())["n_train"] == 23


def test_other_bytes_with_the_same_pixels_train_nothing_again(photos):
    before = records(photos)
    path = photos.folder / "data/photos/train/cat/05.bmp"
    image = Image.open(path)
    image.load()
    image.save(path, dpi=(300, 300))
    assert "data/photos: 1 file changed (train/cat/05.bmp)" in photos.snakemake("--cores", "1", "--", TABLE)
    assert records(photos) == before


def test_without_snakemakes_records_changed_files_are_not_overlooked(photos):
    shutil.rmtree(photos.folder / ".snakemake")
    assert photos.planned_jobs(TABLE) == {}
    (photos.folder / "data/photos/val/dog/03.bmp").rename(photos.folder / "data/photos/val/cat/04.bmp")
    told = photos.snakemake("--cores", "1", "--", TABLE, check=False)
    assert "data/photos: 1 file moved (val/cat/04.bmp)" in told
    assert told.rstrip().endswith("call it with --forcerun download.")
    assert "training" in photos.planned_jobs("--forcerun", "download", "--", TABLE)


def test_one_name_for_two_descriptions_is_refused(photos):
    other = photos.folder / "studies/other.yaml"
    other.write_text(STUDY.replace("title: Photos", "title: A copy"))
    table, config = "results/other/metrics/runs.parquet", ("--config", "study=other", "--")
    assert "download" not in photos.planned_jobs(*config, table)
    other.write_text(STUDY.replace("size: 8", "size: 4").replace("classes: 2", "classes: [cat, dog]"))
    told = photos.snakemake("-n", *config, table, check=False)
    assert told.rstrip().endswith(
        "studies/other.yaml: dataset.name: 'photos' is described in another way in studies/tiny.yaml, whose results "
        "are in results/tiny:\n"
        "  dataset.classes: [cat, dog] in studies/other.yaml, 2 in studies/tiny.yaml\n"
        "  dataset.format.size: 4 in studies/other.yaml, 8 in studies/tiny.yaml\n"
        "Describe both alike, or give one of the data sets another name."
    )
    assert photos.planned_jobs(TABLE) == {}, "the study that has results goes on"
    other.write_text(other.read_text().replace("name: photos", "name: small-photos"))
    assert "download" in photos.planned_jobs(*config, table)
