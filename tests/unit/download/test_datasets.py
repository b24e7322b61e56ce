"""Data sets: every reader on small files made here, what is refused, and the real files where they are."""

import bz2
import gzip
import hashlib
import io
import json
import pickle
import re
import struct
import tarfile
import threading
import zipfile
import zlib
from dataclasses import asdict, replace
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
from PIL import Image
from pyarrow import parquet
from support import ROOT

from trainsize.common.errors import UserError
from trainsize.common.files import canonical_json, read_json
from trainsize.datasets import catalogue
from trainsize.datasets.catalogue import DATASETS, requested
from trainsize.datasets.changes import RECORD
from trainsize.datasets.described import described
from trainsize.datasets.folders import list_folder
from trainsize.datasets.prepared import Prepared
from trainsize.download.pixels import decode
from trainsize.download.readers import parquet_images, parquet_labels
from trainsize.download.stage import channel_statistics, prepare

SPLITS = ("train", "test")


def pictures(count, height=28, width=28, channels=1, seed=0):
    """Random uint8 images, count × height × width × channels."""
    return np.random.default_rng(seed).integers(0, 256, (count, height, width, channels), dtype=np.uint8)


def idx(array):
    header = struct.pack(f">HBB{array.ndim}I", 0, 8, array.ndim, *array.shape)
    return header + array.astype(np.uint8).tobytes()


def png(image):
    file = io.BytesIO()
    Image.fromarray(image.squeeze()).save(file, "PNG")
    return file.getvalue()


def md5(content):
    return hashlib.md5(content).hexdigest()


def write(path, content):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content)
    return path


def describe(name="mine", classes=2, **value):
    """The `dataset` of a study as it is after checking: all options of its format are there."""
    return described({"name": name, "title": "", "source": "", "licence": "", "classes": classes, **value})


def prepared(card, folder, mirror=""):
    prepare(asdict(card), folder, str(mirror))
    return Prepared(folder)


def test_the_catalogue_is_in_order():
    assert list(DATASETS) == [card.name for card in DATASETS.values()]
    for card in DATASETS.values():
        assert re.fullmatch(r"[a-z0-9-]+", card.name)
        assert card.n_train > card.n_test > 0
        assert len(set(card.classes)) == len(card.classes)
        assert all([card.title, card.source, card.licence])
        assert all(re.fullmatch(r"md5:\w{32}|sha256:\w{64}", file.checksum) for file in card.files)
    assert requested("mnist") is DATASETS["mnist"]


def test_channel_statistics_are_those_of_all_pixels():
    images = pictures(50, 5, 7, 3)
    mean, std = channel_statistics(images)
    np.testing.assert_allclose(mean, (images / 255).mean(axis=(0, 1, 2)), rtol=1e-12)
    np.testing.assert_allclose(std, (images / 255).std(axis=(0, 1, 2)), rtol=1e-12)


def test_digits_are_prepared_alike_twice(tmp_path):
    for folder in ("one", "two"):
        prepare("digits", tmp_path / folder, "")
    one, two = ((tmp_path / folder / "manifest.json").read_bytes() for folder in ("one", "two"))
    assert one == two
    manifest = read_json(tmp_path / "one" / "manifest.json")
    assert [sum(manifest["class_counts"][split]) for split in SPLITS] == [1297, 500]
    assert not (tmp_path / "one" / ".raw").exists()


@pytest.fixture
def emnist_mirror(tmp_path, monkeypatch):
    """A mirror with EMNIST's one zip of gzipped IDX files, and its images as a person reads them."""
    from torchvision import datasets

    images = {split: pictures(count)[..., 0] for split, count in (("train", 12), ("test", 6))}
    mirror = tmp_path / "mirror"
    path = write(mirror / "EMNIST" / "raw" / "gzip.zip", b"")
    with zipfile.ZipFile(path, "w") as archive:
        for name, first in (("letters", 1), ("balanced", 0), ("digits", 0)):
            for split, pixels in images.items():
                stem = f"gzip/emnist-{name}-{split}"
                labels = np.arange(len(pixels)) % 2 + first
                archive.writestr(f"{stem}-images-idx3-ubyte.gz", gzip.compress(idx(pixels.transpose(0, 2, 1))))
                archive.writestr(f"{stem}-labels-idx1-ubyte.gz", gzip.compress(idx(labels)))
    monkeypatch.setattr(datasets.EMNIST, "md5", md5(path.read_bytes()))
    return mirror, images


@pytest.fixture
def http(request):
    """Serve a folder over plain http; call with the folder, get its address."""

    def serve(folder):
        handler = partial(SimpleHTTPRequestHandler, directory=str(folder))
        server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
        threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
        request.addfinalizer(server.shutdown)
        return f"http://127.0.0.1:{server.server_port}"

    return serve


@pytest.mark.parametrize("name", ["letters", "balanced", "digits"])
@pytest.mark.parametrize("over_http", [False, True])
def test_emnist_is_the_readable_way_round_and_counts_from_zero(tmp_path, emnist_mirror, http, name, over_http):
    mirror, images = emnist_mirror
    card = replace(DATASETS[f"emnist-{name}"], n_train=12, n_test=6, classes=("first", "second"))
    data = prepared(card, tmp_path / "datasets" / "emnist", http(mirror) if over_http else mirror)
    for split in SPLITS:
        assert (data.images(split)[..., 0] == images[split]).all()
        assert data.labels(split).tolist() == [0, 1] * (len(images[split]) // 2)
        assert data.labels(split).dtype == np.int64


def test_mnist_like_sets_are_read(tmp_path, monkeypatch):
    from torchvision import datasets

    images = {"train": pictures(20), "t10k": pictures(10, seed=1)}
    resources = []
    for split, pixels in images.items():
        for what, array in (("images-idx3", pixels[..., 0]), ("labels-idx1", np.arange(len(pixels)) % 10)):
            content = gzip.compress(idx(array))
            write(tmp_path / "mirror" / "KMNIST" / "raw" / f"{split}-{what}-ubyte.gz", content)
            resources.append((f"{split}-{what}-ubyte.gz", md5(content)))
    monkeypatch.setattr(datasets.KMNIST, "resources", resources)
    data = prepared(replace(DATASETS["kmnist"], n_train=20, n_test=10), tmp_path / "out", tmp_path / "mirror")
    assert (data.images("test") == images["t10k"]).all()
    assert data.manifest["classes"][1] == "ki"


def test_usps_is_read(tmp_path, monkeypatch):
    from torchvision import datasets

    levels = np.random.default_rng(0).integers(-10, 11, (10, 256)) / 10
    lines = [f"{k % 10 + 1} " + " ".join(f"{i + 1}:{v}" for i, v in enumerate(row)) for k, row in enumerate(levels)]
    content = bz2.compress(("\n".join(lines) + "\n").encode())
    splits = {split: ["", f"usps.{split}.bz2", md5(content)] for split in SPLITS}
    for _, name, _ in splits.values():
        write(tmp_path / name, content)
    monkeypatch.setattr(datasets.USPS, "split_list", splits)
    data = prepared(replace(DATASETS["usps"], n_train=10, n_test=10), tmp_path / "out", tmp_path)
    assert data.labels("train").tolist() == list(range(10))
    np.testing.assert_allclose(data.images("train")[0].ravel(), (levels[0] + 1) / 2 * 255, atol=1)


def test_svhn_is_read(tmp_path, monkeypatch):
    from scipy.io import savemat
    from torchvision import datasets

    images = pictures(11, 32, 32, 3)
    file = io.BytesIO()
    savemat(
        file,
        {
            "X": images.transpose(1, 2, 3, 0),
            "y": np.arange(1, 12)[:, None] % 10 + 10 * (np.arange(1, 12)[:, None] % 10 == 0),
        },
    )
    splits = {split: ["", f"{split}.mat", md5(file.getvalue())] for split in SPLITS}
    for _, name, _ in splits.values():
        write(tmp_path / name, file.getvalue())
    monkeypatch.setattr(datasets.SVHN, "split_list", splits)
    data = prepared(replace(DATASETS["svhn"], n_train=11, n_test=11), tmp_path / "out", tmp_path)
    assert (data.images("test") == images).all()
    assert data.labels("test").tolist() == [1, 2, 3, 4, 5, 6, 7, 8, 9, 0, 1]


def test_cifar_is_read_from_its_archive(tmp_path, monkeypatch):
    from torchvision import datasets

    images = pictures(100, 32, 32, 3)
    batch = {"data": images.transpose(0, 3, 1, 2).reshape(100, -1), "fine_labels": list(range(100))}
    members = {"train": batch, "test": batch, "meta": {"fine_label_names": [f"thing {k}" for k in range(100)]}}
    members = {name: pickle.dumps(value) for name, value in members.items()}
    path = write(tmp_path / "cifar-100-python.tar.gz", b"")
    with tarfile.open(path, "w:gz") as archive:
        for name, content in members.items():
            info = tarfile.TarInfo(f"cifar-100-python/{name}")
            info.size = len(content)
            archive.addfile(info, io.BytesIO(content))
    monkeypatch.setattr(datasets.CIFAR100, "tgz_md5", md5(path.read_bytes()))
    for split in SPLITS:
        monkeypatch.setattr(datasets.CIFAR100, f"{split}_list", [[split, md5(members[split])]])
    monkeypatch.setattr(datasets.CIFAR100, "meta", {**datasets.CIFAR100.meta, "md5": md5(members["meta"])})
    data = prepared(replace(DATASETS["cifar-100"], n_train=100, n_test=100), tmp_path / "out", tmp_path)
    assert (data.images("train") == images).all()
    assert data.manifest["classes"][99] == "thing 99"


IDX = {
    "name": "idx",
    **{f"{split}_{what}": f"{split}-{what}.gz" for split in SPLITS for what in ("images", "labels")},
}


def idx_files(folder, images, labels):
    for split in SPLITS:
        write(folder / f"{split}-images.gz", gzip.compress(idx(images[split])))
        write(folder / f"{split}-labels", idx(labels[split]))  # the one packed, the other not
    return {**IDX, "path": str(folder)}


def small(seed=0):
    images = {"train": pictures(9, 6, 4, seed=seed)[..., 0], "test": pictures(5, 6, 4, seed=seed + 1)[..., 0]}
    return images, {split: np.arange(len(pixels)) % 2 for split, pixels in images.items()}


def npz(path, images, labels):
    """Write the arrays of both splits under their usual names; return the format that reads them."""
    names = {f"{split}_{what}": f"{what[0]}_{split}" for split in SPLITS for what in ("images", "labels")}
    arrays = {f"i_{split}": images[split] for split in SPLITS} | {f"l_{split}": labels[split] for split in SPLITS}
    np.savez_compressed(path, **arrays)
    return {"name": "npz", "path": str(path), **names}


def test_idx_files_need_no_counts(tmp_path):
    images, labels = small()
    card = describe(format=idx_files(tmp_path / "in", images, labels))
    assert (card.n_train, card.n_test, card.shape) == (9, 5, (6, 4, 1))
    data = prepared(card, tmp_path / "out")
    assert (data.images("train")[..., 0] == images["train"]).all()
    assert data.labels("test").tolist() == [0, 1, 0, 1, 0]


def test_stated_idx_files_need_not_be_there_when_the_study_is_read():
    form = {**IDX, "path": "no/such/folder"}
    assert describe(format=form, n_train=9, n_test=5, shape=[6, 4, 1]).shape == (6, 4, 1)
    with pytest.raises(UserError, match=r"no/such/folder/train-images\.gz: no such file"):
        describe(format=form, n_train=9, n_test=5)


def test_an_npz_file_is_read(tmp_path):
    images, labels = small()
    form = npz(tmp_path / "mine.npz", images, labels)
    data = prepared(describe(format=form), tmp_path / "out")
    assert (data.images("test")[..., 0] == images["test"]).all()
    npz(tmp_path / "mine.npz", images, {**labels, "test": labels["test"] / 2})
    with pytest.raises(
        UserError, match=r"mine\.npz: the test labels must be one whole number .* labels float64 \(5,\)$"
    ):
        describe(format=form)
    with pytest.raises(UserError, match=r"format\.train_images: .*mine\.npz has no array 'x', only i_train, "):
        describe(format={**form, "train_images": "x"})


def test_arrays_with_the_channels_first_are_refused_unless_their_shape_is_stated(tmp_path):
    labels = {split: np.arange(4) % 2 for split in SPLITS}

    def card(found, **stated):
        images = dict.fromkeys(SPLITS, np.zeros((4, *found), np.uint8))
        return describe(format=npz(tmp_path / "mine.npz", images, labels), **stated)

    for shape in ((1, 8, 8), (3, 32, 32), (4, 6, 5)):
        with pytest.raises(UserError, match=re.escape(f"mine.npz: the training images have the shape {(4, *shape)}")):
            card(shape)
    with pytest.raises(UserError, match=r"looks like channels first, .*; transpose .* or set `shape: \[3, 32, 32\]`"):
        card((3, 32, 32), n_train=4, n_test=4)
    assert card((3, 32, 32), shape=[3, 32, 32]).shape == (3, 32, 32)
    assert card((3, 32, 4)).shape == (3, 32, 4)  # a low image
    assert card((5, 32, 32)).shape == (5, 32, 32)  # of many channels
    assert card((3, 32)).shape == (3, 32, 1)


def test_the_content_is_another_with_another_shape(tmp_path):
    """Else runs of images of another shape would be taken for finished: the bytes are the same."""
    images, labels = small()
    turned = {split: pixels.reshape(len(pixels), 4, 6) for split, pixels in images.items()}
    form = npz(tmp_path / "mine.npz", images, labels)
    cards = [
        describe(format=form),
        describe(format=form, classes=["cat", "dog"]),
        describe(format=npz(tmp_path / "turned.npz", turned, labels)),
    ]
    first, named, other = (prepared(card, tmp_path / str(k)).manifest["content"] for k, card in enumerate(cards))
    assert named == first != other


def encoded(image, kind):
    file = io.BytesIO()
    image.save(file, kind)
    return file.getvalue()


def png_16_bits(colours):
    """A 16-bit colour PNG, which Pillow does not write, of a uint16 array (height × width × 3)."""

    def chunk(kind, content):
        return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", zlib.crc32(kind + content))

    rows = b"".join(b"\0" + row.astype(">u2").tobytes() for row in colours)
    head = struct.pack(">IIBBBBB", colours.shape[1], colours.shape[0], 16, 2, 0, 0, 0)
    chunks = chunk(b"IHDR", head) + chunk(b"IDAT", zlib.compress(rows)) + chunk(b"IEND", b"")
    return b"\x89PNG\r\n\x1a\n" + chunks


def test_images_of_16_bits_are_scaled_to_8():
    grey = np.array([[0, 128, 129, 257], [600, 30_000, 65_406, 65_535]], np.uint16)
    scaled = [[0, 0, 1, 1], [2, 117, 254, 255]]
    big_endian = Image.frombytes("I;16B", (4, 2), grey.astype(">u2").tobytes())
    files = [encoded(Image.fromarray(grey), kind) for kind in ("PNG", "TIFF", "PPM")]
    for file in (*files, encoded(big_endian, "TIFF")):
        assert decode(file, (2, 4, 1), "x")[..., 0].tolist() == scaled
        assert (decode(file, (2, 4, 3), "x") == np.array(scaled)[..., None]).all()
    ten_bits = b"P5 2 1 1023\n" + np.array([512, 1023], ">u2").tobytes()
    assert decode(ten_bits, (1, 2, 1), "x").ravel().tolist() == [128, 255]
    colours = np.array([[[0, 255, 256], [32_768, 40_000, 65_535]]], np.uint16)
    assert (decode(png_16_bits(colours), (1, 2, 3), "x") == colours >> 8).all()


@pytest.mark.parametrize(
    ("kind", "found"), [(np.float32, "real numbers"), (np.int32, "signed or 32-bit"), (np.int16, "signed or 32-bit")]
)
def test_images_whose_range_is_unknown_are_refused_or_left_out(tmp_path, kind, found):
    tree(tmp_path / "in")
    path = tmp_path / "in" / "train" / "cat" / "deep.tif"
    Image.fromarray(np.ones((8, 8), kind)).save(path)
    form = folder_form(tmp_path / "in")
    with pytest.raises(UserError, match=rf"cat/deep\.tif: its pixels are {found}.* of unknown range"):
        prepared(describe(format=form, n_train=7, n_test=4), tmp_path / "out")
    card = describe(format={**form, "unreadable": "skip"}, n_train=6, n_test=4)
    (message,) = prepared(card, tmp_path / "skipped").manifest["unreadable"]["train"]
    assert message.startswith(f"{path}: its pixels are")


@pytest.mark.parametrize("nested", [True, False])
def test_parquet_tables_are_read(tmp_path, nested):
    images, labels = pictures(6, 8, 8, 3), [0, 1, 1, 0, 1, 0]
    files = [{"bytes": png(image), "path": "x.png"} if nested else png(image) for image in images]
    for name, rows in (("train-0", slice(0, 2)), ("train-1", slice(2, 4)), ("test-0", slice(4, 6))):
        table = pa.table({"image": files[rows], "label": labels[rows]})
        parquet.write_table(table, write(tmp_path / "in" / f"{name}.parquet", b""))
    form = {"name": "parquet", "path": str(tmp_path / "in"), "train": "train-*.parquet", "test": "test-*.parquet"}
    form |= {"image": "image", "label": "label", "size": 8, "channels": 3}
    with pytest.raises(UserError, match=r"add n_test:\n  n_test: 2"):
        describe(format=form, n_train=4)
    data = prepared(describe(format=form, n_train=4, n_test=2), tmp_path / "out")
    assert (data.images("train") == images[:4]).all()
    assert data.labels("test").tolist() == [1, 0]


def test_parquet_tables_stay_in_chunks(tmp_path, monkeypatch):
    """Put together they would be an array of bytes, which ends at 2 GiB."""
    monkeypatch.setattr("trainsize.download.readers._ROWS", 2)
    images = pictures(9, 4, 4)
    files = [{"bytes": png(image), "path": None} for image in images]
    for name, rows in (
        ("train-0", slice(0, 5)),
        ("train-1", slice(5, 5)),
        ("train-2", slice(5, 7)),
        ("test", slice(7, 9)),
    ):
        table = pa.table({"label": pa.array([0, 1, 0] * 3, pa.int8())[rows], "image": pa.array(files)[rows]})
        parquet.write_table(table, tmp_path / f"{name}.parquet", row_group_size=3)
    paths = sorted(tmp_path.glob("train-*"))
    column, labels = parquet_images(paths, "image"), parquet_labels(paths, "label")
    assert column.num_chunks >= 4
    assert labels.tolist() == [0, 1, 0, 0, 1, 0, 0]
    form = {"name": "parquet", "path": str(tmp_path), "train": "train-*.parquet", "test": "test.parquet"}
    form |= {"image": "image", "label": "label", "size": 4, "channels": 1}
    data = prepared(describe(format=form, n_train=7, n_test=2), tmp_path / "out")
    assert (data.images("train") == images[:7]).all()
    with pytest.raises(UserError, match=r"train-0\.parquet: no column 'picture', found label, image"):
        prepared(describe(format=form | {"image": "picture"}, n_train=7, n_test=2), tmp_path / "out")


def folder_form(path, **options):
    standard = {"train": "train", "test": "val", "size": 8, "channels": 3, "checksum": False}
    return {"name": "folder", "path": str(path), **standard, **options}


def tree(root, annotated=False):
    """Two classes of 3 training and 2 test images of different sizes, one of them grey, with a stray text file."""
    lines = []
    for number, name in enumerate(("cat", "dog")):
        for k in range(3):
            image = pictures(1, 8 + k, 12, 1 if k == 1 else 3, seed=10 * number + k)[0]
            write(root / "train" / name / "images" / f"{name}_{k}.PNG", png(image))
        write(root / "train" / name / "boxes.txt", b"0 0 1 1")
        for k in range(2):
            file = f"{name}_{k}.png"
            place = root / "val" / "images" if annotated else root / "val" / name
            write(place / file, png(pictures(1, 8, 8, 3, seed=100 + 10 * number + k)[0]))
            lines.append(f"{file}\t{name}\t0\t0\t7\t7")
    if annotated:
        write(root / "val" / "val_annotations.txt", "\n".join(reversed(lines)).encode())


@pytest.mark.parametrize("annotated", [False, True])
def test_a_folder_of_images_is_listed_and_prepared(tmp_path, annotated):
    tree(tmp_path / "in", annotated)
    card = describe(format=folder_form(tmp_path / "in", checksum=True), n_train=6, n_test=4)
    data = prepared(card, tmp_path / "out")
    assert data.manifest["classes"] == ["cat", "dog"]
    assert data.manifest["class_counts"] == {"train": [3, 3], "test": [2, 2]}
    assert data.images("train").shape == (6, 8, 8, 3)
    assert (data.images("test")[0] == pictures(1, 8, 8, 3, seed=100)[0]).all()
    index = pd.read_parquet(tmp_path / "out" / "train_index.parquet")
    assert index["path"][3] == "train/dog/images/dog_0.PNG"
    file = tmp_path / "in" / index["path"][3]
    assert index.loc[3, ["label", "bytes"]].tolist() == [1, file.stat().st_size]
    assert index["sha256"][3] == hashlib.sha256(file.read_bytes()).hexdigest()
    # A wider image is cut about its middle: no column of the outer two on each side is left.
    first = pictures(1, 8, 12, 3, seed=0)[0]
    assert (data.images("train")[0] == first[:, 2:10]).all()


def test_hidden_files_and_folders_are_left_alone(tmp_path):
    tree(tmp_path)
    image = (tmp_path / "train" / "cat" / "images" / "cat_0.PNG").read_bytes()
    for path in (".ipynb_checkpoints/a.png", "cat/.ipynb_checkpoints/cat_0-checkpoint.png", "dog/._dog_0.png"):
        write(tmp_path / "train" / path, image)
    classes, splits = list_folder(tmp_path, "train", "val")
    assert classes == ("cat", "dog")
    assert [len(splits[split]) for split in ("train", "test")] == [6, 4]


@pytest.mark.parametrize(
    "place", ["train/cat/images/caf\udce9.png", "train/cat/caf\udce9/a.png", "train/caf\udce9/a.png"]
)
def test_a_name_that_is_not_utf_8_is_named(tmp_path, place):
    tree(tmp_path)
    write(tmp_path / place, png(pictures(1)[0]))
    with pytest.raises(UserError, match=r"/train/\S*caf\\xe9\S*: the name is not UTF-8; rename it$") as caught:
        list_folder(tmp_path, "train", "val")
    str(caught.value).encode()


@pytest.mark.parametrize("name", ["lost.png", "loop"])
def test_a_broken_link_is_named(tmp_path, name):
    tree(tmp_path)
    link = tmp_path / "train" / "dog" / name
    target = name if name == "loop" else "/mnt/not/mounted/lost.png"
    link.symlink_to(target)
    with pytest.raises(UserError, match=rf"/train/dog/{name}: a link to {target}, which is not there; "):
        list_folder(tmp_path, "train", "val")
    link.unlink()
    with pytest.raises(
        UserError, match=r"/valid: cannot be listed \(No such .*; .* has the folders train, val; did you mean 'val'"
    ):
        list_folder(tmp_path, "train", "valid")


def test_without_a_size_images_are_only_listed(tmp_path):
    tree(tmp_path / "in")
    card = describe(format=folder_form(tmp_path / "in", size=None), n_train=6, n_test=4)
    data = prepared(card, tmp_path / "out")
    expected = ["manifest.json", RECORD, *card.outputs]
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == sorted(expected)
    assert data.labels("train").tolist() == [0, 0, 0, 1, 1, 1]
    for attempt in (card.pixels, lambda: data.images("train")):
        with pytest.raises(UserError, match=r"only listed.*dataset\.format\.size"):
            attempt()


def test_a_folder_says_its_counts_when_they_are_not_stated(tmp_path):
    tree(tmp_path / "in")
    with pytest.raises(UserError, match=r"add n_train and n_test:\n  n_train: 6\n  n_test: 4"):
        describe(format=folder_form(tmp_path / "in"))


def test_a_relative_path_is_found_in_the_mirror(tmp_path):
    tree(tmp_path / "mirror" / "pets")
    card = describe(format=folder_form("pets"), n_train=6, n_test=4)
    assert prepared(card, tmp_path / "out", tmp_path / "mirror").manifest["n_test"] == 4
    with pytest.raises(UserError, match=r"pets: no such file or folder where snakemake was called"):
        prepared(card, tmp_path / "other")


def refused(tmp_path, change, match, **stated):
    """Prepare the small IDX files after `change(images, labels)`; it must be refused and leave nothing."""
    images, labels = small()
    change(images, labels)
    card = describe(format=idx_files(tmp_path / "in", images, labels), **stated)
    with pytest.raises(UserError, match=match):
        prepared(card, tmp_path / "out")
    assert not list((tmp_path / "out").iterdir())


def test_wrong_contents_are_refused(tmp_path):
    refused(
        tmp_path,
        lambda images, labels: None,
        r"mine: found 9 training images, expected 8 \(n_train\); .* `n_train: 9` in the study",
        n_train=8,
    )
    refused(
        tmp_path, lambda images, labels: labels.update(test=np.arange(5)), "test labels are 0 to 4, expected 0 to 1"
    )


def test_wrong_folders_are_refused(tmp_path):
    tree(tmp_path / "in", annotated=True)
    card = partial(describe, format=folder_form(tmp_path / "in"), n_train=6, n_test=4)
    with pytest.raises(UserError, match="found 2 classes, expected 3"):
        prepared(card(classes=3), tmp_path / "out")
    with pytest.raises(UserError, match=r"names 'cow', which is no folder in .*, and does not name the folder 'dog'"):
        prepared(card(classes=["cow", "cat"]), tmp_path / "out")
    write(tmp_path / "in" / "train" / "dog" / "images" / "dog_1.PNG", b"not an image")
    with pytest.raises(UserError, match=r"dog_1\.PNG: not a complete image"):
        prepared(card(), tmp_path / "out")
    write(tmp_path / "in" / "val" / "val_annotations.txt", b"cat_0.png\tdgo\n")
    with pytest.raises(
        UserError, match=r"val_annotations\.txt, line 1: no class 'dgo' among the training images; did you mean 'dog'"
    ):
        prepared(card(), tmp_path / "out")


def test_a_damaged_idx_file_is_refused(tmp_path):
    form = idx_files(tmp_path, *small())
    card = describe(format=form)
    write(tmp_path / "train-images.gz", gzip.compress(idx(pictures(9, 6, 4)[..., 0])[:-3]))
    with pytest.raises(UserError, match=r"train-images\.gz: not a complete IDX file"):
        prepared(card, tmp_path / "out")
    write(tmp_path / "train-images.gz", gzip.compress(b"something else"))
    with pytest.raises(UserError, match=r"train-images\.gz: not an IDX file of bytes \(it starts with"):
        describe(format=form)


def test_a_known_name_cannot_be_described():
    with pytest.raises(UserError, match="name: 'mnist' is the name of a built-in data set"):
        describe(name="mnist", format={**IDX, "path": "."})


def test_identical_images_are_found(tmp_path):
    images, labels = small()
    images["train"][[4, 7]] = images["train"][2]  # rows 2, 4, 7: labels 0, 0, 1
    images["test"][3] = images["train"][0]
    data = prepared(describe(format=idx_files(tmp_path / "in", images, labels)), tmp_path / "out")
    assert data.manifest["duplicates"] == {
        "groups": 2,
        "images": 5,
        "groups_across_splits": 1,
        "test_images_also_in_training": 1,
        "groups_with_different_labels": 2,
        "images_with_different_labels": 5,
    }
    table = pd.read_parquet(tmp_path / "out" / "duplicates.parquet")
    groups = {tuple(zip(group["split"], group["index"], strict=True)) for _, group in table.groupby("group")}
    assert groups == {(("train", 2), ("train", 4), ("train", 7)), (("train", 0), ("test", 3))}


def test_the_documented_ten_lines_add_a_data_set(tmp_path):
    block = re.search(r"```python\n(.*?)```", (ROOT / "docs" / "adding-a-dataset.md").read_text(), re.S)[1]
    assert len(block.strip().splitlines()) - 2 == 10
    files = io.BytesIO()
    with zipfile.ZipFile(files, "w") as archive:
        for split, count in (("train", 20), ("test", 6)):
            for name, seed in (("ansuz", 1), ("fehu", 2)):
                for k, image in enumerate(pictures(count, seed=seed)):
                    archive.writestr(f"runes/{split}/{name}/{k}.png", png(image))
    write(tmp_path / "mirror" / "runes.zip", files.getvalue())
    entry = block.strip().rstrip(",").replace("md5:" + 32 * "0", f"md5:{md5(files.getvalue())}")
    card = eval(entry, vars(catalogue))
    data = prepared(card, tmp_path / "out", tmp_path / "mirror")
    assert data.manifest["class_counts"] == {"train": [20, 20], "test": [6, 6]}


@pytest.mark.parametrize(
    ("name", "mean", "std", "duplicates", "across"),
    [
        ("fashion-mnist", [0.2860], [0.3530], 0, 0),
        ("cifar-10", [0.4914, 0.4822, 0.4465], [0.2470, 0.2435, 0.2616], 0, 0),
        ("devanagari", [0.2400], [0.3865], 25, 5),
    ],
)
def test_real_data_sets_have_the_known_statistics(tmp_path, mirror, name, mean, std, duplicates, across):
    prepare(name, tmp_path / name, str(mirror))
    manifest = read_json(tmp_path / name / "manifest.json")
    np.testing.assert_allclose(manifest["mean"], mean, atol=5e-5)
    np.testing.assert_allclose(manifest["std"], std, atol=5e-5)
    for split, count in (("train", DATASETS[name].n_train), ("test", DATASETS[name].n_test)):
        assert manifest["class_counts"][split] == [count // len(DATASETS[name].classes)] * len(DATASETS[name].classes)
    found = manifest["duplicates"]
    assert (found["groups"], found["groups_across_splits"]) == (duplicates, across)


def test_real_folders_of_jpegs_are_prepared(tmp_path, mirror):
    card = describe(format=folder_form(mirror / "tiny-imagenet-20", size=64), classes=20, n_train=10_000, n_test=1_000)
    data = prepared(card, tmp_path / "tiny")
    assert data.manifest["class_counts"] == {"train": [500] * 20, "test": [50] * 20}
    assert data.images("train").shape == (10_000, 64, 64, 3)
    listed = (mirror / "tiny-imagenet-20" / "wnids.txt").read_text().split()
    assert data.manifest["classes"] == sorted(listed)


def test_a_real_file_that_is_damaged_is_refused(tmp_path, mirror):
    for path in (mirror / "FashionMNIST" / "raw").iterdir():
        write(tmp_path / "mirror" / "FashionMNIST" / "raw" / path.name, path.read_bytes())
    damaged = tmp_path / "mirror" / "FashionMNIST" / "raw" / "t10k-labels-idx1-ubyte.gz"
    damaged.write_bytes(damaged.read_bytes()[:-100])
    expected = "md5:bb300cfdad3c16e7a12a480ee83cd310"
    with pytest.raises(UserError, match=rf"t10k-labels-idx1-ubyte\.gz: the checksum is md5:\w+, expected {expected}"):
        prepare("fashion-mnist", tmp_path / "out", str(tmp_path / "mirror"))
    assert not list((tmp_path / "out").iterdir())


def test_rewording_what_is_told_of_a_data_set_prepares_nothing_again(tmp_path):
    form = idx_files(tmp_path / "in", *small())
    card = describe(format=form, title="Runes", source="a museum", licence="CC BY 4.0")
    other = describe(format=form)
    assert card.request == other.request
    assert card.origin == {"title": "Runes", "source": "a museum", "licence": "CC BY 4.0"}
    for name, request in (("one", card.request), ("two", asdict(other))):
        prepare(request, tmp_path / name)
    one, two = ((tmp_path / name / "manifest.json").read_bytes() for name in ("one", "two"))
    assert one == two


def test_a_card_survives_the_way_to_the_job(tmp_path):
    card = describe(format=folder_form(tmp_path), n_train=6, n_test=4, classes=["cat", "dog"])
    assert requested(json.loads(canonical_json(card.request))) == replace(card, title="", source="", licence="")
    assert DATASETS["mnist"].request == "mnist"
