"""Parquet tables whose column of images holds something else: said by file, row and column, and never opened."""

from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
from PIL import Image
from pyarrow import parquet

from trainsize.common.errors import UserError
from trainsize.datasets.catalogue import Dataset
from trainsize.download.parquet_cells import encoded, row_places
from trainsize.download.readers import read

PIXELS = [[[1, 2, 3]] * 4] * 4


@pytest.mark.parametrize(
    ("cell", "found"),
    [
        ({"bytes": None, "path": "img/3.png"}, "only the path 'img/3.png' of an image, expected the bytes of an image"),
        ("/home/me/3.png", "the text '/home/me/3.png', expected the bytes of an image file"),
        (PIXELS, "a list of 4 × 4 × 3 numbers, expected the bytes of an image file"),
        ([1.0, 0.5], "a list of 2 numbers"),
        ([], "a list of 0 values"),
        (None, "nothing, expected the bytes"),
        (7, "'7', expected the bytes"),
        ({"width": 3}, "{width} without bytes"),
    ],
)
def test_what_is_in_a_cell_is_said(cell, found):
    with pytest.raises(UserError) as error:
        encoded(cell, "a.parquet, row 3, column 'image'")
    assert str(error.value).startswith(f"a.parquet, row 3, column 'image': holds {found}")


def test_what_helps_is_said():
    for cell, advice in (
        ("a.png", "the format folder"),
        ({"path": "a.png"}, "the format folder"),
        (PIXELS, "npz or idx"),
    ):
        with pytest.raises(UserError, match=advice):
            encoded(cell, "x")


def test_rows_are_counted_in_their_own_file(tmp_path):
    paths = [tmp_path / "a.parquet", tmp_path / "b.parquet"]
    for path, count in zip(paths, (2, 3), strict=True):
        parquet.write_table(pa.table({"image": [b""] * count}), path)
    place = row_places(paths, "image")
    assert [place(row) for row in (1, 2, 4)] == [
        f"{path}, row {row}, column 'image'" for path, row in ((paths[0], 2), (paths[1], 1), (paths[1], 3))
    ]


@pytest.mark.parametrize("kind", ["texts", "paths", "pixels"])
def test_a_data_set_of_such_cells_is_refused_and_opens_no_file(tmp_path, kind):
    secret = tmp_path / "secret.png"
    Image.fromarray(np.full((8, 8), 77, np.uint8)).save(secret)
    cell = {"texts": str(secret), "paths": {"bytes": None, "path": str(secret)}, "pixels": [[1] * 8] * 8}[kind]
    type_ = pa.struct({"bytes": pa.binary(), "path": pa.string()}) if kind == "paths" else None
    for split in ("train", "test"):
        column = pa.array([cell] * 4, type=type_)
        parquet.write_table(pa.table({"image": column, "label": [0, 1, 0, 1]}), tmp_path / f"{split}.parquet")
    form = {"name": "parquet", "path": str(tmp_path), "train": "train*.parquet", "test": "test*.parquet"}
    form |= {"image": "image", "label": "label", "size": 8, "channels": 1}
    card = Dataset(
        name="x",
        title="x",
        n_train=4,
        n_test=4,
        classes=("a", "b"),
        shape=(8, 8, 1),
        source="",
        licence="",
        format=form,
    )
    (tmp_path / "scratch").mkdir()
    with pytest.raises(UserError) as error:
        read(card, Path(), tmp_path / "scratch")
    message = str(error.value)
    assert message.startswith(f"{tmp_path / 'train.parquet'}")
    assert "'image'" in message and "expected the bytes of an image" in message
    assert not any(word in message for word in ("<_io", "object", "Error", "read'"))
