"""Augmentation of whole batches on the device, with random numbers of its own for every image.

Images are float tensors from 0 to 1 (images × channels × height × width). The random numbers are drawn on the CPU, so
that they are the same on every device, and nothing waits for the device.
"""

import math
from collections.abc import Callable

import numpy as np
import torch
from torch.nn import functional as F

Draw = Callable[..., torch.Tensor]
SHEAR, SHIFT, TURN, BLEND = (
    0.99,
    32.0,
    135.0,
    0.99,
)  # the widest of TrivialAugmentWide; SHIFT in pixels, TURN in degrees


class Augmentation:
    """What a recipe does to the images of each update, drawing from one random stream."""

    def __init__(self, recipe: dict, fill: torch.Tensor, seed: int):
        """`fill` (channels × 1 × 1) is the value of erased pixels; `seed` starts the stream."""
        self.transforms = [
            (TRANSFORMS[t["name"]], {k: v for k, v in t.items() if k != "name"}) for t in recipe["augmentation"]
        ]
        self.mixup, self.cutmix, self.fill = recipe["mixup"], recipe["cutmix"], fill
        self.generator = torch.Generator().manual_seed(seed)

    def draw(self, *size: int) -> torch.Tensor:
        """Return uniform random numbers in [0, 1)."""
        return torch.rand(size, generator=self.generator)

    def __call__(self, images: torch.Tensor) -> torch.Tensor:
        """Return the images after the recipe's transforms, in their order."""
        for transform, options in self.transforms:
            if transform is erasing:
                options = {**options, "fill": self.fill}
            images = transform(images, self.draw, **options)
        return images

    def mix(self, images: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor | None]:
        """Mix each image with the one before it in the batch by mixup (Zhang et al. 2018) or CutMix (Yun et al. 2019).

        Every image draws its own share from Beta(alpha, alpha); with both, each image is mixed in one way at random.
        Returns the images and what share of each is its own; None where the recipe mixes nothing.
        """
        if not (self.mixup or self.cutmix):
            return images, None
        seed = int(torch.randint(2**63 - 1, (), generator=self.generator))
        rng, n = np.random.default_rng(seed), len(images)
        pasted = (
            torch.from_numpy(rng.random(n) < 0.5) if self.mixup and self.cutmix else torch.full((n,), not self.mixup)
        )
        alphas = np.where(pasted, self.cutmix or 1.0, self.mixup or 1.0)
        share = torch.from_numpy(rng.beta(alphas, alphas)).float()
        boxes = _boxes((1 - share).sqrt()[:, None].expand(-1, 2), self.draw(n, 2), images)
        share = torch.where(pasted, 1 - boxes.float().mean((1, 2, 3)).cpu(), share)
        before = images.roll(1, 0)
        blended = before + _each(share, images) * (images - before)
        return torch.where(_each(pasted, images), torch.where(boxes, before, images), blended), share.to(images.device)


def horizontal_flip(images: torch.Tensor, draw: Draw, probability: float) -> torch.Tensor:
    flipped = (draw(len(images)) < probability).to(images.device)
    return torch.where(flipped.view(-1, 1, 1, 1), images.flip(3), images)


def shift(images: torch.Tensor, draw: Draw, fraction: float) -> torch.Tensor:
    """Move each image by up to `fraction` of its sides, in whole pixels, black coming in."""
    limits = torch.tensor([int(fraction * side) for side in images.shape[2:]])
    return _moved(images, ((2 * limits + 1) * draw(len(images), 2)).long() - limits)


def crop(images: torch.Tensor, draw: Draw, padding: int) -> torch.Tensor:
    """Cut each image out, at random, of itself with a black border of `padding` pixels."""
    return _moved(images, ((2 * padding + 1) * draw(len(images), 2)).long() - padding)


def _moved(images: torch.Tensor, offsets: torch.Tensor) -> torch.Tensor:
    """Return each image as seen `offsets` (images × 2: rows, columns) further down and right, black outside."""
    offsets = offsets.to(images.device)
    image = torch.arange(len(images), device=images.device).view(-1, 1, 1)
    rows, columns = (
        torch.arange(side, device=images.device) + offsets[:, axis, None] for axis, side in enumerate(images.shape[2:])
    )
    inside = _within(rows, images.shape[2])[:, :, None] & _within(columns, images.shape[3])[:, None, :]
    rows, columns = rows.clamp(0, images.shape[2] - 1), columns.clamp(0, images.shape[3] - 1)
    seen = images[image, :, rows[:, :, None], columns[:, None, :]]  # images × height × width × channels
    return (seen * inside[..., None]).permute(0, 3, 1, 2)


def _within(places: torch.Tensor, side: int) -> torch.Tensor:
    return (places >= 0) & (places < side)


def rotation(images: torch.Tensor, draw: Draw, degrees: float) -> torch.Tensor:
    """Turn each image about its middle by up to `degrees` either way; bilinear, black outside."""
    angle = torch.deg2rad(degrees * (2 * draw(len(images)) - 1))
    return _warped(images, _matrices(angle.cos(), -angle.sin(), angle.sin(), angle.cos()))


def resized_crop(
    images: torch.Tensor, draw: Draw, smallest: float, largest: float, narrowest: float, widest: float
) -> torch.Tensor:
    """Cut a part of each image out and scale it to the whole size, bilinear.

    The part's share of the area is uniform from `smallest` to `largest`, its width over its height log-uniform from
    `narrowest` to `widest`; of ten tries the first that fits is taken, or else the largest middle square.
    """
    height, width = images.shape[2:]
    area = smallest + (largest - smallest) * draw(len(images), 10)
    ratio = torch.exp(math.log(narrowest) + (math.log(widest) - math.log(narrowest)) * draw(len(images), 10))
    # Sides as shares of the image's.
    sides = torch.stack([(area / ratio * width / height).sqrt(), (area * ratio * height / width).sqrt()], 2)
    square = torch.tensor([min(height, width) / height, min(height, width) / width])
    fits = (sides <= 1).all(2)
    chosen = sides[torch.arange(len(images)), fits.int().argmax(1)]
    chosen = torch.where(fits.any(1)[:, None], chosen, square)
    middle = (1 - chosen) * (2 * draw(len(images), 2) - 1) * fits.any(1)[:, None]
    zero = torch.zeros(len(images))
    places = middle * torch.tensor([height, width]) / 2
    return _warped(images, _matrices(chosen[:, 1], zero, zero, chosen[:, 0], places[:, 1], places[:, 0]))


def _matrices(xx, xy, yx, yy, x=None, y=None) -> torch.Tensor:
    """Return images × 2 × 3: where in the image, in pixels from its middle, each pixel of the result comes from."""
    x, y = (torch.zeros_like(xx) if place is None else place for place in (x, y))
    return torch.stack([torch.stack([xx, xy, x], 1), torch.stack([yx, yy, y], 1)], 1)


def _warped(images: torch.Tensor, matrices: torch.Tensor) -> torch.Tensor:
    """Return images whose pixels come, bilinearly, from where `matrices` say; black outside."""
    height, width = images.shape[2:]
    to_pixels = torch.tensor([width / 2, height / 2, 1.0])
    scaled = matrices * to_pixels / to_pixels[:2, None]
    grid = F.affine_grid(scaled.to(images.device), list(images.shape), align_corners=False)
    return F.grid_sample(images, grid, align_corners=False)


def colour_jitter(
    images: torch.Tensor, draw: Draw, brightness: float, contrast: float, saturation: float, hue: float
) -> torch.Tensor:
    """Change each image's brightness, contrast and saturation by factors within 1 ± the option, and turn its hues.

    `hue` is the largest turn as a share of the colour circle. Saturation and hue do nothing to grey images.
    """
    amounts = 2 * draw(4, len(images)) - 1
    images = (images * _each((1 + brightness * amounts[0]).clamp(min=0), images)).clamp(0, 1)
    images = _contrasted(images, contrast * amounts[1])
    if images.shape[1] == 3:
        images = _blended(images, _grey(images), (1 + saturation * amounts[2]).clamp(min=0))
        images = _hues_turned(images, hue * amounts[3]) if hue else images
    return images


def _contrasted(images: torch.Tensor, change: torch.Tensor) -> torch.Tensor:
    """Blend each image with its mean grey, by a factor of 1 + `change`."""
    return _blended(images, _grey(images).mean((1, 2, 3), keepdim=True), (1 + change).clamp(min=0))


def _each(values: torch.Tensor, images: torch.Tensor) -> torch.Tensor:
    """Return one value per image, to be multiplied with the images."""
    return values.to(images.device).view(-1, 1, 1, 1)


def _grey(images: torch.Tensor) -> torch.Tensor:
    """Return the luminance (ITU-R BT.601), images × 1 × height × width."""
    if images.shape[1] != 3:
        return images.mean(1, keepdim=True)
    weights = images.new_tensor([0.299, 0.587, 0.114]).view(1, 3, 1, 1)
    return (images * weights).sum(1, keepdim=True)


def _blended(images: torch.Tensor, other: torch.Tensor, factors: torch.Tensor) -> torch.Tensor:
    """Return `other` at factor 0, the images at 1, and beyond that the contrary of `other`, from 0 to 1."""
    return (other + _each(factors, images) * (images - other)).clamp(0, 1)


def _hues_turned(images: torch.Tensor, turns: torch.Tensor) -> torch.Tensor:
    """Turn the hues of colour images by `turns` of the circle, in the space of hue, saturation and value."""
    value, dominant = images.max(1)
    chroma = value - images.min(1).values
    red, green, blue = images.unbind(1)
    safe = torch.where(chroma > 0, chroma, torch.ones_like(chroma))
    sectors = torch.stack([(green - blue) / safe, (blue - red) / safe + 2, (red - green) / safe + 4])
    hue = (sectors.gather(0, dominant[None])[0] / 6 + turns.to(images.device).view(-1, 1, 1)) % 1
    # Each channel falls from the value by the chroma's share that its distance on the circle gives.
    place = (torch.tensor([5.0, 3.0, 1.0], device=images.device).view(1, 3, 1, 1) + 6 * hue[:, None]) % 6
    return value[:, None] - chroma[:, None] * torch.minimum(place, 4 - place).clamp(0, 1)


def erasing(
    images: torch.Tensor,
    draw: Draw,
    probability: float,
    smallest: float,
    largest: float,
    narrowest: float,
    widest: float,
    fill: torch.Tensor,
) -> torch.Tensor:
    """Fill, with the given probability, a box of each image with the colour `fill` (Zhong et al. 2020)."""
    area = smallest + (largest - smallest) * draw(len(images))
    ratio = torch.exp(math.log(narrowest) + (math.log(widest) - math.log(narrowest)) * draw(len(images)))
    height, width = images.shape[2:]
    sides = torch.stack([(area / ratio * width / height).sqrt(), (area * ratio * height / width).sqrt()], 1)
    boxes = _boxes(sides.clamp(max=1), draw(len(images), 2), images)
    erased = boxes & _each(draw(len(images)) < probability, images)
    return torch.where(erased, fill, images)


def _boxes(sides: torch.Tensor, places: torch.Tensor, images: torch.Tensor) -> torch.Tensor:
    """Return images × 1 × height × width, true in a box of the given sides (images × 2, shares) at random places."""
    inside = []
    for axis, side in enumerate(images.shape[2:]):
        length = (sides[:, axis] * side).round()
        start = (places[:, axis] * (side - length + 1)).floor()
        pixel = torch.arange(side)
        inside.append(((pixel >= start[:, None]) & (pixel < (start + length)[:, None])).to(images.device))
    return (inside[0][:, :, None] & inside[1][:, None, :])[:, None]


def trivial_augment_wide(images: torch.Tensor, draw: Draw) -> torch.Tensor:
    """Change each image by one operation, drawn anew, at a strength drawn anew (Müller and Hutter 2021).

    Operations and the 31 strengths of each are those of torchvision's TrivialAugmentWide; turns are bilinear.
    """
    operation = (len(OPERATIONS) * draw(len(images))).long()
    strength = (31 * draw(len(images))).floor() / 30
    sign = torch.where(draw(len(images)) < 0.5, -1.0, 1.0)
    changed = images.clone()
    for number, apply in enumerate(OPERATIONS):
        rows = (operation == number).nonzero()[:, 0]
        if len(rows):
            on_device = rows.to(images.device)
            changed[on_device] = apply(images[on_device], strength[rows], sign[rows])
    return changed


def _sheared(images, x, y):
    one = torch.ones_like(x)
    return _warped(images, _matrices(one, x, y, one))


def _shifted(images, x, y):
    one, zero = torch.ones_like(x), torch.zeros_like(x)
    return _warped(images, _matrices(one, zero, zero, one, x, y))


def _turned(images, strength, sign):
    angle = torch.deg2rad(TURN * strength * sign)
    return _warped(images, _matrices(angle.cos(), -angle.sin(), angle.sin(), angle.cos()))


def _sharpened(images, strength, sign):
    """Blend with the image smoothed by 3×3 pixels, whose middle weighs 5 of 13; the rim stays as it is."""
    if min(images.shape[2:]) < 3:
        return images
    channels = images.shape[1]
    kernel = torch.ones(3, 3, device=images.device)
    kernel[1, 1] = 5
    smooth = images.clone()
    kernels = (kernel / kernel.sum()).expand(channels, 1, 3, 3)
    smooth[:, :, 1:-1, 1:-1] = F.conv2d(images, kernels, groups=channels)
    return _blended(images, smooth, 1 + BLEND * strength * sign)


def _posterised(images, strength, sign):
    """Keep the highest 8 to 2 bits of each pixel."""
    step = 2.0 ** (6 * strength).round()
    step = _each(step, images)
    return (images * 255).round().div(step).floor().mul(step).div(255)


def _solarised(images, strength, sign):
    """Turn round the pixels at or above a threshold that falls from 1 to 0."""
    return torch.where(images >= _each(1 - strength, images), 1 - images, images)


def _stretched(images, strength, sign):
    """Spread each channel of each image over the whole range."""
    low, high = images.amin((2, 3), keepdim=True), images.amax((2, 3), keepdim=True)
    return torch.where(high > low, (images - low) / (high - low).clamp(min=1e-6), images)


def _equalised(images, strength, sign):
    """Make each channel's histogram of 256 values as flat as it can be."""
    from torchvision.transforms.v2.functional import equalize

    return equalize((images * 255).round().to(torch.uint8)).float().div(255)


OPERATIONS = (
    lambda images, strength, sign: images,
    lambda images, strength, sign: _sheared(images, SHEAR * strength * sign, torch.zeros_like(sign)),
    lambda images, strength, sign: _sheared(images, torch.zeros_like(sign), SHEAR * strength * sign),
    lambda images, strength, sign: _shifted(images, SHIFT * strength * sign, torch.zeros_like(sign)),
    lambda images, strength, sign: _shifted(images, torch.zeros_like(sign), SHIFT * strength * sign),
    _turned,
    lambda images, strength, sign: (images * _each(1 + BLEND * strength * sign, images)).clamp(0, 1),
    lambda images, strength, sign: _blended(images, _grey(images), 1 + BLEND * strength * sign),
    lambda images, strength, sign: _contrasted(images, BLEND * strength * sign),
    _sharpened,
    _posterised,
    _solarised,
    _stretched,
    _equalised,
)

TRANSFORMS: dict[str, Callable[..., torch.Tensor]] = {
    "horizontal_flip": horizontal_flip,
    "shift": shift,
    "crop": crop,
    "rotation": rotation,
    "resized_crop": resized_crop,
    "colour_jitter": colour_jitter,
    "trivial_augment_wide": trivial_augment_wide,
    "erasing": erasing,
}
