"""Errors meant for the person at the keyboard: one message, no traceback."""

from collections.abc import Iterable
from difflib import get_close_matches
from pathlib import Path


class UserError(Exception):
    """A mistake in what the user wrote: the message alone must be enough to mend it."""


class Interrupted(Exception):
    """The process was asked to end, and what it was doing has been saved."""


def nearest(name: object, allowed: Iterable[str]) -> str:
    """Return "; did you mean 'x'?" for the allowed name closest to `name`, or nothing."""
    matches = get_close_matches(str(name), list(allowed), n=1, cutoff=0.5)
    return f"; did you mean '{matches[0]}'?" if matches else ""


def near(path: Path) -> Path:
    """Return `path` as seen from the current folder where it lies below it, so that messages stay short."""
    path = path.resolve()
    return path.relative_to(Path.cwd()) if path.is_relative_to(Path.cwd()) else path


def listing(names: Iterable[object], most: int = 12) -> str:
    """Return the names joined by commas, the tail of a long list counted instead of shown."""
    names = [str(name) for name in names]
    rest = len(names) - most
    return ", ".join(names[:most]) + (f" and {rest} more" if rest > 0 else "")


def counted(number: int, noun: str = "run") -> str:
    return f"{number:,} {noun}" + ("" if number == 1 else "s")
