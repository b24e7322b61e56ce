"""Data sets that several studies use: what a change of one makes stale, and one name for two descriptions.

Imports nothing heavy, because the Snakefile imports this.
"""

from collections.abc import Iterator
from functools import cache
from pathlib import Path

from trainsize.common import schema, yaml_files
from trainsize.common.errors import UserError, listing, short_path
from trainsize.common.files import canonical_json
from trainsize.datasets.catalogue import numbered
from trainsize.datasets.changes import Comparison, misfits
from trainsize.study.schema import study_schema
from trainsize.study.study import Study

_FACTS = ("n_train", "n_test", "shape")  # read from the files if they are not stated


def check_description(study: Study, studies: Path, results: Path) -> None:
    """Raise UserError if another study that has results describes the data set of this name in another way.

    Both would prepare it in the same folder, in turns. Titles, sources and licences may differ.
    """
    own = _description(studies, study.name)
    if not isinstance(own, dict):
        return
    for other, description in _with_results(studies, results):
        if other == study.name or not isinstance(description, dict) or description["name"] != own["name"]:
            continue
        if different := list(_differences(own, description)):
            here, there = (_file(studies, name) for name in (study.name, other))
            raise UserError(
                "\n  ".join(
                    [
                        f"{here}: dataset.name: '{own['name']}' is described in another way in {there}, whose results "
                        f"are in {results / other}:",
                        *(f"{key}: {_shown(mine)} in {here}, {_shown(its)} in {there}" for key, mine, its in different),
                    ]
                )
                + "\nDescribe both alike, or give one of the data sets another name."
            )


def told_changes(study: Study, found: Comparison, studies: Path, results: Path) -> str:
    """Return what changed in the user's own files, what becomes stale, and which stated numbers no longer fit."""
    card = study.dataset
    folder, path = results / "datasets" / card.name, card.format["path"]
    users = [name for name, of_study in _with_results(studies, results) if _name(of_study) == card.name]
    stale = listing([folder, *(results / name for name in users)])
    changed = f"{path}: {found.changes} since {folder} was made; these become stale: {stale}"
    lines = [f"{changed}. Runs whose images turn out the same are kept."]
    return "\n".join([*lines, *no_longer_fits(study, found, studies)])


def no_longer_fits(study: Study, found: Comparison, studies: Path) -> list[str]:
    """Return a message for each number of the study's data set that the changed files contradict."""
    file = _file(studies, study.name)
    return [f"{file}: dataset: {message}" for message in misfits(study.dataset, found.root)] if found.changes else []


def _with_results(studies: Path, results: Path) -> Iterator[tuple[str, str | dict | None]]:
    """Yield the studies that have subsets or runs in `results`, with the data set that each file names or describes."""
    for folder in sorted(results.iterdir()) if results.is_dir() else []:
        if (folder / "subsets").exists() or (folder / "runs").exists():
            yield folder.name, _description(studies, folder.name)


@cache
def _description(studies: Path, name: str) -> str | dict | None:
    """Return the data set that a study, with its variants, names or describes, with defaults filled in.

    None if the study has no file any more, or one with a mistake, which is told when that study is run.
    """
    stem, *variants = name.split("+")
    rules = study_schema()
    try:
        value = _read(studies / f"{stem}.yaml")
        for variant in variants:
            value = {**value, **{key: part for key, part in value["variants"][variant].items() if key == "dataset"}}
        if any(schema.problems(value["dataset"], rules["properties"]["dataset"], rules)):
            return None
    except (UserError, KeyError, AttributeError, TypeError):
        return None
    return schema.with_defaults(value["dataset"], rules["properties"]["dataset"], rules)


@cache
def _read(file: Path) -> dict:
    return yaml_files.read_yaml(file)


def _name(description: str | dict | None) -> str | None:
    return description["name"] if isinstance(description, dict) else description


def _file(studies: Path, name: str) -> str:
    """Return the file of a study, with its variants."""
    stem, *variants = name.split("+")
    file = str(short_path(studies / f"{stem}.yaml"))
    return f"{file} ({'+'.join(variants)})" if variants else file


def _differences(one: dict, other: dict) -> Iterator[tuple[str, object, object]]:
    """Yield the keys that prepare different data sets, with the value of each description."""
    classes = [numbered(c) if isinstance(c, int) else tuple(c) for c in (one["classes"], other["classes"])]
    if classes[0] != classes[1]:
        yield "dataset.classes", one["classes"], other["classes"]
    for key in _FACTS:
        if key in one and key in other and one[key] != other[key]:
            yield f"dataset.{key}", one[key], other[key]
    for key in dict.fromkeys([*one["format"], *other["format"]]):
        mine, its = (description["format"].get(key) for description in (one, other))
        if mine != its:
            yield f"dataset.format.{key}", mine, its


def _shown(value: object) -> str:
    if isinstance(value, list):
        return f"[{listing(value)}]"
    return value if isinstance(value, str) else canonical_json(value)
