"""The audit stage: every check on every subject, with one correction for all the tests made."""

from collections.abc import Iterable, Sequence
from dataclasses import asdict, replace
from pathlib import Path

import pandas as pd

from trainsize.audit.columns import SPLITS
from trainsize.audit.design import check_options, check_training
from trainsize.audit.facts import Facts
from trainsize.audit.findings import Finding, judged, summed_up
from trainsize.audit.grid import check_grid
from trainsize.audit.labels import check_labels
from trainsize.audit.lines import check_f1_of_regressions, check_range, check_row_dropout_of_regressions
from trainsize.audit.outliers import check_outlier
from trainsize.audit.scores import check_best_of_many, check_f1, check_floor, check_folds, check_row_dropout
from trainsize.audit.sheet import Sheet, sheet_of_numbers
from trainsize.audit.tables import FINDINGS
from trainsize.common.tables import read_table, write_table

ALPHA = 0.01
CHECKS = (
    check_grid,
    check_f1,
    check_f1_of_regressions,
    check_floor,
    check_row_dropout,
    check_row_dropout_of_regressions,
    check_folds,
    check_best_of_many,
    check_training,
    check_options,
    check_range,
    check_outlier,
    check_labels,
)


def audit(material: Iterable[tuple[Sheet, Facts]], alpha: float = ALPHA) -> list[Finding]:
    """Make every check on every sheet with its facts; all tests together raise a false alarm with at most `alpha`.

    The findings come first, then questions, clear checks, and checks that were not made.
    """
    found = [
        replace(finding, table=sheet.name)
        for sheet, facts in material
        for check in CHECKS
        for finding in check(sheet, facts)
    ]
    return judged(summed_up(found), alpha)


def as_frame(findings: Sequence[Finding]) -> pd.DataFrame:
    """Return findings as rows of the findings table."""
    return pd.DataFrame([asdict(finding) for finding in findings], columns=FINDINGS.schema.names)


def audit_study(settings: dict, results: Path) -> None:
    """Audit a study's own runs, model by model, and write the findings to `audit/` in its folder, `results`.

    `settings` holds the facts of the data (`n_train`, `n_test`, `n_validation`, `classes`), whether draws are the folds
    of a cross-validation (`folds`), which `f1` the study reports, and by model its `batch_size` and its `selection`:
    best (on the test set), validation or last.
    """
    runs, history = (read_table(results / "metrics" / f"{name}.parquet") for name in ("runs", "history"))
    key = ["model", "n", "draw", "seed"]
    evaluations = history[history["split"] == "test"].groupby(key).size().rename("evaluations").reset_index()
    runs = runs[runs["status"] == "finished"].merge(evaluations, on=key)
    runs = runs.rename(columns={f"{split}_{settings['f1']}": f"{split}_f1" for split in SPLITS})
    if settings["folds"]:
        runs = runs.assign(fold=runs["draw"])
    facts = Facts(**{name: settings[name] for name in ("n_train", "n_test", "n_validation", "classes")})
    material = []
    for model, rows in runs.groupby("model", sort=False):
        recipe = settings["models"][model]
        sheet = sheet_of_numbers(rows.drop(columns="model").assign(selection=recipe["selection"]), str(model))
        material.append((sheet, replace(facts, batch_size=recipe["batch_size"])))
    write_table(results / "audit" / "findings.parquet", FINDINGS, as_frame(audit(material)))
