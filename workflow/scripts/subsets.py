"""subsets.py LOG SETTINGS DATASET TABLE ...: write the subsets of one draw, one table per size."""

from pathlib import Path

from trainsize.datasets.prepared import Prepared
from trainsize.jobs.job import run_stage
from trainsize.subsets.stage import write_subsets


def main(settings: dict, dataset: str, *tables: str) -> None:
    labels = Prepared(Path(dataset)).labels("train")
    write_subsets(settings["subset"], settings["sizes"], settings["draw"], labels, [Path(table) for table in tables])


if __name__ == "__main__":
    run_stage(main)
