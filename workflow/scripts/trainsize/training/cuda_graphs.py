"""Forward and backward passes as CUDA graphs: recorded once for each shape of a batch, replayed for every other.

The update of a small network is a hundred short operations, and a GPU finishes each before Python has started the next.
A graph starts them all at once. See "CUDA Graphs" in the notes on CUDA semantics of PyTorch's documentation.
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
WARM_UP = 3  # updates before recording, in which libraries choose kernels and allocate memory


def requested(model: nn.Module) -> bool:
    """Whether graphs are requested (`$TRAINSIZE_CUDA_GRAPHS`) and the network is on a GPU."""
    return os.environ.get("TRAINSIZE_CUDA_GRAPHS") == "1" and next(model.parameters()).is_cuda


def can_record(recipe: dict, model: nn.Module) -> bool:
    """Whether everything that changes between the updates of a recipe is in tensors on the device.

    Row dropout draws on the CPU, and a user's network may. The published scores need the last logits.
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
    """Replaces `compute`, which returns the losses of `inputs` and leaves gradients in `weights`.

    The first updates of each shape are computed without a graph. If recording fails, all are, and the log says why.
    """

    def __init__(self, compute: Callable[[Inputs], torch.Tensor], weights: list[nn.Parameter]):
        self.compute, self.weights = compute, weights
        self.recordings: dict[tuple, Recording] = {}
        self.calls, self.recordable = Counter(), True

    def __call__(self, inputs: Inputs) -> torch.Tensor:
        shapes = tuple(tensor.shape for tensor in inputs.values())
        self.calls[shapes] += 1
        if self.recordable and self.calls[shapes] <= WARM_UP:
            with side_stream(inputs["images"].device):
                return self.compute(inputs)
        if self.recordable and shapes not in self.recordings:
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
            self.recordings[shapes] = Recording(own, *record(lambda: self.compute(own), self.weights))
        except RuntimeError as error:
            print(f"  not recorded as a CUDA graph: {str(error).splitlines()[0]}", flush=True)
            self.recordable = False


@contextmanager
def side_stream(device: torch.device) -> Iterator[None]:
    """Work on another CUDA stream than the present one, as PyTorch requires before a recording."""
    if device.type != "cuda":
        yield
        return
    present, other = torch.cuda.current_stream(), torch.cuda.Stream()
    other.wait_stream(present)
    with torch.cuda.stream(other):
        yield
    present.wait_stream(other)


def record(
    compute: Callable[[], torch.Tensor], weights: list[nn.Parameter]
) -> tuple[Callable[[], torch.Tensor], list[torch.Tensor | None]]:
    """Record `compute` as a CUDA graph, without running it; return a function that replays it, and its gradients."""
    gc.collect()  # collecting an earlier graph during the recording would break it
    graph = torch.cuda.CUDAGraph()
    with torch.cuda.graph(graph):
        losses = compute()

    def replay() -> torch.Tensor:
        graph.replay()
        return losses

    return replay, [weight.grad for weight in weights]
