"""Errors and the parts of their messages. A user sees one message and no traceback."""

import os
import re
import sys
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from difflib import get_close_matches
from pathlib import Path

# What Python writes into its errors, and what is left of it in a message for people.
_INNER_WORDS = (
    (re.compile(r"<[\w.]+ object at 0x[0-9a-f]+>|<_io\.\w+[^>]*>|'?<Buffer>'?"), "it"),
    (re.compile(r"<urlopen error (.*?)>"), r"\1"),
    (re.compile(r"\[Errno -?\d+\] "), ""),
    (re.compile(r"\b(?:UserError|Unavailable): "), ""),
)
_CONTROL = re.compile(r"[\x00-\x09\x0b-\x1f\x7f-\x9f]")


class UserError(Exception):
    """A mistake that the user can correct. The message alone must say how.

    Signs that control a terminal, which a file's name can hold, are written as codes.
    """

    def __init__(self, message: str):
        for inner, plain in _INNER_WORDS:
            message = inner.sub(plain, message)
        super().__init__(_CONTROL.sub(lambda sign: repr(sign[0])[1:-1], message))


class Interrupted(Exception):
    """The process was asked to stop, and its progress has been saved."""


@contextmanager
def exit_on_user_error() -> Iterator[None]:
    """End the process with only the message of a UserError."""
    try:
        yield
    except UserError as error:
        sys.exit(str(error))


def unreadable(path: Path | str, error: Exception, advice: str = "", form: str = "") -> UserError:
    """Return the error for a file that cannot be read (as `form`, such as "CSV"); `advice` says what to do.

    Of a file that is not there, it says whether a link leads nowhere.
    """
    as_form = f" as {form}" if form else ""
    missing = absent(Path(path)) if isinstance(error, FileNotFoundError) else ""
    found = missing or f"cannot be read{as_form} ({why(error)})"
    return UserError(f"{path}: {found}" + (f"; {advice}" if advice and ";" not in missing else ""))


def why(error: Exception) -> str:
    """Return the reason that an error gives, in one line and without what means nothing to a user.

    That is the number of an error of the system, and its file, which the message names anyway.
    """
    if isinstance(error, OSError) and error.strerror:
        return error.strerror
    return " ".join(str(error).split()) or f"an error of the kind {type(error).__name__}"


def absent(path: Path) -> str:
    """Return how a file or folder is missing: because of a link to nowhere, or not."""
    return lost_link(path) or "no such file"


def lost_link(path: Path) -> str:
    """Return what is wrong with `path` if it, or a folder above it, links to something that is not there; else ""."""
    for part in (path, *path.parents):
        if part.is_symlink() and not part.exists():
            link = "a link" if part == path else f"{printable(part)} is a link"
            return f"{link} to {printable(part.readlink())}, which is not there; mount its disk, or remove the link"
    return ""


def printable(path: str | Path) -> str:
    """Return a path as text that can be written and shown: bytes that are not UTF-8 and control characters escaped."""
    text = os.fsencode(path).decode(errors="backslashreplace")
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in text)


def did_you_mean(name: object, allowed: Iterable[str]) -> str:
    """Return "; did you mean 'x'?" for the allowed name closest to `name`, or ""."""
    matches = get_close_matches(str(name), list(allowed), n=1, cutoff=0.5)
    return f"; did you mean '{matches[0]}'?" if matches else ""


def short_path(path: Path) -> Path:
    """Return `path` relative to the current folder if it lies below it, to keep messages short. Links stay."""
    path = Path(os.path.abspath(path))  # noqa: PTH100 - resolve() would show the target of a link
    return path.relative_to(Path.cwd()) if path.is_relative_to(Path.cwd()) else path


def listing(names: Iterable[object], most: int = 12) -> str:
    """Return the names joined by commas: the first `most` of them, and how many more there are."""
    names = [str(name) for name in names]
    rest = len(names) - most
    return ", ".join(names[:most]) + (f" and {rest} more" if rest > 0 else "")


def plural(number: int, noun: str = "run", several: str = "") -> str:
    """Return a count with its noun: "1 run", "2,000 runs"; `several` is the plural of an odd noun."""
    return f"{number:,} {noun if number == 1 else several or f'{noun}s'}"


def enumerated(words: Iterable[object]) -> str:
    """Return words joined by commas and "and"."""
    *words, last = map(str, words)
    return f"{', '.join(words)} and {last}" if words else last
