"""figures.py LOG SETTINGS RESULTS DATASET: draw the study's figures."""

from pathlib import Path

from trainsize.figures.stage import draw_figures
from trainsize.jobs.job import run_stage


def main(settings: dict, results: str, dataset: str) -> None:
    draw_figures(settings, Path(results), Path(dataset))


if __name__ == "__main__":
    run_stage(main)
