"""How alike the units of a layer respond: the correlation matrix of their activations on a fixed sample of images."""

import numpy as np
import torch
from torch import nn

from trainsize.errors import UserError, listing, nearest
from trainsize.images import Images


@torch.no_grad()
def activations(model: nn.Module, layer: str, images: Images, count: int) -> np.ndarray:
    """Return the outputs of the named layer for the first `count` images, in eval mode (images × units, float64).

    Raises UserError when the network has no such layer.
    """
    names = [name for name, _ in model.named_modules() if name]
    if layer not in names:
        raise UserError(f"neurons.layer: found '{layer}', allowed: {listing(names, 40)}{nearest(layer, names)}")
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
    """Return the correlations of the columns (units × units); those of a unit that never changes are zero."""
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
