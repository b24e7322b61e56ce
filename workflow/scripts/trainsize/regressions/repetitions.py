"""Repetitions that may be copies of each other: a question to the user, and no certainty."""

from dataclasses import replace

import pandas as pd

from trainsize.common.errors import plural
from trainsize.curves.curve import Curve
from trainsize.regressions.rows import Subject
from trainsize.runs.metrics import Metric
from trainsize.statistics.sameness import sameness

ASKED = {"seed": "was the seed used?", "draw": "was a new subset drawn each time?"}


def without_copies(subject: Subject, curve: Curve) -> Subject:
    """Return the subject or, if its repetitions agree as independent ones do not, with one run per size: their mean."""
    question = _question(curve, subject.response.metric) if len(curve.sizes) else ""
    if not question:
        return subject
    return replace(subject, runs=_as_one(subject.runs, subject.response.column), question=question)


def _question(curve: Curve, metric: Metric) -> str:
    """Return what is odd about the repetitions of a curve, or nothing."""
    same = sameness(curve.values, metric.is_share, chance=curve.chance)
    if same.constant:
        return _of_constant(curve, metric, same.guessing)
    if not (same.everywhere or same.unlikely):
        return ""
    units, sizes = [str(unit) for unit in curve.units], [f"{n:,.0f} images" for n in curve.sizes]
    agree = same.words(units, sizes, curve.unit, metric.words)
    asked = "was a run counted twice?" if same.copies and not same.everywhere else ASKED[curve.unit]
    return f"{agree[0].upper()}{agree[1:]}: {asked}"


def _of_constant(curve: Curve, metric: Metric, guessing: bool) -> str:
    """Return the question about a value that neither the size nor the repetition changes."""
    value, runs = metric.value(curve.shown(curve.means[0])), plural(len(curve.units), curve.unit)
    if curve.means[0] == 0:
        return f"The {metric.words} is {value} at every size for {runs}: without errors there is no curve."
    or_rounded = "" if guessing else ", or are the numbers rounded too much"
    asked = f"is the same class predicted for every image{or_rounded}?"
    return f"The {metric.words} is {value} at every size for {runs}: {asked}"


def _as_one(runs: pd.DataFrame, column: str) -> pd.DataFrame:
    sizes = runs.groupby("n", as_index=False)
    return sizes.first().assign(draw=0, seed=0, **{column: sizes[column].mean()[column]})
