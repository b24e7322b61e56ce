"""The download stage: writes a data set as uint8 arrays, which can be memory-mapped, and a manifest.

`trainsize.datasets.prepared` describes the files of its folder and opens them.
"""

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np

from trainsize.common.errors import UserError, lost_link
from trainsize.common.files import atomic_write, digest
from trainsize.common.tables import write_table
from trainsize.datasets.catalogue import Dataset, requested
from trainsize.datasets.changes import RECORD, recorded
from trainsize.datasets.prepared import write_manifest
from trainsize.datasets.remarks import MOST_NAMES, notes, remarks
from trainsize.datasets.sources import own_folder
from trainsize.download.checks import check_counts, check_labels
from trainsize.download.duplicates import count_duplicates, find_duplicates
from trainsize.download.fetch import lay_out
from trainsize.download.readers import Contents, Split, background_of, read
from trainsize.download.tables import DUPLICATES, INDEX
from trainsize.download.torchvision_sets import official_files, wanted_member
from trainsize.jobs.progress import Terminal, print_first

_CHUNK = 4096
_FEW = 256  # images that are compared with their first pixel at a time


def prepare(request: str | dict, folder: Path, mirror: str = "") -> None:
    """Prepare the data set of `request` (see `Dataset.request`) in `folder`. The manifest is written last.

    Its files come from `mirror` (a folder, an http address, or "") or the official addresses, and are verified. Raises
    UserError if they are unavailable or do not match the data set's card.
    """
    card = requested(request)
    with _scratch(folder / ".raw") as scratch:
        with _sources(card, mirror, folder, scratch / "files") as root:
            contents = read(card, root, scratch)
            _check(card, contents)
        for split, part in contents.splits.items():
            _write_split(folder, split, part)
        arrays = [name for name in card.outputs if name.endswith(".npy")]
        duplicates = {"duplicates": _write_duplicates(folder, contents)} if card.shape else {}
        facts = {**_manifest(card, contents), **duplicates}
        write_manifest(folder, facts, arrays)
    tell(facts)


def tell(facts: dict) -> None:
    """Say at the top of the log what a reader must know about the data, and on the terminal the part that matters."""
    lines = [f"WARNING: {remark}" for remark in remarks(facts)]
    print_first("\n".join([*lines, *(f"note: {note}" for note in notes(facts))]))
    for line in lines:
        Terminal.say(f"{facts['name']}: {line}")


@contextmanager
def _scratch(folder: Path) -> Iterator[Path]:
    """Yield an empty temporary folder, after removing one left by a killed job."""
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    try:
        yield folder
    finally:
        shutil.rmtree(folder)


@contextmanager
def _sources(card: Dataset, mirror: str, folder: Path, scratch: Path) -> Iterator[Path]:
    """Yield the folder with all files, to which `card.format["path"]` or torchvision's layout is relative.

    The user's own files are recorded in `folder`; official files are laid out in `scratch`.
    """
    (folder / RECORD).unlink(missing_ok=True)
    path = card.format.get("path")
    if root := own_folder(card, mirror):
        print(f"{root / path}: used without copying", flush=True)
        with recorded(card, root, folder):
            yield root
        return
    if path and not card.files:
        if lost := lost_link(Path(path)):
            raise UserError(f"{path}: {lost}")
        place = f"the mirror {mirror}" if mirror else "a mirror, because none is set (data.mirror in config.yaml)"
        raise UserError(f"{path}: no such file or folder where snakemake was called, nor in {place}")
    files = official_files(card) if card.format["name"] == "torchvision" else card.files
    lay_out(files, mirror, folder.parent / ".downloads", scratch, lambda member: wanted_member(card, member))
    yield scratch


def _check(card: Dataset, contents: Contents) -> None:
    """Raise UserError unless the contents match the data set's card."""
    labels = {split: part.labels for split, part in contents.splits.items()}
    try:
        check_counts(card, contents.classes, {split: len(of_split) for split, of_split in labels.items()})
        check_labels(card.name, contents.classes, labels)
    except UserError as error:
        counts = [f"{len(part.skipped)} {split}" for split, part in contents.splits.items() if part.skipped]
        raise UserError(f"{error}; left out as unreadable: {' and '.join(counts)}" if counts else str(error)) from None
    for split, part in contents.splits.items():
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
    with atomic_write(path) as partial, partial.open("wb") as file:
        np.save(file, array)


def _write_duplicates(folder: Path, contents: Contents) -> dict[str, int]:
    """Write the table of duplicate images and return its counts."""
    images = {split: part.images for split, part in contents.splits.items()}
    labels = {split: part.labels for split, part in contents.splits.items()}
    duplicates = find_duplicates(images, labels)
    write_table(folder / "duplicates.parquet", DUPLICATES, duplicates)
    return count_duplicates(duplicates)


def _manifest(card: Dataset, contents: Contents) -> dict:
    """Return the facts of the manifest. None depends on this machine, so preparing twice gives the same file."""
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
    facts |= {name: values for name, values in _told(card, contents).items() if any(values.values())}
    if contents.beside:
        facts["beside"] = contents.beside
    if "transparent" in facts:
        facts["background"] = background_of(card)
    if card.shape:
        facts["mean"], facts["std"] = channel_statistics(contents.splits["train"].images)
        facts["flat_channels"] = [channel for channel, spread in enumerate(facts["std"]) if not spread > 0]
        facts["one_colour"] = {split: count_one_colour(part.images) for split, part in contents.splits.items()}
    return facts


def _told(card: Dataset, contents: Contents) -> dict[str, dict[str, object]]:
    """Return what was left out of each split, and what its image files have beyond their pixels, for the manifest."""
    splits = contents.splits
    return {
        "unreadable": {split: list(part.skipped.values()) for split, part in splits.items()},
        "left_out": {split: _left_out(part) for split, part in splits.items()},
        "clutter": {split: part.listed.clutter if part.listed else 0 for split, part in splits.items()},
        "transparent": {split: len(part.traits.transparent) for split, part in splits.items()},
        "several_pictures": {split: len(part.traits.several) for split, part in splits.items()},
    }


def _left_out(part: Split) -> dict[str, dict[str, dict]]:
    """Return the numbers and the first names of the files that are not images, by folder and kind."""
    folders = part.listed.left_out if part.listed else {}
    return {
        folder: {kind: {"files": len(names), "first": names[:MOST_NAMES]} for kind, names in kinds.items()}
        for folder, kinds in folders.items()
    }


def _parts(contents: Contents) -> list[bytes | memoryview | str]:
    """Return what identifies the contents: the number of classes, and the images and labels of each split.

    Images count by their shape, without which the same bytes are other images, and their pixels. Images that are only
    listed count by their paths and sizes.
    """
    parts = [str(len(contents.classes))]
    for split in contents.splits.values():
        if split.images is None:
            parts.append("\n".join(f"{row.path}\t{row.bytes}" for row in split.index.itertuples()).encode())
        else:
            parts += [str(split.images.shape), memoryview(np.ascontiguousarray(split.images)).cast("B")]
        parts.append(split.labels.tobytes())
    return parts


def count_one_colour(images: np.ndarray) -> int:
    """Return how many images have the same colour in all their pixels; images × height × width × channels."""
    chunks = (images[start : start + _FEW] for start in range(0, len(images), _FEW))
    return sum(int((chunk == chunk[:, :1, :1]).all(axis=(1, 2, 3)).sum()) for chunk in chunks)


def channel_statistics(images: np.ndarray) -> tuple[list[float], list[float]]:
    """Return the exact mean and standard deviation per channel of uint8 images scaled to 0-1, in bounded memory."""
    counts = np.zeros((images.shape[-1], 256), dtype=np.int64)
    for start in range(0, len(images), _CHUNK):
        chunk = images[start : start + _CHUNK]
        for channel, row in enumerate(counts):
            row += np.bincount(chunk[..., channel].ravel(), minlength=256)
    values = np.arange(256) / 255
    share = counts / counts.sum(axis=1, keepdims=True)
    mean = (share * values).sum(axis=1)
    return mean.tolist(), np.sqrt((share * (values - mean[:, None]) ** 2).sum(axis=1)).tolist()
