"""Fingerprints of code by meaning: comments, docstrings and layout do not count.

Snakemake compares the fingerprint as a rule's parameter, so an edit that can change a result makes
that stage's results stale, and a touched file or a reworded comment does not.
"""

import ast
from collections.abc import Iterable, Iterator
from functools import cache
from pathlib import Path

from trainsize.files import digest

PACKAGE = "trainsize"
LIBRARY = Path(__file__).resolve().parent
SCRIPTS = LIBRARY.parent

# Modules that carry results or describe them, but do not determine any number or picture.
CARRIERS = frozenset(
    {
        "deadline",
        "errors",
        "files",
        "fingerprint",
        "job",
        "lock",
        "progress",
        "provenance",
        "record",
        "runs",
        "slurm",
        "staging",
        "tables",
    }
)


def fingerprint(stage: str, *assets: str, scripts: Path = SCRIPTS) -> str:
    """Return the fingerprint of a stage's script, of every library module it imports, and of `assets`.

    Assets are files of the library that are no Python, such as a template; they count as they are. Raises
    FileNotFoundError for a stage without a script.
    """
    modules = sorted(_reached(scripts / f"{stage}.py", scripts))
    texts = [(scripts / PACKAGE / name).read_text(encoding="utf-8") for name in assets]
    return digest(*(f"{path.name}:{meaning(path)}" for path in modules), *texts)


def _reached(script: Path, scripts: Path) -> set[Path]:
    """Return `script` and the library modules it imports, directly or not, without the carriers."""
    found, waiting = set(), [script]
    while waiting:
        path = waiting.pop()
        if path in found:
            continue
        found.add(path)
        names = _imports(path)
        waiting += [scripts / PACKAGE / f"{name}.py" for name in names if name not in CARRIERS]
    return found


@cache
def _tree(path: Path) -> ast.Module:
    return ast.parse(path.read_text(encoding="utf-8"), filename=str(path))


def _imports(path: Path) -> Iterator[str]:
    """Yield the names of the library's modules that the file imports, wherever in it."""
    for node in ast.walk(_tree(path)):
        if isinstance(node, ast.ImportFrom) and node.module == PACKAGE:
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and (node.module or "").startswith(f"{PACKAGE}."):
            yield node.module.split(".")[1]
        elif isinstance(node, ast.Import):
            yield from (a.name.split(".")[1] for a in node.names if a.name.startswith(f"{PACKAGE}."))


@cache
def meaning(path: Path) -> str:
    """Return a spelling of the file's syntax tree."""
    return spelled(_tree(path))


def spelled(node: object) -> str:
    """Return a spelling of a syntax tree that is the same on every Python version.

    `ast.dump` is not: newer versions add fields and leave out empty ones, so both are dropped here.
    """
    if isinstance(node, ast.AST):
        fields = ((name, value) for name, value in ast.iter_fields(node) if name not in ("kind", "type_comment"))
        if isinstance(node, (ast.Module, ast.ClassDef, ast.FunctionDef, ast.AsyncFunctionDef)):
            fields = _without_docstring(fields)
        parts = ((name, spelled(value)) for name, value in fields)
        return f"{type(node).__name__}({','.join(f'{name}={text}' for name, text in parts if text)})"
    if isinstance(node, list):
        return f"[{','.join(map(spelled, node))}]" if node else ""
    return "" if node is None else repr(node)


def _without_docstring(fields: Iterable[tuple[str, object]]) -> Iterator[tuple[str, object]]:
    for name, value in fields:
        if name == "body" and value and _is_docstring(value[0]):
            value = value[1:]
        yield name, value


def _is_docstring(statement: ast.stmt) -> bool:
    return (
        isinstance(statement, ast.Expr)
        and isinstance(statement.value, ast.Constant)
        and isinstance(statement.value.value, str)
    )
