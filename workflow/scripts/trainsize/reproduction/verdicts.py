"""Whether a number of ours agrees with the published one."""

from collections.abc import Iterator

import numpy as np
import pandas as pd

from trainsize.common.errors import UserError, listing, nearest
from trainsize.published import printed
from trainsize.published.printed import Rule
from trainsize.reproduction.tables import REPRODUCTION

AGREES, DIFFERS, NOT_COMPARABLE = "agrees", "differs", "not comparable"
MODES = ("as_published", "corrected")
OURS = ("artefact", "quantity", "mode", "value", "low", "high", "standard_error", "seed_sd", "not_comparable")
_REALS = ("value", "low", "high", "standard_error", "seed_sd")
_NOTHING = dict.fromkeys(OURS, float("nan"))


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
        known = list(printed.numbers(name)["quantity"])
        for quantity in group["quantity"]:
            if quantity not in known:
                close = nearest(quantity, known)
                raise UserError(f"{name} has no number '{quantity}'{close}; it has: {listing(known, 30)}")


def _rows(name: str, ours: pd.DataFrame) -> Iterator[dict]:
    entry = printed.artefact(name)
    values = {(row["quantity"], row["mode"]): row for row in ours.to_dict("records")}
    for quantity, value, half_unit, error in printed.numbers(name).itertuples(index=False):
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
