"""The cells of a delimited text file: its encoding, compression and separator are recognised."""

import bz2
import codecs
import csv
import gzip
import io
import lzma
import re
import zlib
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

from trainsize.common.errors import UserError, absent, listing, short_path, unreadable
from trainsize.sheets.numbers import MOST_NAMED

SEPARATORS = (",", ";", "\t")
_MARKS = {
    codecs.BOM_UTF8: "utf-8-sig",
    codecs.BOM_UTF16_LE: "utf-16",
    codecs.BOM_UTF16_BE: "utf-16",
}  # the bytes with which some programs begin a text
_PACKED = {b"\x1f\x8b": gzip.decompress, b"BZh": bz2.decompress, b"\xfd7zXZ": lzma.decompress}
_OTHER_FORMS = {
    b"PK\x03\x04": "a ZIP archive or an Excel workbook",
    b"\xd0\xcf\x11\xe0": "an Excel workbook",
    b"PAR1": "Parquet",
    b"\x28\xb5\x2f\xfd": "compressed by zstd",
}
_STATED = re.compile(r"\Asep=([,;\t])\r?\n")  # a first line that Excel writes and reads


@dataclass(frozen=True)
class Grid:
    """The header of a file and its filled rows, all of the header's length, with the line on which each begins."""

    name: str
    separator: str
    header: list[str]
    rows: list[list[str]]
    lines: list[int]


def read_grid(path: Path) -> Grid:
    """Read the cells of a text file, as they are written but for spaces around them.

    Commas, semicolons and tabs separate; UTF-8, UTF-16 and Windows-1252 (which contains Latin-1) are read, and gzip,
    bzip2 and xz unpacked. Raises UserError, naming the lines, for rows that are not as long as the header.
    """
    name = str(short_path(path))
    text = _text(path, name)
    stated = _STATED.match(text)
    text = _STATED.sub(r"\n", text)
    try:
        separator = stated[1] if stated else _separator(text)
        lines = dict(_filled_lines(text, separator))
    except csv.Error as error:
        raise unreadable(name, error, form="CSV") from None
    if len(lines) < 2:
        raise UserError(f"{name}: has {'a header but no rows' if lines else 'no rows'}")
    header, *rows = ([" ".join(cell.split()) for cell in cells] for cells in lines.values())
    return _even(Grid(name, separator, header, rows, list(lines)[1:]))


def _text(path: Path, name: str) -> str:
    try:
        data = path.read_bytes()
        for mark, unpack in _PACKED.items():
            data = unpack(data) if data.startswith(mark) else data
    except FileNotFoundError:
        raise UserError(f"{name}: {absent(path)}") from None
    except (OSError, EOFError, ValueError, zlib.error, lzma.LZMAError) as error:
        raise unreadable(name, error) from None
    for mark, form in _OTHER_FORMS.items():
        if data.startswith(mark):
            raise UserError(f"{name}: is {form}, not text; save it as CSV")
    encoding = next((encoding for mark, encoding in _MARKS.items() if data.startswith(mark)), None)
    try:
        text = data.decode(encoding or "utf-8")
    except UnicodeDecodeError as error:
        if encoding:
            raise unreadable(name, error, form="CSV") from None
        text = data.decode("cp1252", errors="replace")
    if "\0" in text:
        raise UserError(f"{name}: is not text, or in an unknown encoding; save it as CSV in UTF-8")
    return text


def _separator(text: str) -> str:
    """Return the separator that splits the header into most columns; the comma if none does."""
    header = next((line for line in text.splitlines() if line.strip()), "")
    return max(SEPARATORS, key=lambda separator: len(next(csv.reader([header], delimiter=separator), [])))


def _filled_lines(text: str, separator: str) -> Iterator[tuple[int, list[str]]]:
    """Yield the first line and the cells of each row that is not empty; a cell may span several lines."""
    reader = csv.reader(
        io.StringIO(text, newline=""), delimiter=separator, skipinitialspace=separator != "\t", strict=True
    )
    begin = 1
    for cells in reader:
        if any(map(str.strip, cells)):
            yield begin, cells
        begin = reader.line_num + 1


def _even(grid: Grid) -> Grid:
    """Return the grid without empty fields at the ends. Raises UserError for rows that still differ from the header."""
    width = len(grid.header)
    filled = [max((i + 1 for i, cell in enumerate(row) if cell), default=0) for row in (grid.header, *grid.rows)]
    if max(filled) < width:  # separators at the end of the header and of the rows
        width = max(filled)
    rows = [row[: max(width, used)] for row, used in zip(grid.rows, filled[1:], strict=True)]
    uneven = [(line, len(row)) for line, row in zip(grid.lines, rows, strict=True) if len(row) != width]
    if uneven:
        found = listing((f"line {line} has {length}" for line, length in uneven), MOST_NAMED)
        raise UserError(f"{grid.name}: {found} fields, but the header has {width}; {_way_out(grid, uneven, width)}")
    return replace(grid, header=grid.header[:width], rows=rows)


def _way_out(grid: Grid, uneven: list[tuple[int, int]], width: int) -> str:
    if grid.separator == "," and all(length > width for _, length in uneven):
        return "decimal commas? Save with semicolons between the fields, or write decimals with a point"
    return "give every row a field for each column, empty where there is nothing"
