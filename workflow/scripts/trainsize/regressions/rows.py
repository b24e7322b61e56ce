"""The rows of the tables of the regressions, for one model and metric or a pair of models."""

from dataclasses import asdict, dataclass
from itertools import combinations

import numpy as np
import pandas as pd

from trainsize.curves import certainty, comparisons, next_runs, saturation, shape, targets
from trainsize.curves.bootstrap import resampled_means
from trainsize.curves.choosing import SAME_AIC, Candidate, candidates, family_of, usable
from trainsize.curves.families import Array
from trainsize.curves.measured import Curve, Response, make_curve
from trainsize.regressions import lines, variance
from trainsize.regressions.correctness import Correctness
from trainsize.regressions.options import Data, Options
from trainsize.runs.metrics import MARGINS
from trainsize.statistics import hypotheses
from trainsize.statistics.intervals import unit_of

FEWER_ERRORS = {0.25: "a quarter fewer errors than at the largest size", 0.5: "half the errors of the largest size"}
CURVE_POINTS = 32  # sizes a curve is predicted at, beside those of the study
AHEAD = 4  # times the largest size that curves are predicted to


@dataclass
class Analysed:
    """One model and metric, analysed: what the comparisons need of it."""

    curve: Curve
    sure: certainty.Sureness
    means: Array | None
    chosen: Candidate | None


def add_lines(found: dict, about: dict, told: dict, good: pd.DataFrame, response: Response, options: Options) -> None:
    """Add the straight lines in log10 n: as published, over all runs, mixed, and the analysis of variance."""
    means = lines.size_means(good, response.column)
    for dropped in dict.fromkeys(((), tuple(n for n in options.leave_out if n in means.index))):
        names = ", ".join(map(str, dropped))
        kept = means.drop(list(dropped))
        title = f"{about['model']}: {about['split']} {about['metric']} on log10 n, means of {len(kept)} sizes"
        title += f", {told['n_runs'] - int(good['n'].isin(dropped).sum())} runs" + (
            f", without {names}" if dropped else ""
        )
        row = {**about, **told, "method": "published", "left_out": names, "n_sizes": len(kept)}
        try:
            fit = lines.log_linear(kept)
        except ValueError as reason:
            found["fits"].append({**row, "status": str(reason)})
            found["summary"].append(f"{title}\n\nnot fitted: {reason}\n")
            continue
        found["fits"].append({**row, "status": "fitted", **lines.statistics(fit)})
        key = {**about, "method": "published", "left_out": names}
        found["parameters"] += [{**key, **r} for r in lines.coefficients(fit, options.confidence)]
        found["summary"].append(lines.summary_text(fit, title, about["metric"]))
        if not dropped:
            found["influence"] += [{**about, **r} for r in lines.influence(means)]
    unit = unit_of(good)
    weights = _weights(good, response)
    for method, errors, fit in lines.over_runs(good, response.column, unit, weights):
        row = {**about, **told, "method": method, "left_out": ""}
        if isinstance(fit, str):
            found["fits"].append({**row, "status": fit})
            continue
        found["fits"].append({**row, "status": "fitted", **lines.goodness(fit)})
        found["parameters"] += [
            {**about, "method": method, "left_out": "", **r}
            for r in lines.coefficients(fit, options.confidence, errors)
        ]
    _mixed_and_anova(found, about, told, good, response, unit, options)


def _weights(good: pd.DataFrame, response: Response) -> pd.Series | None:
    """Return the inverse of the smoothed variance between runs by size; None where no size has two."""
    if not len(good) or good.groupby("n").size().max() < 2:
        return None
    curve = make_curve(good, response.column, response.metric.kind)
    return pd.Series(1 / curve.run_variances(), curve.sizes.astype(int))


def _mixed_and_anova(
    found: dict, about: dict, told: dict, good: pd.DataFrame, response: Response, unit: str, options: Options
) -> None:
    row = {**about, **told, "left_out": ""}
    try:
        lines.check(good[response.column].to_numpy(), good["n"].nunique())
        mixed = lines.mixed(good, response.column, unit)
    except ValueError as reason:
        found["fits"].append({**row, "method": "mixed", "status": str(reason)})
    else:
        found["fits"].append({**row, "method": "mixed", "status": f"fitted by {mixed.method}"})
        terms = lines.coefficients(mixed.line, options.confidence, f"{mixed.method}, random {unit}")
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
        f, p, between, within = lines.anova(good, response.column)
    except ValueError as reason:
        found["fits"].append({**row, "method": "anova", "status": str(reason)})
    else:
        values = {"f": f, "p_f": p, "df_model": between, "df_residual": within}
        found["fits"].append({**row, "method": "anova", "status": "fitted", **values})


def add_curves(found: dict, about: dict, told: dict, curve: Curve, options: Options) -> Analysed:
    """Add the families' fits, what they predict, the targets and the saturation of one curve."""
    sure = certainty.sureness(curve, options.confidence, options.allow_few_seeds)
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
        found["parameters"] += [{**key, **r} for r in targets.parameters(c, curve, sure)]
        if usable(c):
            about_curve = {"model": about["model"], "metric": about["metric"], "family": c.name, "chosen": c.chosen}
            found["predictions"] += _predicted(c, curve, sure, about_curve)
            for value, origin in _targets(about["metric"], curve, options):
                error = float(curve.shown(np.array(value)))
                found["targets"].append(
                    {**about_curve, "target": value, "origin": origin, **targets.target(c, curve, error, sure)}
                )
    of_curve = {"model": about["model"], "metric": about["metric"]}
    average = targets.average(tried, curve.sizes)
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
    by_size = zip(saturation.saturation(pick, curve, margin, sure), shape.steps(curve), strict=True)
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


def _predicted(c: Candidate, curve: Curve, sure: certainty.Sureness, about: dict) -> list[dict]:
    between = np.geomspace(c.smallest, AHEAD * curve.sizes[-1], CURVE_POINTS)
    own = np.append(curve.sizes[curve.sizes >= c.smallest], 2 * curve.sizes[-1])
    n = np.unique(np.concatenate([own, between[~np.isclose(between[:, None], own).any(1)]]))
    return [{**about, **row} for row in targets.predictions(c, curve, n, sure).to_dict("records")]


def _targets(metric: str, curve: Curve, options: Options) -> list[tuple[float, str]]:
    """Return the metric's targets and what they are: those stated, or shares of the errors at the largest size."""
    if options.targets.get(metric):
        return [(float(value), "stated") for value in options.targets[metric]]
    if not curve.means[-1]:
        return []  # of no errors there is no quarter
    return [(float(curve.shown((1 - share) * curve.means[-1])), text) for share, text in FEWER_ERRORS.items()]


def add_spread(
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
    n_test = curve.n_test if response.metric.name == "accuracy" else None
    for n, group in good.groupby("n"):
        right = correctness.right.get((about["model"], n)) if correctness else None
        whole = right is not None and len(right) == n_test  # else the predictions are of more images than the scores
        rows = variance.components(group, response.column, n_test, right if whole else None, margin)
        found["variance"] += [{**about, "n": float(n), **row} for row in rows]


def add_next_runs(found: dict, about: dict, good: pd.DataFrame, one: Analysed, options: Options, data: Data) -> None:
    """Add which runs to train next, where the runs say how long one takes."""
    pick, curve = one.chosen, one.curve
    if pick is None or not one.sure.allowed or "seconds_total" not in good or not pick.fit.free:
        return
    timed = good[np.isfinite(good["seconds_total"]) & (good["seconds_total"] > 0)]
    if not len(timed):
        return
    error, purpose = None, "curve"
    wanted = _targets(about["metric"], curve, options)
    if options.purpose == "target" and wanted:
        error = float(curve.shown(np.array(wanted[0][0])))
        reached = np.isfinite(targets.target_size(pick, curve, error))
        error, purpose = (error, "target") if reached else (None, "curve")
    seconds = next_runs.seconds_model(timed["n"].to_numpy(), timed["seconds_total"].to_numpy())
    budget = 3600 * options.hours if options.hours else float(timed["seconds_total"].sum())
    steps = next_runs.best_next(pick.fit, curve, seconds, budget, error, data.n_train or np.inf)
    found["planning"] += [
        {"model": about["model"], "metric": about["metric"], "purpose": purpose, "budget": budget, **asdict(step)}
        for step in steps
    ]


def add_comparisons(
    found: dict,
    response: Response,
    models: list[str],
    analysed: dict[tuple[str, str], Analysed],
    correctness: Correctness | None,
) -> None:
    """Add the comparison of every two models at every size they share, Holm's correction over all of a metric."""
    rows = []
    for a, b in combinations(models, 2):
        left, right = analysed[a, response.metric.name], analysed[b, response.metric.name]
        sure = min(left.sure, right.sure, key=lambda sure: (sure.allowed, sure.units))
        for at in comparisons.common(left.curve, right.curve):
            n = left.curve.sizes[at[0]]
            row = {"metric": response.metric.name, "n": float(n), "model_a": a, "model_b": b}
            row |= comparisons.difference(left.curve, right.curve, at, (left.means, right.means), sure)
            if left.chosen and right.chosen and n >= left.chosen.smallest:
                row |= comparisons.efficiency(left.chosen, right.chosen, n, (left.curve, right.curve), sure)
            if correctness and response.metric.name == "accuracy":
                row |= _mcnemar([p for p in correctness.pairs if (p["n"], p["model_a"], p["model_b"]) == (n, a, b)])
            rows.append(row)
    for row, p in zip(rows, hypotheses.holm([row["p"] for row in rows]), strict=True):
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
        "mcnemar_different": sum(value < 0.05 for value in hypotheses.holm(p)),
    }
