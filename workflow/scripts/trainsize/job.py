"""How a stage's script runs: settings and paths in, a log file, and one message when the user made a mistake."""

import json
import os
import sys
import traceback
from collections.abc import Callable
from pathlib import Path

from trainsize.errors import Interrupted, UserError
from trainsize.progress import Terminal

OPEN_LOG = "-"  # instead of a log's path: standard output is the log already
INTERRUPTED = 75  # BSD's EX_TEMPFAIL: the same command again will do


def run_stage(stage: Callable[..., None], arguments: list[str] | None = None) -> None:
    """Call `stage(settings, *values)` with the script's arguments: LOG SETTINGS [VALUE ...].

    SETTINGS is JSON. Whatever is printed goes to LOG; what went wrong goes there whole and to the terminal in short.
    Exits with 1 after a UserError, 75 when interrupted after saving, and 70 after any other exception.
    """
    log, settings, *values = sys.argv[1:] if arguments is None else arguments
    terminal = os.dup(2)
    if log != OPEN_LOG:
        Terminal.found(terminal)
        _redirect(Path(log))
    try:
        stage(json.loads(settings), *values)
    except UserError as error:
        print(error, file=sys.stderr, flush=True)
        _tell(terminal, f"{error}\n")
        sys.exit(1)
    except Interrupted:
        print("interrupted: saved, and to be gone on with", file=sys.stderr, flush=True)
        sys.exit(INTERRUPTED)
    except Exception as error:
        traceback.print_exc()
        _tell(terminal, f"{type(error).__name__}: {error}\n(the whole traceback is in {log})\n")
        sys.exit(70)


def _redirect(log: Path) -> None:
    """Send standard output and error, those of compiled code too, to `log`."""
    log.parent.mkdir(parents=True, exist_ok=True)
    with log.open("w") as file:
        os.dup2(file.fileno(), 1)
        os.dup2(file.fileno(), 2)


def _tell(terminal: int, message: str) -> None:
    os.write(terminal, message.encode())
