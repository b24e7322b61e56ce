"""Shared by the commands: arguments for the study and its results, and exit messages without a traceback."""

import argparse
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from trainsize.common.errors import UserError
from trainsize.common.paths import ROOT
from trainsize.common.yaml_files import read_yaml
from trainsize.study.config import check_config, read_profile
from trainsize.study.reader import load_study
from trainsize.study.study import Study


def study_parser(command: str, description: str) -> argparse.ArgumentParser:
    """Return a parser for the arguments of every command on a study: its name and the results folder."""
    parser = argparse.ArgumentParser(prog=f"python -m trainsize.{command}", description=description)
    parser.add_argument("study", nargs="?", help="name of the study (default: the one in config.yaml)")
    parser.add_argument("--results", type=Path, default=ROOT / "results", help="results folder (default: results)")
    return parser


@contextmanager
def exit_on_user_error() -> Iterator[None]:
    """End the process with only the message of a UserError."""
    try:
        yield
    except UserError as error:
        sys.exit(str(error))


def named_study(name: str | None) -> Study:
    """Return the study of that name, or the one in config.yaml. Raises UserError if its file has a mistake."""
    return load_study(str(name or read_yaml(ROOT / "config.yaml").get("study")), ROOT / "studies")


def machine_settings(study: str | None, profile: str | None) -> tuple[dict, dict]:
    """Return the settings of config.yaml, overridden by the Snakemake profile and the study if named, and the profile.

    Raises UserError if one of these files has a mistake.
    """
    profile_settings = read_profile(ROOT, profile) if profile else {}
    named = {"study": study} if study else {}
    return check_config(
        {**read_yaml(ROOT / "config.yaml"), **profile_settings.get("config", {}), **named}
    ), profile_settings
