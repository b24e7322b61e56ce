"""Full and read-only disks, folders that vanish, two calls at once: a clear message, no half file, and it goes on."""

import os
import shutil
import subprocess
from contextlib import contextmanager
from pathlib import Path

import pytest
from disturbed import GO_ON, STAGES, assert_nothing_is_left, assert_same, remove, tables, up_to
from support import PATIENCE

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(not hasattr(os, "getuid") or os.getuid() != 0, reason="only root can mount a small disk"),
]


@pytest.fixture
def disk(tmp_path):
    """A disk of 60 MB."""
    place = tmp_path / "disk"
    place.mkdir()
    made = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=60m", "tmpfs", place], capture_output=True, text=True)
    if made.returncode:
        pytest.skip(f"no disk can be mounted here ({made.stderr.strip()})")
    yield place
    subprocess.run(["umount", place], check=True)


@pytest.fixture
def on_disk(finished, disk):
    """A finished project whose results lie on the small disk."""
    shutil.copytree(finished.folder / "results", disk / "results", symlinks=True)
    shutil.rmtree(finished.folder / "results")
    (finished.folder / "results").symlink_to(disk / "results")
    return finished


@contextmanager
def full(disk: Path):
    """Leave a page of room on the disk: a file of up to 4 kB still fits, and of a larger one the beginning."""
    filler = disk / "filler"
    with filler.open("wb") as file:
        room = os.statvfs(disk)
        os.posix_fallocate(file.fileno(), 0, room.f_bavail * room.f_frsize - 4 * 1024)
    yield
    filler.unlink()


def test_a_full_disk(project, disk, finished_project, faults):
    """It is full whenever a stage begins, and has room when the stage is tried again."""
    (project.folder / "results").symlink_to(disk)
    for stage in STAGES:
        with full(disk):
            printed = project.snakemake(*up_to(stage), check=False)
            faults(f"full disks during {stage}")
        assert "No space left on device" in printed, stage
        assert "Traceback" not in printed
        assert_nothing_is_left(project)
        project.snakemake(*up_to(stage))
    project.snakemake(*GO_ON)
    assert_same(tables(project), tables(finished_project))


def test_read_only_results(on_disk, disk, faults):
    remove("report", on_disk)
    subprocess.run(["mount", "-o", "remount,ro", disk], check=True)
    printed = on_disk.snakemake(*GO_ON, check=False)
    subprocess.run(["mount", "-o", "remount,rw", disk], check=True)
    faults("read-only results")
    assert "this folder is not writable; change its permissions, or replace it by a link to one that is" in printed
    assert "Traceback" not in printed
    on_disk.snakemake(*GO_ON)


def test_a_data_set_that_vanishes(on_disk, finished_project, faults):
    """Its folder is away, and may not be prepared again: a lost mount."""
    remove("training", on_disk)
    arrays = on_disk.folder / "results/datasets/digits"
    aside = arrays.with_name("aside")
    arrays.rename(aside)
    printed = on_disk.snakemake(
        *GO_ON, "--allowed-rules", "training_draw1_seed1_to_draw2_seed2", "metrics", check=False
    )
    faults("paths that vanish")
    assert "Traceback" not in printed
    assert "manifest.json" in printed
    shutil.rmtree(arrays, ignore_errors=True)
    aside.rename(arrays)
    on_disk.snakemake(*GO_ON)
    assert_same(tables(on_disk), tables(finished_project))


def test_two_calls_in_one_folder(finished, faults):
    """The second says that the first is at work, and how to go on when it is not."""
    remove("training", finished)
    first = finished.start(*GO_ON)
    while not list(finished.results.glob("runs/*/*/*/*/state/*")):
        assert first.poll() is None
    second = finished.snakemake(*GO_ON, check=False)
    faults("two calls at once")
    assert "Directory cannot be locked" in second
    assert "--unlock" in second
    assert first.communicate(timeout=PATIENCE)[0] is not None
    assert first.returncode == 0


def test_two_checkouts_with_one_results_folder(on_disk, disk, finished_project, tmp_path, faults):
    """Snakemake does not know of the other; runs are locked, and files appear whole."""
    remove("training", on_disk)
    remove("metrics", on_disk)
    other = on_disk.copy(tmp_path / "other")
    calls = [project.start(*GO_ON) for project in (on_disk, other)]
    printed = [call.communicate(timeout=PATIENCE)[0] for call in calls]
    faults("two calls at once")
    assert not any("Traceback" in text for text in printed)
    on_disk.snakemake(*GO_ON)
    assert_same(tables(on_disk), tables(finished_project))
