"""Evaluation over whole sets, in eval mode, with float64 accumulation."""

from contextlib import AbstractContextManager
from dataclasses import dataclass

import torch
from torch import nn
from torch.nn import functional as F

from trainsize.training.images import Images
from trainsize.training.processes import ALONE, Processes

# Images per forward pass: few enough for the caches of a CPU, and enough to keep a GPU busy.
BATCH = {"cpu": 100, "cuda": 4096}
FEWER = 8  # divides the batch after a GPU ran out of memory
CALIBRATION_BINS = 15


@dataclass(frozen=True)
class Scores:
    """The metrics of one set of images, in the order and under the names of the tables' columns."""

    n_evaluated: int
    loss: float
    accuracy: float
    f1_macro: float
    f1_micro: float
    accuracy_top5: float
    accuracy_balanced: float
    brier: float
    calibration_error: float
    margin_correct: float | None
    margin_wrong: float | None


def precision(name: str, device: torch.device) -> AbstractContextManager:
    """Return the context in which a network computes: float32, or bfloat16 where PyTorch considers that safe."""
    return torch.autocast(device.type, torch.bfloat16, enabled=name == "bfloat16")


@torch.no_grad()
def logits_of(model: nn.Module, images: Images, numbers: str, processes: Processes = ALONE) -> torch.Tensor:
    """Return the float64 logits (images × classes) of `model` in eval mode; its mode is restored afterwards.

    `numbers` is the precision by name. Each of several processes computes a part, and all return the whole. If a GPU
    runs out of memory, smaller batches are tried once, which may change the last bits.
    """
    training = model.training
    model.eval()
    rows = processes.part(torch.arange(len(images), device=images.labels.device))
    batch = BATCH[rows.device.type]
    try:
        logits = _logits(model, images, rows, batch, numbers)
    except torch.OutOfMemoryError:
        print(f"  out of memory: evaluating {batch // FEWER} images at a time instead of {batch}", flush=True)
        torch.cuda.empty_cache()
        logits = _logits(model, images, rows, batch // FEWER, numbers)
    model.train(training)
    return processes.concatenated(logits)


def _logits(model: nn.Module, images: Images, rows: torch.Tensor, batch: int, numbers: str) -> torch.Tensor:
    with precision(numbers, rows.device):
        return torch.cat([model(images.inputs(part)).double() for part in rows.split(batch)])


def score(logits: torch.Tensor, labels: torch.Tensor, clipped: bool = False) -> Scores:
    """Return the metrics of float64 logits (images × classes) against labels (images).

    `clipped` computes the loss as Keras does: from float32 probabilities no closer than 1e-7 to 0 and 1.
    """
    if len(logits) != len(labels) or not len(labels):
        raise ValueError(f"{len(logits)} predictions for {len(labels)} labels")
    classes = logits.shape[1]
    probabilities = logits.softmax(1)
    ranked, order = probabilities.topk(min(5, classes))
    correct = order[:, 0] == labels
    confusion = torch.bincount(labels * classes + order[:, 0], minlength=classes**2).view(classes, classes)
    margins = (ranked[:, 0] - ranked[:, 1]) / ranked[:, 0] if classes > 1 else torch.ones_like(ranked[:, 0])
    return Scores(
        n_evaluated=len(labels),
        loss=(clipped_loss if clipped else F.cross_entropy)(logits, labels).item(),
        accuracy=correct.double().mean().item(),
        f1_macro=f1_macro(confusion),
        # With one label and one prediction per image, every false positive is another class's false negative.
        f1_micro=correct.double().mean().item(),
        accuracy_top5=(order == labels[:, None]).any(1).double().mean().item(),
        accuracy_balanced=balanced_accuracy(confusion),
        brier=((probabilities - F.one_hot(labels, classes)) ** 2).sum(1).mean().item(),
        calibration_error=calibration_error(ranked[:, 0], correct),
        margin_correct=_mean(margins[correct]),
        margin_wrong=_mean(margins[~correct]),
    )


def clipped_loss(logits: torch.Tensor, labels: torch.Tensor) -> torch.Tensor:
    """Return the mean cross-entropy as Keras computes it: never below -log(1 - 2^-23) = 1.192e-07."""
    probabilities = logits.float().softmax(1).clamp(1e-7, 1 - 1e-7)
    return -probabilities.gather(1, labels[:, None]).log().double().mean()


def f1_macro(confusion: torch.Tensor) -> float:
    """Return F1 averaged over the classes that occur; `confusion` holds counts, labels × predictions."""
    hits = confusion.diagonal().double()
    support = (confusion.sum(0) + confusion.sum(1)).double()
    return (2 * hits / support)[support > 0].mean().item()


def balanced_accuracy(confusion: torch.Tensor) -> float:
    """Return the recall averaged over the classes that occur as labels."""
    support = confusion.sum(1).double()
    return (confusion.diagonal().double() / support)[support > 0].mean().item()


def calibration_error(confidence: torch.Tensor, correct: torch.Tensor) -> float:
    """Return the expected calibration error over 15 bins of equal mass (Nguyen and O'Connor 2015).

    `confidence` (images) is the probability of the predicted class, `correct` whether it is the label; the error is the
    mean over images of |accuracy - mean confidence| of the image's bin.
    """
    order = confidence.argsort(stable=True)
    sure, right = (part[order].tensor_split(CALIBRATION_BINS) for part in (confidence, correct.double()))
    gaps = [len(s) * (s.mean() - r.mean()).abs() for s, r in zip(sure, right, strict=True) if len(s)]
    return (sum(gaps) / len(confidence)).item()


def _mean(values: torch.Tensor) -> float | None:
    return values.mean().item() if len(values) else None


def top_predictions(logits: torch.Tensor, k: int = 5) -> tuple[torch.Tensor, torch.Tensor]:
    """Return the k most probable classes of each image and their probabilities, best first."""
    probabilities, classes = logits.softmax(1).topk(min(k, logits.shape[1]))
    return classes, probabilities
