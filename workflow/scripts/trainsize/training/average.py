"""An average of a network's weights over training."""

from copy import deepcopy

import torch
from torch import nn


class Average:
    """A copy of a network whose weights are an exponential moving average of the network's; its buffers are copies.

    After t updates the decay is min(decay, (1 + t) / (10 + t)), as in TensorFlow's ExponentialMovingAverage with
    `num_updates`: the average starts at untrained weights, which would otherwise dominate a short training.
    """

    def __init__(self, model: nn.Module, decay: float):
        self.model, self.decay, self.updates = deepcopy(model).requires_grad_(False), decay, 0

    @torch.no_grad()
    def update(self, model: nn.Module) -> None:
        decay = min(self.decay, (1 + self.updates) / (10 + self.updates))
        self.updates += 1
        torch._foreach_lerp_(list(self.model.parameters()), list(model.parameters()), 1 - decay)
        for own, current in zip(self.model.buffers(), model.buffers(), strict=True):
            own.copy_(current)

    def state(self) -> dict:
        return {"model": self.model.state_dict(), "updates": self.updates}

    def restore(self, state: dict) -> None:
        self.model.load_state_dict(state["model"])
        self.updates = state["updates"]
