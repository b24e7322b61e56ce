"""subsets_table.py LOG GRID FOLDER TABLE: list every subset of a study in one table."""

from itertools import product
from pathlib import Path

from trainsize.jobs.job import run_stage
from trainsize.subsets.stage import list_subsets


def main(grid: dict, folder: str, table: str) -> None:
    list_subsets(product(grid["sizes"], grid["draws"]), Path(folder), Path(table))


if __name__ == "__main__":
    run_stage(main)
