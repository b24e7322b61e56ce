"""Running a stage's script: arguments in, a log file out, and one message after a user's mistake."""

import errno
import json
import os
import sys
import traceback
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import NoReturn

from trainsize.common.errors import Interrupted, UserError, why
from trainsize.common.files import WRITE_ERRORS
from trainsize.jobs.progress import Terminal
from trainsize.jobs.screen import SHOWN, stopped

OPEN_LOG = "-"  # given instead of a log's path if standard output is already the log
_OF_PLACES = {
    *(errno.EACCES, errno.EPERM, errno.EISDIR, errno.ENOTDIR, errno.EIO, errno.ESTALE, errno.ELOOP, errno.ENAMETOOLONG)
}
INTERRUPTED = 75  # BSD's EX_TEMPFAIL: running the same command again continues


def run_stage(stage: Callable[..., None], arguments: list[str] | None = None) -> None:
    """Call `stage(settings, *values)` with the script's arguments: LOG SETTINGS [VALUE ...].

    SETTINGS is JSON. All output goes to LOG. Errors go to LOG in full and to the terminal in one line, unless
    Snakemake's process shows them. The exit status is 1 after a UserError or if nothing can be written, 75 after an
    interruption with saved progress, and 70 after any other exception.
    """
    log, settings, *values = sys.argv[1:] if arguments is None else arguments
    terminal = os.dup(2)
    try:
        if log != OPEN_LOG:
            Terminal.attach(terminal)
            _redirect(Path(log))
        stage(json.loads(settings), *values)
    except UserError as error:
        _stop(terminal, str(error), 1)
    except Interrupted:
        message = "Interrupted. Progress is saved; run snakemake again to resume."
        _print(terminal, f"{message}\n")
        _log(message)
        sys.exit(INTERRUPTED)
    except OSError as error:
        advice = _advice(error)
        if not advice:
            _fail(terminal, log, error)
        _log(traceback.format_exc())
        _stop(terminal, f"{error.filename2 or error.filename or 'a file'}: {why(error)}; {advice}", 1)
    except Exception as error:
        _fail(terminal, log, error)


def _advice(error: OSError) -> str:
    """Return what a user can do about an error of the system; nothing about one that must be a fault of the code."""
    if error.errno in WRITE_ERRORS:
        return "it cannot be written: free some space (or raise the quota or limit) and run snakemake again to resume"
    if error.errno in _OF_PLACES:
        return (
            "it cannot be read or written: check what is there, its permissions and its disk; then run snakemake again"
        )
    return ""


def _fail(terminal: int, log: str, error: Exception) -> NoReturn:
    _log(traceback.format_exc())
    _stop(terminal, f"{type(error).__name__}: {error}\n(the full traceback is in {log})", 70)


def _stop(terminal: int, message: str, status: int) -> NoReturn:
    """End the process with a message in the log and, unless Snakemake's process shows it, on the terminal."""
    if SHOWN not in os.environ:
        _print(terminal, f"{message}\n")
    _log(stopped(message))
    sys.exit(status)


def _log(text: str) -> None:
    """Write to the log, which may be on a full disk too."""
    with suppress(OSError):
        print(text, file=sys.stderr, flush=True)


def _redirect(log: Path) -> None:
    """Redirect standard output and error to `log`, including those of compiled code."""
    log.parent.mkdir(parents=True, exist_ok=True)
    with log.open("w") as file:
        os.dup2(file.fileno(), 1)
        os.dup2(file.fileno(), 2)


def _print(terminal: int, message: str) -> None:
    os.write(terminal, message.encode())
