"""Reading and writing files. A file is written completely or not at all, and damage is noticed on reading."""

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

from trainsize.common.errors import UserError, unreadable

CHECKSUM = "checksum"  # the key under which a JSON file keeps the checksum of its other values
# Errors that stop all writing: a full or read-only disk, an exceeded quota, or a limit on the size of files.
WRITE_ERRORS = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EROFS})
SLOW = 60.0  # seconds of reading after which the log names the file


@contextmanager
def atomic_write(path: Path) -> Iterator[Path]:
    """Yield a temporary path beside `path`. On success it replaces `path` in one step, otherwise it is removed.

    Temporary files left by killed processes of this machine are removed too. An OSError names `path` and the reason.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    own = f".{path.name}.{platform.node()}-"
    for leftover in path.parent.glob(f"{glob.escape(own)}*.part"):
        number = leftover.stem.removeprefix(own)  # another host's name may begin with this one's
        if number.isdigit() and not process_exists(int(number)):
            leftover.unlink(missing_ok=True)
    partial = path.with_name(f"{own}{os.getpid()}.part")
    try:
        with errors_naming(path):
            try:
                yield partial
                if path.suffix == ".npy" and not _is_whole_array(partial):
                    raise OSError(f"{path}: was not written completely")
            except OSError as error:
                if error.errno is None:
                    _raise_write_error(partial)
                raise
            with partial.open("rb") as file:
                os.fsync(file.fileno())
            partial.replace(path)
    finally:
        partial.unlink(missing_ok=True)


def require_folder(folder: Path) -> None:
    """Raise UserError if a folder in use has disappeared: files written now would end up outside its unmounted disk."""
    if not folder.is_dir():
        raise UserError(f"{folder}: disappeared while in use; check that its disk is mounted and run snakemake again")


@contextmanager
def errors_naming(path: Path) -> Iterator[None]:
    """Make an OSError name `path` if it names no file. Errors raised while writing do not."""
    try:
        yield
    except OSError as error:
        if error.errno is None or error.filename is not None:
            raise
        raise OSError(error.errno, os.strerror(error.errno), str(path)) from error


def _raise_write_error(partial: Path) -> None:
    """Raise the error that stopped a write. On a full disk, NumPy reports at most how much it could write."""
    with partial.open("ab") as file:
        file.write(bytes(1 << 16))


def _is_whole_array(path: Path) -> bool:
    """Return whether a NumPy file is as long as its header says. NumPy can lose the last 4 kB without an error."""
    import numpy as np  # slow to import, and the Snakefile imports this module

    try:
        np.load(path, mmap_mode="r", allow_pickle=False)
    except ValueError:
        return False
    return True


def process_exists(pid: int) -> bool:
    """Return whether this machine has a process with that id."""
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        pass
    return True


def write_text(path: Path, text: str) -> None:
    with atomic_write(path) as partial:
        partial.write_text(text, encoding="utf-8")


def write_json(path: Path, value: object) -> None:
    write_text(path, json.dumps(value, indent=1, ensure_ascii=False) + "\n")


def write_with_checksum(path: Path, value: dict) -> None:
    """Write a mapping as JSON with a checksum of its values, which `read_json` compares."""
    write_json(path, {**value, CHECKSUM: _checksum(value)})


def read_json(path: Path) -> dict:
    """Read a JSON file written by an earlier stage. Raises UserError if it is damaged or missing."""
    try:
        value = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise unreadable_result(path, error) from error
    if CHECKSUM in value and value.pop(CHECKSUM) != _checksum(value):
        raise UserError(f"{path}: damaged or edited: its checksum does not match; delete it and run snakemake again")
    return value


def unreadable_result(path: Path, error: Exception) -> UserError:
    """Return the error for an unreadable file of an earlier stage."""
    if isinstance(error, FileNotFoundError):
        return UserError(f"{path}: missing, or its disk is not mounted; run snakemake again")
    return unreadable(path, error, "delete it and run snakemake again")


def _checksum(value: dict) -> str:
    # Converted to JSON and back, as it will be read: JSON has no tuples, and its keys are strings.
    return digest(canonical_json(json.loads(json.dumps(value))))


def canonical_json(value: object) -> str:
    """Return `value` as JSON in its canonical form, which hashes and comparisons use."""
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
    """Return the hexadecimal digest of a file's content by one of hashlib's algorithms.

    A network disk that does not respond blocks for as long as its mount options say, so a slow read prints a notice.
    """
    notice = threading.Timer(SLOW, print, [f"{path}: still reading; waiting for its disk if that does not respond"])
    notice.daemon = True
    notice.start()
    try:
        with path.open("rb") as file:
            return hashlib.file_digest(file, algorithm).hexdigest()
    finally:
        notice.cancel()


def link_or_copy(source: Path, target: Path) -> None:
    """Make `target` a hard link to `source`, or a copy where links are not possible."""
    with atomic_write(target) as partial:
        try:
            os.link(source, partial)
        except OSError:
            shutil.copy2(source, partial)
