"""What the commands share: the study to work on, the folder of its results, and mistakes told without a traceback."""

import argparse
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from trainsize.common.errors import UserError
from trainsize.common.places import ROOT
from trainsize.common.yaml_files import read_yaml
from trainsize.study.config import check_config, read_profile
from trainsize.study.reader import load_study
from trainsize.study.study import Study


def study_parser(command: str, description: str) -> argparse.ArgumentParser:
    """Return a parser of the arguments that every command about a study takes: the study, and where its results are."""
    parser = argparse.ArgumentParser(prog=f"python -m trainsize.{command}", description=description)
    parser.add_argument("study", nargs="?", help="name of the study (default: the one in config.yaml)")
    parser.add_argument("--results", type=Path, default=ROOT / "results", help="results folder (default: results)")
    return parser


@contextmanager
def mistakes_told() -> Iterator[None]:
    """End the process with the message of a UserError alone."""
    try:
        yield
    except UserError as error:
        sys.exit(str(error))


def named_study(name: str | None) -> Study:
    """Return the study of that name, or the one in config.yaml. Raises UserError for a mistake in its file."""
    return load_study(str(name or read_yaml(ROOT / "config.yaml").get("study")), ROOT / "studies")


def machine_settings(study: str | None, profile: str | None) -> tuple[dict, dict]:
    """Return the checked settings of config.yaml, with the study and the Snakemake profile if named, and the profile.

    Raises UserError for a mistake in one of these files.
    """
    found = read_profile(ROOT, profile) if profile else {}
    named = {"study": study} if study else {}
    return check_config({**read_yaml(ROOT / "config.yaml"), **found.get("config", {}), **named}), found
