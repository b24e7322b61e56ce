"""When a training process ends early: after a signal, or before its SLURM job runs out of time. It saves first."""

import os
import platform
import signal
from collections.abc import Callable

from trainsize.jobs import slurm
from trainsize.training.processes import asked_to_stop

# A job leaves before SLURM would kill it: by this share of its time, but between LEAST and MOST seconds. It needs them
# to finish an evaluation and write a checkpoint, and for Snakemake to notice.
SHARE, MOST, LEAST = 0.1, 180.0, 20.0


def leave_in_time() -> None:
    """Arrange that this process gets SIGTERM in time before its SLURM job ends, if it is in a job with a limit."""
    if slurm.own_job() is None:
        return
    left = slurm.seconds_left()
    job = f"SLURM job {slurm.own_job()} on {os.environ.get('SLURMD_NODENAME', platform.node())}"
    if (visible := os.environ.get("CUDA_VISIBLE_DEVICES")) is not None:
        job += f", GPU {os.environ.get('SLURM_STEP_GPUS', '?')} as CUDA_VISIBLE_DEVICES={visible}"
    if left is None:
        print(f"{job}, without a time limit", flush=True)
        return
    wait = max(1.0, left - min(MOST, max(LEAST, SHARE * left)))
    print(f"{job}, ends in {left:.0f} s; leaving in {wait:.0f} s", flush=True)
    signal.signal(signal.SIGALRM, lambda number, frame: signal.raise_signal(signal.SIGTERM))
    signal.setitimer(signal.ITIMER_REAL, wait)


class Interruption:
    """Whether this process was asked to end, by a signal or by the process that started it."""

    SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGUSR1)
    _asked = False

    @classmethod
    def catch_signals(cls, then: Callable[[], None] = lambda: None) -> None:
        """From now on a signal does not end this process: it is noted, and `then` is called."""

        def ask(number: int, frame: object) -> None:
            cls._asked = True
            then()

        for number in cls.SIGNALS:
            signal.signal(number, ask)

    @classmethod
    def asked(cls) -> bool:
        return cls._asked or asked_to_stop()
