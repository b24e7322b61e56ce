"""The reproduction stage: published numbers beside ours, and whether they agree by the rules in published/.

python -m trainsize.reproduction STUDY [--results FOLDER]

prints them for a study that has been run, such as `ga-letters` or `ga-letters+devanagari+quick`, beside its other forms
(as published, corrected) as far as these have been run too.
"""

from dataclasses import replace
from pathlib import Path

import pandas as pd

from trainsize.common.places import ROOT
from trainsize.common.tables import write_table
from trainsize.published import printed
from trainsize.published.forms import AS_PUBLISHED, CORRECTED, Form, forms, reproduced
from trainsize.reproduction.claims import claims_table
from trainsize.reproduction.effects import effects_table, forms_table, mistakes_table, printed_table, settings_table
from trainsize.reproduction.figure import draw_reproduction
from trainsize.reproduction.our_numbers import Number, finished_runs, numbers
from trainsize.reproduction.tables import CLAIMS, EFFECTS, FORMS, MISTAKES, PRINTED, REPRODUCTION, SETTINGS
from trainsize.reproduction.verdicts import OURS, compare
from trainsize.study.reader import load_study
from trainsize.study.study import Study


def write_reproduction(study: Study, results: Path, folder: Path, unfinished: str = "") -> None:
    """Write the tables of the reproduction that `study` is part of, and a figure, to `folder`/reproduction.

    `results` holds the results of all studies, `folder` those of this one. `unfinished` says why the numbers of this
    one can be compared with nothing yet, if that is so.
    """
    found = [replace(form, folder=folder) if form.name == study.name else form for form in forms(study.name, results)]
    published_study = reproduced(study.name)
    tables = {
        REPRODUCTION: reproduce(study, found, unfinished),
        CLAIMS: claims_table(published_study, {form.role: finished_runs(form.folder) for form in found}),
        MISTAKES: mistakes_table(published_study),
        EFFECTS: effects_table(found),
        SETTINGS: settings_table(found),
        FORMS: forms_table(study.name, found),
        PRINTED: printed_table(published_study),
    }
    for table, data in tables.items():
        write_table(folder / table.path, table, data)
    draw_reproduction(tables[REPRODUCTION], (folder / REPRODUCTION.path).with_suffix(""))


def reproduce(study: Study, found: list[Form], unfinished: str = "", studies: Path = ROOT / "studies") -> pd.DataFrame:
    """Compare the forms of a study that have been run, of which `study` is one, with the published numbers.

    Returns the table of reproductions, without rows where there is no published number.
    """
    rows: list[dict] = []
    modes = {AS_PUBLISHED: "as_published", CORRECTED: "corrected"}
    for form in (form for form in found if form.role in modes):
        own = form.name == study.name
        made = study if own else load_study(form.name, studies)
        reason = unfinished if own else ""
        ours = (number for number in numbers(made, form.folder) if _printed(number))
        rows += [_ours(number, modes[form.role], made, reason) for number in ours]
    # Where several models could stand for a number, the first does.
    ours = pd.DataFrame(rows, columns=list(OURS)).drop_duplicates(["artefact", "quantity", "mode"])
    return compare(ours)


def _printed(number: Number) -> bool:
    """Tell whether there is a published number to compare with: a stand-in may have other sizes."""
    return number[1] in set(printed.numbers(number[0])["quantity"])


def _ours(number: Number, mode: str, study: Study, unfinished: str) -> dict:
    artefact, quantity, value, more = number
    # Schedules and a condition number follow from the design, and with constant labels the images hardly matter.
    designed = artefact in ("GA-T1", "CH-T6") or quantity == "condition_number"
    constant = all(recipe["labels"] == "constant" for recipe in study.models.values())
    reason = "trained on a stand-in for the data" if study.stand_in and not (designed or constant) else None
    shorter = "quick" in study.name.split("+") and quantity != "condition_number"
    quick = "a shorter training than the published one" if shorter else None
    ours = {"artefact": artefact, "quantity": quantity, "mode": mode, "value": value}
    return {**ours, "not_comparable": unfinished or reason or quick, **more}
