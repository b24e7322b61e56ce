"""Files that appear whole or not at all."""

import glob
import hashlib
import json
import os
import platform
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from trainsize.errors import UserError

SEAL = "checksum"  # the key under which a sealed file keeps its checksum


@contextmanager
def whole(path: Path) -> Iterator[Path]:
    """Give a temporary path beside `path`; on success it becomes `path` in one step, else it is removed.

    What processes of this machine have left there that were killed on their way is removed too.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    own = f".{path.name}.{platform.node()}-"
    for left in path.parent.glob(f"{glob.escape(own)}*.part"):
        if not lives(int(left.stem.removeprefix(own))):
            left.unlink(missing_ok=True)
    partial = path.with_name(f"{own}{os.getpid()}.part")
    try:
        yield partial
        with partial.open("rb") as file:
            os.fsync(file.fileno())
        partial.replace(path)
    finally:
        partial.unlink(missing_ok=True)


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
        raise UserError(f"{path}: cannot be read ({error}); delete it and run snakemake again") from error
    if SEAL in value and value.pop(SEAL) != _seal(value):
        raise UserError(f"{path}: damaged or edited, it differs from its checksum; delete it and run snakemake again")
    return value


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
    """Return the hexadecimal digest of a file's content by an algorithm that hashlib knows."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, algorithm).hexdigest()


def link(source: Path, target: Path) -> None:
    """Make `target` the same file as `source` (a hard link; a copy where links are not possible)."""
    with whole(target) as partial:
        try:
            os.link(source, partial)
        except OSError:
            shutil.copy2(source, partial)
