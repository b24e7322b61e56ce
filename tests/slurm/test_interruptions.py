"""Runs that are stopped on a real SLURM go on where they were, on whatever node, and none is trained twice at once.

The runs are endless, so that they are in training whenever something happens to them; the end of a resumed run is
compared with that of an undisturbed one in tests/unit/test_resumption.py.
"""

import math
import os
import signal
import time

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
from support import PATIENCE

ON_SLURM = ("--profile", "slurm")


def test_cancelled_jobs_and_lost_nodes_and_the_end_of_snakemake(on_cluster, cluster):
    project = on_cluster
    make_endless(project, seeds="[1, 2]")
    with in_background(project, *ON_SLURM) as snakemake:
        cancelled, lost = (wait_for_checkpoint(project, seed=seed)["job"] for seed in (1, 2))
        cluster.ask("scancel", cancelled)
        wait_until(lambda: cancelled not in [job.id for job in running(cluster)], "one job to end")
        (node,) = (job.node for job in running(cluster) if job.id == lost)
        cluster.kill_node(node)
        wait_for_resumption(project, cancelled, seed=1)
        again = wait_for_resumption(project, lost, seed=2)["job"]
        assert {job.node for job in running(cluster)} == {cluster.node("gpu1"), cluster.node("gpu2")} - {node}
        cluster.start_node(node)

        # Ctrl-C takes the jobs out of the queue, and the next call goes on.
        os.killpg(snakemake.pid, signal.SIGINT)
        assert snakemake.wait(timeout=PATIENCE) != 0
        wait_until(lambda: not queue(cluster), "an empty queue")
    states = {row["JobID"]: row["State"].split()[0] for row in accounted(cluster, "JobName", "tiny_mlp_20")}
    assert (states[cancelled], states[lost], states[again]) == ("CANCELLED", "NODE_FAIL", "CANCELLED")
    assert project.tool("failures").count("resumes from its checkpoint") == 2
    with in_background(project, *ON_SLURM, "results/tiny/runs/mlp/n20/draw2/seed2/run.json"):
        wait_for_resumption(project, again, seed=2)


def test_a_hanging_job_is_ended_and_the_next_leaves_before_its_time_is_up(on_cluster, cluster):
    """The second one gets three times as long as the first took to start, so that a slow host changes nothing."""
    project = on_cluster
    make_endless(project)
    project.edit("slurm/config.yaml", "slurm_partition: gpu", "slurm_partition: short")
    assert "the limit is 3.0 min: it cannot finish in 4 attempts" in project.tool("plan", *ON_SLURM)
    project.edit("slurm/config.yaml", "slurm_partition: short", "slurm_partition: gpu")
    with in_background(project, *ON_SLURM):
        (first,) = wait_until(lambda: running(cluster), "the first job")
        begun = time.monotonic()
        hanging = wait_for_checkpoint(project)
        minutes = 1 + math.ceil(3 * (time.monotonic() - begun) / 60)
        cluster.ask("scontrol", "update", "PartitionName=gpu", "State=DOWN")  # what runs there goes on
        os.kill(hanging["pid"], signal.SIGSTOP)
        cluster.ask("scontrol", "update", f"JobId={first.id}", "TimeLimit=1")
        wait_until(lambda: [job.state for job in queue(cluster)] == ["PENDING"], "the second job")
        (second,) = queue(cluster)
        cluster.ask("scontrol", "update", f"JobId={second.id}", f"TimeLimit={minutes}")
        cluster.ask("scontrol", "update", "PartitionName=gpu", "State=UP")
        leaving = wait_for_resumption(project, first.id)
        assert leaving["job"] == second.id
        wait_until(lambda: holder(project) != leaving, "the second to leave")
        # Its training has left in time; what Snakemake does after that may take a slow host long.
        cluster.ask("scontrol", "update", f"JobId={second.id}", "TimeLimit=+30", check=False)
        wait_for_resumption(project, second.id)
    states = {row["JobID"]: row["State"] for row in accounted(cluster, "JobName", "tiny_mlp_20")}
    assert (states[first.id], states[second.id]) == ("TIMEOUT", "FAILED")


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
        wait_until(lambda: [job.state for job in queue(cluster)] == ["PENDING"], "the job to be preempted")
        cluster.ask("scancel", urgent)
        # SLURM lets a job that was queued again wait for two minutes; an administrator need not.
        cluster.ask("scontrol", "update", f"JobId={first['job']}", "StartTime=now")
        wait_until(lambda: holder(project).get("pid") not in (None, first["pid"]), "the job to start again")
        assert holder(project)["job"] == first["job"]
        wait_until(lambda: "resuming from update" in log_of(project), "the run to go on")
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
        wait_until(lambda: "another process trains this run" in log_of(project), "the second copy")
        assert len(running(cluster)) == 2
        assert holder(project) == first
        cluster.ask("scancel", first["job"])
        wait_for_resumption(project, first["job"])
        assert "that process has died" in log_of(project)
    wait_until(lambda: not queue(cluster), "an empty queue")
    assert not list((run_folder(project)).glob("run.json"))
