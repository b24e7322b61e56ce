"""Unpacking archives from elsewhere: nothing is written outside the target, and no links are made."""

import gzip
import shutil
import stat
import tarfile
import zipfile
import zlib
from collections.abc import Callable
from pathlib import Path, PurePosixPath

from trainsize.errors import UserError

PACKED = (".zip", ".tar", ".tar.gz", ".tgz", ".gz")


def unpack(archive: Path, target: Path, wanted: Callable[[str], bool] = lambda name: True) -> None:
    """Unpack the `wanted` members of a zip or tar archive into the folder `target`, or one .gz file to a file in it.

    Raises UserError when the archive is damaged, or holds a link, a device, or a path that leads out of `target`; what
    was unpacked before is left to the caller, who unpacks into a folder of its own.
    """
    target.mkdir(parents=True, exist_ok=True)
    try:
        if archive.suffix == ".zip":
            _unpack_zip(archive, target, wanted)
        elif archive.name.endswith((".tar", ".tar.gz", ".tgz")):
            _unpack_tar(archive, target, wanted)
        else:
            with gzip.open(archive) as packed, (target / archive.stem).open("wb") as file:
                shutil.copyfileobj(packed, file, 1 << 20)
    except (zipfile.BadZipFile, tarfile.TarError, zlib.error, EOFError, gzip.BadGzipFile) as error:
        raise UserError(f"{archive}: cannot be unpacked, it is damaged or cut off ({error})") from error


def _unpack_zip(archive: Path, target: Path, wanted: Callable[[str], bool]) -> None:
    with zipfile.ZipFile(archive) as packed:
        for member in packed.infolist():
            mode = member.external_attr >> 16
            _refuse(archive, member.filename, not (stat.S_IFMT(mode) == 0 or stat.S_ISREG(mode) or stat.S_ISDIR(mode)))
            if wanted(member.filename):
                packed.extract(member, target)


def _unpack_tar(archive: Path, target: Path, wanted: Callable[[str], bool]) -> None:
    with tarfile.open(archive) as packed:
        for member in packed:
            _refuse(archive, member.name, not (member.isreg() or member.isdir()))
            if wanted(member.name):
                packed.extract(member, target, filter="data")


def _refuse(archive: Path, name: str, special: bool) -> None:
    path = PurePosixPath(name.replace("\\", "/"))
    if path.is_absolute() or ".." in path.parts or ":" in path.parts[:1]:
        raise UserError(f"{archive}: not unpacked, its member '{name}' leads out of the folder")
    if special:
        raise UserError(f"{archive}: not unpacked, its member '{name}' is a link or a device")
