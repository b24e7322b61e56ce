"""The checkpoints of a study's runs, as the stages after training compare them."""

from pathlib import Path

import pandas as pd

from trainsize.common.tables import read_table
from trainsize.runs.run import COORDINATES


def read_checkpoints(results: Path) -> pd.DataFrame:
    """Return the rows of a study's table of checkpoints that can be compared along each run, for each split.

    Where a split is sampled these are the rows of the sample, without those of its final scores on other images.
    """
    history = read_table(results / "metrics" / "history.parquet")
    sampled = history.groupby([*COORDINATES, "split"])["sampled"].transform("any")
    return history[history["sampled"] == sampled]
