"""The audit stage: all checks on all tables, with one correction for all the tests."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import asdict, replace
from pathlib import Path

import pandas as pd

from trainsize.audit.columns import SPLITS
from trainsize.audit.data import check_data
from trainsize.audit.facts import Facts
from trainsize.audit.findings import Finding, in_order, judged, summed_up
from trainsize.audit.labels import check_labels
from trainsize.audit.last_batch import check_last_batch
from trainsize.audit.lines import check_f1_of_regressions, check_fit_range, check_row_dropout_of_regressions
from trainsize.audit.outliers import check_outlier
from trainsize.audit.repetitions import check_identical_runs
from trainsize.audit.scores import (
    check_best_of_many,
    check_f1_is_accuracy,
    check_fold_order,
    check_loss_floor,
    check_row_dropout,
)
from trainsize.audit.sheet import Sheet, sheet_of_numbers
from trainsize.audit.tables import FINDINGS
from trainsize.audit.training import check_unequal_training, check_unused_option
from trainsize.common.files import read_json
from trainsize.common.tables import read_table, write_table
from trainsize.runs.history import read_checkpoints
from trainsize.runs.run import COORDINATES
from trainsize.runs.status import only_finished

ALPHA = 0.01  # false-alarm rate of all tests together
# Every check of the auditor. Each yields what it observed in a table, or `untested` with the reason. To add a check,
# write such a function in a module of this folder and list it here; docs/audit.md describes the checks.
CHECKS: tuple[Callable[[Sheet, Facts], Iterator[Finding]], ...] = (
    check_last_batch,
    check_identical_runs,
    check_f1_is_accuracy,
    check_f1_of_regressions,
    check_loss_floor,
    check_row_dropout,
    check_row_dropout_of_regressions,
    check_fold_order,
    check_best_of_many,
    check_unequal_training,
    check_unused_option,
    check_fit_range,
    check_outlier,
    check_labels,
)


def audit(sheets: Iterable[tuple[Sheet, Facts]], alpha: float = ALPHA) -> list[Finding]:
    """Make every check on every sheet with its facts.

    All tests together raise a false alarm with a probability of at most `alpha`. Findings come first, then questions,
    clear checks, and checks that were not made.
    """
    results = [
        replace(finding, table=sheet.name)
        for sheet, facts in sheets
        for check in CHECKS
        for finding in check(sheet, facts)
    ]
    return judged(summed_up(results), alpha)


def as_frame(findings: Sequence[Finding]) -> pd.DataFrame:
    """Return findings as rows of the findings table."""
    return pd.DataFrame([asdict(finding) for finding in findings], columns=FINDINGS.schema.names)


def audit_study(settings: dict, results: Path, manifest: Path) -> None:
    """Audit a study's own runs, model by model, and write the findings to `audit/` in its folder, `results`.

    `settings` holds the facts of the data (`n_train`, `n_test`, `n_validation`, `classes`), whether draws are the folds
    of a cross-validation (`folds`), the `f1` that the study reports, and for each model its `batch_size` and its
    `selection`: best (on the test set), validation or last. `manifest` is that of the data set.
    """
    runs, history = read_table(results / "metrics" / "runs.parquet"), read_checkpoints(results)
    evaluations = history[history["split"] == "test"].groupby(COORDINATES).size().rename("evaluations").reset_index()
    runs = only_finished(runs).merge(evaluations, on=COORDINATES)
    runs = runs.rename(columns={f"{split}_{settings['f1']}": f"{split}_f1" for split in SPLITS})
    if settings["folds"]:
        runs = runs.assign(fold=runs["draw"])
    facts = Facts(**{name: settings[name] for name in ("n_train", "n_test", "n_validation", "classes")})
    sheets = []
    for model, rows in runs.groupby("model", sort=False):
        recipe = settings["models"][model]
        sheet = sheet_of_numbers(rows.drop(columns="model").assign(selection=recipe["selection"]), str(model))
        sheets.append((sheet, replace(facts, batch_size=recipe["batch_size"])))
    of_data = [replace(finding, table="data set") for finding in check_data(read_json(manifest))]
    write_table(results / "audit" / "findings.parquet", FINDINGS, as_frame(in_order([*of_data, *audit(sheets)])))
