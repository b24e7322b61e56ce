"""The cells of a Parquet table's column of images: the bytes of an image file, or what else was found in them."""

from collections.abc import Sequence
from itertools import accumulate
from pathlib import Path

from pyarrow import parquet

from trainsize.common.errors import UserError
from trainsize.common.yaml_files import shortened

EXPECTED = "expected the bytes of an image file (PNG, JPEG, ...) in each row, or {bytes, path} with such bytes"


def encoded(cell: object, place: str) -> bytes:
    """Return the bytes of an image file in a cell: bytes, or {bytes, path} as Hugging Face stores them.

    Raises UserError saying what is in the cell instead. A text is never opened as a path.
    """
    content = cell.get("bytes") if isinstance(cell, dict) else cell
    if isinstance(content, bytes):
        return content
    raise UserError(f"{place}: holds {_described(cell)}, {EXPECTED}{_advice(cell)}")


def _described(cell: object) -> str:
    match cell:
        case None:
            return "nothing"
        case {"path": str(path)}:
            return f"only the path '{shortened(path)}' of an image"
        case dict():
            return f"{{{', '.join(map(str, cell))}}} without bytes"
        case str():
            return f"the text '{shortened(cell)}'"
        case list():
            return f"a list of {len(cell):,}{_inner(cell)}"
        case _:
            return f"'{shortened(str(cell))}'"


def _inner(cell: list) -> str:
    """Return the lengths of nested lists, such as " × 28 × 3 numbers"."""
    lengths = ""
    while cell and isinstance(cell[0], list):
        cell = cell[0]
        lengths += f" × {len(cell):,}"
    return f"{lengths} numbers" if cell and isinstance(cell[0], (int, float)) else f"{lengths} values"


def _advice(cell: object) -> str:
    match cell:
        case str() | {"path": str()}:
            return "; write the files' bytes into the table, or use the files themselves with the format folder"
        case list():
            return "; for arrays of pixels, use the format npz or idx"
    return ""


def row_places(paths: Sequence[Path], column: str) -> "RowPlaces":
    """Return the places of the rows of several tables that are read one after another."""
    return RowPlaces(paths, [0, *accumulate(parquet.read_metadata(path).num_rows for path in paths)], column)


class RowPlaces:
    """The file, the row in it (from 1) and the column of a row counted over all files (from 0)."""

    def __init__(self, paths: Sequence[Path], starts: Sequence[int], column: str):
        self.paths, self.starts, self.column = paths, starts, column

    def __call__(self, row: int) -> str:
        file = max(i for i, start in enumerate(self.starts[:-1]) if start <= row)
        return f"{self.paths[file]}, row {row - self.starts[file] + 1}, column '{self.column}'"
