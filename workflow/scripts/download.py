"""download.py LOG REQUEST FOLDER [MIRROR]: prepare, in FOLDER, the data set that REQUEST names or describes."""

from pathlib import Path

from trainsize.download.stage import prepare
from trainsize.jobs.job import run_stage


def main(request: str | dict, folder: str, mirror: str = "") -> None:
    prepare(request, Path(folder), mirror)


if __name__ == "__main__":
    run_stage(main)
