"""The table of the audit stage."""

from trainsize.common.tables import REAL, TEXT, Column, Table

FINDINGS = Table(
    "audit/findings.parquet",
    "a check of the auditor on one subject",
    (
        Column("table", TEXT, "what was audited: the model, or the file"),
        Column("check", TEXT, "name of the check"),
        Column("subject", TEXT, "columns, model or rows it was made on"),
        Column("status", TEXT, "finding, question, clear or not tested"),
        Column("tested", TEXT, "what was tested"),
        Column("statistic", TEXT, "what was measured"),
        Column("p", REAL, "p-value in an honest table; empty where the finding is exact arithmetic"),
        Column("p_adjusted", REAL, "the same, corrected by Holm's method over all tests of the audit"),
        Column("meaning", TEXT, "what it means; of a check that was not made, what it wants"),
    ),
)
