"""Checks of what a data set holds: numbers of images, and labels."""

import numpy as np

from trainsize.common.errors import UserError, listing, plural
from trainsize.datasets.catalogue import DATASETS, SPLITS, Dataset, numbered


def check_counts(card: Dataset, classes: tuple[str, ...], counts: dict[str, int]) -> None:
    """Raise UserError unless the classes and the numbers of images are those of the data set's card."""
    if len(classes) != len(card.classes):
        raise UserError(f"{card.name}: {_wrong_classes(classes, card.classes)}")
    if card.classes not in (classes, numbered(len(classes))):
        raise UserError(f"{card.name}: the classes are {listing(classes)}, expected {listing(card.classes)} (classes)")
    for split, count in zip(SPLITS, (card.n_train, card.n_test), strict=True):
        if counts[split] != count:
            found = f"{card.name}: found {counts[split]:,} {SPLITS[split]} images, expected {count:,} (n_{split})"
            advice = f"; add the others, or write `n_{split}: {counts[split]}` in the study"
            raise UserError(found + ("" if card.name in DATASETS else advice))


def _wrong_classes(found: tuple[str, ...], expected: tuple[str, ...]) -> str:
    """Return what is wrong with the number of classes: which were found, and which of them are too many or missing."""
    message = f"found {plural(len(found), 'class', 'classes')}, expected {len(expected)} (classes): {listing(found)}"
    if not set(expected) & set(found):
        return message
    surplus, missing = (
        [name for name in one if name not in other] for one, other in ((found, expected), (expected, found))
    )
    told = [f"; not expected: {listing(surplus)}"] if surplus else []
    told += [f"; missing: {listing(missing)}"] if missing else []
    return message + "".join(told)


def check_labels(name: str, classes: tuple[str, ...], labels: dict[str, np.ndarray]) -> None:
    """Raise UserError, naming the data set, unless the labels are those of the classes, all in both splits."""
    found = np.concatenate([*labels.values()])
    if len(found) and (found.min() < 0 or found.max() >= len(classes)):
        spans = {split: f"{of.min()} to {of.max()}" if len(of) else "none" for split, of in labels.items()}
        told = ", ".join(f"the {SPLITS[split]} labels are {span}" for split, span in spans.items())
        raise UserError(f"{name}: {told}, expected 0 to {len(classes) - 1}{_shifted(found, len(classes))}")
    counts = {split: np.bincount(of_split, minlength=len(classes)) for split, of_split in labels.items()}
    for split, of_split in counts.items():
        empty = [classes[label] for label in np.flatnonzero(of_split == 0)]
        if empty:
            told = "; ".join(f"{SPLITS[s]}: {listing(_by_class(classes, counts[s]))}" for s in counts)
            raise UserError(
                f"{name}: no {SPLITS[split]} images of {listing(empty)}; every class needs training and test images, "
                f"so add some, or leave the class out of `classes` and of both splits. Found in {told}"
            )


def _by_class(classes: tuple[str, ...], counts: np.ndarray) -> list[str]:
    return [f"{name} {count:,}" for name, count in zip(classes, counts, strict=True)]


def _shifted(labels: np.ndarray, classes: int) -> str:
    """Return what to do about labels that count from 1, or have one class more."""
    if labels.min() == 1 and labels.max() == classes:
        return "; they count from 1, so subtract 1"
    return f"; are there {classes + 1} classes?" if labels.min() >= 0 and labels.max() == classes else ""
