"""The regressions stage: how a metric depends on the size of the training set, and what follows from that.

python -m trainsize.regressions TABLE       (any table of learning curves, CSV or Parquet; --help says more)
"""

from collections.abc import Mapping
from pathlib import Path

import pandas as pd

from trainsize.common.files import read_json, write_text
from trainsize.common.tables import read_table, write_table
from trainsize.curves.curve import Curve, Response, make_curve
from trainsize.regressions.classes import add_classes
from trainsize.regressions.comparison_rows import add_comparisons
from trainsize.regressions.correctness import Correctness, class_counts, read_correctness
from trainsize.regressions.curve_rows import CurveAnalysis, add_curves
from trainsize.regressions.limit_rows import Histories, add_limits
from trainsize.regressions.line_rows import add_lines
from trainsize.regressions.options import UNKNOWN, Data, Options
from trainsize.regressions.planning import add_next_runs
from trainsize.regressions.repetitions import without_copies
from trainsize.regressions.rows import Rows, Subject, subject_of
from trainsize.regressions.tables import REGRESSIONS
from trainsize.regressions.variance import add_spread
from trainsize.regressions.words import all_answers
from trainsize.runs.history import read_checkpoints
from trainsize.runs.metrics import METRICS, Metric

SPLITS = ("test", "train")


def regress(settings: dict, results: Path, manifest: Path) -> None:
    """Write the tables and texts of the stage to `results/regressions`, from the runs, histories and predictions.

    `settings` is `Study.regressions_settings()`. What cannot be computed is a row that says why.
    """
    facts, grid = read_json(manifest), settings["grid"]
    responses = [
        Response(f"{split}_{metric}", METRICS[metric], split) for split in SPLITS for metric in settings["metrics"]
    ]
    runs, history = read_table(results / "metrics" / "runs.parquet"), read_checkpoints(results)
    histories = Histories(history[history["split"] == "test"], settings["training"])
    correctness = read_correctness(grid, results)
    data = Data(facts["n_test"], facts["class_counts"]["test"], facts["n_train"])
    rows = analyse(runs, grid["models"], responses, _options(settings), data, correctness, histories)
    add_classes(rows, correctness.recalls, class_counts(grid, results))
    write(rows, results / "regressions")


def _options(settings: dict) -> Options:
    return Options(
        families=tuple(settings["families"]),
        targets=settings["targets"],
        margins=settings["equivalence_margin"],
        leave_out=tuple(settings["leave_out"]),
        confidence=settings["confidence"],
        bootstrap=settings["bootstrap"],
        allow_few_seeds=settings["allow_few_seeds"],
        robust=settings["robust"],
        extrapolation=settings["extrapolation"],
        purpose=settings["planning"]["purpose"],
        hours=settings["planning"].get("hours"),
    )


def analyse(
    runs: pd.DataFrame,
    models: list[str],
    responses: list[Response],
    options: Options,
    data: Data = UNKNOWN,
    correctness: Correctness | None = None,
    histories: Histories | None = None,
) -> Rows:
    """Return the rows of every table of the stage but that of the classes.

    `runs` has the columns model, n, draw, seed, status and those of the responses. Lines are fitted to every response,
    curves only to those of the test set, whose errors alone fall with the size. What limits a size is known only with
    `histories`, which need the runs' training scores, updates and early stops as well.
    """
    rows = Rows()
    analyses: dict[Response, dict[str, CurveAnalysis]] = {r: {} for r in responses if r.split == "test"}
    for model in models:
        for response in responses:
            subject = subject_of(runs, model, response)
            if response in analyses:
                subject = without_copies(subject, _curve(subject, data))
            add_lines(rows, subject, options)
            if response in analyses:
                curve = _curve(subject, data)
                analyses[response][model] = analysis = add_curves(rows, subject, curve, options)
                add_spread(rows, subject, curve, options, correctness)
                add_next_runs(rows, subject, analysis, options, data)
                if histories:
                    add_limits(rows, subject, runs, histories, options, curve.n_test)
    for response, by_model in analyses.items():
        add_comparisons(rows, response, by_model, correctness)
    return rows


def _curve(subject: Subject, data: Data) -> Curve:
    metric = subject.response.metric
    chance = metric.chance(data.class_counts)
    return make_curve(subject.runs, subject.response.column, metric.kind, _scored(subject.runs, data), chance)


def _scored(runs: pd.DataFrame, data: Data) -> int | None:
    """Return the number of test images behind the scores, which may be those of the last batch alone."""
    images = runs["test_images"].dropna() if "test_images" in runs else ()
    return int(images.min()) if len(images) else data.n_test


def write(rows: Rows, folder: Path, metrics: Mapping[str, Metric] = METRICS) -> None:
    """Write every table, the summaries as `summary.txt` and the answers in words as `answers.txt`.

    `metrics` are the metrics by their names.
    """
    frames = rows.frames()
    for name, table in REGRESSIONS.items():
        write_table(folder / f"{name}.parquet", table, frames[name])
    write_text(folder / "summary.txt", "\n\n".join(rows.summaries))
    write_text(folder / "answers.txt", all_answers(frames, metrics))
