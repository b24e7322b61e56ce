"""The variants of a study: what they may name."""

from collections.abc import Iterable, Iterator


def unknown_names(variants: dict, models: Iterable[str], keys: Iterable[str]) -> Iterator[tuple[str, str, list[str]]]:
    """Yield (path, name, allowed names) for what a variant names that is not there, whether or not it is used.

    `models` are those of the study itself, and `keys` those that a study has. A model that is left out must be in the
    study or in another variant.
    """
    allowed = sorted({*keys} - {"variants"})
    added = {name for changes in variants.values() for name, settings in changes.get("models", {}).items() if settings}
    known = [*models, *sorted(added - {*models})]
    for variant, changes in variants.items():
        for key in changes:
            if key not in allowed:
                yield f"variants.{variant}", key, allowed
        for model, settings in changes.get("models", {}).items():
            if settings is None and model not in known:
                yield f"variants.{variant}.models", model, known


def repeated(chosen: list[str]) -> list[str]:
    """Return the variants that are chosen more than once."""
    return [name for name in dict.fromkeys(chosen) if chosen.count(name) > 1]
