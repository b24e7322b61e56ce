"""What is on the screen when jobs stop: their messages, last, and nothing of Snakemake's own report of them."""

import io
import logging

import pytest

from trainsize.jobs.screen import Screen, message_of, stopped, unknown_target

OVER = "WorkflowError:\nAt least one job did not complete successfully."


@pytest.fixture
def shown():
    return io.StringIO()


@pytest.fixture
def log(shown):
    """Return a function that logs a record as Snakemake does, on a screen that `shown` holds."""
    handler = logging.StreamHandler(shown)
    handler.filters.insert(0, Screen(shown, lambda target: f"no {target}"))

    def log(message, **attributes):
        record = logging.makeLogRecord({"msg": message, "levelno": logging.INFO, **attributes})
        handler.handle(record)

    return log


@pytest.fixture
def failed(log, tmp_path):
    """Return a function that logs the failure of a job, as Snakemake does on this machine."""

    def failed(job, text):
        path = tmp_path / f"{job}.log"
        path.write_text(text)
        log(
            "RuleException:\nCalledProcessError in file x:\nCommand 'y' returned non-zero exit status 1.",
            event="error",
            exception="RuleException",
        )
        log("Error in rule x", event="job_error", jobid=job, log=[str(path)])

    return failed


def leave(log):
    log("Shutting down, this might take some time.")
    log("Exiting because a job execution failed. Look above for error messages")
    log("Complete log(s): x")
    log("Elapsed time: 0:00:01")
    log(OVER, event="error", exception="WorkflowError")


def test_a_mistake_is_shown_last_and_once(log, failed, shown):
    log("job", event="job_info", jobid=1)
    failed(1, f"some output\n{stopped('a.png: not an image')}\n")
    leave(log)
    assert shown.getvalue() == "job\na.png: not an image\n"


def test_it_is_shown_again_if_others_have_gone_on(log, failed, shown):
    log("job 1", event="job_info", jobid=1)
    log("job 2", event="job_info", jobid=2)
    failed(1, stopped("a.png: not an image"))
    log("Finished 2", event="job_finished", job_id=2)
    leave(log)
    assert shown.getvalue().splitlines() == [
        *("job 1", "job 2", "a.png: not an image", "Finished 2", "", "a.png: not an image")
    ]


def test_a_mistake_of_many_jobs_is_shown_once(log, failed, shown):
    for job in range(3):
        failed(job, stopped("no GPU"))
        log("next", event="job_info", jobid=job + 10)
    leave(log)
    assert shown.getvalue().endswith("next\nShutting down, this might take some time.\n\nno GPU\n")


def test_a_later_attempt_that_succeeds_leaves_no_message(log, failed, shown):
    failed(1, stopped("the disk is full"))
    log("Finished 1", event="job_finished", job_id=1)
    failed(2, stopped("a.png: not an image"))
    log("more", event="progress")
    leave(log)
    assert shown.getvalue().endswith("more\n\na.png: not an image\n")


def test_a_job_without_a_message_keeps_snakemakes_report(log, failed, shown):
    failed(1, "Killed\n")
    leave(log)
    assert "Error in rule x\n" in shown.getvalue()
    assert shown.getvalue().endswith(f"Elapsed time: 0:00:01\n{OVER}\n")


def test_the_first_of_several_processes_says_the_reason(tmp_path):
    log = tmp_path / "x.log"
    log.write_text(f"{stopped('a.png: not an image')}\n{stopped('the 2 processes of this job failed')}\n")
    assert message_of([str(tmp_path / "none.log"), str(log)]) == "a.png: not an image"


def test_a_target_that_no_rule_makes(log, shown):
    message = "MissingRuleException:\nNo rule to produce reprot (if you use input functions make sure that ...)."
    log(message, event="error", exception="MissingRuleException")
    assert shown.getvalue() == "no reprot\n"


def test_files_that_a_killed_call_left(log, shown):
    message = "IncompleteFilesException:\nThe files below seem to be ...\nIncomplete files:\na/run.json\nb/run.json"
    log(message, event="error", exception="IncompleteFilesException")
    assert shown.getvalue().startswith(
        "a/run.json: incomplete, as 2 files that a killed call of snakemake has left; run"
    )
    assert "--rerun-incomplete" in shown.getvalue()


@pytest.mark.parametrize(
    ("target", "hint"),
    [
        ("plna", "; did you mean 'plan'?"),
        ("report", "; to make what this rule makes: snakemake --until report"),
        ("results/digits/report.html", "; for the study digits: snakemake --config study=digits"),
        ("digits", "; for the study digits: snakemake --config study=digits"),
        ("results/tiny/reprot.html", ", or a file such as results/tiny/report.html"),
    ],
)
def test_what_was_probably_meant_by_a_target(target, hint):
    message = unknown_target(target, ["all", "plan"], ["all", "plan", "report"], "tiny", ["digits", "tiny"])
    assert message.startswith(f"{target}: found as the target, expected all, plan, or a file such as results/tiny/")
    assert message.endswith(hint)
