"""A study on a real SLURM, from its plan to the seeds that are added later."""

import json
import re

import pandas as pd
from helpers import accounted
from support import PATIENCE

SETTINGS = """\
  gpu_model: a100
  constraint: nvme
  qos: normal
  slurm_extra: "'--nice=7'"
"""


def test_from_plan_to_more_seeds(on_cluster, cluster):
    project = on_cluster
    project.edit("studies/tiny.yaml", "sizes: [20, 40, 80]", "sizes: [20]")
    project.edit("slurm/settings.yaml", "runs_per_job: 10", "runs_per_job: 2")
    project.edit("slurm/config.yaml", "  runtime: 60", SETTINGS + "  runtime: 60")

    cluster.ask("sacctmgr", "-i", "modify", "user", "root", "set", "MaxSubmitJobs=1")
    told = json.loads(project.tool("plan", "--profile", "slurm", "--format", "json"))
    assert told["warnings"] == ["2 jobs at once, but the queue takes only 1: set jobs to 1"]
    cluster.ask("sacctmgr", "-i", "modify", "user", "root", "set", "MaxSubmitJobs=-1")
    printed = project.snakemake("plan", "--profile", "slurm")
    plan = pd.read_parquet(project.results / "plan.parquet")
    assert list(plan["jobs"]) == [1, 1]
    assert "time from an assumed GPU" in printed
    assert "Partition gpu: time limit 1.0 h" in printed

    dry = project.snakemake("-n", "--profile", "slurm")
    requests = re.findall(r"runtime=(\d+), device=auto, gpu=1", dry)
    assert [int(minutes) for minutes in requests] == list(plan["job_minutes"])

    project.snakemake("--profile", "slurm")
    jobs = accounted(cluster, "JobName,TimelimitRaw,ReqMem,NodeList,AllocTRES,QOS,Partition", "tiny")
    assert len(jobs) == plan["jobs"].sum()
    assert {job["State"] for job in jobs} == {"COMPLETED"}
    assert {re.sub("rule_training_draw1_seed1_to_draw2_seed2_wildcards_", "", job["Comment"]) for job in jobs} == {
        "tiny_cnn_20",
        "tiny_mlp_20",
    }
    assert all(job["JobName"].startswith("trainsize_") for job in jobs)
    assert {float(job["TimelimitRaw"]) for job in jobs} == set(plan["job_minutes"])
    assert {job["ReqMem"] for job in jobs} == {"4002M"}
    node = cluster.node("gpu1")
    assert {(job["Partition"], job["NodeList"], job["QOS"]) for job in jobs} == {("gpu", node, "normal")}
    assert all("gres/gpu=1" in job["AllocTRES"] for job in jobs)
    logs = [
        (project.results / f"logs/training/{m}/n20/draw1-seed1-to-draw2-seed2.log").read_text() for m in ("cnn", "mlp")
    ]
    assert all(log.count(": training") == 2 for log in logs)
    # Each sees one GPU, as the first of its own, and not the same.
    place = rf"on {node}, GPU (\d) as CUDA_VISIBLE_DEVICES=0, "
    assert {re.search(place, log)[1] for log in logs} == {"0", "1"}

    assert project.planned_jobs("--profile", "slurm") == {}

    project.edit("studies/tiny.yaml", "seeds: [1, 2]", "seeds: {start: 1, count: 7}")
    project.edit("slurm/settings.yaml", "runs_per_job: 2", "runs_per_job: 5")
    project.edit("studies/tiny.yaml", "  cnn: {architecture: {name: cnn, channels: [4]}}\n", "")
    assert project.planned_jobs("--profile", "slurm")["training"] == 2
    project.snakemake("--profile", "slurm")
    added = accounted(cluster, "JobName", "tiny")[2:]
    assert [job["State"] for job in added] == ["COMPLETED"] * 2
    log = (project.results / "logs/training/mlp/n20/draw1-seed1-to-draw5-seed5.log").read_text()
    assert log.count("already finished, taken over") == 2
    assert log.count(": training") == 3

    printed = project.snakemake("plan", "--profile", "slurm")
    assert pd.read_parquet(project.results / "plan.parquet")["to_do"].sum() == 0
    assert "time from 7 finished runs" in printed
    told = project.tool("costs", "--profile", "slurm")
    assert "from SLURM's accounting" in told
    # three jobs, none failed, 30 minutes and 4,002 MB asked for, some hundred MB used
    assert re.search(r"^mlp +20 +3 +0 .* 30\.0 min .* 4,002 +[\d,]{3,}$", told, re.M)
    assert project.tool("failures") == "tiny: every run that was started has results\n"


def test_two_studies_at_once(on_cluster, cluster):
    project = on_cluster
    project.edit("studies/tiny.yaml", "sizes: [20, 40, 80]", "sizes: [20]")
    project.edit("studies/tiny.yaml", "  cnn: {architecture: {name: cnn, channels: [4]}}\n", "")
    other = project.folder / "studies" / "other.yaml"
    other.write_text(project.study.read_text())
    project.snakemake("--cores", "1", "results/datasets/digits/manifest.json")
    both = [project.start("--profile", "slurm", "--config", f"study={study}") for study in ("tiny", "other")]
    for process in both:
        printed, _ = process.communicate(timeout=PATIENCE)
        # Leaving at the same moment, Snakemake may miss its folder of locks, which the other call has removed.
        assert process.returncode == 0 or "_delete_locks" in printed, printed
    (job,) = accounted(cluster, "TimelimitRaw,AllocTRES", "other_mlp_20")
    # A study named on the command line takes nothing of the profile's settings away.
    assert job["TimelimitRaw"] == "30"
    assert "gres/gpu=1" in job["AllocTRES"]
    assert all(project.planned_jobs("--config", f"study={study}") == {} for study in ("tiny", "other"))
