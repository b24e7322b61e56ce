"""Images on the device, and the input that a network gets from them."""

from dataclasses import dataclass, replace

import numpy as np
import torch

from trainsize.datasets.prepared import Prepared


@dataclass(frozen=True)
class Images:
    """Images on the device (uint8, images × channels × height × width), their labels (int64), and the normalisation.

    `mean` and `std` are of pixels from 0 to 1 (channels × 1 × 1).
    """

    pixels: torch.Tensor
    labels: torch.Tensor
    mean: torch.Tensor
    std: torch.Tensor

    @classmethod
    def load(cls, data: Prepared, split: str, device: torch.device) -> "Images":
        pixels = torch.from_numpy(np.array(data.images(split))).permute(0, 3, 1, 2).contiguous()
        channel = [torch.tensor(data.manifest[key], dtype=torch.float32, device=device) for key in ("mean", "std")]
        labels = torch.from_numpy(np.array(data.labels(split)))
        return cls(pixels.to(device), labels.to(device), *(value.view(-1, 1, 1) for value in channel))

    def __len__(self) -> int:
        return len(self.labels)

    def take(self, rows: torch.Tensor) -> "Images":
        return replace(self, pixels=self.pixels[rows], labels=self.labels[rows])

    def scaled(self, rows: torch.Tensor | slice) -> torch.Tensor:
        """Return the images at `rows` as float32 from 0 to 1."""
        return self.pixels[rows].float().div_(255)

    def normalised(self, scaled: torch.Tensor) -> torch.Tensor:
        """Return scaled images minus the mean, divided by the standard deviation; `scaled` is changed in place.

        Channels come last in memory, which is fastest for convolutions.
        """
        return scaled.sub_(self.mean).div_(self.std).contiguous(memory_format=torch.channels_last)

    def inputs(self, rows: torch.Tensor | slice) -> torch.Tensor:
        """Return the network's input for the images at `rows`, without augmentation."""
        return self.normalised(self.scaled(rows))


def normalised_by(settings: dict, images: Images, subset: Images) -> Images:
    """Return `images` with the normalisation of a recipe, which may be that of the training `subset`.

    Raises ValueError when the number of constants is not the number of channels.
    """
    channels = images.pixels.shape[1]
    match settings["name"]:
        case "dataset":
            mean, std = images.mean, images.std
        case "subset":
            pixels = subset.pixels.double() / 255
            std, mean = torch.std_mean(pixels, dim=(0, 2, 3), correction=0)
        case "none":
            mean, std = torch.zeros(channels), torch.ones(channels)
        case "constants":
            mean, std = torch.tensor(settings["mean"]), torch.tensor(settings["std"])
    # A constant channel has no spread to divide by.
    std = torch.where(std > 0, std, torch.ones_like(std))
    mean, std = (value.float().to(images.pixels.device).view(-1, 1, 1) for value in (mean, std))
    return replace(images, mean=mean, std=std)
