"""The rows of straight lines: as published, over all runs and with random effects, and of the analysis of variance."""

from dataclasses import replace

import numpy as np
import pandas as pd

from trainsize.curves.curve import make_curve
from trainsize.regressions import lines
from trainsize.regressions.mixed_model import mixed
from trainsize.regressions.options import Options
from trainsize.regressions.rows import Rows, Subject
from trainsize.regressions.run_lines import anova, lines_through_runs
from trainsize.statistics.intervals import unit_of


def add_lines(rows: Rows, subject: Subject, options: Options) -> None:
    """Add all straight lines in log10 n of a response, and its analysis of variance."""
    means = lines.size_means(subject.runs, subject.response.column)
    through_means = lines.lines_through_means(means, options.leave_out)
    for line in through_means:
        _add_means_line(rows, subject, line, options.confidence)
    if through_means[0].fit is not None:
        for influence in lines.influence(means):
            rows.add("influence", subject.coordinates, influence)
    unit = unit_of(subject.runs)
    _add_run_lines(rows, subject, unit, options.confidence)
    _add_mixed(rows, subject, unit, options.confidence)
    _add_anova(rows, subject)


def _add_means_line(rows: Rows, subject: Subject, line: lines.MeansLine, level: float) -> None:
    at, names = subject.coordinates, ", ".join(map(str, line.left_out))
    counts = replace(subject.counts, n_sizes=len(line.means))
    method = {"method": "published", "left_out": names}
    title = _title(subject, line)
    if line.fit is None:
        rows.add("fits", at, counts, method, status=line.reason)
        rows.summaries.append(f"{title}\n\nnot fitted: {line.reason}\n")
        return
    rows.add("fits", at, counts, method, lines.statistics(line.fit), status="fitted")
    for coefficient in lines.coefficients(line.fit, level):
        rows.add("parameters", at, method, coefficient)
    rows.summaries.append(lines.summary_text(line.fit, title, at.metric))


def _title(subject: Subject, line: lines.MeansLine) -> str:
    at, sizes = subject.coordinates, subject.runs["n"]
    left_out = f", without {', '.join(map(str, line.left_out))}" if line.left_out else ""
    behind = f"means of {len(line.means)} sizes, {int((~sizes.isin(line.left_out)).sum())} runs"
    return f"{at.model}: {at.split} {at.metric} on log10 n, {behind}{left_out}"


def _add_run_lines(rows: Rows, subject: Subject, unit: str, level: float) -> None:
    at, counts = subject.coordinates, subject.counts
    for line in lines_through_runs(subject.runs, subject.response.column, unit, _weights(subject)):
        method = {"method": line.method, "left_out": ""}
        if line.fit is None:
            rows.add("fits", at, counts, method, status=line.reason)
            continue
        rows.add("fits", at, counts, method, lines.goodness(line.fit), status="fitted")
        for coefficient in lines.coefficients(line.fit, level, line.errors):
            rows.add("parameters", at, method, coefficient)


def _weights(subject: Subject) -> pd.Series | None:
    """Return the inverse of the smoothed variance between runs by size; None where no size has two runs."""
    if not len(subject.runs) or subject.runs.groupby("n").size().max() < 2:
        return None
    curve = make_curve(subject.runs, subject.response.column, subject.response.metric.kind)
    return pd.Series(1 / curve.run_variances(), curve.sizes.astype(int))


def _add_mixed(rows: Rows, subject: Subject, unit: str, level: float) -> None:
    at, counts, column = subject.coordinates, subject.counts, subject.response.column
    method = {"method": "mixed", "left_out": ""}
    try:
        lines.check(subject.runs[column].to_numpy(), counts.n_sizes)
        fit = mixed(subject.runs, column, unit)
    except ValueError as reason:
        rows.add("fits", at, counts, method, status=str(reason))
        return
    rows.add("fits", at, counts, method, status=f"fitted by {fit.method}")
    for coefficient in lines.coefficients(fit.line, level, f"{fit.method}, random {unit}"):
        rows.add("parameters", at, method, coefficient)
    if at.split == "test":
        for name, value in fit.variances.items():
            values = {"variance": value, "sd": float(np.sqrt(value)), "method": fit.method}
            rows.add("variance", at, values, component=f"{name}, about the line")


def _add_anova(rows: Rows, subject: Subject) -> None:
    at, counts, method = subject.coordinates, subject.counts, {"method": "anova", "left_out": ""}
    try:
        rows.add("fits", at, counts, method, anova(subject.runs, subject.response.column), status="fitted")
    except ValueError as reason:
        rows.add("fits", at, counts, method, status=str(reason))
