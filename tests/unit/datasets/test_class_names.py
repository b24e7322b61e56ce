"""Names of classes in a study: folders get the labels of the stated order, and no name is taken for another."""

import unicodedata

import numpy as np
import pytest
import yaml
from PIL import Image

from trainsize.common.errors import UserError
from trainsize.common.files import read_json
from trainsize.common.yaml_files import read_yaml
from trainsize.datasets.class_names import in_numbers_order, label_numbers
from trainsize.datasets.described import described
from trainsize.datasets.prepared import Prepared
from trainsize.download.stage import prepare
from trainsize.plan.stage import data_content

COMPOSED, DECOMPOSED = (unicodedata.normalize(form, "pâté") for form in ("NFC", "NFD"))
TWELVE = [str(i) for i in range(12)]


def folders(root, names, test_names=None):
    """Write one training and one test image per class, whose grey level is the place of its name among `names`."""
    for split, of_split in (("train", names), ("val", test_names or names)):
        for level, name in enumerate(of_split):
            (root / split / name).mkdir(parents=True)
            Image.fromarray(np.full((4, 4), level, np.uint8)).save(root / split / name / "a.png")
    return root


def card(root, classes):
    form = {"name": "folder", "path": str(root), "train": "train", "test": "val", "size": 4, "channels": 1}
    count = classes if isinstance(classes, int) else len(classes)
    value = {"name": "mine", "title": "", "source": "", "licence": "", "classes": classes, "format": form}
    return described(value | {"n_train": count, "n_test": count})


def manifest(root, classes, tmp_path):
    prepare(card(root, classes).request, tmp_path / "out")
    return Prepared(tmp_path / "out")


def test_folders_get_the_labels_of_the_stated_order(tmp_path):
    names = ["zebra", "ant", "Moth"]
    data = manifest(folders(tmp_path / "in", names), names, tmp_path)
    assert data.manifest["classes"] == names
    for split in ("train", "test"):
        assert data.labels(split).tolist() == data.images(split)[:, 0, 0, 0].tolist() == [0, 1, 2]


def test_numbers_as_names_are_in_the_stated_order_and_without_one_in_that_of_text(tmp_path, capsys):
    root = folders(tmp_path / "in", TWELVE)
    data = manifest(root, TWELVE, tmp_path)
    assert data.manifest["classes"] == TWELVE
    assert data.labels("train").tolist() == data.images("train")[:, 0, 0, 0].tolist()
    assert "as text" not in capsys.readouterr().out
    data = manifest(root, 12, tmp_path)
    assert data.manifest["classes"] == sorted(TWELVE)
    assert "the labels follow their order as text (0, 1, 10, 11, 2," in capsys.readouterr().out


def test_another_order_is_another_data_set_and_the_plan_says_so(tmp_path):
    root, results = folders(tmp_path / "in", ["a", "b"]), tmp_path / "results"
    cards = [card(root, classes) for classes in (["a", "b"], ["b", "a"], 2)]
    contents = []
    for prepared in cards:
        prepare(prepared.request, results / "datasets" / "mine")
        manifest = read_json(results / "datasets" / "mine" / "manifest.json")
        contents.append(manifest["content"])
        for stated in cards:
            same = (prepared is cards[1]) == (stated is cards[1])
            assert data_content(stated, manifest) == (contents[-1] if same else "")
    assert contents[0] == contents[2] != contents[1]


@pytest.mark.parametrize(
    ("stated", "message"),
    [
        (["a", "b", "x"], r"names 'x', which is no folder in \S*train, and does not name the folder 'c' in \S*train;"),
        (
            ["0", "1", "2"],
            "names '0', '1', '2', which are no folders in .*, and does not name the folders 'a', 'b', 'c'",
        ),
        (["a", "b"], "does not name the folder 'c' in .*; name each of its 3 folders once, in the order"),
        (["a", "b", "c", "d"], r"mine: dataset.classes names 'd', which is no folder in [^,]*; name each"),
    ],
)
def test_names_that_are_not_exactly_the_folders(tmp_path, stated, message):
    with pytest.raises(UserError, match=message):
        manifest(folders(tmp_path / "in", ["a", "b", "c"]), stated, tmp_path)


@pytest.mark.parametrize("stated", [["wine", COMPOSED], ["wine", DECOMPOSED], 2])
def test_two_unicode_forms_are_one_name_in_the_study_and_in_both_splits(tmp_path, stated):
    root = folders(tmp_path / "in", ["wine", DECOMPOSED], ["wine", COMPOSED])
    data = manifest(root, stated, tmp_path)
    assert sorted(data.manifest["classes"]) == [COMPOSED, "wine"]
    for split in ("train", "test"):
        levels = data.images(split)[:, 0, 0, 0]
        assert [data.manifest["classes"][label] for label in data.labels(split)] == [
            ["wine", COMPOSED][level] for level in levels
        ]


def test_two_forms_of_one_name_beside_each_other_are_refused(tmp_path):
    with pytest.raises(UserError, match=r"^classes: 'pâté' \(U\+00E2 U\+00E9\) and 'p\S*' \(U\+0302 U\+0301\) are one"):
        manifest(tmp_path, [COMPOSED, DECOMPOSED], tmp_path)
    with pytest.raises(UserError, match=r"train: .* are one name in two Unicode forms; keep one of them"):
        manifest(folders(tmp_path / "in", [COMPOSED, DECOMPOSED]), 2, tmp_path)


def test_labels_of_folders_in_the_order_of_the_names():
    assert label_numbers(["b", "a"], ("a", "b"), "in") == [1, 0]


@pytest.mark.parametrize(
    ("names", "expected"),
    [(["1", "2", "10"], True), (["1", "10", "2"], False), (["b", "a"], True), (["01", "02"], True)],
)
def test_order_of_numbers(names, expected):
    assert in_numbers_order(names) is expected


def test_names_are_read_as_they_are_written(tmp_path):
    file = tmp_path / "s.yaml"
    file.write_text("classes: [7, 007, no, yes, true, 1.50, 2024-01-01, null, '0', 1_0]\ncount: {classes: 10}\n")
    expected = ["7", "007", "no", "yes", "true", "1.50", "2024-01-01", "null", "0", "1_0"]
    assert read_yaml(file) == {"classes": expected, "count": {"classes": 10}}
    file.write_text("sizes: &a [1, 2]\nd: {classes: *a}\ne:\n  classes:\n  - 3\n  -\n")
    assert read_yaml(file) == {"sizes": [1, 2], "d": {"classes": ["1", "2"]}, "e": {"classes": ["3", None]}}
    file.write_text(yaml.safe_dump({"classes": ["1", "x"]}))
    assert read_yaml(file) == {"classes": ["1", "x"]}
