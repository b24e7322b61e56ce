"""TrivialAugment: one random operation of random strength per image."""

import torch
from torch.nn import functional as F

from trainsize.training.image_operations import Draw, affine_matrices, blend, contrasted, grey, per_image, warped

SHEAR, SHIFT, TURN, BLEND = (
    0.99,
    32.0,
    135.0,
    0.99,
)  # the widest of TrivialAugmentWide; SHIFT in pixels, TURN in degrees


def trivial_augment_wide(images: torch.Tensor, draw: Draw) -> torch.Tensor:
    """Change each image by an operation of its own at a strength of its own, both random (Müller and Hutter 2021).

    Operations and their 31 strengths are those of torchvision's TrivialAugmentWide; rotations are bilinear.
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
    return warped(images, affine_matrices(one, x, y, one))


def _shifted(images, x, y):
    one, zero = torch.ones_like(x), torch.zeros_like(x)
    return warped(images, affine_matrices(one, zero, zero, one, x, y))


def _turned(images, strength, sign):
    angle = torch.deg2rad(TURN * strength * sign)
    return warped(images, affine_matrices(angle.cos(), -angle.sin(), angle.sin(), angle.cos()))


def _sharpened(images, strength, sign):
    """Blend with the image smoothed by 3×3 pixels, whose centre weighs 5 of 13; the border stays as it is."""
    if min(images.shape[2:]) < 3:
        return images
    channels = images.shape[1]
    kernel = torch.ones(3, 3, device=images.device)
    kernel[1, 1] = 5
    smooth = images.clone()
    kernels = (kernel / kernel.sum()).expand(channels, 1, 3, 3)
    smooth[:, :, 1:-1, 1:-1] = F.conv2d(images, kernels, groups=channels)
    return blend(images, smooth, 1 + BLEND * strength * sign)


def _posterised(images, strength, sign):
    """Keep the highest 8 to 2 bits of each pixel."""
    step = 2.0 ** (6 * strength).round()
    step = per_image(step, images)
    return (images * 255).round().div(step).floor().mul(step).div(255)


def _solarised(images, strength, sign):
    """Invert the pixels at or above a threshold that falls from 1 to 0."""
    return torch.where(images >= per_image(1 - strength, images), 1 - images, images)


def _stretched(images, strength, sign):
    """Stretch each channel of each image to the full range."""
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
    lambda images, strength, sign: (images * per_image(1 + BLEND * strength * sign, images)).clamp(0, 1),
    lambda images, strength, sign: blend(images, grey(images), 1 + BLEND * strength * sign),
    lambda images, strength, sign: contrasted(images, BLEND * strength * sign),
    _sharpened,
    _posterised,
    _solarised,
    _stretched,
    _equalised,
)
