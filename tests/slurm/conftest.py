"""Fixtures of the tests on a real SLURM: a cluster on this host, and a project whose snakemake submits to it."""

import os
import signal
import tempfile
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from cluster import Cluster, Unavailable, check_host, unpack_packages

HERE = Path(__file__).parent


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if HERE in item.path.parents:
            item.add_marker(pytest.mark.slurm)


@pytest.fixture(scope="session")
def packages() -> Iterator[Path]:
    """The folder of SLURM's unpacked packages. Skips where there can be none; fails if TRAINSIZE_REQUIRE_SLURM."""
    signal.signal(signal.SIGTERM, signal.getsignal(signal.SIGINT))  # so that the cluster is stopped then, too
    with tempfile.TemporaryDirectory(prefix="slurm-") as folder:
        try:
            check_host()
            prefix = unpack_packages(Path(folder))
        except Unavailable as reason:
            (pytest.fail if os.environ.get("TRAINSIZE_REQUIRE_SLURM") else pytest.skip)(str(reason))
        yield prefix


@pytest.fixture(scope="module")
def cluster(packages: Path, request: pytest.FixtureRequest) -> Iterator[Cluster]:
    """A running cluster with an accounting database; without, if the module says ACCOUNTING = False."""
    with tempfile.TemporaryDirectory(prefix="slurm-") as folder:
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
    return replace(project, environment={"PATH": f"{cluster.bin}:{os.environ['PATH']}"})
