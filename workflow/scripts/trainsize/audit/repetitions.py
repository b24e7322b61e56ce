"""The check of repetitions: runs that agree to the last digit, as if the seed was not used."""

from collections.abc import Iterator

import pandas as pd

from trainsize.audit.columns import COLUMNS
from trainsize.audit.facts import Facts
from trainsize.audit.findings import FINDING, QUESTION, Finding, untested
from trainsize.audit.sheet import Sheet
from trainsize.common.errors import plural
from trainsize.statistics.sameness import sameness

IDENTICAL = "identical-runs"
TESTED = "whether repetitions agree to the last digit at every size, or all of them at some sizes"
MEANING = (
    "independent runs differ: the seed was not used, or results were copied. (A learner without randomness that is "
    "given the same images cannot differ; its runs are no repetitions)"
)


def check_identical_runs(sheet: Sheet, facts: Facts) -> Iterator[Finding]:
    """Look for repetitions of a size that are exactly equal, model by model, in the first score that is not training's.

    A draw with several seeds is one repetition: the mean of its runs.
    """
    scores = [name for name in sheet.scores("share", "loss") if not name.startswith("train_")]
    if not scores or not (sheet.has("n") or sheet.has("percent")):
        yield untested(IDENTICAL, TESTED, "no column n or percent beside a score")
        return
    column, size = scores[0], "n" if sheet.has("n") else "percent"
    is_run = (sheet.texts("statistic", "run") == "run") & sheet.rows[[column, size]].notna().all(axis=1)
    runs = sheet.rows[is_run].assign(model=sheet.texts("model"), repetition=_repetitions(sheet, size))
    yield from _copies(sheet, runs, (column, size))
    several = runs.groupby(["model", size])["repetition"].nunique() > 1
    if not several.any():
        yield untested(IDENTICAL, TESTED, "no size has several runs", column)
    for model in several[several].index.unique("model"):
        yield _finding(sheet, runs[runs["model"] == model], (column, size), facts)


def _copies(sheet: Sheet, runs: pd.DataFrame, columns: tuple[str, str]) -> Iterator[Finding]:
    """Yield a question if rows are exact copies of others although a column tells the runs apart."""
    named = [name for name in ("draw", "seed", "fold") if sheet.has(name) and sheet.rows[name].nunique() > 1]
    copies = runs[runs.duplicated()] if named else runs[:0]
    if len(copies):
        column, size = columns
        first = copies.iloc[0]
        run = ", ".join([f"{size} {first[size]:,.12g}", *(f"{name} {first[name]}" for name in named)])
        statistic = f"{plural(len(copies), 'row')} equal to another one in every column, the first with {run}"
        yield Finding(IDENTICAL, column, QUESTION, TESTED, statistic, "is a run counted twice?")


def _repetitions(sheet: Sheet, size: str) -> pd.Series:
    """Return what tells the runs of a size apart: draw, seed, fold, or else their order."""
    for name in ("draw", "seed", "fold"):
        if sheet.has(name) and sheet.rows[name].nunique() > 1:
            return sheet.rows[name].astype(str)
    return sheet.rows.groupby([sheet.texts("model"), size]).cumcount().add(1).astype(str)


def _finding(sheet: Sheet, runs: pd.DataFrame, columns: tuple[str, str], facts: Facts) -> Finding:
    column, size = columns
    table = runs.pivot_table(index="repetition", columns=[size], values=column, aggfunc="mean")
    is_share, step = COLUMNS[column].kind == "share", 2 * float(sheet.half.loc[runs.index, column].max())
    n_test = facts.n_test if column.startswith("test_") else facts.n_validation
    if is_share and n_test:
        step = max(step, 1 / n_test)
    errors = 1 - table.to_numpy() if is_share else table.to_numpy()
    same = sameness(errors, is_share, step, n_test)
    subject = ", ".join(filter(None, (str(runs["model"].iloc[0]), column)))
    if same.guessing:
        statistic = f"{table.iloc[0, 0]:g} at every size, in every run, as by guessing"
        return Finding(IDENTICAL, subject, QUESTION, TESTED, statistic, "is the same class predicted for every image?")
    sizes = [f"{n:,.12g} {'images' if size == 'n' else '%'}" for n in table.columns]
    agree = same.everywhere or same.copies or same.sizes
    statistic = same.words([*table.index], sizes, "repetition", column) if agree else ""
    otherwise = "they may agree by chance" if agree else "no repetitions agree like this"
    return Finding(IDENTICAL, subject, FINDING, TESTED, statistic, MEANING, same.p, otherwise=otherwise)
