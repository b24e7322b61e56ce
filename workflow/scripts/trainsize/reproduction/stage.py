"""The reproduction stage: published numbers beside ours, and whether they agree by the rules in published/.

python -m trainsize.reproduction STUDY [--results FOLDER]

prints them for a study that has been run, such as `ga-letters` or `ga-letters+devanagari+quick`, together with those of
its other versions (as published, corrected) that have been run.
"""

from dataclasses import replace
from pathlib import Path

import pandas as pd

from trainsize.common.paths import ROOT
from trainsize.common.tables import write_table
from trainsize.published import printed
from trainsize.published.versions import AS_PUBLISHED, CORRECTED, Version, reproduced, versions
from trainsize.reproduction.claims import claims_table
from trainsize.reproduction.effects import (
    effects_table,
    mistakes_table,
    printed_table,
    settings_table,
    versions_table,
)
from trainsize.reproduction.figure import draw_reproduction
from trainsize.reproduction.our_numbers import finished_runs, numbers
from trainsize.reproduction.tables import CLAIMS, EFFECTS, MISTAKES, PRINTED, REPRODUCTION, SETTINGS, VERSIONS
from trainsize.reproduction.verdicts import OurNumber, compare
from trainsize.study.reader import load_study
from trainsize.study.study import Study


def write_reproduction(study: Study, results: Path, folder: Path, unfinished: str = "") -> None:
    """Write the tables of the reproduction that `study` is part of, and a figure, to `folder`/reproduction.

    `results` holds the results of all studies, `folder` those of this one. `unfinished` is the reason why the numbers
    of this study cannot be compared yet, if there is one.
    """
    present = [
        replace(version, folder=folder) if version.name == study.name else version
        for version in versions(study.name, results)
    ]
    published_study = reproduced(study.name)
    tables = {
        REPRODUCTION: reproduce(study, present, unfinished),
        CLAIMS: claims_table(published_study, {version.role: finished_runs(version.folder) for version in present}),
        MISTAKES: mistakes_table(published_study),
        EFFECTS: effects_table(present),
        SETTINGS: settings_table(present),
        VERSIONS: versions_table(study.name, present),
        PRINTED: printed_table(published_study),
    }
    for table, data in tables.items():
        write_table(folder / table.path, table, data)
    draw_reproduction(tables[REPRODUCTION], (folder / REPRODUCTION.path).with_suffix(""))


def reproduce(
    study: Study, present: list[Version], unfinished: str = "", studies: Path = ROOT / "studies"
) -> pd.DataFrame:
    """Compare the versions of a study that have been run, of which `study` is one, with the published numbers.

    Returns the table of reproductions, without rows for what was not published.
    """
    ours: dict[tuple, OurNumber] = {}
    modes = {AS_PUBLISHED: "as_published", CORRECTED: "corrected"}
    for version in (version for version in present if version.role in modes):
        own = version.name == study.name
        this = study if own else load_study(version.name, studies)
        for number in filter(_is_published, numbers(this, version.folder)):
            reason = (unfinished if own else "") or _not_comparable(number, this)
            number = replace(number, mode=number.mode or modes[version.role], not_comparable=reason)
            ours.setdefault(number.key, number)  # if several models could give a number, the first does
    return compare([*ours.values()])


def _is_published(number: OurNumber) -> bool:
    """Whether there is a published number to compare with: a stand-in may have other sizes."""
    return number.quantity in set(printed.numbers(number.artefact)["quantity"])


def _not_comparable(number: OurNumber, study: Study) -> str:
    """Return the reason why a number of this version of the study cannot be compared, or nothing."""
    # Schedules and condition numbers follow from the design, and with constant labels the images hardly matter.
    designed = number.artefact in ("GA-T1", "CH-T6") or number.quantity == "condition_number"
    constant = all(recipe["labels"] == "constant" for recipe in study.models.values())
    if study.stand_in and not (designed or constant):
        return "trained on a stand-in for the data"
    shorter = "quick" in study.name.split("+") and number.quantity != "condition_number"
    return "trained for less time than the published study" if shorter else ""
