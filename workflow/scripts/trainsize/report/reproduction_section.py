"""The report's section on a published study: its numbers compared with ours, and what its mistakes did."""

import base64
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path

import pandas as pd

from trainsize.common.tables import Table, read_table
from trainsize.published.versions import AS_PUBLISHED, CORRECTED
from trainsize.report.page_tables import ShownColumn, ShownTable
from trainsize.reproduction.tables import CLAIMS, EFFECTS, MISTAKES, PRINTED, REPRODUCTION, SETTINGS, VERSIONS
from trainsize.runs.metrics import METRICS

_NUMBERS = (
    ShownColumn("artefact", "artefact"),
    ShownColumn("quantity", "number"),
    ShownColumn("published", "published", "number"),
    ShownColumn("as_published", "ours, as published", "number"),
    ShownColumn("corrected", "ours, corrected", "number"),
    ShownColumn("difference", "difference", "signed"),
    ShownColumn("verdict", "verdict"),
    ShownColumn("why", "why"),
)
_CLAIMS = (
    ShownColumn("claim", "claim"),
    ShownColumn("role", "version"),
    ShownColumn("verdict", "verdict"),
    ShownColumn("value", "measured", "number"),
    ShownColumn("expected", "claim needs"),
    ShownColumn("repeats", "repeats", "count"),
    ShownColumn("metric", "metric"),
    ShownColumn("why", "remark"),
)
_EFFECTS = (
    ShownColumn("role", "version"),
    ShownColumn("model", "model"),
    ShownColumn("metric", "metric"),
    ShownColumn("as_published", "as published", "number"),
    ShownColumn("without", "without mistake", "number"),
    ShownColumn("difference", "difference", "signed"),
    ShownColumn("as_published_sd", "SD as published", "number"),
    ShownColumn("without_sd", "SD without mistake", "number"),
)
_SETTINGS = (
    ShownColumn("model", "model"),
    ShownColumn("setting", "setting"),
    ShownColumn("as_published", "as published"),
    ShownColumn("corrected", "corrected"),
)
_PRINTED = (
    ShownColumn("setting", "setting"),
    ShownColumn("printed", "printed"),
    ShownColumn("code", "code"),
    ShownColumn("note", "note"),
)
_CAPTION = (
    "Differences of our numbers from the published ones, in per cent of the published number, with the intervals of "
    "our numbers as published. Filled markers differ by the rule of the artefact."
)


@dataclass(frozen=True)
class ShownFigure:
    """A figure on the page: its caption, the text for screen readers (`alt`) and the PNG file in base64 (`data`).

    `pdf` and `interactive` are the paths of its other files, relative to the page; empty if there is none.
    """

    name: str
    kind: str
    caption: str
    alt: str
    data: str = field(repr=False)
    pdf: str
    interactive: str = ""


@dataclass(frozen=True)
class ShownMistake:
    """A mistake of the published study as the page shows it.

    `effects` are sentences on what it did. `version` is the study without it, `role` its variant; both are empty where
    no version lacks this mistake alone.
    """

    what: str
    correct: str
    role: str
    effects: list[str]
    version: str


@dataclass(frozen=True)
class Reproduction:
    """The section's content. `verdicts` counts the numbers by verdict, `reasons` those not comparable by reason."""

    name: str
    figure: ShownFigure
    versions: list[dict]
    verdicts: Counter
    reasons: Counter
    mistakes: list[ShownMistake]
    numbers: ShownTable
    claims: ShownTable
    effects: ShownTable
    settings: ShownTable
    printed: ShownTable


def embedded(image: Path) -> str:
    """Return a PNG file in base64, for a data URL."""
    return base64.b64encode(image.read_bytes()).decode()


def reproduction(results: Path, name: str) -> Reproduction | None:
    """Return the report's section on the published study that `name` reproduces; None if it reproduces none."""
    if not (results / REPRODUCTION.path).exists():
        return None
    numbers, claims, mistakes, effects, settings, printed, versions = (
        read_table(results / table.path)
        for table in (REPRODUCTION, CLAIMS, MISTAKES, EFFECTS, SETTINGS, PRINTED, VERSIONS)
    )
    image = embedded((results / REPRODUCTION.path).with_suffix(".png"))
    pdf = "reproduction/reproduction.pdf"
    return Reproduction(
        name=name,
        figure=ShownFigure("reproduction", "reproduction", _CAPTION, _CAPTION, image, pdf),
        versions=versions.to_dict("records"),
        verdicts=Counter(numbers["verdict"]),
        reasons=Counter(numbers.loc[numbers["verdict"] == "not comparable", "why"]),
        mistakes=[_shown_mistake(row, effects, versions) for row in mistakes.to_dict("records")],
        numbers=_shown(REPRODUCTION, "Published numbers and ours", _NUMBERS, _intervals(numbers)),
        claims=_shown(CLAIMS, "Claims of the study", _CLAIMS, _claimed(claims)),
        effects=_shown(EFFECTS, "Effects of the mistakes", _EFFECTS, _intervals(effects)),
        settings=_shown(SETTINGS, _settings_caption(versions), _SETTINGS, settings.to_dict("records")),
        printed=_shown(PRINTED, "Settings as printed", _PRINTED, printed.to_dict("records")),
    )


def _shown(table: Table, caption: str, columns: tuple[ShownColumn, ...], rows: list[dict]) -> ShownTable:
    return ShownTable(Path(table.path).stem, caption, columns, rows, table.path)


def _settings_caption(versions: pd.DataFrame) -> str:
    """Return the caption of the settings: those that differ, or all of them if only one version has been run."""
    both = (versions.loc[versions["role"].isin((AS_PUBLISHED, CORRECTED)), "runs"] > 0).all()
    return "Settings in which the two versions differ" if both else "Settings of the version that has been run"


def _intervals(table: pd.DataFrame) -> list[dict]:
    """Return the rows; every column with ends (`_low` and `_high`) becomes a triple with them."""
    rows = table.to_dict("records")
    with_ends = [name for name in table if f"{name}_low" in table]
    return [row | {name: (row[name], row[f"{name}_low"], row[f"{name}_high"]) for name in with_ends} for row in rows]


def _claimed(claims: pd.DataFrame) -> list[dict]:
    """Return the rows of the table of claims, with the range of the value that the claim allows as text."""
    rows = _intervals(claims)
    for row in rows:
        ends = {"above": row["above"], "below": row["below"]}
        row["expected"] = " and ".join(f"{name} {end:g}" for name, end in ends.items() if end == end)
    return rows


def _shown_mistake(mistake: dict, effects: pd.DataFrame, versions: pd.DataFrame) -> ShownMistake:
    """Return a row of the table of mistakes with its effect, or with the version that would measure it."""
    role = mistake["role"]
    of_mistake = effects[(effects["role"] == role) & (effects["metric"] == mistake["metric"])]
    sentences = [effect_sentence(row, len(of_mistake) > 1) for row in of_mistake.to_dict("records")]
    version = "".join(versions.loc[versions["role"] == role, "version"])
    return ShownMistake(mistake["mistake"], mistake["correct"], role, sentences, version)


def effect_sentence(row: dict, several: bool) -> str:
    """Return a row of the table of effects in words, with the name of its model if there are several."""
    split, name = row["metric"].split("_", 1)
    metric = METRICS[name]
    with_it, without = (metric.value(row[side]) for side in ("as_published", "without"))
    sentence = f"{row['model']}: " if several else ""
    sentence += f"{split} {metric.words} {without} instead of {with_it}"
    if row["difference_low"] == row["difference_low"]:
        interval = metric.change(row["difference_low"], row["difference_high"])
        sentence += f", a difference of {metric.change(row['difference'])} ({interval})"
    if row["without_sd"] == row["without_sd"]:
        with_it, without = (metric.change(row[f"{side}_sd"]) for side in ("as_published", "without"))
        sentence += f", standard deviation between runs {without} instead of {with_it}"
    return f"{sentence}."
