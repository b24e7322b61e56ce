"""How a stage's script runs: settings and paths in, a log file, and one message when the user made a mistake."""

import json
import os
import sys
import traceback
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import NoReturn

from trainsize.common.errors import Interrupted, UserError
from trainsize.common.files import NO_ROOM
from trainsize.jobs.progress import Terminal

OPEN_LOG = "-"  # instead of a log's path: standard output is the log already
INTERRUPTED = 75  # BSD's EX_TEMPFAIL: the same command again will do


def run_stage(stage: Callable[..., None], arguments: list[str] | None = None) -> None:
    """Call `stage(settings, *values)` with the script's arguments: LOG SETTINGS [VALUE ...].

    SETTINGS is JSON. Whatever is printed goes to LOG; what went wrong goes there whole and to the terminal in short.
    Exits with 1 after a UserError or where nothing can be written, 75 when interrupted after saving, and 70 after any
    other exception.
    """
    log, settings, *values = sys.argv[1:] if arguments is None else arguments
    terminal = os.dup(2)
    try:
        if log != OPEN_LOG:
            Terminal.found(terminal)
            _redirect(Path(log))
        stage(json.loads(settings), *values)
    except UserError as error:
        _tell(terminal, f"{error}\n")
        _note(str(error))
        sys.exit(1)
    except Interrupted:
        told = "interrupted: saved, and to be gone on with"
        _tell(terminal, f"{told}\n")
        _note(told)
        sys.exit(INTERRUPTED)
    except OSError as error:
        if error.errno not in NO_ROOM:
            _fail(terminal, log, error)
        again = "make room (or raise the quota or limit) and run snakemake again: it goes on"
        _tell(terminal, f"{error}\nnothing can be written there; {again}\n")
        _note(traceback.format_exc())
        sys.exit(1)
    except Exception as error:
        _fail(terminal, log, error)


def _fail(terminal: int, log: str, error: Exception) -> NoReturn:
    _tell(terminal, f"{type(error).__name__}: {error}\n(the whole traceback is in {log})\n")
    _note(traceback.format_exc())
    sys.exit(70)


def _note(text: str) -> None:
    """Write to the log, which may lie on a full disk too."""
    with suppress(OSError):
        print(text, file=sys.stderr, flush=True)


def _redirect(log: Path) -> None:
    """Send standard output and error, those of compiled code too, to `log`."""
    log.parent.mkdir(parents=True, exist_ok=True)
    with log.open("w") as file:
        os.dup2(file.fileno(), 1)
        os.dup2(file.fileno(), 2)


def _tell(terminal: int, message: str) -> None:
    os.write(terminal, message.encode())
