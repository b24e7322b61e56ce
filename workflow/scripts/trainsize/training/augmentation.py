"""Augmentation of whole batches on the device, with random numbers of its own for every image.

Images are float tensors from 0 to 1 (images × channels × height × width). The random numbers are drawn on the CPU: they
are the same for every device, and nothing waits for the device.
"""

import math
from collections.abc import Callable

import numpy as np
import torch

from trainsize.training.image_operations import (
    Draw,
    affine_matrices,
    blend,
    box_masks,
    contrasted,
    grey,
    hues_turned,
    moved,
    per_image,
    warped,
)
from trainsize.training.trivial_augment import trivial_augment_wide


class Augmentation:
    """The augmentation of a recipe, which draws from one random stream."""

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
        Returns the images and the share of each that is its own; None where the recipe does not mix.
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
        boxes = box_masks((1 - share).sqrt()[:, None].expand(-1, 2), self.draw(n, 2), images)
        share = torch.where(pasted, 1 - boxes.float().mean((1, 2, 3)).cpu(), share)
        before = images.roll(1, 0)
        blended = before + per_image(share, images) * (images - before)
        return torch.where(per_image(pasted, images), torch.where(boxes, before, images), blended), share.to(
            images.device
        )


def horizontal_flip(images: torch.Tensor, draw: Draw, probability: float) -> torch.Tensor:
    flipped = (draw(len(images)) < probability).to(images.device)
    return torch.where(flipped.view(-1, 1, 1, 1), images.flip(3), images)


def shift(images: torch.Tensor, draw: Draw, fraction: float) -> torch.Tensor:
    """Move each image by up to `fraction` of its sides, in whole pixels; the rest is black."""
    limits = torch.tensor([int(fraction * side) for side in images.shape[2:]])
    return moved(images, ((2 * limits + 1) * draw(len(images), 2)).long() - limits)


def crop(images: torch.Tensor, draw: Draw, padding: int) -> torch.Tensor:
    """Cut each image at random out of a copy with a black border of `padding` pixels."""
    return moved(images, ((2 * padding + 1) * draw(len(images), 2)).long() - padding)


def rotation(images: torch.Tensor, draw: Draw, degrees: float) -> torch.Tensor:
    """Rotate each image about its centre by up to `degrees` either way; bilinear, black outside."""
    angle = torch.deg2rad(degrees * (2 * draw(len(images)) - 1))
    return warped(images, affine_matrices(angle.cos(), -angle.sin(), angle.sin(), angle.cos()))


def resized_crop(
    images: torch.Tensor, draw: Draw, smallest: float, largest: float, narrowest: float, widest: float
) -> torch.Tensor:
    """Cut a part out of each image and scale it to the full size, bilinear.

    The part's share of the area is uniform from `smallest` to `largest`, its width over its height log-uniform from
    `narrowest` to `widest`; the first of ten tries that fits is used, or else the largest central square.
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
    shifts = middle * torch.tensor([height, width]) / 2
    return warped(images, affine_matrices(chosen[:, 1], zero, zero, chosen[:, 0], shifts[:, 1], shifts[:, 0]))


def colour_jitter(
    images: torch.Tensor, draw: Draw, brightness: float, contrast: float, saturation: float, hue: float
) -> torch.Tensor:
    """Change each image's brightness, contrast and saturation by factors within 1 ± the option, and rotate its hues.

    `hue` is the largest rotation as a share of the colour circle. Saturation and hue do nothing to grey images.
    """
    amounts = 2 * draw(4, len(images)) - 1
    images = (images * per_image((1 + brightness * amounts[0]).clamp(min=0), images)).clamp(0, 1)
    images = contrasted(images, contrast * amounts[1])
    if images.shape[1] == 3:
        images = blend(images, grey(images), (1 + saturation * amounts[2]).clamp(min=0))
        images = hues_turned(images, hue * amounts[3]) if hue else images
    return images


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
    boxes = box_masks(sides.clamp(max=1), draw(len(images), 2), images)
    erased = boxes & per_image(draw(len(images)) < probability, images)
    return torch.where(erased, fill, images)


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
