"""One process per run: a file in the run's state says who trains it, and beats while that process lives.

Snakemake can send the same job twice: after it was killed and unlocked it does not know of jobs that still run. File
locks are no help, since many shared file systems do not pass them from node to node.
"""

import hashlib
import json
import os
import platform
import signal
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

from trainsize.common.errors import Interrupted
from trainsize.common.files import canonical_json, lives, naming
from trainsize.jobs import slurm

NAME = "lock.json"
BEAT = 10.0  # seconds between two beats
DEAD = 90.0  # seconds without a beat, as somebody else sees it, after which a process is taken for dead
WAIT = 600.0  # seconds to wait for a living one to end, before leaving
LOOK = 5.0  # seconds between two looks at another's lock


@contextmanager
def locked(state: Path, asked: Callable[[], bool]) -> Iterator[None]:
    """Hold the lock of a run's `state` folder; while another process holds it, wait until that has ended or died.

    Raises Interrupted when the other is still training after ten minutes, or when `asked()` says that this process is
    to leave. Should the lock be lost while it is held, because this process was stopped for long, it is sent SIGTERM.
    """
    path = state / NAME
    own = canonical_json({"host": platform.node(), "pid": os.getpid(), "job": slurm.own_job(), "since": time.time()})
    _take(path, own, asked)
    over = threading.Event()
    heart = threading.Thread(target=_beat, args=(path, own, over), daemon=True)
    heart.start()
    try:
        yield
    finally:
        over.set()
        heart.join()
        if _read(path) == own:
            path.unlink(missing_ok=True)


@contextmanager
def all_locked(states: Iterable[Path]) -> Iterator[None]:
    """Hold the locks of several runs at once, as the process does that starts others to train them together."""
    with ExitStack() as stack:
        for state in states:
            stack.enter_context(locked(state, lambda: False))
        yield


def _take(path: Path, own: str, asked: Callable[[], bool]) -> None:
    start, seen, quiet_since = time.monotonic(), None, 0.0
    while not _create(path, own):
        holder, changed = _read(path), _changed(path)
        if holder is None:  # gone since
            continue
        if seen is None:
            print(f"  {path.parent.parent}: in training elsewhere ({holder}); waiting", flush=True)
        if (holder, changed) != seen:
            ask_slurm, seen, quiet_since = seen is None, (holder, changed), time.monotonic()
        quiet = time.monotonic() - quiet_since
        if _is_dead(holder, quiet, ask_slurm or quiet > 2 * BEAT) and _take_over(path, holder, own):
            print("  its process is gone; taken over", flush=True)
            return
        if asked() or time.monotonic() - start > WAIT:
            print("  it still is; leaving", flush=True)
            raise Interrupted
        time.sleep(LOOK)
        ask_slurm = False


def _create(path: Path, text: str) -> bool:
    """Make the lock unless there is one."""
    path.parent.mkdir(parents=True, exist_ok=True)
    try:
        file = path.open("x")
    except FileExistsError:
        return False
    try:
        with naming(path), file:
            file.write(text)
    except OSError:  # on a full disk: an empty lock would keep the next job waiting
        path.unlink()
        raise
    return True


def _read(path: Path) -> str | None:
    try:
        return path.read_text()
    except FileNotFoundError:
        return None


def _changed(path: Path) -> float:
    try:
        return path.stat().st_mtime
    except FileNotFoundError:
        return 0.0


def _is_dead(lock: str, quiet: float, ask_slurm: bool) -> bool:
    """Tell whether the process that wrote `lock`, and has not been heard of for `quiet` seconds, is gone."""
    try:
        holder = json.loads(lock)
    except ValueError:  # just being written or removed, or never finished
        return quiet > DEAD
    if holder["host"] == platform.node():
        if not lives(holder["pid"]):
            return True
    elif holder["job"] and holder["job"] == slurm.own_job():
        return True  # a job that was queued again keeps its id
    return quiet > DEAD or bool(ask_slurm and holder["job"] and slurm.is_over(holder["job"]))


def _take_over(path: Path, dead: str, own: str) -> bool:
    """Put the own lock in the place of a dead one in one step, so that there is no moment without a lock.

    Of several who found it dead, the one that makes the claim goes on; who comes later finds another lock than `dead`.
    """
    claim = path.with_name(f".{NAME}.{hashlib.sha256(dead.encode()).hexdigest()[:16]}")
    if not _create(claim, own):
        made = _changed(claim)  # 0 when it is gone again
        if made and time.time() - made > DEAD:  # whoever made it died within the next lines
            claim.unlink(missing_ok=True)
        return False
    if _read(path) != dead:
        claim.unlink(missing_ok=True)
        return False
    try:
        claim.replace(path)
    except FileNotFoundError:  # taken for that of a dead process, after a sleep here
        return False
    return True


def _beat(path: Path, own: str, over: threading.Event) -> None:
    while not over.wait(BEAT):
        try:
            if not path.parent.is_dir():
                print(f"  {path.parent}: gone; perhaps its disk comes back", flush=True)
                continue
            if _read(path) != own:
                print(f"  {path}: another process has taken over; leaving", flush=True)
                os.kill(os.getpid(), signal.SIGTERM)
                return
            os.utime(path)
        except OSError as error:  # a shared file system may be away for a moment
            print(f"  {path}: {error}", flush=True)
