"""The rows of limits: what limits each size of a model."""

from dataclasses import dataclass

import pandas as pd

from trainsize.regressions.limits import RUN, Evidence, Training, evidence, progress, verdict
from trainsize.regressions.options import Options
from trainsize.regressions.rows import Rows, Subject, subject_of
from trainsize.runs.metrics import SCORE, Metric


@dataclass(frozen=True)
class Histories:
    """The checkpoints of all runs on the test set, and what is known of each model's training.

    `training` are `Study.training_facts()`.
    """

    checkpoints: pd.DataFrame
    training: dict[str, dict]


def add_limits(
    rows: Rows, subject: Subject, runs: pd.DataFrame, histories: Histories, options: Options, images: int | None
) -> None:
    """Add what limits each size of a subject, among the `runs` of all models; `images` is the number of test images."""
    if not len(subject.runs):
        return
    metric, facts = subject.response.metric, dict(histories.training[subject.model])
    check, training = facts.pop("check"), Training(**facts)
    table = _table(subject, histories.checkpoints)
    longer = subject_of(runs, check, subject.response).runs
    longer = longer.assign(longer=_error(longer[subject.response.column], metric), longer_updates=longer["updates"])
    table = table.merge(longer[[*RUN, "longer", "longer_updates"]], on=RUN, how="left")
    for found in evidence(table, images if metric.is_share else None, options.confidence):
        of = {"model": subject.model, "metric": metric.name}
        rows.add("limits", of, _columns(found), verdict(found, training, metric.is_share))


def _table(subject: Subject, checkpoints: pd.DataFrame) -> pd.DataFrame:
    """Return the runs of a subject as `evidence` needs them, without their check."""
    metric, runs = subject.response.metric, subject.runs
    table = runs[[*RUN, "updates"]].assign(
        error=_error(runs[subject.response.column], metric),
        train_error=_error(runs[f"train_{metric.name}"], metric),
        stopped=runs["stopped"].fillna("").ne(""),
    )
    own = checkpoints[checkpoints["model"] == subject.model]
    own = own[[*RUN, "step"]].assign(error=_error(own[metric.name], metric))
    return table.merge(progress(own), on=RUN, how="left")


def _error(values: pd.Series, metric: Metric) -> pd.Series:
    return 1 - values if metric.kind == SCORE else values


def _columns(found: Evidence) -> dict:
    """Return the columns of the table for the evidence on a size."""
    columns = {name: value for name, value in vars(found).items() if name not in ("gap", "gain", "fall", "check")}
    for name in ("gap", "gain", "check"):
        estimate = getattr(found, name)
        columns |= {name: estimate.mean, f"{name}_low": estimate.low, f"{name}_high": estimate.high}
    return columns | {"p_gap": found.gap.p, "p_gain": found.gain.p, "fall": found.fall.mean, "p_fall": found.fall.p}
