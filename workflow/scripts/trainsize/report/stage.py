"""The report stage: one self-contained page with the study's answer, figures, tables and provenance."""

import math
from collections import Counter
from pathlib import Path

import jinja2
import pandas as pd
import yaml

from trainsize.common.files import read_json, write_text
from trainsize.common.provenance import commit, commit_text, now
from trainsize.common.tables import read_table
from trainsize.figures.kinds import KINDS
from trainsize.regressions.tables import REGRESSIONS
from trainsize.regressions.words import comparison_sentences, sentences, short_answers
from trainsize.report.page_tables import cell, study_tables
from trainsize.report.reproduction_section import embedded, reproduction
from trainsize.runs.logs import lines_of, training_log
from trainsize.runs.metrics import METRICS
from trainsize.runs.run import MISSING, NOT_BEGUN, Run
from trainsize.statistics.intervals import Interval, paired_interval, share_interval, size_interval

HERE = Path(__file__).parent
OF_DATA = ("overlap", "overlap-classes", "classes", "samples", "augmentation")


def write_report(settings: dict, results: Path, manifest: Path, page: Path) -> None:
    """Write the report of the study described by `settings` (`Study.card()`) from the tables under `results`."""
    write_text(page, environment().get_template("report.html.jinja").render(**content(settings, results, manifest)))


def environment() -> jinja2.Environment:
    """Return the templates' environment. Everything put in is escaped, titles and names too."""
    made = jinja2.Environment(
        loader=jinja2.FileSystemLoader(HERE),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    made.globals["cell"] = cell
    return made


def content(settings: dict, results: Path, manifest: Path) -> dict:
    """Return what the template shows."""
    runs = read_table(results / "metrics" / "runs.parquet")
    regressions = {name: read_table(results / "regressions" / f"{name}.parquet") for name in REGRESSIONS}
    findings = read_table(results / "audit" / "findings.parquet")
    overlap = read_table(results / "overlap" / "overlap.parquet")
    done = runs[runs["status"] == "finished"]
    return {
        "study": settings,
        "data": read_json(manifest),
        "answers": [answer(done[done["model"] == model], model, regressions) for model in settings["grid"]["models"]],
        "scored": scored(done),
        "figures": figure_groups(settings["figures"], results / "figures", done),
        "reproduction": reproduction(results, settings["grid"]["study"]),
        "tables": study_tables(runs, regressions, findings, overlap),
        "said": told(regressions),
        "compared": comparison_sentences(regressions),
        "clear": sorted(findings.loc[findings["status"] == "clear", "check"]),
        "subsets": read_table(results / "subsets" / "subsets.parquet"),
        "runs": runs,
        "ended": unfinished(results, runs[runs["status"].isin(("diverged", "failed"))]),
        "missing": int((runs["status"] == MISSING).sum()),
        "begun": unfinished(results, runs[(runs["status"] == MISSING) & (runs["reason"] != NOT_BEGUN)]),
        "not_begun": runs[runs["reason"] == NOT_BEGUN].groupby(["model", "n"], sort=False).size().to_dict(),
        "made": made_with(records(results, runs[runs["status"] != MISSING])),
        "recipe": yaml.safe_dump(settings, sort_keys=False, allow_unicode=True, default_flow_style=None, width=100),
        "commit": commit(),
        "written": now(),
    }


def records(results: Path, runs: pd.DataFrame) -> list[dict]:
    return [read_json(results / run.folder / "run.json") for run in run_list(runs)]


def run_list(runs: pd.DataFrame) -> list[Run]:
    return [Run(*row) for row in runs[["model", "n", "draw", "seed"]].itertuples(index=False)]


def made_with(records: list[dict]) -> dict[str, list[str]]:
    """Return, for each thing that may differ between runs, its values over all of them, the commonest first."""
    told = [_made_with(record) for record in records]
    return {key: [value for value, _ in Counter(row[key] for row in told).most_common()] for key in told[0]}


def _made_with(record: dict) -> dict[str, str]:
    return {
        "code": record["code"],
        "commit": commit_text(record),
        "device": f"{record['device']['name']}, threads per job: {record['device']['threads']}",
        "versions": ", ".join(f"{name} {version}" for name, version in record["versions"].items()),
    }


def unfinished(results: Path, runs: pd.DataFrame) -> list[dict]:
    """Return runs without results, with the reason and the last lines that their logs have about them."""
    reasons = zip(run_list(runs), runs["reason"], strict=True)
    return [{**vars(run), "reason": why, "last": lines_of(training_log(results, run), run)} for run, why in reasons]


def answer(done: pd.DataFrame, model: str, regressions: dict[str, pd.DataFrame]) -> dict:
    """Return what the finished runs of one model say: accuracy by size, and what its curve says of more images.

    The curve is that of the accuracy or, where the study regresses no accuracy, that of its first metric.
    """
    sizes = sorted(done["n"].unique())
    accuracy = {n: share_interval(size_interval(done, "test_accuracy", n)) for n in sizes}
    gains = {}
    if len(sizes) > 1:
        pairs = {"doubling": (sizes[0], sizes[-1]), "last_doubling": (sizes[-2], sizes[-1])}
        gains = {name: per_doubling(done, "test_accuracy", *pair) for name, pair in pairs.items()}
    metrics = regressions["fits"]["metric"].unique()
    metric = "accuracy" if "accuracy" in metrics else metrics[0]
    return {
        "model": model,
        "runs": len(done),
        "sizes": sizes,
        "accuracy": accuracy,
        "images": int(done["test_images"].min()) if sizes else 0,
        # sizes that have no draw (or seed) in common cannot be compared
        **{name: gain for name, gain in gains.items() if not math.isnan(gain[0])},
        "metric": METRICS[metric].words,
        "curve": short_answers(regressions, model, metric),
    }


def scored(done: pd.DataFrame) -> dict | None:
    """Return the best test accuracy, how many test images it is of, and its standard error from these alone."""
    if not len(done):
        return None
    best = done.loc[done["test_accuracy"].idxmax()]
    p, images = float(best["test_accuracy"]), int(best["test_images"])
    return {"accuracy": p, "images": images, "error": math.sqrt(p * (1 - p) / images)}


def per_doubling(runs: pd.DataFrame, column: str, low: int, high: int) -> Interval:
    """Return the mean change of `column` per doubling from size `low` to `high`, with its interval."""
    doublings = math.log2(high / low)
    mean, *ends = (part / doublings for part in paired_interval(runs, column, high, low))
    return mean, *ends


def told(regressions: dict[str, pd.DataFrame]) -> list[dict]:
    """Return what is said of every model and metric, in the order of the tables."""
    fits = regressions["fits"]
    curves = fits.loc[fits["split"] == "test", ["model", "metric"]].drop_duplicates()
    return [
        {"model": model, "metric": METRICS[metric].words, "sentences": sentences(regressions, model, metric)}
        for model, metric in curves.itertuples(index=False)
    ]


def figure_groups(figures: list[dict], folder: Path, done: pd.DataFrame) -> dict[str, list[dict]]:
    """Return the figures by group: those of each metric together, others of the runs, and those of the data."""
    groups: dict[str, list[dict]] = {}
    for figure in figures:
        group = _words(figure.get("metric"), "the data" if figure["kind"] in OF_DATA else "all metrics")
        groups.setdefault(group[0].upper() + group[1:], []).append(shown_figure(figure, folder, done))
    return groups


def _words(metric: str | None, otherwise: str = "") -> str:
    return METRICS[metric].words if metric else otherwise


def shown_figure(figure: dict, folder: Path, done: pd.DataFrame) -> dict:
    """Return a figure as the page shows it: its image, caption, text for those who do not see it, and its files."""
    name, metric = figure["name"], figure.get("metric")
    caption = KINDS[figure["kind"]].caption.format(metric=_words(metric))
    caption = ": ".join([*(figure[of] for of in ("model", "sweep") if of in figure), caption])
    pages = (f"{stem}.html" for stem in (name, figure["kind"]))  # of a figure, or of all of its kind together
    turned = [page for page in pages if (folder / page).exists()]
    return {
        **figure,
        "caption": caption,
        "alt": " ".join(filter(None, [caption, seen(metric, done) if metric else ""])),
        "data": embedded(folder / f"{name}.png"),
        "pdf": f"figures/{name}.pdf",
        "interactive": f"figures/{turned[0]}" if turned else "",
    }


def seen(metric: str, done: pd.DataFrame) -> str:
    """Return in words how the test metric moves from the smallest to the largest size of each model."""
    means = done.groupby(["model", "n"], sort=False)[f"test_{metric}"].mean()
    parts = []
    for model in means.index.unique("model"):
        sizes = sorted(means[model].index)
        first, last = (f"{METRICS[metric].value(means[model, n])} with {n:,} images" for n in (sizes[0], sizes[-1]))
        parts.append(f"{model} has {first}" + (f" and {last}" if len(sizes) > 1 else ""))
    return f"{'; '.join(parts)}." if parts else "No run has finished."
