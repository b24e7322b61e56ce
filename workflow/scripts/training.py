"""training.py LOG SETTINGS CODE DATASET THREADS DEVICE RECORD ...: train the runs whose records are named.

For a model with several GPUs, torchrun starts this same script in one process per GPU.
"""

import sys
from pathlib import Path

from trainsize.jobs.job import OPEN_LOG, run_stage
from trainsize.jobs.lock import all_locked
from trainsize.jobs.staging import staged
from trainsize.training.interruption import Interruption, leave_in_time
from trainsize.training.processes import Processes, start
from trainsize.training.stage import train_runs


def main(settings: dict, code: str, dataset: str, threads: str, device: str, *records: str) -> None:
    count = settings["model"]["gpus"]
    if count > 1 and not Processes.started():
        leave_in_time()
        with all_locked(Path(record).parent / "state" for record in records):
            start(count, Path(__file__), [OPEN_LOG, *sys.argv[2:]], Interruption.catch_signals)
        return
    Interruption.catch_signals()
    if count == 1:
        leave_in_time()
    train_runs(settings, code, staged(Path(dataset)), int(threads), device, [Path(record) for record in records])


if __name__ == "__main__":
    run_stage(main)
