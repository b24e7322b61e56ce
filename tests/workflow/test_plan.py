"""The plan says the same as the dry run, and why."""

import io
import json

import pandas as pd
from support import LIBRARY


def plan(project) -> pd.DataFrame:
    printed = project.snakemake("plan", "--cores", "1")
    table = pd.read_parquet(project.results / "plan.parquet")
    assert all(f"{n:,}" in printed for n in table["n"])
    return table


def test_before_anything_has_run(project):
    table = plan(project)
    assert list(table["to_do"]) == [2] * 6
    assert list(table["finished"]) == [0] * 6
    assert set(table["why"]) == {"2 missing"}
    assert (table["hours"] > 0).all()
    assert set(table["updates"]) == {12}
    assert (project.results / "runs").exists() is False


def test_reasons(finished):
    assert plan(finished)["to_do"].sum() == 0
    finished.edit("studies/tiny.yaml", "seeds: [1, 2]", "seeds: [1, 2, 3]")
    finished.edit("studies/tiny.yaml", "hidden: [8]", "hidden: [9]")
    table = plan(finished).set_index("model")
    assert set(table.loc["cnn", "why"]) == {"1 missing"}
    assert set(table.loc["mlp", "why"]) == {"2 settings changed, 1 missing"}
    finished.edit(f"{LIBRARY}/training/optimisation.py", "0.5 * (1 + math.cos", "0.25 * (2 + 2 * math.cos")
    assert set(plan(finished).set_index("model").loc["cnn", "why"]) == {"2 code changed, 1 missing"}


def test_forms_for_programs(project):
    written = plan(project)
    told = json.loads(project.tool("plan", "--format", "json"))
    as_tsv = pd.read_csv(io.StringIO(project.tool("plan", "--format", "tsv")), sep="\t", keep_default_na=False)
    for table in (pd.DataFrame(told["rows"]), as_tsv):
        assert list(table.columns) == list(written.columns)
        assert table[["model", "n", "to_do", "why"]].equals(written[["model", "n", "to_do", "why"]])
    assert told["study"] == "tiny"
    assert set(told["rates"]) == {"cnn", "mlp"}
    assert told["wall_hours"] > 0
    at_once = json.loads(project.tool("plan", "--format", "json", "--jobs", "unlimited"))
    assert at_once["wall_hours"] < told["wall_hours"]


def test_a_changed_network_is_priced_anew(finished):
    before = plan(finished)
    finished.edit("studies/tiny.yaml", "hidden: [8]", "hidden: [8000]")
    after = plan(finished).set_index("model").loc["mlp", "flops"].sum()
    assert before["flops"].sum() == 0
    assert after > 2 * (2 * 64 * 8000 + 2 * 8000 * 10) * 3 * 60


def test_a_study_of_diverged_runs_is_reported_and_planned(project):
    """Every run of one model diverges before its first evaluation: rows with their reason, a report and a plan."""
    project.edit("studies/tiny.yaml", "lr: 0.1, momentum: 0.9}", "lr: 0.1}")
    project.edit("studies/tiny.yaml", "hidden: [8]}", "hidden: [8]}, optimizer: {lr: 1e38}")
    project.snakemake("--cores", "2")
    runs = pd.read_parquet(project.results / "metrics" / "runs.parquet").set_index("model")
    assert set(runs.loc["mlp", "status"]) == {"diverged"}
    assert set(runs.loc["cnn", "status"]) == {"finished"}
    page = (project.results / "report.html").read_text()
    assert page.count("is not a finite number") == 6
    assert "No run finished" in page
    assert plan(project)["to_do"].sum() == 0


def test_it_counts_what_the_dry_run_counts(finished):
    finished.edit("studies/tiny.yaml", "sizes: [20, 40, 80]", "sizes: [20, 40, 80, 160]")
    finished.edit("config.yaml", "runs_per_job: 5", "runs_per_job: 1")
    assert plan(finished)["to_do"].sum() == finished.planned_jobs()["training"] == 4
