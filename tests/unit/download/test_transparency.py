"""Pixels that mean nothing: transparency, images of one colour, channels without spread, labels that contradict."""

import io
import struct
import zlib

import numpy as np
import pytest
from PIL import Image
from test_datasets import describe, encoded, folder_form, npz, pictures, prepared, small, write

from trainsize.common.errors import UserError
from trainsize.datasets.remarks import notes, remarks
from trainsize.download.pixels import Traits, decode

SHAPE = np.zeros((8, 8), bool)
SHAPE[2:5, 1:6] = True
WHITE, BLACK = 255, 0


def drawn(shape=SHAPE, colour=(0, 0, 0)):
    """A shape that is in the transparency only: all pixels have the same colour."""
    image = np.zeros((*shape.shape, 4), np.uint8)
    image[..., :3], image[..., 3] = colour, np.where(shape, 255, 0)
    return Image.fromarray(image, "RGBA")


def with_palette(mode="P"):
    """The shape as a palette of two blacks, one of which is transparent."""
    image = Image.fromarray(SHAPE.astype(np.uint8)).convert("P")
    image.putpalette([0] * 6)
    return image


def png_of(bits, colour, rows, transparent):
    """A PNG of `bits` per sample with the given bytes per row and a transparent colour, which Pillow does not write."""

    def chunk(kind, content):
        return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", zlib.crc32(kind + content))

    head = struct.pack(">IIBBBBB", 8, 8, bits, colour, 0, 0, 0)
    data = zlib.compress(b"".join(b"\0" + row for row in rows))
    key = np.array(transparent, ">u2").tobytes()
    chunks = (chunk(b"IHDR", head), chunk(b"tRNS", key), chunk(b"IDAT", data), chunk(b"IEND", b""))
    return b"\x89PNG\r\n\x1a\n" + b"".join(chunks)


def packed(values, bits):
    """Rows of samples of `bits` bits as bytes."""
    return [
        int("".join(f"{value:0{bits}b}" for value in row), 2).to_bytes(len(row) * bits // 8, "big") for row in values
    ]


def saved(image, kind, **options):
    file = io.BytesIO()
    image.save(file, kind, **options)
    return file.getvalue()


KEYED = np.where(SHAPE, 0, 3)
CASES = {
    "RGBA as PNG": encoded(drawn(), "PNG"),
    "RGBA as WebP": saved(drawn(), "WEBP", lossless=True, exact=True),
    "RGBA as TIFF": encoded(drawn(), "TIFF"),
    "RGBA as JPEG 2000": encoded(drawn(), "JPEG2000"),
    "RGBA as GIF": encoded(drawn(), "GIF"),
    "LA as PNG": encoded(drawn().convert("LA"), "PNG"),
    "palette with one transparent colour": saved(with_palette(), "PNG", transparency=0),
    "palette with transparencies": saved(with_palette(), "PNG", transparency=bytes([0, 255])),
    "grey with a transparent value": saved(
        Image.fromarray(np.where(SHAPE, 0, 9).astype(np.uint8)), "PNG", transparency=9
    ),
    "16-bit grey with a transparent value": saved(
        Image.fromarray(np.where(SHAPE, 0, 300).astype(np.uint16)), "PNG", transparency=300
    ),
    "black and white with a transparent value": saved(Image.fromarray(~SHAPE), "PNG", transparency=1),
    "colour with a transparent colour": saved(
        Image.fromarray(np.where(SHAPE, 0, 7)[..., None].repeat(3, 2).astype(np.uint8)), "PNG", transparency=(7, 7, 7)
    ),
    "2-bit grey": png_of(2, 0, packed(KEYED, 2), 3),
    "4-bit grey": png_of(4, 0, packed(KEYED, 4), 3),
    "16-bit colour": png_of(
        16, 2, [row.astype(">u2").tobytes() for row in (KEYED * 5000)[..., None].repeat(3, 2)], [15_000] * 3
    ),
}


@pytest.mark.parametrize("name", CASES)
def test_shapes_in_the_transparency_are_seen(name):
    traits = Traits()
    for channels in (1, 3):
        image = decode(CASES[name], (8, 8, channels), name, "white", traits)
        assert (image == np.where(SHAPE, BLACK, WHITE)[..., None]).all()
    assert traits.transparent == [name, name]
    assert (decode(CASES[name], (8, 8, 3), name, "#3366cc")[~SHAPE] == (0x33, 0x66, 0xCC)).all()
    assert (decode(CASES[name], (8, 8, 1), name, "black") == BLACK).all()


def test_without_a_background_the_colours_beneath_are_read():
    traits = Traits()
    assert (decode(encoded(drawn(colour=(9, 8, 7)), "PNG"), (8, 8, 3), "x", "none", traits) == (9, 8, 7)).all()
    assert not traits.transparent


def test_half_transparent_pixels_are_mixed():
    image = drawn(colour=(200, 100, 0))
    image.putalpha(Image.fromarray(np.where(SHAPE, 128, 0).astype(np.uint8)))
    mixed = decode(encoded(image, "PNG"), (8, 8, 3), "x")
    np.testing.assert_allclose(mixed[SHAPE].mean(0), [200 / 2 + 127, 100 / 2 + 127, 127], atol=2)


def test_transparency_that_is_the_same_everywhere_shows_nothing():
    colours = pictures(1, 8, 8, 3)[0]
    for alpha in (0, 100, 255):
        image, traits = Image.fromarray(colours), Traits()
        image.putalpha(alpha)
        assert (decode(encoded(image, "PNG"), (8, 8, 3), "x", "white", traits) == colours).all()
        assert not traits.transparent
    blank = drawn(np.zeros((8, 8), bool))  # an image without a shape, among others with one
    assert (decode(encoded(blank, "PNG"), (8, 8, 1), "x") == WHITE).all()


@pytest.mark.parametrize("kind", ["real numbers", "signed or 32-bit integers"])
def test_pixels_of_unknown_range_are_refused(kind):
    values = np.ones((8, 8), np.float32 if kind == "real numbers" else np.int32)
    with pytest.raises(UserError, match=f"x: its pixels are {kind} of unknown range"):
        decode(encoded(Image.fromarray(values), "TIFF"), (8, 8, 1), "x")


def shapes(root, colour=(0, 0, 0)):
    """Circles and squares of one colour, all of them different in their transparency only."""
    for split, count in (("train", 4), ("val", 2)):
        for label, name in enumerate(("circle", "square")):
            for k in range(count):
                shape = np.zeros((8, 8), bool)
                shape[1 + k % 3 : 5, 1 + label : 4 + label + (split == "val")] = True
                shape[label, k] = True
                write(root / split / name / f"{k}.png", encoded(drawn(shape, colour), "PNG"))
    return root


def test_a_folder_of_shapes_keeps_them(tmp_path):
    root = shapes(tmp_path / "in")
    data = prepared(describe(format=folder_form(root), n_train=8, n_test=4), tmp_path / "out")
    manifest = data.manifest
    assert manifest["transparent"] == {"train": 8, "test": 4}
    assert manifest["background"] == "white"
    assert manifest["one_colour"] == {"train": 0, "test": 0}
    assert manifest["flat_channels"] == []
    assert manifest["duplicates"]["groups"] == 0
    assert remarks(manifest) == []
    assert notes(manifest) == [
        "8 training and 4 test images had transparency, and were put on the background white (`background`)."
    ]


@pytest.mark.parametrize(("background", "advice"), [("black", True), ("none", False)])
def test_images_that_show_nothing_are_told(tmp_path, background, advice):
    """Black shapes on black, or the black beneath the transparency: 12 identical images."""
    root = shapes(tmp_path / "in")
    card = describe(format=folder_form(root, background=background), n_train=8, n_test=4)
    manifest = prepared(card, tmp_path / "out").manifest
    assert manifest["one_colour"] == {"train": 8, "test": 4}
    assert manifest["flat_channels"] == [0, 1, 2]
    one_colour, flat, known, different = remarks(manifest)
    assert one_colour.startswith("8 training and 4 test images have a single colour, so they show nothing.")
    assert ("another `background`" in one_colour) == advice
    assert flat == "All pixels of all training images are the same, so nothing can be learned from them."
    assert known.startswith("4 of 4 test images are also among the training images")
    assert different.startswith("12 images in 1 group of identical images have different labels")


def test_a_channel_without_spread_is_told(tmp_path):
    _, labels = small()
    images = {split: pictures(len(of_split), 8, 8, 3) for split, of_split in labels.items()}
    for of_split in images.values():
        of_split[..., 1] = 77
    manifest = prepared(describe(format=npz(tmp_path / "x.npz", images, labels)), tmp_path / "out").manifest
    assert manifest["flat_channels"] == [1]
    assert "Channel 2 of 3 has the same value in all training images, and tells nothing." in remarks(manifest)


def test_an_older_manifest_has_no_remarks():
    older = {"name": "old", "shape": [8, 8, 1], "duplicates": {"groups": 1, "groups_with_different_labels": 0}}
    assert remarks(older) == notes(older) == []
