"""Arrays and tables whose counts, axes, types or labels are wrong: refused with what was found in each split."""

import gzip
import re

import numpy as np
import pyarrow as pa
import pytest
from pyarrow import parquet
from test_datasets import IDX, SPLITS, describe, folder_form, idx, npz, pictures, png, prepared, small, write

from trainsize.common.errors import UserError
from trainsize.datasets.remarks import notes, remarks
from trainsize.download.checks import check_counts


def arrays(count=12, test=6, height=8, width=6, channels=3, classes=2):
    images = {
        "train": pictures(count, height, width, channels),
        "test": pictures(test, height, width, channels, seed=1),
    }
    return images, {split: np.arange(len(of_split)) % classes for split, of_split in images.items()}


def changed(images, labels, what, change):
    """Return the arrays with one of them changed, or that of both splits."""
    split, _, kind = what.partition(" ")
    arrays = images if kind == "images" else labels
    for name in SPLITS if split == "both" else (split,):
        arrays[name] = change(arrays[name])
    return images, labels


def one_hot(labels):
    return np.eye(2, dtype=np.uint8)[labels]


WRONG = {
    "no test images": ("test images", lambda x: x[:0], "there are no test images; training and test set need"),
    "no training labels": ("train labels", lambda y: y[:0], "there are no training images"),
    "a label too few": ("train labels", lambda y: y[1:], "there are 12 training images and 11 labels"),
    "images too few": ("test images", lambda x: x[2:], "there are 4 test images and 6 labels"),
    "channels first": (
        "both images",
        lambda x: x.transpose(0, 3, 1, 2),
        "shape (12, 3, 8, 6), which looks like channels f",
    ),
    "channels first in one split": (
        "test images",
        lambda x: x.transpose(0, 3, 1, 2),
        "the test images have the shape (6, 3",
    ),
    "images last, channels first": ("both images", lambda x: x.transpose(3, 1, 2, 0), "(x.transpose(3, 1, 2, 0))"),
    "images last": ("both images", lambda x: x.transpose(1, 2, 3, 0), "to the front (x.transpose(3, 0, 1, 2))"),
    "grey images last": ("both images", lambda x: x[..., 0].transpose(1, 2, 0), "(x.transpose(2, 0, 1))"),
    "another size": (
        "test images",
        lambda x: x[:, :5],
        "shape 5×6×3 (height × width × channels), but the training images",
    ),
    "another number of channels": ("train images", lambda x: x[..., :1], "have the shape 8×6×3 (height"),
    "flat": ("both images", lambda x: x.reshape(len(x), -1), "these have one flat row of numbers per image"),
    "no pixels": ("both images", lambda x: x[:, :0], "the training images have no pixels"),
    "floats": (
        "both images",
        lambda x: x / np.float32(255),
        "must be uint8, from 0 to 255; multiply numbers from 0 to 1",
    ),
    "large integers": ("test images", lambda x: x.astype(np.int64), "the test images must be uint8"),
    "a column": ("both labels", lambda y: y[:, None], "these are a column or row"),
    "a row": ("train labels", lambda y: y[None], "these are a column or row"),
    "one-hot": ("both labels", one_hot, "as in one-hot coding (y.argmax(axis=1)"),
    "float labels": ("test labels", lambda y: y.astype(float), "save them as integers (y.astype('int64')"),
    "texts": ("both labels", lambda y: np.array(["cat", "dog"])[y], "write each text as its place among `classes`"),
    "true and false": ("both labels", lambda y: y > 0, "save them as integers"),
    "objects": ("train labels", lambda y: y.astype(object), "save them as integers"),
    "exchanged": ("train labels", lambda y: np.zeros((12, 8, 6), np.uint8), "they look like images"),
    "a single label": ("train labels", lambda y: np.array(3), "one whole number per image, from 0 to 1"),
}


@pytest.mark.parametrize("name", WRONG)
@pytest.mark.parametrize("stated", [False, True])
def test_arrays_that_do_not_fit_are_refused_in_full(tmp_path, name, stated):
    """When the study is read or, with its facts stated, when the data set is prepared."""
    what, change, message = WRONG[name]
    images, labels = changed(*arrays(), what, change)
    facts = {"n_train": 12, "n_test": 6, "shape": [8, 6, 3]} if stated else {}
    if stated and name == "another size":
        message = "have the shape 5×6×3 (height × width × channels), but the study states (shape) 8×6×3"
    if stated and name == "another number of channels":
        message = "have the shape 8×6×1 (height × width × channels), but the study states (shape) 8×6×3"
    if stated and name == "objects":
        message = "Object arrays cannot be loaded"
    with pytest.raises(UserError, match=re.escape(message)) as caught:
        prepared(describe(format=npz(tmp_path / "mine.npz", images, labels), **facts), tmp_path / "out")
    assert "mine.npz" in str(caught.value)
    if name != "objects":
        assert all(f"{split}: images " in str(caught.value) for split in ("training", "test"))


def idx_form(folder, images, labels):
    for split in SPLITS:
        write(folder / f"{split}-images.gz", gzip.compress(idx(images[split])))
        write(folder / f"{split}-labels.gz", gzip.compress(idx(labels[split])))
    return {**IDX, "path": str(folder)}


@pytest.mark.parametrize(
    "name", ["no test images", "a label too few", "channels first", "images last", "one-hot", "flat"]
)
def test_idx_files_that_do_not_fit_are_refused(tmp_path, name):
    what, change, message = WRONG[name]
    with pytest.raises(UserError, match=re.escape(message)):
        describe(format=idx_form(tmp_path, *changed(*arrays(), what, change)))


SHIFTED = {
    "from 1": (
        lambda y: y + 1,
        "training labels are 1 to 2, the test labels are 1 to 2, expected 0 to 1; they count from 1",
    ),
    "one more": (
        lambda y: np.arange(len(y)) % 3,
        "are 0 to 2, the test labels are 0 to 2, expected 0 to 1; are there 3 classes",
    ),
    "negative": (lambda y: -y, "the training labels are -1 to 0, the test labels are -1 to 0, expected 0 to 1"),
    "far": (lambda y: 1000 * y, "the training labels are 0 to 1000"),
    "one class": (lambda y: 0 * y, "mine: no training images of 1; .* Found in training: 0 12, 1 0; test: 0 6, 1 0"),
}


def table(folder, split, images, labels):
    rows = pa.table({"image": [png(image) for image in images], "label": labels})
    parquet.write_table(rows, write(folder / f"{split}-0.parquet", b""))


def parquet_form(path, **options):
    standard = {"train": "train-*.parquet", "test": "test-*.parquet", "image": "image", "label": "label"}
    return {"name": "parquet", "path": str(path), **standard, "size": 8, "channels": 3, **options}


@pytest.mark.parametrize("name", SHIFTED)
@pytest.mark.parametrize("kind", ["npz", "idx", "parquet"])
def test_labels_of_other_classes_are_refused(tmp_path, name, kind):
    change, message = SHIFTED[name]
    images, labels = changed(*arrays(), "both labels", change)
    if kind == "idx" and name in ("negative", "far"):
        pytest.skip("bytes cannot hold these labels")
    if kind == "parquet":
        for split in SPLITS:
            table(tmp_path, split, images[split], labels[split])
        card = describe(format=parquet_form(tmp_path), n_train=12, n_test=6)
    else:
        form = npz(tmp_path / "x.npz", images, labels) if kind == "npz" else idx_form(tmp_path, images, labels)
        card = describe(format=form)
    with pytest.raises(UserError, match=message):
        prepared(card, tmp_path / "out")
    assert not list((tmp_path / "out").iterdir())


def test_a_class_in_one_split_only_is_refused(tmp_path):
    images, labels = small()
    labels["test"][:] = 1
    with pytest.raises(
        UserError, match=r"mine: no test images of cat; .* Found in training: cat 5, dog 4; test: cat 0, dog 5"
    ):
        prepared(describe(format=npz(tmp_path / "x.npz", images, labels), classes=["cat", "dog"]), tmp_path / "out")


COLUMNS = {
    "texts as labels": (
        "label",
        pa.array(["cat", "dog"] * 3),
        "the column 'label' holds string such as 'cat', expected a",
    ),
    "floats as labels": (
        "label",
        pa.array([0.0, 1.0] * 3),
        "the column 'label' holds double such as '0.0', expected a whole",
    ),
    "labels one-hot": ("label", pa.array([[0, 1], [1, 0]] * 3), r"the column 'label' holds list<"),
    "missing labels": (
        "label",
        pa.array([0, 1, 0, None, 1, None]),
        "row 4, column .label.: no label, the first of 2 of 6 rows",
    ),
    "paths as images": (
        "image",
        pa.array(["/etc/cat.png"] * 6),
        "column 'image': holds the text '/etc/cat.png', expected the",
    ),
    "pixels as images": (
        "image",
        pa.array([[[1, 2], [3, 4]]] * 6),
        r"column 'image': holds a list of .*, expected the bytes",
    ),
    "structs without bytes": (
        "image",
        pa.array([{"path": "x.png"}] * 6),
        "column 'image': holds only the path 'x.png' of an image",
    ),
    "bytes that are missing": (
        "image",
        pa.array([None] * 6, pa.binary()),
        "test-0.parquet, row 1, column 'image': holds nothing, expected",
    ),
    "no column": ("picture", pa.array([b""] * 6), "no column 'image', found label, picture"),
}


@pytest.mark.parametrize("name", COLUMNS)
def test_columns_of_other_types_are_refused(tmp_path, name):
    column, values, message = COLUMNS[name]
    images, labels = arrays(test=6)
    for split in SPLITS:
        table(tmp_path, split, images[split], labels[split])
    rows = {"image": [png(image) for image in images["test"]], "label": labels["test"]}
    if column not in rows:
        rows.pop("image")
    parquet.write_table(pa.table(rows | {column: values}), tmp_path / "test-0.parquet")
    with pytest.raises(UserError, match=message):
        prepared(describe(format=parquet_form(tmp_path), n_train=12, n_test=6), tmp_path / "out")


def test_a_parquet_table_without_rows_is_refused(tmp_path):
    images, labels = arrays()
    table(tmp_path, "train", images["train"], labels["train"])
    empty = pa.table({"image": pa.array([], pa.binary()), "label": pa.array([], pa.int64())})
    parquet.write_table(empty, tmp_path / "test-0.parquet")
    with pytest.raises(UserError, match="found 12 training and 0 test rows"):
        describe(format=parquet_form(tmp_path))
    with pytest.raises(UserError, match=r"found 0 test images, expected 6 \(n_test\)"):
        prepared(describe(format=parquet_form(tmp_path), n_train=12, n_test=6), tmp_path / "out")
    card = describe(format=parquet_form(tmp_path, unreadable="skip"), n_train=12, n_test=6)
    with pytest.raises(UserError, match=r"no test images of 0, 1; .* Found in training: 0 6, 1 6; test: 0 0, 1 0"):
        prepared(card, tmp_path / "out")
    write(tmp_path / "test-0.parquet", b"no table")
    with pytest.raises(UserError, match=r"test-0.parquet: cannot be read as Parquet"):
        describe(format=parquet_form(tmp_path))


def test_leaving_out_unreadable_rows_cannot_empty_a_class(tmp_path):
    images, labels = arrays()
    for split in SPLITS:
        files = [
            b"" if label and split == "test" else png(x) for x, label in zip(images[split], labels[split], strict=True)
        ]
        parquet.write_table(pa.table({"image": files, "label": labels[split]}), tmp_path / f"{split}-0.parquet")
    card = describe(format=parquet_form(tmp_path, unreadable="skip"), n_train=12, n_test=3)
    with pytest.raises(UserError, match=r"no test images of 1; .*; left out as unreadable: 3 test"):
        prepared(card, tmp_path / "out")


def test_what_is_not_used_is_noted(tmp_path):
    images, labels = arrays()
    for split in ("train", "test", "validation"):
        table(tmp_path / "pq", split, images["test"], labels["test"])
    data = prepared(describe(format=parquet_form(tmp_path / "pq"), n_train=6, n_test=6), tmp_path / "one")
    assert notes(data.manifest) == ["Not used, beside the training and test images: validation-0.parquet."]
    said = "6 of 6 test images are also among the training images, so the test scores may be too high."
    assert remarks(data.manifest) == [said]
    with pytest.raises(UserError, match=r"test-0.parquet: both `train` and `test` name this file"):
        prepared(describe(format=parquet_form(tmp_path / "pq", train="t*"), n_train=12, n_test=6), tmp_path / "out")
    form = npz(tmp_path / "x.npz", images, labels)
    with np.load(tmp_path / "x.npz") as archive:
        np.savez(tmp_path / "x.npz", **archive, x_extra=images["test"])
    assert prepared(describe(format=form), tmp_path / "two").manifest["beside"] == ["x_extra"]
    form = idx_form(tmp_path / "idx", images, labels)
    write(tmp_path / "idx" / "readme.txt", b"")
    assert prepared(describe(format=form), tmp_path / "three").manifest["beside"] == ["readme.txt"]


def test_a_folder_of_one_class_is_refused(tmp_path):
    for split in ("train", "val"):
        write(tmp_path / split / "cat" / "a.png", png(pictures(1)[0]))
    with pytest.raises(UserError, match="found 1 class, expected 2"):
        prepared(describe(format=folder_form(tmp_path), n_train=1, n_test=1), tmp_path / "out")


@pytest.mark.parametrize(
    ("found", "expected", "message"),
    [
        (("cat", "dog", "owl"), ("cat", "dog"), r"found 3 .* 2 \(classes\): cat, dog, owl; not expected: owl$"),
        (("cat",), ("cat", "dog"), r"found 1 class, expected 2 \(classes\): cat; missing: dog$"),
        (("a", "b", "c"), ("0", "1"), r"found 3 classes, expected 2 \(classes\): a, b, c$"),
    ],
)
def test_the_wrong_classes_are_named(found, expected, message):
    card = describe(format={"name": "npz", "path": "x"}, n_train=3, n_test=3, shape=[8, 8, 1], classes=list(expected))
    with pytest.raises(UserError, match=message):
        check_counts(card, found, {"train": 3, "test": 3})
