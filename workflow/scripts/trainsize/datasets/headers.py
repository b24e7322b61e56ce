"""Reading the headers of arrays in IDX and .npz files: shapes and types, without NumPy, which is slow to import."""

import ast
import gzip
import math
import struct
import zipfile
import zlib
from pathlib import Path
from typing import BinaryIO

from trainsize.common.errors import UserError
from trainsize.datasets.arrays import Header

_IDX_UINT8 = 8
_MOST_BYTES = 10**12  # of an IDX file
_LONGEST_HEADER = 10_000  # bytes of an array's header; NumPy has the same limit


def open_idx(path: Path) -> BinaryIO:
    return gzip.open(path) if path.suffix == ".gz" else path.open("rb")


def idx_header(path: Path) -> Header:
    """Return the shape of the array of bytes in an IDX file, gzipped or not. Raises UserError if it is not one."""
    try:
        with open_idx(path) as file:
            return Header(read_idx_header(file))
    except (OSError, EOFError, ValueError, struct.error, zlib.error) as error:
        raise UserError(f"{path}: not an IDX file of bytes ({error})") from error


def read_idx_header(file: BinaryIO) -> tuple[int, ...]:
    """Read the header at the start of `file`: two zeros, the type, the number of dimensions, and each as 4 bytes."""
    zeros, kind, dimensions = struct.unpack(">HBB", file.read(4))
    if zeros or kind != _IDX_UINT8:
        raise ValueError(f"it starts with {zeros:#06x} and type {kind:#04x}, expected 0x0000 and type 0x08")
    shape = struct.unpack(f">{dimensions}I", file.read(4 * dimensions))
    if math.prod(shape) > _MOST_BYTES:
        raise ValueError(f"its header states {math.prod(shape):.0e} bytes")
    return shape


def npz_headers(path: Path) -> dict[str, Header]:
    """Return the shape and type of every array in a .npz file by name. Raises UserError if it is not one."""
    try:
        with zipfile.ZipFile(path) as archive:
            return {name.removesuffix(".npy"): _npy_header(archive, name) for name in archive.namelist()}
    # A damaged archive or header can raise any of a dozen exceptions.
    except Exception as error:
        raise UserError(f"{path}: not an .npz file of arrays ({error})") from error


def _npy_header(archive: zipfile.ZipFile, name: str) -> Header:
    with archive.open(name) as file:
        magic, major, _ = struct.unpack("<6sBB", file.read(8))
        if magic != b"\x93NUMPY":
            raise ValueError(f"'{name}' is not an array")
        (length,) = struct.unpack(*(("<H", file.read(2)) if major == 1 else ("<I", file.read(4))))
        if length > _LONGEST_HEADER:
            raise ValueError(f"the header of '{name}' has {length:,} bytes")
        header = ast.literal_eval(file.read(length).decode("latin-1"))
        shape, kind = header["shape"], header["descr"]
        if not isinstance(shape, tuple) or not all(type(side) is int and side >= 0 for side in shape):
            raise ValueError(f"the shape of '{name}' is {shape}")
        return Header(shape, kind if isinstance(kind, str) else "|V")  # a table of several fields has a list
