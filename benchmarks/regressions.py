"""Measure how long the full analysis of 1,000 learning curves takes.

    python benchmarks/regressions.py [--curves 1000] [--processes 2]

The curves are simulated: 11 sizes, 10 crossed seeds, a power law with a floor. Each gets the default families with
multistart, hold-out and 2,000 resamples each, targets, saturation, tests of shape, predictions and parameters, and the
straight lines with the mixed model: all that the regressions stage does for a model and metric but read predictions.
"""

import argparse
import os
import sys
import time
from multiprocessing import get_context
from pathlib import Path

for variable in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
    os.environ[variable] = "1"
sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "workflow" / "scripts"))

import numpy as np
import pandas as pd

from trainsize.curves.curve import Response
from trainsize.regressions.options import Data, Options
from trainsize.regressions.stage import analyse
from trainsize.runs.metrics import METRICS

SIZES = (750, 800, 1000, 1200, 1500, 2000, 2400, 3000, 4000, 6000, 12_000)
SEEDS = 10
RESPONSE = Response("accuracy", METRICS["accuracy"])


def simulated(number: int) -> pd.DataFrame:
    """Return the runs of one curve: another floor and exponent for each number, effects of seeds, and noise."""
    rng = np.random.default_rng(number)
    floor, exponent = rng.uniform(0, 0.1), rng.uniform(0.3, 0.7)
    n = np.array(SIZES)
    errors = (
        floor + 0.25 * (n / n[0]) ** -exponent + rng.normal(0, 0.004, (SEEDS, 1)) + rng.normal(0, 0.008, (SEEDS, 11))
    )
    rows = [(n, seed, seed, "finished", 1 - errors[seed, j]) for seed in range(SEEDS) for j, n in enumerate(SIZES)]
    return pd.DataFrame(rows, columns=["n", "draw", "seed", "status", "accuracy"]).assign(model="model")


def one(number: int) -> tuple[float, str]:
    """Analyse one curve; return the processor seconds it took and the family chosen."""
    runs = simulated(number)
    start = time.process_time()
    rows = analyse(runs, ["model"], [RESPONSE], Options(), Data(n_test=20_800, class_counts=[800] * 26))
    seconds = time.process_time() - start
    return seconds, next(row["method"] for row in rows.tables["fits"] if row.get("chosen"))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--curves", type=int, default=1000)
    parser.add_argument("--processes", type=int, default=2)
    options = parser.parse_args()
    start = time.perf_counter()
    with get_context("spawn").Pool(options.processes) as pool:
        done = pool.map(one, range(options.curves), chunksize=5)
    seconds, families = zip(*done, strict=True)
    wall = time.perf_counter() - start
    print(f"{options.curves} curves in {options.processes} processes: {wall / 60:.1f} minutes")
    print(
        f"processor time of one curve: median {np.median(seconds):.2f} s, 95 % below {np.quantile(seconds, 0.95):.2f} s"
    )
    print(f"processor time of all: {sum(seconds) / 60:.1f} minutes")
    print("chosen:", pd.Series(families).value_counts().to_dict())


if __name__ == "__main__":
    main()
