"""When a training process ends: asked by a signal, or before its SLURM job is ended; its state is saved first."""

import os
import platform
import signal
from collections.abc import Callable

from trainsize.jobs import slurm
from trainsize.training.processes import asked_to_stop

# A job leaves this share of its time, but at most and at least so many seconds, before it would be killed: it has to
# finish an evaluation, write a checkpoint and let Snakemake take note.
SHARE, MOST, LEAST = 0.1, 180.0, 20.0


def leave_in_time() -> None:
    """Have this process sent SIGTERM when it is time to leave its SLURM job; without a job or a limit, do nothing."""
    if slurm.own_job() is None:
        return
    left = slurm.seconds_left()
    where = f"SLURM job {slurm.own_job()} on {os.environ.get('SLURMD_NODENAME', platform.node())}"
    if (visible := os.environ.get("CUDA_VISIBLE_DEVICES")) is not None:
        where += f", GPU {os.environ.get('SLURM_STEP_GPUS', '?')} as CUDA_VISIBLE_DEVICES={visible}"
    if left is None:
        print(f"{where}, without a time limit", flush=True)
        return
    wait = max(1.0, left - min(MOST, max(LEAST, SHARE * left)))
    print(f"{where}, ends in {left:.0f} s; leaving in {wait:.0f} s", flush=True)
    signal.signal(signal.SIGALRM, lambda number, frame: signal.raise_signal(signal.SIGTERM))
    signal.setitimer(signal.ITIMER_REAL, wait)


class Interruption:
    SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGUSR1)
    _asked = False

    @classmethod
    def heed(cls, then: Callable[[], None] = lambda: None) -> None:
        """From now on do not die when a signal asks for it, but note it, and call `then`."""

        def ask(number: int, frame: object) -> None:
            cls._asked = True
            then()

        for number in cls.SIGNALS:
            signal.signal(number, ask)

    @classmethod
    def asked(cls) -> bool:
        return cls._asked or asked_to_stop()
