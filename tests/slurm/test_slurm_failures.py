"""Runs that fail on a real SLURM leave the others alone, are told apart, and alone are tried again."""

from helpers import accounted

ON_SLURM = ("--profile", "slurm")


def test_failing_runs(on_cluster, cluster):
    """One run meets an error and one model needs more memory than it asked for; the rest is not touched by either."""
    project = on_cluster
    project.edit("studies/tiny.yaml", "sizes: [20, 40, 80]", "sizes: [20]")
    project.edit(
        "studies/tiny.yaml",
        "cnn: {architecture: {name: cnn, channels: [4]}}",
        "big: {architecture: {name: mlp, hidden: [7500, 7500]}}",
    )
    project.edit("slurm/settings.yaml", "# memory: 4000", "memory: 1250")
    project.edit("slurm/config.yaml", "retries: 3", "retries: 1")
    blocked = project.results / "runs/mlp/n20/draw1/seed1/state/history.parquet"
    blocked.mkdir(parents=True)

    printed = project.snakemake(*ON_SLURM, check=False)
    assert "1 of 2 runs failed; the others are kept" in printed.rpartition("Shutting down")[2]
    small = accounted(cluster, "ReqMem", "tiny_mlp_20")
    assert [job["State"] for job in small] == ["FAILED", "FAILED"]
    big = accounted(cluster, "ReqMem", "tiny_big_20")
    assert [job["ReqMem"] for job in big] == ["1252M", "2504M"]
    assert [job["State"] for job in big][1] == "COMPLETED"
    assert (project.results / "runs/big/n20/draw1/seed1/run.json").exists()
    assert (project.results / "runs/mlp/n20/draw2/seed2/state/run.json").exists()

    told = project.tool("failures")
    assert "mlp n=20 draw=1 seed=1" in told
    assert "IsADirectoryError" in told
    assert "1 of 2 runs failed; the others are kept" in told

    blocked.rmdir()
    assert project.planned_jobs(*ON_SLURM)["training"] == 1
    project.snakemake(*ON_SLURM)
    assert [job["State"] for job in accounted(cluster, "ReqMem", "tiny_mlp_20")][2:] == ["COMPLETED"]
    assert len(accounted(cluster, "ReqMem", "tiny_big_20")) == 2
    log = (project.results / "logs/training/mlp/n20/draw1-seed1-to-draw2-seed2.log").read_text()
    assert log.count("already finished, taken over") == 1
