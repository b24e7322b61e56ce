"""The forms of a published study beside each other: what each mistake did, and which settings differ."""

from itertools import chain

import numpy as np
import pandas as pd

from trainsize.common.files import canonical_json, read_json
from trainsize.common.provenance import commit_text
from trainsize.common.tables import read_table
from trainsize.published import printed
from trainsize.published.forms import AS_PUBLISHED, CORRECTED, Form, mistakes, roles
from trainsize.reproduction.our_numbers import finished_runs
from trainsize.reproduction.tables import EFFECTS, FORMS, MISTAKES, PRINTED, SETTINGS
from trainsize.runs.run import MISSING, Run
from trainsize.statistics.intervals import mean_interval

METRICS = ("test_accuracy", "test_f1_macro", "test_loss", "train_accuracy", "train_loss")
_DESIGN = {"size": "n", "draw": "draw", "seed": "seed"}
_PRINTED = {"paper": "printed", "value": "printed", "evidence": "note", "source": "note"}


def mistakes_table(study: str) -> pd.DataFrame:
    """Return the mistakes of a published study."""
    rows = [
        (entry["what"], entry["correct"], entry.get("variant", ""), entry.get("metric", "test_accuracy"))
        for entry in mistakes(study)
    ]
    return pd.DataFrame(rows, columns=MISTAKES.schema.names)


def effects_table(found: list[Form]) -> pd.DataFrame:
    """Return what each form that has been run changes against the one as published, in the metrics of its runs."""
    runs = {form.role: finished_runs(form.folder) for form in found}
    rows = []
    if AS_PUBLISHED in runs:
        base = runs.pop(AS_PUBLISHED)
        rows = [row for role, other in runs.items() for row in _effects(role, base, other)]
    return pd.DataFrame(rows, columns=EFFECTS.schema.names)


def _effects(role: str, base: pd.DataFrame, other: pd.DataFrame) -> list[dict]:
    models = [model for model in base["model"].unique() if model in set(other["model"])]
    rows = []
    for model in models:
        pair = [runs[runs["model"] == model] for runs in (base, other)]
        sizes = set(pair[0]["n"]) & set(pair[1]["n"])
        if sizes:
            pair = [runs[runs["n"].isin(sizes)] for runs in pair]
            rows += [{"role": role, "model": model, "sizes": len(sizes)} | effect(*pair, metric) for metric in METRICS]
    return rows


def effect(base: pd.DataFrame, other: pd.DataFrame, metric: str) -> dict:
    """Return how a metric differs between two sets of runs over the same sizes, every size counting the same.

    The difference is the mean of the seeds' own mean differences, with their interval: the runs of a seed at several
    sizes are not independent. The means are of the same seeds. Without a seed that has all sizes in both, they are of
    all seeds, and the difference has no interval.
    """
    cells = [runs.groupby(["seed", "n"])[metric].mean().unstack("n") for runs in (base, other)]
    differences = (cells[1] - cells[0]).dropna().mean(axis=1)
    if len(differences):
        cells = [side.loc[differences.index] for side in cells]
    means = [side.mean().mean() for side in cells]
    difference, low, high = mean_interval(differences) if len(differences) else (means[1] - means[0], np.nan, np.nan)
    spread = [np.sqrt(runs.groupby("n")[metric].var(ddof=1).mean()) for runs in (base, other)]
    return {
        "metric": metric,
        "as_published": means[0],
        "without": means[1],
        "difference": difference,
        "difference_low": low,
        "difference_high": high,
        "as_published_sd": spread[0],
        "without_sd": spread[1],
    }


def settings_table(found: list[Form]) -> pd.DataFrame:
    """Return the settings that differ between the form as published and the corrected one, as their runs have them."""
    sides = {form.role: _settings(form) for form in found if form.role in (AS_PUBLISHED, CORRECTED)}
    rows = []
    for model, key in dict.fromkeys(chain.from_iterable(sides.values())):
        values = [sides.get(role, {}).get((model, key), "") for role in (AS_PUBLISHED, CORRECTED)]
        if values[0] != values[1]:
            rows.append((model, key, *values))
    return pd.DataFrame(rows, columns=SETTINGS.schema.names)


def _settings(form: Form) -> dict[tuple[str, str], str]:
    """Return the settings of a form by (model, dotted key), those of its design for all models."""
    runs = finished_runs(form.folder)
    found = {("all", f"{name}s"): _listing(runs[column]) for name, column in _DESIGN.items()}
    for _, first in runs.drop_duplicates("model").iterrows():
        record = read_json(form.folder / Run(*first[["model", "n", "draw", "seed"]]).folder / "run.json")
        settings = dict(record["settings"])
        settings |= settings.pop("model")
        found |= {(first["model"], key): value for key, value in _flat(settings)}
    return found


def _listing(numbers: pd.Series) -> str:
    return ", ".join(map(str, sorted(set(numbers))))


def _flat(settings: dict, prefix: str = "") -> list[tuple[str, str]]:
    """Return (dotted key, value as text) of nested settings."""
    rows = []
    for key, value in settings.items():
        if isinstance(value, dict):
            rows += _flat(value, f"{prefix}{key}.")
        else:
            rows.append((f"{prefix}{key}", value if isinstance(value, str) else canonical_json(value)))
    return rows


def forms_table(name: str, found: list[Form]) -> pd.DataFrame:
    """Return every form beside the study `name`, with what its results were made from, where it has been run."""
    ran = {form.role: form for form in found}
    rows = [_provenance(ran[role]) if role in ran else (role, form, 0, "", "") for role, form in roles(name).items()]
    return pd.DataFrame(rows, columns=FORMS.schema.names)


def _provenance(form: Form) -> tuple:
    runs = read_table(form.runs)
    coordinates = runs.loc[runs["status"] != MISSING, ["model", "n", "draw", "seed"]].itertuples(index=False)
    records = [read_json(form.folder / Run(*row).folder / "run.json") for row in coordinates]
    commits = dict.fromkeys(commit_text(record) for record in records)
    last = max((record["finished"] for record in records), default="")
    return form.role, form.name, len(records), last, ", ".join(commits)


def printed_table(study: str) -> pd.DataFrame:
    """Return the settings that a published study printed."""
    table = printed.load_table(study, "settings").astype("string").fillna("").rename(columns=_PRINTED)
    if "model" in table:
        table["setting"] = table["model"] + ": " + table["setting"]
    return table.reindex(columns=PRINTED.schema.names, fill_value="")
