"""figures.py LOG SETTINGS RESULTS MANIFEST: draw the study's figures."""

from pathlib import Path

from trainsize.figures import draw_figures
from trainsize.job import run_stage


def main(settings: dict, results: str, manifest: str) -> None:
    draw_figures(settings, Path(results), Path(manifest))


if __name__ == "__main__":
    run_stage(main)
