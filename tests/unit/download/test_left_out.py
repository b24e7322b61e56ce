"""What a folder holds beside the images that are read: nothing vanishes without being counted and told."""

import json
import os
import re
import sys
from functools import partial

import numpy as np
import pytest
from PIL import Image
from test_datasets import describe, folder_form, pictures, png, prepared, tree, write

from trainsize.common.errors import UserError
from trainsize.datasets.folders import beside, list_folder
from trainsize.datasets.image_files import FORMATS, image_extensions, kind_of, reads_heif
from trainsize.datasets.remarks import notes, remarks
from trainsize.download import pixels
from trainsize.download.pixels import decode


def images(root, classes=("cat", "dog"), train=3, test=2, extension=".png"):
    """Write images of both splits, each different from all others."""
    for split, count, seed in (("train", train, 0), ("val", test, 1)):
        for label, name in enumerate(classes):
            for k, image in enumerate(pictures(count, 8, 8, 3, seed=10 * label + seed)):
                write(root / split / name / f"{name}_{k}{extension}", png(image))
    return root


def renamed(folder, extension):
    for path in sorted(folder.iterdir()):
        path.rename(path.with_suffix(extension))


def refuse(root, match):
    with pytest.raises(UserError, match=match) as caught:
        list_folder(root, "train", "val")
    return str(caught.value)


@pytest.mark.parametrize("split", ["train", "val"])
@pytest.mark.parametrize("extension", [".heic", ".tga", ".zip", ""])
def test_a_class_whose_files_are_not_read_is_refused(tmp_path, split, extension):
    images(tmp_path)
    renamed(tmp_path / split / "dog", extension)
    kind = f"{extension} files" if extension else "files without extension"
    message = refuse(tmp_path, rf"{split}/dog: no images of the class 'dog': found [23] {kind} \(dog_0")
    assert f"{'training' if split == 'train' else 'test'}: cat {3 if split == 'train' else 2}, dog 0" in message
    assert ("pillow-heif" in message) == (extension == ".heic")
    with pytest.raises(UserError, match="no images of the class 'dog'"):
        describe(format=folder_form(tmp_path))


@pytest.mark.parametrize("split", ["train", "val"])
def test_a_class_folder_without_files_or_in_one_split_only_is_refused(tmp_path, split):
    images(tmp_path)
    (tmp_path / split / "elk").mkdir()
    refuse(tmp_path, "val/elk: no such class among the training" if split == "val" else "'elk': its folder is empty")
    write(tmp_path / "train" / "elk" / ".hidden.png", b"")
    write(tmp_path / "val" / "elk" / "elk.png", png(pictures(1)[0]))
    refuse(tmp_path, "train/elk: no images of the class 'elk': its folder holds only hidden files or empty folders")
    write(tmp_path / "train" / "elk" / "deeper" / "still" / "elk.png", png(pictures(1)[0]))
    assert list_folder(tmp_path, "train", "val")[0] == ("cat", "dog", "elk")
    (tmp_path / "val" / "elk" / "elk.png").unlink()
    (tmp_path / "val" / "elk").rmdir()
    refuse(tmp_path, "val/elk: no images of the class 'elk': this folder does not exist")


def test_a_class_without_annotated_images_is_refused(tmp_path):
    tree(tmp_path, annotated=True)
    file = tmp_path / "val" / "val_annotations.txt"
    lines = file.read_text().splitlines()
    file.write_text("\n".join(line for line in lines if "\tdog\t" not in line))
    refuse(
        tmp_path, r"no annotated images of the class 'dog': found 2 .png files not in val_annotations.txt \(dog_0.png"
    )
    file.write_text("\n".join([*lines, lines[1]]))
    refuse(tmp_path, r"val_annotations.txt, line 5: '\w+.png' is in line 2 too; keep one of them")
    write(tmp_path / "val" / "more" / "cat_0.png", png(pictures(1)[0]))
    refuse(
        tmp_path, r"/val/images/cat_0.png: .*/val/more/cat_0.png has the same name|/val/more/cat_0.png: .*the same name"
    )
    file.write_bytes(b"cat\xe9.png\tcat\n")
    (tmp_path / "val" / "more" / "cat_0.png").unlink()
    refuse(tmp_path, "val_annotations.txt: cannot be read as UTF-8 text")


def test_what_is_left_out_is_counted_and_told(tmp_path):
    root = images(tmp_path / "in")
    for k in range(5):
        write(root / "train" / "dog" / f"photo_{k}.HEIC", b"")
    write(root / "train" / "dog" / "boxes.txt", b"0 0 1 1")
    write(root / "train" / "stray.PNG", png(pictures(1)[0]))
    write(root / "val" / "cat" / "raw\x1b[31m.cr2", b"")
    for path in ("train/Thumbs.db", "train/cat/.DS_Store", "val/__MACOSX/cat/._a.png", "val/dog/desktop.ini"):
        write(root / path, b"")
    write(root / "labels.csv", b"")
    write(root / "test" / "cat" / "a.png", b"")
    with pytest.raises(UserError) as caught:
        describe(format=folder_form(root))
    for said in ("n_train: 6\n", "n_test: 4\n", "\n  train/dog: 5 .heic files (photo_0.HEIC, photo_1.HEIC and 3 more)"):
        assert said in str(caught.value)
    data = prepared(describe(format=folder_form(root), n_train=6, n_test=4), tmp_path / "out")
    manifest = data.manifest
    heic = {"files": 5, "first": ["photo_0.HEIC", "photo_1.HEIC", "photo_2.HEIC"]}
    assert manifest["left_out"] == {
        "train": {
            "train": {".png outside the class folders": {"files": 1, "first": ["stray.PNG"]}},
            "train/dog": {".heic": heic, ".txt": {"files": 1, "first": ["boxes.txt"]}},
        },
        "test": {"val/cat": {".cr2": {"files": 1, "first": [r"raw\x1b[31m.cr2"]}}},
    }
    assert manifest["clutter"] == {"train": 2, "test": 2}
    (remark,) = remarks(manifest)
    assert remark.startswith(
        "7 files are left out, not read as images: in train: 1 .png file outside the class folders ("
    )
    assert "in train/dog: 5 .heic files (photo_0.HEIC, photo_1.HEIC and 3 more); in val/cat: 1 .cr2 file" in remark
    assert "install the package pillow-heif" in remark
    first, clutter, others = notes(manifest)
    assert "in train/dog: 1 .txt file (boxes.txt)" in first
    assert clutter.startswith("4 hidden or system files")
    assert others.endswith("labels.csv, test.")
    assert beside(root, "train", "val") == ["labels.csv", "test"]


def test_a_wrong_number_says_what_was_not_counted(tmp_path):
    root = images(tmp_path / "in")
    write(root / "train" / "dog" / "photo.heic", b"")
    with pytest.raises(
        UserError, match=r"found 6 training images, expected 7 .*\n.*\n  train/dog: 1 .heic file \(photo.heic\)"
    ):
        prepared(describe(format=folder_form(root), n_train=7, n_test=4), tmp_path / "out")


def test_a_data_set_in_order_has_no_remarks(tmp_path):
    data = prepared(describe(format=folder_form(images(tmp_path / "in")), n_train=6, n_test=4), tmp_path / "out")
    assert remarks(data.manifest) == notes(data.manifest) == []
    assert not {"left_out", "clutter", "transparent", "several_pictures", "unreadable"} & data.manifest.keys()


@pytest.mark.parametrize("split", ["train", "val"])
def test_leaving_out_what_is_unreadable_cannot_empty_a_class(tmp_path, split):
    root = images(tmp_path / "in")
    for path in (root / split / "dog").iterdir():
        path.write_bytes(path.read_bytes()[:60])
    counts = {"n_train": 3 if split == "train" else 6, "n_test": 2 if split == "val" else 4}
    card = describe(format=folder_form(root, unreadable="skip"), **counts)
    with pytest.raises(UserError, match=r"mine: no (training|test) images of dog; .*; left out as unreadable: [23] t"):
        prepared(card, tmp_path / "out")
    assert not list((tmp_path / "out").iterdir())


def test_an_unreadable_image_is_told_first(tmp_path):
    root = images(tmp_path / "in")
    write(root / "train" / "dog" / "bad.png", b"")
    card = describe(format=folder_form(root, unreadable="skip"), n_train=6, n_test=4)
    (remark,) = remarks(prepared(card, tmp_path / "out").manifest)
    assert remark.startswith("1 training and 0 test images could not be read and are left out")
    assert "bad.png: not a complete image: it is empty (0 bytes)" in remark


def test_images_at_the_wrong_level_are_named(tmp_path):
    root = images(tmp_path)
    for path in sorted((root / "val").rglob("*.png")):
        path.rename(root / "val" / path.name)
    for name in ("cat", "dog"):
        (root / "val" / name).rmdir()
    message = refuse(root, r"val/cat: no images of the class 'cat' \(nor of dog\): this folder does not exist; ")
    assert "val itself holds 4 .png files outside the class folders (cat_0.png, cat_1.png and 2 more)" in message
    with pytest.raises(UserError, match=r"val: contains no folders; .* \(found 4 .png files outside the class folders"):
        list_folder(root, "val", "train")
    for path in sorted((root / "val").iterdir()):
        write(root / "val" / "all" / "deeper" / path.name, path.read_bytes())
    refuse(root, "val/all: no such class among the training images")


def test_links_that_lead_nowhere_are_named(tmp_path):
    root = images(tmp_path / "in")
    link = root / "train" / "elk"
    link.symlink_to("/mnt/photos/elk")  # a class on a disk that is not mounted
    refuse(root, "train/elk: a link to /mnt/photos/elk, which is not there; mount its disk")
    link.unlink()
    (root / "train" / "dog" / "more").symlink_to("/mnt/photos/more")
    refuse(root, "train/dog/more: a link to /mnt/photos/more, which is not there")
    (root / "train" / "dog" / "more").unlink()
    (root / "train" / "dog" / "again").symlink_to("..")
    refuse(root, "train/dog/again: a link to a folder that contains the link itself")
    (root / "train" / "dog" / "again").unlink()
    moved = root.rename(tmp_path / "disk")
    root.symlink_to(moved)
    assert len(list_folder(root, "train", "val")[1]["train"]) == 6
    moved.rename(tmp_path / "elsewhere")
    refuse(root, f"/in/train: {root} is a link to {moved}, which is not there")
    with pytest.raises(UserError, match=r"a link to .*disk, which is not there"):
        prepared(describe(format=folder_form(root), n_train=6, n_test=4), tmp_path / "out")


def saved(path, kind):
    image = Image.fromarray(pictures(1, 8, 8, 3, seed=sum(path.name.encode()))[0])
    path.parent.mkdir(parents=True, exist_ok=True)
    if kind == "PPM":
        image = image.convert({".pbm": "1", ".pgm": "L"}.get(path.suffix.lower(), "RGB"))
    image.save(path, kind)


@pytest.mark.parametrize("kind", sorted(FORMATS))
def test_every_known_format_is_read_with_all_its_extensions(tmp_path, kind):
    extensions = [extension for extension in FORMATS[kind] if extension != ".pfm"]
    for k, extension in enumerate(extensions):
        for split in ("train", "val"):
            for name in ("cat", "dog"):
                saved(tmp_path / split / name / f"{split}{k}{extension.upper() if k % 2 else extension}", kind)
    counts = {"n_train": 2 * len(extensions), "n_test": 2 * len(extensions)}
    data = prepared(describe(format=folder_form(tmp_path), **counts), tmp_path / "out")
    assert not {"left_out", "transparent"} & data.manifest.keys()
    assert (data.images("train").std(axis=(1, 2, 3)) > 0).all()


def test_formats_that_run_programs_are_not_opened(tmp_path, monkeypatch):
    """Pillow hands EPS files to the program `gs`, whatever their name."""
    write(tmp_path / "bin" / "gs", b"#!/bin/sh\ntouch $(dirname $0)/was-run\n").chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path / 'bin'}{os.pathsep}{os.environ['PATH']}")
    eps = b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 10 10\n%%EndComments\n(x) print\n"
    for source in (write(tmp_path / "x.png", eps), eps):
        with pytest.raises(
            UserError, match=r"x.png: not a complete image: it is an EPS or PostScript file; .* JPEG, PNG"
        ):
            decode(source, (8, 8, 1), "x.png")
    assert not (tmp_path / "bin" / "was-run").exists()
    others = {
        b"": "it is empty",
        b"\0\0\0\x18ftypheic\0": "it is a HEIC photograph; to read",
        b"%PDF-1.4": "it is a PDF file; ",
        b"images/cat.png": "it is a text that begins with 'images/cat.png'; ",
        b"\xff\xd8\0\0": "it is a damaged JPEG; ",
        b"II*\0\0\0": "it is a TIFF that is damaged or has other pixels",
        b"\1\2\3": "its content is unknown; these formats are read: JPEG, PNG",
    }
    for content, what in others.items():
        with pytest.raises(UserError, match=re.escape(f"y: not a complete image: {what}")):
            decode(content, (8, 8, 1), "y")


PLUGIN = '''
"""Opens files that begin with the mark of HEIC, and hold a PNG behind it."""
from PIL import Image, PngImagePlugin

class HeifImageFile(PngImagePlugin.PngImageFile):
    format = "HEIF"
    def __init__(self, fp=None, filename=None):
        self.raw = open(filename, "rb") if fp is None else fp
        import io
        content = self.raw.read()[12:]
        super().__init__(io.BytesIO(content))

def register_heif_opener():
    Image.register_open("HEIF", HeifImageFile, lambda prefix: prefix[4:12] == b"ftypheic")
'''


def test_heic_photographs_are_read_once_the_plugin_is_installed(tmp_path, monkeypatch):
    """The plugin's place is taken by a module that opens a PNG behind the mark of HEIC."""
    root = images(tmp_path / "in")
    for path in sorted((root / "train" / "dog").iterdir()):
        write(path.with_suffix(".HEIC"), b"\0\0\0\x18ftypheic" + path.read_bytes())
        path.unlink()
    refuse(root, "found 3 .heic files")
    write(tmp_path / "plugin" / "pillow_heif.py", PLUGIN.encode())
    monkeypatch.syspath_prepend(tmp_path / "plugin")
    for cached in (pixels._formats, reads_heif):
        cached.cache_clear()
    try:
        assert ".heic" in image_extensions()
        data = prepared(describe(format=folder_form(root), n_train=6, n_test=4), tmp_path / "out")
        assert data.manifest["class_counts"]["train"] == [3, 3]
        assert (data.images("train")[3:] == pictures(3, 8, 8, 3, seed=10)).all()
    finally:
        pixels._formats.cache_clear()
        reads_heif.cache_clear()
        sys.modules.pop("pillow_heif", None)
        Image.OPEN.pop("HEIF", None)
        Image.ID.remove("HEIF")


@pytest.mark.parametrize("extension", ["tif", "gif", "png", "webp", "avif"])
def test_of_several_pictures_in_a_file_the_first_is_read_and_that_is_told(tmp_path, extension):
    root = images(tmp_path / "in")
    frames = [Image.fromarray(image) for image in pictures(3, 8, 8, 3, seed=5)]
    film, single = root / "val" / "cat" / f"film.{extension}", tmp_path / f"single.{extension}"
    frames[0].save(film, save_all=True, append_images=frames[1:])
    frames[0].save(single)
    data = prepared(describe(format=folder_form(root), n_train=6, n_test=5), tmp_path / "out")
    assert data.manifest["several_pictures"] == {"train": 0, "test": 1}
    difference = data.images("test")[2].astype(int) - decode(single, (8, 8, 3), "single")
    assert np.abs(difference).mean() < 10  # some formats compress films in another way
    assert "0 training and 1 test images come from files of several pictures" in notes(data.manifest)[0]


def test_the_remarks_are_first_in_the_log(tmp_path, capfd):
    root = images(tmp_path / "in")
    write(root / "train" / "dog" / "photo.heic", b"")
    prepared(describe(format=folder_form(root), n_train=6, n_test=4), tmp_path / "out")
    assert capfd.readouterr().out.startswith("WARNING: 1 file is left out, not read as an image: in train/dog: 1 .heic")


def test_numbers_and_long_words_are_no_extensions():
    names = ("a.JPG", "a.7z", "IMG.0001", "no", "a.b c", "a.averylongword", "a.été")
    assert [kind_of(name) for name in names] == [".jpg", ".7z", *["without extension"] * 5]


def test_an_empty_file_is_no_image_even_if_it_is_only_listed(tmp_path):
    root = images(tmp_path / "in")
    write(root / "train" / "dog" / "a.png", b"")
    form = folder_form(root, size=None)
    with pytest.raises(UserError, match=r"dog/a.png: not a complete image: it is empty \(0 bytes\)"):
        prepared(describe(format=form, n_train=7, n_test=4), tmp_path / "out")
    data = prepared(describe(format=form | {"unreadable": "skip"}, n_train=6, n_test=4), tmp_path / "out")
    assert data.labels("train").tolist() == [0, 0, 0, 1, 1, 1]
    assert "1 training and 0 test images could not be read" in remarks(data.manifest)[0]


def test_a_manifest_of_many_folders_stays_small(tmp_path):
    root = images(tmp_path, classes=[f"n{k:03d}" for k in range(40)], train=1, test=1)
    for folder in (root / "train").iterdir():
        for k in range(10):
            write(folder / f"{k}.bmpx", b"")
    card = partial(describe, classes=40, format=folder_form(root))
    with pytest.raises(UserError, match=r"and in 28 more folders\n\(convert the images among the files .bmpx"):
        card()
    manifest = prepared(card(n_train=40, n_test=40), tmp_path / "out").manifest
    assert "400 files are left out" in remarks(manifest)[0]
    assert "and in 36 more folders" in remarks(manifest)[0]
    assert len(json.dumps(manifest["left_out"])) < 40 * 100
