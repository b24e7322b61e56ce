"""A finished study in one file that is checked and used elsewhere, and finished runs trained again."""

import gzip
import json
import shutil
import subprocess
import tarfile

import numpy as np
import pytest

from trainsize.archive import check, pack
from trainsize.common.errors import UserError
from trainsize.common.files import read_json, write_with_checksum
from trainsize.study.reader import load_study
from trainsize.verify import verify


@pytest.fixture(scope="module")
def study(finished_project):
    return load_study("tiny", finished_project.folder / "studies")


@pytest.fixture(scope="module")
def archive(finished_project, study, tmp_path_factory):
    file = tmp_path_factory.mktemp("archive") / "tiny.tar.gz"
    pack(study, finished_project.folder, file, data=True)
    return file


def test_an_archive_unpacks_and_verifies_elsewhere(archive, finished_project, project, tmp_path):
    """With standard tools; in another checkout nothing is left to be done."""
    assert check(archive) > 12 * 3
    subprocess.run(["tar", "xzf", archive], cwd=tmp_path, check=True)
    subprocess.run(["sha256sum", "--check", "--quiet", "SHA256SUMS"], cwd=tmp_path / "tiny", check=True)
    shutil.copytree(tmp_path / "tiny" / "results", project.folder / "results", symlinks=True)
    assert project.planned_jobs() == {}


def test_a_damaged_archive_is_named(archive, tmp_path, faults):
    whole = archive.read_bytes()
    for place in np.random.default_rng(0).integers(12, len(whole), 20):
        damaged = bytearray(whole)
        damaged[place] ^= 16
        (tmp_path / "x.tar.gz").write_bytes(damaged)
        with pytest.raises(UserError, match=r"x\.tar\.gz: "):
            check(tmp_path / "x.tar.gz")
        faults("bits changed")
    (tmp_path / "x.tar.gz").write_bytes(whole[:-5000])
    with pytest.raises(UserError, match="cannot be read, it is damaged or truncated"):
        check(tmp_path / "x.tar.gz")


def test_a_changed_bit_in_what_no_file_holds_is_found_too(archive, tmp_path):
    """The padding after the last file: the archive's files would all match."""
    packed = bytearray(gzip.decompress(archive.read_bytes()))
    packed[-1] ^= 16
    whole = archive.read_bytes()
    (tmp_path / "x.tar.gz").write_bytes(gzip.compress(bytes(packed))[:-8] + whole[-8:])
    with pytest.raises(UserError, match="cannot be read, it is damaged or truncated"):
        check(tmp_path / "x.tar.gz")


def test_an_archive_with_a_file_that_is_not_listed(archive, tmp_path):
    with tarfile.open(archive) as old, tarfile.open(tmp_path / "x.tar.gz", "w:gz") as new:
        for member in old.getmembers()[:3]:
            new.addfile(member, old.extractfile(member))
        new.add(__file__, "tiny/results/evil.py")
    with pytest.raises(UserError, match=r"damaged, missing or not listed: .*and \d+ more"):
        check(tmp_path / "x.tar.gz")


def test_an_unfinished_study_is_not_packed(finished, study, tmp_path):
    (finished.results / "runs/cnn/n20/draw1/seed1/run.json").unlink()
    with pytest.raises(UserError, match=r"draw1/seed1: not finished"):
        pack(study, finished.folder, tmp_path / "x.tar.gz", data=False)
    assert not (tmp_path / "x.tar.gz").exists()


def test_finished_runs_come_out_the_same(finished_project, study):
    found = list(verify(study, finished_project.folder / "results", 2, 0))
    assert len({run for run, _ in found}) == 2
    assert [differences for _, differences in found] == [[], []]


def test_a_run_that_comes_out_otherwise_is_told(finished, study):
    path = finished.results / "runs/cnn/n20/draw1/seed1/state/run.json"
    record = read_json(path)
    record["final"]["test"]["accuracy"] = 0.5
    record["files"]["history.parquet"] = "0" * 64
    write_with_checksum(path.parents[1] / "run.json", record)
    one = load_study("tiny", finished.folder / "studies")
    with pytest.raises(UserError, match=r"history\.parquet: damaged or exchanged"):
        list(verify(one, finished.folder / "results", 12, 0))
    record = read_json(path)
    record["settings"]["model"]["optimizer"]["lr"] = 0.2
    write_with_checksum(path.parents[1] / "run.json", json.loads(json.dumps(record)))
    told = {run: differences for run, differences in verify(one, finished.folder / "results", 12, 0) if differences}
    assert [(run.model, run.n, run.draw) for run in told] == [("cnn", 20, 1)]
    assert next(iter(told.values()))[0] == "history.parquet and predictions.parquet differ"
