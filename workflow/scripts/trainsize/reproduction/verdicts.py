"""Whether a number of ours agrees with the published one."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from math import nan

import numpy as np
import pandas as pd

from trainsize.common.errors import UserError, did_you_mean, listing
from trainsize.published import printed
from trainsize.published.printed import Rule
from trainsize.reproduction.tables import REPRODUCTION

AGREES, DIFFERS, NOT_COMPARABLE = "agrees", "differs", "not comparable"
MODES = ("as_published", "corrected")


@dataclass(frozen=True)
class OurNumber:
    """A number of ours for one of an artefact, in the printed unit; nan where something is unknown.

    `quantity` is its name in `published.numbers`; `low` and `high` are its 95 % interval, `seed_sd` is the standard
    deviation between seeds. `mode` is one of MODES; empty, the version of the study decides. `not_comparable` is the
    reason why the number cannot be compared, such as a stand-in for the data.
    """

    artefact: str
    quantity: str
    value: float
    low: float = nan
    high: float = nan
    standard_error: float = nan
    seed_sd: float = nan
    mode: str = ""
    not_comparable: str = ""

    @property
    def key(self) -> tuple[str, str, str]:
        return self.artefact, self.quantity, self.mode


NONE = OurNumber("", "", nan)


def compare(ours: Sequence[OurNumber]) -> pd.DataFrame:
    """Return the rows of the table of reproductions: every number of the artefacts that `ours` has numbers of.

    Raises UserError for unknown names and for two values of the same number.
    """
    _check(ours)
    by_key = {number.key: number for number in ours}
    artefacts = dict.fromkeys(number.artefact for number in ours)
    return pd.DataFrame([row for name in artefacts for row in _rows(name, by_key)], columns=REPRODUCTION.schema.names)


def _check(ours: Sequence[OurNumber]) -> None:
    seen = set()
    for number in ours:
        if number.mode not in MODES:
            raise UserError(f"mode '{number.mode}'{did_you_mean(number.mode, MODES)}; allowed: {listing(MODES)}")
        if number.key in seen:
            raise UserError(f"{number.artefact}, {number.quantity}: there are two values {number.mode}")
        seen.add(number.key)
        known = list(printed.numbers(number.artefact)["quantity"])
        if number.quantity not in known:
            close = did_you_mean(number.quantity, known)
            raise UserError(f"{number.artefact} has no number '{number.quantity}'{close}; it has: {listing(known, 30)}")


def _rows(name: str, ours: dict[tuple[str, str, str], OurNumber]) -> Iterator[dict]:
    entry = printed.artefact(name)
    for quantity, value, half_unit, error in printed.numbers(name).itertuples(index=False):
        with_mistakes, corrected = (ours.get((name, quantity, mode), NONE) for mode in MODES)
        rule = entry.rule(quantity)
        verdict, why = judge(rule, value, half_unit, error, with_mistakes)
        low, high = _difference_interval(value, error, with_mistakes)
        yield {
            "artefact": name,
            "quantity": quantity,
            "published": value,
            "published_error": error,
            **_with_interval("as_published", with_mistakes),
            **_with_interval("corrected", corrected),
            "difference": with_mistakes.value - value,
            "difference_low": low,
            "difference_high": high,
            "effect": corrected.value - with_mistakes.value,
            "rule": rule.text if rule else entry.expect,
            "verdict": verdict,
            "why": why,
        }


def _with_interval(name: str, ours: OurNumber) -> dict[str, float]:
    return {name: float(ours.value), f"{name}_low": float(ours.low), f"{name}_high": float(ours.high)}


def _difference_interval(value: float, error: float, ours: OurNumber) -> tuple[float, float]:
    """Return the ends of the difference's interval: ours, combined in quadrature with the printed standard error."""
    half_width = 0.0 if np.isnan(error) else 1.96 * error
    difference = ours.value - value
    below, above = ours.value - ours.low, ours.high - ours.value
    return float(difference - np.hypot(below, half_width)), float(difference + np.hypot(above, half_width))


def judge(rule: Rule | None, value: float, half_unit: float, error: float, ours: OurNumber) -> tuple[str, str]:
    """Return the verdict on our number and why, by the rule of its artefact.

    `value`, `half_unit` and `error` are those of the printed number, as `published.numbers` returns them.
    """
    if ours.not_comparable:
        return NOT_COMPARABLE, ours.not_comparable
    if np.isnan(ours.value):
        return NOT_COMPARABLE, "we have no number"
    if rule is None:
        return NOT_COMPARABLE, "printed for reference; no rule says when they agree"
    allowed, distance, missing = _distance(rule, value, half_unit, error, ours)
    if missing:
        return NOT_COMPARABLE, missing
    if distance <= allowed * (1 + 1e-9):
        return AGREES, ""
    return DIFFERS, f"by {distance:.4g}; {allowed:.4g} is allowed"


def _distance(rule: Rule, value: float, half_unit: float, error: float, ours: OurNumber) -> tuple[float, float, str]:
    """Return the distance that the rule allows, the distance of our number, and what the rule needs but lacks."""
    distance = abs(ours.value - value)
    if rule.kind == "equal":
        return half_unit, distance, ""
    if rule.kind == "within":
        return rule.limits["tolerance"], distance, ""
    if rule.kind == "factor":
        if min(ours.value, value) <= 0:
            return 1.0, float("inf"), "a factor needs numbers above 0"
        return rule.limits["factor"], max(ours.value / value, value / ours.value), ""
    if rule.kind == "standard_errors":
        combined = np.hypot(error, ours.standard_error)
        missing = "no standard error" if np.isnan(combined) else ""
        return rule.limits["times"] * combined, distance, missing
    least = rule.limits["times"] * rule.limits["sd"]  # allowed whatever our seeds' spread is
    if np.isnan(ours.seed_sd):
        unknown = "our standard deviation between seeds, which may explain the difference, is unknown"
        return least, distance, unknown if distance > least else ""
    return rule.limits["times"] * np.hypot(rule.limits["sd"], ours.seed_sd), distance, ""
