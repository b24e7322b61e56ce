"""The reproduction stage: published numbers beside ours, and whether they agree by the rules in published/.

python -m trainsize.reproduction STUDY [--results FOLDER]

prints them for a study that has been run, such as `ga-letters` or `ga-letters+devanagari+quick`, beside its other forms
(as published, corrected) as far as these have been run too.
"""

import argparse
import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd

from trainsize import published
from trainsize.artefacts import Number, finished_runs, numbers
from trainsize.claims import claims_table
from trainsize.errors import UserError, listing, nearest
from trainsize.figures_reproduction import draw_reproduction
from trainsize.forms import AS_PUBLISHED, CORRECTED, REPRODUCED, Form, forms, reproduced
from trainsize.published import Rule
from trainsize.reproduction_forms import effects_table, forms_table, mistakes_table, printed_table, settings_table
from trainsize.study import Study, load_study
from trainsize.tables import CLAIMS, EFFECTS, FORMS, MISTAKES, PRINTED, REPRODUCTION, SETTINGS, write_table

ROOT = Path(__file__).resolve().parents[3]

AGREES, DIFFERS, NOT_COMPARABLE = "agrees", "differs", "not comparable"
MODES = ("as_published", "corrected")
OURS = ("artefact", "quantity", "mode", "value", "low", "high", "standard_error", "seed_sd", "not_comparable")
_REALS = ("value", "low", "high", "standard_error", "seed_sd")
_NOTHING = dict.fromkeys(OURS, float("nan"))


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
    return number[1] in set(published.numbers(number[0])["quantity"])


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


def compare(ours: pd.DataFrame) -> pd.DataFrame:
    """Return the rows of the table of reproductions: every number of the artefacts that `ours` names.

    `ours` holds a number of ours per row: artefact, quantity (as `published.numbers` names them), mode (as_published or
    corrected) and value, in the printed unit; where there is one, the interval (low, high), standard_error and the
    standard deviation between seeds (seed_sd); and in not_comparable the reason why a number cannot be compared, such
    as a stand-in for the data. Raises UserError for what is not known.
    """
    ours = ours.reindex(columns=list(OURS)).astype(dict.fromkeys(_REALS, float))
    _check(ours)
    rows = [row for name in dict.fromkeys(ours["artefact"]) for row in _rows(name, ours[ours["artefact"] == name])]
    return pd.DataFrame(rows, columns=REPRODUCTION.schema.names)


def _check(ours: pd.DataFrame) -> None:
    for mode in ours["mode"].unique():
        if mode not in MODES:
            raise UserError(f"mode '{mode}'{nearest(mode, MODES)}; allowed: {listing(MODES)}")
    repeated = ours[ours.duplicated(["artefact", "quantity", "mode"])]
    for row in repeated.itertuples():
        raise UserError(f"{row.artefact}, {row.quantity}: there are two values {row.mode}")
    for name, group in ours.groupby("artefact"):
        known = list(published.numbers(name)["quantity"])
        for quantity in group["quantity"]:
            if quantity not in known:
                close = nearest(quantity, known)
                raise UserError(f"{name} has no number '{quantity}'{close}; it has: {listing(known, 30)}")


def _rows(name: str, ours: pd.DataFrame) -> Iterator[dict]:
    entry = published.artefact(name)
    values = {(row["quantity"], row["mode"]): row for row in ours.to_dict("records")}
    for quantity, value, half_unit, error in published.numbers(name).itertuples(index=False):
        with_mistakes, corrected = (values.get((quantity, mode), _NOTHING) for mode in MODES)
        rule = entry.rule(quantity)
        verdict, why = judge(rule, value, half_unit, error, with_mistakes)
        low, high = _difference_interval(value, error, with_mistakes)
        yield {
            "artefact": name,
            "quantity": quantity,
            "published": value,
            "published_error": error,
            **{f"as_published{end}": with_mistakes[key] for end, key in _ENDS},
            **{f"corrected{end}": corrected[key] for end, key in _ENDS},
            "difference": with_mistakes["value"] - value,
            "difference_low": low,
            "difference_high": high,
            "effect": corrected["value"] - with_mistakes["value"],
            "rule": rule.text if rule else entry.expect,
            "verdict": verdict,
            "why": why,
        }


_ENDS = (("", "value"), ("_low", "low"), ("_high", "high"))


def _difference_interval(value: float, error: float, ours: dict) -> tuple[float, float]:
    """Return the ends of the difference's interval: ours, widened by a printed standard error at right angles."""
    printed = 0.0 if np.isnan(error) else 1.96 * error
    difference = ours["value"] - value
    below, above = ours["value"] - ours["low"], ours["high"] - ours["value"]
    return float(difference - np.hypot(below, printed)), float(difference + np.hypot(above, printed))


def judge(rule: Rule | None, value: float, half_unit: float, error: float, ours: dict) -> tuple[str, str]:
    """Return the verdict on our number (a row with the keys OURS) and why, by the rule of its artefact.

    `value`, `half_unit` and `error` are of the printed number, as `published.numbers` has them.
    """
    if isinstance(ours["not_comparable"], str) and ours["not_comparable"]:
        return NOT_COMPARABLE, ours["not_comparable"]
    if np.isnan(ours["value"]):
        return NOT_COMPARABLE, "we have no number"
    if rule is None:
        return NOT_COMPARABLE, "printed for reference, no rule says when they agree"
    allowed, distance, missing = _distance(rule, value, half_unit, error, ours)
    if missing:
        return NOT_COMPARABLE, missing
    if distance <= allowed * (1 + 1e-9):
        return AGREES, ""
    return DIFFERS, f"by {distance:.4g}, allowed are {allowed:.4g}"


def _distance(rule: Rule, value: float, half_unit: float, error: float, ours: dict) -> tuple[float, float, str]:
    """Return the distance that the rule allows, that of our number, and what the rule wants and is not there."""
    distance = abs(ours["value"] - value)
    if rule.kind == "equal":
        return half_unit, distance, ""
    if rule.kind == "within":
        return rule.limits["tolerance"], distance, ""
    if rule.kind == "factor":
        if min(ours["value"], value) <= 0:
            return 1.0, float("inf"), "a factor needs numbers above 0"
        return rule.limits["factor"], max(ours["value"] / value, value / ours["value"]), ""
    if rule.kind == "standard_errors":
        combined = np.hypot(error, ours["standard_error"])
        missing = "no standard error" if np.isnan(combined) else ""
        return rule.limits["times"] * combined, distance, missing
    least = rule.limits["times"] * rule.limits["sd"]  # whatever the seeds do
    if np.isnan(ours["seed_sd"]):
        unknown = "the standard deviation between our seeds, which may explain it, is not known"
        return least, distance, unknown if distance > least else ""
    return rule.limits["times"] * np.hypot(rule.limits["sd"], ours["seed_sd"]), distance, ""


def describe(table: pd.DataFrame) -> str:
    """Return the table as a person reads it."""
    lines = [f"{'artefact':<9}{'number':<46}{'published':>13}{'as published':>14}{'corrected':>13}  verdict"]
    for row in table.to_dict("records"):
        ours = "".join(f"{_number(row[mode]):>{width}}" for mode, width in (("as_published", 14), ("corrected", 13)))
        verdict = row["verdict"] + (f": {row['why']}" if row["why"] else "")
        lines.append(f"{row['artefact']:<9}{row['quantity'][:45]:<46}{_number(row['published']):>13}{ours}  {verdict}")
    return "\n".join(lines)


def _number(value: float) -> str:
    return "" if np.isnan(value) else f"{value:.5g}"


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m trainsize.reproduction", description=__doc__.splitlines()[0])
    parser.add_argument("study", help="a study that has been run, in any form")
    parser.add_argument("--results", type=Path, default=ROOT / "results", help="results folder")
    options = parser.parse_args()
    try:
        study = load_study(options.study, ROOT / "studies")
        if reproduced(study.name) is None:
            raise UserError(f"{study.name} reproduces no published study; these do: {listing(REPRODUCED, 10)}")
        folder = options.results / study.name
        if not (folder / "metrics" / "runs.parquet").exists():
            raise UserError(f"{folder}: not there; run it first: snakemake --config study={study.name}")
        print(describe(reproduce(study, forms(study.name, options.results))))
    except UserError as error:
        sys.exit(str(error))


if __name__ == "__main__":
    main()
