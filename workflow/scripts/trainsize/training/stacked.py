"""Several runs of one recipe and size, trained side by side: one network whose weights have the run as first dimension.

A small network leaves a GPU idle between its many short operations. Stacked runs share each operation. Every run keeps
its own random streams, so it ends as it would alone, up to rounding.
"""

import time
from collections.abc import Callable
from copy import deepcopy

import torch
from torch import nn
from torch.func import functional_call, stack_module_state, vmap
from torch.nn import functional as F

from trainsize.training.architectures import limited_layers
from trainsize.training.checkpoint import Checkpoints
from trainsize.training.cuda_graphs import Graphed, Inputs
from trainsize.training.evaluation import precision
from trainsize.training.loop import Loop
from trainsize.training.optimisation import make_optimizer
from trainsize.training.published_networks import RowDropout
from trainsize.training.trainer import Diverged, Outcome, Trainer

DROPOUT = {nn.Dropout: F.dropout, nn.Dropout2d: F.dropout2d}


def can_stack(trainers: list[Trainer]) -> bool:
    """Whether the runs can be stacked: they are at the same update, and do the same things until their end."""
    first = trainers[0]
    recipe, model = first.recipe, first.model
    return (
        first.processes.count == 1
        and len({(trainer.step, trainer.batches.n, trainer.total) for trainer in trainers}) == 1
        and recipe["selection"]["name"] == "last"
        and recipe["schedule"]["name"] != "plateau"
        and recipe["scores"] == "whole"
        and not (recipe["ema"] or recipe["restart"] or recipe["carried_through_folds"])
        and not limited_layers(model)
        and not any(isinstance(layer, RowDropout) for layer in model.modules())
    )


class Mask(nn.Module):
    """Replaces a dropout layer in a stacked network: multiplies by a mask from the run's own stream."""

    def __init__(self):
        super().__init__()
        self.register_buffer("mask", torch.ones(()))

    def forward(self, values: torch.Tensor) -> torch.Tensor:
        return values * self.mask


class Stack(Loop):
    """Trains the runs of `trainers`, for which `can_stack` holds, together; they do all but the updates themselves.

    Raises RuntimeError for a network that cannot be stacked, such as one whose operations depend on the values in it.
    """

    saved: list[Checkpoints]  # where `run` saves, per trainer

    def __init__(self, trainers: list[Trainer]):
        self.trainers, self.recipe = trainers, trainers[0].recipe
        self.step = trainers[0].step
        weights, self.buffers = stack_module_state([trainer.model for trainer in trainers])
        self.weights = {name: nn.Parameter(weight.detach()) for name, weight in weights.items()}
        self.optimizer = make_optimizer(self.recipe["optimizer"], _with_weights(trainers[0].model, self.weights))
        self._gather()
        self.network, self.dropouts = _with_masks(trainers[0].model)
        self.network.train()
        self.graphed = Graphed(self._gradients, list(self.weights.values())) if trainers[0].graphed else None
        self.shapes: dict[int, dict[str, torch.Size]] = {}
        self.active = list(range(len(trainers)))  # positions of the trainers that have not diverged
        self.outcomes: dict[int, Outcome] = {}  # of those that have
        self._dry_run()

    def run(self, saved: list[Checkpoints]) -> list[Outcome]:
        """Train, evaluate and save as `Trainer.run` does; return an outcome per trainer.

        Raises Interrupted, after saving, when the process was asked to end.
        """
        self.saved = saved
        self.train(self.trainers[0].remaining_evaluations())
        self._each(self._finish)
        return [self.outcomes[i] for i in range(len(self.trainers))]

    def _finish(self, i: int) -> None:
        self.outcomes[i] = self.trainers[i].finished()

    def _each(self, call: Callable[[int], None]) -> None:
        """Call for every trainer that has not diverged; one that diverges now is left out from then on."""
        for i in tuple(self.active):
            try:
                call(i)
            except Diverged as reason:
                self.outcomes[i] = self.trainers[i].diverged(reason)
                self.active.remove(i)

    @property
    def has_stopped(self) -> bool:
        return not self.active

    def save_is_due(self) -> bool:
        return any(self.saved[i].due() for i in self.active)

    def save(self) -> None:
        for i in self.active:
            self.trainers[i].set_dropout_state(self.trainers[i].dropout)
            self.saved[i].save(self.trainers[i].state())

    def evaluate(self) -> None:
        self._each(lambda i: self.trainers[i].evaluate())

    def finish_updates(self, losses: torch.Tensor, started: float) -> None:
        """Take note of the losses (updates × runs)."""
        losses = losses.double().cpu()
        self._scatter()
        seconds = (time.perf_counter() - started) / len(self.active)
        for i in self.active:
            self.trainers[i].watch.add("train", seconds)
        self._each(lambda i: self.trainers[i].note_losses(losses[:, i]))

    def update(self) -> torch.Tensor:
        leader = self.trainers[self.active[0]]
        leader.step = self.step
        leader.set_rates(self.optimizer)
        each = [trainer.inputs(next(trainer.rows)) for trainer in self.trainers]
        inputs = {name: torch.stack([own[name] for own in each]) for name in each[0]}
        inputs |= self._masks(inputs["images"][0])
        losses = self.graphed(inputs) if self.graphed else self._gradients(inputs)
        self.optimizer.step()
        return losses

    def _gradients(self, inputs: Inputs) -> torch.Tensor:
        """Leave the clipped gradients of every run's batch in the weights; return the runs' losses."""
        self.optimizer.zero_grad(set_to_none=True)
        # Dropout's masks are buffers that differ from batch to batch.
        buffers = self.buffers | {name: inputs[name] for name in map(_mask_of, self.dropouts)}
        with precision(self.recipe["precision"], inputs["images"].device):
            logits = vmap(self._forward)(self.weights, buffers, inputs["images"]).float()
        of_each = [{name: tensor[i] for name, tensor in inputs.items()} for i in range(len(self.trainers))]
        parts = zip(self.trainers, logits, of_each, strict=True)
        losses = torch.stack([trainer.losses(own, its).mean() for trainer, own, its in parts])
        losses.sum().backward()
        self._clip()
        return losses.detach()

    def _forward(self, weights: dict, buffers: dict, images: torch.Tensor) -> torch.Tensor:
        return functional_call(self.network, (weights, buffers), (images,))

    def _clip(self) -> None:
        """Clip the gradients of each run by itself."""
        weights = list(self.weights.values())
        if self.recipe["clip_value"] is not None:
            nn.utils.clip_grad_value_(weights, self.recipe["clip_value"])
        if self.recipe["clip_norm"] is not None:
            norms = torch.stack([weight.grad.flatten(1).norm(dim=1) for weight in weights]).norm(dim=0)
            factors = (self.recipe["clip_norm"] / (norms + 1e-6)).clamp(max=1.0)
            for weight in weights:
                weight.grad.mul_(factors.view(-1, *[1] * (weight.dim() - 1)))

    def _masks(self, images: torch.Tensor) -> dict[str, torch.Tensor]:
        """Return the next mask of every dropout layer, drawn from each run's own stream in the order of use."""
        if len(images) not in self.shapes:
            self.shapes[len(images)] = self._shapes(images)
        masks: dict[str, list[torch.Tensor]] = {_mask_of(name): [] for name in self.dropouts}
        for trainer in self.trainers:
            trainer.set_dropout_state(trainer.dropout)
            for name, shape in self.shapes[len(images)].items():
                draw, p = self.dropouts[name]
                masks[_mask_of(name)].append(draw(torch.ones(shape, device=images.device), p))
            trainer.dropout = trainer.dropout_state()
        return {name: torch.stack(drawn) for name, drawn in masks.items()}

    @torch.no_grad()
    def _shapes(self, images: torch.Tensor) -> dict[str, torch.Size]:
        """Return the shape of each dropout layer's input for a batch like `images`, in the order of use."""
        shapes, model = [], deepcopy(self.trainers[0].model)
        model.eval()
        for name in self.dropouts:
            model.get_submodule(name).register_forward_pre_hook(
                lambda _, given, name=name: shapes.append((name, given[0].shape))
            )
        model(images)
        if len(shapes) != len(self.dropouts):
            raise RuntimeError("a dropout layer is not used exactly once")
        return dict(shapes)

    @torch.no_grad()
    def _dry_run(self) -> None:
        """Put a batch through the network without changing anything."""
        images = torch.stack([trainer.train_images.inputs(slice(2)) for trainer in self.trainers])
        of_each = torch.ones(len(self.trainers), device=images.device)
        ones = {_mask_of(name): of_each for name in self._shapes(images[0])}
        vmap(self._forward)(self.weights, {name: b.clone() for name, b in self.buffers.items()} | ones, images)

    @torch.no_grad()
    def _scatter(self) -> None:
        """Give every trainer that has not diverged its weights, its optimiser's state and the present step."""
        for i in self.active:
            trainer = self.trainers[i]
            for name, tensor in (*trainer.model.named_parameters(), *trainer.model.named_buffers()):
                tensor.copy_((self.weights | self.buffers)[name][i])
            for stacked, own in self._pairs(trainer):
                trainer.optimizer.state[own] = {
                    key: (value[i] if value.shape == stacked.shape else value).clone()
                    for key, value in self.optimizer.state[stacked].items()
                }
            trainer.step = self.step

    def _gather(self) -> None:
        """Stack the optimisers' states of trainers that were resumed from a checkpoint."""
        if not self.trainers[0].optimizer.state:
            return
        for pairs in zip(*map(self._pairs, self.trainers), strict=True):
            stacked = pairs[0][0]
            states = [trainer.optimizer.state[own] for trainer, (_, own) in zip(self.trainers, pairs, strict=True)]
            self.optimizer.state[stacked] = {
                key: torch.stack([state[key] for state in states])
                if value.shape == stacked.shape[1:]
                else value.clone()
                for key, value in states[0].items()
            }

    def _pairs(self, trainer: Trainer) -> list[tuple[nn.Parameter, nn.Parameter]]:
        """Return each stacked parameter with the trainer's own."""
        groups = zip(self.optimizer.param_groups, trainer.optimizer.param_groups, strict=True)
        return [pair for stacked, own in groups for pair in zip(stacked["params"], own["params"], strict=True)]


def _mask_of(layer: str) -> str:
    """Return the name of the buffer that holds a dropout layer's mask."""
    return f"{layer}.mask"


def _with_weights(model: nn.Module, weights: dict[str, nn.Parameter]) -> nn.Module:
    """Return a copy of `model` with the stacked weights instead of its own, for the optimiser to go through."""
    holder = deepcopy(model)
    for name, weight in weights.items():
        module, _, attribute = name.rpartition(".")
        holder.get_submodule(module).register_parameter(attribute, weight)
    return holder


def _with_masks(model: nn.Module) -> tuple[nn.Module, dict[str, tuple[Callable, float]]]:
    """Return a copy of `model` with a mask for each dropout layer, and by layer the function and rate that draw it."""
    network, draws = deepcopy(model), {}
    for name, layer in list(network.named_modules()):
        if type(layer) in DROPOUT and layer.p > 0:
            network.set_submodule(name, Mask())
            draws[name] = (DROPOUT[type(layer)], layer.p)
    return network, draws
