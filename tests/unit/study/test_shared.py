"""One name for the data sets of several studies."""

import pytest

from trainsize.common.errors import UserError
from trainsize.study.reader import load_study
from trainsize.study.shared import check_description

STUDY = """\
title: Photos
dataset: {name: photos, format: {name: folder, path: photos, size: 8}, classes: 2, n_train: 24, n_test: 8}
sizes: [6]
seeds: [1]
budget: {updates: 2}
models: {m: {architecture: mlp, batch_size: 6, optimizer: {name: sgd, lr: 0.1}}}
variants:
  sharp:
    dataset: {name: photos, format: {name: folder, path: photos, size: 16}, classes: 2, n_train: 24, n_test: 8}
  long:
    budget: {updates: 4}
"""


def check(tmp_path, name, *with_results):
    """Check a study, with the subsets of others among the results."""
    for other in with_results:
        (tmp_path / "results" / other / "subsets").mkdir(parents=True)
    check_description(load_study(name, tmp_path), tmp_path, tmp_path / "results")


def write(tmp_path, name, old="", new=""):
    (tmp_path / f"{name}.yaml").write_text(STUDY.replace(old, new))


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("title: Photos", "title: The same"),
        ("classes: 2", "source: my camera\n, classes: 2"),
        ("classes: 2", "classes: ['0', '1']"),
        ("path: photos, size: 8", "size: 8, path: photos, train: train"),
    ],
)
def test_descriptions_that_mean_the_same_share_a_name(tmp_path, old, new):
    write(tmp_path, "one")
    write(tmp_path, "other", old, new)
    check(tmp_path, "other", "one", "one+long")


@pytest.mark.parametrize(
    ("old", "new", "told"),
    [
        ("n_train: 24", "n_train: 25", "dataset.n_train: 25 in .*other.yaml, 24 in .*one.yaml"),
        ("path: photos", "path: pictures", "dataset.format.path: pictures in .*other.yaml, photos in .*one.yaml"),
        ("name: folder", "name: parquet", "dataset.format.name: parquet in .*other.yaml, folder in .*one.yaml"),
    ],
)
def test_other_descriptions_are_refused_once_the_other_study_has_results(tmp_path, old, new, told):
    write(tmp_path, "one")
    write(tmp_path, "other", old, new)
    check(tmp_path, "other", "other", "other+long")
    (tmp_path / "results" / "one").mkdir()  # a plan writes there, too
    check(tmp_path, "other")
    with pytest.raises(UserError, match=rf"(?s)'photos' is described in another way in .*one.yaml.*{told}"):
        check(tmp_path, "other", "one")


def test_variants_of_one_study(tmp_path):
    write(tmp_path, "one")
    check(tmp_path, "one+long", "one")
    with pytest.raises(UserError, match=r"one.yaml \(sharp\): .*\n  dataset.format.size: 16 in .*\(sharp\), 8 in"):
        check(tmp_path, "one+sharp")


def test_studies_that_are_gone_or_spoilt_stop_no_other(tmp_path):
    write(tmp_path, "other")
    write(tmp_path, "spoilt", "dataset: {", "dataset: [")
    check(tmp_path, "other", "gone", "spoilt", "other+gone", "datasets")
