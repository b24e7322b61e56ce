"""A data set described in a study file, through Snakemake: from its files to subsets and overlap."""

import gzip
import shutil
import struct

import numpy as np
import pandas as pd
import pytest

STUDY = """
title: Blobs
dataset:
  name: blobs
  format: {name: idx, path: blobs}
  classes: [left, middle, right]
sizes: [30, 60%]
seeds: [1]
draws: {count: 3}
subset: {method: kfold, folds: 3}
budget: {updates: 3}
models:
  mlp: {architecture: mlp, batch_size: 8, optimizer: {name: sgd, lr: 0.1}}
"""
OVERLAP = "results/blobs/overlap/overlap.parquet"
SUBSETS = "results/blobs/subsets/subsets.parquet"


@pytest.fixture
def blobs(project):
    """A project with the study `blobs`, whose IDX files lie in the folder `mirror/blobs`."""
    (project.folder / "studies" / "blobs.yaml").write_text(STUDY)
    write_blobs(project.folder / "mirror" / "blobs")
    return project


def write_blobs(folder):
    folder.mkdir(parents=True)
    rng = np.random.default_rng(0)
    for split, count in (("train", 150), ("t10k", 30)):
        arrays = {
            "images-idx3": rng.integers(0, 256, (count, 6, 6), dtype=np.uint8),
            "labels-idx1": np.arange(count, dtype=np.uint8) % 3,
        }
        for what, array in arrays.items():
            header = struct.pack(f">HBB{array.ndim}I", 0, 8, array.ndim, *array.shape)
            (folder / f"{split}-{what}-ubyte.gz").write_bytes(gzip.compress(header + array.tobytes()))


def make(project, *targets, **options):
    return project.snakemake("--cores", "1", "--config", "study=blobs", "--", *targets, **options)


def test_a_described_data_set_goes_from_its_files_to_overlap(blobs, monkeypatch):
    folder = blobs.folder
    shutil.copytree(folder / "mirror" / "blobs", folder / "blobs")
    make(blobs, OVERLAP, SUBSETS)
    subsets = pd.read_parquet(folder / SUBSETS)
    # 60 % of the 100 images that two of three folds hold
    assert subsets[["n", "n_train", "n_validation"]].drop_duplicates().to_numpy().tolist() == [
        [30, 30, 50],
        [60, 60, 50],
    ]
    assert (subsets["smallest_class"] == subsets["largest_class"]).all()
    pairs = pd.read_parquet(folder / OVERLAP)
    assert len(pairs) == 15
    assert pairs["expected"].gt(0).all()
    classes = pd.read_parquet(folder / "results" / "blobs" / "overlap" / "overlap_classes.parquet")
    assert classes["common"].sum() == pairs["common"].sum()

    # Another mirror makes nothing stale.
    (folder / "elsewhere").mkdir()
    monkeypatch.setenv("TRAINSIZE_MIRROR", str(folder / "elsewhere"))
    assert "Nothing to be done" in make(blobs, OVERLAP, SUBSETS)

    # Nor do its title, source and licence.
    blobs.edit("studies/blobs.yaml", "  name: blobs\n", "  name: blobs\n  title: A\n  source: B\n  licence: C\n")
    assert "Nothing to be done" in make(blobs, OVERLAP, SUBSETS)


def test_missing_and_damaged_files_are_one_message(blobs, monkeypatch):
    output = make(blobs, SUBSETS, check=False)
    assert "studies/blobs.yaml: dataset: blobs/train-images-idx3-ubyte.gz: no such file" in output
    assert "Traceback" not in output

    # With its facts stated, the study is read without the files, which then come from the mirror.
    stated = "classes: [left, middle, right]\n  n_train: 150\n  n_test: 30\n  shape: [6, 6, 1]"
    blobs.edit("studies/blobs.yaml", "classes: [left, middle, right]", stated)
    monkeypatch.setenv("TRAINSIZE_MIRROR", str(blobs.folder / "mirror"))
    labels = blobs.folder / "mirror" / "blobs" / "t10k-labels-idx1-ubyte.gz"
    whole = labels.read_bytes()
    labels.write_bytes(whole[:-5])
    output = make(blobs, SUBSETS, check=False)
    assert "t10k-labels-idx1-ubyte.gz: not a complete IDX file" in output
    assert "Traceback" not in output
    assert not (blobs.folder / "results" / "datasets" / "blobs" / "manifest.json").exists()

    labels.write_bytes(whole)
    make(blobs, SUBSETS)
    assert (blobs.folder / SUBSETS).exists()
