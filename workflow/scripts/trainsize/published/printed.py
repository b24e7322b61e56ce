"""The numbers printed in the published studies, by the id of the artefact they belong to.

`published/{study}/study.yaml` states where each table was printed, what its columns mean, when a reproduction agrees
with each artefact (a table, a figure, a number, a claim), and which mistakes are known.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from functools import cache
from pathlib import Path

import pandas as pd

from trainsize.common.errors import UserError, did_you_mean, listing
from trainsize.common.yaml_files import read_yaml
from trainsize.published.versions import FOLDER, REPRODUCED

STUDIES = tuple(dict.fromkeys(REPRODUCED.values()))
RULES = {
    "equal": "equal as printed",
    "within": "differs by at most {tolerance:g}",
    "factor": "differs by at most a factor of {factor:g}",
    "standard_errors": "differs by at most {times:g} standard errors, both combined",
    "seed_spread": "differs by at most {times:g} √({sd:g}² + s²), s being our standard deviation between seeds",
}


@dataclass(frozen=True)
class Rule:
    """When a number of ours agrees with a published one.

    `kind` is one of RULES, `limits` are its parameters, and `quantities` names the numbers it holds for (none: all).
    """

    kind: str
    limits: dict[str, float]
    quantities: tuple[str, ...] = ()

    @property
    def text(self) -> str:
        text = RULES[self.kind].format(**self.limits)
        return f"{text} ({', '.join(self.quantities)})" if self.quantities else text


@dataclass(frozen=True)
class Cells:
    """The cells of a printed table that a reproduction is compared with.

    They are those of the column `value` in the rows whose columns have the values in `where`; the column
    `standard_error`, if any, holds their errors. `quantity` names each number, with columns in braces.
    """

    table: str
    quantity: str
    value: str
    standard_error: str = ""
    where: dict[str, object] = field(default_factory=dict)


@dataclass(frozen=True)
class Artefact:
    """What a study published under one id, and when a reproduction agrees with it.

    `kind` is P (numbers were printed), F (a figure only: it must exist and have the stated shape), S (a setting) or C
    (a claim). `tables` are names for `load_table`. `expect` describes in words what rules cannot. `numbers` are the
    cells of the tables that a reproduction is compared with.
    """

    id: str
    study: str
    what: str
    kind: str
    tables: tuple[str, ...] = ()
    rules: tuple[Rule, ...] = ()
    expect: str = ""
    numbers: tuple[Cells, ...] = ()

    def rule(self, quantity: str) -> Rule | None:
        """Return the rule for a quantity: the first that names it or names none."""
        return next((rule for rule in self.rules if not rule.quantities or quantity in rule.quantities), None)


@dataclass(frozen=True)
class Claim:
    """What a study claimed, the artefact it belongs to, and the test of it.

    `test` is one of `reproduction.claims.TESTS`, of the `metric` of a `model`. Some tests need the rival models
    (`among`), a share of the largest size (`at`), another metric (`than`) or a `margin` in the metric's unit. `why` is
    the reason for a claim that no test covers.
    """

    artefact: str
    claim: str
    test: str = ""
    model: str = ""
    metric: str = ""
    among: Sequence[str] = ()
    at: float | None = None
    than: str = ""
    margin: float | None = None
    why: str = ""


@dataclass(frozen=True)
class PrintedTable:
    """A CSV file in published/: where it was printed, what kind of numbers it holds, and the meaning of its columns.

    `numbers` is printed, digitised (read off a figure) or derived (calculated from printed numbers). If the table is
    `audited`, its `facts` go to the auditor together with those of the study.
    """

    study: str
    name: str
    where: str
    numbers: str
    columns: dict[str, str]
    audited: bool = False
    facts: dict = field(default_factory=dict)

    @property
    def path(self) -> Path:
        return FOLDER / self.study / f"{self.name}.csv"


@cache
def description(study: str) -> dict:
    """Return the content of `study.yaml`, which callers must not change. Raises UserError for an unknown study."""
    if study not in STUDIES:
        raise UserError(f"unknown published study '{study}'{did_you_mean(study, STUDIES)}; known: {listing(STUDIES)}")
    return read_yaml(FOLDER / study / "study.yaml")


def tables(study: str) -> list[PrintedTable]:
    return [PrintedTable(study, name, **entry) for name, entry in description(study)["tables"].items()]


def artefacts(study: str) -> list[Artefact]:
    return [_artefact(study, name, entry) for name, entry in description(study)["artefacts"].items()]


def artefact(artefact_id: str) -> Artefact:
    """Return an artefact by its id, such as GA-T6. Raises UserError."""
    known = {artefact.id: artefact for study in STUDIES for artefact in artefacts(study)}
    if artefact_id not in known:
        raise UserError(
            f"unknown artefact '{artefact_id}'{did_you_mean(artefact_id, known)}; known: {listing(known, 100)}"
        )
    return known[artefact_id]


def load(artefact_id: str) -> dict[str, pd.DataFrame]:
    """Return the printed tables of an artefact by name; columns that hold only numbers are numeric."""
    entry = artefact(artefact_id)
    return {name: load_table(entry.study, name) for name in entry.tables}


def load_table(study: str, name: str) -> pd.DataFrame:
    """Return one table of a study. Raises UserError for an unknown name."""
    return pd.read_csv(_table(study, name).path)


def _table(study: str, name: str) -> PrintedTable:
    known = {table.name: table for table in tables(study)}
    if name not in known:
        raise UserError(f"{study} has no table '{name}'{did_you_mean(name, known)}; it has: {listing(known, 40)}")
    return known[name]


def read_texts(table: PrintedTable) -> pd.DataFrame:
    """Return a table with its cells as they are printed."""
    return pd.read_csv(table.path, dtype=str, keep_default_na=False)


def numbers(artefact_id: str) -> pd.DataFrame:
    """Return the numbers that a reproduction is compared with.

    The columns are quantity, value, half_unit (half of the last printed digit) and standard_error (nan if none).
    """
    entry = artefact(artefact_id)
    rows = []
    for cells in entry.numbers:
        data = read_texts(_table(entry.study, cells.table))
        for column, wanted in cells.where.items():
            data = data[data[column] == str(wanted)]
        for row in data[data[cells.value] != ""].to_dict("records"):
            printed = Decimal(row[cells.value])
            half_unit = 0.5 * 10.0 ** printed.as_tuple().exponent
            error = float(row[cells.standard_error]) if cells.standard_error else float("nan")
            rows.append((cells.quantity.format(**row), float(printed), half_unit, error))
    return pd.DataFrame(rows, columns=["quantity", "value", "half_unit", "standard_error"])


def claims(study: str) -> list[Claim]:
    return [Claim(**entry) for entry in description(study).get("claims", [])]


def _artefact(study: str, name: str, entry: dict) -> Artefact:
    rules = tuple(_rule(dict(rule)) for rule in entry.get("accept", []))
    about = {"what": entry["what"], "kind": entry["kind"], "expect": entry.get("expect", "")}
    cells = tuple(Cells(**part) for part in entry.get("numbers", []))
    return Artefact(name, study, tables=tuple(entry.get("tables", [])), rules=rules, numbers=cells, **about)


def _rule(entry: dict) -> Rule:
    kind, quantities = entry.pop("rule"), tuple(map(str, entry.pop("quantities", [])))
    return Rule(kind, entry, quantities)
