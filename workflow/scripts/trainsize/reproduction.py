"""Published numbers beside ours: the difference, and whether they agree by the rules in published/.

python -m trainsize.reproduction STUDY [--results FOLDER]

STUDY is one that has been run, as published, such as `ga-letters` or `ga-letters+devanagari+quick`; the same study with
the variant `corrected`, where it has been run too, stands beside it.
"""

import argparse
import sys
from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path

import numpy as np
import pandas as pd

from trainsize import published
from trainsize.artefacts import Number, numbers
from trainsize.errors import UserError, listing, nearest
from trainsize.figures_reproduction import draw_reproduction
from trainsize.published import Rule
from trainsize.study import Study, load_study
from trainsize.tables import REPRODUCTION, write_table

ROOT = Path(__file__).resolve().parents[3]

AGREES, DIFFERS, NOT_COMPARABLE = "agrees", "differs", "not comparable"
MODES = ("as_published", "corrected")
OURS = ("artefact", "quantity", "mode", "value", "low", "high", "standard_error", "seed_sd", "not_comparable")
_NOTHING = dict.fromkeys(OURS, float("nan"))


def reproduce(name: str, results: Path, studies: Path = ROOT / "studies") -> pd.DataFrame:
    """Compare a study that has been run with the published one: write, draw and return the table of reproductions.

    Raises UserError when the study has not been run or reproduces none.
    """
    forms = {"as_published": name, "corrected": _corrected(name, results)}
    rows: list[dict] = []
    for mode, form in forms.items():
        if form and (results / form / "metrics" / "runs.parquet").exists():
            study = load_study(form, studies)
            rows += [_ours(number, mode, study) for number in numbers(study, results / form) if _printed(number)]
        elif mode == "as_published":
            raise UserError(f"{results / name}: not there; run it first: snakemake --config study={name}")
    if not rows:
        raise UserError(f"{name} reproduces no published study, or none of its runs has finished")
    table = compare(pd.DataFrame(rows))
    path = results / name / REPRODUCTION.path
    write_table(path, REPRODUCTION, table)
    draw_reproduction(table, path.with_suffix(""))
    return table


def _corrected(name: str, results: Path) -> str | None:
    """Return the name of the study's corrected form among the results: that with one variant more."""
    study, *variants = name.split("+")
    for folder in sorted(results.glob(f"{study}+*")):
        other, *rest = folder.name.split("+")
        if other == study and "corrected" in rest and [v for v in rest if v != "corrected"] == variants:
            return folder.name
    return None


def _printed(number: Number) -> bool:
    """Tell whether there is a published number to compare with: a stand-in may have other sizes."""
    return number[1] in set(published.numbers(number[0])["quantity"])


def _ours(number: Number, mode: str, study: Study) -> dict:
    artefact, quantity, value, more = number
    # Schedules and a condition number follow from the design, and with constant labels the images hardly matter.
    designed = artefact in ("GA-T1", "CH-T6") or quantity == "condition_number"
    constant = all(recipe["labels"] == "constant" for recipe in study.models.values())
    reason = study.stand_in if study.stand_in and not (designed or constant) else None
    shorter = "quick" in study.name.split("+") and quantity != "condition_number"
    quick = "a shorter training than the published one" if shorter else None
    ours = {"artefact": artefact, "quantity": quantity, "mode": mode, "value": value}
    return {**ours, "not_comparable": reason or quick, **more}


def compare(ours: pd.DataFrame) -> pd.DataFrame:
    """Return the rows of the table of reproductions: every number of the artefacts that `ours` names.

    `ours` holds a number of ours per row: artefact, quantity (as `published.numbers` names them), mode (as_published or
    corrected) and value, in the printed unit; where there is one, the interval (low, high), standard_error and the
    standard deviation between seeds (seed_sd); and in not_comparable the reason why a number cannot be compared, such
    as a stand-in for the data. Raises UserError for what is not known.
    """
    ours = ours.reindex(columns=list(OURS))
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
    for quantity, value, error in published.numbers(name).itertuples(index=False):
        with_mistakes, corrected = (values.get((quantity, mode), _NOTHING) for mode in MODES)
        rule = entry.rule(quantity)
        verdict, why = judge(rule, value, error, with_mistakes)
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


def judge(rule: Rule | None, value: float, error: float, ours: dict) -> tuple[str, str]:
    """Return the verdict on our number (a row with the keys OURS) and why, by the rule of its artefact."""
    if isinstance(ours["not_comparable"], str) and ours["not_comparable"]:
        return NOT_COMPARABLE, ours["not_comparable"]
    if np.isnan(ours["value"]):
        return NOT_COMPARABLE, "we have no number"
    if rule is None:
        return NOT_COMPARABLE, "printed for reference, no rule says when they agree"
    allowed, distance, missing = _distance(rule, value, error, ours)
    if missing:
        return NOT_COMPARABLE, missing
    if distance <= allowed * (1 + 1e-9):
        return AGREES, ""
    return DIFFERS, f"by {distance:.4g}, allowed are {allowed:.4g}"


def _distance(rule: Rule, value: float, error: float, ours: dict) -> tuple[float, float, str]:
    """Return the distance that the rule allows, that of our number, and what the rule wants and is not there."""
    distance = abs(ours["value"] - value)
    if rule.kind == "equal":
        return 0.5 * 10.0 ** Decimal(str(value)).as_tuple().exponent, distance, ""
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
    spread = np.hypot(rule.limits["sd"], ours["seed_sd"])
    missing = "the standard deviation between our seeds is not known" if np.isnan(spread) else ""
    return rule.limits["times"] * spread, distance, missing


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
    parser.add_argument("study", help="a study that has been run, as published")
    parser.add_argument("--results", type=Path, default=ROOT / "results", help="results folder")
    options = parser.parse_args()
    try:
        print(describe(reproduce(options.study, options.results)))
    except UserError as error:
        sys.exit(str(error))


if __name__ == "__main__":
    main()
