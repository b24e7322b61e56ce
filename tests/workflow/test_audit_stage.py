"""The stage `audit` on real runs: one model evaluated honestly, one with the mistakes of a published study."""

import pandas as pd

STUDY = """\
title: A study with mistakes
dataset: digits
sizes: [60, 240]
seeds: [1, 2, 3, 4, 5]
subset: {method: first_n}
budget: {updates: 12}
evaluation: {points: 3}
base:
  architecture: {name: mlp, hidden: [16]}
  batch_size: 64
  optimizer: {name: adamw, lr: 0.01}
models:
  honest: {selection: {name: last}}
  published: {scores: last_batch, selection: {name: best_on_test}}
"""


def test_mistakes_that_are_switched_on_are_found(project):
    project.study.write_text(STUDY)
    project.snakemake("--cores", "1", "results/tiny/audit/findings.parquet")
    findings = pd.read_parquet(project.results / "audit" / "findings.parquet")
    found = findings[findings["status"] == "finding"].set_index("check")
    assert set(found["table"]) == {"published"}
    assert {"last-batch", "best-of-many"} <= set(found.index)
    (grid,) = found.loc[["last-batch"]].query("subject == 'test_accuracy'").itertuples()
    assert "as many as the last batch of 64 has" in grid.meaning  # 52 of 500
    assert "best of 3 evaluations" in found.loc["best-of-many", "statistic"]
    assert not (findings["status"] == "question").any()
