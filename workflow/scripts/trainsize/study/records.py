"""The records of a study's runs that have ended."""

import json
from pathlib import Path

from trainsize.common.files import CHECKSUM
from trainsize.runs.record import Record, record_from
from trainsize.runs.run import FILES, Run
from trainsize.study.study import Study


def read_records(study: Study, results: Path) -> dict[Run, Record]:
    """Return the records of the runs whose files are complete, in their folder or in its `state`.

    Runs without a readable record are left out: they will be trained again. Checksums are not compared, since a plan
    reads thousands of records.
    """
    records = {}
    for run in study.runs:
        folder = results / study.name / run.folder
        for location in (folder, folder / "state"):
            record = _read(location / "run.json")
            if record is not None and all((location / name).exists() for name in FILES):
                records[run] = record
                break
    return records


def _read(path: Path) -> Record | None:
    try:
        value = json.loads(path.read_bytes())
        if isinstance(value, dict):
            value.pop(CHECKSUM, None)
        return record_from(value)
    except (OSError, ValueError):
        return None
