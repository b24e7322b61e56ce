"""operations.py STUDY RESULTS: count the operations of the networks of a study that have no runs.

Exits with estimates.MISTAKE, after one message, when a network in the study file cannot be used.
"""

import sys
from pathlib import Path

from trainsize.common.errors import UserError
from trainsize.plan.estimates import MISTAKE, Estimates
from trainsize.study.reader import load_study

if __name__ == "__main__":
    study, results = sys.argv[1:]
    try:
        Estimates(load_study(study, Path(__file__).resolve().parents[2] / "studies"), Path(results), "cpu").count()
    except UserError as error:
        print(error, file=sys.stderr)
        sys.exit(MISTAKE)
