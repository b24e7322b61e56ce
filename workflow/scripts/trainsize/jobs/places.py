"""Where the checkout may lie: what the shell, PATH and a cluster can take.

The commands of rules hold no absolute paths, so nearly every place will do. What does not is refused here.
"""

import os
import shlex
import sys
from pathlib import Path

from trainsize.common.errors import UserError

# Linux takes 4,095 bytes, and Snakemake and the library have paths of their own to add.
LONGEST = 3800


def check_place(checkout: Path, submits: bool) -> None:
    """Raise UserError if jobs cannot run from the checkout in the current folder, or, if it `submits`, on a cluster."""
    for folder in dict.fromkeys([checkout, Path.cwd()]):
        path = str(folder)
        if (length := len(os.fsencode(path))) > LONGEST:
            raise UserError(
                f"{path[:40]}…: found a path of {length:,} bytes, allowed: {LONGEST:,}; move this folder further up"
            )
        if any("\ud800" <= letter <= "\udfff" for letter in path):  # how Python holds bytes that are not text
            raise UserError(f"{path!a}: found a path that is not UTF-8; rename this folder")
        if submits and (found := _lost_on_submission(path)):
            raise UserError(
                f"{path!r}: found {found} in the path of this folder, and a cluster's jobs cannot be started there; "
                "rename or move the folder (spaces are allowed, and without a cluster every name is)"
            )


def _lost_on_submission(path: str) -> str:
    """Return what of `path` would be lost between Snakemake's call of sbatch and the job; "" if nothing is.

    Snakemake quotes paths by `repr` and puts the whole command between double quotes; SLURM expands the paths of logs.
    """
    lost = [letter for letter in dict.fromkeys(path) if letter in "$`\\%" or not letter.isprintable()]
    if {"'", '"'} <= set(path):
        lost += ["'", '"']
    return " and ".join(map(ascii, lost))


def find_by_name(interpreter: str) -> None:
    """Let commands and jobs find this interpreter by its name, since Snakemake does not quote its path at all.

    Raises UserError if PATH cannot hold its folder.
    """
    folder, name = os.path.split(interpreter)
    if os.pathsep in folder:
        raise UserError(
            f"{interpreter}: found {os.pathsep!r} in the path of the interpreter, which separates folders in PATH; "
            "rename the folder, or make .venv elsewhere"
        )
    os.environ["PATH"] = f"{folder}{os.pathsep}{os.environ['PATH']}"
    if shlex.quote(interpreter) != interpreter:
        sys.executable = name
