"""Reading the files of a data set: one function per format returns classes, images and labels."""

import math
import struct
import zlib
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
from pyarrow import compute, parquet

from trainsize.common.errors import UserError, listing, unreadable
from trainsize.datasets.catalogue import Dataset, numbered
from trainsize.datasets.described import ARRAYS, idx_path, parquet_paths
from trainsize.datasets.folders import Index, checksums, list_folder
from trainsize.datasets.headers import open_idx, read_idx_header
from trainsize.download.pixels import decode, decode_all
from trainsize.download.torchvision_sets import read_official
from trainsize.subsets.methods import stratified

SPLITS = ("train", "test")
_ROWS = 256  # rows of a Parquet table that are read at a time


@dataclass
class Split:
    """Images (uint8, N × height × width × channels; None if only listed), labels (N), and the list of image files.

    `skipped` maps the rows of images that were left out, counted among all, to the reason they could not be read.
    """

    images: np.ndarray | None
    labels: np.ndarray
    index: pd.DataFrame | None = None
    skipped: dict[int, str] = field(default_factory=dict)

    @classmethod
    def from_arrays(cls, images: np.ndarray, labels: np.ndarray, source: object) -> "Split":
        """Return a split from raw arrays: grey images may lack the channel axis, labels may be of any integer type.

        Raises UserError naming the `source` if labels are not integers.
        """
        if labels.dtype.kind not in "iu" or labels.ndim != 1:
            raise UserError(f"{source}: the labels are {labels.dtype} {labels.shape}, expected one integer per image")
        return cls(images[..., None] if images.ndim == 3 else images, labels.astype(np.int64))


@dataclass
class Contents:
    """The classes of a data set, in the order of the labels, and its splits "train" and "test"."""

    classes: tuple[str, ...]
    splits: dict[str, Split]


def read(card: Dataset, root: Path, scratch: Path) -> Contents:
    """Read the data set whose files are below `root`. `scratch` is a folder for temporary files.

    Raises UserError saying what is wrong with the files.
    """
    return READERS[card.format["name"]](card, root, scratch)


def check_counts(card: Dataset, classes: tuple[str, ...], counts: dict[str, int]) -> None:
    """Raise UserError unless the classes and the numbers of images are those of the data set's card."""
    if len(classes) != len(card.classes):
        raise UserError(f"{card.name}: found {len(classes)} classes, expected {len(card.classes)} (classes)")
    if card.classes not in (classes, numbered(len(classes))):
        raise UserError(f"{card.name}: the classes are {listing(classes)}, expected {listing(card.classes)} (classes)")
    for split, count in zip(SPLITS, (card.n_train, card.n_test), strict=True):
        if counts[split] != count:
            raise UserError(f"{card.name}: found {counts[split]} {split} images, expected {count} (n_{split})")


def _read_digits(card: Dataset, root: Path, scratch: Path) -> Contents:
    """Read scikit-learn's 1,797 digits, scaled from 0-16 to 0-255. A fixed stratified 500 of them are the test set."""
    from sklearn.datasets import load_digits

    digits = load_digits()
    images = np.rint(digits.images * (255 / 16)).astype(np.uint8)
    test = np.sort(stratified(digits.target, card.n_test, np.random.default_rng(0)))
    train = np.setdiff1d(np.arange(len(images)), test)
    arrays = {split: (images[rows], digits.target[rows]) for split, rows in (("train", train), ("test", test))}
    return Contents(card.classes, {split: Split.from_arrays(*arrays[split], card.name) for split in SPLITS})


def _read_torchvision(card: Dataset, root: Path, scratch: Path) -> Contents:
    classes, arrays = read_official(card, root)
    return Contents(classes, {split: Split.from_arrays(*arrays[split], card.name) for split in SPLITS})


def _read_idx(card: Dataset, root: Path, scratch: Path) -> Contents:
    folder = root / card.format["path"]
    arrays = {name: _idx(idx_path(folder, card.format[name])) for name in ARRAYS}
    return Contents(card.classes, _paired(arrays, folder))


def _idx(path: Path) -> np.ndarray:
    """Return the array in an IDX file of bytes. Raises UserError if its length does not match its header."""
    try:
        with open_idx(path) as file:
            shape = read_idx_header(file)
            values = np.frombuffer(file.read(math.prod(shape) + 1), dtype=np.uint8)
        return values.reshape(shape)
    except (OSError, EOFError, ValueError, struct.error, zlib.error) as error:
        raise UserError(f"{path}: not a complete IDX file ({error})") from error


def _read_npz(card: Dataset, root: Path, scratch: Path) -> Contents:
    path = root / card.format["path"]
    try:
        with np.load(path, allow_pickle=False) as archive:
            return Contents(card.classes, _paired({name: archive[card.format[name]] for name in ARRAYS}, path))
    # A damaged file can raise any of a dozen exceptions.
    except Exception as error:
        raise unreadable(path, error) from error


def _paired(arrays: dict[str, np.ndarray], source: Path) -> dict[str, Split]:
    return {split: Split.from_arrays(arrays[f"{split}_images"], arrays[f"{split}_labels"], source) for split in SPLITS}


def _read_parquet(card: Dataset, root: Path, scratch: Path) -> Contents:
    return Contents(card.classes, {split: _parquet_split(card, root, scratch, split) for split in SPLITS})


def _parquet_split(card: Dataset, root: Path, scratch: Path, split: str) -> Split:
    paths = parquet_paths(root / card.format["path"], card.format[split])
    files, labels = parquet_columns(paths, card.format["image"], card.format["label"])

    def get(row: int) -> np.ndarray:
        return decode(files[row].as_py() or b"", card.shape, f"{paths[0].parent}, {split} image {row}")

    images, skipped = decode_all(len(labels), get, card.shape, scratch / f"{split}.npy", _unreadable(card))
    kept = Split.from_arrays(images, np.delete(labels, list(skipped)), paths[0].parent)
    return replace(kept, skipped=skipped)


def parquet_columns(paths: list[Path], image: str, label: str) -> tuple[pa.ChunkedArray, np.ndarray]:
    """Return the encoded images and the labels. Images are bytes, or {bytes, path} as Hugging Face stores them.

    Raises UserError for tables without such columns.
    """
    try:
        opened = [parquet.ParquetFile(path) for path in paths]
        schema = pa.schema([opened[0].schema_arrow.field(name) for name in (image, label)])
        # The chunks must not be combined: a single Arrow array, or a struct column read at once, is limited to 2 GiB.
        batches = [batch for file in opened for batch in file.iter_batches(_ROWS, columns=[image, label])]
        table = pa.Table.from_batches([batch.select([image, label]) for batch in batches], schema)
        files = compute.struct_field(table[image], "bytes") if pa.types.is_struct(table[image].type) else table[image]
        return files, table[label].to_numpy()
    except (OSError, KeyError, pa.ArrowException) as error:
        raise unreadable(paths[0], error, form=f"columns '{image}' and '{label}'") from error


def _read_folder(card: Dataset, root: Path, scratch: Path) -> Contents:
    folder = root / card.format["path"]
    classes, indexes = list_folder(folder, card.format["train"], card.format["test"])
    if _unreadable(card) == "fail":
        check_counts(card, classes, {split: len(index) for split, index in indexes.items()})  # before hours of decoding
    return Contents(classes, {split: _folder_split(card, folder, scratch, split, indexes[split]) for split in SPLITS})


def _unreadable(card: Dataset) -> str:
    return card.format.get("unreadable", "fail")


def _folder_split(card: Dataset, folder: Path, scratch: Path, split: str, index: Index) -> Split:
    hashes = checksums(folder, index.paths) if card.format.get("checksum") else [None] * len(index)
    table = pd.DataFrame({"path": index.paths, "label": index.labels, "bytes": index.sizes, "sha256": hashes})

    def get(row: int) -> np.ndarray:
        return decode(folder / index.paths[row], card.shape, str(folder / index.paths[row]))

    if not card.shape:
        return Split(None, table["label"].to_numpy(np.int64), table)
    images, skipped = decode_all(len(index), get, card.shape, scratch / f"{split}.npy", _unreadable(card))
    table = table.drop(index=list(skipped))
    return Split(images, table["label"].to_numpy(np.int64), table, skipped)


READERS: dict[str, Callable[[Dataset, Path, Path], Contents]] = {
    "digits": _read_digits,
    "torchvision": _read_torchvision,
    "idx": _read_idx,
    "npz": _read_npz,
    "parquet": _read_parquet,
    "folder": _read_folder,
}
