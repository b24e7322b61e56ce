"""Named streams of random numbers: a change to one leaves the others unchanged, bit for bit."""

import numpy as np

# A stream is identified by its position in this tuple: append, never reorder.
STREAMS = ("subset", "initialisation", "order", "augmentation", "dropout", "evaluation", "sample")


def sequence(seed: int, stream: str, *key: int) -> np.random.SeedSequence:
    """Return the seed sequence of a stream, or of its part `key`.

    `seed` is the draw for "subset" and the training seed for all others. The stream is a spawn key and not a second
    word of entropy, because numpy pads short entropy with zeros: [5] and [5, 0] would be the same.
    """
    return np.random.SeedSequence(seed, spawn_key=(STREAMS.index(stream), *key))


def generator(seed: int, stream: str, *key: int) -> np.random.Generator:
    return np.random.default_rng(sequence(seed, stream, *key))


def torch_seed(seed: int, stream: str, *key: int) -> int:
    """Return the stream's 63-bit seed for a `torch.Generator`."""
    return int(sequence(seed, stream, *key).generate_state(1, np.uint64)[0] >> 1)
