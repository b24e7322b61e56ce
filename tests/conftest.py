"""Shared fixtures: a copy of the project in a temporary folder, with a tiny study, and the snakemake command in it."""

import fcntl
import os
import shutil
import subprocess
import sys
import sysconfig
import venv
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from pathlib import Path

import pytest
from support import PATIENCE, ROOT

from trainsize.download.stage import prepare

REAL = Path(os.environ.get("TRAINSIZE_TEST_DATA", ROOT.parent / "shared" / "datasets"))
FAULTS = ("<!-- faults: written by make test-slow -->", "<!-- end of faults -->")
WORKFLOW_FILES = ("Snakefile", "config.yaml", "workflow", "studies", "published", "envs", "slurm")

TINY_STUDY = """\
title: A tiny study
dataset: digits
sizes: [20, 40, 80]
seeds: [1, 2]
subset: {method: nested}
budget: {updates: 6}
evaluation: {points: 2}
base: {batch_size: 16, optimizer: {name: sgd, lr: 0.1, momentum: 0.9}}
models:
  cnn: {architecture: {name: cnn, channels: [4]}}
  mlp: {architecture: {name: mlp, hidden: [8]}}
"""


@dataclass(frozen=True)
class Project:
    """A checkout with a tiny study as the one in config.yaml; `environment` is added to that of its commands."""

    folder: Path
    environment: dict[str, str] = field(default_factory=dict)
    interpreter: str = sys.executable

    @property
    def study(self) -> Path:
        return self.folder / "studies" / "tiny.yaml"

    @property
    def results(self) -> Path:
        return self.folder / "results" / "tiny"

    def snakemake(self, *arguments: str, check: bool = True) -> str:
        """Call snakemake in the project and return all it printed; with `check`, it must succeed."""
        done = self.start(*arguments)
        printed, _ = done.communicate(timeout=PATIENCE)
        assert done.returncode == 0 or not check, printed
        return printed

    def start(self, *arguments: str) -> subprocess.Popen:
        """Start snakemake in the project, in a process group of its own; what it prints is to be read from `stdout`."""
        command = [self.interpreter, "-m", "snakemake", *arguments]
        environment = {key: value for key, value in os.environ.items() if not key.startswith("SNAKEMAKE")}
        environment |= self.environment
        output = {"stdout": subprocess.PIPE, "stderr": subprocess.STDOUT, "text": True}
        return subprocess.Popen(command, cwd=self.folder, env=environment, start_new_session=True, **output)

    def tool(self, name: str, *arguments: str) -> str:
        """Call one of the library's tools in the project, as `make` does, and return what it printed."""
        command = [self.interpreter, "-m", f"trainsize.{name}", *arguments]
        environment = os.environ | self.environment | {"PYTHONPATH": str(self.folder / "workflow/scripts")}
        done = subprocess.run(
            command, cwd=self.folder, env=environment, capture_output=True, text=True, timeout=PATIENCE
        )
        assert done.returncode == 0, done.stderr
        return done.stdout

    def planned_jobs(self, *arguments: str) -> dict[str, int]:
        """Return how many jobs of each rule a dry run lists, the packs of training runs counted together."""
        counts: dict[str, int] = {}
        printed = self.snakemake("-n", *arguments)
        _, _, table = printed.partition("Job stats:")
        for line in table.splitlines()[3:]:
            if not line.strip():
                break
            rule, count = line.split()
            rule = "training" if rule.startswith("training") else rule
            counts[rule] = counts.get(rule, 0) + int(count)
        counts.pop("total", None)
        assert counts or "Nothing to be done" in printed, printed
        return counts

    def edit(self, file: str, old: str, new: str) -> None:
        path = self.folder / file
        text = path.read_text()
        assert old in text, f"{file} does not hold {old!r}"
        path.write_text(text.replace(old, new))

    def copy(self, folder: Path) -> "Project":
        shutil.copytree(self.folder, folder, symlinks=True)
        return Project(folder)

    def moved(self, folder: Path) -> "Project":
        """Move the checkout, with a .venv of its own that holds all packages of this one's."""
        venv.create(self.folder / ".venv", symlinks=True)  # here: Python makes none below a path with a colon
        (packages,) = (self.folder / ".venv").glob("lib/python*/site-packages")
        (packages / "others.pth").write_text(sysconfig.get_path("purelib") + "\n")
        self.folder.rename(folder)
        return replace(self, folder=folder, interpreter=str(folder / ".venv/bin/python"))


TALLY = pytest.StashKey[Counter]()


@pytest.fixture
def faults(request: pytest.FixtureRequest) -> Callable[[str, int], None]:
    """Count what was done to the workflow, to be told as a table after the last test (`--faults=FILE`)."""
    tally = request.config.stash.setdefault(TALLY, Counter())
    return lambda kind, count=1: tally.update({kind: count})


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--faults", help="write how many faults were injected, and what was lost, to this page's table")


def pytest_terminal_summary(terminalreporter, config: pytest.Config) -> None:
    tally = config.stash.get(TALLY, Counter())
    if not tally:
        return
    lost = len(terminalreporter.stats.get("failed", [])) + len(terminalreporter.stats.get("error", []))
    rows = [*sorted(tally.items()), ("tests that found something lost, or wrong and taken for right", lost)]
    table = ["| what was done | times |", "|---|---:|", *(f"| {kind} | {count:,} |" for kind, count in rows)]
    terminalreporter.section("faults")
    terminalreporter.write_line("\n".join(table))
    if file := config.getoption("--faults"):
        path = Path(file)
        before, _, rest = path.read_text(encoding="utf-8").partition(FAULTS[0])
        _, _, after = rest.partition(FAULTS[1])
        path.write_text(f"{before}{FAULTS[0]}\n{chr(10).join(table)}\n{FAULTS[1]}{after}", encoding="utf-8")


@pytest.fixture
def project(tmp_path: Path) -> Project:
    """A project in which nothing has run."""
    return make_project(tmp_path / "project")


@pytest.fixture(scope="session")
def new_project() -> Callable[[Path], Project]:
    """The function that makes a project in a folder, for tests that share one."""
    return make_project


def made_once(tmp_path_factory: pytest.TempPathFactory, name: str, make: Callable[[Path], object]) -> Path:
    """Return the folder `name` that `make` fills, once for all the processes that share the tests."""
    shared = tmp_path_factory.getbasetemp()
    if "PYTEST_XDIST_WORKER" in os.environ:
        shared = shared.parent
    folder, ready = shared / name, shared / f"{name}.ready"
    with (shared / f"{name}.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not ready.exists():
            shutil.rmtree(folder, ignore_errors=True)  # of a process that failed half-way
            make(folder)
            ready.touch()
    return folder


@pytest.fixture(scope="session")
def trained_once(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str, str], Project]:
    """Return a project, by its name, whose stated study has run to its end; to be looked at or copied."""

    def trained(name: str, study: str) -> Project:
        def make(folder: Path) -> None:
            project = make_project(folder)
            project.study.write_text(study)
            project.snakemake("--cores", "2")

        return Project(made_once(tmp_path_factory, name, make))

    return trained


@pytest.fixture(scope="session")
def finished_project(tmp_path_factory: pytest.TempPathFactory) -> Project:
    """A project whose tiny study has run to its end; to be looked at or copied, never changed."""
    return Project(made_once(tmp_path_factory, "finished", lambda f: make_project(f).snakemake("--cores", "2")))


@pytest.fixture
def finished(finished_project: Project, tmp_path: Path) -> Project:
    """A copy, to be changed, of a project whose tiny study has run to its end."""
    return finished_project.copy(tmp_path / "project")


@pytest.fixture(scope="session")
def digits(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of the prepared data set `digits`; to be read or copied, never changed."""
    return made_once(tmp_path_factory, "digits", lambda folder: prepare("digits", folder, mirror=""))


@pytest.fixture(scope="session")
def mirror(tmp_path_factory) -> Path:
    """The real data sets, laid out as a mirror; to be read, never changed."""
    if not (REAL / "unpack.py").is_file():
        pytest.skip(f"no real data sets in {REAL} (name their folder: TRAINSIZE_TEST_DATA)")
    unpack = [sys.executable, REAL / "unpack.py"]
    return made_once(
        tmp_path_factory, "mirror", lambda folder: subprocess.run([*unpack, folder], check=True, capture_output=True)
    )


def make_project(folder: Path) -> Project:
    for name in WORKFLOW_FILES:
        source = ROOT / name
        if source.is_dir():
            shutil.copytree(source, folder / name, ignore=shutil.ignore_patterns("__pycache__"))
        else:
            folder.mkdir(parents=True, exist_ok=True)
            shutil.copy2(source, folder / name)
    project = Project(folder)
    project.study.write_text(TINY_STUDY)
    project.edit("config.yaml", "study: digits", "study: tiny")
    return project
