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

from trainsize.common.errors import UserError, did_you_mean, listing, printable, unreadable
from trainsize.datasets.arrays import ARRAYS, Header, check_arrays
from trainsize.datasets.catalogue import Dataset
from trainsize.datasets.class_names import in_numbers_order, label_numbers
from trainsize.datasets.described import idx_path, parquet_paths
from trainsize.datasets.folders import Index, beside, checksums, list_folder, not_counted
from trainsize.datasets.headers import open_idx, read_idx_header
from trainsize.datasets.image_files import is_clutter
from trainsize.download.checks import check_counts, check_labels
from trainsize.download.parquet_cells import encoded, row_places
from trainsize.download.pixels import BACKGROUND, Traits, decode, decode_all
from trainsize.download.torchvision_sets import read_official
from trainsize.subsets.methods import stratified

SPLITS = ("train", "test")
_ROWS = 256  # rows of a Parquet table that are read at a time


@dataclass
class Split:
    """Images (uint8, N × height × width × channels; None if only listed), labels (N), and the list of image files.

    `skipped` maps the rows of images that were left out, counted among all, to the reason they could not be read.
    `listed` has the files of a folder that are not images, and `traits` what is special about those that are.
    """

    images: np.ndarray | None
    labels: np.ndarray
    index: pd.DataFrame | None = None
    skipped: dict[int, str] = field(default_factory=dict)
    listed: Index | None = None
    traits: Traits = field(default_factory=Traits)

    @classmethod
    def from_arrays(cls, images: np.ndarray, labels: np.ndarray) -> "Split":
        """Return a split from raw arrays: grey images may lack the channel axis, labels may be of any integer type."""
        return cls(images[..., None] if images.ndim == 3 else images, labels.astype(np.int64))


@dataclass
class Contents:
    """The classes of a data set, in the order of the labels, and its splits "train" and "test".

    `beside` names what lies beside the folders of the splits.
    """

    classes: tuple[str, ...]
    splits: dict[str, Split]
    beside: list[str] = field(default_factory=list)


def read(card: Dataset, root: Path, scratch: Path) -> Contents:
    """Read the data set whose files are below `root`. `scratch` is a folder for temporary files.

    Raises UserError saying what is wrong with the files.
    """
    return READERS[card.format["name"]](card, root, scratch)


def _read_digits(card: Dataset, root: Path, scratch: Path) -> Contents:
    """Read scikit-learn's 1,797 digits, scaled from 0-16 to 0-255. A fixed stratified 500 of them are the test set."""
    from sklearn.datasets import load_digits

    digits = load_digits()
    images = np.rint(digits.images * (255 / 16)).astype(np.uint8)
    test = np.sort(stratified(digits.target, card.n_test, np.random.default_rng(0)))
    train = np.setdiff1d(np.arange(len(images)), test)
    arrays = {split: (images[rows], digits.target[rows]) for split, rows in (("train", train), ("test", test))}
    return Contents(card.classes, {split: Split.from_arrays(*arrays[split]) for split in SPLITS})


def _read_torchvision(card: Dataset, root: Path, scratch: Path) -> Contents:
    classes, arrays = read_official(card, root)
    return Contents(classes, {split: Split.from_arrays(*arrays[split]) for split in SPLITS})


def _read_idx(card: Dataset, root: Path, scratch: Path) -> Contents:
    folder = root / card.format["path"]
    arrays = {name: _idx(idx_path(folder, card.format[name])) for name in ARRAYS}
    used = {idx_path(folder, card.format[name]).name for name in ARRAYS}
    return Contents(card.classes, _paired(card, arrays, folder), _others(folder, used))


def _others(folder: Path, used: set[str]) -> list[str]:
    """Return the names of the files and folders in `folder` that are not used."""
    return sorted(
        printable(path.name) for path in folder.iterdir() if path.name not in used and not is_clutter(path.name)
    )


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
            arrays = {name: archive[card.format[name]] for name in ARRAYS}
            others = sorted({*archive.files} - {card.format[name] for name in ARRAYS})
    # A damaged file can raise any of a dozen exceptions.
    except Exception as error:
        raise unreadable(path, error) from error
    return Contents(card.classes, _paired(card, arrays, path), [printable(name) for name in others])


def _paired(card: Dataset, arrays: dict[str, np.ndarray], source: Path) -> dict[str, Split]:
    """Return the splits of the four arrays. Raises UserError naming the `source` if they do not fit together."""
    headers = {name: Header(array.shape, array.dtype.str) for name, array in arrays.items()}
    check_arrays(headers, source, len(card.classes), card.shape)
    return {split: Split.from_arrays(arrays[f"{split}_images"], arrays[f"{split}_labels"]) for split in SPLITS}


def _read_parquet(card: Dataset, root: Path, scratch: Path) -> Contents:
    folder = root / card.format["path"]
    paths = {split: parquet_paths(folder, card.format[split]) for split in SPLITS}
    labels = {split: parquet_labels(paths[split], card.format["label"]) for split in SPLITS}
    _check_before_decoding(card, card.classes, labels)
    if both := sorted({*paths["train"]} & {*paths["test"]}):
        raise UserError(f"{both[0]}: both `train` and `test` name this file; its images cannot be in both splits")
    splits = {split: _parquet_split(card, paths[split], scratch, split, labels[split]) for split in SPLITS}
    return Contents(
        card.classes, splits, _others(folder, {path.name for of_split in paths.values() for path in of_split})
    )


def _check_before_decoding(card: Dataset, classes: tuple[str, ...], labels: dict[str, np.ndarray]) -> None:
    """Check the counts and labels of all images, which can take hours to decode. Some may be left out later."""
    if _unreadable(card) == "fail":
        check_counts(card, classes, {split: len(of_split) for split, of_split in labels.items()})
    check_labels(card.name, classes, labels)


def _parquet_split(card: Dataset, paths: list[Path], scratch: Path, split: str, labels: np.ndarray) -> Split:
    cells, traits = parquet_images(paths, card.format["image"]), Traits()
    place = row_places(paths, card.format["image"])

    def get(row: int) -> np.ndarray:
        return decode(encoded(cells[row].as_py(), place(row)), card.shape, place(row), background_of(card), traits)

    images, skipped = decode_all(len(labels), get, card.shape, scratch / f"{split}.npy", _unreadable(card))
    kept = Split.from_arrays(images, np.delete(labels, list(skipped)))
    return replace(kept, skipped=skipped, traits=traits)


def parquet_images(paths: list[Path], column: str) -> pa.ChunkedArray:
    """Return the cells of images, which `encoded` reads: of bytes, or of {bytes, path} as Hugging Face stores them.

    Raises UserError for tables without such a column. Texts are refused, because Pillow would open them as paths.
    """
    table = _parquet_column(paths, column)
    is_struct = pa.types.is_struct(table.type) and table.type.get_field_index("bytes") >= 0
    files = compute.struct_field(table, "bytes") if is_struct else table
    if not (pa.types.is_binary(files.type) or pa.types.is_large_binary(files.type)):
        encoded(table[0].as_py() if len(table) else None, row_places(paths, column)(0))
    return table


def parquet_labels(paths: list[Path], column: str) -> np.ndarray:
    """Return the labels of all rows (int64). Raises UserError for tables without a whole number in each row."""
    labels = _parquet_column(paths, column)
    if not pa.types.is_integer(labels.type):
        raise UserError(
            f"{paths[0]}: the column '{column}' holds {labels.type}{_example(labels)}, expected a whole number in each "
            "row: the place of its class among `classes`, counted from 0"
        )
    if labels.null_count:
        first = compute.index(compute.is_null(labels), True).as_py()
        where = row_places(paths, column)(first)
        raise UserError(
            f"{where}: no label, the first of {labels.null_count:,} of {len(labels):,} rows; label or remove them"
        )
    return labels.to_numpy().astype(np.int64)


def _example(column: pa.ChunkedArray) -> str:
    """Return the first value of a column for a message."""
    value = str(column[0].as_py()) if len(column) else ""
    return f" such as {value[:40]!r}" if value else ""


def _parquet_column(paths: list[Path], name: str) -> pa.ChunkedArray:
    """Return a column of Parquet tables. Raises UserError for tables that cannot be read, or without the column."""
    try:
        opened = [parquet.ParquetFile(path) for path in paths]
        for path, file in zip(paths, opened, strict=True):
            if name not in (names := file.schema_arrow.names):
                raise UserError(f"{path}: no column '{name}', found {listing(names)}{did_you_mean(name, names)}")
        schema = pa.schema([opened[0].schema_arrow.field(name)])
        # The chunks must not be combined: a single Arrow array, or a struct column read at once, is limited to 2 GiB.
        batches = [batch for file in opened for batch in file.iter_batches(_ROWS, columns=[name])]
        return pa.Table.from_batches([batch.select([name]) for batch in batches], schema)[name]
    except (OSError, pa.ArrowException) as error:
        raise unreadable(paths[0], error, form="a Parquet table") from error


def _read_folder(card: Dataset, root: Path, scratch: Path) -> Contents:
    folder = root / card.format["path"]
    classes, indexes = _in_stated_order(card, folder, *list_folder(folder, card.format["train"], card.format["test"]))
    labels = {split: np.array(index.labels, dtype=np.int64) for split, index in indexes.items()}
    try:
        _check_before_decoding(card, classes, labels)
    except UserError as error:
        raise UserError(f"{error}{not_counted(indexes.values())}") from None
    splits = {split: _folder_split(card, folder, scratch, split, indexes[split]) for split in SPLITS}
    return Contents(classes, splits, beside(folder, card.format["train"], card.format["test"]))


def _in_stated_order(
    card: Dataset, folder: Path, found: tuple[str, ...], indexes: dict[str, Index]
) -> tuple[tuple[str, ...], dict[str, Index]]:
    """Return the classes `found` and their images with the labels that the data set's card gives them.

    Without names in the card, the labels follow the order of the folders' names as text. Raises UserError unless the
    names are those of the folders.
    """
    place = folder / card.format["train"]
    if not card.has_names:
        if not in_numbers_order(found):
            order = f"the labels follow their order as text ({listing(found)})"
            print(
                f"{place}: folders with numbers as names: {order}; name them in dataset.classes for another", flush=True
            )
        return found, indexes
    try:
        numbers = label_numbers(card.classes, found, place)
    except UserError as error:
        raise UserError(f"{card.name}: {error}") from error
    return card.classes, {split: index.relabelled(numbers) for split, index in indexes.items()}


def _unreadable(card: Dataset) -> str:
    return card.format.get("unreadable", "fail")


def background_of(card: Dataset) -> str:
    return card.format.get("background", BACKGROUND)


def _folder_split(card: Dataset, folder: Path, scratch: Path, split: str, index: Index) -> Split:
    hashes = checksums(folder, index.paths) if card.format.get("checksum") else [None] * len(index)
    table = pd.DataFrame({"path": index.paths, "label": index.labels, "bytes": index.sizes, "sha256": hashes})

    traits = Traits()

    def get(row: int) -> np.ndarray:
        path = folder / index.paths[row]
        return decode(path, card.shape, printable(path), background_of(card), traits)

    if not card.shape:
        return _listed_only(card, folder, index, table)
    images, skipped = decode_all(len(index), get, card.shape, scratch / f"{split}.npy", _unreadable(card))
    table = table.drop(index=list(skipped))
    return Split(images, table["label"].to_numpy(np.int64), table, skipped, index, traits)


def _listed_only(card: Dataset, folder: Path, index: Index, table: pd.DataFrame) -> Split:
    """Return a split of images that are not decoded. Empty files are not images, whatever their names."""
    empty = {
        row: f"{printable(folder / index.paths[row])}: not a complete image: it is empty (0 bytes)"
        for row, size in enumerate(index.sizes)
        if size == 0
    }
    if empty and _unreadable(card) == "fail":
        raise UserError(next(iter(empty.values())))
    table = table.drop(index=list(empty))
    return Split(None, table["label"].to_numpy(np.int64), table, empty, index)


READERS: dict[str, Callable[[Dataset, Path, Path], Contents]] = {
    "digits": _read_digits,
    "torchvision": _read_torchvision,
    "idx": _read_idx,
    "npz": _read_npz,
    "parquet": _read_parquet,
    "folder": _read_folder,
}
