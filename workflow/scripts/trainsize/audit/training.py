"""Checks of training settings: sizes that are trained unequally, and options without effect."""

from collections.abc import Iterator

import numpy as np
import pandas as pd

from trainsize.audit.columns import options_of
from trainsize.audit.facts import Facts
from trainsize.audit.findings import CLEAR, FINDING, Finding, untested
from trainsize.audit.sheet import Sheet

TRAINING = "unequal-training"
OPTIONS = "unused-option"
UPDATES_TOLERANCE = 1.05  # ratio of the largest to the smallest that still counts as equal
COUNTS_TOLERANCE = 1.10  # the same for counts of whole epochs, which are rounded
# (option, its values, options without effect beside them), as in PyTorch and its reference training scripts.
_STEPS = ("lr_step", "lr_gamma")
COSINE = ("cosine", "cosineannealinglr", "cosineannealing", "cosine_annealing")
UNUSED = (
    ("scheduler", COSINE, _STEPS),
    ("scheduler", ("constant", "none", "fixed"), _STEPS),
    ("scheduler", ("exponential", "exponentiallr"), ("lr_step",)),
    ("optimizer", ("adam", "adamw", "adamax", "adagrad", "adadelta"), ("momentum", "nesterov")),
    ("warmup_epochs", ("0", "0.0"), ("lr_warmup_method", "lr_warmup_decay", "warmup_method", "warmup_decay")),
    ("ra_sampler", (None,), ("ra_reps",)),
)
_OFF = ("0", "0.0", "false", "no", "none")  # an option with one of these values counts as absent


def check_unequal_training(sheet: Sheet, facts: Facts) -> Iterator[Finding]:
    """Compare the sizes' updates, decays of the learning rate, and shares of warm-up."""
    tested = "whether all sizes get the same updates, decays of the learning rate and share of warm-up"
    size = "n" if sheet.has("n") else "percent"
    if not sheet.has(size) or not (sheet.has("updates") or sheet.has("epochs")):
        yield untested(TRAINING, tested, "no column n or percent beside epochs or updates")
        return
    for model, rows in sheet.rows.dropna(subset=[size]).groupby(sheet.texts("model")):
        table = rows.groupby(size).median(numeric_only=True)  # runs of a size that stopped early differ
        if "scheduler" in rows:
            table["scheduler"] = rows.groupby(size)["scheduler"].first()
        if len(table) < 2:
            continue
        compared = [*_updates(table, facts, size), *_decays(table), *_warmup(table)]
        unequal = [text for _, text in compared if text]
        if unequal:
            yield Finding(TRAINING, str(model), FINDING, tested, "; ".join(unequal), _meaning(compared))
        elif compared:
            equal = f"{', '.join(what for what, _ in compared)} the same over {len(table)} sizes"
            yield Finding(TRAINING, str(model), CLEAR, tested, equal, "all sizes are trained the same way")


def _meaning(compared: list[tuple[str, str]]) -> str:
    names = [what for what, text in compared if text]
    return f"sizes also differ in {' and '.join(names)}: differences between sizes are not due to the data alone"


def _updates(table: pd.DataFrame, facts: Facts, size: str) -> Iterator[tuple[str, str]]:
    """Yield what was compared, and the difference in words if it is too large."""
    batch = table["batch_size"] if "batch_size" in table else pd.Series(facts.batch_size or np.nan, index=table.index)
    n = table.index.to_series().astype(float)
    if "updates" in table and table["updates"].notna().any():
        what, amount = "updates", table["updates"]
    elif "epochs" not in table:
        return
    elif size == "n" and batch.notna().all():
        what, amount = "updates", table["epochs"] * np.ceil(n / batch)
    else:
        what, amount = "images seen", table["epochs"] * n
    yield what, _difference(what, amount.dropna(), UPDATES_TOLERANCE, relative=what != "updates")


def _decays(table: pd.DataFrame) -> Iterator[tuple[str, str]]:
    if not {"lr_step", "epochs"} <= set(table):
        return
    steps = table[table["lr_step"].notna()]
    if "scheduler" in steps:
        steps = steps[~steps["scheduler"].fillna("").str.lower().isin(COSINE)]
    decays = np.floor(steps["epochs"] / steps["lr_step"])
    if len(decays) < 2:
        return
    text = _difference("decays", decays, COUNTS_TOLERANCE)
    gamma = steps["lr_gamma"].dropna() if "lr_gamma" in steps else []
    if text and len(gamma):
        text += f", so the last learning rates differ by a factor of {gamma.iloc[0] ** -np.ptp(decays):.2f}"
    yield "decays of the learning rate", text


def _warmup(table: pd.DataFrame) -> Iterator[tuple[str, str]]:
    if not {"warmup_epochs", "epochs"} <= set(table):
        return
    share = (100 * table["warmup_epochs"] / table["epochs"]).dropna()
    if len(share) > 1:
        yield "warm-up", _difference("% of training in warm-up", share.round(2), COUNTS_TOLERANCE)


def _at(amount: pd.Series, size: float) -> str:
    return f"{size:g} %" if amount.index.name == "percent" else f"n = {size:,.0f}"


def _difference(what: str, amount: pd.Series, tolerance: float, relative: bool = False) -> str:
    """Return in words how much the largest amount exceeds the smallest, or nothing if they count as equal."""
    if len(amount) < 2 or amount.max() <= tolerance * amount.min():
        return ""
    low, high = amount.idxmin(), amount.idxmax()
    if relative:
        times = amount.max() / amount.min()
        return f"{what}: {times:.3g} times as many at {_at(amount, high)} as at {_at(amount, low)}"
    usual = amount.mode().iloc[0] if amount.duplicated().any() else None
    odd = [f"{amount[n]:,g} at {_at(amount, n)}" for n in amount.index if usual is not None and amount[n] != usual]
    if usual is not None and len(odd) <= len(amount) / 2:
        return f"{what}: {usual:,g} at {len(amount) - len(odd)} sizes, {', '.join(odd)}"
    return f"{what}: from {amount.min():,g} at {_at(amount, low)} to {amount.max():,g} at {_at(amount, high)}"


def check_unused_option(sheet: Sheet, facts: Facts) -> Iterator[Finding]:
    """Look for options that have no effect beside the others."""
    tested = "whether there is an option that the schedule or the optimiser does not use"
    if not (sheet.has("scheduler") or sheet.has("optimizer") or sheet.has("command")):
        yield untested(OPTIONS, tested, "no column scheduler, optimizer or command")
        return
    for model, rows in sheet.rows.groupby(sheet.texts("model")):
        unused = sorted({text for _, row in rows.iterrows() for text in _unused(row)})
        if unused:
            meaning = "the option has no effect: what is attributed to it has another cause"
            yield Finding(OPTIONS, str(model), FINDING, tested, "; ".join(unused), meaning)
        else:
            yield Finding(OPTIONS, str(model), CLEAR, tested, f"{len(rows)} rows", "every option has an effect")


def _unused(row: pd.Series) -> Iterator[str]:
    given = {key: value if isinstance(value, str) else f"{value:g}" for key, value in row.dropna().items()}
    given |= options_of(given.get("command", ""))
    for option, values, idle in UNUSED:
        value = given.get(option)
        if (None if value is None else value.lower()) in values:
            beside = f"without {option}" if value is None else f"with {option} {value}"
            without_effect = [name for name in idle if given.get(name, "no").lower() not in _OFF]
            yield from (" ".join(filter(None, (name, given[name], beside))) for name in without_effect)
