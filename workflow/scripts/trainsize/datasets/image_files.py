"""Which files are images, by their names: what is read, what is left out, and what is only clutter.

Imports nothing heavy: reading a study counts its images, if it does not state their number.
"""

from collections.abc import Iterable
from functools import cache
from importlib.util import find_spec
from pathlib import Path

from trainsize.common.errors import listing, plural

# The formats that are opened, by Pillow's names, and their extensions. Pillow knows more, but must not guess among
# them: EPS files are programs that it hands to Ghostscript, and some formats take any bytes for an image.
FORMATS = {
    "JPEG": (".jpg", ".jpeg", ".jpe", ".jfif", ".mpo"),
    "PNG": (".png", ".apng"),
    "BMP": (".bmp",),
    "DIB": (".dib",),
    "GIF": (".gif",),
    "WEBP": (".webp",),
    "TIFF": (".tif", ".tiff"),
    "PPM": (".ppm", ".pgm", ".pbm", ".pnm", ".pfm"),
    "AVIF": (".avif", ".avifs"),
    "JPEG2000": (".jp2", ".j2k", ".jpx", ".jpf", ".jpc", ".j2c"),
    "ICO": (".ico",),
    "PCX": (".pcx",),
    "QOI": (".qoi",),
    "SGI": (".sgi", ".rgb", ".rgba", ".bw"),
}
# Photographs of phones: another package opens them.
HEIF, HEIF_EXTENSIONS, HEIF_PLUGIN = "HEIF", (".heic", ".heif", ".hif"), "pillow_heif"
HEIF_ADVICE = "to read HEIC photographs, install the package pillow-heif in .venv, or convert them to JPEG or PNG"
# What operating systems and tools leave in folders, beside names that begin with a dot.
CLUTTER = {
    *("thumbs.db", "ehthumbs.db", "desktop.ini", "icon\r", "__macosx", "__pycache__", "@eadir", "lost+found"),
    *("$recycle.bin", "system volume information"),
}
# Files that stand beside images and hold none.
TEXTS = {
    *(".txt", ".md", ".csv", ".tsv", ".json", ".jsonl", ".xml", ".yaml", ".yml", ".html", ".htm", ".log", ".ini"),
    *(".py", ".sh"),
}
NO_EXTENSION = "without extension"
_LONGEST_EXTENSION = 8


@cache
def reads_heif() -> bool:
    """Return whether HEIC photographs can be opened: whether pillow-heif is installed."""
    return find_spec(HEIF_PLUGIN) is not None


def image_extensions() -> tuple[str, ...]:
    """Return the extensions of the files that are read as images, in lower case."""
    known = tuple(extension for extensions in FORMATS.values() for extension in extensions)
    return known + HEIF_EXTENSIONS if reads_heif() else known


def is_clutter(name: str) -> bool:
    """Return whether a file or folder is hidden, or one that systems and tools leave everywhere."""
    return name.startswith(".") or name.lower() in CLUTTER


def kind_of(name: str) -> str:
    """Return the extension of a file's name in lower case, or `NO_EXTENSION`. A number (IMG.0001) is not one."""
    extension = Path(name).suffix.lower()
    letters = extension[1:]
    known = letters.isascii() and letters.isalnum() and not letters.isdecimal() and len(letters) <= _LONGEST_EXTENSION
    return extension if known else NO_EXTENSION


def conversion(kinds: Iterable[str]) -> str:
    """Return how to have files of these kinds read, or "" if none of them is likely to hold an image."""
    unread = {kind for kind in kinds if kind not in TEXTS and kind.partition(" ")[0] not in image_extensions()}
    heif = unread & set(HEIF_EXTENSIONS)
    advice = [HEIF_ADVICE] if heif else []
    if others := sorted(unread - heif):
        advice.append(f"convert the images among the files {listing(others)} to PNG or JPEG")
    return "; ".join(advice)


def files_in_words(count: int, kind: str, names: Iterable[str]) -> str:
    """Return how many files of a kind there are, and which: "12 .heic files (000.heic, 001.heic and 10 more)"."""
    extension, _, where = kind.partition(" ")
    what = (
        f"{plural(count, 'file')} {kind}" if kind == NO_EXTENSION else f"{plural(count, f'{extension} file')} {where}"
    )
    names = list(names)[:2]
    more = f" and {count - len(names):,} more" if count > len(names) else ""
    return f"{what.strip()} ({', '.join(names)}{more})"
