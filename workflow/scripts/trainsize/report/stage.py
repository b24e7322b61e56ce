"""The report stage: one self-contained page with the study's answer, figures, tables and provenance."""

import math
from collections import Counter
from dataclasses import dataclass
from pathlib import Path

import jinja2
import pandas as pd
import yaml

from trainsize.common.files import read_json, write_text
from trainsize.common.provenance import commit, commit_text, now
from trainsize.common.tables import read_table
from trainsize.datasets.remarks import notes, remarks
from trainsize.figures.kinds import FIGURES
from trainsize.regressions.tables import REGRESSIONS
from trainsize.regressions.words import comparison_sentences, sentences, short_answers
from trainsize.report.page_tables import cell, study_tables
from trainsize.report.reproduction_section import ShownFigure, embedded, reproduction
from trainsize.runs.logs import lines_of, training_log
from trainsize.runs.metrics import METRICS
from trainsize.runs.record import Record, read_record
from trainsize.runs.run import Run
from trainsize.runs.status import DIVERGED, FAILED, MISSING, NOT_BEGUN, only_finished
from trainsize.statistics.intervals import Interval, paired_interval, share_interval, size_interval

FOLDER = Path(__file__).parent
KINDS_OF_DATA = ("overlap", "overlap-classes", "classes", "samples", "augmentation")


@dataclass(frozen=True)
class Answer:
    """What the finished runs of one model say; intervals are (mean, lower end, upper end).

    `accuracy` is the test accuracy by size, `images` the number of test images it is measured on. `doubling` is its
    mean change per doubling over all sizes, `last_doubling` that from the last size but one; None where the sizes
    share no draw or seed. `curve` are sentences of the fitted curve of `metric`.
    """

    model: str
    runs: int
    sizes: list[int]
    accuracy: dict[int, Interval]
    images: int
    doubling: Interval | None
    last_doubling: Interval | None
    metric: str
    curve: dict[str, str]


@dataclass(frozen=True)
class BestScore:
    """The best test accuracy of a run, its test images, and its standard error due to their choice alone."""

    accuracy: float
    images: int
    error: float


@dataclass(frozen=True)
class UnfinishedRun:
    """A run without results, the reason, and the last lines of its log."""

    run: Run
    reason: str
    last: list[str]


@dataclass(frozen=True)
class CurveText:
    """The sentences on the curve of a model and a metric."""

    model: str
    metric: str
    sentences: list[str]


def write_report(settings: dict, results: Path, manifest: Path, page: Path) -> None:
    """Write the report of the study described by `settings` (`Study.card()`) from the tables under `results`."""
    write_text(page, environment().get_template("report.html.jinja").render(**content(settings, results, manifest)))


def environment() -> jinja2.Environment:
    """Return the environment of the templates. It escapes every value, including titles and names."""
    escaping = jinja2.Environment(
        loader=jinja2.FileSystemLoader(FOLDER),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    escaping.globals["cell"] = cell
    return escaping


def content(settings: dict, results: Path, manifest: Path) -> dict:
    """Return the variables of the template."""
    runs = read_table(results / "metrics" / "runs.parquet")
    regressions = {name: read_table(results / "regressions" / f"{name}.parquet") for name in REGRESSIONS}
    findings = read_table(results / "audit" / "findings.parquet")
    overlap = read_table(results / "overlap" / "overlap.parquet")
    done, data = only_finished(runs), read_json(manifest)
    models = settings["grid"]["models"]
    return {
        "study": settings,
        "data": data,
        "data_remarks": remarks(data),
        "data_notes": notes(data),
        "answers": [answer(done[done["model"] == model], model, regressions) for model in models],
        "best": best_score(done),
        "figures": figure_groups(settings["figures"], results / "figures", done[done["model"].isin(models)]),
        "reproduction": reproduction(results, settings["grid"]["study"]),
        "tables": study_tables(runs, regressions, findings, overlap),
        "curves": curve_texts(regressions),
        "comparisons": comparison_sentences(regressions),
        "clear": sorted(findings.loc[findings["status"] == "clear", "check"]),
        "subsets": read_table(results / "subsets" / "subsets.parquet"),
        "runs": runs,
        "failed": unfinished(results, runs[runs["status"].isin((DIVERGED, FAILED))]),
        "missing": int((runs["status"] == MISSING).sum()),
        "started": unfinished(results, runs[(runs["status"] == MISSING) & (runs["reason"] != NOT_BEGUN)]),
        "not_started": runs[runs["reason"] == NOT_BEGUN].groupby(["model", "n"], sort=False).size().to_dict(),
        "provenance": provenance(records(results, settings["grid"]["study"], runs[runs["status"] != MISSING])),
        "settings": yaml.safe_dump(settings, sort_keys=False, allow_unicode=True, default_flow_style=None, width=100),
        "commit": commit(),
        "written": now(),
    }


def records(results: Path, study: str, runs: pd.DataFrame) -> list[Record]:
    return [read_record(results / run.folder, study, run) for run in run_list(runs)]


def run_list(runs: pd.DataFrame) -> list[Run]:
    return [Run(*row) for row in runs[["model", "n", "draw", "seed"]].itertuples(index=False)]


def provenance(records: list[Record]) -> dict[str, list[str]]:
    """Return the distinct values of code, commit, device and versions over all runs, the most common first."""
    rows = [_provenance(record) for record in records]
    return {key: [value for value, _ in Counter(row[key] for row in rows).most_common()] for key in rows[0]}


def _provenance(record: Record) -> dict[str, str]:
    return {
        "code": record.code,
        "commit": commit_text(record.commit, record.dirty),
        "device": f"{record.device.name}, threads per job: {record.device.threads}",
        "versions": ", ".join(f"{name} {version}" for name, version in record.versions.items()),
    }


def unfinished(results: Path, runs: pd.DataFrame) -> list[UnfinishedRun]:
    reasons = zip(run_list(runs), runs["reason"], strict=True)
    return [UnfinishedRun(run, why, lines_of(training_log(results, run), run)) for run, why in reasons]


def answer(done: pd.DataFrame, model: str, regressions: dict[str, pd.DataFrame]) -> Answer:
    """Return what `done`, the finished runs of one model, say.

    The curve is that of the accuracy or, if the study fits no curve to it, that of its first metric.
    """
    sizes = sorted(done["n"].unique())
    accuracy = {n: share_interval(size_interval(done, "test_accuracy", n)) for n in sizes}
    pairs = [(sizes[0], sizes[-1]), (sizes[-2], sizes[-1])] if len(sizes) > 1 else []
    gains = [per_doubling(done, "test_accuracy", *pair) for pair in pairs]
    doubling, last_doubling = [None if math.isnan(gain[0]) else gain for gain in gains] or [None, None]
    metrics = regressions["fits"]["metric"].unique()
    metric = "accuracy" if "accuracy" in metrics else metrics[0]
    return Answer(
        model=model,
        runs=len(done),
        sizes=sizes,
        accuracy=accuracy,
        images=int(done["test_images"].min()) if sizes else 0,
        doubling=doubling,
        last_doubling=last_doubling,
        metric=METRICS[metric].words,
        curve=short_answers(regressions, model, metric),
    )


def best_score(done: pd.DataFrame) -> BestScore | None:
    if not len(done):
        return None
    best = done.loc[done["test_accuracy"].idxmax()]
    p, images = float(best["test_accuracy"]), int(best["test_images"])
    return BestScore(p, images, math.sqrt(p * (1 - p) / images))


def per_doubling(runs: pd.DataFrame, column: str, low: int, high: int) -> Interval:
    """Return the mean change of `column` per doubling from size `low` to `high`, with its interval."""
    doublings = math.log2(high / low)
    mean, *ends = (part / doublings for part in paired_interval(runs, column, high, low))
    return mean, *ends


def curve_texts(regressions: dict[str, pd.DataFrame]) -> list[CurveText]:
    """Return the sentences on every model and metric, in the order of the tables."""
    fits = regressions["fits"]
    curves = fits.loc[fits["split"] == "test", ["model", "metric"]].drop_duplicates()
    return [
        CurveText(model, METRICS[metric].words, sentences(regressions, model, metric))
        for model, metric in curves.itertuples(index=False)
    ]


def figure_groups(figures: list[dict], folder: Path, done: pd.DataFrame) -> dict[str, list[ShownFigure]]:
    """Return the figures by group: one group per metric, one for other figures of the runs, one for the data."""
    groups: dict[str, list[ShownFigure]] = {}
    for figure in figures:
        group = _words(figure.get("metric"), "the data" if figure["kind"] in KINDS_OF_DATA else "all metrics")
        groups.setdefault(group[0].upper() + group[1:], []).append(shown_figure(figure, folder, done))
    return groups


def _words(metric: str | None, otherwise: str = "") -> str:
    return METRICS[metric].words if metric else otherwise


def shown_figure(figure: dict, folder: Path, done: pd.DataFrame) -> ShownFigure:
    """Return a figure, an entry of `Study.figure_list`, as the page shows it."""
    name, metric = figure["name"], figure.get("metric")
    caption = FIGURES[figure["kind"]].caption.format(metric=_words(metric))
    caption = ": ".join([*(figure[of] for of in ("model", "sweep") if of in figure), caption])
    pages = (f"{stem}.html" for stem in (name, figure["kind"]))  # of this figure, or of all figures of its kind
    interactive = [f"figures/{page}" for page in pages if (folder / page).exists()]
    return ShownFigure(
        name=name,
        kind=figure["kind"],
        caption=caption,
        alt=f"{caption} {change_in_words(metric, done)}" if metric else caption,
        data=embedded(folder / f"{name}.png"),
        pdf=f"figures/{name}.pdf",
        interactive=interactive[0] if interactive else "",
    )


def change_in_words(metric: str, done: pd.DataFrame) -> str:
    """Return the test metric of each model at its smallest and its largest size, in words."""
    means = done.groupby(["model", "n"], sort=False)[f"test_{metric}"].mean()
    parts = []
    for model in means.index.unique("model"):
        sizes = sorted(means[model].index)
        first, last = (f"{METRICS[metric].value(means[model, n])} with {n:,} images" for n in (sizes[0], sizes[-1]))
        parts.append(f"{model} has {first}" + (f" and {last}" if len(sizes) > 1 else ""))
    return f"{'; '.join(parts)}." if parts else "No run has finished."
