"""Every key of a schema with a pair of different values, for tests that what a user states has an effect."""

from collections.abc import Iterator
from dataclasses import dataclass

from trainsize.common.schema import resolve_reference


@dataclass(frozen=True)
class Key:
    """A key: its path, in which a choice by name has a part such as `sgd`, and its schema."""

    path: tuple[str, ...]
    schema: dict

    def __str__(self) -> str:
        return ".".join(self.path)


def keys_of(schema: dict, root: dict, path: tuple[str, ...] = ()) -> Iterator[Key]:
    """Yield the keys below a part of the schema `root`: those with a value, and choices by name with their options."""
    schema = resolve_reference(schema, root)
    forms = [resolve_reference(form, root) for form in schema.get("oneOf", [])]
    inner = [form for form in (schema, *forms) if form.get("properties")]
    items = schema.get("items", {})
    if "named" in schema or "named" in items:
        yield Key(path, schema)
        for name, alternative in (schema.get("named") or items["named"]).items():
            for option, part in alternative.get("properties", {}).items():
                yield from keys_of(part, root, (*path, name, option))
    elif not inner or len(inner) < len(forms):  # it has a value of its own, too
        yield Key(path, schema)
    for form in inner:
        for name, part in form["properties"].items():
            yield from keys_of(part, root, (*path, name))


def pair_of(schema: dict, root: dict) -> tuple[object, object]:
    """Return two different valid values; None stands for a key that is left out."""
    schema = resolve_reference(schema, root)
    if "named" in schema:
        return tuple(list(schema["named"])[:2])
    if "oneOf" in schema:
        return pair_of(schema["oneOf"][0], root)
    if "const" in schema:
        return None, schema["const"]
    if "enum" in schema:
        default = schema.get("default", schema["enum"][0])
        others = [value for value in schema["enum"] if value != default]
        return (default, others[0]) if others else (None, default)
    kind = schema["type"] if isinstance(schema["type"], str) else schema["type"][0]
    match kind:
        case "boolean":
            return False, True
        case "integer":
            least = max(schema.get("minimum", 1), schema.get("default") or 0)
            return least, least + 1 if least < schema.get("maximum", least + 1) else least - 1
        case "number":
            most = min(schema.get("exclusiveMaximum", 1), schema.get("maximum", 1))
            return 0.3 * most, 0.6 * most
        case "string":
            return "one", "two"
        case "array":
            return tuple([value] for value in pair_of(schema["items"], root))
    raise AssertionError(f"no values are known for {schema}; state a pair in the test")
