"""This machine's settings: config.yaml and what stands on the command line after --config."""

import os
from pathlib import Path

import yaml

from trainsize.common import schema, yaml_files
from trainsize.common.errors import UserError


def check_config(config: dict) -> dict:
    """Return config.yaml's settings with defaults written out; TRAINSIZE_MIRROR goes before `data.mirror`.

    Raises UserError naming the key.
    """
    rules = schema.load_schema("config")
    if message := yaml_files.unfit(dict(config)):
        raise UserError(f"config.yaml: {message}")
    for keys, message in schema.problems(dict(config), rules, rules):
        raise UserError(f"config.yaml: {'.'.join(map(str, keys))}{': ' if keys else ''}{message}")
    settings = schema.with_defaults(dict(config), rules, rules)
    settings["data"]["mirror"] = os.environ.get("TRAINSIZE_MIRROR") or settings["data"]["mirror"] or ""
    return settings


def read_profile(root: Path, name: str) -> dict:
    """Return what the Snakemake profile `name` says when snakemake is called from `root`.

    Its `config`, with what stands in its `configfile`, and its `default-resources` are dicts however they are written.
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
    """Raise UserError unless files can be made in `folder`, or in the nearest folder above it that exists."""
    there = next(path for path in (folder, *folder.resolve().parents) if os.path.lexists(path))
    if not there.is_dir():
        raise UserError(f"{there}: the results go into a folder of this name, but it is a file; move it away")
    if not os.access(there, os.W_OK | os.X_OK):
        raise UserError(
            f"{there}: this folder cannot be written to; change its permissions, or make it a link to one that can"
        )
