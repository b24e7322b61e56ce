"""The regressions stage: how a metric moves with the size of the training set, what follows, and how sure that is.

python -m trainsize.regressions TABLE       (any table of learning curves, CSV or Parquet; --help says more)
"""

import argparse
import math
import sys
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from functools import partial
from itertools import combinations
from pathlib import Path

import numpy as np
import pandas as pd

from trainsize import answers, comparisons, linear, planning, shape, variance
from trainsize.arguments import whole_number
from trainsize.bootstrap import resampled_means
from trainsize.choice import ALL_FAMILIES, DEFAULT_FAMILIES, SAME_AIC, Candidate, candidates, family_of, usable
from trainsize.correctness import Correctness, class_counts, read_correctness
from trainsize.curves import ERROR, KINDS, LOSS, SCORE, Curve, Response, by_chance, clean, make_curve
from trainsize.errors import UserError
from trainsize.families import FAMILIES, Array
from trainsize.files import read_json, write_text
from trainsize.fitting import Problem, fit_many
from trainsize.intervals import unit_of
from trainsize.regressions_input import check_left_out, make_folder, read_curves, responses_of, stated_targets
from trainsize.tables import REGRESSIONS, read_table, write_table
from trainsize.telling import tell

SPLITS = ("test", "train")
FEWER_ERRORS = {0.25: "a quarter fewer errors than at the largest size", 0.5: "half the errors of the largest size"}
MARGINS = {SCORE: 0.005, ERROR: 0.005, LOSS: 0.02}
CURVE_POINTS = 32  # sizes a curve is predicted at, beside those of the study
AHEAD = 4  # times the largest size that curves are predicted to


@dataclass(frozen=True)
class Options:
    """What of the analysis can be chosen; `targets` and `margins` are by metric, in the metric's own unit."""

    families: tuple[str, ...] = DEFAULT_FAMILIES
    targets: dict[str, list[float]] = field(default_factory=dict)
    margins: dict[str, float] = field(default_factory=dict)
    leave_out: tuple[int, ...] = ()
    confidence: float = 0.95
    bootstrap: int = 2000
    allow_few_seeds: bool = False
    robust: bool = False
    purpose: str = "target"
    hours: float | None = None


@dataclass(frozen=True)
class Data:
    """What is known of the data set: numbers of test images, of test images per class, and of training images."""

    n_test: int | None = None
    class_counts: Sequence[int] | None = None
    n_train: int | None = None


UNKNOWN = Data()
MOST_CLASSES = 10**6


@dataclass
class Analysed:
    """One model and metric, analysed: what the comparisons need of it."""

    curve: Curve
    sure: answers.Sureness
    means: Array | None
    chosen: Candidate | None


def regress(settings: dict, results: Path, manifest: Path) -> None:
    """Write the tables and texts of the stage, from the table of runs and their predictions, to `results/regressions`.

    `settings` is `Study.regressions` with the study's grid. What cannot be made is a row that says why.
    """
    facts, grid = read_json(manifest), settings["grid"]
    options = Options(
        families=tuple(settings["families"]),
        targets=settings["targets"],
        margins=settings["equivalence_margin"],
        leave_out=tuple(settings["leave_out"]),
        confidence=settings["confidence"],
        bootstrap=settings["bootstrap"],
        allow_few_seeds=settings["allow_few_seeds"],
        robust=settings["robust"],
        purpose=settings["planning"]["purpose"],
        hours=settings["planning"].get("hours"),
    )
    responses = [
        Response(f"{split}_{metric}", metric, split, KINDS[metric])
        for split in SPLITS
        for metric in settings["metrics"]
    ]
    runs = read_table(results / "metrics" / "runs.parquet")
    correctness = read_correctness(grid, results)
    data = Data(facts["n_test"], facts["class_counts"]["test"], facts["n_train"])
    found = analyse(runs, grid["models"], responses, options, data, correctness)
    found["classes"] = class_rows(correctness, class_counts(grid, results))
    write(found, results / "regressions")


def analyse(
    runs: pd.DataFrame,
    models: list[str],
    responses: list[Response],
    options: Options,
    data: Data = UNKNOWN,
    correctness: Correctness | None = None,
) -> dict[str, list[dict] | str]:
    """Return the rows of every table of the stage by its name, and the text of the statsmodels summaries as "summary".

    `runs` has the columns model, n, draw, seed, status and those of the responses. Lines are fitted to every response,
    curves only to those of the test set, which alone fall with the size.
    """
    found: dict = {name: [] for name in REGRESSIONS}
    found["summary"] = []
    analysed: dict[tuple[str, str], Analysed] = {}
    for model in models:
        for response in responses:
            about = {"model": model, "split": response.split, "metric": response.metric}
            good, left_out = clean(runs[runs["model"] == model], response.column, response.kind)
            told = {"n_sizes": good["n"].nunique(), "n_runs": len(good), "runs_left_out": left_out}
            _lines(found, about, told, good, response, options)
            if response.split == "test":
                chance = by_chance(response.metric, response.kind, data.class_counts)
                curve = make_curve(good, response.column, response.kind, _scored(good, data), chance)
                analysed[model, response.metric] = _curves(found, about, told, curve, options)
                _spread(found, about, good, response, curve, options, correctness)
                _next(found, about, good, analysed[model, response.metric], options, data)
    for response in responses:
        if response.split == "test":
            _compare(found, response, models, analysed, correctness)
    return found


def _scored(runs: pd.DataFrame, data: Data) -> int | None:
    """Return how many test images the scores are of: not all of them where the last batch alone is scored."""
    images = runs["test_images"].dropna() if "test_images" in runs else ()
    return int(images.min()) if len(images) else data.n_test


def _lines(found: dict, about: dict, told: dict, good: pd.DataFrame, response: Response, options: Options) -> None:
    """Add the straight lines in log10 n: as published, over all runs, mixed, and the analysis of variance."""
    means = linear.size_means(good, response.column)
    for dropped in dict.fromkeys(((), tuple(n for n in options.leave_out if n in means.index))):
        names = ", ".join(map(str, dropped))
        kept = means.drop(list(dropped))
        title = f"{about['model']}: {about['split']} {about['metric']} on log10 n, means of {len(kept)} sizes"
        title += f", {told['n_runs'] - int(good['n'].isin(dropped).sum())} runs" + (
            f", without {names}" if dropped else ""
        )
        row = {**about, **told, "method": "published", "left_out": names, "n_sizes": len(kept)}
        try:
            fit = linear.log_linear(kept)
        except ValueError as reason:
            found["fits"].append({**row, "status": str(reason)})
            found["summary"].append(f"{title}\n\nnot fitted: {reason}\n")
            continue
        found["fits"].append({**row, "status": "fitted", **linear.statistics(fit)})
        key = {**about, "method": "published", "left_out": names}
        found["parameters"] += [{**key, **r} for r in linear.coefficients(fit, options.confidence)]
        found["summary"].append(linear.summary_text(fit, title, about["metric"]))
        if not dropped:
            found["influence"] += [{**about, **r} for r in linear.influence(means)]
    unit = unit_of(good)
    weights = _weights(good, response)
    for method, errors, fit in linear.over_runs(good, response.column, unit, weights):
        row = {**about, **told, "method": method, "left_out": ""}
        if isinstance(fit, str):
            found["fits"].append({**row, "status": fit})
            continue
        found["fits"].append({**row, "status": "fitted", **linear.goodness(fit)})
        found["parameters"] += [
            {**about, "method": method, "left_out": "", **r}
            for r in linear.coefficients(fit, options.confidence, errors)
        ]
    _mixed_and_anova(found, about, told, good, response, unit, options)


def _weights(good: pd.DataFrame, response: Response) -> pd.Series | None:
    """Return the inverse of the smoothed variance between runs by size; None where no size has two."""
    if not len(good) or good.groupby("n").size().max() < 2:
        return None
    curve = make_curve(good, response.column, response.kind)
    return pd.Series(1 / curve.run_variances(), curve.sizes.astype(int))


def _mixed_and_anova(
    found: dict, about: dict, told: dict, good: pd.DataFrame, response: Response, unit: str, options: Options
) -> None:
    row = {**about, **told, "left_out": ""}
    try:
        linear.check(good[response.column].to_numpy(), good["n"].nunique())
        mixed = linear.mixed(good, response.column, unit)
    except ValueError as reason:
        found["fits"].append({**row, "method": "mixed", "status": str(reason)})
    else:
        found["fits"].append({**row, "method": "mixed", "status": f"fitted by {mixed.method}"})
        terms = linear.coefficients(mixed.line, options.confidence, f"{mixed.method}, random {unit}")
        found["parameters"] += [{**about, "method": "mixed", "left_out": "", **r} for r in terms]
        if about["split"] == "test":
            found["variance"] += [
                {
                    **about,
                    "component": f"{name}, about the line",
                    "variance": value,
                    "sd": float(np.sqrt(value)),
                    "method": mixed.method,
                }
                for name, value in mixed.variances.items()
            ]
    try:
        f, p, between, within = linear.anova(good, response.column)
    except ValueError as reason:
        found["fits"].append({**row, "method": "anova", "status": str(reason)})
    else:
        values = {"f": f, "p_f": p, "df_model": between, "df_residual": within}
        found["fits"].append({**row, "method": "anova", "status": "fitted", **values})


def _curves(found: dict, about: dict, told: dict, curve: Curve, options: Options) -> Analysed:
    """Add the families' fits, what they predict, the targets and the saturation of one curve."""
    sure = answers.sureness(curve, options.confidence, options.allow_few_seeds)
    if not len(curve.sizes):
        for name in options.families:
            row = {"method": name, "left_out": "", "n_parameters": len(family_of(name).terms)}
            found["fits"].append({**about, **told, **row, "status": "no finished run"})
        return Analysed(curve, sure, None, None)
    means = resampled_means(curve, options.bootstrap) if sure.allowed else None
    tried = candidates(curve, options.families, means, options.robust)
    pick = next((c for c in tried if c.chosen), None)
    lowest = min((c.aicc for c in tried if usable(c) and np.isfinite(c.aicc)), default=np.nan)
    whole = {"p_monotone": shape.p_monotone(curve), "flat": shape.is_flat(curve), "intervals": sure.note}
    found["fits"] += [{**about, **told, **whole, **_fit_row(c, lowest)} for c in tried]
    for c in tried:
        if c.fit is None:
            continue
        key = {**about, "method": c.name, "left_out": ""}
        found["parameters"] += [{**key, **r} for r in answers.parameters(c, curve, sure)]
        if usable(c):
            about_curve = {"model": about["model"], "metric": about["metric"], "family": c.name, "chosen": c.chosen}
            found["predictions"] += _predicted(c, curve, sure, about_curve)
            for value, origin in _targets(about["metric"], curve, options):
                error = float(curve.shown(np.array(value)))
                found["targets"].append(
                    {**about_curve, "target": value, "origin": origin, **answers.target(c, curve, error, sure)}
                )
    of_curve = {"model": about["model"], "metric": about["metric"]}
    average = answers.average(tried, curve.sizes)
    found["predictions"] += [
        {
            **of_curve,
            "family": "average",
            "chosen": False,
            "n": n,
            "extrapolated": False,
            "status": "predicted",
            "value": float(curve.shown(e)),
        }
        for n, e in zip(curve.sizes, average, strict=True)
        if np.isfinite(e)
    ]
    margin = options.margins.get(about["metric"], MARGINS[curve.kind])
    by_size = zip(answers.saturation(pick, curve, margin, sure), shape.steps(curve), strict=True)
    found["saturation"] += [
        {**of_curve, "family": pick.name if pick else None, "margin": margin, **a, **b} for a, b in by_size
    ]
    return Analysed(curve, sure, means, pick)


def _fit_row(c: Candidate, lowest: float) -> dict:
    row = {"method": c.name, "left_out": "", "status": c.status, "chosen": c.chosen, "n_parameters": c.parameters}
    row |= {"chosen_by": c.chosen_by, "as_good": c.as_good, "p_fit": c.p_fit}
    if c.fit is None:
        return row
    delta = c.aicc - lowest
    row |= {
        "start": c.start,
        "n_sizes": len(c.fit.problem.sizes),
        "weighted_rss": c.fit.cost,
        "aicc": c.aicc,
        "bic": c.bic,
        "akaike_weight": c.weight,
        "delta_aicc": delta,
        "distinguishable": bool(delta >= SAME_AIC) if np.isfinite(delta) else None,
        "starts": c.fit.starts,
        "starts_agreeing": c.fit.agreeing,
        "condition_number": c.fit.condition,
        "at_bound": ", ".join(c.fit.bound),
    }
    if c.holdout:
        row |= {
            "holdout_error": c.holdout.error,
            "holdout_log_error": c.holdout.log_error,
            "holdout_coverage": c.holdout.coverage,
        }
    return row


def _predicted(c: Candidate, curve: Curve, sure: answers.Sureness, about: dict) -> list[dict]:
    between = np.geomspace(c.smallest, AHEAD * curve.sizes[-1], CURVE_POINTS)
    own = np.append(curve.sizes[curve.sizes >= c.smallest], 2 * curve.sizes[-1])
    n = np.unique(np.concatenate([own, between[~np.isclose(between[:, None], own).any(1)]]))
    return [{**about, **row} for row in answers.predictions(c, curve, n, sure).to_dict("records")]


def _targets(metric: str, curve: Curve, options: Options) -> list[tuple[float, str]]:
    """Return the metric's targets and what they are: those stated, or shares of the errors at the largest size."""
    if options.targets.get(metric):
        return [(float(value), "stated") for value in options.targets[metric]]
    if not curve.means[-1]:
        return []  # of no errors there is no quarter
    return [(float(curve.shown((1 - share) * curve.means[-1])), text) for share, text in FEWER_ERRORS.items()]


def _spread(
    found: dict,
    about: dict,
    good: pd.DataFrame,
    response: Response,
    curve: Curve,
    options: Options,
    correctness: Correctness | None,
) -> None:
    """Add where the spread between the runs of each size comes from."""
    margin = options.margins.get(about["metric"], MARGINS[curve.kind])
    n_test = curve.n_test if response.metric == "accuracy" else None
    for n, group in good.groupby("n"):
        right = correctness.right.get((about["model"], n)) if correctness else None
        whole = right is not None and len(right) == n_test  # else the predictions are of more images than the scores
        rows = variance.components(group, response.column, n_test, right if whole else None, margin)
        found["variance"] += [{**about, "n": float(n), **row} for row in rows]


def _next(found: dict, about: dict, good: pd.DataFrame, one: Analysed, options: Options, data: Data) -> None:
    """Add which runs to train next, where the runs say how long one takes."""
    pick, curve = one.chosen, one.curve
    if pick is None or not one.sure.allowed or "seconds_total" not in good or not pick.fit.free:
        return
    timed = good[np.isfinite(good["seconds_total"]) & (good["seconds_total"] > 0)]
    if not len(timed):
        return
    error, purpose = None, "curve"
    targets = _targets(about["metric"], curve, options)
    if options.purpose == "target" and targets:
        error = float(curve.shown(np.array(targets[0][0])))
        reached = np.isfinite(answers.target_size(pick, curve, error))
        error, purpose = (error, "target") if reached else (None, "curve")
    seconds = planning.seconds_model(timed["n"].to_numpy(), timed["seconds_total"].to_numpy())
    budget = 3600 * options.hours if options.hours else float(timed["seconds_total"].sum())
    steps = planning.best_next(pick.fit, curve, seconds, budget, error, data.n_train or np.inf)
    found["planning"] += [
        {"model": about["model"], "metric": about["metric"], "purpose": purpose, "budget": budget, **asdict(step)}
        for step in steps
    ]


def _compare(
    found: dict,
    response: Response,
    models: list[str],
    analysed: dict[tuple[str, str], Analysed],
    correctness: Correctness | None,
) -> None:
    """Add the comparison of every two models at every size they share, Holm's correction over all of a metric."""
    rows = []
    for a, b in combinations(models, 2):
        left, right = analysed[a, response.metric], analysed[b, response.metric]
        sure = min(left.sure, right.sure, key=lambda sure: (sure.allowed, sure.units))
        for at in comparisons.common(left.curve, right.curve):
            n = left.curve.sizes[at[0]]
            row = {"metric": response.metric, "n": float(n), "model_a": a, "model_b": b}
            row |= comparisons.difference(left.curve, right.curve, at, (left.means, right.means), sure)
            if left.chosen and right.chosen and n >= left.chosen.smallest:
                row |= comparisons.efficiency(left.chosen, right.chosen, n, (left.curve, right.curve), sure)
            if correctness and response.metric == "accuracy":
                row |= _mcnemar([p for p in correctness.pairs if (p["n"], p["model_a"], p["model_b"]) == (n, a, b)])
            rows.append(row)
    for row, p in zip(rows, answers.holm([row["p"] for row in rows]), strict=True):
        found["comparisons"].append({**row, "p_holm": p})


def _mcnemar(pairs: list[dict]) -> dict:
    """Return McNemar's test of the first pair of runs, and how many pairs differ after Holm's correction."""
    if not pairs:
        return {}
    p = [comparisons.mcnemar(pair["only_a"], pair["only_b"]) for pair in pairs]
    first = pairs[0]
    return {
        "mcnemar_draw": first["draw"],
        "mcnemar_seed": first["seed"],
        "only_a": first["only_a"],
        "only_b": first["only_b"],
        "mcnemar_p": p[0],
        "mcnemar_pairs": len(p),
        "mcnemar_different": sum(value < 0.05 for value in answers.holm(p)),
    }


def class_rows(correctness: Correctness, counts: pd.DataFrame) -> list[dict]:
    """Return a row per model, class and size: recall with its interval, training images, and a power law through them.

    The law c + a count^-b is fitted to each class alone, unweighted, to its error by its own
    number of training images; with fewer than five sizes there is none.
    """
    rows = []
    table = pd.DataFrame(correctness.classes)
    if not len(table):
        return rows
    table = table.merge(counts, on=["n", "label"], how="left")
    for (model, label), runs in table.groupby(["model", "label"], sort=False):
        curve = make_curve(runs, "recall", SCORE)
        images = runs.groupby("n")["count"].first()
        fitted = _class_curve(curve, images.to_numpy())
        for j, n in enumerate(curve.sizes):
            recalls = 1 - curve.values[np.isfinite(curve.values[:, j]), j]
            mean, low, high = np.clip(answers.t_interval(recalls, 0.95), 0, 1)
            about = {"model": model, "label": label, "n": n, "images": images.iloc[j], "n_test": runs["n_test"].iloc[0]}
            rows.append({**about, "recall": mean, "low": low, "high": high, "fitted": fitted[j]})
    return rows


def _class_curve(curve: Curve, images: Array) -> Array:
    """Return the recall of the power law through a class's mean errors, nan where it has too few sizes."""
    family = FAMILIES["pow3"]
    if len(np.unique(images[images > 0])) < len(family.terms) + 2 or not (images > 0).all():
        return np.full(len(images), np.nan)
    problem = Problem(images.astype(float), np.ones(len(images)), (0.0, 1.0))
    found = fit_many(family, problem, curve.means[None])
    return 1 - answers.predict(family, found, images, problem.n0, problem.chance)[0]


def write(found: dict, folder: Path, kinds: Mapping[str, str] = KINDS) -> None:
    """Write every table, the summaries as `summary.txt` and the answers in words as `answers.txt`.

    `kinds` says what each metric is, for those that are not known by name.
    """
    frames = frames_of(found)
    for name, table in REGRESSIONS.items():
        write_table(folder / f"{name}.parquet", table, frames[name])
    write_text(folder / "summary.txt", "\n\n".join(found["summary"]))
    write_text(folder / "answers.txt", tell(frames, kinds))


def frames_of(found: dict) -> dict[str, pd.DataFrame]:
    """Return the tables of `analyse` by their names."""
    return {name: pd.DataFrame(found[name], columns=table.schema.names) for name, table in REGRESSIONS.items()}


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m trainsize.regressions",
        description="Fit learning curves; say how many images a target needs, what more bring, and how sure that is.",
    )
    parser.add_argument(
        "table", type=Path, help="CSV or Parquet with columns n, seed and metrics; optional: model, draw, seconds"
    )
    parser.add_argument(
        "--metric", action="append", default=[], help="NAME or NAME:score, :error, :loss; default: all known"
    )
    parser.add_argument("--target", action="append", default=[], help="METRIC=VALUE, such as accuracy=0.95")
    parser.add_argument("--families", nargs="+", choices=ALL_FAMILIES, default=DEFAULT_FAMILIES, help="families to fit")
    parser.add_argument(
        "--leave-out", nargs="+", type=int, default=[], help="sizes to leave out of a second published line"
    )
    parser.add_argument("--confidence", type=float, default=0.95, help="level of the intervals (default: 0.95)")
    parser.add_argument("--bootstrap", type=int, default=2000, help="resamples (default: 2000)")
    parser.add_argument("--allow-few-seeds", action="store_true", help="give intervals with two seeds too")
    parser.add_argument("--robust", action="store_true", help="fit the curves with Huber's loss")
    parser.add_argument(
        "--classes",
        type=partial(whole_number, least=2, most=MOST_CLASSES),
        help="number of classes, all as large, for the error of chance",
    )
    parser.add_argument("--n-test", type=whole_number, help="number of test images, for their share in the spread")
    parser.add_argument("--n-train", type=whole_number, help="number of training images there are, for the next runs")
    parser.add_argument(
        "--purpose", choices=("target", "curve"), default="target", help="what the next runs are to narrow"
    )
    parser.add_argument("--hours", type=float, help="training time for the next runs (default: as long as these took)")
    parser.add_argument(
        "--output", type=Path, help="folder for the tables and texts (default: the answers are printed only)"
    )
    return parser


def main(arguments: list[str] | None = None) -> None:
    given = _parser().parse_args(arguments)
    try:
        if not 0.5 <= given.confidence < 1:
            raise UserError(f"--confidence: found {given.confidence}, must be at least 0.5 and less than 1")
        if given.bootstrap < 100:
            raise UserError(f"--bootstrap: found {given.bootstrap}, must be at least 100")
        if given.hours is not None and not 0 < given.hours < math.inf:
            raise UserError(f"--hours: found {given.hours}, must be more than 0")
        table = read_curves(given.table)
        responses = responses_of(table, given.metric, given.table)
        kinds = {response.metric: response.kind for response in responses}
        check_left_out(given.leave_out, table)
        options = Options(
            families=tuple(given.families),
            targets=stated_targets(given.target, kinds),
            leave_out=tuple(given.leave_out),
            confidence=given.confidence,
            bootstrap=given.bootstrap,
            allow_few_seeds=given.allow_few_seeds,
            robust=given.robust,
            purpose=given.purpose,
            hours=given.hours,
        )
        if given.output:
            make_folder(given.output)
        models = list(dict.fromkeys(table["model"]))
        per_class = [1] * given.classes if given.classes else None
        found = analyse(table, models, responses, options, Data(given.n_test, per_class, given.n_train))
        if given.output:
            write(found, given.output, kinds)
        print(tell(frames_of(found), kinds), end="")
    except UserError as error:
        sys.exit(str(error))


if __name__ == "__main__":
    main()
