"""This machine's settings: config.yaml and the --config options of the command line."""

import os
from collections.abc import Iterable, Iterator
from pathlib import Path

import yaml

from trainsize.common import schema, yaml_files
from trainsize.common.errors import UserError, did_you_mean
from trainsize.common.paths import user_path

# Environment variables that are read: by the workflow and its jobs, and by the tests.
VARIABLES = ("TRAINSIZE_MIRROR", "TRAINSIZE_LOCAL_DATA")
OF_TESTS = ("TRAINSIZE_TEST_DATA", "TRAINSIZE_REQUIRE_", "TRAINSIZE_SLURM_PACKAGES")
REPLACED = {"TRAINSIZE_STACK": "stack", "TRAINSIZE_CUDA_GRAPHS": "cuda_graphs"}  # by keys of config.yaml, for every job


def check_config(config: dict) -> dict:
    """Return config.yaml's settings with defaults filled in; TRAINSIZE_MIRROR overrides `data.mirror`.

    Raises UserError naming the key.
    """
    rules = schema.load_schema("config")
    if message := yaml_files.unacceptable(dict(config)):
        raise UserError(f"config.yaml: {message}")
    for keys, message in schema.problems(dict(config), rules, rules):
        raise UserError(f"config.yaml: {'.'.join(map(str, keys))}{': ' if keys else ''}{message}")
    settings = schema.with_defaults(dict(config), rules, rules)
    settings["data"]["mirror"] = os.environ.get("TRAINSIZE_MIRROR") or settings["data"]["mirror"] or ""
    for key, message in _idle(settings):
        raise UserError(f"config.yaml: {key}: found {settings[key]}, {message}")
    return settings


def _idle(settings: dict) -> Iterator[tuple[str, str]]:
    """Yield (key, why) for settings that others leave without effect."""
    advice = "(values of --config and of a profile's configfile come before those of config.yaml)"
    if settings["stack"] > settings["runs_per_job"]:
        message = f"but a job has only {settings['runs_per_job']} of runs_per_job; raise that, or use at most as many"
        yield "stack", f"{message} {advice}"
    for key, what in (("cuda_graphs", "CUDA graphs need a GPU"), ("gpus", "jobs would not use what they request")):
        if settings[key] and settings["device"] == "cpu":
            yield key, f"but device is cpu: {what}; change one of them {advice}"
    if settings["time_limit"] is not None and settings["time_margin"] is None:
        message = "but no run time is requested without time_margin; set it, or remove time_limit"
        yield "time_limit", f"{message} {advice}"


def unknown_variables(environment: Iterable[str]) -> Iterator[str]:
    """Yield a line for each variable that looks like one of trainsize and has no effect."""
    for name in environment:
        if name in REPLACED:
            yield f"the environment variable {name} has no effect; set {REPLACED[name]} in config.yaml"
        elif name.startswith("TRAINSIZE_") and name not in VARIABLES and not name.startswith(OF_TESTS):
            yield f"the environment variable {name} has no effect{did_you_mean(name, VARIABLES)}"


def read_profile(root: Path, name: str) -> dict:
    """Return the Snakemake profile `name`, for calls of snakemake from the folder `root`.

    Its `config`, merged with its `configfile`, and its `default-resources` become dicts in whichever form written.
    """
    profile = yaml_files.read_yaml(root / user_path(name) / "config.yaml")
    for key in ("config", "default-resources"):
        if isinstance(profile.get(key), list):
            pairs = (entry.partition("=") for entry in profile[key])
            profile[key] = {setting: yaml.safe_load(value) for setting, _, value in pairs}
    if "configfile" in profile:
        profile["config"] = yaml_files.read_yaml(root / profile["configfile"]) | profile.get("config", {})
    return profile


def check_results(folder: Path) -> None:
    """Raise UserError unless files can be created in `folder`, or in its nearest existing parent."""
    existing = next(path for path in (folder, *folder.resolve().parents) if os.path.lexists(path))
    if not existing.is_dir():
        raise UserError(f"{existing}: is a file, but a folder of this name is needed for the results; move the file")
    if not os.access(existing, os.W_OK | os.X_OK):
        raise UserError(
            f"{existing}: this folder is not writable; change its permissions, or replace it by a link to one that is"
        )
