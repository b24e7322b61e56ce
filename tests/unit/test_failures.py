"""Why a run is not finished, from what SLURM, Snakemake and the stage have written. The lines are SLURM 22.05's own."""

import os
import time

import pytest
from support import record

from trainsize.failures import describe, failures
from trainsize.jobs import slurm
from trainsize.runs.record import write_record
from trainsize.runs.run import FILES, Run
from trainsize.study.reader import load_study

STUDY = """\
title: A study
dataset: digits
sizes: [20]
seeds: [1, 2]
budget: {updates: 6}
base: {batch_size: 16, optimizer: {name: sgd, lr: 0.1}}
models: {mlp: {architecture: {name: mlp, hidden: [8]}}}
"""
FOLDER = "runs/mlp/n20/draw1/seed1"
BEGUN = f"SLURM job 12 on gpu1, GPU 0 as CUDA_VISIBLE_DEVICES=0, ends in 3567 s\n{FOLDER} of s: training\n"
RULE = f"    output: results/s/{FOLDER}/history.parquet, results/s/{FOLDER}/run.json\n"


@pytest.fixture
def study(tmp_path):
    (tmp_path / "s.yaml").write_text(STUDY)
    return load_study("s", tmp_path)


def found(study, results, own, of_job=None):
    own_log = results / "s/logs/training/mlp/n20/draw1-seed1-to-draw2-seed2.log"
    own_log.parent.mkdir(parents=True)
    own_log.write_text(own)
    if of_job is not None:
        log = results / "logs/slurm/rule_training_draw1_seed1_to_draw2_seed2/s_mlp_20/12.log"
        log.parent.mkdir(parents=True)
        log.write_text(RULE + of_job)
    return failures(study, results)


@pytest.mark.parametrize(
    ("own", "of_job", "reason"),
    [
        (
            "",
            "slurmstepd-gpu1: error: *** JOB 12 ON gpu1 CANCELLED AT 2026-11-21T06:59:01 DUE TO TIME LIMIT ***",
            "time limit",
        ),
        (
            "",
            "slurmstepd-gpu1: error: *** STEP 12.0 ON gpu1 CANCELLED AT 2026-11-21T06:59:01 DUE TO PREEMPTION ***",
            "preempted",
        ),
        (
            "",
            "error: *** JOB 12 ON gpu1 CANCELLED AT 2026-11-21T06:59:01 DUE TO NODE FAILURE, SEE SLURMCTLD LOG ***",
            "node failure",
        ),
        ("", "slurmstepd-gpu1: error: Detected 1 oom-kill event(s) in StepId=12.0.", "out of memory"),
        ("", "slurmstepd-gpu1: error: *** JOB 12 ON gpu1 CANCELLED AT 2026-11-21T06:59:01 ***", "cancelled"),
        ("Interrupted. Progress is saved; run snakemake again to resume.\n", "", "interrupted, progress saved"),
        (f"results/s/{FOLDER}: RuntimeError: too bad\n", "", "RuntimeError: too bad"),
        ("Traceback (most recent call last):\n  File\nKeyError: 'a'\n", "", "KeyError: 'a'"),
        ("", "", "killed"),
    ],
)
def test_reasons(study, tmp_path, own, of_job, reason):
    (failure,) = found(study, tmp_path, BEGUN + own, of_job)
    assert failure.reason == reason
    assert (failure.seed, failure.job, failure.node) == (1, "12", "gpu1")
    assert reason in describe(study, [failure])


def test_a_lost_node_writes_nothing_but_slurm_knows(study, tmp_path, monkeypatch):
    monkeypatch.setattr(slurm, "state", lambda job: {"12": "NODE_FAIL"}[job])
    (failure,) = found(study, tmp_path, BEGUN, "")
    assert failure.reason == "node failure"


def test_a_run_on_a_laptop_has_no_job(study, tmp_path):
    (failure,) = found(study, tmp_path, f"{FOLDER} of s: training\nValueError: no\n")
    assert (failure.reason, failure.job) == ("ValueError: no", "")
    assert failure.last[-1] == "ValueError: no"


def test_a_run_that_is_locked_is_in_training(study, tmp_path):
    state = tmp_path / "s" / FOLDER / "state"
    state.mkdir(parents=True)
    (state / "lock.json").write_text("{}")
    (failure,) = found(study, tmp_path, BEGUN)
    assert failure.reason == "in training"
    os.utime(state / "lock.json", (0, time.time() - 1000))
    assert failures(study, tmp_path)[0].reason == "killed"


def test_a_run_that_ended_without_results_is_told_with_its_reason(study, tmp_path):
    folder = tmp_path / "s" / FOLDER
    folder.mkdir(parents=True)
    for name in FILES:
        (folder / name).write_text("")
    failed = record("s", Run("mlp", 20, 1, 1), status="failed", reason="out of memory after update 3")
    write_record(folder / "run.json", failed)
    (failure,) = found(study, tmp_path, BEGUN)
    assert (failure.reason, failure.ended) == ("failed: out of memory after update 3", True)
    told = describe(study, [failure])
    assert "to train it again, delete its folder" in told
    assert "`snakemake`" not in told


def test_a_log_of_seed_10_is_none_of_seed_1(study, tmp_path):
    assert found(study, tmp_path, BEGUN.replace("draw1/seed1", "draw1/seed10")) == []


def test_runs_that_were_never_begun_are_none(study, tmp_path):
    assert failures(study, tmp_path) == []
    assert describe(study, []) == "s: every run that was started has results"
