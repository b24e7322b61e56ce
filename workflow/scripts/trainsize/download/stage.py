"""The download stage: a data set as uint8 arrays that open by memory map, with a manifest.

`trainsize.prepared` says what the folder holds and opens it again.
"""

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np

from trainsize.common.errors import UserError
from trainsize.common.files import digest, whole
from trainsize.common.tables import write_table
from trainsize.datasets.catalogue import Dataset, requested
from trainsize.datasets.prepared import write_manifest
from trainsize.download.duplicates import count_duplicates, find_duplicates
from trainsize.download.fetch import is_address, lay_out, mirror_folder
from trainsize.download.readers import Contents, Split, check_counts, read
from trainsize.download.tables import DUPLICATES, INDEX
from trainsize.download.torchvision_sets import official_files, wanted_member

_CHUNK = 4096


def prepare(request: str | dict, folder: Path, mirror: str = "") -> None:
    """Write the data set that `request` (`Dataset.request`) asks for to `folder`, the manifest last.

    Its files are taken from `mirror` (a folder, an http address, or nothing) or downloaded, and verified. Raises
    UserError when they are not to be had or not what the data set's card says.
    """
    card = requested(request)
    with _scratch(folder / ".raw") as scratch:
        contents = read(card, _sources(card, mirror, folder.parent / ".downloads", scratch / "files"), scratch)
        _check(card, contents)
        for split, part in contents.splits.items():
            _write_split(folder, split, part)
        arrays = [name for name in card.outputs if name.endswith(".npy")]
        found = {"duplicates": _write_duplicates(folder, contents)} if card.shape else {}
        write_manifest(folder, {**_manifest(card, contents), **found}, arrays)


@contextmanager
def _scratch(folder: Path) -> Iterator[Path]:
    """Give an empty folder that is gone afterwards; what a killed job left in it goes first."""
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    try:
        yield folder
    finally:
        shutil.rmtree(folder)


def _sources(card: Dataset, mirror: str, cache: Path, root: Path) -> Path:
    """Return the folder that `card.format["path"]`, or torchvision's layout, starts from, with all files in it."""
    path = card.format.get("path")
    for place in _places(card, mirror) if path else []:
        if (place / path).exists():
            print(f"{place / path}: used where it is", flush=True)
            return place
    if path and not card.files:
        raise UserError(f"{path}: there is no such file or folder {_searched(mirror)}")
    files = official_files(card) if card.format["name"] == "torchvision" else card.files
    lay_out(files, mirror, cache, root, lambda member: wanted_member(card, member))
    return root


def _places(card: Dataset, mirror: str) -> list[Path]:
    """Return where the data set may lie ready to be read: folders of images may, other official files are verified."""
    folder = [mirror_folder(mirror)] if mirror and not is_address(mirror) else []
    if not card.files:
        return [Path(), *folder]
    return folder if card.format["name"] == "folder" else []


def _searched(mirror: str) -> str:
    return f"where snakemake was called, nor in the mirror ({mirror or 'none is named: data.mirror in config.yaml'})"


def _check(card: Dataset, contents: Contents) -> None:
    """Refuse contents that are not what the data set's card says."""
    try:
        check_counts(card, contents.classes, {split: len(part.labels) for split, part in contents.splits.items()})
    except UserError as error:
        counts = [f"{len(part.skipped)} {split}" for split, part in contents.splits.items() if part.skipped]
        raise UserError(f"{error}; left out as unreadable: {' and '.join(counts) or 'none'}") from None
    for split, part in contents.splits.items():
        if part.labels.min() < 0 or part.labels.max() >= len(card.classes):
            found = f"{part.labels.min()} to {part.labels.max()}"
            raise UserError(f"{card.name}: {split} labels are {found}, expected 0 to {len(card.classes) - 1}")
        expected = (len(part.labels), *(card.shape or ()))
        if card.shape and (part.images.shape != expected or part.images.dtype != np.uint8):
            found = f"{part.images.dtype} {part.images.shape}"
            raise UserError(f"{card.name}: the {split} images are {found}, expected uint8 {expected}")


def _write_split(folder: Path, split: str, part: Split) -> None:
    _save(folder / f"{split}_labels.npy", part.labels)
    if part.images is not None:
        _save(folder / f"{split}_images.npy", part.images)
    if part.index is not None:
        write_table(folder / f"{split}_index.parquet", INDEX, part.index)


def _save(path: Path, array: np.ndarray) -> None:
    with whole(path) as partial, partial.open("wb") as file:
        np.save(file, array)


def _write_duplicates(folder: Path, contents: Contents) -> dict[str, int]:
    """Write the table of identical images; return its counts."""
    images = {split: part.images for split, part in contents.splits.items()}
    labels = {split: part.labels for split, part in contents.splits.items()}
    duplicates = find_duplicates(images, labels)
    write_table(folder / "duplicates.parquet", DUPLICATES, duplicates)
    return count_duplicates(duplicates)


def _manifest(card: Dataset, contents: Contents) -> dict:
    """Return what the manifest says: nothing of this machine, so that a data set prepared twice is the same."""
    facts = {
        "name": card.name,
        "n_train": card.n_train,
        "n_test": card.n_test,
        "classes": contents.classes,
        "shape": card.shape,
        "content": digest(*_parts(contents)),
        "class_counts": {
            split: np.bincount(part.labels, minlength=len(contents.classes)).tolist()
            for split, part in contents.splits.items()
        },
    }
    skipped = {split: list(part.skipped.values()) for split, part in contents.splits.items()}
    if any(skipped.values()):
        facts["unreadable"] = skipped
    if card.shape:
        facts["mean"], facts["std"] = channel_statistics(contents.splits["train"].images)
    return facts


def _parts(contents: Contents) -> list[bytes | memoryview | str]:
    """Return what identifies the contents: how many classes there are, and of each split the images and the labels.

    Images are their shape, without which the same bytes are other pictures, and their pixels; of those that are only
    listed, paths and sizes.
    """
    parts = [str(len(contents.classes))]
    for split in contents.splits.values():
        if split.images is None:
            parts.append("\n".join(f"{row.path}\t{row.bytes}" for row in split.index.itertuples()).encode())
        else:
            parts += [str(split.images.shape), memoryview(np.ascontiguousarray(split.images)).cast("B")]
        parts.append(split.labels.tobytes())
    return parts


def channel_statistics(images: np.ndarray) -> tuple[list[float], list[float]]:
    """Return mean and standard deviation of each channel of uint8 images, scaled to 0-1; exact, in bounded memory."""
    counts = np.zeros((images.shape[-1], 256), dtype=np.int64)
    for start in range(0, len(images), _CHUNK):
        chunk = images[start : start + _CHUNK]
        for channel, row in enumerate(counts):
            row += np.bincount(chunk[..., channel].ravel(), minlength=256)
    values = np.arange(256) / 255
    share = counts / counts.sum(axis=1, keepdims=True)
    mean = (share * values).sum(axis=1)
    return mean.tolist(), np.sqrt((share * (values - mean[:, None]) ** 2).sum(axis=1)).tolist()
