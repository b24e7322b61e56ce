"""reproduction.py LOG SETTINGS RESULTS: compare our numbers, as published and corrected, with the printed ones."""

from pathlib import Path

from trainsize.common.paths import ROOT
from trainsize.jobs.job import run_stage
from trainsize.reproduction.stage import write_reproduction
from trainsize.study.reader import load_study


def main(settings: dict, results: str) -> None:
    study = load_study(settings["study"], ROOT / "studies")
    write_reproduction(study, Path(results), Path(results) / study.name)


if __name__ == "__main__":
    run_stage(main)
