"""Fetching official files from a mirror or their official addresses. Downloads are resumed and verified."""

import time
import urllib.request
from collections.abc import Callable, Iterable, Sequence
from http.client import HTTPException
from pathlib import Path
from urllib.parse import quote

from trainsize.common.errors import UserError, why
from trainsize.common.files import WRITE_ERRORS, errors_naming, file_hash
from trainsize.datasets.catalogue import File
from trainsize.datasets.sources import is_address, mirror_folder
from trainsize.download.unpack import PACKED, unpack

# Seconds to wait after each failed attempt. There is one more attempt after the last wait.
WAITS = (1.0, 2.0, 4.0, 8.0, 16.0)
TIMEOUT = 30.0
_CHUNK = 1 << 20
_PROGRESS_EVERY = 5.0


class Unavailable(UserError):
    """No mirror or address has the file."""


def obtain(file: File, mirror: str, cache: Path, waits: Sequence[float] = WAITS) -> Path:
    """Return the path of the verified `file`: in the mirror if that is a folder, else downloaded to `cache`.

    The mirror is tried first, then the official addresses. Raises Unavailable listing what was tried, and UserError if
    a file has the wrong checksum.
    """
    cached = cache / file.path
    if mirror and not is_address(mirror):
        mirrored = mirror_folder(mirror) / file.path
        if mirrored.is_file():
            verify(mirrored, file.checksum)
            print(f"{mirrored}: found in the mirror, {file.checksum} verified", flush=True)
            return mirrored
    if cached.is_file() and checksum(cached, file.checksum) == file.checksum:
        print(f"{cached}: already downloaded, {file.checksum} verified", flush=True)
        return cached
    addresses = [f"{mirror.rstrip('/')}/{quote(file.path)}"] if is_address(mirror) else []
    tried = [f"{mirror}: not in this folder"] if mirror and not addresses else []
    _download([*addresses, *file.urls], cached, file.checksum, waits, tried)
    return cached


def lay_out(files: Iterable[File], mirror: str, cache: Path, root: Path, wanted: Callable[[str], bool]) -> None:
    """Link `files` into the folder `root` in their official layout, and unpack archives.

    Only the `wanted` members of archives are unpacked.
    """
    for file in files:
        members = [File(path, checksum) for path, checksum in file.holds] if mirror else []
        try:
            paths = [obtain(member, mirror, cache) for member in members]
        except Unavailable:
            members = []
        if members:
            for member, path in zip(members, paths, strict=True):
                _link(path, root / member.path)
            continue
        path = root / file.path
        _link(obtain(file, mirror, cache), path)
        if path.name.endswith(PACKED):
            unpack(path, path.parent, wanted)


def _link(path: Path, link: Path) -> None:
    link.parent.mkdir(parents=True, exist_ok=True)
    link.symlink_to(path.resolve())


def checksum(path: Path, like: str) -> str:
    """Return the file's checksum in the form of `like`: "md5:…" or "sha256:…"."""
    algorithm = like.split(":")[0]
    return f"{algorithm}:{file_hash(path, algorithm)}"


def verify(path: Path, expected: str) -> None:
    """Raise UserError unless the file has the expected checksum."""
    found = checksum(path, expected)
    if found != expected:
        size = path.stat().st_size
        raise UserError(
            f"{path}: the checksum is {found}, expected {expected}; the file ({size:,} bytes) is damaged, cut off or "
            "a different version, and is not used"
        )


def _download(addresses: list[str], target: Path, expected: str, waits: Sequence[float], tried: list[str]) -> None:
    """Download `target` from the first address that has it. Partial downloads are kept for the next attempt."""
    target.parent.mkdir(parents=True, exist_ok=True)
    for address in addresses:
        try:
            _download_from(address, target, expected, waits)
            return
        except OSError as error:
            if error.errno in WRITE_ERRORS:
                raise
            tried.append(f"{address}: {error}")
    if not addresses:
        tried.append("this file has no official address in this form")
    raise Unavailable(
        "\n  ".join([f"{target.name}: not available:", *tried])
        + "\nTo use a folder or http address that has it, set data.mirror in config.yaml or TRAINSIZE_MIRROR."
    )


def _download_from(address: str, target: Path, expected: str, waits: Sequence[float]) -> None:
    """Download with retries. Raises OSError if the address does not provide the file, UserError if it is wrong."""
    partial = target.with_name(f"{target.name}.part")
    for wait in (*waits, None):
        resumed = partial.exists()
        try:
            _receive(address, partial)
        except (OSError, HTTPException) as error:
            if getattr(error, "errno", None) in WRITE_ERRORS:
                raise
            refused = isinstance(error, urllib.error.HTTPError) and error.code < 500 and error.code not in (408, 429)
            if refused or wait is None:
                raise OSError(_reason(error)) from error
            print(f"{address}: {_reason(error)}; retrying in {wait:g} s", flush=True)
            time.sleep(wait)
            continue
        try:
            verify(partial, expected)
        except UserError as error:
            partial.unlink()
            if resumed and wait is not None:
                print(f"{address}: the resumed download has a wrong checksum; starting again", flush=True)
                continue
            raise UserError(f"{address}: {error}") from error
        partial.replace(target)
        print(f"{target}: downloaded from {address}, {expected} verified", flush=True)
        return


def _reason(error: Exception) -> str:
    """Return why a download failed, without the names that Python gives to errors."""
    cause = getattr(error, "reason", None)
    return why(cause if isinstance(cause, Exception) else error)


def _receive(address: str, partial: Path) -> None:
    """Append the missing rest to `partial`, or download everything again if the server cannot resume.

    Raises OSError or HTTPException if the connection ends early, and keeps what was received.
    """
    start = partial.stat().st_size if partial.exists() else 0
    headers = {"User-Agent": "trainsize", **({"Range": f"bytes={start}-"} if start else {})}
    try:
        response = urllib.request.urlopen(urllib.request.Request(address, headers=headers), timeout=TIMEOUT)
    except urllib.error.HTTPError as error:
        if error.code == 416:  # nothing after `start`: the checksum shows whether the file is complete
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
    began, reported, done = time.monotonic(), time.monotonic(), start
    print(f"{address}: {f'resuming at {start / 1e6:,.1f}' if start else '0.0'}{of} MB", flush=True)
    while chunk := response.read(_CHUNK):
        with errors_naming(Path(file.name)):
            file.write(chunk)
        done += len(chunk)
        if time.monotonic() - reported > _PROGRESS_EVERY:
            reported = time.monotonic()
            print(f"  {done / 1e6:,.1f}{of} MB, {(done - start) / 1e6 / (reported - began):,.1f} MB/s", flush=True)
