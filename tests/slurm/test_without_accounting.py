"""A SLURM without an accounting database, and without GPUs: squeue follows the jobs, benchmark files know the costs."""

import re

ACCOUNTING = False


def test_a_study_runs_and_its_costs_are_told(on_cluster, cluster):
    project = on_cluster
    project.edit("studies/tiny.yaml", "sizes: [20, 40, 80]", "sizes: [20]")
    project.edit("studies/tiny.yaml", "  cnn: {architecture: {name: cnn, channels: [4]}}\n", "")
    project.edit("slurm/config.yaml", "slurm_partition: gpu", "slurm_partition: cpu")
    project.edit("slurm/settings.yaml", "gpus: 1", "gpus: 0")
    assert "Partition cpu: time limit 1.0 h" in project.tool("plan", "--profile", "slurm")
    project.snakemake("--profile", "slurm")
    assert (project.results / "report.html").exists()
    log = project.results / "logs/training/mlp/n20/draw1-seed1-to-draw2-seed2.log"
    assert f"on {cluster.node('cpu1')}, ends in" in log.read_text()
    assert project.planned_jobs("--profile", "slurm") == {}
    assert cluster.ask("sacct", "-n", check=False) == ""
    told = project.tool("costs", "--profile", "slurm")
    assert "from Snakemake's benchmark files" in told
    # one job, none failed, no waiting known, 30 minutes asked for
    assert re.search(r"^mlp +20 +1 +0 +– +30\.0 min +[\d.]+ (s|min)", told, re.M)
