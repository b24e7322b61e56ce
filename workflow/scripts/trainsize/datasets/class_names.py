"""The names of classes: which folders they stand for, and which label each of them gets.

Two Unicode forms of a name, such as é as one character or as e and an accent, are the same name: names are compared in
the composed form (NFC). Imports nothing heavy, because the Snakefile imports this.
"""

import unicodedata
from collections.abc import Iterable, Sequence

from trainsize.common.errors import UserError, listing


def composed(name: str) -> str:
    """Return the name in the Unicode form in which names are compared."""
    return unicodedata.normalize("NFC", name)


def check_different(names: Iterable[str], where: str) -> None:
    """Raise UserError if two of the names are two Unicode forms of one name; `where` says what has them."""
    seen: dict[str, str] = {}
    for name in names:
        other = seen.setdefault(composed(name), name)
        if other != name:
            raise UserError(
                f"{where}: '{other}' ({_points(other)}) and '{name}' ({_points(name)}) are one name in two Unicode "
                "forms; keep one of them"
            )


def by_name(folders: Iterable[str], place: object) -> dict[str, str]:
    """Return the class folders in `place` by the composed names of their classes.

    Raises UserError for two forms of one name.
    """
    folders = list(folders)
    check_different(folders, str(place))
    return {composed(folder): folder for folder in folders}


def _points(name: str) -> str:
    """Return the code points of the characters of a name that are not ASCII."""
    return " ".join(f"U+{ord(character):04X}" for character in name if not character.isascii())


def label_numbers(stated: Sequence[str], found: Sequence[str], folder: object) -> list[int]:
    """Return, for each class folder `found` in `folder`, its label: its place among the names `stated`.

    Raises UserError naming the classes without a folder and the folders without a class.
    """
    number = {composed(name): label for label, name in enumerate(stated)}
    names = [composed(name) for name in found]
    missing = [name for name in stated if composed(name) not in names]
    surplus = [name for name in found if composed(name) not in number]
    if missing or surplus:
        parts = [f"names {_quoted(missing)}, which is no folder in {folder}" if len(missing) == 1 else ""]
        parts += [f"names {_quoted(missing)}, which are no folders in {folder}" if len(missing) > 1 else ""]
        parts += [f"does not name the {_folders(surplus)} in {folder}" if surplus else ""]
        raise UserError(
            f"dataset.classes {', and '.join(filter(None, parts))}; name each of its {len(found)} folders once, in the "
            "order that their labels should have"
        )
    return [number[name] for name in names]


def _quoted(names: Sequence[str]) -> str:
    return listing(f"'{name}'" for name in names)


def _folders(names: Sequence[str]) -> str:
    return f"folder{'s' if len(names) > 1 else ''} {_quoted(names)}"


def in_numbers_order(names: Sequence[str]) -> bool:
    """Whether names that are all numbers are in the order of these numbers; true if some are not numbers."""
    if not all(name.isascii() and name.isdecimal() for name in names):
        return True
    return list(names) == sorted(names, key=int)
