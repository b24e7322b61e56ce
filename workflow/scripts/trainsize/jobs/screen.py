"""What a person sees of jobs that stopped: their messages, last on the screen, in place of Snakemake's report of them.

Snakemake's own log keeps the report. Nothing here imports Snakemake: its records are recognised by their attributes.
"""

import atexit
import logging
import os
import re
import sys
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import TextIO

from trainsize.common.errors import did_you_mean, listing, plural

STOPPED = "This job stopped:"  # the line of a job's log before its message
SHOWN = "TRAINSIZE_MESSAGES_SHOWN"  # set where Snakemake's process shows the messages, so that the jobs do not as well
MOST_SHOWN = 10  # messages at the end
_EXIT_STATUS = re.compile(r"CalledProcessError.*returned non-zero exit status \d+\.", re.S)
_NO_RULE = re.compile(r"No rule to produce (?P<target>.*?) \(if you use input functions", re.S)
_INCOMPLETE = "Incomplete files:\n"
_WILDCARDS = "Target rules may not contain wildcards"
_CLOSING = ("Exiting because a job execution failed", "Complete log(s):", "Elapsed time:")
_LEAVING = "Shutting down"


def stopped(message: str) -> str:
    """Return what a job writes to its log when it stops."""
    return f"{STOPPED}\n{message}"


def message_of(logs: Iterable[str]) -> str:
    """Return the message with which a job stopped, from the logs that its rule names; empty if there is none.

    A job whose processes stopped has several, of which the first is the reason for the others.
    """
    for log in logs:
        try:
            text = Path(log).read_text(encoding="utf-8", errors="replace")
        except OSError:
            continue
        _, found, message = text.partition(f"{STOPPED}\n")
        if found:
            return message.partition(f"\n{STOPPED}\n")[0].strip()
    return ""


class Screen(logging.Filter):
    """A filter of what Snakemake shows on the screen; `no_target` explains a target that no rule makes.

    A failed job's message takes the place of Snakemake's report. If anything follows on the screen, the messages are
    shown again at the end.
    """

    def __init__(self, stream: TextIO, no_target: Callable[[str], str]):
        super().__init__()
        self.stream, self.no_target = stream, no_target
        self.messages: dict[int, str] = {}  # by the number of the job
        self.running: set[int] = set()
        self.untold: set[int] = set()  # jobs that failed without a message
        self.buried = False  # whether anything was shown after the last message

    def filter(self, record: logging.LogRecord) -> bool:
        keep = self._keep(record)
        self.buried = self.buried or (keep and record.levelno >= logging.INFO)
        return keep

    def _keep(self, record: logging.LogRecord) -> bool:
        """Return whether Snakemake shows a record; messages in its place are shown here."""
        event, text = str(getattr(record, "event", "")), str(record.msg)
        if event == "job_info":
            self.running.add(record.jobid)
        elif event == "job_finished":
            self.running.discard(record.job_id)
            self.messages.pop(record.job_id, None)  # a later attempt succeeded
            self.untold.discard(record.job_id)
        elif event == "job_error":
            return self._keep_report(record.jobid, record.log)
        elif event == "error":
            return self._keep_error(getattr(record, "exception", ""), text)
        elif self.messages and not self.untold:
            return not text.startswith(_CLOSING if self.running else (*_CLOSING, _LEAVING))
        return True

    def _keep_report(self, job: int, logs: list[str]) -> bool:
        self.running.discard(job)
        message = message_of(logs)
        if message:
            self.messages[job] = message
            self._show([message])
        else:
            self.untold.add(job)
        return not message

    def _keep_error(self, kind: str, text: str) -> bool:
        if kind == "RuleException":  # Snakemake's report of the same job follows
            return not _EXIT_STATUS.search(text)
        if kind == "MissingRuleException" and (found := _NO_RULE.search(text)):
            self._show([self.no_target(found["target"])])
            return False
        if kind == "IncompleteFilesException" and _INCOMPLETE in text:
            self._show([incomplete(text.partition(_INCOMPLETE)[2].split("\n"))])
            return False
        if kind == "WorkflowError" and _WILDCARDS in text:
            self._show([self.no_target("")])
            return False
        if kind == "WorkflowError" and "At least one job did not complete" in text and self.messages:
            self.show_last()
            return False
        return True

    def show_last(self) -> None:
        """Show the messages of all jobs that stopped, unless they are the last on the screen already."""
        messages = list(dict.fromkeys(self.messages.values()))
        if messages and (self.buried or len(messages) > 1):
            rest = len(messages) - MOST_SHOWN
            more = [f"and {plural(rest, 'message')} more; `python -m trainsize.failures` lists the runs that failed"]
            self._show(["", *messages[:MOST_SHOWN], *(more if rest > 0 else [])])
        self.messages.clear()

    def _show(self, messages: list[str]) -> None:
        print("\n".join(messages), file=self.stream, flush=True)
        self.buried = False


def show_messages(logger: logging.Logger, no_target: Callable[[str], str]) -> None:
    """Show the messages of jobs on the screen of the process that runs Snakemake; `logger` is Snakemake's.

    Without a handler that writes to the screen (as with a logger plugin), jobs show their messages themselves.
    """
    os.environ.pop(SHOWN, None)
    for handler in logger.handlers:
        if getattr(handler, "stream", None) in (sys.stdout, sys.stderr):
            screen = Screen(handler.stream, no_target)
            handler.filters.insert(0, screen)  # the next one, Snakemake's, hides failed jobs with `--quiet rules`
            atexit.register(screen.show_last)  # of a call that ended in another way
            os.environ[SHOWN] = "1"
            return


def incomplete(files: list[str]) -> str:
    """Return the message for the incomplete files that a killed call has left."""
    files = [file for file in files if file.strip()]
    return (
        f"{files[0]}: incomplete, as {plural(len(files), 'file')} that a killed call of snakemake has left; run the "
        "same command with --rerun-incomplete. What its runs have saved is not lost: they resume from there."
    )


def unknown_target(
    target: str, targets: Iterable[str], rules: Iterable[str], study: str, studies: Iterable[str]
) -> str:
    """Return the message for a target that no rule makes: perhaps a rule's name, a study, or another study's file.

    `targets` are the rules that can be a target. The other `rules` make files of any study, and can only end a call.
    """
    message = (
        f"{target}: found as the target, expected {listing(targets)}, or a file such as results/{study}/report.html"
    )
    first, *below = Path(target).parts
    named = below[0] if first == "results" and below else target
    if named != study and named in studies:
        return f"{message}; for the study {named}: snakemake --config study={named}"
    if target in rules:
        return f"{message}; to make what this rule makes: snakemake --until {target}"
    return f"{message}{did_you_mean(target, rules)}"
