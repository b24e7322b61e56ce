"""The regressions stage: how a metric moves with the size of the training set, what follows, and how sure that is.

python -m trainsize.regressions TABLE       (any table of learning curves, CSV or Parquet; --help says more)
"""

from collections.abc import Mapping
from pathlib import Path

import pandas as pd

from trainsize.common.files import read_json, write_text
from trainsize.common.tables import read_table, write_table
from trainsize.curves.measured import Response, clean, make_curve
from trainsize.regressions.classes import class_rows
from trainsize.regressions.correctness import Correctness, class_counts, read_correctness
from trainsize.regressions.options import UNKNOWN, Data, Options
from trainsize.regressions.rows import Analysed, add_comparisons, add_curves, add_lines, add_next_runs, add_spread
from trainsize.regressions.tables import REGRESSIONS
from trainsize.regressions.words import tell
from trainsize.runs.metrics import METRICS, Metric

SPLITS = ("test", "train")


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
        Response(f"{split}_{metric}", METRICS[metric], split) for split in SPLITS for metric in settings["metrics"]
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
            about = {"model": model, "split": response.split, "metric": response.metric.name}
            good, left_out = clean(runs[runs["model"] == model], response.column, response.metric.kind)
            told = {"n_sizes": good["n"].nunique(), "n_runs": len(good), "runs_left_out": left_out}
            add_lines(found, about, told, good, response, options)
            if response.split == "test":
                chance = response.metric.chance(data.class_counts)
                curve = make_curve(good, response.column, response.metric.kind, _scored(good, data), chance)
                analysed[model, response.metric.name] = add_curves(found, about, told, curve, options)
                add_spread(found, about, good, response, curve, options, correctness)
                add_next_runs(found, about, good, analysed[model, response.metric.name], options, data)
    for response in responses:
        if response.split == "test":
            add_comparisons(found, response, models, analysed, correctness)
    return found


def _scored(runs: pd.DataFrame, data: Data) -> int | None:
    """Return how many test images the scores are of: not all of them where the last batch alone is scored."""
    images = runs["test_images"].dropna() if "test_images" in runs else ()
    return int(images.min()) if len(images) else data.n_test


def write(found: dict, folder: Path, metrics: Mapping[str, Metric] = METRICS) -> None:
    """Write every table, the summaries as `summary.txt` and the answers in words as `answers.txt`.

    `metrics` are the metrics by their names.
    """
    frames = frames_of(found)
    for name, table in REGRESSIONS.items():
        write_table(folder / f"{name}.parquet", table, frames[name])
    write_text(folder / "summary.txt", "\n\n".join(found["summary"]))
    write_text(folder / "answers.txt", tell(frames, metrics))


def frames_of(found: dict) -> dict[str, pd.DataFrame]:
    """Return the tables of `analyse` by their names."""
    return {name: pd.DataFrame(found[name], columns=table.schema.names) for name, table in REGRESSIONS.items()}
