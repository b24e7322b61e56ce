"""Listing folders of images by class, without opening the images.

Imports nothing heavy: reading a study counts its images, if it does not state their number.
"""

import os
import stat
from collections import Counter
from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path

from trainsize.common.errors import UserError, did_you_mean, listing, lost_link, plural, printable
from trainsize.common.files import file_hash
from trainsize.datasets.class_names import by_name, composed
from trainsize.datasets.image_files import (
    conversion,
    files_in_words,
    image_extensions,
    is_clutter,
    kind_of,
)

ANNOTATIONS = "val_annotations.txt"
MOST_FOLDERS = 12  # that a message names, with the files in them that are not images


@dataclass
class Index:
    """Images in a fixed order: paths below the data set's folder, labels (from 0) and sizes in bytes.

    `left_out` has the names of all other files, by folder and kind. `clutter` is the number of hidden files and folders
    and of what systems leave behind, which are not looked at.
    """

    paths: list[str] = field(default_factory=list)
    labels: list[int] = field(default_factory=list)
    sizes: list[int] = field(default_factory=list)
    left_out: dict[str, dict[str, list[str]]] = field(default_factory=dict)
    clutter: int = 0

    def add(self, images: list[tuple[str, int]], label: int) -> None:
        self.paths += [path for path, _ in images]
        self.sizes += [size for _, size in images]
        self.labels += [label] * len(images)

    def leave_out(self, folder: str, found: "_Found") -> None:
        self.clutter += found.clutter
        if found.others:
            self.left_out[printable(folder)] = {kind: sorted(names) for kind, names in sorted(found.others.items())}

    def relabelled(self, numbers: list[int]) -> "Index":
        """Return the images with the label `numbers[label]` for each label, in the order of the new labels."""
        order = sorted(range(len(self)), key=lambda row: numbers[self.labels[row]])
        lists = {name: [getattr(self, name)[row] for row in order] for name in ("paths", "sizes")}
        return replace(self, labels=[numbers[self.labels[row]] for row in order], **lists)

    def __len__(self) -> int:
        return len(self.paths)


@dataclass
class _Found:
    """What a folder and its subfolders hold: images (path and bytes), names of other files by kind, and clutter."""

    images: list[tuple[str, int]] = field(default_factory=list)
    others: dict[str, list[str]] = field(default_factory=dict)
    clutter: int = 0

    def leave_out(self, name: str, kind: str) -> None:
        self.others.setdefault(kind, []).append(printable(name))


def list_folder(root: Path, train: str, test: str) -> tuple[tuple[str, ...], dict[str, Index]]:
    """Return the classes, which are the folders in `root/train` by name, and the images of both splits.

    Images are sorted by class and path. The test images are in folders of the same classes or, as in Tiny ImageNet,
    in one folder with a `val_annotations.txt`, whose lines start with a file's name and its class. Names of classes are
    in Unicode's composed form, whatever that of the folders is. Raises UserError, also for a class without images in
    either split.
    """
    outside = _Found()
    classes = tuple(sorted(_class_folders(root, train, outside)))
    if not classes:
        found = f" (found {told_files(outside.others)})" if outside.others else ""
        raise UserError(f"{root / train}: contains no folders; expected one per class with its images{found}")
    annotated = (root / test / ANNOTATIONS).is_file()
    indexes = {
        "train": _by_class(root, train, classes),
        "test": _annotated(root, test, classes) if annotated else _by_class(root, test, classes),
    }
    for split, folder in (("train", train), ("test", test)):
        _require_images(root, folder, classes, indexes[split], _counts_in_words(classes, indexes))
    return classes, indexes


def _require_images(root: Path, folder: str, classes: tuple[str, ...], index: Index, counts: str) -> None:
    """Raise UserError if a class has no images, with what is in its folder instead, and the `counts` of both splits."""
    filled = set(index.labels)
    empty = [name for label, name in enumerate(classes) if label not in filled]
    if not empty:
        return
    annotated = (root / folder / ANNOTATIONS).is_file()
    place = folder if annotated else f"{folder}/{empty[0]}"
    others = index.left_out.get(printable(place), {})
    rest = f" (nor of {listing(empty[1:])})" if empty[1:] else ""
    instead = f"found {told_files(others)}" if others else _emptiness(root / place, annotated)
    if not annotated and (outside := index.left_out.get(printable(folder))):
        instead += f"; {root / folder} itself holds {told_files(outside)}"
    advice = conversion(others)
    raise UserError(
        f"{root / place}: no {'annotated ' if annotated else ''}images of the class '{empty[0]}'{rest}: {instead}. "
        "Every class needs training and test images: add some, or remove the class from both splits"
        f"{f'; {advice}' if advice else ''}. Found {counts}"
    )


def _emptiness(place: Path, annotated: bool) -> str:
    """Return what there is where there are no files."""
    if annotated:
        return f"{ANNOTATIONS} names none"
    if not place.exists():
        return "this folder does not exist"
    return "its folder holds only hidden files or empty folders" if any(place.iterdir()) else "its folder is empty"


def _counts_in_words(classes: tuple[str, ...], indexes: dict[str, Index]) -> str:
    """Return the number of images of each class in both splits."""
    counts = {split: Counter(index.labels) for split, index in indexes.items()}
    by_class = {s: listing(f"{name} {counts[s][label]:,}" for label, name in enumerate(classes)) for s in counts}
    return f"in training: {by_class['train']}; in test: {by_class['test']}"


def beside(root: Path, train: str, test: str) -> list[str]:
    """Return the names of the files and folders in `root` that belong to neither split."""
    used = {Path(folder).parts[0] for folder in (train, test) if Path(folder).parts}
    with _listed(root) as entries:
        names = [printable(entry.name) for entry in entries if entry.name not in used and not is_clutter(entry.name)]
    return sorted(names)


def not_counted(indexes: Iterable[Index]) -> str:
    """Return the lines of a message that say which files are not counted as images, by folder; "" if there are none."""
    left_out = {folder: kinds for index in indexes for folder, kinds in index.left_out.items()}
    lines = [f"\n  {folder}: {told_files(kinds)}" for folder, kinds in left_out.items()]
    if not lines:
        return ""
    rest = f"\n  and in {plural(len(lines) - MOST_FOLDERS, 'more folder')}" if len(lines) > MOST_FOLDERS else ""
    advice = conversion({kind for kinds in left_out.values() for kind in kinds})
    told = "\nNot counted, because they are not read as images:" + "".join(lines[:MOST_FOLDERS]) + rest
    return told + (f"\n({advice})" if advice else "")


def told_files(others: dict[str, list[str]]) -> str:
    """Return the numbers and the first names of files by kind, in words."""
    return ", ".join(files_in_words(len(names), kind, names) for kind, names in others.items())


def _class_folders(root: Path, split: str, found: _Found) -> dict[str, str]:
    """Return the folders of a split by the names of their classes. Files beside them are added to `found`."""
    names = []
    with _listed(root / split) as entries:
        for entry in entries:
            if is_clutter(entry.name):
                found.clutter += 1
            elif _is_folder(entry):
                names.append(_name(entry))
            else:
                found.leave_out(entry.name, _kind_outside(entry.name, "outside the class folders"))
    return by_name(sorted(names), root / split)


def _kind_outside(name: str, where: str) -> str:
    """Return the kind of a file that lies in the wrong place, which is said of images only."""
    return f"{kind_of(name)} {where}" if name.lower().endswith(image_extensions()) else kind_of(name)


@contextmanager
def _listed(folder: Path) -> Iterator[Iterator[os.DirEntry]]:
    """Yield the entries of a folder.

    An OSError raised in the block becomes a UserError that names the broken link that caused it, or else the folder.
    """
    try:
        with os.scandir(folder) as entries:
            yield entries
    except OSError as error:
        path = Path(error.filename or folder)
        if not isinstance(error, PermissionError) and (lost := lost_link(path)):
            raise UserError(f"{printable(path)}: {lost}") from error
        raise UserError(f"{printable(folder)}: cannot be listed ({error.strerror}){_beside(folder)}") from error


def _beside(folder: Path) -> str:
    """Return which folders are beside a missing one."""
    if folder.exists() or not folder.parent.is_dir():
        return ""
    names = sorted(
        printable(path.name) for path in folder.parent.iterdir() if path.is_dir() and not is_clutter(path.name)
    )
    return f"; {folder.parent} has the folders {listing(names)}{did_you_mean(folder.name, names)}" if names else ""


def _is_folder(entry: os.DirEntry) -> bool:
    """Return whether an entry is a folder. Raises UserError for a link to something that is not there.

    Such a link would else be a file, and a class on a disk that is not mounted would vanish.
    """
    if entry.is_symlink() and not Path(entry.path).exists():
        raise UserError(f"{printable(entry.path)}: {lost_link(Path(entry.path))}")
    return entry.is_dir()


def _name(entry: os.DirEntry) -> str:
    """Return an entry's name. Raises UserError if it is not UTF-8, because no table can store it."""
    try:
        entry.name.encode()
    except UnicodeEncodeError as error:
        raise UserError(f"{printable(entry.path)}: the name is not UTF-8; rename it") from error
    return entry.name


def _by_class(root: Path, split: str, classes: tuple[str, ...]) -> Index:
    outside = _Found()
    folders = _class_folders(root, split, outside)
    for name in folders:
        if name not in classes:
            raise UserError(
                f"{root / split / name}: no such class among the training images ({listing(classes)})"
                f"{did_you_mean(name, classes)}; every class needs a folder in both splits"
            )
    index = Index()
    index.leave_out(split, outside)
    # In threads, because listing a folder on a network file system is slow.
    with ThreadPoolExecutor(max_workers=8) as pool:
        listed = pool.map(lambda name: _class_folder(root, f"{split}/{folders.get(name, name)}"), classes)
        for label, found in enumerate(listed):
            index.add(sorted(found.images), label)
            index.leave_out(f"{split}/{classes[label]}", found)
    return index


def _class_folder(root: Path, folder: str) -> _Found:
    """Return what a class's folder holds; nothing if there is none, which `list_folder` refuses."""
    return _files(root, folder, _Found()) if os.path.lexists(root / folder) else _Found()


def _annotated(root: Path, split: str, classes: tuple[str, ...]) -> Index:
    number = {name: label for label, name in enumerate(classes)}
    found = _files(root, split, _Found())
    found.others.get(kind_of(ANNOTATIONS), []).remove(ANNOTATIONS)
    found.others = {kind: names for kind, names in found.others.items() if names}
    file, images, lines = root / split / ANNOTATIONS, _by_name(root, found), {}
    by_class: list[list[tuple[str, int]]] = [[] for _ in classes]
    for count, line in enumerate(_lines(file), start=1):
        image, name, *_ = [*line.split("\t"), ""]
        name = composed(name)
        if name not in number:
            raise UserError(
                f"{file}, line {count}: no class '{name}' among the training images{did_you_mean(name, classes)}"
            )
        if image not in images:
            raise UserError(f"{file}, line {count}: no image '{image}' in {root / split}")
        if image in lines:
            raise UserError(f"{file}, line {count}: '{image}' is in line {lines[image]} too; keep one of them")
        lines[image] = count
        by_class[number[name]].append(images[image])
    for image in images.keys() - lines.keys():
        found.leave_out(image, f"{kind_of(image)} not in {ANNOTATIONS}")
    index = Index()
    index.leave_out(split, found)
    for label, of_class in enumerate(by_class):
        index.add(sorted(of_class), label)
    return index


def _lines(file: Path) -> list[str]:
    try:
        return file.read_text(encoding="utf-8-sig").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise UserError(f"{file}: cannot be read as UTF-8 text ({error})") from error


def _by_name(root: Path, found: _Found) -> dict[str, tuple[str, int]]:
    """Return the images (path and bytes) by name. Raises UserError if two have the same."""
    images: dict[str, tuple[str, int]] = {}
    for path, size in found.images:
        other = images.setdefault(path.rsplit("/", 1)[1], (path, size))[0]
        if other != path:
            raise UserError(f"{root / path}: {root / other} has the same name, so {ANNOTATIONS} can mean either")
    return images


def _files(root: Path, folder: str, found: _Found) -> _Found:
    """Add the files in `folder` and its subfolders to `found`, and return it; paths are below `root`."""
    extensions = image_extensions()
    with _listed(root / folder) as entries:
        for entry in entries:
            if is_clutter(entry.name):
                found.clutter += 1
            elif entry.name.lower().endswith(extensions) and not entry.is_dir():
                path, status = f"{folder}/{_name(entry)}", entry.stat()
                # Reading from a pipe would block for ever.
                if not stat.S_ISREG(status.st_mode):
                    raise UserError(f"{root / path}: has the name of an image but is not a regular file; remove it")
                found.images.append((path, status.st_size))
            elif _is_folder(entry):
                _require_no_circle(entry, root / folder)
                _files(root, f"{folder}/{_name(entry)}", found)
            else:
                found.leave_out(entry.name, kind_of(entry.name))
    return found


def _require_no_circle(entry: os.DirEntry, folder: Path) -> None:
    """Raise UserError for a link to a folder that contains it: its images would be counted forty times."""
    if entry.is_symlink() and Path(os.path.realpath(folder)).is_relative_to(os.path.realpath(entry.path)):
        raise UserError(f"{printable(entry.path)}: a link to a folder that contains the link itself; remove it")


def checksums(root: Path, paths: list[str]) -> list[str]:
    """Return the SHA-256 of every file."""
    with ThreadPoolExecutor(max_workers=8) as pool:
        return list(pool.map(lambda path: file_hash(root / path, "sha256"), paths))
