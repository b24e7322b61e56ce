"""A SLURM without an accounting database: jobs are followed by squeue, and costs come from the benchmark files."""

import re

ACCOUNTING = False


def test_a_study_runs_and_its_costs_are_told(on_cluster, cluster):
    project = on_cluster
    project.edit("studies/tiny.yaml", "sizes: [20, 40, 80]", "sizes: [20]")
    project.edit("studies/tiny.yaml", "  cnn: {architecture: {name: cnn, channels: [4]}}\n", "")
    assert "Partition gpu: time limit 1.0 h" in project.tool("plan", "--profile", "slurm")
    project.snakemake("--profile", "slurm")
    assert (project.results / "report.html").exists()
    assert project.planned_jobs("--profile", "slurm") == {}
    assert cluster.ask("sacct", "-n", check=False) == ""
    told = project.tool("costs", "--profile", "slurm")
    assert "from Snakemake's benchmark files" in told
    # one job, none failed, no waiting known, 5 minutes asked for
    assert re.search(r"^mlp +20 +1 +0 +– +5\.0 min +\d+ (s|min)", told, re.M)
