"""The networks of the published studies."""

import torch
from torch import nn

from trainsize.training.networks import Shape, dense, mlp


class RowDropout(nn.Module):
    """A network whose last hidden features lose whole images in training, as `nn.Dropout1d` does to a matrix.

    The logits of a dropped image are the head's bias, and it trains nothing else, so the body never computes it.
    """

    def __init__(self, body: nn.Module, head: nn.Linear, rate: float):
        super().__init__()
        self.body, self.head, self.rate = body, head, rate

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        if not self.training:
            return self.head(self.body(images))
        # Drawn on the CPU, so that nothing waits for a GPU to learn which images are left.
        kept = (torch.rand(len(images)) >= self.rate).nonzero()[:, 0].to(images.device)
        logits = self.head(self.body(images[kept]) / (1 - self.rate))
        return self.head.bias.to(logits.dtype).repeat(len(images), 1).index_copy(0, kept, logits)


def ga_cnn(
    shape: Shape, n_classes: int, dropout2d: float, dropout: float, row_dropout: bool, as_printed: bool
) -> nn.Module:
    """Return the network of the GA-Letters study's code (its file modelC3.py).

    1,443,610 parameters for 28×28×1 images and 26 classes. `row_dropout` makes the published mistake. `as_printed` is
    the network of the study's report: the third pool like the others, no activation after the hidden layer and no
    dropout of channels; 558,874 parameters.
    """
    channels, height, width = shape
    third = (nn.SiLU(), nn.MaxPool2d(2)) if as_printed else (nn.Dropout2d(dropout2d), nn.SiLU(), nn.MaxPool2d(2, 1))
    flat = 128 * (height // 8) * (width // 8) if as_printed else 128 * (height // 4 - 1) * (width // 4 - 1)
    body = nn.Sequential(
        *(nn.Conv2d(channels, 32, 5, padding="same"), nn.SiLU(), nn.MaxPool2d(2)),
        *(nn.Conv2d(32, 64, 5, padding="same"), nn.SiLU(), nn.MaxPool2d(2)),
        *(nn.Conv2d(64, 128, 5, padding="same"), *third),
        *(nn.Flatten(), nn.Linear(flat, 256), *([] if as_printed else [nn.SiLU()])),
    )
    head = nn.Linear(256, n_classes)
    return RowDropout(body, head, dropout) if row_dropout else nn.Sequential(body, nn.Dropout(dropout), head)


def _plain(shape: Shape, n_classes: int, blocks: list[tuple[int, bool]], hidden: list[int]) -> nn.Module:
    """Return 3×3 convolutions with ReLU, given as (channels, pooled by 2 afterwards), and fully connected layers."""
    layers, (inputs, height, width) = [], shape
    for outputs, pooled in blocks:
        layers += [nn.Conv2d(inputs, outputs, 3, padding=1), nn.ReLU()]
        if pooled:
            layers.append(nn.MaxPool2d(2))
            height, width = height // 2, width // 2
        inputs = outputs
    return nn.Sequential(*layers, nn.Flatten(), *dense(inputs * height * width, hidden, 0.0, n_classes))


def two_conv_one_fc(shape: Shape, n_classes: int) -> nn.Module:
    """Return the FashionMNIST study's best network; 1,625,866 parameters for its images."""
    return _plain(shape, n_classes, [(32, False), (64, True)], [128])


def one_conv_two_fc(shape: Shape, n_classes: int) -> nn.Module:
    """Return the FashionMNIST study's network of one convolution; 411,402 parameters for its images."""
    return _plain(shape, n_classes, [(32, True)], [64, 128])


def three_fc(shape: Shape, n_classes: int) -> nn.Module:
    """Return the FashionMNIST study's fully connected network; 94,154 parameters for its images."""
    return mlp(shape, n_classes, [64, 128, 256], 0.0)


def three_conv(shape: Shape, n_classes: int) -> nn.Module:
    """Return the FashionMNIST study's network of three convolutions; 155,402 parameters for its images.

    It cannot be built as described: one pool leaves 14×14, and the stated 128·7·7 inputs need two. This network has the
    second pool after the second convolution.
    """
    return _plain(shape, n_classes, [(32, False), (64, True), (128, True)], [])


def slides_cnn(shape: Shape, n_classes: int) -> nn.Module:
    """Return the network of the CIFAR-10 slides; 620,362 parameters for their images.

    Two layers hold the norm of each unit's incoming weights at 3 or less (`limit_norms`).
    """
    channels, height, width = shape
    second, dense = nn.Conv2d(32, 64, 3, padding=1), nn.Linear(128 * (height // 8) * (width // 8), 256)
    second.max_norm = dense.max_norm = 3.0
    return nn.Sequential(
        *(nn.Conv2d(channels, 32, 3, padding=1), nn.ReLU(), nn.MaxPool2d(2), nn.Dropout(0.2)),
        *(second, nn.ReLU(), nn.MaxPool2d(2)),
        *(nn.Conv2d(64, 128, 3, padding=1), nn.ReLU(), nn.MaxPool2d(2), nn.Dropout(0.3)),
        *(nn.Flatten(), dense, nn.ReLU(), nn.Dropout(0.5), nn.Linear(256, n_classes)),
    )
