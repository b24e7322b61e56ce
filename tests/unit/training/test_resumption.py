"""A run killed at any moment goes on from its last checkpoint and ends as if nothing had happened."""

import json
import signal
import subprocess
import sys
import time

import numpy as np
import pytest
import torch
from support import evaluation, recipe

from trainsize.common.fingerprint import SCRIPTS
from trainsize.jobs.job import INTERRUPTED
from trainsize.training.checkpoint import Checkpoints

# Everything that has a state of its own between two updates.
SETTINGS = {
    "subset": {"dataset": "digits", "method": "nested", "validation": 100},
    "budget": {"updates": 400},
    "evaluation": evaluation(points=8),
    "model": recipe(
        {"name": "cnn", "channels": [4, 8], "dropout": 0.3},
        batch_size=16,
        optimizer={"name": "adamw", "lr": 0.01, "weight_decay": 0.1},
        schedule={"name": "plateau", "patience": 0, "factor": 0.5},
        augmentation=[{"name": "shift", "fraction": 0.2}, {"name": "rotation", "degrees": 10}],
        mixup=0.2,
        cutmix=1.0,
        ema=0.95,
        selection={"name": "best_on_validation", "patience": 7},
        restart={"at": 0.3, "seed": 9},
    ),
}

# The training script, saving after every update that takes it past 20 ms since the last time, instead of 20 s.
SCRIPT = f"""
import json, sys
from pathlib import Path
sys.path.insert(0, {str(SCRIPTS)!r})
from trainsize.jobs.job import run_stage
from trainsize.training import stage
from trainsize.training.interruption import Interruption
stage.SAVE_EVERY = 0.02
Interruption.catch_signals()
run_stage(lambda settings, data, record: stage.train_runs(settings, "c", Path(data), 1, "cpu", [Path(record)]))
"""


@pytest.fixture
def start(digits, tmp_path):
    def start(name: str, settings=SETTINGS):
        record = tmp_path / name / "s" / "runs/m/n100/draw1/seed1/run.json"
        command = [sys.executable, "-c", SCRIPT, str(tmp_path / "log"), json.dumps(settings), str(digits), str(record)]
        return subprocess.Popen(command, stderr=subprocess.DEVNULL), record.parent

    return start


def finish(process) -> int:
    return process.wait(timeout=120)


def await_checkpoint(process, folder) -> None:
    while not (folder / "state" / "checkpoint.pt").exists():
        assert process.poll() is None, "ended before it saved a checkpoint"
        time.sleep(0.005)


def outcome(folder) -> list[bytes]:
    return [(folder / name).read_bytes() for name in ("history.parquet", "predictions.parquet")]


def test_twenty_kills_change_nothing(start):
    """SIGKILL at random moments after the first update, 20 times, then left alone; long enough for a fast machine."""
    settings = {**SETTINGS, "budget": {"updates": 1200}}
    process, undisturbed = start("undisturbed", settings)
    assert finish(process) == 0
    rng = np.random.default_rng(3)
    kills = 0
    while kills < 20:
        process, folder = start("killed", settings)
        checkpoint = folder / "state" / "checkpoint.pt"
        before = checkpoint.stat().st_mtime_ns if checkpoint.exists() else 0
        while process.poll() is None and (checkpoint.stat().st_mtime_ns if checkpoint.exists() else 0) <= before:
            time.sleep(0.005)
        time.sleep(rng.uniform(0, 0.05))
        if process.poll() is not None:
            break  # it came to its end before it could be killed
        process.send_signal(signal.SIGKILL)
        finish(process)
        kills += 1
    process, folder = start("killed", settings)
    assert finish(process) == 0
    assert kills == 20
    assert json.loads((folder / "run.json").read_text())["resumed"] > 0
    assert outcome(folder) == outcome(undisturbed)
    assert not list((folder / "state").glob("checkpoint*"))


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGUSR1, signal.SIGINT])
def test_a_warning_saves_and_leaves_with_its_own_exit_code(start, number):
    process, undisturbed = start("undisturbed")
    assert finish(process) == 0
    process, folder = start("warned")
    await_checkpoint(process, folder)
    process.send_signal(number)
    assert finish(process) == INTERRUPTED
    assert not (folder / "run.json").exists()
    process, _ = start("warned")
    assert finish(process) == 0
    assert outcome(folder) == outcome(undisturbed)


def test_a_disk_that_goes_away_costs_what_came_after_the_last_checkpoint(start, tmp_path):
    process, undisturbed = start("undisturbed")
    assert finish(process) == 0
    process, folder = start("away")
    await_checkpoint(process, folder)
    disk, aside = tmp_path / "away", tmp_path / "aside"
    disk.rename(aside)
    disk.mkdir()  # the bare folder on which it was mounted
    assert finish(process) == 1
    assert "state: disappeared while in use" in (tmp_path / "log").read_text()
    assert not list(disk.iterdir())
    disk.rmdir()
    aside.rename(disk)
    process, _ = start("away")
    assert finish(process) == 0
    assert json.loads((folder / "run.json").read_text())["resumed"] > 0
    assert outcome(folder) == outcome(undisturbed)


def test_a_damaged_checkpoint_falls_back_to_the_one_before(tmp_path, capsys):
    checkpoints = Checkpoints(tmp_path, {"a": 1}, 0)
    for step in (1, 2):
        checkpoints.save({"step": step, "weights": torch.ones(100)})
    newest = tmp_path / "checkpoint.pt"
    whole = newest.read_bytes()
    assert checkpoints.load(torch.device("cpu"))["step"] == 2
    for damaged in (b"", whole[: len(whole) // 2], b"\x00" * len(whole)):
        newest.write_bytes(damaged)
        assert checkpoints.load(torch.device("cpu"))["step"] == 1
    assert "checkpoint.pt is damaged" in capsys.readouterr().out


def test_a_checkpoint_of_other_settings_is_refused(tmp_path, capsys):
    Checkpoints(tmp_path, {"a": 1}, 0).save({"step": 1})
    assert Checkpoints(tmp_path, {"a": 2}, 0).load(torch.device("cpu")) is None
    assert "other settings" in capsys.readouterr().out


def test_a_checkpoint_cannot_run_code(tmp_path):
    class Evil:
        def __reduce__(self):
            return (print, ("ran",))

    torch.save({"identity": "{}", "state": Evil()}, tmp_path / "checkpoint.pt")
    assert Checkpoints(tmp_path, {}, 0).load(torch.device("cpu")) is None
