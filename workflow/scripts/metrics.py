"""metrics.py LOG SETTINGS RESULTS MANIFEST: collect the runs of a study into its tables."""

from pathlib import Path

from trainsize.jobs.job import run_stage
from trainsize.metrics.stage import collect


def main(settings: dict, results: str, manifest: str) -> None:
    collect(settings["grid"], settings["settings_hashes"], Path(manifest), Path(results))


if __name__ == "__main__":
    run_stage(main)
