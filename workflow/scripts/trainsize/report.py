"""The report stage: one self-contained page with the study's answer, figures, tables and provenance."""

import base64
from collections import Counter
from pathlib import Path

import jinja2
import pandas as pd

from trainsize.figures_kinds import KINDS
from trainsize.files import read_json, write_text
from trainsize.intervals import paired_interval, size_interval
from trainsize.provenance import commit, now
from trainsize.runs import grid_runs
from trainsize.tables import REGRESSIONS, read_table
from trainsize.telling import NAMES, comparison_sentences, sentences, short_answers

TEMPLATE = Path(__file__).with_name("report.html.jinja")


def write_report(settings: dict, results: Path, manifest: Path, page: Path) -> None:
    """Write the report of the study described by `settings` (`Study.card()`) from the tables under `results`."""
    runs = read_table(results / "metrics" / "runs.parquet")
    environment = jinja2.Environment(
        autoescape=True, undefined=jinja2.StrictUndefined, trim_blocks=True, lstrip_blocks=True
    )
    regressions = {name: read_table(results / "regressions" / f"{name}.parquet") for name in REGRESSIONS}
    template = environment.from_string(TEMPLATE.read_text(encoding="utf-8"))
    done = runs[runs["status"] == "finished"]
    records = [read_json(results / run.folder / "run.json") for run in grid_runs(settings["grid"])]
    write_text(
        page,
        template.render(
            study=settings,
            data=read_json(manifest),
            answers=[answer(runs[runs["model"] == model], model, regressions) for model in settings["grid"]["models"]],
            figures=[_figure(figure, results / "figures") for figure in settings["figures"]],
            sizes=by_size(runs),
            said=told(regressions),
            compared=comparison_sentences(regressions),
            fits=_fits(regressions),
            audit=read_table(results / "audit" / "findings.parquet").to_dict("records"),
            subsets=read_table(results / "subsets" / "subsets.parquet"),
            overlap=overlap_rows(read_table(results / "overlap" / "overlap.parquet")),
            runs=runs,
            unfinished=runs[runs["status"] != "finished"],
            made=made_with(records),
            best=done["test_accuracy"].max() if len(done) else None,
            commit=commit(),
            written=now(),
        ),
    )


def made_with(records: list[dict]) -> dict[str, list[str]]:
    """Return, for each thing that may differ between runs, its values over all of them, the commonest first."""
    told = [_made_with(record) for record in records]
    return {key: [value for value, _ in Counter(row[key] for row in told).most_common()] for key in told[0]}


def _made_with(record: dict) -> dict[str, str]:
    changes = " with uncommitted changes" if record["dirty"] else ""
    return {
        "code": record["code"],
        "commit": f"{record['commit'] or 'not a git checkout'}{changes}",
        "device": f"{record['device']['name']}, threads per job: {record['device']['threads']}",
        "versions": ", ".join(f"{name} {version}" for name, version in record["versions"].items()),
    }


def answer(runs: pd.DataFrame, model: str, regressions: dict[str, pd.DataFrame]) -> dict:
    """Return what the finished runs of one model say: accuracy by size, and what its curve says of more images."""
    done = runs[runs["status"] == "finished"]
    sizes = sorted(done["n"].unique())
    accuracy = {n: size_interval(done[done["n"] == n], "test_accuracy") for n in sizes}
    found = {"model": model, "runs": len(done), "failed": len(runs) - len(done), "sizes": sizes, "accuracy": accuracy}
    if len(sizes) > 1:
        found["last_gain"] = paired_interval(done, "test_accuracy", sizes[-1], sizes[-2])
    found["curve"] = short_answers(regressions, model, "accuracy")
    return found


def told(regressions: dict[str, pd.DataFrame]) -> list[dict]:
    """Return what is said of every model and metric, in the order of the tables."""
    fits = regressions["fits"]
    curves = fits.loc[fits["split"] == "test", ["model", "metric"]].drop_duplicates()
    return [
        {"model": model, "metric": NAMES[metric], "sentences": sentences(regressions, model, metric)}
        for model, metric in curves.itertuples(index=False)
    ]


def by_size(runs: pd.DataFrame) -> list[dict]:
    """Return one row per model and size: runs, and the mean and interval of the test metrics."""
    rows = []
    for (model, n), group in runs[runs["status"] == "finished"].groupby(["model", "n"], sort=False):
        means = {name: size_interval(group, f"test_{name}") for name in NAMES}
        seen = int(group["images_seen"].iloc[0])
        rows.append({"model": model, "n": n, "runs": len(group), "seen": seen, "gap": _gap(group), **means})
    return rows


def overlap_rows(pairs: pd.DataFrame) -> list[dict]:
    """Return one row per size: what draws of that size have in common, on average, beside what chance gives."""
    same_size = pairs[(pairs["n_a"] == pairs["n_b"]) & (pairs["draw_a"] != pairs["draw_b"])]
    return [
        {
            "n": n,
            "pairs": len(group),
            "share": group["share_a"].mean(),
            "expected": (group["expected"] / n).mean(),
            "dependent": int(group["dependent"].sum()),
        }
        for n, group in same_size.groupby("n_a")
    ]


def _gap(group: pd.DataFrame) -> float:
    return float((group["train_accuracy"] - group["test_accuracy"]).mean())


def _fits(regressions: dict[str, pd.DataFrame]) -> list[dict]:
    """Return one row per published line: its description, status, R² and its slope with interval."""
    fits, parameters = (
        table[table["method"] == "published"] for table in (regressions["fits"], regressions["parameters"])
    )
    key = ["model", "split", "metric", "left_out"]
    slopes = parameters.loc[parameters["term"] == "log10_n", [*key, "estimate", "low", "high"]]
    return fits.merge(slopes, on=key, how="left").to_dict("records")


def _figure(figure: dict, folder: Path) -> dict:
    data = base64.b64encode((folder / f"{figure['name']}.png").read_bytes()).decode()
    metric = NAMES.get(figure.get("metric"), "")
    return {**figure, "caption": KINDS[figure["kind"]].caption.format(metric=metric), "data": data}
