"""The records of a study's finished runs."""

import json
from pathlib import Path

from trainsize.runs.run import FILES, Run
from trainsize.study.study import Study


def read_records(study: Study, results: Path) -> dict[Run, dict]:
    """Return the records of the runs whose files are all there, or in their `state/`, to be taken over."""
    records = {}
    for run in study.runs:
        folder = results / study.name / run.folder
        for place in (folder, folder / "state"):
            try:
                record = json.loads((place / "run.json").read_bytes())
            except (OSError, ValueError):
                continue
            if all((place / name).exists() for name in FILES):
                records[run] = record
                break
    return records
