"""The tables the workflow writes: their columns, types, units and meanings, kept in the Parquet files themselves."""

import json
from dataclasses import dataclass
from pathlib import Path

import pandas as pd
import pyarrow as pa
from pyarrow import parquet

from trainsize.common.errors import UserError
from trainsize.common.files import digest, unreadable, whole

# Every page has a checksum, which is compared when it is read.
WRITING = {"compression": "zstd", "write_page_checksum": True}
INT, REAL, TEXT, FLAG = pa.int64(), pa.float64(), pa.string(), pa.bool_()


@dataclass(frozen=True)
class Column:
    name: str
    type: pa.DataType
    meaning: str
    unit: str = ""


@dataclass(frozen=True)
class Table:
    """A kind of table: where it lies in `results/{study}/`, one line on what a row is, and its columns."""

    path: str
    row: str
    columns: tuple[Column, ...]

    @property
    def schema(self) -> pa.Schema:
        return pa.schema(
            pa.field(c.name, c.type, metadata={"description": c.meaning} | ({"unit": c.unit} if c.unit else {}))
            for c in self.columns
        )


def write_table(path: Path, table: Table, data: pd.DataFrame | dict, notes: dict | None = None) -> None:
    """Write `data`, which must have exactly the table's columns, as Parquet; `notes` go into the file's metadata."""
    schema = placed(table.schema, path, notes)
    frame = pd.DataFrame(data)
    if set(frame.columns) != set(schema.names):
        raise ValueError(f"{path}: columns {sorted(frame.columns)}, expected {sorted(schema.names)}")
    # pandas gives a column without rows a type of its own, which need not turn into the table's.
    empty = schema.empty_table()
    arrow = pa.Table.from_pandas(frame[schema.names], schema=schema, preserve_index=False) if len(frame) else empty
    with whole(path) as partial:
        parquet.write_table(arrow.replace_schema_metadata(schema.metadata), partial, **WRITING)


def placed(schema: pa.Schema, path: Path, notes: dict | None = None) -> pa.Schema:
    """Return the schema with metadata by which `read_table` knows a damaged head and an exchanged file, and `notes`."""
    notes = json.dumps(notes or {}, sort_keys=True)
    return schema.with_metadata({"place": _place(path), "notes": notes, "head": _head(schema, notes)})


def _place(path: Path) -> str:
    # A run's files have two places, of which one is below the other.
    return "/".join([part for part in path.absolute().parts if part != "state"][-3:])


def _head(schema: pa.Schema, notes: str) -> str:
    """Return the checksum of what the pages' checksums leave out: the names and types of columns, and the notes."""
    return digest(*(f"{field.name}:{field.type}" for field in schema), notes)


def read_arrow(path: Path, source: bytes | None = None, columns: list[str] | None = None) -> pa.Table:
    """Read the `columns` of a table, or all, from the file or, where that has been read, its bytes.

    Raises UserError naming a file that is missing or damaged, which the checksums of its pages tell.
    """
    try:
        file = path if source is None else pa.BufferReader(source)
        return parquet.ParquetFile(file, page_checksum_verification=True).read(columns)
    except (OSError, ValueError, pa.ArrowException) as error:
        raise unreadable(path, error) from error


def read_table(path: Path) -> pd.DataFrame:
    """Read a table. Raises UserError naming a file that is missing, damaged, or a table written as another one."""
    return _read_placed(path)[0].to_pandas()


def read_notes(path: Path) -> dict:
    """Return the notes that `write_table` put into the file. Raises UserError as `read_table` does."""
    return _read_placed(path)[1]


def _read_placed(path: Path) -> tuple[pa.Table, dict]:
    table = read_arrow(path)
    place, notes, head = (
        (table.schema.metadata or {}).get(key, b"").decode(errors="replace") for key in (b"place", b"notes", b"head")
    )
    if head != _head(table.schema, notes):
        raise UserError(f"{path}: damaged; delete it and run snakemake again")
    if place != _place(path):
        raise UserError(f"{path}: exchanged, it was written as {place}; delete it and run snakemake again")
    return table, json.loads(notes)
