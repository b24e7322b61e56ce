"""Listing folders of images by class, without opening the images.

Imports nothing heavy: reading a study counts its images, if it does not state their number.
"""

import os
import stat
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from trainsize.common.errors import UserError, did_you_mean, listing
from trainsize.common.files import file_hash

EXTENSIONS = (".jpeg", ".jpg", ".png", ".bmp", ".gif", ".webp", ".ppm", ".pgm", ".tif", ".tiff")
ANNOTATIONS = "val_annotations.txt"


@dataclass
class Index:
    """Images in a fixed order: paths below the data set's folder, labels (from 0) and sizes in bytes."""

    paths: list[str] = field(default_factory=list)
    labels: list[int] = field(default_factory=list)
    sizes: list[int] = field(default_factory=list)

    def add(self, images: list[tuple[str, int]], label: int) -> None:
        self.paths += [path for path, _ in images]
        self.sizes += [size for _, size in images]
        self.labels += [label] * len(images)

    def __len__(self) -> int:
        return len(self.paths)


def list_folder(root: Path, train: str, test: str) -> tuple[tuple[str, ...], dict[str, Index]]:
    """Return the classes, which are the folders in `root/train`, and the images of both splits.

    Images are sorted by class and path. The test images are in folders of the same classes or, as in Tiny ImageNet,
    in one folder with a `val_annotations.txt`, whose lines start with a file's name and its class. Raises UserError.
    """
    classes = _folders_in(root / train)
    if not classes:
        raise UserError(f"{root / train}: contains no folders; expected one per class with its images")
    annotated = (root / test / ANNOTATIONS).is_file()
    of_test = _annotated(root, test, classes) if annotated else _by_class(root, test, classes)
    return classes, {"train": _by_class(root, train, classes), "test": of_test}


def _folders_in(folder: Path) -> tuple[str, ...]:
    with _listed(folder) as entries:
        return tuple(sorted(_name(entry) for entry in entries if entry.is_dir()))


@contextmanager
def _listed(folder: Path) -> Iterator[Iterator[os.DirEntry]]:
    """Yield the entries of a folder, except hidden ones (names that begin with a dot).

    An OSError raised in the block becomes a UserError that names the broken link that caused it, or else the folder.
    """
    try:
        with os.scandir(folder) as entries:
            yield (entry for entry in entries if not entry.name.startswith("."))
    except OSError as error:
        path = Path(error.filename or folder)
        if path.is_symlink():
            raise UserError(f"{_shown(path)}: a broken link ({error.strerror}); remove it") from error
        raise UserError(f"{_shown(folder)}: cannot be listed ({error.strerror})") from error


def _name(entry: os.DirEntry) -> str:
    """Return an entry's name. Raises UserError if it is not UTF-8, because no table can store it."""
    try:
        entry.name.encode()
    except UnicodeEncodeError as error:
        raise UserError(f"{_shown(entry.path)}: the name is not UTF-8; rename it") from error
    return entry.name


def _shown(path: str | Path) -> str:
    return os.fsencode(path).decode(errors="backslashreplace")


def _by_class(root: Path, split: str, classes: tuple[str, ...]) -> Index:
    for name in _folders_in(root / split):
        if name not in classes:
            raise UserError(f"{root / split / name}: no such class among the training images ({listing(classes)})")
    index = Index()
    # In threads, because listing a folder on a network file system is slow.
    with ThreadPoolExecutor(max_workers=8) as pool:
        listed = pool.map(lambda name: sorted(_images(root, f"{split}/{name}")), classes)
        for label, images in enumerate(listed):
            index.add(images, label)
    return index


def _annotated(root: Path, split: str, classes: tuple[str, ...]) -> Index:
    number = {name: label for label, name in enumerate(classes)}
    sizes = {path.rsplit("/", 1)[1]: (path, size) for path, size in _images(root, split)}
    by_class: list[list[tuple[str, int]]] = [[] for _ in classes]
    file = root / split / ANNOTATIONS
    for count, line in enumerate(file.read_text(encoding="utf-8").splitlines(), start=1):
        image, name, *_ = [*line.split("\t"), ""]
        if name not in number:
            raise UserError(
                f"{file}, line {count}: no class '{name}' among the training images{did_you_mean(name, classes)}"
            )
        if image not in sizes:
            raise UserError(f"{file}, line {count}: no image '{image}' in {root / split}")
        by_class[number[name]].append(sizes[image])
    index = Index()
    for label, images in enumerate(by_class):
        index.add(sorted(images), label)
    return index


def _images(root: Path, folder: str) -> Iterator[tuple[str, int]]:
    """Yield the path below `root` and the size in bytes of every image in `folder` and its subfolders."""
    with _listed(root / folder) as entries:
        for entry in entries:
            if entry.name.lower().endswith(EXTENSIONS):
                path, status = f"{folder}/{_name(entry)}", entry.stat()
                # Reading from a pipe would block for ever.
                if not stat.S_ISREG(status.st_mode):
                    raise UserError(f"{root / path}: has the name of an image but is not a regular file; remove it")
                yield path, status.st_size
            elif entry.is_dir():
                yield from _images(root, f"{folder}/{_name(entry)}")


def checksums(root: Path, paths: list[str]) -> list[str]:
    """Return the SHA-256 of every file."""
    with ThreadPoolExecutor(max_workers=8) as pool:
        return list(pool.map(lambda path: file_hash(root / path, "sha256"), paths))
