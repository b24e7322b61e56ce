"""regressions.py LOG SETTINGS RESULTS MANIFEST: fit the study's curves and answer its questions."""

from pathlib import Path

from trainsize.jobs.job import run_stage
from trainsize.regressions.stage import regress


def main(settings: dict, results: str, manifest: str) -> None:
    regress(settings, Path(results), Path(manifest))


if __name__ == "__main__":
    run_stage(main)
