"""One process per run: a lock file in the run's state names its process, which updates the file while it is alive.

Snakemake can submit the same job twice: after it was killed and unlocked, it does not know of jobs that still run. File
locks do not help, because many shared file systems do not share them between nodes.
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
from trainsize.common.files import canonical_json, errors_naming, process_exists
from trainsize.jobs import slurm

NAME = "lock.json"
BEAT = 10.0  # seconds between two heartbeats, which set the lock's modification time
DEAD = 90.0  # seconds without a heartbeat, as observed by another process, after which a process counts as dead
WAIT = 600.0  # seconds to wait for the end of a living process before giving up
LOOK = 5.0  # seconds between two checks of another process's lock


@contextmanager
def locked(state: Path, asked: Callable[[], bool]) -> Iterator[None]:
    """Hold the lock of a run's `state` folder. While another process holds it, wait until that has ended or died.

    Raises Interrupted if the other process is still training after ten minutes, or if `asked()` returns true because
    this process was asked to stop. If the lock is lost while held, because this process was suspended for long, this
    process gets SIGTERM.
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
    """Hold the locks of several runs, for a process that starts others to train them together."""
    with ExitStack() as stack:
        for state in states:
            stack.enter_context(locked(state, lambda: False))
        yield


def _take(path: Path, own: str, asked: Callable[[], bool]) -> None:
    start, seen, quiet_since = time.monotonic(), None, 0.0
    while not _create(path, own):
        holder, changed = _read(path), _changed(path)
        if holder is None:  # released in the meantime
            continue
        if seen is None:
            print(f"  {path.parent.parent}: another process trains this run ({holder}); waiting", flush=True)
        if (holder, changed) != seen:
            ask_slurm, seen, quiet_since = seen is None, (holder, changed), time.monotonic()
        quiet = time.monotonic() - quiet_since
        if _is_dead(holder, quiet, ask_slurm or quiet > 2 * BEAT) and _take_over(path, holder, own):
            print("  that process has died; taking over", flush=True)
            return
        if asked() or time.monotonic() - start > WAIT:
            print("  it is still training; stopping", flush=True)
            raise Interrupted
        time.sleep(LOOK)
        ask_slurm = False


def _create(path: Path, text: str) -> bool:
    """Create the lock file. Return False if there already is one."""
    path.parent.mkdir(parents=True, exist_ok=True)
    try:
        file = path.open("x")
    except FileExistsError:
        return False
    try:
        with errors_naming(path), file:
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
    """Return whether the process that wrote `lock` has died; its last heartbeat was `quiet` seconds ago."""
    try:
        holder = json.loads(lock)
    except ValueError:  # being written or removed, or never completed
        return quiet > DEAD
    if holder["host"] == platform.node():
        if not process_exists(holder["pid"]):
            return True
    elif holder["job"] and holder["job"] == slurm.own_job():
        return True  # a requeued job keeps its id
    return quiet > DEAD or bool(ask_slurm and holder["job"] and slurm.is_over(holder["job"]))


def _take_over(path: Path, dead: str, own: str) -> bool:
    """Replace a dead process's lock by our own in one step, so that the run is never without a lock.

    If several processes try, the one that creates the claim file continues. Later ones find a lock other than `dead`.
    """
    claim = path.with_name(f".{NAME}.{hashlib.sha256(dead.encode()).hexdigest()[:16]}")
    if not _create(claim, own):
        created = _changed(claim)  # 0 if it has been removed
        if created and time.time() - created > DEAD:  # its process died within the next lines
            claim.unlink(missing_ok=True)
        return False
    if _read(path) != dead:
        claim.unlink(missing_ok=True)
        return False
    try:
        claim.replace(path)
    except FileNotFoundError:  # another process considered this one dead, after a suspension here
        return False
    return True


def _beat(path: Path, own: str, over: threading.Event) -> None:
    while not over.wait(BEAT):
        try:
            if not path.parent.is_dir():
                print(f"  {path.parent}: missing; waiting for its disk to come back", flush=True)
                continue
            if _read(path) != own:
                print(f"  {path}: another process has taken over; stopping", flush=True)
                os.kill(os.getpid(), signal.SIGTERM)
                return
            os.utime(path)
        except OSError as error:  # a shared file system may be unavailable for a moment
            print(f"  {path}: {error}", flush=True)
