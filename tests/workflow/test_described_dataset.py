"""A data set described in a study file, through Snakemake: from its files to subsets and overlap."""

import gzip
import os
import shutil
import struct
import subprocess
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

ROOT = Path(__file__).resolve().parents[2]
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
def project(tmp_path):
    """A copy of the workflow with the study `blobs`, and its IDX files in the folder `mirror/blobs`."""
    for name in ("Snakefile", "config.yaml", "workflow", "envs"):
        source = ROOT / name
        (shutil.copytree if source.is_dir() else shutil.copy2)(source, tmp_path / name)
    (tmp_path / "studies").mkdir()
    (tmp_path / "studies" / "blobs.yaml").write_text(STUDY)
    write_blobs(tmp_path / "mirror" / "blobs")
    return tmp_path


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


def snakemake(project, *targets, mirror="", options=()):
    environment = {**os.environ, "TRAINSIZE_MIRROR": str(mirror)}
    command = [sys.executable, "-m", "snakemake", "--cores", "1", *options, "--config", "study=blobs", "--", *targets]
    done = subprocess.run(command, cwd=project, env=environment, capture_output=True, text=True)
    return done.returncode, done.stdout + done.stderr


def test_a_described_data_set_goes_from_its_files_to_overlap(project):
    shutil.copytree(project / "mirror" / "blobs", project / "blobs")
    code, output = snakemake(project, OVERLAP, SUBSETS)
    assert code == 0, output
    subsets = pd.read_parquet(project / SUBSETS)
    # 60 % of the 100 images that two of three folds hold
    assert subsets[["n", "n_train", "n_validation"]].drop_duplicates().to_numpy().tolist() == [
        [30, 30, 50],
        [60, 60, 50],
    ]
    assert (subsets["smallest_class"] == subsets["largest_class"]).all()
    pairs = pd.read_parquet(project / OVERLAP)
    assert len(pairs) == 15
    assert pairs["expected"].gt(0).all()
    classes = pd.read_parquet(project / "results" / "blobs" / "overlap" / "overlap_classes.parquet")
    assert classes["common"].sum() == pairs["common"].sum()

    # Another mirror, and even other files behind a prepared data set, make nothing stale.
    (project / "elsewhere").mkdir()
    code, output = snakemake(project, OVERLAP, SUBSETS, mirror=project / "elsewhere", options=["--dry-run"])
    assert code == 0, output
    assert "Nothing to be done" in output


def test_missing_and_damaged_files_are_one_message(project):
    code, output = snakemake(project, SUBSETS)
    assert code != 0
    assert "studies/blobs.yaml: dataset: blobs/train-images-idx3-ubyte.gz: there is no such file" in output
    assert "Traceback" not in output

    # With its facts stated, the study is read without the files, which then come from the mirror.
    stated = "classes: [left, middle, right]\n  n_train: 150\n  n_test: 30\n  shape: [6, 6, 1]"
    study = project / "studies" / "blobs.yaml"
    study.write_text(study.read_text().replace("classes: [left, middle, right]", stated))
    labels = project / "mirror" / "blobs" / "t10k-labels-idx1-ubyte.gz"
    whole = labels.read_bytes()
    labels.write_bytes(whole[:-5])
    code, output = snakemake(project, SUBSETS, mirror=project / "mirror")
    assert code != 0
    assert "t10k-labels-idx1-ubyte.gz: not a whole IDX file" in output
    assert "Traceback" not in output
    assert not (project / "results" / "datasets" / "blobs" / "manifest.json").exists()

    labels.write_bytes(whole)
    code, output = snakemake(project, SUBSETS, mirror=project / "mirror")
    assert code == 0, output
