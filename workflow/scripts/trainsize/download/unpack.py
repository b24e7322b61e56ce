"""Unpacking downloaded archives safely: nothing is written outside the target, and the size is limited."""

import gzip
import stat
import tarfile
import zipfile
import zlib
from collections.abc import Callable
from pathlib import Path, PurePosixPath

from trainsize.common.errors import UserError
from trainsize.common.files import errors_naming

PACKED = (".zip", ".tar", ".tar.gz", ".tgz", ".gz")
# Limits of an archive. Images compress to a third at best and labels to a hundredth; zip bombs to a thousandth.
MOST_MEMBERS = 10_000_000
MOST_TIMES, ALWAYS_ALLOWED_BYTES = 200, 100_000_000
_CHUNK = 1 << 20


def unpack(archive: Path, target: Path, wanted: Callable[[str], bool] = lambda name: True) -> None:
    """Unpack the `wanted` members of a zip or tar archive into the folder `target`, or one .gz file to a file in it.

    Raises UserError if the archive is damaged, contains a link, a device or a path outside `target`, or is many times
    larger when unpacked. Members unpacked before the error stay: the caller must use a folder of its own.
    """
    target.mkdir(parents=True, exist_ok=True)
    quota = _Quota(archive)
    try:
        with errors_naming(target):
            if archive.suffix == ".zip":
                _unpack_zip(archive, target, wanted, quota)
            elif archive.name.endswith((".tar", ".tar.gz", ".tgz")):
                _unpack_tar(archive, target, wanted, quota)
            else:
                with gzip.open(archive) as packed, (target / archive.stem).open("wb") as file:
                    while chunk := packed.read(_CHUNK):
                        quota.take(len(chunk))
                        file.write(chunk)
    except (zipfile.BadZipFile, tarfile.TarError, zlib.error, EOFError, gzip.BadGzipFile) as error:
        raise UserError(f"{archive}: cannot be unpacked: it is damaged or cut off ({error})") from error


class _Quota:
    """How much may still be unpacked from an archive. Stated sizes can be trusted, because readers stop there."""

    def __init__(self, archive: Path):
        self.archive, self.members = archive, 0
        self.left = max(MOST_TIMES * archive.stat().st_size, ALWAYS_ALLOWED_BYTES)

    def take(self, count: int) -> None:
        """Count a member, or part of one, of `count` bytes. Raises UserError if the limit is exceeded."""
        self.left, self.members = self.left - count, self.members + 1
        if self.left < 0 or self.members > MOST_MEMBERS:
            raise UserError(
                f"{self.archive}: not unpacked: it holds more than {MOST_TIMES} times its own size, or more than "
                f"{MOST_MEMBERS:,} files"
            )


def _unpack_zip(archive: Path, target: Path, wanted: Callable[[str], bool], quota: _Quota) -> None:
    with zipfile.ZipFile(archive) as packed:
        for member in packed.infolist():
            quota.take(member.file_size)
            mode = member.external_attr >> 16
            _check_member(
                archive, member.filename, not (stat.S_IFMT(mode) == 0 or stat.S_ISREG(mode) or stat.S_ISDIR(mode))
            )
            if wanted(member.filename):
                packed.extract(member, target)


def _unpack_tar(archive: Path, target: Path, wanted: Callable[[str], bool], quota: _Quota) -> None:
    with tarfile.open(archive) as packed:
        for member in packed:
            quota.take(member.size)
            _check_member(archive, member.name, not (member.isreg() or member.isdir()))
            if wanted(member.name):
                packed.extract(member, target, filter="data")


def _check_member(archive: Path, name: str, special: bool) -> None:
    """Raise UserError for a member that leads out of the folder or is `special`: neither a file nor a folder."""
    path = PurePosixPath(name.replace("\\", "/"))
    if path.is_absolute() or ".." in path.parts or ":" in path.parts[:1]:
        raise UserError(f"{archive}: not unpacked: its member '{name}' would be written outside the folder")
    if special:
        raise UserError(f"{archive}: not unpacked: its member '{name}' is a link or a device")
