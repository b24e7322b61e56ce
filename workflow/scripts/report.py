"""report.py LOG SETTINGS RESULTS DATASET PAGE: write the study's report."""

from pathlib import Path

from trainsize.jobs.job import run_stage
from trainsize.report.stage import write_report


def main(settings: dict, results: str, dataset: str, page: str) -> None:
    write_report(settings, Path(results), Path(dataset), Path(page))


if __name__ == "__main__":
    run_stage(main)
