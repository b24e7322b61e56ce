"""The versions of a published study compared: what each mistake did, and which settings differ."""

from dataclasses import astuple
from itertools import chain

import numpy as np
import pandas as pd

from trainsize.common.files import canonical_json
from trainsize.common.provenance import commit_text
from trainsize.common.tables import read_table
from trainsize.published import printed
from trainsize.published.versions import AS_PUBLISHED, CORRECTED, Version, mistakes, roles
from trainsize.reproduction.our_numbers import finished_runs
from trainsize.reproduction.tables import EFFECTS, MISTAKES, PRINTED, SETTINGS, VERSIONS
from trainsize.runs.record import read_record
from trainsize.runs.run import Run
from trainsize.runs.status import MISSING
from trainsize.statistics.intervals import mean_interval

METRICS = ("test_accuracy", "test_f1_macro", "test_loss", "train_accuracy", "train_loss")
_DESIGN = {"size": "n", "draw": "draw", "seed": "seed"}
_PRINTED = {"paper": "printed", "value": "printed", "evidence": "note", "source": "note"}


def mistakes_table(study: str) -> pd.DataFrame:
    return pd.DataFrame([astuple(mistake) for mistake in mistakes(study)], columns=MISTAKES.schema.names)


def effects_table(versions: list[Version]) -> pd.DataFrame:
    """Return how the metrics of each version that has been run differ from those of the version as published."""
    runs = {version.role: finished_runs(version.folder) for version in versions}
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
    """Return how a metric differs between two sets of runs over the same sizes, every size with the same weight.

    The difference is the mean over seeds of each seed's mean difference, since the runs of a seed at several sizes are
    not independent; its interval is that of this mean. The two means are over the same seeds. If no seed has all sizes
    in both sets, they are over all seeds, and the difference has no interval.
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


def settings_table(versions: list[Version]) -> pd.DataFrame:
    """Return the settings that differ between the versions as published and corrected, as their runs recorded them."""
    sides = {version.role: _settings(version) for version in versions if version.role in (AS_PUBLISHED, CORRECTED)}
    rows = []
    for model, key in dict.fromkeys(chain.from_iterable(sides.values())):
        values = [sides.get(role, {}).get((model, key), "") for role in (AS_PUBLISHED, CORRECTED)]
        if values[0] != values[1]:
            rows.append((model, key, *values))
    return pd.DataFrame(rows, columns=SETTINGS.schema.names)


def _settings(version: Version) -> dict[tuple[str, str], str]:
    """Return the settings of a version by (model, dotted key); those of its design have "all" for the model."""
    runs = finished_runs(version.folder)
    by_key = {("all", f"{name}s"): _listing(runs[column]) for name, column in _DESIGN.items()}
    for _, first in runs.drop_duplicates("model").iterrows():
        run = Run(*first[["model", "n", "draw", "seed"]])
        settings = dict(read_record(version.folder / run.folder, version.name, run).settings)
        settings |= settings.pop("model")
        by_key |= {(first["model"], key): value for key, value in _flat(settings)}
    return by_key


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


def versions_table(name: str, present: list[Version]) -> pd.DataFrame:
    """Return every version of the study `name`, with the provenance of its results where it has been run."""
    by_role = {version.role: version for version in present}
    rows = [
        _provenance(by_role[role]) if role in by_role else (role, version, 0, "", "")
        for role, version in roles(name).items()
    ]
    return pd.DataFrame(rows, columns=VERSIONS.schema.names)


def _provenance(version: Version) -> tuple:
    runs = read_table(version.runs)
    coordinates = runs.loc[runs["status"] != MISSING, ["model", "n", "draw", "seed"]].itertuples(index=False)
    trained = [Run(*row) for row in coordinates]
    records = [read_record(version.folder / run.folder, version.name, run) for run in trained]
    commits = dict.fromkeys(commit_text(record.commit, record.dirty) for record in records)
    last = max((record.finished for record in records), default="")
    return version.role, version.name, len(records), last, ", ".join(commits)


def printed_table(study: str) -> pd.DataFrame:
    """Return the settings that a published study printed."""
    table = printed.load_table(study, "settings").astype("string").fillna("").rename(columns=_PRINTED)
    if "model" in table:
        table["setting"] = table["model"] + ": " + table["setting"]
    return table.reindex(columns=PRINTED.schema.names, fill_value="")
