"""The data sets a study can name: what must be known before any image is read."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Dataset:
    """The card of a data set: counts of images, the shape (height, width, channels) of one, and where it is from."""

    name: str
    title: str
    n_train: int
    n_test: int
    classes: tuple[str, ...]
    shape: tuple[int, int, int]
    source: str
    licence: str


_ALL = [
    Dataset(
        name="digits",
        title="Handwritten digits, 8×8 grey",
        n_train=1297,
        n_test=500,
        classes=tuple("0123456789"),
        shape=(8, 8, 1),
        source="UCI Optical Recognition of Handwritten Digits (Alpaydin and Kaynak 1998), from scikit-learn",
        licence="CC BY 4.0",
    ),
]

DATASETS = {dataset.name: dataset for dataset in _ALL}
