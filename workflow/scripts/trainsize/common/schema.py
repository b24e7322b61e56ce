"""Schemas of the YAML files: what they may contain, and messages that say how to correct them.

The schemas are JSON Schema (draft 2020-12) with two more keywords. `named` is a choice by name, written as the name
alone or as a mapping with `name` and the options of that choice. `oneBesides` lists the optional keys of a mapping that
must have exactly one of its other keys.
"""

import math
import re
from collections.abc import Iterator
from functools import cache

import yaml
from jsonschema import Draft202012Validator, ValidationError, validators

from trainsize.common.errors import did_you_mean, listing
from trainsize.common.paths import ROOT
from trainsize.common.yaml_files import quoted, shortened

SCHEMAS = ROOT / "workflow" / "schemas"


@cache
def load_schema(name: str) -> dict:
    """Return the schema `workflow/schemas/{name}.schema.yaml`."""
    return yaml.safe_load((SCHEMAS / f"{name}.schema.yaml").read_text(encoding="utf-8"))


def split_choice(schema: dict, value: object) -> tuple[str | None, dict]:
    """Split a `named` value into its name and its options: "sgd" and {"name": "sgd"} mean the same."""
    if isinstance(value, dict):
        return value.get("name"), {key: option for key, option in value.items() if key != "name"}
    return value, {}


def _check_named(validator, alternatives, value, schema) -> Iterator[ValidationError]:
    name, options = split_choice(schema, value)
    if not isinstance(name, str) or name not in alternatives:
        found = "no name" if name is None else quoted(name)
        yield ValidationError(f"found {found}, allowed: {listing(alternatives)}{did_you_mean(name, alternatives)}")
        return
    closed = {"type": "object", "additionalProperties": False, **alternatives[name]}
    yield from validator.descend(options, closed)


def _check_one_besides(validator, optional, value, schema) -> Iterator[ValidationError]:
    keys = [key for key in schema["properties"] if key not in optional]
    found = [key for key in keys if key in value] if isinstance(value, dict) else keys[:1]
    if len(found) != 1:
        yield ValidationError(f"found {listing(found) or 'nothing'}, expected exactly one of {listing(keys)}")


def _check_pattern(validator, pattern, value, schema) -> Iterator[ValidationError]:
    # fullmatch, because in Python `$` also matches before a final line break.
    if isinstance(value, str) and not re.fullmatch(pattern, value):
        yield ValidationError(f"found {quoted(value)}, expected {pattern}")


_Validator = validators.extend(
    Draft202012Validator,
    {"named": _check_named, "oneBesides": _check_one_besides, "pattern": _check_pattern},
    # YAML distinguishes 1 from 1.0 and true: an integer must be written as one. Numbers must be finite.
    type_checker=Draft202012Validator.TYPE_CHECKER.redefine_many(
        {
            "integer": lambda _, value: isinstance(value, int) and not isinstance(value, bool),
            "number": lambda _, value: type(value) is int or (type(value) is float and math.isfinite(value)),
        }
    ),
)


def problems(value: object, schema: dict, root: dict) -> Iterator[tuple[tuple, str]]:
    """Yield (path of keys, message) for each violation of `schema`, a part of `root`, in `value`."""
    validator = _Validator({**schema, "$defs": root.get("$defs", {})})
    for error in sorted(validator.iter_errors(value), key=lambda e: [str(p) for p in e.absolute_path]):
        error = _most_specific(error)
        yield tuple(error.absolute_path), _message(error)


def _most_specific(error: ValidationError) -> ValidationError:
    """Follow a failed `oneOf` into the alternative whose type matches the value, if there is one."""
    if error.validator != "oneOf":
        return error
    inside = [e for e in error.context if len(e.absolute_path) > len(error.absolute_path)]
    deeper = [_most_specific(e) for e in error.context if e in inside or e.validator not in ("type", "const")]
    deeper = [e for e in deeper if e.validator != "oneOf" or len(e.absolute_path) > len(error.absolute_path)]
    return max(deeper, key=lambda e: len(e.absolute_path), default=error)


def _message(error: ValidationError) -> str:
    rule, found = error.validator_value, quoted(error.instance)
    match error.validator:
        case "additionalProperties" if rule is False:
            allowed = sorted(error.schema.get("properties", {}))
            unknown = [key for key in error.instance if key not in allowed]
            names = listing(allowed, 30) or "none"
            return f"unknown key '{unknown[0]}'{did_you_mean(unknown[0], allowed)} (allowed here: {names})"
        case "required":
            missing = [key for key in rule if key not in error.instance]
            return f"the key '{missing[0]}' is missing"
        case "enum":
            return f"found {found}, allowed: {listing(rule)}{did_you_mean(error.instance, map(str, rule))}"
        case "type":
            kinds = {
                "object": "keys and values",
                "array": "a list",
                "string": "text",
                "boolean": "true or false",
                "integer": "a whole number",
                "number": "a number",
                "null": "nothing",
            }
            rule = [rule] if isinstance(rule, str) else rule
            expected = " or ".join(kinds[kind] for kind in rule)
            return f"found {found}, expected {expected}{_way_to_write(error.instance, rule)}"
        case "minimum" | "exclusiveMinimum" | "maximum" | "exclusiveMaximum":
            words = {
                "minimum": "at least",
                "exclusiveMinimum": "more than",
                "maximum": "at most",
                "exclusiveMaximum": "less than",
            }
            return f"found {found}, must be {words[error.validator]} {rule}"
        case "minProperties":
            return "found nothing, expected at least one entry"
        case "minItems" | "maxItems" if error.schema.get("minItems") == error.schema.get("maxItems"):
            return f"found {found} of {len(error.instance)}, expected {rule} values"
        case "minItems" if not error.instance:
            return "the list is empty"
        case "minItems" | "maxItems":
            bound = "at least" if error.validator == "minItems" else "at most"
            return f"found {found} of {len(error.instance)}, must have {bound} {rule}"
        case "maxLength":
            return f"found {found}, longer than {rule} characters"
        case "minLength":
            return "the text is empty"
        case "uniqueItems":
            twice = next(entry for i, entry in enumerate(error.instance) if entry in error.instance[:i])
            return f"found {quoted(twice)} twice, expected once"
        case "pattern" if error.schema.get("pattern", "").endswith(r"%\s*$"):
            hint = _way_to_write(error.instance, ["integer"])
            return f"found {found}, expected a count such as 500 or a share such as 5%{hint}"
        case "pattern" if error.schema.get("pattern", "").startswith(r"^[^\W\d]"):
            return f"found {found}, expected a path such as my_models.Wide: names joined by dots"
        case "pattern" if error.schema.get("pattern", "").startswith("^(white"):
            return f"found {found}, allowed: white, black, grey, none, or a colour such as '#3366cc'"
        case "pattern":
            return f"found {found}; use only letters, digits, '.' and '-', and start with a letter or digit"
        case "oneOf":
            alternatives = _alternatives(error)
            kinds = [kind for kind, word in (("integer", "a count"), ("array", "a list")) if word in alternatives]
            return f"found {found}, expected one of: {alternatives}{_way_to_write(error.instance, kinds)}"
        case _:
            return error.message


def _way_to_write(value: object, kinds: list[str]) -> str:
    """Return how a value is written so that it is one of the kinds, where that is likely what was meant."""
    numeric = {"integer", "number"} & set(kinds)
    match value:
        case int() | float() | None if "string" in kinds and not numeric:
            return "; put it in quotes to make it a text" if value is not None else ""
        case float() if "integer" in kinds and value.is_integer():
            return f"; write {int(value)}"
        case str() | int() | float() if "array" in kinds and not numeric:
            return f"; write [{shortened(str(value))}]"
        case str() if numeric and _is_number(value.replace(",", ".", 1)):
            return "; write decimals with a point" if "," in value else "; write it without quotes"
        case str() if "boolean" in kinds and value.lower() in ("yes", "no", "on", "off"):
            return "; write true or false"
    return ""


def _is_number(text: str) -> bool:
    try:
        return math.isfinite(float(text))
    except ValueError:
        return False


def _alternatives(error: ValidationError) -> str:
    """Describe the alternatives of a failed `oneOf`."""
    names = {"array": "a list", "object": "keys and values", "integer": "a count", "string": "a share such as 5%"}
    alternatives = []
    for context in error.context:
        if context.validator == "const":
            alternatives.append(f"'{context.validator_value}'")
        elif context.validator == "type":
            plain = context.validator_value == "string" and "pattern" not in context.schema
            alternatives.append("a name" if plain else names[context.validator_value])
        elif context.validator == "oneOf":
            alternatives.append(_alternatives(context))
    return ", ".join(dict.fromkeys(alternatives))


def resolve_reference(schema: dict, root: dict) -> dict:
    """Return `schema` with its `$ref` filled in. Its own keywords take precedence."""
    return {**root["$defs"][schema["$ref"].rsplit("/", 1)[1]], **schema} if "$ref" in schema else schema


def with_defaults(value: object, schema: dict, root: dict) -> object:
    """Return a valid `value` completed with the defaults of `schema`, a part of `root`."""
    schema = resolve_reference(schema, root)
    if "named" in schema:
        name, options = split_choice(schema, value)
        return {"name": name, **with_defaults(options, schema["named"][name], root)}
    if isinstance(value, list) and "items" in schema:
        return [with_defaults(item, schema["items"], root) for item in value]
    if not isinstance(value, dict):
        return value
    for form in schema.get("oneOf", []):
        value = with_defaults(value, form, root)
    filled = dict(value)
    for key, part in schema.get("properties", {}).items():
        part = resolve_reference(part, root)
        if key in filled or "default" in part:
            filled[key] = with_defaults(filled.get(key, part.get("default")), part, root)
    return filled
