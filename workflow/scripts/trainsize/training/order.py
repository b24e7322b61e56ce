"""The order in which the updates of a run see its images."""

from collections.abc import Iterator
from itertools import count

import torch

from trainsize.runs.budget import ROLLOVER, Batches
from trainsize.runs.streams import torch_seed


def batch_rows(batches: Batches, repeats: int, seed: int, device: torch.device) -> Iterator[torch.Tensor]:
    """Yield the rows of each update without end, from one random order of the images after another.

    With `repeats`, a divisor of the batch size, a batch holds each of its images so many times, and a pass sees that
    share of the images: repeated augmentation (Hoffer et al. 2020).
    """
    order = torch.Generator().manual_seed(torch_seed(seed, "order"))
    distinct, of_pass = -(-batches.full // repeats), -(-batches.n // repeats)
    passes = (torch.randperm(batches.n, generator=order)[:of_pass].to(device) for _ in count())
    if batches.last == ROLLOVER:
        for part in _rolled_over(passes, distinct):
            yield part.repeat(repeats)[: batches.full]
    for rows in passes:
        for number, part in enumerate(rows.split(distinct)[: batches.per_pass]):
            yield part.repeat(repeats)[: batches.n - number * batches.full]


def _rolled_over(passes: Iterator[torch.Tensor], size: int) -> Iterator[torch.Tensor]:
    """Yield parts of `size` rows; one that begins in a pass too short for it ends in the next."""
    rest = next(passes)
    while True:
        if len(rest) < size:
            rest = torch.cat([rest, next(passes)])
        yield rest[:size]
        rest = rest[size:]
