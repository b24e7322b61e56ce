"""plan.py PLACE RESULTS: print what a study still costs where PLACE says, and write it as a table."""

import json
import sys
from pathlib import Path

from trainsize.plan.stage import plan_for

if __name__ == "__main__":
    place, results = sys.argv[1:]
    plan_for(json.loads(place), Path(results))
