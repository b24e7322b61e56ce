"""The training loop that a user would write: torchvision transforms, a DataLoader, AdamW, clipping, and a test loop.

Data are random images of the letters study's shape; what is measured does not depend on what they show.
"""

from collections.abc import Iterator

import numpy as np
import torch
from PIL import Image
from torch import nn
from torch.utils.data import DataLoader, Dataset
from torchvision import transforms

MEAN, STD, CLASSES, BATCH = 0.1736, 0.3248, 26, 72


def letters(count: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Return images (uint8, count × 28 × 28) and labels."""
    rng = np.random.default_rng(seed)
    return rng.integers(0, 256, (count, 28, 28), dtype=np.uint8), rng.integers(0, CLASSES, count)


class Letters(Dataset):
    """As torchvision's MNIST: an array, of which each item becomes an image, a tensor, and is normalised."""

    transform = transforms.Compose([transforms.ToTensor(), transforms.Normalize((MEAN,), (STD,))])

    def __init__(self, images: np.ndarray, labels: np.ndarray):
        self.images, self.labels = images, labels

    def __len__(self) -> int:
        return len(self.labels)

    def __getitem__(self, index: int) -> tuple[torch.Tensor, int]:
        return self.transform(Image.fromarray(self.images[index])), int(self.labels[index])


def updates(model: nn.Module, data: Dataset, device: torch.device) -> Iterator[float]:
    """Make one update after the other for ever, and give its loss."""
    model.to(device).train()
    optimizer = torch.optim.AdamW(model.parameters(), lr=3e-4, weight_decay=0.4)
    loss_of = nn.CrossEntropyLoss()
    while True:
        for images, labels in DataLoader(data, BATCH, shuffle=True):
            optimizer.zero_grad()
            loss = loss_of(model(images.to(device)), labels.to(device))
            loss.backward()
            nn.utils.clip_grad_norm_(model.parameters(), 1.0)
            optimizer.step()
            yield loss.item()


@torch.no_grad()
def evaluate(model: nn.Module, data: Dataset, device: torch.device) -> tuple[float, float]:
    """Return the mean loss and the accuracy on a whole set."""
    model.eval()
    loss, correct = 0.0, 0
    for images, labels in DataLoader(data, BATCH):
        logits, labels = model(images.to(device)), labels.to(device)
        loss += nn.functional.cross_entropy(logits, labels, reduction="sum").item()
        correct += (logits.argmax(1) == labels).sum().item()
    model.train()
    return loss / len(data), correct / len(data)
