"""The table of the audit stage."""

from trainsize.common.tables import REAL, TEXT, Column, Table

FINDINGS = Table(
    "audit/findings.parquet",
    "a check of the auditor on one subject",
    (
        Column("table", TEXT, "what was audited: a model or a file"),
        Column("check", TEXT, "name of the check"),
        Column("subject", TEXT, "columns, model or rows that it covers"),
        Column("status", TEXT, "finding, question, clear or not tested"),
        Column("tested", TEXT, "what was tested"),
        Column("statistic", TEXT, "what was measured"),
        Column("p", REAL, "p-value in a table without mistakes; empty where the finding is exact arithmetic"),
        Column("p_adjusted", REAL, "p, corrected by Holm's method over all tests of the audit"),
        Column("meaning", TEXT, "what it means; for a check that was not made, the reason"),
    ),
)
