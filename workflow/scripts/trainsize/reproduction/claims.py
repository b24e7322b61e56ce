"""What the published studies claimed, tested on runs: each claim as a number, its interval and the range it allows.

A claim holds when the whole 95 % interval lies in that range, does not hold when the whole interval lies outside, and
is undecided otherwise. Runs of one draw share their images, so the repeats are draws, or the seeds of a single draw.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace
from math import inf, nan

import numpy as np
import pandas as pd
import statsmodels.api as sm
from scipy import stats

from trainsize.published.printed import Claim, claims
from trainsize.reproduction.tables import CLAIMS
from trainsize.statistics.crossed import complete_table, is_crossed, run_variance_interval, table_of
from trainsize.statistics.intervals import mean_interval, unit_of

HOLDS, FAILS, UNDECIDED, NOT_TESTED = "holds", "does not hold", "undecided", "not tested"


@dataclass(frozen=True)
class Measured:
    """A claim's number with its 95 % interval, the range that the claim allows, and the number of repeats."""

    value: float
    low: float
    high: float
    repeats: int
    above: float = -inf
    below: float = inf
    remark: str = ""

    @property
    def verdict(self) -> str:
        if np.isnan([self.low, self.high]).any():
            return UNDECIDED
        if self.above < self.low and self.high < self.below:
            return HOLDS
        return FAILS if self.high <= self.above or self.low >= self.below else UNDECIDED


class Untestable(Exception):
    """The runs lack what the test of a claim needs."""


def claims_table(study: str, runs_by_role: dict[str, pd.DataFrame]) -> pd.DataFrame:
    """Return every claim of a published study, tested on the finished runs of each version (by role)."""
    rows = [_row(claim, role, runs) for claim in claims(study) for role, runs in runs_by_role.items()]
    return pd.DataFrame(rows, columns=CLAIMS.schema.names)


def _row(claim: Claim, role: str, runs: pd.DataFrame) -> tuple:
    about = (claim.artefact, claim.claim, role, claim.model, claim.metric)
    try:
        if claim.why:
            raise Untestable(claim.why)
        measured = TESTS[claim.test](runs, claim)
    except Untestable as why:
        return (*about, *[nan] * 5, 0, NOT_TESTED, str(why))
    why = measured.remark or ("no interval from a single repeat" if np.isnan(measured.low) else "")
    bounds = (bound if np.isfinite(bound) else nan for bound in (measured.above, measured.below))
    interval = measured.value, measured.low, measured.high
    return (*about, *interval, *bounds, measured.repeats, measured.verdict, why)


def of_model(runs: pd.DataFrame, model: str) -> pd.DataFrame:
    own = runs[runs["model"] == model]
    if own.empty:
        raise Untestable(f"no runs of {model}")
    return own


def repeats(runs: pd.DataFrame, metric: str, model: str) -> pd.DataFrame:
    """Return a metric of a model, a row per repeat and a column per size."""
    own = of_model(runs, model)
    return own.groupby([unit_of(own), "n"])[metric].mean().unstack("n")


def complete(runs: pd.DataFrame, claim: Claim) -> pd.DataFrame:
    """Return `repeats` without those that lack a size. Raises Untestable for fewer than three sizes."""
    cells = repeats(runs, claim.metric, claim.model)
    if len(cells.columns) < 3:
        raise Untestable("fewer than three sizes")
    if cells.dropna().empty:
        raise Untestable("no draw or seed has runs of all sizes")
    return cells.dropna()


def best(runs: pd.DataFrame, claim: Claim) -> Measured:
    """Measure a model's lead over its closest rival, paired, with a Bonferroni interval over all rivals."""
    own = repeats(runs, claim.metric, claim.model)
    leads = {rival: (own - repeats(runs, claim.metric, rival)).mean(axis=1).dropna() for rival in claim.among}
    if not all(map(len, leads.values())):
        raise Untestable("no draw or seed that all models share")
    closest = min(leads, key=lambda rival: leads[rival].mean())
    # Together, the intervals bound the smallest lead, whichever the rival.
    _, lows, highs = zip(*(mean_interval(lead, 1 - 0.05 / len(claim.among)) for lead in leads.values()), strict=True)
    shared = min(map(len, leads.values()))
    ends = float(np.min(lows)), float(np.min(highs))
    return Measured(leads[closest].mean(), *ends, shared, above=0.0, remark=f"the closest rival is {closest}")


def rises(runs: pd.DataFrame, claim: Claim) -> Measured:
    """Measure the slope over log10 n, with one line per repeat."""
    cells = complete(runs, claim)
    slopes = np.polyfit(np.log10(cells.columns.to_numpy(float)), cells.to_numpy().T, 1)[0]
    return Measured(*mean_interval(slopes), len(slopes), above=0.0)


def falls(runs: pd.DataFrame, claim: Claim) -> Measured:
    """Measure the same as `rises`, for what should fall."""
    return replace(rises(runs, claim), above=-inf, below=0.0)


def rises_by_fold(runs: pd.DataFrame, claim: Claim) -> Measured:
    """Measure the slope over the folds in their order: a least-squares line through the folds' means."""
    means = of_model(runs, claim.model).groupby("draw")[claim.metric].mean()
    if len(means) < 3:
        raise Untestable("fewer than three folds")
    line = sm.OLS(means.to_numpy(), sm.add_constant(means.index.to_numpy(float))).fit()
    return Measured(line.params[1], *line.conf_int()[1], len(means), above=0.0)


def diminishing(runs: pd.DataFrame, claim: Claim) -> Measured:
    """Measure how much more 1,000 images gain in the lower half of the sizes than in the upper half."""
    cells = complete(runs, claim)
    ends = cells.columns[[0, len(cells.columns) // 2, -1]]
    gains = cells[ends].diff(axis=1).iloc[:, 1:].to_numpy() / np.diff(ends) * 1000
    return Measured(*mean_interval(gains[:, 0] - gains[:, 1]), len(gains), above=0.0)


def below_line(runs: pd.DataFrame, claim: Claim) -> Measured:
    """Measure the distance of the largest size's mean from the line through the others; a prediction interval."""
    cells = repeats(runs, claim.metric, claim.model)
    if len(cells.columns) < 4:
        raise Untestable("fewer than four sizes")
    x, means = np.log10(cells.columns.to_numpy(float)), cells.mean().to_numpy()
    line = sm.OLS(means[:-1], sm.add_constant(x[:-1])).fit()
    expected = line.get_prediction([1.0, x[-1]]).summary_frame()
    low, high = (means[-1] - expected[f"obs_ci_{end}"][0] for end in ("upper", "lower"))
    return Measured(means[-1] - expected["mean"][0], low, high, len(cells), below=0.0)


def saturated(runs: pd.DataFrame, claim: Claim) -> Measured:
    """Measure the gain from a share of the largest size to all of it, which should be within the margin."""
    cells = repeats(runs, claim.metric, claim.model)
    largest = cells.columns[-1]
    near = min(cells.columns, key=lambda n: abs(n / largest - claim.at))
    if near == largest or abs(near / largest - claim.at) > 0.01:
        raise Untestable(f"no size of {100 * claim.at:g} % of the largest")
    gain = (cells[largest] - cells[near]).dropna()
    return Measured(*mean_interval(gain), len(gain), -claim.margin, claim.margin)


def above(runs: pd.DataFrame, claim: Claim) -> Measured:
    """Measure by how much one metric exceeds another of the same runs, averaged over the sizes."""
    both = [repeats(runs, metric, claim.model).mean(axis=1) for metric in (claim.metric, claim.than)]
    return Measured(*mean_interval(both[0] - both[1]), len(both[0]), above=0.0)


def not_above(runs: pd.DataFrame, claim: Claim) -> Measured:
    """Measure the same as `above`, for what should exceed the other metric by less than the margin."""
    return replace(above(runs, claim), above=-inf, below=claim.margin)


def spread(runs: pd.DataFrame, claim: Claim) -> Measured:
    """Measure how far a single run may be off: 1.96 standard deviations between runs of a size, pooled over sizes.

    Where draws have several seeds, the standard deviation is that between runs that share neither draw nor seed.
    """
    own = of_model(runs, claim.model).dropna(subset=claim.metric)
    ends, count = (_crossed_spread if is_crossed(own) else _plain_spread)(own, claim.metric)
    return Measured(*(1.96 * np.sqrt(ends)), count, below=claim.margin)


def _plain_spread(runs: pd.DataFrame, metric: str) -> tuple[np.ndarray, int]:
    """Return the variance between independent runs with the ends of its interval, and the number of runs."""
    groups = [group for _, group in runs.groupby("n")[metric]]
    degrees = sum(len(group) - 1 for group in groups)
    if not degrees:
        raise Untestable("only one run of each size")
    squares = sum(((group - group.mean()) ** 2).sum() for group in groups)
    return squares / np.array([degrees, *stats.chi2.ppf([0.975, 0.025], degrees)]), degrees + len(groups)


def _crossed_spread(runs: pd.DataFrame, metric: str) -> tuple[np.ndarray, int]:
    """Return the same for draws crossed with seeds, from the runs that form complete tables."""
    tables = [complete_table(table_of(group, metric)) for _, group in runs.groupby("n")]
    tables = [table for table in tables if min(table.shape) > 1]
    if not tables:
        raise Untestable("no two draws with runs of the same two seeds")
    return np.array(run_variance_interval(tables)), sum(table.size for table in tables)


def draws(runs: pd.DataFrame, claim: Claim) -> Measured:
    """Measure the standard deviation that the draw adds to that of training, at the size with the most runs.

    The interval is that of the ratio of the variances from their F statistic (Searle 1971), with the same number of
    seeds for each draw, times the variance within draws.
    """
    own = of_model(runs, claim.model)
    cells = own[own["n"] == own["n"].value_counts().idxmax()].pivot_table(claim.metric, "draw", "seed").dropna()
    count, seeds = cells.shape
    if count < 2 or seeds < 2:
        raise Untestable("fewer than two draws with several seeds each")
    within = cells.var(axis=1).mean()
    if not within:
        raise Untestable("the seeds of a draw do not differ")
    f = seeds * cells.mean(axis=1).var() / within
    ends = f / np.array([1.0, *stats.f.ppf([0.975, 0.025], count - 1, count * (seeds - 1))])
    sds = np.sqrt(np.maximum(ends - 1, 0) / seeds * within)
    return Measured(*sds, count * seeds, below=claim.margin)


TESTS: dict[str, Callable[[pd.DataFrame, Claim], Measured]] = {
    "best": best,
    "rises": rises,
    "falls": falls,
    "rises_by_fold": rises_by_fold,
    "diminishing": diminishing,
    "below_line": below_line,
    "saturated": saturated,
    "above": above,
    "not_above": not_above,
    "spread": spread,
    "draws": draws,
}
