"""Operations on batches of images, each image with its own random draw."""

from collections.abc import Callable

import torch
from torch.nn import functional as F

Draw = Callable[..., torch.Tensor]


def moved(images: torch.Tensor, offsets: torch.Tensor) -> torch.Tensor:
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


def _within(positions: torch.Tensor, side: int) -> torch.Tensor:
    return (positions >= 0) & (positions < side)


def affine_matrices(xx, xy, yx, yy, x=None, y=None) -> torch.Tensor:
    """Return images × 2 × 3: where in the image, in pixels from its middle, each pixel of the result comes from."""
    x, y = (torch.zeros_like(xx) if shift is None else shift for shift in (x, y))
    return torch.stack([torch.stack([xx, xy, x], 1), torch.stack([yx, yy, y], 1)], 1)


def warped(images: torch.Tensor, matrices: torch.Tensor) -> torch.Tensor:
    """Return images whose pixels come, bilinearly, from where `matrices` say; black outside."""
    height, width = images.shape[2:]
    to_pixels = torch.tensor([width / 2, height / 2, 1.0])
    scaled = matrices * to_pixels / to_pixels[:2, None]
    grid = F.affine_grid(scaled.to(images.device), list(images.shape), align_corners=False)
    return F.grid_sample(images, grid, align_corners=False)


def contrasted(images: torch.Tensor, change: torch.Tensor) -> torch.Tensor:
    """Blend each image with its mean grey, by a factor of 1 + `change`."""
    return blend(images, grey(images).mean((1, 2, 3), keepdim=True), (1 + change).clamp(min=0))


def per_image(values: torch.Tensor, images: torch.Tensor) -> torch.Tensor:
    """Return one value per image, in a shape that multiplies the images."""
    return values.to(images.device).view(-1, 1, 1, 1)


def grey(images: torch.Tensor) -> torch.Tensor:
    """Return the luminance (ITU-R BT.601), images × 1 × height × width."""
    if images.shape[1] != 3:
        return images.mean(1, keepdim=True)
    weights = images.new_tensor([0.299, 0.587, 0.114]).view(1, 3, 1, 1)
    return (images * weights).sum(1, keepdim=True)


def blend(images: torch.Tensor, other: torch.Tensor, factors: torch.Tensor) -> torch.Tensor:
    """Return `other` at factor 0, the images at 1, and an extrapolation from `other` beyond 1; clamped to 0 to 1."""
    return (other + per_image(factors, images) * (images - other)).clamp(0, 1)


def hues_turned(images: torch.Tensor, turns: torch.Tensor) -> torch.Tensor:
    """Rotate the hues of colour images by `turns` of the circle, in HSV space."""
    value, dominant = images.max(1)
    chroma = value - images.min(1).values
    red, green, blue = images.unbind(1)
    safe = torch.where(chroma > 0, chroma, torch.ones_like(chroma))
    sectors = torch.stack([(green - blue) / safe, (blue - red) / safe + 2, (red - green) / safe + 4])
    hue = (sectors.gather(0, dominant[None])[0] / 6 + turns.to(images.device).view(-1, 1, 1)) % 1
    # Each channel is the value less a share of the chroma, which follows from its distance on the circle.
    position = (torch.tensor([5.0, 3.0, 1.0], device=images.device).view(1, 3, 1, 1) + 6 * hue[:, None]) % 6
    return value[:, None] - chroma[:, None] * torch.minimum(position, 4 - position).clamp(0, 1)


def box_masks(sides: torch.Tensor, positions: torch.Tensor, images: torch.Tensor) -> torch.Tensor:
    """Return images × 1 × height × width, true in a box per image.

    `sides` and `positions` (images × 2, from 0 to 1) are the box's height and width as shares of the image's, and where
    it lies between the edges.
    """
    inside = []
    for axis, side in enumerate(images.shape[2:]):
        length = (sides[:, axis] * side).round()
        start = (positions[:, axis] * (side - length + 1)).floor()
        pixel = torch.arange(side)
        inside.append(((pixel >= start[:, None]) & (pixel < (start + length)[:, None])).to(images.device))
    return (inside[0][:, :, None] & inside[1][:, None, :])[:, None]
