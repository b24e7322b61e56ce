"""Measure how near an answer comes to that of all runs when the next runs are chosen one after another.

    python benchmarks/next_runs.py CURVES      (columns dataset, learner, n, seed, error; see docs/calibration.md)

The pool of a study are the runs of the 4, 6 or 8 smallest sizes of a real curve; a run costs its number of images.
After 10, 25 and 50 % of the cost of all, the forecast at four and eight times the largest size is held against the
measured error there and against the forecast from all runs. Three ways to spend it: one run of every size and then the
next runs that the answers propose, whole seeds, and runs at random.
"""

import argparse
import sys
from collections.abc import Callable
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "workflow" / "scripts"))

import numpy as np
import pandas as pd

from trainsize.curves.curve import Curve, make_curve
from trainsize.curves.families import Array
from trainsize.curves.forecast import forecast
from trainsize.curves.next_runs import best_next

SIZES, SHARES, AHEAD = (4, 6, 8), (0.1, 0.25, 0.5), (4, 8)
FEWEST = 4  # sizes to begin with
TEST_IMAGES = 2000

Run = tuple[int, int]  # its size and seed
Design = Callable[[pd.DataFrame, float, float], list[Run]]


def runs_of(pool: pd.DataFrame) -> list[Run]:
    return [(int(n), int(seed)) for n, seed in pool[["n", "seed"]].to_numpy()]


def curve_of(pool: pd.DataFrame, bought: list[Run]) -> Curve:
    """Return the curve of the runs bought from the pool."""
    runs = pool.set_index(["n", "seed"]).loc[bought].reset_index()
    return make_curve(runs.assign(draw=runs["seed"]), "error", "error", TEST_IMAGES)


def predicted(pool: pd.DataFrame, bought: list[Run], n: Array) -> float:
    """Return the error that the runs bought predict at the one size in `n`."""
    return float(forecast(curve_of(pool, bought), 0).errors(n)[0])


def planned(pool: pd.DataFrame, budget: float, ahead: float) -> list[Run]:
    """Buy a run of every size from the smallest up, as far as the budget goes, then what is proposed."""
    left = {int(n): list(of_size) for n, of_size in pool.groupby("n")["seed"]}
    bought = [(n, left[n].pop(0)) for n in list(left)[:FEWEST]]

    def money() -> float:
        return budget - sum(n for n, _ in bought)

    for n in list(left)[FEWEST:]:
        if n <= money():
            bought.append((n, left[n].pop(0)))
    while True:
        before = len(bought)
        for n, seeds in proposed(pool, bought, money(), ahead):
            for _ in range(seeds):
                if left[n] and n <= money():
                    bought.append((n, left[n].pop(0)))
        if len(bought) == before:
            return bought


def proposed(pool: pd.DataFrame, bought: list[Run], money: float, ahead: float) -> list[tuple[int, int]]:
    """Return the sizes and numbers of runs that narrow the answer at `ahead` images most."""
    curve = curve_of(pool, bought)
    if money < curve.sizes[0]:
        return []
    found = forecast(curve, 0)
    error = float(found.errors(np.array([min(ahead, found.sizes[-1])]))[0])
    steps = best_next(found, curve, (0.0, 1.0), money, error, most=curve.sizes[-1])
    return [(int(step.n), step.seeds) for step in steps]


def whole_seeds(pool: pd.DataFrame, budget: float, ahead: float) -> list[Run]:
    seeds = max(1, round(budget / pool.drop_duplicates("n")["n"].sum()))
    return runs_of(pool[pool["seed"] < seeds])


def at_random(pool: pd.DataFrame, budget: float, ahead: float) -> list[Run]:
    shuffled = pool.sample(frac=1, random_state=0)
    return runs_of(shuffled[shuffled["n"].cumsum() <= budget])


DESIGNS: dict[str, Design] = {"planned": planned, "whole seeds": whole_seeds, "at random": at_random}


def outcomes(curve: pd.DataFrame, sizes: int) -> list[dict]:
    """Return the errors of the answers, in ln error, of every design and share, from a curve's smallest `sizes`."""
    measured = curve.groupby("n")["error"].mean()
    pool = curve[curve["n"] <= measured.index[sizes - 1]].sort_values(["n", "seed"])
    rows = []
    for ahead in (times * measured.index[sizes - 1] for times in AHEAD):
        if ahead not in measured.index:
            continue
        at = np.array([float(ahead)])
        of_all = predicted(pool, runs_of(pool), at)
        for share in SHARES:
            for name, design in DESIGNS.items():
                bought = design(pool, share * pool["n"].sum(), ahead)
                if len({n for n, _ in bought}) < FEWEST - 1:
                    continue
                error = predicted(pool, bought, at)
                gaps = {"truth": np.log(error / measured[ahead]), "all runs": np.log(error / of_all)}
                rows.append({"share": share, "design": name, "runs": len(bought), **gaps})
        rows.append({"share": 1.0, "design": "all runs", "runs": len(pool), "truth": np.log(of_all / measured[ahead])})
    return rows


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("curves", type=Path)
    curves = pd.read_csv(parser.parse_args().curves)
    rows = []
    for _, curve in curves.groupby(["dataset", "learner"]):
        for sizes in SIZES:
            if curve["n"].nunique() > sizes:
                rows += outcomes(curve, sizes)
    table = pd.DataFrame(rows).groupby(["share", "design"])
    rms = table[["truth", "all runs"]].agg(lambda gaps: np.sqrt((gaps**2).mean()))
    print(rms.assign(median=table["truth"].agg(lambda g: g.abs().median()), n=table.size()).round(3).to_string())


if __name__ == "__main__":
    main()
