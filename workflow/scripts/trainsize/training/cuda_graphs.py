"""Forward and backward passes as CUDA graphs: recorded once for each shape of a batch, replayed for every other.

The update of a small network is a hundred short operations, and a GPU is done with each before Python has started the
next. A graph starts them together. See "CUDA Graphs" in the notes on CUDA semantics of PyTorch's documentation.
"""

import gc
import os
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import torch
from torch import nn

from trainsize.training.published_networks import RowDropout

Inputs = dict[str, torch.Tensor]
WARM_UP = 3  # updates before recording, in which libraries choose kernels and allocate


def asked(model: nn.Module) -> bool:
    """Tell whether graphs are wanted (`$TRAINSIZE_CUDA_GRAPHS`), and the network is on a GPU."""
    return os.environ.get("TRAINSIZE_CUDA_GRAPHS") == "1" and next(model.parameters()).is_cuda


def can_record(recipe: dict, model: nn.Module) -> bool:
    """Tell whether all that changes between the updates of a recipe lies in tensors on the device.

    Row dropout draws on the CPU, and a network of the user's own may; the published scores need the last logits.
    """
    return (
        recipe["scores"] == "whole"
        and recipe["architecture"]["name"] != "custom"
        and not any(isinstance(layer, RowDropout) for layer in model.modules())
    )


@dataclass
class Recording:
    """A graph with the memory that it reads from and writes to."""

    inputs: Inputs
    replay: Callable[[], torch.Tensor]
    gradients: list[torch.Tensor | None]


class Graphed:
    """Does what `compute` does, which returns the losses of `inputs` and leaves gradients in `weights`.

    The first updates of each shape are computed as ever. What cannot be recorded always is, and the log says why.
    """

    def __init__(self, compute: Callable[[Inputs], torch.Tensor], weights: list[nn.Parameter]):
        self.compute, self.weights = compute, weights
        self.recordings: dict[tuple, Recording] = {}
        self.calls, self.can = Counter(), True

    def __call__(self, inputs: Inputs) -> torch.Tensor:
        shapes = tuple(tensor.shape for tensor in inputs.values())
        self.calls[shapes] += 1
        if self.can and self.calls[shapes] <= WARM_UP:
            with aside(inputs["images"].device):
                return self.compute(inputs)
        if self.can and shapes not in self.recordings:
            self._record(shapes, inputs)
        if shapes not in self.recordings:
            return self.compute(inputs)
        recording = self.recordings[shapes]
        for name, tensor in recording.inputs.items():
            tensor.copy_(inputs[name])
        losses = recording.replay().clone()
        for weight, gradient in zip(self.weights, recording.gradients, strict=True):
            weight.grad = gradient
        return losses

    def _record(self, shapes: tuple, inputs: Inputs) -> None:
        own = {name: tensor.clone() for name, tensor in inputs.items()}
        try:
            self.recordings[shapes] = Recording(own, *recorded(lambda: self.compute(own), self.weights))
        except RuntimeError as error:
            print(f"  not recorded as a CUDA graph: {str(error).splitlines()[0]}", flush=True)
            self.can = False


@contextmanager
def aside(device: torch.device) -> Iterator[None]:
    """Work on another stream than the present one, as PyTorch asks of what comes before a recording."""
    if device.type != "cuda":
        yield
        return
    present, other = torch.cuda.current_stream(), torch.cuda.Stream()
    other.wait_stream(present)
    with torch.cuda.stream(other):
        yield
    present.wait_stream(other)


def recorded(
    compute: Callable[[], torch.Tensor], weights: list[nn.Parameter]
) -> tuple[Callable[[], torch.Tensor], list[torch.Tensor | None]]:
    """Record `compute` as a CUDA graph, without executing it; return what replays it, and where gradients will be."""
    gc.collect()  # an earlier graph that is collected during the recording would spoil it
    graph = torch.cuda.CUDAGraph()
    with torch.cuda.graph(graph):
        losses = compute()

    def replay() -> torch.Tensor:
        graph.replay()
        return losses

    return replay, [weight.grad for weight in weights]
