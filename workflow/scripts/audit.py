"""audit.py LOG SETTINGS RESULTS: audit the study's own numbers."""

from pathlib import Path

from trainsize.audit.stage import audit_study
from trainsize.jobs.job import run_stage


def main(settings: dict, results: str) -> None:
    audit_study(settings, Path(results))


if __name__ == "__main__":
    run_stage(main)
