"""YAML files, read with messages that name the line, and refused where no schema need look at them."""

import re
from pathlib import Path
from typing import ClassVar

import yaml

from trainsize.common.errors import UserError, near

MOST_VALUES, DEEPEST = 100_000, 20
_UNFIT = re.compile(r"[\x00-\x08\x0b-\x1f\x7f\ud800-\udfff]")


class _Loader(yaml.SafeLoader):
    """YAML as people write it, by the rules of YAML 1.2: `1e-3` is a number, `0100` a hundred and `no` a text.

    Keys are texts, and one given twice is an error.
    """

    yaml_implicit_resolvers: ClassVar = {
        first: [(tag, pattern) for tag, pattern in resolvers if tag.rpartition(":")[2] not in ("bool", "int", "float")]
        for first, resolvers in yaml.SafeLoader.yaml_implicit_resolvers.items()
    }

    def construct_mapping(self, node, deep=False):
        keys = [self.construct_object(key, deep=True) for key, _ in node.value if key.tag != "tag:yaml.org,2002:merge"]
        for key in keys:
            if not isinstance(key, str):
                raise yaml.constructor.ConstructorError(None, None, f"the key '{key}' needs quotes", node.start_mark)
            if keys.count(key) > 1:
                raise yaml.constructor.ConstructorError(None, None, f"the key '{key}' stands twice", node.start_mark)
        return super().construct_mapping(node, deep)


for _tag, _pattern, _first in (
    ("bool", r"^(?:true|True|TRUE|false|False|FALSE)$", "tTfF"),
    ("int", r"^[-+]?\d[\d_]*$", "-+0123456789"),
    ("float", r"^[-+]?(?:(?:\d+\.\d*|\.\d+|\d+)(?:[eE][-+]?\d+)?|\.inf)$|^\.nan$", "-+.0123456789"),
):
    _Loader.add_implicit_resolver(f"tag:yaml.org,2002:{_tag}", re.compile(_pattern), list(_first))
_Loader.add_constructor("tag:yaml.org,2002:int", lambda loader, node: int(loader.construct_scalar(node)))


def read_yaml(path: Path) -> dict:
    """Read a YAML mapping. Raises UserError naming the file, and the line where YAML can tell."""
    try:
        value = yaml.load(path.read_text(encoding="utf-8"), _Loader)
    except (OSError, UnicodeDecodeError) as error:
        raise UserError(f"{near(path)}: cannot be read ({error})") from error
    except RecursionError:
        raise UserError(f"{near(path)}: not a study: its lists and mappings lie too deep in each other") from None
    except (yaml.YAMLError, TypeError, ValueError) as error:
        mark = getattr(error, "problem_mark", None)
        place = f", line {mark.line + 1}" if mark else ""
        raise UserError(f"{near(path)}{place}: not valid YAML: {getattr(error, 'problem', None) or error}") from error
    if not isinstance(value, dict):
        raise UserError(f"{near(path)}: found {shown(value)}, expected keys and values")
    if message := unfit(value):
        raise UserError(f"{near(path)}: {message}")
    return value


def unfit(value: object) -> str:
    """Return why no schema needs to look at `value`, or nothing: too many values, or a text that no file can hold.

    Values that are repeated by an anchor count as often as they stand somewhere, so that a few lines cannot fill the
    memory, nor a mapping hold itself.
    """
    waiting, seen = [((), value)], 0
    while waiting:
        keys, value = waiting.pop()
        seen += 1
        if seen > MOST_VALUES or len(keys) > DEEPEST:
            many = f"more than {MOST_VALUES:,} values, those repeated by anchors counted each time"
            return many if seen > MOST_VALUES else f"its lists and mappings lie more than {DEEPEST} deep in each other"
        parts = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
        texts = [text for text in (value, *(value if isinstance(value, dict) else ())) if isinstance(text, str)]
        if any(_UNFIT.search(text) for text in texts):
            return f"{'.'.join(map(repr, keys)) or 'a key'}: holds a control character, or half of a Unicode character"
        waiting += [((*keys, key), part) for key, part in parts]
    return ""


def shown(value: object) -> str:
    """Return what the user wrote, short, with its kind where that may be the mistake."""
    kinds = {str: "text", dict: "a mapping", list: "a list", bool: "true/false", type(None): "nothing"}
    if type(value) not in kinds:
        return str(value)
    text = str(value)
    return f"'{text if len(text) <= 60 else text[:60] + '…'}' ({kinds[type(value)]})"
