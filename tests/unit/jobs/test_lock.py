"""Two processes never train the same run at once, and a dead one's run is taken over."""

import json
import os
import platform
import subprocess
import sys
import threading
import time

import pytest

from trainsize.common.errors import Interrupted
from trainsize.common.fingerprint import SCRIPTS
from trainsize.jobs import lock, slurm

HOLDER = f"""
import sys, time
sys.path.insert(0, {str(SCRIPTS)!r})
from pathlib import Path
from trainsize.jobs.lock import locked
with locked(Path(sys.argv[1]), lambda: False):
    print("held", flush=True)
    time.sleep(float(sys.argv[2]))
"""


@pytest.fixture(autouse=True)
def quick(monkeypatch):
    monkeypatch.setattr(lock, "BEAT", 0.05)
    monkeypatch.setattr(lock, "LOOK", 0.02)


def hold(state, seconds):
    process = subprocess.Popen(
        [sys.executable, "-c", HOLDER, str(state), str(seconds)], stdout=subprocess.PIPE, text=True
    )
    assert process.stdout.readline() == "held\n"
    return process


def foreign(state, job=None):
    """A lock of another host, with a beat that does not go on."""
    state.mkdir(exist_ok=True)
    (state / lock.NAME).write_text(json.dumps({"host": "elsewhere", "pid": 1, "job": job, "since": 0}))


def test_it_is_there_while_held_and_gone_after(tmp_path):
    with lock.locked(tmp_path / "state", lambda: False):
        first = (tmp_path / "state" / lock.NAME).stat().st_mtime_ns
        time.sleep(0.3)
        assert (tmp_path / "state" / lock.NAME).stat().st_mtime_ns > first
        holder = json.loads((tmp_path / "state" / lock.NAME).read_text())
        assert (holder["host"], holder["pid"]) == (platform.node(), os.getpid())
    assert list((tmp_path / "state").iterdir()) == []


def test_a_second_process_waits_until_the_first_has_ended(tmp_path, capsys):
    holder = hold(tmp_path, 1.0)
    with lock.locked(tmp_path, lambda: False):
        assert holder.wait(timeout=10) == 0
    printed = capsys.readouterr().out
    assert "another process trains this run" in printed
    assert str(holder.pid) in printed


def test_who_is_asked_to_leave_leaves_and_the_lock_stays(tmp_path):
    holder = hold(tmp_path, 30)
    with pytest.raises(Interrupted), lock.locked(tmp_path, lambda: True):
        raise AssertionError("both hold the lock")
    assert json.loads((tmp_path / lock.NAME).read_text())["pid"] == holder.pid
    holder.kill()
    holder.wait()


def test_a_living_process_is_waited_for_only_so_long(tmp_path, monkeypatch):
    monkeypatch.setattr(lock, "WAIT", 0.2)
    holder = hold(tmp_path, 30)
    with pytest.raises(Interrupted), lock.locked(tmp_path, lambda: False):
        raise AssertionError("both hold the lock")
    holder.kill()
    holder.wait()


def test_a_killed_process_of_this_host_is_noticed_at_once(tmp_path, capsys):
    holder = hold(tmp_path, 60)
    holder.kill()
    holder.wait()
    with lock.locked(tmp_path, lambda: False):
        pass
    assert "taking over" in capsys.readouterr().out


def test_a_process_elsewhere_is_dead_when_it_has_not_beaten_for_long(tmp_path, monkeypatch):
    monkeypatch.setattr(lock, "DEAD", 0.3)
    foreign(tmp_path)
    start = time.monotonic()
    with lock.locked(tmp_path, lambda: False):
        assert time.monotonic() - start > 0.25


@pytest.mark.parametrize("over", [True, False])
def test_slurm_is_asked_whether_the_job_elsewhere_is_over(tmp_path, monkeypatch, over):
    monkeypatch.setattr(slurm, "is_over", lambda job: over and job == "17")
    monkeypatch.setattr(lock, "WAIT", 0.2)
    foreign(tmp_path, "17")
    if over:
        with lock.locked(tmp_path, lambda: False):
            pass
    else:
        with pytest.raises(Interrupted), lock.locked(tmp_path, lambda: False):
            raise AssertionError("the other still runs")


def test_a_job_that_was_queued_again_takes_its_own_lock(tmp_path, monkeypatch):
    monkeypatch.setenv("SLURM_JOB_ID", "17")
    foreign(tmp_path, "17")
    with lock.locked(tmp_path, lambda: False):
        pass


def test_a_living_process_of_the_same_job_is_waited_for(tmp_path, monkeypatch):
    monkeypatch.setenv("SLURM_JOB_ID", "17")
    first = hold(tmp_path, 1.0)
    with lock.locked(tmp_path, lambda: False):
        assert first.wait(timeout=1) == 0


def test_a_folder_that_goes_away_with_its_disk_may_come_back(tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(os, "kill", lambda pid, number: pytest.fail("it was told to leave"))
    state, aside = tmp_path / "state", tmp_path / "aside"
    with lock.locked(state, lambda: False):
        state.rename(aside)
        time.sleep(3 * lock.BEAT)
        aside.rename(state)
        time.sleep(3 * lock.BEAT)
    assert "waiting for its disk to come back" in capsys.readouterr().out
    assert not list(state.iterdir())


def test_who_lost_the_lock_is_told_to_leave(tmp_path, monkeypatch):
    told = threading.Event()
    monkeypatch.setattr(os, "kill", lambda pid, number: told.set())
    with lock.locked(tmp_path, lambda: False):
        foreign(tmp_path)
        assert told.wait(5)
    assert json.loads((tmp_path / lock.NAME).read_text())["host"] == "elsewhere"


def test_of_many_takers_of_a_dead_lock_one_holds_it_at_a_time(tmp_path, monkeypatch):
    inside, most, together = [0] * 20, [], threading.Barrier(8)

    def take():
        for attempt in range(20):
            together.wait(60)
            with lock.locked(tmp_path / str(attempt), lambda: False):
                inside[attempt] += 1
                most.append(inside[attempt])
                time.sleep(0.002)
                inside[attempt] -= 1

    monkeypatch.setattr(lock, "_is_dead", lambda holder, quiet, ask: "elsewhere" in holder)
    for attempt in range(20):
        foreign(tmp_path / str(attempt))
    takers = [threading.Thread(target=take) for _ in range(8)]
    for taker in takers:
        taker.start()
    for taker in takers:
        taker.join()
    assert most == [1] * 8 * 20


@pytest.mark.parametrize(
    ("text", "seconds"),
    [("4:59", 299), ("1:00:00", 3600), ("2-03:00:01", 183601), ("UNLIMITED", None), ("", None), (None, None)],
)
def test_times_as_slurm_writes_them(text, seconds):
    assert slurm.parse_time(text) == seconds
