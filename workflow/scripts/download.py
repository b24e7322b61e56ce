"""download.py LOG NAME FOLDER: prepare the data set NAME in FOLDER."""

from pathlib import Path

from trainsize.datasets import prepare
from trainsize.job import run_stage


def main(name: str, folder: str) -> None:
    prepare(name, Path(folder))


if __name__ == "__main__":
    run_stage(main)
