"""The rows of the tables of the stage, as they are collected."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import pandas as pd

from trainsize.curves.curve import Response, clean
from trainsize.regressions.tables import REGRESSIONS

_COLUMNS = {name: {column.name for column in table.columns} for name, table in REGRESSIONS.items()}


@dataclass(frozen=True)
class Coordinates:
    """The model, split and metric of a curve."""

    model: str
    split: str
    metric: str


@dataclass(frozen=True)
class Counts:
    """How many sizes and runs are behind a fit, and in words which runs are not."""

    n_sizes: int
    n_runs: int
    runs_left_out: str


@dataclass(frozen=True)
class Subject:
    """What is analysed: a response of one model, and the model's runs that have a possible value of it.

    `question` is what is odd about the repetitions, if anything; `runs` then holds the mean of each size as one run.
    """

    model: str
    response: Response
    runs: pd.DataFrame
    left_out: str
    question: str = ""

    @property
    def coordinates(self) -> Coordinates:
        return Coordinates(self.model, self.response.split, self.response.metric.name)

    @property
    def counts(self) -> Counts:
        return Counts(self.runs["n"].nunique(), len(self.runs), self.left_out)


def subject_of(runs: pd.DataFrame, model: str, response: Response) -> Subject:
    """Return the subject of a model and response, of the runs of all models."""
    return Subject(model, response, *clean(runs[runs["model"] == model], response.column, response.metric.kind))


@dataclass
class Rows:
    """The rows of each table by its name in REGRESSIONS, and the texts of statsmodels' summaries."""

    tables: dict[str, list[dict[str, Any]]] = field(default_factory=lambda: {name: [] for name in REGRESSIONS})
    summaries: list[str] = field(default_factory=list)

    def add(self, table: str, *parts: Any, **columns: Any) -> None:
        """Add a row to a table, of the fields of dataclasses, of mappings and of columns by name.

        Raises ValueError for a column that the table does not have.
        """
        row: dict[str, Any] = {}
        for part in (*parts, columns):
            row |= part if isinstance(part, Mapping) else vars(part)
        unknown = row.keys() - _COLUMNS[table]
        if unknown:
            raise ValueError(f"table '{table}' has no column {', '.join(sorted(unknown))}")
        self.tables[table].append(row)

    def frames(self) -> dict[str, pd.DataFrame]:
        """Return every table with all its columns, by name."""
        return {
            name: pd.DataFrame(self.tables[name], columns=table.schema.names) for name, table in REGRESSIONS.items()
        }
