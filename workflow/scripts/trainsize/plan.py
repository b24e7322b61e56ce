"""The plan: which runs a study still needs, why, and what they cost.

python -m trainsize.plan [STUDY]
"""

import argparse
import json
import sys
from collections import Counter, defaultdict
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

import pandas as pd

from trainsize.budget import checkpoints, samples_seen, total_updates
from trainsize.errors import UserError
from trainsize.fingerprint import fingerprint
from trainsize.runs import FILES, Run, settings_hash
from trainsize.schema import read_yaml
from trainsize.study import Study, load_study
from trainsize.tables import PLAN, write_table

ROOT = Path(__file__).resolve().parents[3]

# What is assumed of a machine that has finished no run: a laptop's core on small convolutions.
ASSUMED_FLOPS_PER_SECOND = 2e10
ASSUMED_SECONDS_PER_UPDATE = 2e-3


@dataclass(frozen=True)
class Work:
    """What one run has to do."""

    updates: int
    images: int
    images_evaluated: int
    flops: float


@dataclass(frozen=True)
class Rates:
    """What a model's work costs: a run takes `per_update` × updates + `per_image` × evaluated images, in seconds."""

    per_update: float
    per_image: float
    basis: str

    def seconds(self, work: Work) -> float:
        return self.per_update * work.updates + self.per_image * work.images_evaluated


def work_of(study: Study, run: Run, flops_per_image: int) -> Work:
    """Return the work of a run. An update costs three forward passes: one forward, and twice that backward."""
    batch_size = study.models[run.model]["batch_size"]
    updates = total_updates(study.budget, run.n, batch_size)
    images = samples_seen(updates, run.n, batch_size)
    points = len(checkpoints(updates, study.evaluation["points"]))
    evaluated = points * (study.dataset.n_test + run.n + study.subset["validation"])
    return Work(updates, images, evaluated, flops_per_image * (3.0 * images + evaluated))


def reason(record: dict | None, settings: str, code: str) -> str:
    """Return why a run has to be trained, or nothing if it is finished."""
    if record is None:
        return "missing"
    if record.get("settings_hash") != settings:
        return "settings changed"
    return "code changed" if record.get("code") != code else ""


def read_records(study: Study, results: Path) -> dict[Run, dict]:
    """Return the records of the runs whose files are all there, or in their `state/`, to be taken over."""
    records = {}
    for run in study.runs:
        folder = results / study.name / run.folder
        for place in (folder, folder / "state"):
            try:
                record = json.loads((place / "run.json").read_bytes())
            except (OSError, ValueError):
                continue
            if all((place / name).exists() for name in FILES):
                records[run] = record
                break
    return records


def flops_per_image(study: Study, model: str, records: Iterable[dict]) -> int:
    """Return one image's forward floating-point operations, from a record, else counted on the network."""
    for record in records:
        return record["flops_per_image"]
    from trainsize.architectures import build
    from trainsize.architectures import flops_per_image as count

    height, width, channels = study.dataset.pixels()
    shape = (channels, height, width)
    return count(build(study.models[model], shape, len(study.dataset.classes), seed=0), shape)


def rates_of(records: list[dict], flops: int, batch_size: int) -> Rates:
    """Return a model's rates from its finished runs, or from the stated assumption when there is none."""
    if records:
        sums = defaultdict(float)
        for record in records:
            sums["train"] += record["seconds"]["train"]
            sums["evaluate"] += record["seconds"].get("evaluate", 0.0)  # a run may diverge before it is evaluated
            sums["updates"] += record["updates"]
            sums["images"] += record["images_evaluated"]
        if sums["updates"] and sums["images"]:
            basis = f"{len(records)} finished runs"
            return Rates(sums["train"] / sums["updates"], sums["evaluate"] / sums["images"], basis)
    per_update = ASSUMED_SECONDS_PER_UPDATE + 3 * flops * batch_size / ASSUMED_FLOPS_PER_SECOND
    return Rates(per_update, flops / ASSUMED_FLOPS_PER_SECOND, "an assumed laptop core, nothing has run yet")


def make_plan(study: Study, results: Path, code: str) -> tuple[pd.DataFrame, dict[str, Rates]]:
    """Return a row per model and size (columns of the plan table), and the rates each model was priced with."""
    records = read_records(study, results)
    rows, rates = [], {}
    for model, recipe in study.models.items():
        settings = settings_hash(study.run_settings(model))
        of_model = [record for run, record in records.items() if run.model == model]
        same = [record for record in of_model if record.get("settings_hash") == settings]
        flops = flops_per_image(study, model, same)
        rates[model] = rates_of(same, flops, recipe["batch_size"])
        for n in study.sizes:
            runs = [Run(model, n, draw, seed) for draw, seed in study.pairs]
            reasons = Counter(filter(None, (reason(records.get(run), settings, code) for run in runs)))
            rows.append(_row(runs, reasons, work_of(study, runs[0], flops), rates[model]))
    return pd.DataFrame(rows), rates


def _row(runs: list[Run], reasons: Counter, work: Work, rates: Rates) -> dict:
    to_do = reasons.total()
    return {
        "model": runs[0].model,
        "n": runs[0].n,
        "runs": len(runs),
        "finished": len(runs) - to_do,
        "to_do": to_do,
        "why": ", ".join(f"{count} {why}" for why, count in reasons.items()),
        "updates": to_do * work.updates,
        "images": to_do * work.images,
        "images_evaluated": to_do * work.images_evaluated,
        "flops": to_do * work.flops,
        "hours": to_do * rates.seconds(work) / 3600,
    }


def describe(study: Study, plan: pd.DataFrame, rates: dict[str, Rates]) -> str:
    """Return the plan as a person reads it."""
    total = plan[["runs", "finished", "to_do", "updates", "images", "flops", "hours"]].sum()
    lines = [f"{study.name}: {study.title}", ""]
    header = f"{'model':<16}{'n':>9}{'runs':>7}{'done':>7}{'to do':>7}{'updates':>11}{'images':>13}{'TFLOP':>10}"
    header += f"{'time':>10}  why"
    lines += [header, "-" * len(header)]
    for row in plan.itertuples():
        lines.append(f"{row.model:<16}{row.n:>9,}" + _counts(row) + f"  {row.why}")
    lines += ["-" * len(header), f"{'all':<25}" + _counts(total), ""]
    lines += [f"{model}: time from {rate.basis}" for model, rate in rates.items()]
    lines.append("Times are of the runs one after another, without starting Python in each job.")
    return "\n".join(lines)


def _counts(row) -> str:
    return (
        f"{row.runs:>7,.0f}{row.finished:>7,.0f}{row.to_do:>7,.0f}{row.updates:>11,.0f}{row.images:>13,.0f}"
        f"{row.flops / 1e12:>10,.2f}{duration(row.hours):>10}"
    )


def duration(hours: float) -> str:
    """Return hours as a person says them: 12 s, 3.5 min, 2.1 h, 4.0 d."""
    for size, unit in ((24.0, "d"), (1.0, "h"), (1 / 60, "min")):
        if hours >= size:
            return f"{hours / size:.1f} {unit}"
    return f"{hours * 3600:.0f} s"


def tell_plan(name: str | None, results: Path, root: Path = ROOT) -> None:
    """Print the plan of a study, by default the one in config.yaml, and write it to `results/{study}/plan.parquet`."""
    try:
        study = load_study(str(name or read_yaml(root / "config.yaml").get("study")), root / "studies")
        plan, rates = make_plan(study, results, fingerprint("training"))
        write_table(results / study.name / "plan.parquet", PLAN, plan)
        print(describe(study, plan, rates))
    except UserError as error:
        sys.exit(str(error))


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m trainsize.plan", description="Say what a study still costs.")
    parser.add_argument("study", nargs="?", help="name of the study (default: the one in config.yaml)")
    parser.add_argument(
        "--results", type=Path, default=ROOT / "results", help="results folder (default: the repository's)"
    )
    options = parser.parse_args()
    tell_plan(options.study, options.results)


if __name__ == "__main__":
    main()
