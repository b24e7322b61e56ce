"""The origin of a result, for records and reports: commit, package versions and machine."""

import platform
import subprocess
from datetime import UTC, datetime
from functools import cache
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

from trainsize.common.paths import ROOT

PACKAGES = (
    "torch",
    "torchvision",
    "snakemake",
    "numpy",
    "pandas",
    "pyarrow",
    "scikit-learn",
    "statsmodels",
    "matplotlib",
)


@cache
def commit() -> tuple[str | None, bool | None]:
    """Return the commit of the workflow and whether tracked files differ from it; None if git does not know."""
    head = _git("rev-parse", "HEAD")
    changes = _git("status", "--porcelain", "--untracked-files=no")
    return head, None if changes is None else bool(changes)


def commit_text(commit_id: str | None, dirty: bool | None) -> str:
    """Return the commit in a run's record as readable text."""
    return f"{commit_id or 'not a git checkout'}{' with uncommitted changes' if dirty else ''}"


def _git(*arguments: str) -> str | None:
    try:
        done = subprocess.run(["git", "-C", str(ROOT), *arguments], capture_output=True, text=True, timeout=30)
    except (OSError, subprocess.TimeoutExpired):
        return None
    return done.stdout.strip() if done.returncode == 0 else None


@cache
def versions() -> dict[str, str]:
    """Return the versions of Python and of the installed PACKAGES."""
    installed = {"python": platform.python_version()}
    for package in PACKAGES:
        try:
            installed[package] = version(package)
        except PackageNotFoundError:
            continue
    return installed


@cache
def processor() -> str:
    """Return the name of the CPU."""
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        lines = []
    names = [line.split(":", 1)[1].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.processor() or platform.machine()


def now() -> str:
    return datetime.now(UTC).isoformat(timespec="seconds")
