"""This machine's settings: config.yaml and the --config options of the command line."""

import os
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path

import yaml

from trainsize.common import schema, yaml_files
from trainsize.common.errors import UserError, absent, did_you_mean
from trainsize.common.files import canonical_json
from trainsize.common.paths import ROOT, user_path

FILE = "config.yaml"
# Environment variables that are read: by the workflow and its jobs, and by the tests.
VARIABLES = ("TRAINSIZE_MIRROR", "TRAINSIZE_LOCAL_DATA")
OF_TESTS = ("TRAINSIZE_TEST_DATA", "TRAINSIZE_REQUIRE_", "TRAINSIZE_SLURM_PACKAGES")
REPLACED = {"TRAINSIZE_STACK": "stack", "TRAINSIZE_CUDA_GRAPHS": "cuda_graphs"}  # by keys of config.yaml, for every job


def check_config(config: dict, places: Mapping[str, str] | None = None, studies: Path = ROOT / "studies") -> dict:
    """Return the settings of config.yaml with defaults filled in; TRAINSIZE_MIRROR overrides `data.mirror`.

    `places` says of the keys that were not stated in config.yaml where they were, such as --config. Raises UserError
    naming the place and the key.
    """
    rules, places = schema.load_schema("config"), places or {}
    if message := yaml_files.unacceptable(dict(config)):
        raise UserError(f"{FILE}: {message}")
    config = {**config, "study": _study_name(config["study"], studies)} if "study" in config else dict(config)
    for keys, message in schema.problems(config, rules, rules):
        key = keys[0] if keys else next((key for key in config if key not in rules["properties"]), FILE)
        place, path = places.get(key, FILE), ".".join(map(str, keys))
        hint = "; to keep it a text: --config study='\"NAME\"'" if (key, place) == ("study", "--config") else ""
        raise UserError(f"{place}: {path}{': ' if keys else ''}{message}{hint}")
    settings = schema.with_defaults(config, rules, rules)
    settings["data"]["mirror"] = os.environ.get("TRAINSIZE_MIRROR") or settings["data"]["mirror"] or ""
    for key, message in _idle(settings):
        raise UserError(f"{places.get(key, FILE)}: {key}: found {canonical_json(settings[key])}, {message}")
    return settings


def _idle(settings: dict) -> Iterator[tuple[str, str]]:
    """Yield (key, why) for settings that others leave without effect."""
    if settings["stack"] > settings["runs_per_job"]:
        yield (
            "stack",
            f"but a job has only {settings['runs_per_job']} of runs_per_job; raise that, or use at most as many",
        )
    for key, what in (("cuda_graphs", "CUDA graphs need a GPU"), ("gpus", "jobs would not use what they request")):
        if settings[key] and settings["device"] == "cpu":
            yield key, f"but device is cpu: {what}; change one of them"
    if settings["time_limit"] is not None and settings["time_margin"] is None:
        yield "time_limit", "but no run time is requested without time_margin; set it, or remove time_limit"


def unknown_variables(environment: Iterable[str]) -> Iterator[str]:
    """Yield a line for each variable that looks like one of trainsize and has no effect."""
    for name in environment:
        if name in REPLACED:
            yield f"the environment variable {name} has no effect; set {REPLACED[name]} in config.yaml"
        elif name.startswith("TRAINSIZE_") and name not in VARIABLES and not name.startswith(OF_TESTS):
            yield f"the environment variable {name} has no effect{did_you_mean(name, VARIABLES)}"


def check_file(file: Path, needed: bool) -> None:
    """Raise UserError for a file of settings that cannot be read, or that is not there but needed."""
    if file.exists() or file.is_symlink():
        yaml_files.read_yaml(file)
    elif needed:
        raise UserError(f"{file.absolute()}: no such file; call snakemake from the folder of the checkout")


def _study_name(value: object, studies: Path) -> object:
    """Return the name of the study that was read as a number, a date or the like: 7 for a study called 007.

    What no name, or more than one, is read as remains as it is.
    """
    if isinstance(value, (str, dict, list)):
        return value
    names = sorted(file.stem for file in studies.glob("*.yaml"))
    read = [name for name in names if any(value == other for other in _read_as(name))]
    return str(value) if str(value) in read else read[0] if len(read) == 1 else value


def _read_as(text: str) -> Iterator[object]:
    """Yield what a plain text is read as, by YAML and on Snakemake's command line."""
    for read in (yaml.safe_load, int, float):
        try:
            yield read(text)
        except (ValueError, yaml.YAMLError):
            continue


def stated_settings(
    config: Mapping, overriding: Mapping, files: Mapping[str, Mapping], file: Path
) -> tuple[dict, dict[str, str]]:
    """Return the settings of a call of snakemake, and the places of those that are not in `file`, its config.yaml.

    `config` is what Snakemake read, `overriding` are its options --config, and `files` its further configuration files
    by name. What config.yaml alone states is read by the rules of this library, as the commands do, and not by
    Snakemake's, for which 1e3 is a text and 010 is eight.
    """
    places = {key: name for name, content in files.items() for key in content} | dict.fromkeys(overriding, "--config")
    own = yaml_files.read_yaml(file)
    return {**config, **{key: value for key, value in own.items() if key not in places}}, places


def read_profile(root: Path, name: str) -> dict:
    """Return the Snakemake profile `name`, for calls of snakemake from the folder `root`.

    Its `config`, merged with its `configfile`, and its `default-resources` become dicts in whichever form written.
    """
    profile = yaml_files.read_yaml(root / user_path(name) / "config.yaml")
    for key in ("config", "default-resources"):
        if isinstance(profile.get(key), list):
            pairs = (str(entry).partition("=") for entry in profile[key])
            profile[key] = {setting: yaml.safe_load(value) for setting, _, value in pairs}
    if "configfile" in profile:
        profile["config"] = yaml_files.read_yaml(root / profile["configfile"]) | profile.get("config", {})
    return profile


def check_results(folder: Path) -> None:
    """Raise UserError unless files can be created in `folder`, or in its nearest existing parent."""
    existing = next(path for path in (folder, *folder.resolve().parents) if os.path.lexists(path))
    if existing.is_symlink() and not existing.exists():
        raise UserError(f"{existing}: {absent(existing)}")
    if not existing.is_dir():
        raise UserError(f"{existing}: is a file, but a folder of this name is needed for the results; move the file")
    if not os.access(existing, os.W_OK | os.X_OK):
        raise UserError(
            f"{existing}: this folder is not writable; change its permissions, or replace it by a link to one that is"
        )
