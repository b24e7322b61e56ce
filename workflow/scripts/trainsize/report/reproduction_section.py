"""The report's section on a published study: its numbers beside ours, and what its mistakes did."""

import base64
from collections import Counter
from pathlib import Path

import pandas as pd

from trainsize.common.tables import read_table
from trainsize.published.forms import AS_PUBLISHED, CORRECTED
from trainsize.report.page_tables import Column, Shown
from trainsize.reproduction.tables import CLAIMS, EFFECTS, FORMS, MISTAKES, PRINTED, REPRODUCTION, SETTINGS
from trainsize.runs.metrics import METRICS

_NUMBERS = (
    Column("artefact", "artefact"),
    Column("quantity", "number"),
    Column("published", "published", "number"),
    Column("as_published", "ours, as published", "number"),
    Column("corrected", "ours, corrected", "number"),
    Column("difference", "difference", "signed"),
    Column("verdict", "verdict"),
    Column("why", "why"),
)
_CLAIMS = (
    Column("claim", "claim"),
    Column("role", "runs"),
    Column("verdict", "verdict"),
    Column("value", "measured", "number"),
    Column("expected", "claimed"),
    Column("repeats", "repeats", "count"),
    Column("metric", "metric"),
    Column("why", "remark"),
)
_EFFECTS = (
    Column("role", "without"),
    Column("model", "model"),
    Column("metric", "metric"),
    Column("as_published", "as published", "number"),
    Column("without", "without it", "number"),
    Column("difference", "difference", "signed"),
    Column("as_published_sd", "spread as published", "number"),
    Column("without_sd", "spread without it", "number"),
)
_SETTINGS = (
    Column("model", "model"),
    Column("setting", "setting"),
    Column("as_published", "as published"),
    Column("corrected", "corrected"),
)
_PRINTED = (Column("setting", "setting"), Column("printed", "printed"), Column("code", "code"), Column("note", "note"))
_CAPTION = (
    "How far our numbers are from the published ones, in per cent of these, with the interval of ours as published; "
    "what differs by its rule is filled."
)
_FIGURE = {
    "name": "reproduction",
    "kind": "reproduction",
    "caption": _CAPTION,
    "alt": _CAPTION,
    "pdf": "reproduction/reproduction.pdf",
    "interactive": "",
}


def embedded(image: Path) -> str:
    """Return a PNG file as the text that a page holds it by."""
    return base64.b64encode(image.read_bytes()).decode()


def reproduction(results: Path, name: str) -> dict | None:
    """Return what the report of the study `name` says of the published one; None where it reproduces none."""
    if not (results / REPRODUCTION.path).exists():
        return None
    numbers, claims, mistakes, effects, settings, printed, forms = (
        read_table(results / table.path)
        for table in (REPRODUCTION, CLAIMS, MISTAKES, EFFECTS, SETTINGS, PRINTED, FORMS)
    )
    figure = (results / REPRODUCTION.path).with_suffix(".png")
    return {
        "figure": {**_FIGURE, "data": embedded(figure)},
        "forms": [{**form, "here": form["form"] == name} for form in forms.to_dict("records")],
        "verdicts": Counter(numbers["verdict"]),
        "reasons": Counter(numbers.loc[numbers["verdict"] == "not comparable", "why"]),
        "mistakes": [_told(row, effects, forms) for row in mistakes.to_dict("records")],
        "numbers": Shown(
            "reproduction", "Published numbers and ours", _NUMBERS, _intervals(numbers), REPRODUCTION.path
        ),
        "claims": Shown("claims", "What the study claimed", _CLAIMS, _claimed(claims), CLAIMS.path),
        "effects": Shown("effects", "What each mistake did", _EFFECTS, _intervals(effects), EFFECTS.path),
        "settings": Shown("settings", _about(forms), _SETTINGS, settings.to_dict("records"), SETTINGS.path),
        "printed": Shown("printed", "Settings as printed", _PRINTED, printed.to_dict("records"), PRINTED.path),
    }


def _about(forms: pd.DataFrame) -> str:
    """Return what the table of settings holds: differences, or all settings where there is one form only."""
    both = (forms.loc[forms["role"].isin((AS_PUBLISHED, CORRECTED)), "runs"] > 0).all()
    return "Settings in which the two forms differ" if both else "Settings of the form that has been run"


def _intervals(table: pd.DataFrame) -> list[dict]:
    """Return the rows, every column that has ends (`_low` and `_high`) as a triple with them."""
    rows = table.to_dict("records")
    with_ends = [name for name in table if f"{name}_low" in table]
    return [row | {name: (row[name], row[f"{name}_low"], row[f"{name}_high"]) for name in with_ends} for row in rows]


def _claimed(claims: pd.DataFrame) -> list[dict]:
    """Return the rows of the table of claims, with where the value should lie as text."""
    rows = _intervals(claims)
    for row in rows:
        ends = {"above": row["above"], "below": row["below"]}
        row["expected"] = " and ".join(f"{name} {end:g}" for name, end in ends.items() if end == end)
    return rows


def _told(mistake: dict, effects: pd.DataFrame, forms: pd.DataFrame) -> dict:
    """Return a mistake with what it did to a metric and its spread, or how to find out."""
    role = mistake["role"]
    found = effects[(effects["role"] == role) & (effects["metric"] == mistake["metric"])]
    did = [_effect(row, len(found) > 1) for row in found.to_dict("records")]
    form = forms.loc[forms["role"] == role, "form"]
    return {**mistake, "did": did, "form": form.iloc[0] if len(form) else ""}


def _effect(row: dict, several: bool) -> str:
    split, name = row["metric"].split("_", 1)
    metric = METRICS[name]
    with_it, without = (metric.value(row[form]) for form in ("as_published", "without"))
    told = f"{row['model']}: " if several else ""
    told += f"{split} {metric.words} {without} instead of {with_it}"
    if row["difference_low"] == row["difference_low"]:
        interval = metric.change(row["difference_low"], row["difference_high"])
        told += f", a difference of {metric.change(row['difference'])} ({interval})"
    if row["without_sd"] == row["without_sd"]:
        with_it, without = (metric.change(row[f"{form}_sd"]) for form in ("as_published", "without"))
        told += f", spread between runs {without} instead of {with_it}"
    return f"{told}."
