"""The rows of the next runs: which to train to narrow an answer most."""

import numpy as np

from trainsize.curves.choosing import Candidate
from trainsize.curves.next_runs import best_next, seconds_model
from trainsize.curves.targets import fitted_size, targets_of
from trainsize.regressions.curve_rows import CurveAnalysis
from trainsize.regressions.options import Data, Options
from trainsize.regressions.rows import Rows, Subject


def add_next_runs(rows: Rows, subject: Subject, analysis: CurveAnalysis, options: Options, data: Data) -> None:
    """Add the runs to train next, where the measured runs show how long one takes."""
    chosen, runs = analysis.chosen, subject.runs
    if chosen is None or not analysis.confidence.allowed or "seconds_total" not in runs:
        return
    timed = runs[np.isfinite(runs["seconds_total"]) & (runs["seconds_total"] > 0)]
    if not len(timed):
        return
    metric = subject.response.metric.name
    error = _target_error(analysis, options, metric)
    seconds = seconds_model(timed["n"].to_numpy(), timed["seconds_total"].to_numpy())
    budget = 3600 * options.hours if options.hours else float(timed["seconds_total"].sum())
    purpose = "curve" if error is None else "target"
    found = chosen.fit if isinstance(chosen, Candidate) else chosen
    for step in best_next(found, analysis.curve, seconds, budget, error, data.n_train or np.inf):
        rows.add("planning", step, model=subject.model, metric=metric, purpose=purpose, budget=budget)


def _target_error(analysis: CurveAnalysis, options: Options, metric: str) -> float | None:
    """Return the error of the first target; None where the whole curve is to be narrowed instead."""
    targets = targets_of(analysis.curve, options.targets.get(metric, ()))
    if options.purpose != "target" or not targets:
        return None
    error = targets[0].error(analysis.curve)
    return error if np.isfinite(fitted_size(analysis.chosen, analysis.curve, error)) else None
