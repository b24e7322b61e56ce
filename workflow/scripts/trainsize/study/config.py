"""This machine's settings: config.yaml and the --config options of the command line."""

import os
from pathlib import Path

import yaml

from trainsize.common import schema, yaml_files
from trainsize.common.errors import UserError


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
    return settings


def read_profile(root: Path, name: str) -> dict:
    """Return the Snakemake profile `name`, for calls of snakemake from the folder `root`.

    Its `config`, merged with its `configfile`, and its `default-resources` become dicts in whichever form written.
    """
    profile = yaml_files.read_yaml(root / name / "config.yaml")
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
