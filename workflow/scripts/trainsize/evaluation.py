"""Evaluation over whole sets, in eval mode, with float64 accumulation."""

from dataclasses import dataclass

import torch
from torch import nn
from torch.nn import functional as F

# Images per forward pass: small enough for the caches of a CPU; a GPU is kept busy by larger batches.
BATCH = {"cpu": 250, "cuda": 4096}


@dataclass(frozen=True)
class Scores:
    n_evaluated: int
    loss: float
    accuracy: float
    f1_macro: float


@torch.no_grad()
def logits_of(model: nn.Module, images) -> torch.Tensor:
    """Return the float64 logits (images × classes) of `model` in eval mode; its mode is put back afterwards.

    `images` has a length and gives normalised inputs by `images.inputs(slice)`.
    """
    training = model.training
    model.eval()
    batch = BATCH[next(model.parameters()).device.type]
    logits = [model(images.inputs(slice(i, i + batch))).double() for i in range(0, len(images), batch)]
    model.train(training)
    return torch.cat(logits)


def score(logits: torch.Tensor, labels: torch.Tensor) -> Scores:
    """Return the metrics of float64 logits (images × classes) against labels (images)."""
    if len(logits) != len(labels) or not len(labels):
        raise ValueError(f"{len(logits)} predictions for {len(labels)} labels")
    classes = logits.shape[1]
    confusion = torch.bincount(labels * classes + logits.argmax(1), minlength=classes**2).view(classes, classes)
    return Scores(
        n_evaluated=len(labels),
        loss=F.cross_entropy(logits, labels).item(),
        accuracy=confusion.trace().item() / len(labels),
        f1_macro=f1_macro(confusion),
    )


def f1_macro(confusion: torch.Tensor) -> float:
    """Return F1 averaged over the classes that occur; `confusion` holds counts, labels × predictions."""
    hits = confusion.diagonal().double()
    support = (confusion.sum(0) + confusion.sum(1)).double()
    return (2 * hits / support)[support > 0].mean().item()


def top_predictions(logits: torch.Tensor, k: int = 5) -> tuple[torch.Tensor, torch.Tensor]:
    """Return the k most probable classes of each image and their probabilities, best first."""
    probabilities, classes = logits.softmax(1).topk(min(k, logits.shape[1]))
    return classes, probabilities
