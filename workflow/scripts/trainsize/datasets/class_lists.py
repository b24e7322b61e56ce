"""Lists of classes that differ from the expected one, in words."""

import unicodedata
from collections.abc import Sequence

from trainsize.common.errors import listing, plural

# Folders that archives and programs leave beside those of classes.
NO_CLASSES = ("__MACOSX", "__pycache__", "lost+found", "@eaDir", "$RECYCLE.BIN", "System Volume Information")


def wrong_classes(found: Sequence[str], expected: Sequence[str]) -> str:
    """Return what is wrong with the number of classes: which were found, and which of them are too many or missing."""
    message = f"found {plural(len(found), 'class', 'classes')}, expected {len(expected)} (classes): {listing(found)}"
    strange = [name for name in found if name in NO_CLASSES]
    twice = same_text(found)
    if strange:
        return f"{message}; {listing(strange)} is no class: remove this folder"
    if twice:
        return f"{message}; {twice}"
    if len(expected) and set(expected) & set(found):
        extra, missing = (
            [name for name in one if name not in other] for one, other in ((found, expected), (expected, found))
        )
        told = [f"not expected: {listing(extra)}"] if extra else []
        told += [f"missing: {listing(missing)}"] if missing else []
        return f"{message}; {'; '.join(told)}"
    return message


def same_text(names: Sequence[str]) -> str:
    """Return which two names look the same but are written with other Unicode characters; empty if none are."""
    seen: dict[str, str] = {}
    for name in names:
        composed = unicodedata.normalize("NFC", name)
        if composed in seen:
            pair = " and ".join(ascii(one) for one in (seen[composed], name))
            return f"two folders are called '{composed}', in different Unicode characters ({pair}); merge them"
        seen[composed] = name
    return ""
