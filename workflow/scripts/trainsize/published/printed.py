"""The numbers printed in the published studies, by the id of the artefact they belong to.

`published/{study}/study.yaml` says where each table was printed, what its columns are, for each artefact (a table, a
figure, a number, a claim) when a reproduction agrees with it, and which mistakes are known.
"""

from dataclasses import dataclass, field
from decimal import Decimal
from functools import cache
from pathlib import Path

import pandas as pd

from trainsize.common.errors import UserError, listing, nearest
from trainsize.common.yaml_files import read_yaml
from trainsize.published.forms import FOLDER, REPRODUCED

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
    """When a number of ours agrees with a published one. `quantities` it holds for; none means all.

    `kind` is one of RULES; `limits` are its parameters.
    """

    kind: str
    limits: dict[str, float]
    quantities: tuple[str, ...] = ()

    @property
    def text(self) -> str:
        said = RULES[self.kind].format(**self.limits)
        return f"{said} ({', '.join(self.quantities)})" if self.quantities else said


@dataclass(frozen=True)
class Artefact:
    """What a study published under one id, and what a reproduction is held to.

    `kind` is P (numbers were printed), F (a figure only: it must exist and have the stated shape), S (a setting) or C
    (a claim). `tables` are names for `load_table`. `expect` says in words what rules cannot. `numbers` says
    which cells of the tables a reproduction is compared with, see `numbers`.
    """

    id: str
    study: str
    what: str
    kind: str
    tables: tuple[str, ...] = ()
    rules: tuple[Rule, ...] = ()
    expect: str = ""
    numbers: tuple[dict, ...] = ()

    def rule(self, quantity: str) -> Rule | None:
        """Return the rule for a quantity: the first that names it or names none."""
        return next((rule for rule in self.rules if not rule.quantities or quantity in rule.quantities), None)


@dataclass(frozen=True)
class PrintedTable:
    """A CSV file in published/: where it was printed, what kind of numbers it holds, and the meaning of its columns.

    `numbers` is printed, digitised (read off a figure) or derived (calculated from printed numbers). `facts` go to the
    auditor, for tables that are audited, beside those of the study.
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
    """Return what `study.yaml` says, not to be changed. Raises UserError for a study that is not there."""
    if study not in STUDIES:
        raise UserError(f"published study '{study}' is not known{nearest(study, STUDIES)}; known: {listing(STUDIES)}")
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
            f"artefact '{artefact_id}' is not known{nearest(artefact_id, known)}; known: {listing(known, 100)}"
        )
    return known[artefact_id]


def load(artefact_id: str) -> dict[str, pd.DataFrame]:
    """Return the printed tables of an artefact by name, cells as numbers where a whole column is."""
    entry = artefact(artefact_id)
    return {name: load_table(entry.study, name) for name in entry.tables}


def load_table(study: str, name: str) -> pd.DataFrame:
    """Return one table of a study. Raises UserError for a name that is not there."""
    return pd.read_csv(_table(study, name).path)


def _table(study: str, name: str) -> PrintedTable:
    known = {table.name: table for table in tables(study)}
    if name not in known:
        raise UserError(f"{study} has no table '{name}'{nearest(name, known)}; it has: {listing(known, 40)}")
    return known[name]


def read_texts(table: PrintedTable) -> pd.DataFrame:
    """Return a table with its cells as they are printed."""
    return pd.read_csv(table.path, dtype=str, keep_default_na=False)


def numbers(artefact_id: str) -> pd.DataFrame:
    """Return the numbers a reproduction is compared with.

    They have quantity, value, half_unit (half of the last place that is printed) and standard_error (nan where there is
    none). Each entry of the artefact's `numbers` takes the column `value` of a `table`, in the rows `where` columns are
    as said, and names each by a `quantity` that may hold columns in braces.
    """
    entry = artefact(artefact_id)
    rows = []
    for part in entry.numbers:
        data = read_texts(_table(entry.study, part["table"]))
        for column, wanted in part.get("where", {}).items():
            data = data[data[column] == str(wanted)]
        for row in data[data[part["value"]] != ""].to_dict("records"):
            printed = Decimal(row[part["value"]])
            half_unit = 0.5 * 10.0 ** printed.as_tuple().exponent
            error = float(row[part["standard_error"]]) if "standard_error" in part else float("nan")
            rows.append((part["quantity"].format(**row), float(printed), half_unit, error))
    return pd.DataFrame(rows, columns=["quantity", "value", "half_unit", "standard_error"])


def claims(study: str) -> list[dict]:
    """Return what a study claimed, each with the artefact it belongs to and how it is tested, as claims.py says."""
    return description(study).get("claims", [])


def _artefact(study: str, name: str, entry: dict) -> Artefact:
    rules = tuple(_rule(dict(rule)) for rule in entry.get("accept", []))
    about = {"what": entry["what"], "kind": entry["kind"], "expect": entry.get("expect", "")}
    lists = {name: tuple(entry.get(name, [])) for name in ("tables", "numbers")}
    return Artefact(name, study, rules=rules, **about, **lists)


def _rule(entry: dict) -> Rule:
    kind, quantities = entry.pop("rule"), tuple(map(str, entry.pop("quantities", [])))
    return Rule(kind, entry, quantities)
