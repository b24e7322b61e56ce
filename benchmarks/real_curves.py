"""Measure how often the intervals of extrapolated learning curves hold, on curves that go on: docs/calibration.md.

    python benchmarks/real_curves.py [--curves CSV] [--means CSV] [--calibrate] [--peer [CSV]]

Every curve is cut at its k smallest sizes and at 3, 5 and 10 seeds; the answers from that are held against the means
over all seeds at 2, 4 and 8 times the largest size that was left (and at 16 and 32 times). Without --curves, cheap
classifiers of scikit-learn are trained on its digits, in about a minute. A table of --curves has the columns dataset,
learner, n, seed and error, one of --means dataset, learner, n and error: curves without seeds, such as LCDB's.

--calibrate also fits the prior of the damped trend to all data sets but one, scores it on that one, and then fits it
to all. --peer also asks simple-scaling-laws, where it is installed, or takes its answers from a table of them.
"""

import argparse
import os
import sys
import warnings
from collections.abc import Callable, Iterator
from dataclasses import astuple, dataclass
from importlib.util import find_spec
from pathlib import Path

os.environ.setdefault("OMP_NUM_THREADS", "1")
sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "workflow" / "scripts"))

import numpy as np
import pandas as pd
from scipy import stats
from scipy.optimize import curve_fit, minimize
from scipy.special import logsumexp

from trainsize.curves.bootstrap import resampled_means
from trainsize.curves.choosing import candidates
from trainsize.curves.confidence import confidence_of
from trainsize.curves.curve import Curve, make_curve
from trainsize.curves.families import CHOSEN_FAMILY, DEFAULT_FAMILIES, TREND, Array
from trainsize.curves.forecast import SHARE_OF_FAMILIES, centre, forecast, log_means
from trainsize.curves.predictions import predictions
from trainsize.curves.predictor import Predictor
from trainsize.curves.saturation import returns_at
from trainsize.curves.targets import target_size
from trainsize.curves.trend import PRIOR, Prior, posterior
from trainsize.runs.metrics import LOSS

SEEDS, HORIZONS, TARGETS = (3, 5, 10), (2, 4, 8, 16, 32), (2, 4)
FEWEST, ENOUGH = 3, 5  # sizes: of the shortest cut, and from which on the prior is fitted
DRAWS, RESAMPLES = 2000, 500
MARGIN = 0.005  # of saturation
SMALLEST = 0.001  # smaller points count as this error: a logarithm is taken
START = Prior(damping=0.2, exponent=0.05, volatility=0.4, spread=0.7, first=0.2)  # of the fit
ENDS = ["low95", "high95", "low80", "high80"]
CELL = ["dataset", "learner", "seeds", "k", "m"]
PEER, PEER_SIZES = "simple-scaling-laws", (4, 5, 6, 8)


@dataclass(frozen=True)
class Cell:
    """A curve cut at its k smallest sizes and first seeds, and its means over all seeds, `truth` and their variances.

    `truth` and `variances` are by size, of all sizes.
    """

    dataset: str
    learner: str
    seeds: int
    curve: Curve
    truth: pd.Series
    variances: pd.Series

    @property
    def name(self) -> dict[str, object]:
        return {"dataset": self.dataset, "learner": self.learner, "seeds": self.seeds, "k": len(self.curve.sizes)}

    @property
    def largest(self) -> float:
        return float(self.curve.sizes[-1])

    @property
    def horizons(self) -> list[int]:
        """The multiples of the largest size at which the curve was measured."""
        return [m for m in HORIZONS if m * self.largest in self.truth.index]

    @property
    def ahead(self) -> Array:
        return np.array(self.horizons) * self.largest


def cells(runs: pd.DataFrame, seeds: tuple[int, ...] = SEEDS) -> Iterator[Cell]:
    """Yield every curve of `runs` at every cut; `kind` is that of the metric, error if there is no such column."""
    runs = runs.assign(draw=runs["seed"], kind=runs.get("kind", "error"))
    for (dataset, learner, kind), table in runs.groupby(["dataset", "learner", "kind"]):
        by_size = table.groupby("n")["error"]
        truth, variances = by_size.mean(), by_size.var() / by_size.size()
        for count in seeds:
            for largest in truth.index[FEWEST - 1 : -1]:
                cut = table[(table["n"] <= largest) & (table["seed"] < count)]
                cell = Cell(dataset, learner, count, make_curve(cut, "error", kind), truth, variances)
                if cell.horizons:
                    yield cell


def digits() -> pd.DataFrame:
    """Train cheap classifiers on parts of scikit-learn's digits; return their errors and cross-entropies."""
    from sklearn.datasets import load_digits
    from sklearn.metrics import log_loss
    from sklearn.model_selection import train_test_split

    x, y = load_digits(return_X_y=True)
    x, test_x, y, test_y = train_test_split(x / 16, y, test_size=500, stratify=y, random_state=0)
    rows = []
    for name, new in _learners().items():
        for n in 20 * 2 ** np.arange(7):
            for seed in range(max(SEEDS)):
                part, _ = train_test_split(np.arange(len(y)), train_size=int(n), stratify=y, random_state=seed)
                model = new().fit(x[part], y[part])
                rows.append(("digits", name, "error", n, seed, float((model.predict(test_x) != test_y).mean())))
                if name in ("gaussian_nb", "logistic"):
                    loss = log_loss(test_y, model.predict_proba(test_x))
                    rows.append(("digits, cross-entropy", name, LOSS, n, seed, loss))
    return pd.DataFrame(rows, columns=["dataset", "learner", "kind", "n", "seed", "error"])


def _learners() -> dict[str, Callable]:
    from sklearn.linear_model import LogisticRegression
    from sklearn.naive_bayes import GaussianNB
    from sklearn.neighbors import KNeighborsClassifier, NearestCentroid
    from sklearn.tree import DecisionTreeClassifier

    return {
        "centroid": NearestCentroid,
        "gaussian_nb": lambda: GaussianNB(var_smoothing=1e-2),
        "1nn": lambda: KNeighborsClassifier(1),
        "5nn": lambda: KNeighborsClassifier(5),
        "logistic": lambda: LogisticRegression(max_iter=1000),
        "tree": lambda: DecisionTreeClassifier(random_state=0),
    }


def predictors(cell: Cell) -> dict[str, Predictor | None]:
    """Return what answers by default and the chosen family; None where there is none."""
    tried = candidates(cell.curve, DEFAULT_FAMILIES, resampled_means(cell.curve, RESAMPLES))
    return {TREND: forecast(cell.curve, DRAWS), CHOSEN_FAMILY: next((c for c in tried if c.chosen), None)}


def answers(cell: Cell, method: str, predictor: Predictor | None) -> list[dict]:
    """Return what the report would say at the horizons, a row for each; nan where it would say nothing."""
    table = pd.DataFrame({"m": cell.horizons, "truth": cell.truth[cell.ahead].to_numpy()})
    table = table.assign(method=method, point=np.nan, **dict.fromkeys(ENDS, np.nan), **cell.name)
    for level in (95, 80) if predictor is not None else ():
        said = predictions(predictor, cell.curve, cell.ahead, confidence_of(cell.curve, level / 100, False))
        table[["point", f"low{level}", f"high{level}"]] = said[["value", "low", "high"]].to_numpy()
    return table.to_dict("records")


def plain_points(cell: Cell) -> list[dict]:
    """Return the points, without intervals, of what is usually done by hand."""
    n, e, at = cell.curve.sizes, cell.curve.means, cell.ahead
    x, y = np.log(n), np.log(np.maximum(e, SMALLEST))
    points = {
        "last value": np.full(len(at), e[-1]),
        "line in log n": np.polyval(np.polyfit(x, e, 1), np.log(at)),
        "c + a n^-b by curve_fit": _power_law(n, e, at),
        "last three, log-log": np.exp(np.polyval(np.polyfit(x[-3:], y[-3:], 1), np.log(at))),
    }
    truth = cell.truth[at].to_numpy()
    return [
        {**cell.name, "m": m, "truth": t, "method": method, "point": p}
        for method, point in points.items()
        for m, t, p in zip(cell.horizons, truth, point, strict=True)
    ]


def _power_law(n: Array, e: Array, at: Array) -> Array:
    def law(n: Array, c: float, a: float, b: float) -> Array:
        return c + a * (n / 100) ** -b

    try:
        fitted, _ = curve_fit(law, n, e, (e.min() / 2, e.max(), 0.5), bounds=(0, np.inf), max_nfev=5000)
    except RuntimeError:  # it did not converge
        return np.full(len(at), np.nan)
    return law(at, *fitted)


def peer_answers(cell: Cell) -> list[dict]:
    """Return what simple-scaling-laws says, with its defaults, from the same runs."""
    import polars
    from simple_scaling_laws import fit
    from simple_scaling_laws.model import quantile_suffix

    column, shares = "test_metric__error_rate", {"point": 0.5, **dict(zip(ENDS, (0.025, 0.975, 0.1, 0.9), strict=True))}
    units, sizes = np.nonzero(np.isfinite(cell.curve.values))
    data = {
        "training_run_id": [f"run{i}" for i in range(len(units))],
        "dataset_size__n": cell.curve.sizes[sizes],
        column: cell.curve.values[units, sizes],
    }
    model = fit(polars.DataFrame(data), law="separable-power", n_draws=1000, seed=0)
    said = model.predict({"dataset_size__n": cell.ahead}, kind="mean", quantiles=sorted(shares.values()))
    table = {end: said[f"{column}__{quantile_suffix(share)}"].to_numpy() for end, share in shares.items()}
    truth = cell.truth[cell.ahead].to_numpy()
    table = pd.DataFrame({"m": cell.horizons, "truth": truth, **table}).assign(method=PEER, **cell.name)
    return table.to_dict("records")


def questions(cell: Cell, method: str, predictor: Predictor | None) -> list[dict]:
    """Return the images that the errors at 2 and 4 times the largest size need, and the gain of the next doubling.

    Of a target: its interval, its median and the true answer. Of the gain: whether it is said to be below the margin,
    and whether it was.
    """
    if predictor is None:
        return []
    curve, confidence = cell.curve, confidence_of(cell.curve, 0.95, False)
    rows = []
    for m in TARGETS:
        needed = reached(cell, m)
        if needed is not None:
            size = target_size(predictor, curve, float(cell.truth[m * cell.largest]), confidence)
            ends = dict(zip(ENDS, (size.low, size.high, size.low_80, size.high_80), strict=True))
            rows.append({"m": m, "needed": needed, "median": size.median, **ends})
    if 2 * cell.largest in cell.truth.index and curve.kind != LOSS:
        said = returns_at(predictor, curve, cell.largest, MARGIN, confidence).gain_below_margin
        gain = cell.truth[cell.largest] - cell.truth[2 * cell.largest]
        rows.append({"claimed": said, "true": gain < MARGIN})
    return [{**cell.name, "method": method, **row} for row in rows]


def reached(cell: Cell, m: int) -> float | None:
    """Return the size at which the real curve first has its error at `m` times the largest size of the cut.

    It is interpolated on log-log axes; None where that size was not measured or the error is reached before.
    """
    truth = cell.truth[cell.truth.index >= cell.largest]
    if m * cell.largest not in truth.index or (truth <= 0).any():
        return None
    x, y = np.log(truth.index.to_numpy(dtype=float)), np.log(truth.to_numpy())
    level = np.log(truth[m * cell.largest])
    after = int(np.argmax(y <= level))
    if after == 0:
        return None
    share = (y[after - 1] - level) / (y[after - 1] - y[after])
    return float(np.exp(x[after - 1] + share * (x[after] - x[after - 1])))


def of_means(means: pd.DataFrame) -> pd.DataFrame:
    """Return the answers for curves of means alone, a row for each horizon.

    Their noise is taken as 1 % of the error, with that of 25 test sets of 1,000. Sizes within 4 % of a multiple of the
    largest one count as that.
    """
    rows = []
    for (dataset, learner), table in means.sort_values("n").groupby(["dataset", "learner"]):
        n, e = table["n"].to_numpy(dtype=float), table["error"].to_numpy()
        for k in range(ENOUGH, len(n)):
            off = {m: np.abs(np.log(n[k:] / (m * n[k - 1]))) for m in HORIZONS[:3]}
            at = [(m, k + int(distances.argmin())) for m, distances in off.items() if distances.min() < 0.04]
            if at and at[0][0] == 2 and e[:k].min() >= 2 * SMALLEST:
                name = {"dataset": dataset, "learner": learner, "seeds": 0, "k": k, "method": TREND}
                multiples, ahead = zip(*at, strict=True)
                low, low80, point, high80, high = _of_means(n[:k], e[:k], n[list(ahead)])
                said = {"m": multiples, "truth": np.maximum(e[list(ahead)], 1e-4), "point": point}
                said |= dict(zip(ENDS, (low, high, low80, high80), strict=True))
                rows.append(pd.DataFrame(said).assign(**name))
    return scored(pd.concat(rows))


def _of_means(n: Array, e: Array, ahead: Array) -> Array:
    """Return the five quantiles (5, k) of the forecast at sizes `ahead` (k,), its centre in the middle."""
    noise = np.diag(0.01**2 + (1 - e) / e / 25_000)
    at = np.append(n[-1], ahead)
    known = posterior(PRIOR, n, np.log(e), noise, at)
    middle = centre(Curve("error", n, (0,), e[None], "seed", 25_000, np.nan), at, known.mean)
    paths = known.paths(DRAWS, np.random.default_rng(0)) + middle - known.mean
    quantiles = np.quantile(paths, [0.025, 0.1, 0.5, 0.9, 0.975], axis=0)
    quantiles[2] = middle
    return np.exp(quantiles[:, 1:])


@dataclass(frozen=True)
class Batch:
    """C cells with the same m sizes: what the fit of the prior needs of them, at H horizons.

    `families` (C, H) is the families' part of the fall of ln e, `truth` (C, H) the true ln e (nan: not measured) with
    its `variances`, and `weights` (C,) make every curve count the same. `noise` (C, m, m) is the covariance of
    `log_errors` (C, m), and `inflated` this for few units.
    """

    sizes: Array
    log_errors: Array
    noise: Array
    inflated: Array
    families: Array
    truth: Array
    variances: Array
    weights: Array

    @property
    def at(self) -> Array:
        return self.sizes[-1] * np.array([1, *HORIZONS])


def batches(measured: list[Cell]) -> list[Batch]:
    """Gather the cells with enough sizes by those sizes."""
    measured = [cell for cell in measured if len(cell.curve.sizes) >= ENOUGH]
    table = pd.DataFrame([cell.name for cell in measured])
    weights = 1 / table.groupby(["dataset", "learner"])["k"].transform("size").to_numpy()
    same: dict[tuple, list] = {}
    for cell, weight in zip(measured, weights, strict=True):
        same.setdefault(tuple(cell.curve.sizes), []).append((*_known(cell), weight))
    return [Batch(np.array(sizes), *map(np.stack, zip(*rows, strict=True))) for sizes, rows in same.items()]


def _known(cell: Cell) -> tuple[Array, ...]:
    at = cell.largest * np.array([1, *HORIZONS])
    families = centre(cell.curve, at, np.zeros(len(at)))[1:]  # without a trend, only theirs is left
    truth = cell.truth.reindex(at[1:]).to_numpy()
    log_errors, noise = log_means(cell.curve, inflated=False)
    _, inflated = log_means(cell.curve)
    return log_errors, noise, inflated, families, np.log(truth), cell.variances.reindex(at[1:]).to_numpy() / truth**2


def log_density(prior: Prior, batch: Batch) -> Array:
    """Return the logarithm of the density (C,) of the truth, summed over the horizons; what was not measured adds 0."""
    trend, known = (
        posterior(prior, batch.sizes, batch.log_errors, noise, batch.at) for noise in (batch.noise, batch.inflated)
    )
    middle = centres(trend.mean, batch.families)
    means = known.means[..., 1:] + (middle - known.mean[:, 1:])[:, None]
    spread = np.sqrt(known.deviations[..., 1:] ** 2 + batch.variances[:, None])
    density = stats.norm.logpdf(batch.truth[:, None], means, spread) + np.log(known.weights)[..., None]
    return np.nan_to_num(logsumexp(density, axis=1)).sum(1)


def centres(trend: Array, families: Array) -> Array:
    """Return forecast.centre (C, H) of many cells at once, from the trend at the largest size and beyond (C, 1 + H)."""
    return trend[:, :1] + families + (1 - SHARE_OF_FAMILIES) * np.minimum(trend[:, 1:] - trend[:, :1], 0)


def fitted_prior(gathered: list[Batch]) -> Prior:
    """Return the prior with the highest density of the truths, by Nelder and Mead's search in the logarithms."""

    def cost(logarithms: Array) -> float:
        return -total(Prior(*np.exp(logarithms)), gathered)

    options = {"maxfev": 500, "xatol": 0.02, "fatol": 0.02}
    return Prior(*np.exp(minimize(cost, np.log(astuple(START)), method="Nelder-Mead", options=options).x).tolist())


def total(prior: Prior, gathered: list[Batch]) -> float:
    """Return the sum over the curves of the mean log density of their cells."""
    return sum(float(batch.weights @ log_density(prior, batch)) for batch in gathered)


def calibrate(measured: list[Cell]) -> pd.DataFrame:
    """Print the prior fitted without each data set and to all; return the answers on the data sets left out."""
    rows = []
    for dataset in sorted({cell.dataset for cell in measured}):
        prior = fitted_prior(batches([cell for cell in measured if cell.dataset != dataset]))
        print(f"without {dataset}: {prior}", flush=True)
        for cell in measured:
            if cell.dataset == dataset:
                rows += answers(cell, "left out", forecast(cell.curve, DRAWS, prior))
    gathered = batches(measured)
    for name, prior in (("all", fitted_prior(gathered)), ("used", PRIOR)):
        print(f"{name}: {prior}, log density {total(prior, gathered):.2f}", flush=True)
    return scored(pd.DataFrame(rows))


def scored(rows: pd.DataFrame) -> pd.DataFrame:
    """Add whether the intervals hold the truth, their full widths ln(high / low), and the error of ln e."""
    rows = rows.assign(error=np.log(np.maximum(rows["point"], SMALLEST) / rows["truth"]))
    for level in ("95", "80"):
        low, high = rows[f"low{level}"], rows[f"high{level}"]
        held = (low <= rows["truth"]) & (rows["truth"] <= high)
        rows[f"held{level}"] = held.astype(float).where(np.isfinite(low))
        with np.errstate(divide="ignore", invalid="ignore"):
            rows[f"width{level}"] = np.log(high / np.maximum(low, 0))
    return rows


def summary(rows: pd.DataFrame, by: list[str]) -> pd.DataFrame:
    """Return the score of every group: answers, coverage and median width, errors of the point, worst data set.

    ± is the standard error of the coverage over whole curves, since the cells of a curve are alike.
    """
    groups = rows.groupby(by, sort=False)
    held = rows.groupby([*by, "dataset"], sort=False)["held95"].mean().groupby(by, sort=False).min()
    return pd.DataFrame(
        {
            "cells": groups.size(),
            "answered": groups["point"].count(),
            "95 % holds": groups["held95"].mean(),
            "±": groups[["dataset", "learner", "held95"]].apply(_standard_error),
            "worst data set": held,
            "width": groups["width95"].median(),
            "80 % holds": groups["held80"].mean(),
            "width of 80 %": groups["width80"].median(),
            "rms": groups["error"].apply(lambda e: np.sqrt((e**2).mean())),
            "median": groups["error"].apply(lambda e: e.abs().median()),
        }
    ).sort_index()


def _standard_error(rows: pd.DataFrame) -> float:
    """Return the standard error of the share that holds, a ratio of sums over independent curves."""
    off = (rows["held95"] - rows["held95"].mean()).groupby([rows["dataset"], rows["learner"]]).sum()
    count, curves = rows["held95"].count(), len(off)
    return float(np.sqrt((off**2).sum() * curves / (curves - 1)) / count) if count and curves > 1 else np.nan


def show(title: str, table: pd.DataFrame) -> None:
    """Print a table as Markdown."""
    table = table.reset_index()
    print(f"\n{title}\n\n| {' | '.join(map(str, table.columns))} |\n|{'---|' * len(table.columns)}")
    for row in table.itertuples(index=False):
        print(f"| {' | '.join('–' if pd.isna(x) else f'{x:.3g}' if isinstance(x, float) else str(x) for x in row)} |")
    sys.stdout.flush()


def show_answers(rows: pd.DataFrame) -> None:
    """Print the tables of the errors ahead."""
    near = rows[rows["m"] <= 8].assign(sizes=rows["k"].clip(upper=ENOUGH))
    own = near[near["method"].isin([TREND, CHOSEN_FAMILY, "left out"])]
    show("At 2, 4 and 8 times the largest size, all cells", summary(near, ["method", "m"]))
    show("By the number of sizes (5: five or more)", summary(own, ["method", "sizes", "m"]))
    show("By the number of seeds, five or more sizes", summary(own[own["k"] >= ENOUGH], ["method", "seeds", "m"]))
    show("By data set, five or more sizes", summary(own[own["k"] >= ENOUGH], ["method", "dataset", "m"]))
    far = rows[(rows["m"] > 8) & (rows["k"] >= ENOUGH)]
    if len(far):
        show("Farther, five or more sizes", summary(far, ["method", "m"]))


def show_questions(asked: pd.DataFrame) -> None:
    """Print the tables of the images for targets, and of saturation."""
    asked = asked.assign(sizes=asked["k"].clip(upper=ENOUGH))
    targets = asked[asked["needed"].notna()]
    needed, shares = targets["needed"], {"median says never": np.isinf(targets["median"])}
    for level in ("95", "80"):
        low, high = targets[f"low{level}"], targets[f"high{level}"]
        shares |= {f"{level} % holds": (low <= needed) & (needed <= high), f"{level} % has no end": np.isinf(high)}
    by = targets.assign(off=np.log(targets["median"] / needed).abs(), **shares).groupby(["method", "sizes", "m"])
    columns = {"targets": by.size(), **by[list(shares)].mean(), "median off by": by["off"].median()}
    show("Images for a target that is reached", pd.DataFrame(columns))
    gains = asked[asked["claimed"].notna()].astype({"claimed": bool, "true": bool})
    gains = gains.assign(wrong=gains["claimed"] & ~gains["true"])
    by = gains.groupby(["method", "sizes"])
    columns = {"curves": by.size(), "below the margin": by["true"].sum(), "claimed": by["claimed"].sum()}
    show("Saturation: the next doubling brings less than 0.005", pd.DataFrame({**columns, "wrong": by["wrong"].sum()}))


def evaluate(measured: list[Cell]) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Return the scored answers of all methods, and what was asked about targets and saturation."""
    rows, asked = [], []
    for cell in measured:
        rows += plain_points(cell)
        for method, predictor in predictors(cell).items():
            rows += answers(cell, method, predictor)
            asked += questions(cell, method, predictor)
    return scored(pd.DataFrame(rows)), pd.DataFrame(asked)


def with_peer(rows: pd.DataFrame, measured: list[Cell], table: str) -> pd.DataFrame:
    """Return the scored answers of all methods and the peer in those cells that the peer was asked about."""
    if table:
        peer = pd.read_csv(table)[[*CELL, "truth", "point", *ENDS]].assign(method=PEER)
    else:
        asked = [cell for cell in measured if len(cell.curve.sizes) in PEER_SIZES and cell.curve.kind != LOSS]
        peer = pd.DataFrame([row for cell in asked for row in peer_answers(cell)])
    same = rows.merge(peer[CELL].drop_duplicates(), on=CELL)
    return pd.concat([same, scored(peer)])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--curves", metavar="CSV")
    parser.add_argument("--means", metavar="CSV")
    parser.add_argument("--calibrate", action="store_true")
    parser.add_argument("--peer", metavar="CSV", nargs="?", const="")
    options = parser.parse_args()
    if options.peer == "" and find_spec("simple_scaling_laws") is None:
        parser.error("--peer needs simple-scaling-laws, which is not installed here, or a table of its answers")
    warnings.simplefilter("ignore")
    measured = list(cells(pd.read_csv(options.curves) if options.curves else digits()))
    rows, asked = evaluate([cell for cell in measured if cell.curve.kind != LOSS])
    show_answers(rows)
    show_questions(asked)
    losses = [cell for cell in measured if cell.curve.kind == LOSS]
    if losses:
        show("Cross-entropy", summary(evaluate(losses)[0].query("m <= 8"), ["method", "m"]))
    if options.peer is not None:
        rows = with_peer(rows, measured, options.peer).query("m <= 8")
        show("The cells that the peer was asked about", summary(rows, ["method", "m"]))
        show("The same, by sizes", summary(rows, ["method", "k"]))
    if options.calibrate:
        show_answers(calibrate([cell for cell in measured if cell.curve.kind != LOSS]))
    if options.means:
        rows = of_means(pd.read_csv(options.means))
        show("Means alone", summary(rows, ["method", "m"]))
        by = summary(rows, ["learner", "m"])
        show("Learners whose intervals hold in less than 85 %", by[by["95 % holds"] < 0.85])


if __name__ == "__main__":
    main()
