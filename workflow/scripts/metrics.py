"""metrics.py LOG SETTINGS RESULTS: collect the runs of a study into its two tables."""

from pathlib import Path

from trainsize.job import run_stage
from trainsize.metrics import collect


def main(settings: dict, results: str) -> None:
    collect(settings["grid"], settings["settings_hashes"], Path(results))


if __name__ == "__main__":
    run_stage(main)
