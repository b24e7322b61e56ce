"""Several trainings of one recipe and size side by side: one network whose weights have one dimension more, the runs.

A small network leaves a GPU idle between its many short operations; stacked, the runs share each of them. Every run
keeps its own streams, so that it ends as it would alone, up to rounding.
"""

import time
from collections.abc import Callable, Iterator
from copy import deepcopy

import torch
from torch import nn
from torch.func import functional_call, stack_module_state, vmap
from torch.nn import functional as F

from trainsize.common.errors import Interrupted
from trainsize.runs.budget import checkpoints
from trainsize.training.architectures import limited_layers
from trainsize.training.checkpoint import Checkpoints
from trainsize.training.cuda_graphs import Graphed, Inputs
from trainsize.training.evaluation import precision
from trainsize.training.interruption import Interruption
from trainsize.training.loop import Diverged, Fit, Outcome
from trainsize.training.optimisation import make_optimizer
from trainsize.training.published_networks import RowDropout

DROPOUT = {nn.Dropout: F.dropout, nn.Dropout2d: F.dropout2d}


def can_stack(fits: list[Fit]) -> bool:
    """Tell whether the fits can go side by side: at the same update, and alike in all they do until their end."""
    recipe, model = fits[0].recipe, fits[0].model
    return (
        fits[0].processes.count == 1
        and len({(fit.step, fit.n, fit.total) for fit in fits}) == 1
        and recipe["selection"]["name"] == "last"
        and recipe["schedule"]["name"] != "plateau"
        and recipe["scores"] == "whole"
        and not (recipe["ema"] or recipe["restart"] or recipe["carried_through_folds"])
        and not limited_layers(model)
        and not any(isinstance(layer, RowDropout) for layer in model.modules())
    )


class Mask(nn.Module):
    """Stands for a dropout layer in a stacked network: multiplies by what the run's own stream has drawn."""

    def __init__(self):
        super().__init__()
        self.register_buffer("mask", torch.ones(()))

    def forward(self, values: torch.Tensor) -> torch.Tensor:
        return values * self.mask


class Stack:
    """Trains `fits`, for which `can_stack` holds, together; everything but the updates they do themselves.

    Raises RuntimeError for a network that cannot be stacked, such as one that looks at its values to decide what to do.
    """

    def __init__(self, fits: list[Fit]):
        self.fits, self.recipe = fits, fits[0].recipe
        self.step = fits[0].step
        weights, self.buffers = stack_module_state([fit.model for fit in fits])
        self.weights = {name: nn.Parameter(weight.detach()) for name, weight in weights.items()}
        self.optimizer = make_optimizer(self.recipe["optimizer"], _holding(fits[0].model, self.weights))
        self._gather()
        self.network, self.dropouts = _with_masks(fits[0].model)
        self.network.train()
        self.graphed = Graphed(self._gradients, list(self.weights.values())) if fits[0].graphed else None
        self.shapes: dict[int, dict[str, torch.Size]] = {}
        self.alive = list(range(len(fits)))
        self._try()

    def run(self, saved: list[Checkpoints]) -> list[Outcome]:
        """Train, evaluate and save as `Fit.run` does; return an outcome per fit. Raises Interrupted, after saving."""
        first, outcomes = self.fits[0], {}
        rows = [fit.batches() for fit in self.fits]
        done = first.history[-1]["step"] if first.history else 0
        for checkpoint in checkpoints(first.total, first.settings["evaluation"]):
            if checkpoint <= done:
                continue
            while self.step < checkpoint and self.alive:
                start = time.perf_counter()
                losses = self._advance(checkpoint, rows, saved)
                self._scatter()
                for i in self.alive:
                    self.fits[i].watch.add("train", (time.perf_counter() - start) / len(self.alive))
                self._each(outcomes, lambda i, losses=losses: self.fits[i].see(losses[:, i]))
                if Interruption.asked() or (self._due(saved) and self.step < checkpoint):
                    self._save(saved)
                if Interruption.asked():
                    raise Interrupted
            self._each(outcomes, lambda i: self.fits[i].evaluate())
            if self._due(saved):
                self._save(saved)
        return [outcomes.get(i) or fit.finished() for i, fit in enumerate(self.fits)]

    def _each(self, outcomes: dict[int, Outcome], call: Callable[[int], None]) -> None:
        """Call for every fit that has not diverged; one that does so now is left out from here on."""
        for i in tuple(self.alive):
            try:
                call(i)
            except Diverged as reason:
                outcomes[i] = Outcome(self.fits[i].history, None, status="diverged", reason=str(reason))
                self.alive.remove(i)

    def _advance(self, end: int, rows: list[Iterator[torch.Tensor]], saved: list[Checkpoints]) -> torch.Tensor:
        """Update up to step `end`, or until it is time to save or to leave; return the losses (updates × runs)."""
        losses = []
        while self.step < end:
            losses.append(self._update([next(part) for part in rows]))
            self.step += 1
            if self._due(saved) or Interruption.asked():
                break
        return torch.stack(losses).double().cpu()

    def _update(self, rows: list[torch.Tensor]) -> torch.Tensor:
        first = self.fits[self.alive[0]]
        first.step = self.step
        first.set_rates(self.optimizer)
        each = [fit.inputs(part) for fit, part in zip(self.fits, rows, strict=True)]
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
        of_each = [{name: tensor[i] for name, tensor in inputs.items()} for i in range(len(self.fits))]
        parts = zip(self.fits, logits, of_each, strict=True)
        losses = torch.stack([fit.losses(own, its).mean() for fit, own, its in parts])
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
        """Return the next mask of every dropout layer, of each run from its own stream, in the order of their use."""
        if len(images) not in self.shapes:
            self.shapes[len(images)] = self._shapes(images)
        masks: dict[str, list[torch.Tensor]] = {_mask_of(name): [] for name in self.dropouts}
        for fit in self.fits:
            fit.set_dropout_state(fit.dropout)
            for name, shape in self.shapes[len(images)].items():
                draw, p = self.dropouts[name]
                masks[_mask_of(name)].append(draw(torch.ones(shape, device=images.device), p))
            fit.dropout = fit.dropout_state()
        return {name: torch.stack(drawn) for name, drawn in masks.items()}

    @torch.no_grad()
    def _shapes(self, images: torch.Tensor) -> dict[str, torch.Size]:
        """Return the shape of what each dropout layer is given for a batch like `images`, in the order of their use."""
        shapes, model = [], deepcopy(self.fits[0].model)
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
    def _try(self) -> None:
        """Put a batch through the network, and leave no trace of it."""
        images = torch.stack([fit.train.inputs(slice(2)) for fit in self.fits])
        ones = {_mask_of(name): torch.ones(len(self.fits), device=images.device) for name in self._shapes(images[0])}
        vmap(self._forward)(self.weights, {name: b.clone() for name, b in self.buffers.items()} | ones, images)

    @torch.no_grad()
    def _scatter(self) -> None:
        """Give every fit that has not diverged its weights, its optimiser's state, its stream and its place."""
        for i in self.alive:
            fit = self.fits[i]
            for name, tensor in (*fit.model.named_parameters(), *fit.model.named_buffers()):
                tensor.copy_((self.weights | self.buffers)[name][i])
            for mine, its in self._pairs(fit):
                fit.optimizer.state[its] = {
                    key: (value[i] if value.shape == mine.shape else value).clone()
                    for key, value in self.optimizer.state[mine].items()
                }
            fit.step = self.step

    def _gather(self) -> None:
        """Take over the optimisers' state of fits that go on from a checkpoint."""
        if not self.fits[0].optimizer.state:
            return
        for rows in zip(*map(self._pairs, self.fits), strict=True):
            mine = rows[0][0]
            states = [fit.optimizer.state[its] for fit, (_, its) in zip(self.fits, rows, strict=True)]
            self.optimizer.state[mine] = {
                key: torch.stack([state[key] for state in states]) if value.shape == mine.shape[1:] else value.clone()
                for key, value in states[0].items()
            }

    def _pairs(self, fit: Fit) -> list[tuple[nn.Parameter, nn.Parameter]]:
        """Return each stacked parameter with the fit's own."""
        groups = zip(self.optimizer.param_groups, fit.optimizer.param_groups, strict=True)
        return [pair for mine, its in groups for pair in zip(mine["params"], its["params"], strict=True)]

    def _due(self, saved: list[Checkpoints]) -> bool:
        return any(saved[i].due() for i in self.alive)

    def _save(self, saved: list[Checkpoints]) -> None:
        for i in self.alive:
            self.fits[i].set_dropout_state(self.fits[i].dropout)
            saved[i].save(self.fits[i].state())


def _mask_of(layer: str) -> str:
    """Return the name of the buffer that stands for a dropout layer."""
    return f"{layer}.mask"


def _holding(model: nn.Module, weights: dict[str, nn.Parameter]) -> nn.Module:
    """Return a copy of `model` that has the stacked weights in place of its own, for the optimiser to go through."""
    holder = deepcopy(model)
    for name, weight in weights.items():
        module, _, attribute = name.rpartition(".")
        holder.get_submodule(module).register_parameter(attribute, weight)
    return holder


def _with_masks(model: nn.Module) -> tuple[nn.Module, dict[str, tuple[Callable, float]]]:
    """Return a copy of `model` with a mask for each dropout layer, and what draws the masks, by the layers' names."""
    network, draws = deepcopy(model), {}
    for name, layer in list(network.named_modules()):
        if type(layer) in DROPOUT and layer.p > 0:
            network.set_submodule(name, Mask())
            draws[name] = (DROPOUT[type(layer)], layer.p)
    return network, draws
