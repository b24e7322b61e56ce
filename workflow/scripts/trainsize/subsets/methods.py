"""The methods of choosing subsets: the training images of each size and draw.

Every method is a pure function of the labels, the size and the draw's random stream.
"""

from collections.abc import Callable

import numpy as np

from trainsize.common.errors import UserError
from trainsize.common.files import digest
from trainsize.runs.streams import generator

ROLES = ("train", "validation")
Allocation = Callable[[np.ndarray], np.ndarray]  # images to choose per class, given how many each class has


def shares(counts: np.ndarray, n: int, rng: np.random.Generator) -> np.ndarray:
    """Split n over the classes in proportion to `counts` (int, one per class) by largest remainders (Hamilton).

    The result adds up to n exactly and differs from the exact share by less than one per class; ties are broken at
    random, so no class is favoured when n is small.
    """
    whole, remainder = np.divmod(counts * n, counts.sum())
    order = np.lexsort((rng.random(len(counts)), -remainder))
    whole[order[: n - whole.sum()]] += 1
    return whole


def _by_class(labels: np.ndarray, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return all rows sorted by class and shuffled within each class, and the start and the count of each class."""
    shuffled = rng.permutation(len(labels))
    counts = np.bincount(labels)
    # NumPy's stable sort of small integers is a radix sort: ten times as fast, with the same result.
    keys = labels.astype(np.min_scalar_type(len(counts)))[shuffled]
    return shuffled[np.argsort(keys, kind="stable")], np.cumsum(counts) - counts, counts


def _first_of_each(labels: np.ndarray, allocation: Allocation, rng: np.random.Generator) -> np.ndarray:
    """Return random rows of each class, `allocation(counts)` of them, grouped by class."""
    rows, starts, counts = _by_class(labels, rng)
    return np.concatenate([rows[start : start + k] for start, k in zip(starts, allocation(counts), strict=True)])


def stratified(labels: np.ndarray, n: int, rng: np.random.Generator) -> np.ndarray:
    """Return n row indices with the classes' shares of `labels`, grouped by class."""
    return _first_of_each(labels, lambda counts: shares(counts, n, rng), rng)


def nested_order(labels: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Return an ordering of all rows in which every prefix has the classes' shares.

    The class counts of a prefix are those of Webster's method (Sainte-Laguë): the k-th of a class's c rows, k from 0,
    has the relative position (k + 1/2) / c. Unlike with largest remainders, the class counts never
    fall as the prefix grows. Ties are broken at random.
    """
    rows, starts, counts = _by_class(labels, rng)
    rank = np.arange(len(labels)) - np.repeat(starts, counts)
    position = (rank + 0.5) / np.repeat(counts, counts)
    return rows[np.lexsort((rng.random(len(labels)), position))]


def random_rows(labels: np.ndarray, n: int, rng: np.random.Generator) -> np.ndarray:
    """Return n row indices, whatever their classes."""
    return rng.permutation(len(labels))[:n]


def first_rows(labels: np.ndarray, n: int, rng: np.random.Generator) -> np.ndarray:
    """Return the first n row indices, the same for every draw."""
    return np.arange(n)


def balanced(labels: np.ndarray, n: int, rng: np.random.Generator) -> np.ndarray:
    """Return n row indices, equally many per class; a remainder goes to classes chosen at random.

    Raises UserError if a class has too few images.
    """

    def equal(counts: np.ndarray) -> np.ndarray:
        allocated = shares(np.ones_like(counts), n, rng)
        if (allocated > counts).any():
            short, most = int(np.argmax(allocated - counts)), len(counts) * int(counts.min())
            raise UserError(
                f"subset.method: balanced subsets of {n} images need {allocated[short]} of every class, but class "
                f"{short} has {counts[short]}; the largest possible size is {most}"
            )
        return allocated

    return _first_of_each(labels, equal, rng)


def shortest_fraction(n: int, total: int) -> float:
    """Return the fraction with the fewest decimals that times `total` rounds to n: 0.05 for 64,058 of 1,281,167."""
    return next(f for digits in range(1, 18) if round((f := round(n / total, digits)) * total) == n)


def per_class_fraction(labels: np.ndarray, n: int, rng: np.random.Generator) -> np.ndarray:
    """Return round(count × fraction) rows of each class, halves to even; the fraction is the shortest that gives n.

    The sum may differ from n. Raises UserError if it is zero.
    """
    fraction = shortest_fraction(n, len(labels))
    rows = _first_of_each(labels, lambda counts: np.rint(counts * fraction).astype(np.int64), rng)
    if not len(rows):
        raise UserError(f"sizes: {n} images are {fraction:.3%} of every class, which rounds to no image")
    return rows


def fold(labels: np.ndarray, folds: int, which: int) -> np.ndarray:
    """Return the rows of fold number `which` (from 0) of `folds` disjoint stratified parts of all rows.

    Rows sorted by class are dealt out like cards, so folds differ by at most one image, in every class and in total.
    """
    rows, _, _ = _by_class(labels, generator(0, "subset", 2))
    return rows[which::folds]


METHODS = {
    "stratified": stratified,
    "random": random_rows,
    "first_n": first_rows,
    "balanced": balanced,
    "per_class_fraction": per_class_fraction,
    "kfold": stratified,
}


def draw_subsets(labels: np.ndarray, settings: dict, sizes: list[int], draw: int) -> dict[int, dict[str, np.ndarray]]:
    """Return, for each size, the row indices (ascending) of each role, the same on every machine.

    The validation images are chosen first and are the same for every size of the draw: a stratified part or, with
    `kfold`, the fold whose number is the draw. A size's subset does not depend on which other sizes the study has.
    """
    labels = np.asarray(labels)
    held = _held_out(labels, settings, draw)
    available = np.ones(len(labels), dtype=bool)
    available[held] = False
    if settings.get("header_row_lost"):
        available[0] = False
    pool = np.flatnonzero(available)
    of_pool = labels[pool]
    if settings["method"] == "nested":
        order = nested_order(of_pool, generator(draw, "subset", 1))
        chosen = {n: order[:n] for n in sizes}
    else:
        pick = METHODS[settings["method"]]
        chosen = {n: pick(of_pool, n, generator(draw, "subset", 1, n)) for n in sizes}
    return {n: {"train": np.sort(pool[rows]), "validation": held} for n, rows in chosen.items()}


def _held_out(labels: np.ndarray, settings: dict, draw: int) -> np.ndarray:
    if settings["method"] == "kfold":
        return np.sort(fold(labels, settings["folds"], draw))
    if not settings["validation"]:
        return np.arange(0)
    return np.sort(stratified(labels, settings["validation"], generator(draw, "subset", 0)))


def content_hash(rows: dict[str, np.ndarray]) -> str:
    return digest(*(rows[role].astype("<i8").tobytes() for role in ROLES))
