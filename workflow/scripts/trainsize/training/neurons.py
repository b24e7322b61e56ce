"""How similarly the units of a layer respond: the correlations of their activations on a fixed sample of images."""

import numpy as np
import torch
from torch import nn

from trainsize.common.errors import UserError, did_you_mean, listing
from trainsize.training.images import Images

MOST_UNITS = 4096  # their correlations take 134 MB to compute; those of 25,088 units would take 5 GB


@torch.no_grad()
def check_layer(model: nn.Module, layer: str, shape: tuple[int, int, int]) -> None:
    """Check on an image of zeros (channels, height, width) that the units of a layer can be compared.

    Raises UserError when the network has no such layer, does not use it exactly once, or it has more than MOST_UNITS
    units.
    """
    names = [name for name, _ in model.named_modules() if name]
    if layer not in names:
        raise UserError(f"neurons.layer: found '{layer}', allowed: {listing(names, 40)}{did_you_mean(layer, names)}")
    outputs: list[object] = []
    hook = model.get_submodule(layer).register_forward_hook(lambda *call: outputs.append(call[-1]))
    training = model.training
    model.eval()
    try:
        model(next(model.parameters()).new_zeros(1, *shape))
    finally:
        hook.remove()
        model.train(training)
    if len(outputs) != 1:
        raise UserError(f"neurons.layer: found '{layer}', which an image passes {len(outputs)} times, must be once")
    if not isinstance(outputs[0], torch.Tensor):
        raise UserError(f"neurons.layer: found '{layer}', which does not return a tensor")
    if outputs[0].numel() > MOST_UNITS:
        message = f"neurons.layer: found '{layer}', which has {outputs[0].numel():,} units"
        raise UserError(f"{message}, must have at most {MOST_UNITS:,} (a matrix of their correlations is kept)")


@torch.no_grad()
def activations(model: nn.Module, layer: str, images: Images, count: int) -> np.ndarray:
    """Return the named layer's output for the first `count` images, in eval mode (images × units, float64).

    The layer has passed `check_layer`.
    """
    kept: list[torch.Tensor] = []
    hook = model.get_submodule(layer).register_forward_hook(lambda *call: kept.append(call[-1].flatten(1)))
    training = model.training
    model.eval()
    try:
        for start in range(0, min(count, len(images)), 250):
            model(images.inputs(slice(start, min(start + 250, count))))
    finally:
        hook.remove()
        model.train(training)
    return torch.cat(kept).double().cpu().numpy()


def correlations(values: np.ndarray) -> np.ndarray:
    """Return the correlations of the columns (units × units); those of a constant unit with the others are zero."""
    centred = values - values.mean(0)
    norms = np.sqrt((centred**2).sum(0))
    scaled = centred / np.where(norms > 0, norms, 1)
    matrix = scaled.T @ scaled
    np.fill_diagonal(matrix, 1.0)
    return matrix


def summary(matrix: np.ndarray) -> dict:
    """Return the mean and the population standard deviation of all correlations, and of those off the diagonal."""
    off = matrix[~np.eye(len(matrix), dtype=bool)]
    return {
        "units": len(matrix),
        "mean": float(matrix.mean()),
        "sd": float(matrix.std()),
        "mean_off_diagonal": float(off.mean()) if len(off) else None,
        "sd_off_diagonal": float(off.std()) if len(off) else None,
    }
