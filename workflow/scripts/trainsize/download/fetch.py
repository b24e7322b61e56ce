"""Official files from a mirror or their official addresses: verified, resumed, whole or not at all."""

import time
import urllib.request
from collections.abc import Callable, Iterable, Sequence
from http.client import HTTPException
from pathlib import Path
from urllib.parse import quote

from trainsize.common.errors import UserError
from trainsize.common.files import NO_ROOM, file_hash, naming
from trainsize.datasets.catalogue import File
from trainsize.download.unpack import PACKED, unpack

# Seconds to wait after each failed try; the last try is followed by giving up.
WAITS = (1.0, 2.0, 4.0, 8.0, 16.0)
TIMEOUT = 30.0
_CHUNK = 1 << 20
_PROGRESS_EVERY = 5.0


class NotThere(UserError):
    """None of the places has the file."""


def is_address(mirror: str) -> bool:
    return mirror.startswith(("http://", "https://"))


def obtain(file: File, mirror: str, cache: Path, waits: Sequence[float] = WAITS) -> Path:
    """Return where `file` lies, verified: in the mirror where that is a folder, else in `cache`, downloaded if need be.

    The mirror is tried first, then the official addresses. Raises NotThere saying what was tried, and UserError when a
    file is found that is not the right one.
    """
    kept = cache / file.path
    if mirror and not is_address(mirror):
        there = mirror_folder(mirror) / file.path
        if there.is_file():
            verify(there, file.checksum)
            print(f"{there}: found in the mirror, {file.checksum} verified", flush=True)
            return there
    if kept.is_file() and checksum(kept, file.checksum) == file.checksum:
        print(f"{kept}: downloaded before, {file.checksum} verified", flush=True)
        return kept
    addresses = [f"{mirror.rstrip('/')}/{quote(file.path)}"] if is_address(mirror) else []
    _download([*addresses, *file.urls], kept, file.checksum, waits, _looked(mirror))
    return kept


def lay_out(files: Iterable[File], mirror: str, cache: Path, root: Path, wanted: Callable[[str], bool]) -> None:
    """Put `files` under the folder `root` in their official layout (as links), and unpack those that are packed.

    Of archives only the `wanted` members are unpacked.
    """
    for file in files:
        members = [File(path, checksum) for path, checksum in file.holds] if mirror else []
        try:
            found = [obtain(member, mirror, cache) for member in members]
        except NotThere:
            members = []
        if members:
            for member, path in zip(members, found, strict=True):
                _link(path, root / member.path)
            continue
        path = root / file.path
        _link(obtain(file, mirror, cache), path)
        if path.name.endswith(PACKED):
            unpack(path, path.parent, wanted)


def _link(path: Path, place: Path) -> None:
    place.parent.mkdir(parents=True, exist_ok=True)
    place.symlink_to(path.resolve())


def mirror_folder(mirror: str) -> Path:
    """Return the folder `mirror` names. Raises UserError when there is none."""
    folder = Path(mirror).expanduser()
    if not folder.is_dir():
        raise UserError(f"data.mirror: found '{mirror}', which is neither a folder here nor an http address")
    return folder


def _looked(mirror: str) -> list[str]:
    return [f"{mirror}: it is not there"] if mirror and not is_address(mirror) else []


def checksum(path: Path, like: str) -> str:
    """Return the file's checksum, by the algorithm of the checksum `like`."""
    algorithm = like.split(":")[0]
    return f"{algorithm}:{file_hash(path, algorithm)}"


def verify(path: Path, expected: str) -> None:
    """Raise UserError unless the file has the expected checksum."""
    found = checksum(path, expected)
    if found != expected:
        size = path.stat().st_size
        raise UserError(
            f"{path}: the checksum is {found}, expected {expected}; the file ({size:,} bytes) is damaged, cut off or "
            "another version, and is not used"
        )


def _download(addresses: list[str], target: Path, expected: str, waits: Sequence[float], tried: list[str]) -> None:
    """Download `target` from the first address that has it. What was received stays beside it for the next try."""
    target.parent.mkdir(parents=True, exist_ok=True)
    for address in addresses:
        try:
            _download_from(address, target, expected, waits)
            return
        except OSError as error:
            if error.errno in NO_ROOM:
                raise
            tried.append(f"{address}: {error}")
    if not addresses:
        tried.append("there is no official address for this file in this form")
    raise NotThere(
        "\n  ".join([f"{target.name}: cannot be had:", *tried])
        + "\na folder or http address that holds it can be named: data.mirror in config.yaml, or TRAINSIZE_MIRROR"
    )


def _download_from(address: str, target: Path, expected: str, waits: Sequence[float]) -> None:
    """Download with retries. Raises OSError when the address does not give the file, UserError when it is another."""
    partial = target.with_name(f"{target.name}.part")
    for wait in (*waits, None):
        resumed = partial.exists()
        try:
            _receive(address, partial)
        except (OSError, HTTPException) as error:
            if getattr(error, "errno", None) in NO_ROOM:
                raise
            refused = isinstance(error, urllib.error.HTTPError) and error.code < 500 and error.code not in (408, 429)
            if refused or wait is None:
                raise OSError(str(error)) from error
            print(f"{address}: {error}; trying again in {wait:g} s", flush=True)
            time.sleep(wait)
            continue
        try:
            verify(partial, expected)
        except UserError as error:
            partial.unlink()
            if resumed and wait is not None:
                print(f"{address}: what was resumed does not fit together; starting again", flush=True)
                continue
            raise UserError(f"{address}: {error}") from error
        partial.replace(target)
        print(f"{target}: downloaded from {address}, {expected} verified", flush=True)
        return


def _receive(address: str, partial: Path) -> None:
    """Append to `partial` what it lacks; from a server that cannot resume, everything anew.

    Raises OSError or HTTPException when the connection ends early, and keeps what came.
    """
    start = partial.stat().st_size if partial.exists() else 0
    headers = {"User-Agent": "trainsize", **({"Range": f"bytes={start}-"} if start else {})}
    try:
        response = urllib.request.urlopen(urllib.request.Request(address, headers=headers), timeout=TIMEOUT)
    except urllib.error.HTTPError as error:
        if error.code == 416:  # there is nothing after `start`: the checksum tells whether the file is whole
            return
        raise
    with response:
        start = start if response.status == 206 else 0
        length = response.headers.get("Content-Length")
        size = start + int(length) if length else None
        with partial.open("ab" if start else "wb") as file:
            _copy(response, file, address, start, size)
        if size is not None and partial.stat().st_size < size:
            raise OSError(f"the connection ended after {partial.stat().st_size:,} of {size:,} bytes")


def _copy(response, file, address: str, start: int, size: int | None) -> None:
    of = f" of {size / 1e6:,.1f}" if size else ""
    began, told, done = time.monotonic(), time.monotonic(), start
    print(f"{address}: {f'going on at {start / 1e6:,.1f}' if start else '0.0'}{of} MB", flush=True)
    while chunk := response.read(_CHUNK):
        with naming(Path(file.name)):
            file.write(chunk)
        done += len(chunk)
        if time.monotonic() - told > _PROGRESS_EVERY:
            told = time.monotonic()
            print(f"  {done / 1e6:,.1f}{of} MB, {(done - start) / 1e6 / (told - began):,.1f} MB/s", flush=True)
