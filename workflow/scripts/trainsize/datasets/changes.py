"""What changed in the user's own files since a data set was prepared from them.

Preparing a data set records its files beside it, with a hash of each file's content. Later calls look at the files
(`trainsize.datasets.sources`) and read only those that look different. Imports nothing heavy, because the Snakefile
imports this.
"""

import gzip
import json
import zlib
from collections import defaultdict
from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from trainsize.common.errors import UserError, listing, plural, printable
from trainsize.common.files import atomic_write, file_hash
from trainsize.datasets.catalogue import Dataset
from trainsize.datasets.described import described, parquet_paths
from trainsize.datasets.folders import ANNOTATIONS, list_folder
from trainsize.datasets.sources import (
    Mark,
    is_listed,
    listing_of,
    listing_state,
    listings,
    own_folder,
    size_of,
    states,
    whole_state,
)

RECORD = ".sources.gz"  # hidden: it describes this machine's files, and no archive needs it
# Bytes of image files up to which a folder is compared by content. Larger ones would be read for minutes at the start.
MOST_READ = 10_000_000_000
_NAMED = 3  # files named in a message, of each kind of change

# The files of a data set by their paths: the mark of each, and its hash, or "" where the content was not read.
Known = dict[str, tuple[Mark, str]]


@dataclass(frozen=True)
class Changes:
    """The files, by their paths in the data set, that are not as they were when it was prepared."""

    moved: list[str]
    changed: list[str]
    added: list[str]
    removed: list[str]

    def __bool__(self) -> bool:
        return any(vars(self).values())

    def __str__(self) -> str:
        parts = []
        for kind, paths in vars(self).items():
            if paths:
                noun = " files" if len(paths) > 1 else " file"
                parts.append(f"{len(paths):,}{'' if parts else noun} {kind} ({listing(paths, _NAMED)})")
        return ", ".join(parts)


@dataclass(frozen=True)
class Comparison:
    """The user's own files compared with a prepared data set.

    `state` is a hash that is the same as long as the data set need not be prepared again; "" without own files.
    `root` is the folder that has the files, or None.
    """

    state: str
    changes: Changes | None = None
    root: Path | None = None


def compare(card: Dataset, folder: Path, mirror: str) -> Comparison:
    """Compare the user's own files with the data set prepared in `folder`, if there is one.

    Files that are gone altogether are no change: a prepared data set does not need them any more.
    """
    try:
        root = own_folder(card, mirror)
    except UserError:  # a mirror that is not there matters only if something is to be prepared from it
        root = None
    known = _Record.read(folder / RECORD) if (folder / "manifest.json").exists() else None
    if known is None:
        # Official files that were verified stay valid, even if a mirror has them unpacked later.
        verified = card.files and (folder / "manifest.json").exists()
        return Comparison("" if root is None or verified else whole_state(states(card, root)), None, root)
    if root is None:
        return Comparison(known.state, None, None)
    present = states(card, root)
    state = whole_state(present)
    if state == known.found:
        return Comparison(known.state, None, root)
    try:
        changes = known.compare(card, root, present)
    except (OSError, EOFError, ValueError, zlib.error):  # a damaged record shows nothing: prepare the data set again
        return Comparison(state, None, root)
    return Comparison(state if changes else known.state, changes or None, root)


@contextmanager
def recorded(card: Dataset, root: Path, folder: Path) -> Iterator[None]:
    """Read the user's own files below `root` in this block; then record them in `folder`.

    Raises UserError if they change in the meantime: what was read may belong to no version of them.
    """
    before = states(card, root)
    try:
        yield
    except (UserError, OSError) as error:  # of a file that was half written, or is gone
        _require_same(card, before, states(card, root), error)
        raise
    by_content, paths = _read_paths(card, root)
    hashes = _hashes(root, paths)
    lines = [
        (name, {file: (mark, hashes.get(f"{name}/{file}", "")) for file, mark in files.items()})
        for name, files in listings(card, root)
    ]
    after = {name: listing_state(_marks(files)) for name, files in lines}
    _require_same(card, before, after)
    state = whole_state(after)
    _Record(folder / RECORD, state, state, by_content).write(lines)


def _require_same(card: Dataset, before: dict, after: dict, error: Exception | None = None) -> None:
    """Raise UserError naming the folders whose files are not as they were `before`."""
    different = sorted(name for name in before.keys() | after.keys() if before.get(name) != after.get(name))
    if different:
        message = f"{card.format['path']}: changed while it was read ({listing(different, _NAMED)})"
        raise UserError(f"{message}; run snakemake again when nothing writes there any more") from error


def _read_paths(card: Dataset, root: Path) -> tuple[bool, list[str]]:
    """Return whether the files are compared by content, and the paths of those that are in any case."""
    marks = {f"{name}/{file}": mark for name, files in listings(card, root) for file, mark in files.items()}
    by_content = not is_listed(card) and sum(map(size_of, marks.values())) <= _most_read(card)
    return by_content, [path for path in marks if by_content or _is_always_read(path)]


def _most_read(card: Dataset) -> float:
    return MOST_READ if card.format["name"] == "folder" else float("inf")


def _is_always_read(path: str) -> bool:
    return path.endswith(f"/{ANNOTATIONS}")


def _hashes(root: Path, paths: Iterable[str]) -> dict[str, str]:
    """Return the hash of each file's content, "" for a file that cannot be read."""

    def read(path: str) -> str:
        with suppress(OSError):
            return file_hash(root / path, "sha256")
        return ""

    paths = list(paths)
    with ThreadPoolExecutor(max_workers=8) as pool:
        return dict(zip(paths, pool.map(read, paths), strict=True))


def _marks(files: Known) -> dict[str, Mark]:
    return {name: mark for name, (mark, _) in files.items()}


@dataclass
class _Record:
    """The record of the files that a data set was prepared from: a line of JSON per folder, in `path`.

    `state` is the hash of all listings when the data set was prepared, `found` when the files were last known to be
    the same. `by_content` says whether the lines have hashes of all files.
    """

    path: Path
    state: str
    found: str
    by_content: bool

    @classmethod
    def read(cls, path: Path) -> "_Record | None":
        """Return the record without its lines; None if there is none, or it is damaged."""
        try:
            with gzip.open(path, "rt") as file:
                return cls(path, **json.loads(file.readline()))
        except (OSError, EOFError, ValueError, TypeError):
            return None

    def lines(self) -> Iterator[tuple[str, Known]]:
        """Yield each folder with its files."""
        with gzip.open(self.path, "rt") as file:
            file.readline()
            for line in file:
                name, files = json.loads(line)
                yield name, {file: tuple(known) for file, known in files.items()}

    def write(self, lines: Iterable[tuple[str, Known]]) -> None:
        head = {"state": self.state, "found": self.found, "by_content": self.by_content}
        with atomic_write(self.path) as partial, gzip.open(partial, "wt", compresslevel=1) as file:
            file.writelines(json.dumps(line) + "\n" for line in (head, *lines))

    def compare(self, card: Dataset, root: Path, present: dict[str, str]) -> Changes:
        """Return what changed; `present` are the states of the listings now.

        Files that look different but are not are remembered, so that the next call does not read them again.
        """
        old: Known = {}
        new: dict[str, Mark] = {}
        lines, unseen = [], dict(present)
        for name, files in self.lines():
            now = _marks(files)
            if unseen.pop(name, None) != listing_state(now):
                now = listing_of(card, root, name)
                old |= {f"{name}/{file}": known for file, known in files.items() if known[0] != now.get(file)}
                new |= {f"{name}/{file}": mark for file, mark in now.items() if mark != files.get(file, ("",))[0]}
            lines.append((name, {file: (mark, files.get(file, ("", ""))[1]) for file, mark in now.items()}))
        for name in unseen:
            new |= {f"{name}/{file}": mark for file, mark in listing_of(card, root, name).items()}
        changes = self._changes(card, root, old, new)
        if not changes:
            self.found = whole_state({name: listing_state(_marks(files)) for name, files in lines})
            with suppress(OSError):  # results may be read-only, and then the files are read at every call
                self.write(lines)
        return changes

    def _changes(self, card: Dataset, root: Path, old: Known, new: dict[str, Mark]) -> Changes:
        """Return the changes from `old` to `new`, both without the files that look the same."""
        read = [path for path in new if self.by_content or _is_always_read(path)]
        hashes = _hashes(root, read) if sum(size_of(new[path]) for path in read) <= _most_read(card) else {}
        keys = {path: _identity(path, mark, hashes.get(path, "")) for path, mark in new.items()}
        same = {path for path, key in keys.items() if path in old and key == _identity(path, *old[path])}
        old = {path: known for path, known in old.items() if path not in same}
        sources = defaultdict(list)
        for path, known in old.items():
            sources[_identity(path, *known)].append(path)
        moved, left = [], []
        for path in new.keys() - same:
            of_same = sources.get(keys[path], [])
            (moved if of_same else left).append(path)
            if of_same:
                of_same.pop()
        gone = {path for paths in sources.values() for path in paths}
        kinds = {
            "moved": moved,
            "changed": [path for path in left if path in old],
            "added": [path for path in left if path not in old],
            "removed": [path for path in gone if path not in new],
        }
        start = f"{Path(card.format['path'])}/"
        shown = {
            kind: [printable(str(Path(path)).removeprefix(start)) for path in paths] for kind, paths in kinds.items()
        }
        return Changes(**{kind: sorted(paths) for kind, paths in shown.items()})


def _identity(path: str, mark: Mark, content: str) -> str:
    """Return what a file keeps when it is moved: its content or, where that was not read, what can be seen of it."""
    if content:
        return content
    size, *seen = mark.split(" ")
    # Moving a file changes the time of its last change of any kind, and no other mark.
    return json.dumps([size, seen[0], seen[2]] if seen else [size, path.rpartition("/")[2]])


def misfits(card: Dataset, root: Path) -> list[str]:
    """Return what the study states about the user's own files that does not fit them, with what to write instead.

    With `unreadable: skip`, only reading the files shows their number.
    """
    if card.format.get("unreadable") == "skip":
        return []
    try:
        counts, classes = _found(card, root)
    except (UserError, OSError, ValueError) as error:
        return [str(error)]
    stated = {"n_train": card.n_train, "n_test": card.n_test}
    messages = [
        f"{key}: found {stated[key]:,}, but there are now {plural(counts[key], 'image')}; write `{key}: {counts[key]}`"
        for key in stated
        if counts[key] != stated[key]
    ]
    if classes and len(classes) != len(card.classes):
        messages.append(f"classes: found {len(card.classes)}, but there are now {len(classes)} ({listing(classes)})")
    return messages


def _found(card: Dataset, root: Path) -> tuple[dict[str, int], tuple[str, ...]]:
    """Return the numbers of images in the files below `root`, and the classes if they are folders."""
    form, path = card.format, root / card.format["path"]
    if form["name"] == "folder":
        classes, splits = list_folder(path, form["train"], form["test"])
        return {f"n_{split}": len(index) for split, index in splits.items()}, classes
    if form["name"] == "parquet":
        from pyarrow import parquet

        tables = {f"n_{split}": parquet_paths(path, form[split]) for split in ("train", "test")}
        return {key: sum(parquet.read_metadata(file).num_rows for file in files) for key, files in tables.items()}, ()
    facts = {"name": card.name, "title": "", "source": "", "licence": "", "classes": len(card.classes)}
    shape = {"shape": list(card.shape)} if card.shape else {}
    of_headers = described({**facts, **shape, "format": {**form, "path": str(path)}})
    return {"n_train": of_headers.n_train, "n_test": of_headers.n_test}, ()
