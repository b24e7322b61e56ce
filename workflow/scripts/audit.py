"""audit.py LOG SETTINGS RESULTS MANIFEST: audit the study's own numbers and its data set."""

from pathlib import Path

from trainsize.audit.stage import audit_study
from trainsize.jobs.job import run_stage


def main(settings: dict, results: str, manifest: str) -> None:
    audit_study(settings, Path(results), Path(manifest))


if __name__ == "__main__":
    run_stage(main)
