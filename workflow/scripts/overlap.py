"""overlap.py LOG GRID DATASET RESULTS: count the images shared by every pair of a study's subsets."""

from itertools import product
from pathlib import Path

from trainsize.datasets.prepared import Prepared
from trainsize.jobs.job import run_stage
from trainsize.overlap.stage import write_overlap


def main(grid: dict, dataset: str, results: str) -> None:
    write_overlap(product(grid["sizes"], grid["draws"]), Prepared(Path(dataset)).labels("train"), Path(results))


if __name__ == "__main__":
    run_stage(main)
