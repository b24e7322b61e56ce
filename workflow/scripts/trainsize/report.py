"""The report stage: one self-contained page with the study's answer, figures, tables and provenance."""

import base64
from collections import Counter
from pathlib import Path

import jinja2
import pandas as pd

from trainsize.files import read_json, write_text
from trainsize.intervals import paired_interval, size_interval
from trainsize.provenance import commit, now
from trainsize.runs import grid_runs
from trainsize.tables import read_table

TEMPLATE = Path(__file__).with_name("report.html.jinja")
KINDS = {
    "curve": "Test {metric} by size. Every dot is a run; the band is the 95 % interval of the mean.",
    "boxes": "Distribution of {metric} by size, on the test set and on the run's own training images.",
    "history": "Test {metric} during training, the mean of the runs of each size.",
    "overlap": "Share of each subset (row) that is also in each other subset (column).",
    "overlap-classes": "Share in common of every class, sorted, for two draws of one size, over what chance gives.",
    "classes": "Images of each class, sorted, in the training and the test set.",
}
NAMES = {"accuracy": "accuracy", "f1_macro": "macro F1", "loss": "cross-entropy"}


def write_report(settings: dict, results: Path, manifest: Path, page: Path) -> None:
    """Write the report of the study described by `settings` (`Study.card()`) from the tables under `results`."""
    runs = read_table(results / "metrics" / "runs.parquet")
    environment = jinja2.Environment(
        autoescape=True, undefined=jinja2.StrictUndefined, trim_blocks=True, lstrip_blocks=True
    )
    template = environment.from_string(TEMPLATE.read_text(encoding="utf-8"))
    done = runs[runs["status"] == "finished"]
    records = [read_json(results / run.folder / "run.json") for run in grid_runs(settings["grid"])]
    write_text(
        page,
        template.render(
            study=settings,
            data=read_json(manifest),
            answers=[answer(runs[runs["model"] == model], model) for model in settings["grid"]["models"]],
            figures=[_figure(figure, results / "figures") for figure in settings["figures"]],
            sizes=by_size(runs),
            fits=_fits(results / "regressions"),
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


def answer(runs: pd.DataFrame, model: str) -> dict:
    """Return what the finished runs of one model say: accuracy by size, and its change in the last step."""
    done = runs[runs["status"] == "finished"]
    sizes = sorted(done["n"].unique())
    accuracy = {n: size_interval(done[done["n"] == n], "test_accuracy") for n in sizes}
    found = {"model": model, "runs": len(done), "failed": len(runs) - len(done), "sizes": sizes, "accuracy": accuracy}
    if len(sizes) > 1:
        found["last_gain"] = paired_interval(done, "test_accuracy", sizes[-1], sizes[-2])
    return found


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


def _fits(folder: Path) -> list[dict]:
    """Return one row per regression: its description, status, R² and its slope with interval."""
    fits, parameters = (read_table(folder / f"{name}.parquet") for name in ("fits", "parameters"))
    slopes = parameters[parameters["term"] == "log10_n"].drop(columns="term")
    return fits.merge(slopes, on=["model", "split", "metric"], how="left").to_dict("records")


def _figure(figure: dict, folder: Path) -> dict:
    data = base64.b64encode((folder / f"{figure['name']}.png").read_bytes()).decode()
    metric = NAMES.get(figure.get("metric"), "")
    return {**figure, "caption": KINDS[figure["kind"]].format(metric=metric), "data": data}
