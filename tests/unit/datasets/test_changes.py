"""The user's own files compared with what a data set was prepared from."""

import os
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from PIL import Image

from trainsize.common.errors import UserError
from trainsize.common.schema import with_defaults
from trainsize.datasets import changes
from trainsize.datasets.catalogue import DATASETS, File
from trainsize.datasets.changes import RECORD, compare, misfits, recorded
from trainsize.datasets.described import described
from trainsize.download.stage import prepare
from trainsize.study.schema import study_schema


@pytest.fixture(autouse=True)
def called_here(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)


def card_of(form: dict, **facts):
    rules = study_schema()
    value = {"name": "own", "format": form, "classes": 2, "n_train": 6, "n_test": 2, **facts}
    return described(with_defaults(value, rules["properties"]["dataset"], rules))


def photos(root, size=(4, 4)):
    rng = np.random.default_rng(0)
    for split, count in (("train", 3), ("val", 1)):
        for name in ("cat", "dog"):
            (root / split / name).mkdir(parents=True)
            for number in range(count):
                pixels = rng.integers(0, 256, (*size, 3), dtype=np.uint8)
                Image.fromarray(pixels).save(root / split / name / f"{number}.bmp")
    return root


def prepared(card, folder, mirror=""):
    prepare(card.request, folder, str(mirror))
    return folder


def age(path):
    """Give a file the times of an old one, as unpacking an archive does."""
    os.utime(path, ns=(10**18, 10**18))


@pytest.fixture(params=[4, None], ids=["prepared", "listed"])
def own(request, tmp_path):
    """A folder of photos, and the card of the data set, prepared in `out`."""
    root = photos(tmp_path / "pets")
    card = card_of({"name": "folder", "path": "pets", "size": request.param})
    prepared(card, tmp_path / "out")
    return card, root, tmp_path / "out"


def found(own):
    card, _, out = own
    return compare(card, out, "")


def test_files_that_look_as_before_are_not_read(own, monkeypatch):
    before = found(own)
    monkeypatch.setattr(changes, "file_hash", None)
    assert found(own) == before
    assert not before.changes


def test_touched_and_copied_files_are_read_once_and_are_no_change(own, monkeypatch):
    _, root, _ = own
    before = found(own)
    for path in root.rglob("*.bmp"):
        content = path.read_bytes()
        path.unlink()
        path.write_bytes(content)
    assert found(own) == before
    monkeypatch.setattr(changes, "file_hash", None)
    assert found(own) == before


def spoil(root):
    """Move, edit, remove and add a file."""
    (root / "train/cat/0.bmp").rename(root / "train/dog/9.bmp")
    (root / "train/cat/1.bmp").write_bytes(b"another image")
    (root / "train/dog/1.bmp").unlink()
    (root / "val/dog/new.jpg").write_bytes(b"new")


def test_each_kind_of_change_is_told(tmp_path):
    root = photos(tmp_path / "pets")
    card = card_of({"name": "folder", "path": "pets", "size": 4})
    out = prepared(card, tmp_path / "out")
    before = compare(card, out, "")
    spoil(root)
    after = compare(card, out, "")
    assert after.state != before.state
    assert str(after.changes) == (
        "1 file moved (train/dog/9.bmp), 1 changed (train/cat/1.bmp), 1 added (val/dog/new.jpg), "
        "1 removed (train/dog/1.bmp)"
    )


def test_classes_that_the_study_does_not_state(own):
    card, root, _ = own
    assert misfits(card, root.parent) == []
    for split in ("train", "val"):
        (root / split / "bird").mkdir()
        Image.new("RGB", (4, 4)).save(root / split / "bird/0.bmp")
    assert misfits(card, root.parent) == [
        "n_train: found 6, but there are now 7 images; write `n_train: 7`",
        "n_test: found 2, but there are now 3 images; write `n_test: 3`",
        "classes: found 2, but there are now 3 (bird, cat, dog)",
    ]


def test_listed_images_change_with_their_names_and_sizes(tmp_path):
    root = photos(tmp_path / "pets")
    card = card_of({"name": "folder", "path": "pets", "size": None})
    out = prepared(card, tmp_path / "out")
    spoil(root)
    (root / "train/cat/2.bmp").rename(root / "train/dog/7.bmp")
    (root / "train/dog/2.bmp").rename(root / "train/cat/2.bmp")
    assert str(compare(card, out, "").changes) == (
        "1 file changed (train/cat/1.bmp), 3 added (train/dog/7.bmp, train/dog/9.bmp, val/dog/new.jpg), "
        "3 removed (train/cat/0.bmp, train/dog/1.bmp, train/dog/2.bmp)"
    )


def test_labels_exchanged_between_files_that_look_alike(tmp_path):
    """Files of an archive have one size and one time: only their place on the disk tells them apart."""
    root = photos(tmp_path / "pets")
    for path in root.rglob("*.bmp"):
        age(path)
    card = card_of({"name": "folder", "path": "pets", "size": 4})
    out = prepared(card, tmp_path / "out")
    one, other, between = root / "train/cat/0.bmp", root / "train/dog/0.bmp", root / "between"
    one.rename(between)
    other.rename(one)
    between.rename(other)
    assert str(compare(card, out, "").changes) == "2 files moved (train/cat/0.bmp, train/dog/0.bmp)"


def test_an_edit_in_place_that_keeps_size_and_time(tmp_path):
    path = tmp_path / "own.npz"

    def write(seed):
        rng = np.random.default_rng(seed)
        images = {f"x_{split}": rng.integers(0, 256, (n, 2, 2), np.uint8) for split, n in (("train", 6), ("test", 2))}
        np.savez(path, **images, y_train=np.arange(6) % 2, y_test=np.arange(2))
        age(path)

    write(1)
    card = card_of({"name": "npz", "path": "own.npz"}, shape=[2, 2, 1])
    out = prepared(card, tmp_path / "out")
    before, size = compare(card, out, ""), path.stat().st_size
    path.touch()
    assert compare(card, out, "") == before
    write(2)
    assert path.stat().st_size == size
    assert str(compare(card, out, "").changes) == "1 file changed (own.npz)"
    assert misfits(card, tmp_path) == []
    assert misfits(replace(card, n_test=1), tmp_path) == [
        "n_test: found 1, but there are now 2 images; write `n_test: 2`"
    ]


def test_one_of_several_tables(tmp_path):
    (tmp_path / "tables").mkdir()
    png = (photos(tmp_path / "pets") / "train/cat/0.bmp").read_bytes()
    for name, count in (("train-0", 3), ("train-1", 3), ("test-0", 2)):
        rows = {"image": [png] * count, "label": [number % 2 for number in range(count)]}
        pd.DataFrame(rows).to_parquet(tmp_path / "tables" / f"{name}.parquet")
    card = card_of({"name": "parquet", "path": "tables", "size": 4})
    out = prepared(card, tmp_path / "out")
    assert not compare(card, out, "").changes
    (tmp_path / "tables" / "train-1.parquet").unlink()
    assert str(compare(card, out, "").changes) == "1 file removed (train-1.parquet)"
    assert misfits(card, tmp_path) == ["n_train: found 6, but there are now 3 images; write `n_train: 3`"]


def test_labels_in_a_file_beside_listed_images_count_by_content(tmp_path):
    root = photos(tmp_path / "pets")
    for name in ("cat", "dog"):
        (root / "val" / name / "0.bmp").rename(root / "val" / f"{name}.bmp")
        (root / "val" / name).rmdir()
    notes = root / "val" / "val_annotations.txt"
    notes.write_text("cat.bmp\tcat\ndog.bmp\tdog\n")
    card = card_of({"name": "folder", "path": "pets", "size": None})
    out = prepared(card, tmp_path / "out")
    notes.touch()
    assert not compare(card, out, "").changes
    notes.write_text("cat.bmp\tdog\ndog.bmp\tcat\n")
    assert str(compare(card, out, "").changes) == "1 file changed (val/val_annotations.txt)"


def test_a_large_folder_is_compared_by_names_sizes_times_and_places(tmp_path, monkeypatch):
    root = photos(tmp_path / "pets")
    card = card_of({"name": "folder", "path": "pets", "size": 4})
    monkeypatch.setattr(changes, "MOST_READ", 100)
    out = prepared(card, tmp_path / "out")
    (root / "train/cat/0.bmp").chmod(0o600)
    assert not compare(card, out, "").changes, "nothing that counts has changed"
    (root / "train/cat/0.bmp").rename(root / "train/dog/0.bmp")
    (root / "train/cat/1.bmp").touch()
    told = "1 file moved (train/dog/0.bmp), 1 changed (train/cat/1.bmp)"
    assert str(compare(card, out, "").changes) == told


def test_names_that_a_terminal_would_obey_are_escaped(own):
    _, root, _ = own
    (root / "train/cat" / "a\x1b[2J\n.bmp").write_bytes(b"")
    (root / os.fsdecode(b"train/cat/\xff.bmp")).write_bytes(b"")
    assert str(found(own).changes) == r"2 files added (train/cat/\xff.bmp, train/cat/a\x1b[2J\n.bmp)"


def test_files_that_are_gone_altogether_are_no_change(own, tmp_path):
    _, root, _ = own
    before = found(own)
    root.rename(tmp_path / "elsewhere")
    assert found(own).state == before.state


def test_the_same_files_in_a_mirror_are_no_change(own, tmp_path):
    card, root, out = own
    before = found(own)
    (tmp_path / "mirror").mkdir()
    root.rename(tmp_path / "mirror/pets")
    assert compare(card, out, str(tmp_path / "mirror")).state == before.state
    (tmp_path / "mirror/pets/train/cat/0.bmp").unlink()
    assert compare(card, out, str(tmp_path / "mirror")).changes.removed == ["train/cat/0.bmp"]


def test_official_files_count_only_where_a_mirror_has_them_unpacked(tmp_path):
    root = photos(tmp_path / "mirror/pets")
    official = (File("pets.zip", "md5:0"),)
    card = replace(DATASETS["tiny-imagenet"], format=card_of({"name": "folder", "path": "pets"}).format, files=official)
    out = tmp_path / "out"
    unpacked = compare(card, out, str(tmp_path / "mirror")).state
    with recorded(card, tmp_path / "mirror", out):
        (out / "manifest.json").parent.mkdir()
        (out / "manifest.json").write_text("{}")
    assert compare(card, out, str(tmp_path / "mirror")).state == unpacked
    (root / "val/cat/0.bmp").unlink()
    assert compare(card, out, str(tmp_path / "mirror")).changes
    (out / RECORD).unlink()  # as if prepared from a file with the official checksum
    assert compare(card, out, str(tmp_path / "mirror")).state == ""


@pytest.mark.parametrize("fails", [None, UserError("cannot be read"), FileNotFoundError(2, "gone")])
def test_files_that_change_while_they_are_read_are_refused(own, fails):
    card, root, out = own
    (out / RECORD).unlink()
    with (
        pytest.raises(UserError, match=r"^pets: changed while it was read \(pets/train/dog\); run"),
        recorded(card, root.parent, out),
    ):
        (root / "train/dog/0.bmp").unlink()
        if fails:
            raise fails
    assert not (out / RECORD).exists()


def test_a_damaged_record_prepares_again(own):
    _, root, out = own
    before = found(own)
    (root / "train/cat/0.bmp").unlink()
    content = (out / RECORD).read_bytes()
    for damaged in (content[: len(content) // 2], b"", content[:-6] + b"\0" * 6):
        (out / RECORD).write_bytes(damaged)
        assert found(own).state != before.state
