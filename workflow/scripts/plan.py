"""plan.py STUDY RESULTS: print what a study still costs, and write it as a table."""

import sys
from pathlib import Path

from trainsize.plan import tell_plan

if __name__ == "__main__":
    study, results = sys.argv[1:]
    tell_plan(study, Path(results))
