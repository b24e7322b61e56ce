"""The logs of training jobs: which one belongs to a run, and its last lines."""

import re
from collections.abc import Iterable
from pathlib import Path

from trainsize.runs.run import Run

LAST_LINES = 3


def training_log(results: Path, run: Run) -> Path | None:
    """Return the newest log of the training stage, in the study's folder `results`, that names the run."""
    logs = (results / "logs" / "training" / run.model / f"n{run.n}").rglob("*.log")
    return newest_log(logs, rf"{re.escape(run.folder.as_posix())}\b")


def newest_log(logs: Iterable[Path], pattern: str) -> Path | None:
    """Return the newest log that matches `pattern`."""
    for log in sorted(logs, key=lambda path: path.stat().st_mtime, reverse=True):
        if re.search(pattern, log.read_text(errors="replace")):
            return log
    return None


def last_lines(log: Path | None) -> tuple[str, ...]:
    """Return the last non-empty lines of a log."""
    lines = log.read_text(errors="replace").splitlines() if log else []
    return tuple([line for line in lines if line.strip()][-LAST_LINES:])


def lines_of(log: Path | None, run: Run) -> tuple[str, ...]:
    """Return the last lines about one run in a log that may be of several runs."""
    kept, own = [], False
    for line in log.read_text(errors="replace").splitlines() if log else []:
        if line.startswith("runs/"):
            own = line.startswith(run.folder.as_posix())
        if own:
            kept.append(line)
    return tuple(kept[-LAST_LINES:])
