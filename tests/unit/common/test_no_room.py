"""A limit on the size of files, which stands for quotas and full disks: file and reason are told, no half file."""

import errno
import resource
import zipfile
from contextlib import contextmanager

import matplotlib
import numpy as np
import pytest
import torch

matplotlib.use("Agg")
from matplotlib import pyplot as plt

from trainsize.common.files import atomic_write, write_json, write_text
from trainsize.common.tables import write_table
from trainsize.download.pixels import decode_all
from trainsize.download.stage import prepare
from trainsize.download.unpack import unpack
from trainsize.jobs.job import OPEN_LOG, run_stage
from trainsize.jobs.lock import locked
from trainsize.training.checkpoint import Checkpoints
from trainsize.training.tables import PREDICTIONS

MOST = 10_000


@contextmanager
def limit(most=MOST):
    """No file of this process may grow beyond `most` bytes."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (most, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)


def write_predictions(path):
    rng = np.random.default_rng(0)
    write_table(path, PREDICTIONS, {name: rng.integers(0, 10_000, 20_000) for name in PREDICTIONS.schema.names})


def write_array(path, count):
    with atomic_write(path) as partial, partial.open("wb") as file:
        np.save(file, np.zeros(count))


def write_figure(path):
    figure, axes = plt.subplots()
    axes.imshow(np.random.default_rng(0).random((100, 100)))
    with atomic_write(path) as partial:
        figure.savefig(partial, format="png")
    plt.close(figure)


WRITERS = {
    "page.html": lambda path: write_text(path, "a" * 20_000),
    "run.json": lambda path: write_json(path, ["a" * 20_000]),
    "predictions.parquet": write_predictions,
    "neurons.npy": lambda path: write_array(path, 20_000),
    "labels.npy": lambda path: write_array(path, 1_297),
    "figure.png": write_figure,
}


@pytest.mark.parametrize("name", WRITERS)
def test_a_file_that_may_not_grow_is_named_and_the_one_before_stays(tmp_path, faults, name):
    path = tmp_path / name
    path.write_bytes(b"before")
    with limit(), pytest.raises(OSError) as raised:
        WRITERS[name](path)
    faults("limits on the size of files")
    assert (raised.value.errno, raised.value.filename) == (errno.EFBIG, str(path))
    assert [file.name for file in tmp_path.iterdir()] == [name]
    assert path.read_bytes() == b"before"
    WRITERS[name](path)
    assert path.stat().st_size > MOST


def test_a_data_set_that_may_not_be_written_leaves_nothing(tmp_path, faults):
    with limit(), pytest.raises(OSError) as raised:
        prepare("digits", tmp_path / "digits")
    faults("limits on the size of files")
    assert raised.value.errno == errno.EFBIG
    assert not list((tmp_path / "digits").iterdir())


def test_decoded_images_that_find_no_room_are_named(tmp_path, faults):
    with limit(), pytest.raises(OSError) as raised:
        decode_all(20_000, lambda row: np.zeros((1, 1, 1), np.uint8), (1, 1, 1), tmp_path / "train.npy", "fail")
    faults("limits on the size of files")
    assert (raised.value.errno, raised.value.filename) == (errno.EFBIG, str(tmp_path / "train.npy"))


def test_an_archive_that_finds_no_room_is_named(tmp_path, faults):
    with zipfile.ZipFile(tmp_path / "a.zip", "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("a.bin", bytes(20_000))
    with limit(), pytest.raises(OSError) as raised:
        unpack(tmp_path / "a.zip", tmp_path / "to")
    faults("limits on the size of files")
    assert (raised.value.errno, raised.value.filename) == (errno.EFBIG, str(tmp_path / "to"))


def test_a_checkpoint_that_may_not_grow_is_left_out_and_told(tmp_path, capsys, faults):
    saved = Checkpoints(tmp_path, {"run": 1}, 0)
    saved.save({"weights": torch.ones(5)})
    with limit():
        saved.save({"weights": torch.zeros(20_000)})
    faults("limits on the size of files")
    assert "cannot save a checkpoint" in capsys.readouterr().out
    assert [file.name for file in tmp_path.iterdir()] == ["checkpoint.pt"]
    assert saved.load(torch.device("cpu"))["weights"].tolist() == [1] * 5


def test_a_lock_that_finds_no_room_is_not_left_empty(tmp_path, faults):
    with limit(0), pytest.raises(OSError) as raised, locked(tmp_path, lambda: False):
        pass
    faults("limits on the size of files")
    assert (raised.value.errno, raised.value.filename) == (errno.EFBIG, str(tmp_path / "lock.json"))
    assert not list(tmp_path.iterdir())


def test_a_stage_that_finds_no_room_says_what_to_do(tmp_path, capfd, faults):
    with limit(), pytest.raises(SystemExit, match="1"):
        run_stage(lambda settings: write_text(tmp_path / "page.html", "a" * 20_000), [OPEN_LOG, "{}"])
    faults("limits on the size of files")
    told = capfd.readouterr().err
    assert f"{tmp_path / 'page.html'}: File too large; it cannot be written: free some space" in told
