"""The progress of a run: a line in the log at each evaluation, and a bar on the terminal."""

import os
import stat
import sys
from pathlib import Path

CLEAR = "\r\x1b[K"  # the line that is shown
WIDTH = 24  # of the bar, characters


class Terminal:
    """The terminal that the command was called from, if any. Standard output goes to the log."""

    descriptor: int | None = None
    output: int | None = None  # the same, or what stands in for a terminal: a pipe or a file

    @classmethod
    def attach(cls, descriptor: int) -> None:
        cls.output, cls.descriptor = descriptor, descriptor if os.isatty(descriptor) else None

    @classmethod
    def show(cls, line: str) -> None:
        """Write `line` over the previous one."""
        if cls.descriptor is not None:
            os.write(cls.descriptor, f"{CLEAR}{line}".encode())

    @classmethod
    def say(cls, line: str) -> None:
        """Write a line that stays, also where the command's output goes to a file."""
        if cls.output is not None:
            os.write(cls.output, f"{'' if cls.descriptor is None else CLEAR}{line}\n".encode())


def print_first(text: str) -> None:
    """Print a text before everything printed so far, if standard output is a file; else print it now."""
    if not text:
        return
    sys.stdout.flush()
    if not stat.S_ISREG(os.fstat(1).st_mode):
        print(text, flush=True)
        return
    with Path("/proc/self/fd/1").open("r+b") as log:
        before = log.read()
        log.seek(0)
        log.write(f"{text}\n".encode() + before)
    os.lseek(1, 0, os.SEEK_END)


def report_progress(history: list[dict], step: int, total: int, seconds: dict[str, float]) -> None:
    """Report the latest scores on the test images, the speed and the time left (`seconds` by activity, so far)."""
    test = next(row for row in reversed(history) if row["split"] == "test")
    of = f" (of {test['n_evaluated']} images)" if test["sampled"] else ""
    rate = test["samples_seen"] / seconds["train"]
    left = (seconds["train"] + seconds["evaluate"]) * (total - step) / step
    line = (
        f"update {step}/{total}: test loss {test['loss']:.4f}, accuracy {test['accuracy']:.4f}{of}; "
        f"{rate:,.0f} images/s, {left:.0f} s left"
    )
    print(f"  {line}", flush=True)
    done = WIDTH * step // total
    Terminal.show(f"{'█' * done}{'·' * (WIDTH - done)} {line}" if step < total else "")
