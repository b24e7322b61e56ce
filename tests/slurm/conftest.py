"""Fixtures of the tests on a real SLURM: a cluster on this host, and a project whose snakemake submits to it."""

import fcntl
import os
import shutil
import signal
import tempfile
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from cluster import Cluster, Unavailable, check_host, unpack_packages

HERE = Path(__file__).parent
FOLDER = "TRAINSIZE_SLURM_PACKAGES"
# SLURM itself lies below /tmp wherever TMPDIR is: sockets take 107 bytes, and slurm.conf no spaces.


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if HERE in item.path.parents:
            item.add_marker(pytest.mark.slurm)


def pytest_configure(config: pytest.Config) -> None:
    """Name a folder for SLURM's packages; processes that pytest-xdist starts find its name in their environment."""
    # End in order, clusters stopped, when asked to. A shell has what it starts in the background ignore SIGINT, and all
    # children inherit that, Snakemake too.
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, signal.default_int_handler)
    if FOLDER not in os.environ:
        os.environ[FOLDER] = tempfile.mkdtemp(prefix="slurm-packages-", dir="/tmp")
        config.add_cleanup(lambda: shutil.rmtree(os.environ.pop(FOLDER)))


@pytest.fixture(scope="session")
def packages() -> Path:
    """The folder of SLURM's unpacked packages. Skips where there can be none; fails if TRAINSIZE_REQUIRE_SLURM."""
    folder = Path(os.environ[FOLDER])
    with (folder / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        try:
            check_host()
            return unpack_packages(folder)
        except Unavailable as reason:
            (pytest.fail if os.environ.get("TRAINSIZE_REQUIRE_SLURM") else pytest.skip)(str(reason))


@pytest.fixture(scope="module")
def cluster(packages: Path, request: pytest.FixtureRequest) -> Iterator[Cluster]:
    """A running cluster with an accounting database; without, if the module says ACCOUNTING = False."""
    with tempfile.TemporaryDirectory(prefix="slurm-", dir="/tmp") as folder:
        running = Cluster(packages, Path(folder), getattr(request.module, "ACCOUNTING", True))
        try:
            running.start()
            yield running
        finally:
            running.stop()


@pytest.fixture
def on_cluster(project, cluster: Cluster):
    """A project in which nothing has run, whose profile is filled in for the cluster."""
    project.edit("slurm/config.yaml", "# slurm_partition: NAME", "slurm_partition: gpu")
    project.edit("slurm/config.yaml", "before-status-checks: 20", "before-status-checks: 2")
    # A busy host may need minutes for what takes seconds.
    project.edit("workflow/scripts/trainsize/plan/estimates.py", "FEWEST_MINUTES = 5", "FEWEST_MINUTES = 30")
    return replace(project, environment={"PATH": f"{cluster.bin}:{os.environ['PATH']}"})
