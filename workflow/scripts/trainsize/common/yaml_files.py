"""YAML files: errors name the line, and files that no schema could accept are rejected first."""

import re
from pathlib import Path
from typing import ClassVar

import yaml

from trainsize.common.errors import UserError, short_path, unreadable

# What helps with an error of YAML, by a part of its words.
_HINTS = {
    "mapping values are not allowed": "; put a text with a colon in quotes, and keys of one mapping in one column",
    "cannot start any token": "; put a text that begins with this sign in quotes, and indent with spaces, not tabs",
    "needs quotes": "; write decimals with a point, and a key that is a number in quotes",
    "expected the node content": "; a bracket or brace is not closed",
    "unexpected end of stream": "; a quote is not closed",
    "expected ',' or": "; a bracket or brace is not closed, or a comma is missing",
}
MAX_VALUES, MAX_DEPTH = 100_000, 20
_UNPRINTABLE = re.compile(r"[\x00-\x08\x0b-\x1f\x7f\ud800-\udfff]")


_KINDS = {"int": "a whole number", "float": "a number", "bool": "true or false"}
_OF_1_1 = ("bool", "int", "float", "timestamp")  # what the loader below reads in another way


class _Loader(yaml.SafeLoader):
    """YAML by the rules of version 1.2: `1e-3` is a number, `0100` is one hundred, `no` and `2024-01-31` are text.

    Keys are text, and a duplicate key is an error. The lists of some keys hold names: what looks like a number, a date
    or true in them is text, as it is written.
    """

    lists_of_names: ClassVar = ("classes",)

    yaml_implicit_resolvers: ClassVar = {
        first: [(tag, pattern) for tag, pattern in resolvers if tag.rpartition(":")[2] not in _OF_1_1]
        for first, resolvers in yaml.SafeLoader.yaml_implicit_resolvers.items()
    }

    def construct_mapping(self, node, deep=False):
        node.value = [(key, _names(value) if key.value in self.lists_of_names else value) for key, value in node.value]
        lines: dict[str, int] = {}
        own = (key for key, _ in node.value if key.tag != "tag:yaml.org,2002:merge")
        for key_node in own:
            key = self.construct_object(key_node, deep=True)
            if not isinstance(key, str):
                problem = f"the key '{key}' needs quotes"
                raise yaml.constructor.ConstructorError(None, None, problem, key_node.start_mark)
            if key in lines:
                problem = f"the key '{key}' appears twice, first in line {lines[key]}"
                raise yaml.constructor.ConstructorError(None, None, problem, key_node.start_mark)
            lines[key] = key_node.start_mark.line + 1
        return super().construct_mapping(node, deep)

    def construct_object(self, node, deep=False):
        """Return the value of a node. What fails names its line: a tag such as !!int that its text does not fit."""
        try:
            return super().construct_object(node, deep)
        except (KeyError, TypeError, ValueError, AttributeError, IndexError) as error:
            kind = node.tag.rpartition(":")[2]
            problem = f"'{shortened(str(node.value), 30)}' cannot be read as {_KINDS.get(kind, f'!!{kind}')}"
            raise yaml.constructor.ConstructorError(None, None, problem, node.start_mark) from error


def _names(node: yaml.Node) -> yaml.Node:
    """Return the node of a list of names with its entries as text; empty entries and other nodes stay as they are."""
    if not isinstance(node, yaml.SequenceNode):
        return node
    entries = [_text(entry) if isinstance(entry, yaml.ScalarNode) and entry.value else entry for entry in node.value]
    return yaml.SequenceNode(node.tag, entries, node.start_mark, node.end_mark)


def _text(node: yaml.ScalarNode) -> yaml.ScalarNode:
    return yaml.ScalarNode("tag:yaml.org,2002:str", node.value, node.start_mark, node.end_mark, node.style)


for _tag, _pattern, _first in (
    ("bool", r"^(?:true|True|TRUE|false|False|FALSE)$", "tTfF"),
    ("int", r"^[-+]?\d[\d_]*$", "-+0123456789"),
    ("float", r"^[-+]?(?:(?:\d+\.\d*|\.\d+|\d+)(?:[eE][-+]?\d+)?|\.inf)$|^\.nan$", "-+.0123456789"),
):
    _Loader.add_implicit_resolver(f"tag:yaml.org,2002:{_tag}", re.compile(_pattern), list(_first))
_Loader.add_constructor("tag:yaml.org,2002:int", lambda loader, node: int(loader.construct_scalar(node)))


def read_yaml(path: Path) -> dict:
    """Read a YAML mapping. Raises UserError naming the file, and the line if YAML knows it."""
    try:
        value = yaml.load(path.read_text(encoding="utf-8"), _Loader)
    except (OSError, UnicodeDecodeError) as error:
        raise unreadable(short_path(path), error) from error
    except RecursionError:
        raise UserError(f"{short_path(path)}: not a study: its lists and mappings are nested too deeply") from None
    except yaml.YAMLError as error:
        raise UserError(_told(path, error)) from error
    if not isinstance(value, dict):
        raise UserError(f"{short_path(path)}: found {quoted(value)}, expected keys and values")
    if message := unacceptable(value):
        raise UserError(f"{short_path(path)}: {message}")
    return value


def _told(path: Path, error: yaml.YAMLError) -> str:
    """Return the message for a file that is not valid YAML: with the line as it is written, and what often helps."""
    mark, problem = getattr(error, "problem_mark", None), getattr(error, "problem", None) or str(error)
    if mark is None:
        return f"{short_path(path)}: not valid YAML: {problem}"
    lines = path.read_text(encoding="utf-8").splitlines()
    written = lines[mark.line].strip() if mark.line < len(lines) else ""
    hint = next((hint for part, hint in _HINTS.items() if part in problem), "")
    found = f" in '{shortened(written)}'" if written else " (the end of the file)"
    begun = getattr(error, "context_mark", None)
    if begun is not None and begun.line < mark.line:
        found += f"; what it belongs to begins in line {begun.line + 1}"
    return f"{short_path(path)}, line {mark.line + 1}: not valid YAML: {problem}{found}{hint}"


def shortened(text: str, most: int = 60) -> str:
    """Return a text with at most so many characters."""
    return text if len(text) <= most else f"{text[:most]}…"


def unacceptable(value: object) -> str:
    """Return why no schema could accept `value`, or "": too many values, nested too deeply, or unprintable text.

    Values repeated by an anchor count each time, so a few lines cannot fill the memory, nor a mapping contain itself.
    """
    waiting, seen = [((), value)], 0
    while waiting:
        keys, value = waiting.pop()
        seen += 1
        if seen > MAX_VALUES or len(keys) > MAX_DEPTH:
            many = f"more than {MAX_VALUES:,} values, counting each repetition by an anchor"
            return many if seen > MAX_VALUES else f"its lists and mappings are nested more than {MAX_DEPTH} deep"
        parts = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
        texts = [text for text in (value, *(value if isinstance(value, dict) else ())) if isinstance(text, str)]
        if any(_UNPRINTABLE.search(text) for text in texts):
            return f"{'.'.join(map(repr, keys)) or 'a key'}: contains a control character or half a Unicode character"
        waiting += [((*keys, key), part) for key, part in parts]
    return ""


def quoted(value: object) -> str:
    """Return what the user wrote, shortened, with its type where that may be the mistake."""
    match value:
        case None:
            return "nothing"
        case bool():
            return f"{str(value).lower()} (true/false)"
        case str() | dict() | list():
            kinds = {str: "text", dict: "a mapping", list: "a list"}
            return f"'{shortened(str(value))}' ({kinds[type(value)]})"
        case _:
            return str(value)
