"""plan.py LOG OPTIONS RESULTS: print what a study still costs, and write it as a table."""

import os
import sys
from pathlib import Path

from trainsize.jobs.job import run_stage
from trainsize.plan.stage import plan_for


def main(options: dict, results: str) -> None:
    plan_for(options, Path(results))


if __name__ == "__main__":
    with os.fdopen(os.dup(1), "wb") as screen:
        run_stage(main)
        screen.write(Path(sys.argv[1]).read_bytes())
