"""training.py LOG SETTINGS CODE DATASET THREADS DEVICE RECORD ...: train the runs whose records are named."""

from pathlib import Path

from trainsize.job import run_stage
from trainsize.training import Interruption, train_runs


def main(settings: dict, code: str, dataset: str, threads: str, device: str, *records: str) -> None:
    Interruption.heed()
    train_runs(settings, code, Path(dataset), int(threads), device, [Path(record) for record in records])


if __name__ == "__main__":
    run_stage(main)
