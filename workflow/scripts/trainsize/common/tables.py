"""The tables the workflow writes. The Parquet files themselves hold the columns' types, units and meanings."""

import json
from dataclasses import dataclass
from pathlib import Path

import pandas as pd
import pyarrow as pa
from pyarrow import parquet

from trainsize.common.errors import UserError
from trainsize.common.files import atomic_write, digest, unreadable_result

# Every page has a checksum, which is verified on reading.
PARQUET_OPTIONS = {"compression": "zstd", "write_page_checksum": True}
INT, REAL, TEXT, FLAG = pa.int64(), pa.float64(), pa.string(), pa.bool_()


@dataclass(frozen=True)
class Column:
    name: str
    type: pa.DataType
    meaning: str
    unit: str = ""


@dataclass(frozen=True)
class Table:
    """A kind of table: its path below `results/{study}/`, what one row is, and its columns."""

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
    """Write `data`, which must have exactly the table's columns, as Parquet, with `notes` in the file's metadata."""
    schema = with_file_metadata(table.schema, path, notes)
    frame = pd.DataFrame(data)
    if set(frame.columns) != set(schema.names):
        raise ValueError(f"{path}: columns {sorted(frame.columns)}, expected {sorted(schema.names)}")
    # pandas chooses its own type for a column without rows, which may not convert to the table's.
    empty = schema.empty_table()
    arrow = pa.Table.from_pandas(frame[schema.names], schema=schema, preserve_index=False) if len(frame) else empty
    with atomic_write(path) as partial:
        parquet.write_table(arrow.replace_schema_metadata(schema.metadata), partial, **PARQUET_OPTIONS)


def with_file_metadata(schema: pa.Schema, path: Path, notes: dict | None = None) -> pa.Schema:
    """Return the schema with `notes` and with the metadata by which `read_table` detects damage and swapped files."""
    notes = json.dumps(notes or {}, sort_keys=True)
    return schema.with_metadata({"place": _origin(path), "notes": notes, "head": _head(schema, notes)})


def _origin(path: Path) -> str:
    # A run's files have two paths, one of them in the folder `state` of the other.
    return "/".join([part for part in path.absolute().parts if part != "state"][-3:])


def _head(schema: pa.Schema, notes: str) -> str:
    """Return the checksum of the parts that page checksums do not cover: column names, column types and notes."""
    return digest(*(f"{field.name}:{field.type}" for field in schema), notes)


def read_arrow(path: Path, source: bytes | None = None, columns: list[str] | None = None) -> pa.Table:
    """Read the `columns` of a table, or all of them, from its file or from the file's bytes (`source`).

    Raises UserError naming the file if it is missing, or damaged according to its page checksums.
    """
    try:
        file = path if source is None else pa.BufferReader(source)
        return parquet.ParquetFile(file, page_checksum_verification=True).read(columns)
    except (OSError, ValueError, pa.ArrowException) as error:
        raise unreadable_result(path, error) from error


def read_table(path: Path) -> pd.DataFrame:
    """Read a table. Raises UserError naming the file if it is missing, damaged or another file's table."""
    return _read_verified(path)[0].to_pandas()


def read_notes(path: Path) -> dict:
    """Return the notes that `write_table` stored in the file. Raises UserError as `read_table` does."""
    return _read_verified(path)[1]


def _read_verified(path: Path) -> tuple[pa.Table, dict]:
    table = read_arrow(path)
    origin, notes, head = (
        (table.schema.metadata or {}).get(key, b"").decode(errors="replace") for key in (b"place", b"notes", b"head")
    )
    if head != _head(table.schema, notes):
        raise UserError(f"{path}: damaged; delete it and run snakemake again")
    if origin != _origin(path):
        raise UserError(f"{path}: swapped with another file, written as {origin}; delete it and run snakemake again")
    return table, json.loads(notes)
