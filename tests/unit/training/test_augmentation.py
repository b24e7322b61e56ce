"""Augmentation of whole batches: every image draws its own numbers, and each transform does what it says."""

import colorsys

import numpy as np
import pytest
import torch
from support import recipe
from torchvision.transforms import v2
from torchvision.transforms.v2 import functional

from trainsize.study.schema import study_schema
from trainsize.training import augmentation, image_operations, trivial_augment
from trainsize.training.augmentation import TRANSFORMS, Augmentation

NAMES = study_schema()["$defs"]["recipe"]["properties"]["augmentation"]["items"]["named"]


def augment(*transforms, channels: int = 3, seed: int = 0, **settings) -> Augmentation:
    given = recipe(augmentation=list(transforms), **settings)
    return Augmentation(given, torch.full((channels, 1, 1), 0.25), seed)


def photos(count: int, channels: int = 3, side: int = 16) -> torch.Tensor:
    """The same image many times, smooth, with every shade and no symmetry."""
    y, x = torch.meshgrid(torch.linspace(0, 1, side), torch.linspace(0, 1, side), indexing="ij")
    image = torch.stack([0.2 + 0.6 * x, 0.1 + 0.7 * y, 0.9 - 0.5 * x * y])[:channels]
    return image.repeat(count, 1, 1, 1)


def test_the_schema_and_the_code_name_the_same_transforms():
    assert set(NAMES) == set(TRANSFORMS)


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("channels", [1, 3])
def test_every_image_draws_its_own_numbers(name, channels):
    strong = {"colour_jitter": {"brightness": 0.5, "contrast": 0.5, "saturation": 0.5, "hue": 0.5}}
    images = photos(64, channels)
    changed = augment({"name": name, **strong.get(name, {})}, channels=channels)(images)
    assert changed.shape == images.shape
    assert torch.isfinite(changed).all()
    assert changed.min() >= 0
    assert changed.max() <= 1 + 1e-6
    different = {image.numpy().tobytes() for image in changed}
    possible = {"horizontal_flip": 2, "shift": 9}  # 16 pixels by a tenth are one either way
    assert len(different) == possible.get(name, pytest.approx(40, abs=24))
    assert torch.equal(images, photos(64, channels)), "the images given are not written to"


@pytest.mark.parametrize("name", NAMES)
def test_the_same_seed_gives_the_same_images(name):
    first, again, other = (augment(name, seed=seed)(photos(32)) for seed in (1, 1, 2))
    assert torch.equal(first, again)
    if name != "colour_jitter":  # which changes nothing by default
        assert not torch.equal(first, other)


def test_flips_are_mirror_images():
    images = photos(200)
    flipped = augment("horizontal_flip")(images)
    mirrored = (flipped == images.flip(3)).flatten(1).all(1)
    assert ((flipped == images).flatten(1).all(1) ^ mirrored).all()
    assert 70 < mirrored.sum() < 130


@pytest.mark.parametrize(
    ("transform", "reach"), [({"name": "shift", "fraction": 0.25}, 4), ({"name": "crop", "padding": 3}, 3)]
)
def test_moves_are_by_whole_pixels_with_black_coming_in(transform, reach):
    moved = augment(transform)(photos(400))
    padded = torch.nn.functional.pad(photos(1)[0], (reach,) * 4)
    seen = set()
    for image in moved:
        found = [
            (dy, dx)
            for dy in range(2 * reach + 1)
            for dx in range(2 * reach + 1)
            if torch.equal(image, padded[:, dy : dy + 16, dx : dx + 16])
        ]
        assert len(found) == 1
        seen.add(found[0])
    assert len(seen) > 0.8 * (2 * reach + 1) ** 2


def test_turns_are_torchvisions():
    images = photos(8)
    for drawn, degrees in ((0.0, -40), (1.0, 40)):
        turned = augmentation.rotation(images, lambda n, value=drawn: torch.full((n,), value), 40)
        theirs = functional.rotate(images, degrees, interpolation=v2.InterpolationMode.BILINEAR)
        inner = (slice(None), slice(None), slice(5, 11), slice(5, 11))
        torch.testing.assert_close(turned[inner], theirs[inner], atol=2e-3, rtol=0)


def test_a_turn_of_an_oblong_image_keeps_its_shapes():
    images = torch.zeros(1, 1, 9, 21)
    images[0, 0, 4, 7:14] = 1  # a horizontal bar of 7 pixels
    turned = augmentation.rotation(images, lambda n: torch.ones(n) - 1e-7, 90)
    assert turned[0, 0, 1:8, 10].min() > 0.99
    assert turned.sum().item() == pytest.approx(7, abs=0.01)


def test_colours_change_as_torchvisions_do():
    images = photos(4)
    names = ("brightness", "contrast", "saturation", "hue")
    theirs = (
        functional.adjust_brightness,
        functional.adjust_contrast,
        functional.adjust_saturation,
        functional.adjust_hue,
    )
    for name, adjust in zip(names, theirs, strict=True):
        options = {**dict.fromkeys(names, 0.0), name: 0.4}
        for draw, change in ((0.0, -0.4), (1.0, 0.4)):
            ours = augmentation.colour_jitter(images, lambda *size, d=draw: torch.full(size, d), **options)
            expected = adjust(images, change if name == "hue" else 1 + change)
            torch.testing.assert_close(ours, expected, atol=2e-3, rtol=0)


def test_hues_are_those_of_colorsys():
    rng = np.random.default_rng(0)
    colours = torch.from_numpy(rng.random((50, 3))).float()
    turned = image_operations.hues_turned(colours.view(50, 3, 1, 1), torch.full((50,), 0.3)).view(50, 3)
    for before, after in zip(colours.tolist(), turned.tolist(), strict=True):
        hue, saturation, value = colorsys.rgb_to_hsv(*before)
        assert after == pytest.approx(colorsys.hsv_to_rgb((hue + 0.3) % 1, saturation, value), abs=1e-5)


def test_parts_cut_out_have_the_stated_areas_and_shapes():
    """On a ramp, the range of what is seen is the side of the part that was cut out."""
    y, x = torch.meshgrid(torch.linspace(0, 1, 64), torch.linspace(0, 1, 64), indexing="ij")
    ramps = torch.stack([x, y]).repeat(500, 1, 1, 1)
    cut = augmentation.resized_crop(ramps, _uniform(0), 0.2, 0.5, 0.75, 4 / 3)
    width, height = (cut[:, i].flatten(1).amax(1) - cut[:, i].flatten(1).amin(1) for i in (0, 1))
    area, ratio = width * height, width / height
    assert 0.18 < area.min() < 0.22
    assert 0.46 < area.max() < 0.51
    assert area.mean().item() == pytest.approx(0.35, abs=0.02)
    assert 0.72 < ratio.min() < 0.8
    assert 1.25 < ratio.max() < 1.38
    centres = cut[:, 0].flatten(1).mean(1)
    assert centres.std() > 0.08, "parts lie all over the image"


def test_erased_boxes_have_the_mean_colour_and_the_stated_area():
    images = photos(500, side=32)
    erased = augment({"name": "erasing", "probability": 0.5})(images)
    gone = (erased == 0.25).all(1)
    share = gone.flatten(1).float().mean(1)
    hit = share > 0
    assert 200 < hit.sum() < 300
    assert 0.01 < share[hit].min() < 0.06
    assert 0.28 < share[hit].max() < 0.37
    assert torch.equal(erased[~hit], images[~hit])
    for mask in gone[hit][:20]:
        rows, columns = mask.any(1).sum(), mask.any(0).sum()
        assert mask.sum() == rows * columns, "it is a box"


def test_trivial_augment_takes_every_operation_at_every_strength():
    seen = []
    operations = [lambda images, strength, sign, i=i: seen.append((i, strength, sign)) or images for i in range(14)]
    original, trivial_augment.OPERATIONS = trivial_augment.OPERATIONS, operations
    try:
        augment("trivial_augment_wide")(photos(14 * 31 * 20, side=4))
    finally:
        trivial_augment.OPERATIONS = original
    assert [i for i, _, _ in seen] == list(range(14))
    for _, strength, sign in seen:
        assert len(strength.unique()) == 31
        assert 400 < len(strength) < 850
        assert set(sign.tolist()) == {-1.0, 1.0}


@pytest.mark.parametrize(
    ("number", "theirs"),
    [
        (6, lambda x: functional.adjust_brightness(x, 1.495)),
        (7, lambda x: functional.adjust_saturation(x, 1.495)),
        (8, lambda x: functional.adjust_contrast(x, 1.495)),
        (9, lambda x: functional.adjust_sharpness(x, 1.495)),
        (10, lambda x: functional.posterize(x, 5)),
        (11, lambda x: functional.solarize(x, 127.5)),
        (12, functional.autocontrast),
        (13, functional.equalize),
    ],
)
def test_operations_are_torchvisions(number, theirs):
    """At half strength, on bytes, within one of 255 shades."""
    pixels = (photos(3, side=24) * 255).round().to(torch.uint8)
    ours = trivial_augment.OPERATIONS[number](pixels.float() / 255, torch.full((3,), 0.5), torch.ones(3))
    assert (ours * 255 - theirs(pixels).float()).abs().max() <= 1.01


def _uniform(seed: int):
    generator = torch.Generator().manual_seed(seed)
    return lambda *size: torch.rand(size, generator=generator)


def test_mixup_blends_each_image_with_the_one_before_by_its_own_share():
    images = torch.eye(50).view(50, 1, 5, 10)
    mixed, share = augment(mixup=0.4, channels=1).mix(images)
    expected = share.view(-1, 1, 1, 1) * images + (1 - share.view(-1, 1, 1, 1)) * images.roll(1, 0)
    torch.testing.assert_close(mixed, expected)
    assert len(share.unique()) == 50


def test_cutmix_pastes_a_box_and_counts_its_area():
    images = torch.arange(1.0, 101).view(100, 1, 1, 1).expand(100, 1, 20, 20)
    mixed, share = augment(cutmix=1.0, channels=1).mix(images)
    own = (mixed == images).flatten(1).float().mean(1)
    torch.testing.assert_close(own, share)
    assert (((mixed == images) | (mixed == images.roll(1, 0))).flatten(1)).all()
    assert len(share.unique()) > 10
    assert share.mean().item() == pytest.approx(0.5, abs=0.1)


def test_with_both_every_image_is_mixed_in_one_way():
    images = torch.arange(1.0, 201).view(200, 1, 1, 1).expand(200, 1, 20, 20)
    mixed, share = augment(mixup=1.0, cutmix=1.0, channels=1).mix(images)
    pasted = ((mixed == images) | (mixed == images.roll(1, 0))).flatten(1).all(1)
    assert 60 < pasted.sum() < 140
    assert share.shape == (200,)


def test_nothing_is_mixed_unless_asked_for():
    images = photos(4)
    mixed, share = augment().mix(images)
    assert mixed is images
    assert share is None
