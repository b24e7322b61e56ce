"""How a run ended, and which runs of a table are finished. Imports nothing heavy."""

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import pandas as pd

FINISHED = "finished"
DIVERGED = "diverged"  # the loss became infinite or not a number
FAILED = "failed"  # GPU memory or a batch was too small
MISSING = "missing"  # in the tables of an interim report: the run has no results yet
NOT_BEGUN = "not begun"  # the reason given for a missing run that no job has started


def only_finished(runs: "pd.DataFrame") -> "pd.DataFrame":
    """Return the finished rows of a table with a column `status`."""
    return runs[runs["status"] == FINISHED]
