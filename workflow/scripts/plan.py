"""plan.py OPTIONS RESULTS: print what a study still costs, and write it as a table."""

import json
import sys
from pathlib import Path

from trainsize.plan.stage import plan_for

if __name__ == "__main__":
    options, results = sys.argv[1:]
    plan_for(json.loads(options), Path(results))
