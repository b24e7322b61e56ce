"""regressions.py LOG SETTINGS RUNS FOLDER: fit the study's curves."""

from pathlib import Path

from trainsize.job import run_stage
from trainsize.regressions import regress


def main(settings: dict, runs: str, folder: str) -> None:
    regress(Path(runs), settings["models"], settings["metrics"], Path(folder))


if __name__ == "__main__":
    run_stage(main)
