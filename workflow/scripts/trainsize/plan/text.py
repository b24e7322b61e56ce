"""A plan as text, as JSON and as a table."""

import json
from dataclasses import asdict

import pandas as pd

from trainsize.common.errors import listing, plural
from trainsize.plan.estimates import START_SECONDS
from trainsize.plan.plan import Plan


def describe(plan: Plan) -> str:
    """Return the plan as text for people."""
    table = plan.table
    requests_time = plan.machine.settings["time_margin"] is not None
    lines = [f"{plan.study.name}: {plan.study.title}"]
    lines += [f"WARNING: {plan.study.dataset.name}: {remark}" for remark in plan.remarks]
    lines += [f"note: {plan.study.dataset.name}: {note}" for note in plan.notes] + [""]
    header = f"{'model':<16}{'n':>9}{'runs':>7}{'done':>7}{'to do':>7}{'updates':>13}{'images':>17}{'TFLOP':>13}"
    header += f"{'time':>10}{'jobs':>7}" + (f"{'requests':>10}" if requests_time else "") + "  why"
    lines += [header, "-" * len(header)]
    for row in table.itertuples():
        requested = f"{duration(row.job_minutes / 60):>10}" if requests_time else ""
        lines.append(f"{row.model:<16}{row.n:>9,}" + _counts(row) + requested + f"  {row.why}")
    total = table.select_dtypes("number").sum()
    lines += ["-" * len(header), f"{'all':<25}" + _counts(total), ""]
    lines += [f"{model}: time from {rate.basis}" for model, rate in plan.rates.items()]
    lines += plan.precision
    lines += _upper_bounds(plan)
    lines += _costs(plan, total)
    lines += [f"WARNING: {warning}" for warning in plan.warnings]
    return "\n".join(lines)


def _upper_bounds(plan: Plan) -> list[str]:
    """Return a sentence about the models whose runs may end before their budget does."""
    recipes = plan.study.models.items()
    early = [model for model, recipe in recipes if recipe["selection"].get("patience") is not None]
    return [f"{listing(early)}: runs end when they no longer improve, so these are upper bounds"] if early else []


def _costs(plan: Plan, total: pd.Series) -> list[str]:
    """Return sentences about the cost of the remaining runs; none when all are finished."""
    if not total["to_do"]:
        return []
    machine = plan.machine
    gpus = plan.table["model"].map(lambda model: plan.study.models[model]["gpus"])
    hours, low, high = (_hours((plan.table[key] * gpus).sum()) for key in ("hours", "hours_low", "hours_high"))
    what = f"{hours} {'GPU-hours' if machine.settings['gpus'] else 'hours'} of training"
    jobs = plural(int(total["jobs"]), "job")
    at_once = f"{machine.jobs} at once" if machine.jobs > 1 else "one after another"
    lines = [
        f"In total {what} (between {low} and {high}), in {jobs}; {size(total['bytes'])} on disk.",
        f"Run {at_once}, each taking about {START_SECONDS:.0f} s to start: about {duration(plan.wall_hours)}.",
    ]
    if machine.limits:
        limit = duration(machine.limits.minutes / 60) if machine.limits.minutes else "none"
        lines.append(f"Partition {machine.limits.partition}: time limit {limit}. Time in the queue is not counted.")
    return lines


def _counts(row) -> str:
    return (
        f"{row.runs:>7,.0f}{row.finished:>7,.0f}{row.to_do:>7,.0f}{row.updates:>13,.0f}{row.images:>17,.0f}"
        f"{row.flops / 1e12:>13,.2f}{duration(row.hours):>10}{row.jobs:>7,.0f}"
    )


def _hours(hours: float) -> str:
    return f"{hours:,.1f}" if hours >= 10 else f"{hours:.2g}"


def duration(hours: float) -> str:
    """Return hours in a readable unit: 12 s, 3.5 min, 2.1 h, 4.0 d."""
    for unit_hours, unit in ((24.0, "d"), (1.0, "h"), (1 / 60, "min")):
        if hours >= unit_hours:
            return f"{hours / unit_hours:.1f} {unit}"
    return f"{hours * 3600:.0f} s"


def size(count: float) -> str:
    """Return bytes in a readable unit."""
    for power, unit in ((1e9, "GB"), (1e6, "MB"), (1e3, "kB")):
        if count >= power:
            return f"{count / power:.1f} {unit}"
    return f"{count:.0f} bytes"


def as_json(plan: Plan) -> str:
    """Return the plan for programs: the table's rows, the rates, the sums and the warnings."""
    rows = json.loads(plan.table.to_json(orient="records"))
    value = {
        "study": plan.study.name,
        "rows": rows,
        "rates": {model: asdict(rates) for model, rates in plan.rates.items()},
        "jobs_at_once": plan.machine.jobs,
        "wall_hours": plan.wall_hours,
        "limits": plan.machine.limits and asdict(plan.machine.limits),
        "warnings": plan.warnings,
        "remarks": plan.remarks,
        "notes": plan.notes,
        "precision": plan.precision,
    }
    return json.dumps(value, indent=1)


def as_tsv(plan: Plan) -> str:
    return plan.table.to_csv(sep="\t", index=False).rstrip("\n")
