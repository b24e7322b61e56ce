"""The download stage: a data set as uint8 arrays that open by memory map, with a manifest.

`trainsize.prepared` says what the folder holds and opens it again.
"""

from dataclasses import asdict
from pathlib import Path

import numpy as np

from trainsize.catalogue import DATASETS, Dataset
from trainsize.errors import UserError
from trainsize.files import digest, whole, write_json
from trainsize.subsets import stratified

SPLITS = ("train", "test")


def prepare(name: str, folder: Path) -> None:
    """Write the data set `name` to `folder`, the manifest last."""
    card = DATASETS[name]
    splits = READERS[name](card)
    _check(card, splits)
    for split, (images, labels) in splits.items():
        _save(folder / f"{split}_images.npy", images)
        _save(folder / f"{split}_labels.npy", labels)
    write_json(folder / "manifest.json", _manifest(card, splits))


def _save(path: Path, array: np.ndarray) -> None:
    with whole(path) as partial, partial.open("wb") as file:
        np.save(file, array)


def _check(card: Dataset, splits: dict) -> None:
    """Refuse arrays that are not what the data set's card says."""
    for split, count in zip(SPLITS, (card.n_train, card.n_test), strict=True):
        images, labels = splits[split]
        if images.shape != (count, *card.shape) or images.dtype != np.uint8 or labels.shape != (count,):
            found = f"{images.dtype} {images.shape} with {len(labels)} labels"
            raise UserError(f"{card.name}: the {split} images are {found}, expected uint8 {(count, *card.shape)}")
        if labels.min() < 0 or labels.max() >= len(card.classes):
            found = f"{labels.min()} to {labels.max()}"
            raise UserError(f"{card.name}: {split} labels are {found}, expected 0 to {len(card.classes) - 1}")


def _manifest(card: Dataset, splits: dict) -> dict:
    images, _ = splits["train"]
    channels = images.reshape(-1, card.shape[2]) / 255
    return {
        **asdict(card),
        "content": digest(*(np.ascontiguousarray(array).tobytes() for split in SPLITS for array in splits[split])),
        "mean": channels.mean(axis=0).tolist(),
        "std": channels.std(axis=0).tolist(),
        "class_counts": {
            split: np.bincount(splits[split][1], minlength=len(card.classes)).tolist() for split in SPLITS
        },
    }


def _read_digits(card: Dataset) -> dict[str, tuple[np.ndarray, np.ndarray]]:
    """scikit-learn's 1,797 digits, 0 to 16 scaled to 0 to 255; a stratified 500, always the same, are the test set."""
    from sklearn.datasets import load_digits

    digits = load_digits()
    images = np.rint(digits.images * (255 / 16)).astype(np.uint8)[..., None]
    labels = digits.target.astype(np.int64)
    test = np.sort(stratified(labels, card.n_test, np.random.default_rng(0)))
    train = np.setdiff1d(np.arange(len(labels)), test)
    return {"train": (images[train], labels[train]), "test": (images[test], labels[test])}


READERS = {"digits": _read_digits}
