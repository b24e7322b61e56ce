"""Checks whether accuracies were measured on a few images only: shares of k images are multiples of 1/k.

The usual cause is a metric that is reset for every batch, so that only the last batch is reported.
"""

from collections.abc import Iterator
from dataclasses import dataclass, replace

import numpy as np
import pandas as pd
from scipy import stats

from trainsize.audit.columns import SINGLE
from trainsize.audit.facts import Facts
from trainsize.audit.findings import CLEAR, FINDING, QUESTION, UNTESTED, Finding, untested
from trainsize.audit.sheet import Sheet

LAST_BATCH, SPREAD = "last-batch", "seed-spread"
LARGEST = 4096  # largest denominator searched
BATCHES = np.arange(2, 1025)  # batch sizes searched in training scores
CERTAIN = 0.001  # p below which a grid counts as real, before Holm's correction
LEAST_VISIBLE, LEAST_VALUES = 8, 3  # values are not tested if fewer, or if they can only show smaller k
MOST_VALUES = 1000  # distinct values examined
SIMULATIONS = 4000
_SLACK = 1 + 1e-6  # factor on the half unit, for rounding in the computation


@dataclass(frozen=True)
class Values:
    """Distinct printed shares, their half units, and the factor by which each one's grid is finer than 1/k.

    The factor is the number of runs for a mean.
    """

    shares: np.ndarray
    half: np.ndarray
    finer: np.ndarray

    def __len__(self) -> int:
        return len(self.shares)


def distinct_values(sheet: Sheet, column: str, rows: pd.Index) -> Values:
    """Return the informative distinct values of a column: 0 and 1 lie on every grid, and repeats add nothing.

    A median of an even number of runs may lie half-way between two, a mean of S runs on an S times finer grid.
    Quartiles count as one run's value, as hinges of ten runs are. A mean of an unknown number of runs shows nothing.
    """
    runs = sheet.rows["runs"] if "runs" in sheet.rows else pd.Series(np.nan, index=sheet.rows.index)
    kinds = sheet.texts("statistic", "run").loc[rows]
    finer = pd.Series(1.0, index=rows)
    finer[kinds == "median"] = 2.0 - runs[rows] % 2
    finer[(kinds == "median") & runs[rows].isna()] = 2.0
    finer[kinds == "mean"] = runs[rows]
    values = pd.DataFrame({"share": sheet.rows.loc[rows, column], "half": sheet.half.loc[rows, column], "finer": finer})
    values = values.dropna()
    values = values[(values["share"] > values["half"]) & (values["share"] < 1 - values["half"])]
    values = values.sort_values(["finer", "half"], ascending=False).drop_duplicates("share").head(MOST_VALUES)
    return Values(*(values[name].to_numpy() for name in ("share", "half", "finer")))


def fits(values: Values, k: np.ndarray) -> np.ndarray:
    """Return, for each denominator (columns of `k`, or one per value), whether a value is a multiple of 1/k as printed.

    `k` broadcasts against the values as rows; the result has the shape (values, denominators).
    """
    scale = k * values.finer[:, None]
    multiples = values.shares[:, None] * scale
    return np.abs(multiples - np.round(multiples)) <= values.half[:, None] * scale * _SLACK + 1e-9


def log_chance(values: Values, k: np.ndarray, n_images: np.ndarray | float) -> np.ndarray:
    """Return the log of an upper bound of the probability that a value measured on N = `n_images` fits the grid of 1/k.

    The bound is the smaller of two, with w the printed unit. First, of the 1/w printable numbers, `_printable` fit, and
    each stands for at most ceil(wN) of the N + 1 shares of N images. Second, a printed share that fits is within w of
    one of the k + 1 grid points, near each of which lie floor(2wN) + 1 shares. If N is infinite, all printable numbers
    count as equally likely. The result has the shape of that of `fits`.
    """
    width = 2 * values.half[:, None]
    k = k * values.finer[:, None]
    finite = np.where(np.isfinite(n_images), n_images, 1.0)
    by_numbers = _printable(k, width) * np.where(np.isfinite(n_images), np.ceil(width * finite) / (finite + 1), width)
    by_points = np.where(np.isfinite(n_images), (k + 1) * (np.floor(2 * width * finite) + 1) / (finite + 1), 1.0)
    return np.log(np.minimum(1.0, np.minimum(by_numbers, by_points)))


def _printable(k: np.ndarray, width: np.ndarray) -> np.ndarray:
    """Return how many of the D = 1/width printable numbers are within half a unit of a multiple of 1/k.

    m/D fits if mk is within k/2 of a multiple of D; mk mod D takes every multiple of g = gcd(k, D) equally often. Ties
    count, so the number can exceed k: of 1000 numbers, all fit 1/800. (A width that is no 1/D is rounded to one.)
    """
    numbers = np.round(1 / width).astype(np.int64)
    whole = np.round(k).astype(np.int64)
    step = np.gcd(whole, numbers)
    return np.minimum(numbers, (2 * (whole // (2 * step)) + 1) * step)


@dataclass(frozen=True)
class Grid:
    """The grid that all values lie on: its denominator (None: no grid), p-value, and number of values.

    `p` is an upper bound of the probability that values measured on all images lie on the grid of some denominator up
    to this one. `visible` is the largest denominator that the values could have shown at p < CERTAIN (0: none).
    """

    k: int | None
    p: float
    visible: int
    n_values: int


def find_grid(values: Values, n_images: int | None, supposed: int | None = None) -> Grid:
    """Find the smallest denominator below `n_images` that all values fit; `supposed` is one to try by itself.

    P(some denominator up to k fits by chance) is at most the sum of their probabilities. Of the two hypotheses, the
    supposed denominator and the search, the less likely one is returned, and the p-values of both are doubled.
    """
    most = min(LARGEST, n_images - 1) if n_images else LARGEST
    if not len(values) or most < 2:
        return Grid(None, 1.0, 0, len(values))
    hypotheses = [np.arange(2, most + 1)]
    if supposed is not None and supposed < (n_images or np.inf):
        hypotheses.insert(0, np.array([supposed]))
    grids = [_smallest_grid(values, k, n_images or np.inf, len(hypotheses)) for k in hypotheses]
    best = min(grids, key=lambda grid: (grid.p, grid.k is None))
    return replace(best, visible=max(grid.visible for grid in grids))


def _smallest_grid(values: Values, k: np.ndarray, n_images: float, tries: int) -> Grid:
    """Return the grid of the smallest of the denominators `k` that all values fit; its p is that of `tries` tries."""
    log_p = np.logaddexp.accumulate(log_chance(values, k, n_images).sum(axis=0)) + np.log(tries)
    visible = int(max(k[log_p < np.log(CERTAIN)], default=0))
    fitting = np.flatnonzero(fits(values, k).all(axis=0))
    if not len(fitting):
        return Grid(None, 1.0, visible, len(values))
    return Grid(int(k[fitting[0]]), min(1.0, float(np.exp(log_p[fitting[0]]))), visible, len(values))


def last_batch(n_images: int | np.ndarray, batch_size: int | np.ndarray) -> int | np.ndarray:
    """Return the images in the last batch of a pass over `n_images`."""
    return (n_images - 1) % batch_size + 1


def check_last_batch(sheet: Sheet, facts: Facts) -> Iterator[Finding]:
    """Look for a grid in each accuracy, for all models together and, if that shows none, for each model."""
    tested = "whether all values are multiples of 1/k for a k smaller than the number of images to evaluate"
    columns = [column for column in _accuracies(sheet) if not column.startswith("train_")]
    if not columns:
        yield untested(LAST_BATCH, tested, "no accuracy on test or validation images")
    for column in columns:
        n_images = facts.n_test if column.startswith("test_") else facts.n_validation
        together, grid = _grid_finding(sheet, facts, column, sheet.rows.index, column, n_images, tested)
        models = sheet.texts("model")
        parts = [
            (rows, *_grid_finding(sheet, facts, column, rows, f"{column}, {model}", n_images, tested))
            for model, rows in models.groupby(models).groups.items()
            if models.nunique() > 1 and not _certain(grid)
        ]
        parts = [part for part in parts if part[1].status != UNTESTED]
        if parts:
            for rows, finding, part in parts:
                yield finding
                if n_images and _certain(part):
                    yield from check_seed_spread(sheet, column, rows, part.k, finding.subject)
            continue
        yield together
        known = grid.k if together.status == FINDING and _certain(grid) else None
        yield from check_seed_spread(sheet, column, sheet.rows.index, known, column)
    yield from _training_grid(sheet, facts)


def _accuracies(sheet: Sheet) -> list[str]:
    """Return the columns of shares of images. An F1 without an accuracy may be one; a macro F1 is not."""
    columns = sheet.scores("share")
    return [column for column in columns if not column.endswith("_f1") or f"{column[:-3]}_accuracy" not in columns]


def _certain(grid: Grid) -> bool:
    return grid.k is not None and grid.p < CERTAIN


def _grid_finding(
    sheet: Sheet, facts: Facts, column: str, rows: pd.Index, subject: str, n_images: int | None, tested: str
) -> tuple[Finding, Grid]:
    values = distinct_values(sheet, column, rows)
    batch_size = facts.batch_size or sheet.only("batch_size")
    supposed = last_batch(n_images, int(batch_size)) if n_images and batch_size else None
    supposed = None if supposed in (n_images, 1) else supposed
    grid = find_grid(values, n_images, supposed)
    power = f"{grid.n_values} distinct values could have shown a k up to {grid.visible}"
    if grid.visible < LEAST_VISIBLE or grid.n_values < LEAST_VALUES:
        return untested(LAST_BATCH, tested, f"too few values or digits: {power}", subject), grid
    otherwise = f"no grid beyond chance; {power}"
    if grid.k is None:
        finding = Finding(LAST_BATCH, subject, FINDING, tested, "no k fits all values", "", 1.0, otherwise=otherwise)
        return finding, grid
    statistic = f"the smallest k that all {grid.n_values} distinct values fit as printed is {grid.k}"
    if n_images is None:
        status = QUESTION if grid.p < CERTAIN else CLEAR
        asked = (
            f"these scores were measured on {grid.k} images or a multiple of it (p {grid.p:.1g} by chance). Are these "
            "all images? Give their number as --n-test or --n-validation"
        )
        return Finding(LAST_BATCH, subject, status, tested, statistic, asked if status == QUESTION else otherwise), grid
    meaning = (
        f"these scores were measured on {grid.k} images{_origin(grid.k, n_images, batch_size)}, not on all "
        f"{n_images:,}: this alone gives each a standard error of up to {50 / grid.k**0.5:.1f} points"
    )
    return Finding(LAST_BATCH, subject, FINDING, tested, statistic, meaning, grid.p, otherwise=otherwise), grid


def _origin(k: int, n_images: int, batch_size: float | None) -> str:
    """Return the origin of a denominator: the given batch size, or batch sizes for which it is the last batch."""
    if batch_size:
        last = last_batch(n_images, int(batch_size))
        batch = f"the last batch of {batch_size:g} has"
        multiple = "" if last % k else " or a multiple"
        return f", as many as {batch}" if last == k else f"{multiple} ({batch} {last})"
    sizes = [int(size) for size in BATCHES if size >= k and last_batch(n_images, size) == k]
    return f" (the last batch if batches have {' or '.join(map(str, sizes[:4]))} images)" if sizes else ""


def _training_grid(sheet: Sheet, facts: Facts) -> Iterator[Finding]:
    """Look for the last training batch: each size n leaves n mod B images, so each size has its own denominator."""
    tested = "whether training scores are multiples of 1/(images in the last batch of their size)"
    columns = [column for column in _accuracies(sheet) if column.startswith("train_")]
    single = sheet.texts("statistic", "run").isin(SINGLE)
    if columns and not sheet.has("n"):
        yield untested(LAST_BATCH, tested, "no column n", ", ".join(columns))
        return
    for column in columns:
        rows = sheet.rows[single & sheet.rows[column].notna() & sheet.rows["n"].notna()]
        rows = rows[(rows[column] > 0) & (rows[column] < 1)].drop_duplicates(column).head(MOST_VALUES)
        half = sheet.half.loc[rows.index, column].to_numpy()
        values, n = Values(rows[column].to_numpy(), half, np.ones(len(rows))), rows["n"].to_numpy(dtype=int)[:, None]
        batch_size = facts.batch_size or sheet.only("batch_size")
        batches = np.array([int(batch_size)]) if batch_size else BATCHES
        k = last_batch(n, batches)
        whole = k == n  # the last batch is the whole subset, which shows nothing
        log_p = np.where(whole, 0.0, log_chance(values, k, n.astype(float))).sum(axis=0) + np.log(len(batches))
        fitting = (fits(values, k) | whole).all(axis=0)
        if len(values) < LEAST_VALUES or log_p.min() > np.log(CERTAIN):
            yield untested(LAST_BATCH, tested, "too few values or digits, or subsets smaller than a batch", column)
        elif not fitting.any():
            otherwise = "the scores are not those of the last training batch"
            yield Finding(LAST_BATCH, column, FINDING, tested, "no batch size fits", "", 1.0, otherwise=otherwise)
        else:
            best = np.flatnonzero(fitting)[np.argmin(log_p[fitting])]
            size, p = int(batches[best]), float(min(1.0, np.exp(log_p[best])))
            yield Finding(
                LAST_BATCH,
                column,
                FINDING,
                tested,
                f"all {len(values)} values fit the last batch of {size}, which has {k[:, best].min()} to "
                f"{k[:, best].max()} images",
                "training scores are those of the last batch only, not of the whole training subset",
                p,
                otherwise="no batch size fits beyond chance",
            )


def check_seed_spread(sheet: Sheet, column: str, rows: pd.Index, k: int | None, subject: str) -> Iterator[Finding]:
    """Compare the spread between runs with that expected if each was evaluated on k images of its own.

    This needs a grid of 1/k, because runs evaluated on the same whole test set share its sampling error.
    """
    tested = "whether the spread between seeds is that of sampling k test images"
    if k is None:
        yield untested(SPREAD, tested, "tested only for scores that lie on a grid of 1/k")
        return
    kinds = sheet.texts("statistic", "run").loc[rows]
    if {"q1", "median", "q3"} <= set(kinds) and sheet.has("n", "runs"):
        yield _box_spread(sheet, column, rows, k, subject, tested)
        return
    runs = sheet.rows.loc[rows][kinds == "run"].dropna(subset=[column])
    groups = [group.to_numpy() for _, group in runs.groupby(sheet.settings(runs))[column]]
    groups = [group for group in groups if len(group) > 1 and 0 < group.mean() < 1]
    if not groups:
        yield untested(SPREAD, tested, "no two runs of the same size", subject)
        return
    degrees = sum(len(group) - 1 for group in groups)
    q = sum(((group - group.mean()) ** 2).sum() * k / (group.mean() * (1 - group.mean())) for group in groups)
    larger, smaller = float(stats.chi2.sf(q, degrees)), float(stats.chi2.cdf(q, degrees))
    low, high = q / stats.chi2.ppf([0.975, 0.025], degrees)
    interval = f"95 % interval {low:.2f} to {high:.2f}, {degrees} degrees of freedom"
    yield _spread_finding(
        subject, tested, f"variance {q / degrees:.2f} times the binomial's ({interval})", larger, smaller, k
    )


def _box_spread(sheet: Sheet, column: str, rows: pd.Index, k: int, subject: str, tested: str) -> Finding:
    """Compare box heights and ranges with simulated ones: binomial scores of as many runs, around the medians."""
    data = sheet.rows.loc[rows].assign(model=sheet.texts("model")).dropna(subset=["n", column])
    groups = data.groupby(["model", "n"])
    boxes = data.pivot_table(column, ["model", "n"], "statistic", aggfunc="first")
    boxes = boxes.reindex(columns=["q1", "median", "q3"]).assign(
        runs=groups["runs"].first(), range=groups[column].max() - groups[column].min()
    )
    boxes = boxes[boxes["runs"] > 1].dropna()
    if boxes.empty:
        return untested(SPREAD, tested, "no size with q1, median and q3 of two runs or more", subject)
    observed_range, observed_height = boxes["range"].mean(), (boxes["q3"] - boxes["q1"]).mean()
    rng = np.random.default_rng(0)
    heights, ranges = np.zeros(SIMULATIONS), np.zeros(SIMULATIONS)
    for median, runs in zip(boxes["median"], boxes["runs"].astype(int), strict=True):
        scores = np.sort(rng.binomial(k, median, (SIMULATIONS, runs)) / k, axis=1)
        lower, upper = scores[:, : runs // 2], scores[:, runs - runs // 2 :]
        heights += (np.median(upper, axis=1) - np.median(lower, axis=1)) / len(boxes)
        ranges += (scores[:, -1] - scores[:, 0]) / len(boxes)
    larger, smaller = (
        float((1 + beyond.sum()) / (SIMULATIONS + 1))
        for beyond in (heights >= observed_height, heights <= observed_height)
    )
    statistic = (
        f"mean box height {observed_height:.4f}, expected {heights.mean():.4f}; mean range {observed_range:.4f}, "
        f"expected {ranges.mean():.4f}; {len(boxes)} sizes"
    )
    return _spread_finding(subject, tested, statistic, larger, smaller, k)


def _spread_finding(subject: str, tested: str, statistic: str, larger: float, smaller: float, k: int) -> Finding:
    """Judge a spread by the probabilities of a larger and of a smaller one if only the k images vary."""
    if smaller < 0.025:
        statistic = f"{statistic}; a smaller spread has p {smaller:.2g} by sampling alone"
        meaning = f"runs differ less than they would with {k} images of their own each: they share the images"
        return Finding(SPREAD, subject, CLEAR, tested, statistic, meaning)
    statistic = f"{statistic}; a larger spread has p {larger:.2g} by sampling alone"
    if larger < 0.05:
        meaning = f"runs differ by more than the choice of {k} test images explains"
        return Finding(SPREAD, subject, CLEAR, tested, statistic, meaning)
    meaning = (
        f"runs differ as much as the choice of {k} test images makes them: the spread is that of the evaluation and "
        "says nothing about seeds"
    )
    return Finding(SPREAD, subject, FINDING, tested, statistic, meaning)
