"""When a training process has to leave: before its SLURM job is ended."""

import os
import platform
import signal

from trainsize import slurm

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
