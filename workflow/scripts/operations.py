"""operations.py STUDY RESULTS: count the operations of the networks of a study that nobody has run."""

import sys
from pathlib import Path

from trainsize.estimates import Estimates
from trainsize.study import load_study

if __name__ == "__main__":
    study, results = sys.argv[1:]
    Estimates(load_study(study, Path(__file__).resolve().parents[2] / "studies"), Path(results), "cpu").count()
