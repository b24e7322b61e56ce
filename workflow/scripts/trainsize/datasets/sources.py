"""The user's own files of a data set: where they are, and what can be seen of them without reading them.

Imports nothing heavy, because the Snakefile compares them with what the data set was prepared from.
"""

import json
import os
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from itertools import chain
from pathlib import Path

from trainsize.common.errors import UserError, absent
from trainsize.common.files import digest
from trainsize.common.paths import user_path
from trainsize.datasets.catalogue import Dataset
from trainsize.datasets.described import ARRAYS, idx_path, parquet_paths
from trainsize.datasets.folders import ANNOTATIONS

# What can be seen of a file: its size, the times of its last edit and of its last change of any kind (ns), its inode.
# Moving, copying and editing a file each change at least one of the last three.
Mark = str
UNSEEN: Mark = "?"  # of a file that cannot be looked at, such as a broken link


def is_address(mirror: str) -> bool:
    return mirror.startswith(("http://", "https://"))


def mirror_folder(mirror: str) -> Path:
    """Return the folder that `mirror` names. Raises UserError if there is none."""
    folder = user_path(mirror)
    if folder.is_symlink() and not folder.exists():
        raise UserError(f"data.mirror: found '{mirror}', {absent(folder)}")
    if not folder.is_dir():
        is_file = "is a file" if folder.exists() else "is neither an existing folder nor an http address"
        raise UserError(f"data.mirror: found '{mirror}', which {is_file}; state the folder that holds the files")
    return folder


def own_folder(card: Dataset, mirror: str) -> Path | None:
    """Return the folder that has the data set's files ready to be read at `card.format["path"]`, or None.

    That is the folder of the call or the mirror. Official files are verified when they are obtained and never change;
    only if a mirror has them unpacked as image folders are they the user's own. Raises UserError for a mirror that does
    not exist.
    """
    path = card.format.get("path")
    if not path or (card.files and card.format["name"] != "folder"):
        return None
    called = [] if card.files else [Path()]
    mirrored = [mirror_folder(mirror)] if mirror and not is_address(mirror) else []
    return next((folder for folder in (*called, *mirrored) if os.access(folder / path, os.F_OK)), None)


def is_listed(card: Dataset) -> bool:
    """Whether the images count by their paths and sizes only, because nothing reads them."""
    return card.shape is None and not card.format.get("checksum")


def listings(card: Dataset, root: Path) -> Iterator[tuple[str, dict[str, Mark]]]:
    """Yield every folder below `root` that holds files of the data set, with the mark of each file by its name.

    Folders of images are listed with all their files, except hidden ones.
    """
    form, path = card.format, Path(card.format["path"])
    if form["name"] == "folder":
        for split in dict.fromkeys((form["train"], form["test"])):
            yield from _below(root, str(path / split), is_listed(card))
        return
    files: dict[str, dict[str, Mark]] = {}
    for file in _single_files(card, root):
        folder = file.parent.relative_to(root) if file.is_relative_to(root) else file.parent
        files.setdefault(str(folder), {})[file.name] = _mark(file)
    yield from files.items()


def states(card: Dataset, root: Path) -> dict[str, str]:
    """Return a hash of the listing of every folder of the data set, by the folder's path below `root`."""
    return {folder: listing_state(files) for folder, files in listings(card, root)}


def listing_state(files: dict[str, Mark]) -> str:
    return digest(json.dumps(sorted(files.items())))


def whole_state(of_folders: dict[str, str]) -> str:
    """Return one hash of the listings of all folders."""
    return digest(json.dumps(sorted(of_folders.items())))


def _single_files(card: Dataset, root: Path) -> Iterator[Path]:
    """Yield the existing files of a data set that is not a folder of images."""
    form, path = card.format, root / card.format["path"]
    finders = {
        "idx": [lambda name=name: [idx_path(path, form[name])] for name in ARRAYS],
        "npz": [lambda: [path]],
        "parquet": [lambda split=split: parquet_paths(path, form[split]) for split in ("train", "test")],
    }
    for find in finders[form["name"]]:
        try:
            yield from find()
        except UserError:  # a missing file is a difference here, and an error where it is read
            continue


def _below(root: Path, folder: str, listed: bool) -> Iterator[tuple[str, dict[str, Mark]]]:
    """Yield the listings of a folder of classes, which are looked at in threads: a network disk answers slowly."""
    files, inside = _listing(root, folder, listed)
    yield folder, files
    with ThreadPoolExecutor(max_workers=8) as pool:
        yield from chain.from_iterable(pool.map(lambda name: _tree(root, f"{folder}/{name}", listed), inside))


def _tree(root: Path, folder: str, listed: bool) -> list[tuple[str, dict[str, Mark]]]:
    files, inside = _listing(root, folder, listed)
    return [(folder, files), *chain.from_iterable(_tree(root, f"{folder}/{name}", listed) for name in inside)]


def listing_of(card: Dataset, root: Path, folder: str) -> dict[str, Mark]:
    """Return the listing of one of the folders that `listings` yields; an empty one if it is gone."""
    if card.format["name"] == "folder":
        return _listing(root, folder, is_listed(card))[0]
    return dict(listings(card, root)).get(folder, {})


def _listing(root: Path, folder: str, listed: bool) -> tuple[dict[str, Mark], list[str]]:
    """Return the marks of the files in a folder, without those of its subfolders, and the subfolders' names."""
    files, inside = {}, []
    try:
        with os.scandir(root / folder) as entries:
            for entry in entries:
                if entry.name.startswith("."):
                    continue
                try:
                    if entry.is_dir():
                        inside.append(entry.name)
                    elif listed and entry.name != ANNOTATIONS:
                        files[entry.name] = str(entry.stat().st_size)
                    else:
                        files[entry.name] = _of_status(entry.stat())
                except OSError:
                    files[entry.name] = UNSEEN
    except OSError:
        return {}, []
    return files, sorted(inside)


def _mark(file: Path) -> Mark:
    try:
        return _of_status(file.stat())
    except OSError:
        return UNSEEN


def _of_status(status: os.stat_result) -> Mark:
    return f"{status.st_size} {status.st_mtime_ns} {status.st_ctime_ns} {status.st_ino}"


def size_of(mark: Mark) -> int:
    """Return the size in bytes; 0 of a file that cannot be looked at."""
    return 0 if mark == UNSEEN else int(mark.split(" ")[0])
