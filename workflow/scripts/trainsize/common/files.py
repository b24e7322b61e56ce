"""Files that appear whole or not at all."""

import errno
import glob
import hashlib
import json
import os
import platform
import shutil
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from trainsize.common.errors import UserError

SEAL = "checksum"  # the key under which a sealed file keeps its checksum
# Why nothing can be written: a disk that is full, over its quota or read-only, or a limit on the size of files.
NO_ROOM = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EROFS})
SLOW = 60.0  # seconds of reading after which the log tells what is waited for


@contextmanager
def whole(path: Path) -> Iterator[Path]:
    """Give a temporary path beside `path`; on success it becomes `path` in one step, else it is removed.

    What processes of this machine have left there that were killed on their way is removed too. An OSError names
    `path`, and why.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    own = f".{path.name}.{platform.node()}-"
    for left in path.parent.glob(f"{glob.escape(own)}*.part"):
        number = left.stem.removeprefix(own)  # another host's name may begin as this one's does
        if number.isdigit() and not lives(int(number)):
            left.unlink(missing_ok=True)
    partial = path.with_name(f"{own}{os.getpid()}.part")
    try:
        with naming(path):
            try:
                yield partial
                if path.suffix == ".npy" and not _is_whole_array(partial):
                    raise OSError(f"{path}: was not written whole")
            except OSError as error:
                if error.errno is None:
                    _write_more(partial)
                raise
            with partial.open("rb") as file:
                os.fsync(file.fileno())
            partial.replace(path)
    finally:
        partial.unlink(missing_ok=True)


def assert_there(folder: Path) -> None:
    """Raise UserError where a folder that was there is gone: what is written now would lie below the lost disk."""
    if not folder.is_dir():
        raise UserError(f"{folder}: gone while it was in use, perhaps with its disk; see to it and run snakemake again")


@contextmanager
def naming(path: Path) -> Iterator[None]:
    """Have an OSError name `path` where it names no file, as those of writing do not."""
    try:
        yield
    except OSError as error:
        if error.errno is None or error.filename is not None:
            raise
        raise OSError(error.errno, os.strerror(error.errno), str(path)) from error


def _write_more(partial: Path) -> None:
    """Raise the error that ended the writing of a file: of a full disk NumPy says at most how much it could write."""
    with partial.open("ab") as file:
        file.write(bytes(1 << 16))


def _is_whole_array(path: Path) -> bool:
    """Tell whether a NumPy file is as long as its head says: NumPy can lose the last 4 kB without an error."""
    import numpy as np  # not above: the Snakefile imports this module, and must not wait

    try:
        np.load(path, mmap_mode="r", allow_pickle=False)
    except ValueError:
        return False
    return True


def lives(pid: int) -> bool:
    """Tell whether this machine has a process of that number."""
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        pass
    return True


def write_text(path: Path, text: str) -> None:
    with whole(path) as partial:
        partial.write_text(text, encoding="utf-8")


def write_json(path: Path, value: object) -> None:
    write_text(path, json.dumps(value, indent=1, ensure_ascii=False) + "\n")


def write_sealed(path: Path, value: dict) -> None:
    """Write a mapping as JSON with a checksum of what it says, by which `read_json` tells whether it still does."""
    write_json(path, {**value, SEAL: _seal(value)})


def read_json(path: Path) -> dict:
    """Read a JSON file that an earlier stage wrote. Raises UserError when it is damaged or missing."""
    try:
        value = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise unreadable(path, error) from error
    if SEAL in value and value.pop(SEAL) != _seal(value):
        raise UserError(f"{path}: damaged or edited, it differs from its checksum; delete it and run snakemake again")
    return value


def unreadable(path: Path, error: Exception) -> UserError:
    """Return what is said of an earlier stage's file that cannot be read."""
    if isinstance(error, FileNotFoundError):
        return UserError(f"{path}: missing, or its disk is away; run snakemake again")
    message = " ".join(str(error).split())
    return UserError(f"{path}: cannot be read ({message}); delete it and run snakemake again")


def _seal(value: dict) -> str:
    # As it is read again: JSON has no tuples, and its keys are texts.
    return digest(canonical_json(json.loads(json.dumps(value))))


def canonical_json(value: object) -> str:
    """Return the one spelling of `value` that hashes and comparisons use."""
    return json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False)


def digest(*parts: bytes | memoryview | str) -> str:
    """Return 16 hexadecimal digits of the SHA-256 of the parts, each preceded by its length."""
    sha = hashlib.sha256()
    for part in parts:
        data = part.encode() if isinstance(part, str) else part
        sha.update(len(data).to_bytes(8, "little"))
        sha.update(data)
    return sha.hexdigest()[:16]


def file_hash(path: Path, algorithm: str) -> str:
    """Return the hexadecimal digest of a file's content by an algorithm that hashlib knows.

    A network disk that does not answer is waited for, as long as its mount is told to; standard output tells.
    """
    told = threading.Timer(SLOW, print, [f"{path}: still being read; if its disk does not answer, it is waited for"])
    told.daemon = True
    told.start()
    try:
        with path.open("rb") as file:
            return hashlib.file_digest(file, algorithm).hexdigest()
    finally:
        told.cancel()


def link(source: Path, target: Path) -> None:
    """Make `target` the same file as `source` (a hard link; a copy where links are not possible)."""
    with whole(target) as partial:
        try:
            os.link(source, partial)
        except OSError:
            shutil.copy2(source, partial)
