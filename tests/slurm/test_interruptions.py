"""Runs that are stopped on a real SLURM go on where they were, on whatever node, and none is trained twice at once.

The runs are endless, so that they are in training whenever something happens to them; the end of a resumed run is
compared with that of an undisturbed one in tests/unit/test_resumption.py.
"""

import os
import signal

import pandas as pd
from cluster import wait_until
from helpers import (
    accounted,
    holder,
    in_background,
    log_of,
    make_endless,
    queue,
    run_folder,
    running,
    wait_for_checkpoint,
    wait_for_resumption,
)

ON_SLURM = ("--profile", "slurm")


def test_cancelled_jobs_and_lost_nodes_and_the_end_of_snakemake(on_cluster, cluster):
    project = on_cluster
    make_endless(project, seeds="[1, 2]")
    with in_background(project, *ON_SLURM) as snakemake:
        cancelled, lost = (wait_for_checkpoint(project, seed=seed)["job"] for seed in (1, 2))
        cluster.ask("scancel", cancelled)
        wait_until(lambda: [job.id for job in running(cluster)] == [lost], "one job to end and the other to go on")
        (node,) = (job.node for job in running(cluster))
        cluster.kill_node(node)
        wait_for_resumption(project, cancelled, seed=1)
        again = wait_for_resumption(project, lost, seed=2)["job"]
        assert {job.node for job in running(cluster)} == {"gpu1", "gpu2"} - {node}
        cluster.start_node(node)

        # Ctrl-C takes the jobs out of the queue, and the next call goes on.
        os.killpg(snakemake.pid, signal.SIGINT)
        assert snakemake.wait(timeout=120) != 0
        wait_until(lambda: not queue(cluster), "an empty queue")
    states = {row["JobID"]: row["State"].split()[0] for row in accounted(cluster, "JobName", "tiny_mlp_20")}
    assert (states[cancelled], states[lost], states[again]) == ("CANCELLED", "NODE_FAIL", "CANCELLED")
    assert project.tool("failures").count("goes on from its checkpoint") == 2
    with in_background(project, *ON_SLURM, "results/tiny/runs/mlp/n20/draw2/seed2/run.json"):
        wait_for_resumption(project, again, seed=2)


def test_a_job_leaves_before_its_time_is_up_and_a_hanging_one_is_ended(on_cluster, cluster):
    project = on_cluster
    make_endless(project, seeds="[1, 2]")
    project.edit("slurm/config.yaml", "# - time_limit=1440", "- time_limit=1")
    project.snakemake("plan", *ON_SLURM)
    plan = pd.read_parquet(project.results / "plan.parquet")
    assert list(plan["job_minutes"]) == [1]
    assert "it cannot finish in 4 attempts" in (project.results / "logs/plan.log").read_text()
    with in_background(project, *ON_SLURM):
        leaving, hanging = (wait_for_checkpoint(project, seed=seed) for seed in (1, 2))
        os.kill(hanging["pid"], signal.SIGSTOP)
        wait_for_resumption(project, leaving["job"], seed=1)
        wait_for_resumption(project, hanging["job"], seed=2)
    states = {row["JobID"]: row["State"] for row in accounted(cluster, "JobName", "tiny_mlp_20")}
    assert states[leaving["job"]] == "FAILED"
    assert states[hanging["job"]] == "TIMEOUT"


def test_a_preempted_job_is_queued_again_and_goes_on(on_cluster, cluster):
    project = on_cluster
    make_endless(project)
    project.edit("slurm/config.yaml", "slurm_partition: gpu", "slurm_partition: preemptible")
    project.edit("slurm/config.yaml", "slurm-no-requeue: true", "slurm-requeue: true")
    with in_background(project, *ON_SLURM):
        first = wait_for_checkpoint(project)
        urgent = cluster.ask(
            "sbatch",
            "--parsable",
            "--partition=gpu",
            "--nodes=2",
            "--gpus-per-node=4",
            "--output=/dev/null",
            "--wrap",
            "sleep 600",
        ).strip()
        wait_until(lambda: [job.state for job in queue(cluster)] == ["PENDING"], "the job to be preempted", 90)
        cluster.ask("scancel", urgent)
        # SLURM lets a job that was queued again wait for two minutes; an administrator need not.
        cluster.ask("scontrol", "update", f"JobId={first['job']}", "StartTime=now")
        wait_until(lambda: holder(project).get("pid") not in (None, first["pid"]), "the job to start again", 120)
        assert holder(project)["job"] == first["job"]
        wait_until(lambda: "going on from update" in log_of(project), "the run to go on", 120)
        assert len(queue(cluster)) == 1


def test_a_second_copy_of_a_run_waits_for_the_first(on_cluster, cluster):
    """Killed outright, Snakemake leaves its jobs in the queue and forgets them: unlocked, it sends the run again."""
    project = on_cluster
    make_endless(project)
    with in_background(project, *ON_SLURM) as snakemake:
        first = wait_for_checkpoint(project)
        os.killpg(snakemake.pid, signal.SIGKILL)
    assert [job.id for job in running(cluster)] == [first["job"]]
    project.snakemake("--unlock")
    with in_background(project, *ON_SLURM):
        wait_until(lambda: "in training elsewhere" in log_of(project), "the second copy", 180)
        assert len(running(cluster)) == 2
        assert holder(project) == first
        cluster.ask("scancel", first["job"])
        wait_for_resumption(project, first["job"])
        assert "its process is gone" in log_of(project)
    wait_until(lambda: not queue(cluster), "an empty queue")
    assert not list((run_folder(project)).glob("run.json"))
