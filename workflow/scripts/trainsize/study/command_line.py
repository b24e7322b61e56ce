"""Shared by the commands: the study to work on, its results folder and the settings of this machine."""

import argparse

from trainsize.common.paths import ROOT, user_path
from trainsize.common.yaml_files import read_yaml
from trainsize.study.config import FILE, check_config, read_profile
from trainsize.study.reader import load_study
from trainsize.study.study import Study


def study_parser(command: str, description: str) -> argparse.ArgumentParser:
    """Return a parser for the arguments of every command on a study: its name and the results folder."""
    parser = argparse.ArgumentParser(prog=f"python -m trainsize.{command}", description=description)
    parser.add_argument("study", nargs="?", help="name of the study (default: the one in config.yaml)")
    parser.add_argument("--results", type=user_path, default=ROOT / "results", help="results folder (default: results)")
    return parser


def named_study(name: str | None) -> Study:
    """Return the study of that name, or the one in config.yaml. Raises UserError if its file has a mistake."""
    if name:
        return load_study(name, ROOT / "studies")
    return load_study(check_config(read_yaml(ROOT / FILE))["study"], ROOT / "studies", FILE)


def machine_settings(study: str | None, profile: str | None) -> tuple[dict, dict]:
    """Return the settings of config.yaml, overridden by the Snakemake profile and the study if named, and the profile.

    Raises UserError if one of these files has a mistake.
    """
    of_profile = read_profile(ROOT, profile) if profile else {}
    named = {"study": study} if study else {}
    of_machine, further = read_yaml(ROOT / FILE), of_profile.get("config", {})
    stated = {**of_machine, **further, **named}
    if isinstance(of_machine.get("data"), dict) and isinstance(further.get("data"), dict):
        stated["data"] = {**of_machine["data"], **further["data"]}  # merged by Snakemake, too
    return check_config(stated, dict.fromkeys(further, f"the profile {profile}")), of_profile
