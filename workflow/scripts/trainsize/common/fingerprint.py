"""Fingerprints of code by meaning: what a stage's script does, wherever its parts lie.

Snakemake compares the fingerprint as a rule's parameter, so an edit that can change a result makes that stage's results
stale. A fingerprint covers the definitions (functions, classes, constants) that the script uses, directly or not, and
no others of their files. In it a definition goes by the order in which it is met and not by its name or file. So
definitions and files can be moved, renamed, split and merged, and comments, docstrings, type hints of functions and
layout be reworded: nothing becomes stale.
"""

import ast
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path

from trainsize.common.files import digest

PACKAGE = "trainsize"
LIBRARY = Path(__file__).resolve().parents[1]
SCRIPTS = LIBRARY.parent

# Folders and modules that carry or describe results, but determine no number and no picture. The definitions in them
# count by their names alone.
SUPPORT = ("common", "jobs", "runs.record", "runs.run")
SUPPORT_NAMES = ("tables",)  # the columns of a stage's tables, in any folder

# Which definition: the dotted name of its module below the scripts, and its name there. EFFECTS stands for the
# statements of a module that define nothing, such as a call; EVERYTHING for all its statements.
Key = tuple[str, str]
EFFECTS, EVERYTHING = "", "*"

# What a name in a file stands for: a definition of ours, or something imported from elsewhere ("numpy.log").
Binding = Key | str
REFERENCE = "\0"  # stands for a definition of ours in a canonical text

_NAMED = (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)
_OWN_SCOPE = (*_NAMED, ast.Lambda, ast.ListComp, ast.SetComp, ast.DictComp, ast.GeneratorExp)
_UNCOUNTED = {"kind", "type_comment", "returns"}  # fields of syntax trees


@dataclass
class Module:
    """A file of ours: its top-level statements by what they define, and what its imported names stand for."""

    definitions: dict[str, list[ast.stmt]] = field(default_factory=dict)
    imports: dict[str, Binding] = field(default_factory=dict)


def fingerprint(stage: str, *assets: str, scripts: Path = SCRIPTS) -> str:
    """Return the fingerprint of a stage's script, of every definition of ours that it uses, and of `assets`.

    Assets are files of the library that are no Python, such as a template; they count as they are. Raises
    FileNotFoundError for a stage without a script, and ValueError for an import that cannot be followed.
    """
    keys = {key: f"#{number}" for number, key in enumerate(_reached(scripts, stage))}
    parts = []
    for key in keys:
        text, references = _definition(scripts, key)
        start, *words = text.split(REFERENCE)
        parts.append(start + "".join(keys[of] + word for of, word in zip(references, words, strict=True)))
    return digest(*parts, *((scripts / PACKAGE / asset).read_text(encoding="utf-8") for asset in assets))


def modules(stage: str, scripts: Path = SCRIPTS) -> set[str]:
    """Return the dotted names of the modules in which the definitions stand that a stage's fingerprint covers."""
    return {module for module, _ in _reached(scripts, stage)}


def _reached(scripts: Path, stage: str) -> list[Key]:
    """Return the definitions that a stage's script uses, directly or not, in the order in which they are met."""
    found = {(stage, EVERYTHING): None}
    waiting = list(found)
    for key in waiting:  # which grows
        module, _ = key
        effects = [(module, EFFECTS)] if EFFECTS in _module(scripts, module).definitions else []
        new = [k for k in dict.fromkeys((*_definition(scripts, key)[1], *effects)) if k not in found]
        found |= dict.fromkeys(new)
        waiting += new
    return waiting


def imported(path: Path) -> set[str]:
    """Return the dotted names that a file of ours imports from the library, wherever in it."""
    tree = ast.parse(path.read_text(encoding="utf-8"), filename=str(path))
    return {f"{node.module}.{alias.name}" for node, alias in _imports(tree, path) if _is_ours(node)}


@cache
def _module(scripts: Path, name: str) -> Module:
    """Read the module with that dotted name below `scripts`."""
    path = _file(scripts, name)
    tree = ast.parse(path.read_text(encoding="utf-8"), filename=str(path))
    module = Module()
    for node, alias in _imports(tree, path):
        module.imports[alias.asname or alias.name.partition(".")[0]] = _binding(scripts, node, alias)
    for statement in tree.body:
        if not isinstance(statement, (ast.Import, ast.ImportFrom)) and not _is_docstring(statement):
            for name in _defined_by(statement):
                module.definitions.setdefault(name, []).append(statement)
    return module


def _file(scripts: Path, name: str) -> Path:
    folder = scripts / name.replace(".", "/")
    return folder / "__init__.py" if folder.is_dir() else folder.with_suffix(".py")


def _imports(tree: ast.Module, path: Path) -> Iterator[tuple[ast.Import | ast.ImportFrom, ast.alias]]:
    """Yield the imports of a file, wherever in it. Raises ValueError for one that does not say what it imports."""
    for node in ast.walk(tree):
        if not isinstance(node, (ast.Import, ast.ImportFrom)):
            continue
        for alias in node.names:
            ours = isinstance(node, ast.Import) and alias.name.partition(".")[0] == PACKAGE
            if ours or getattr(node, "level", 0) or alias.name == "*":
                raise ValueError(f"{path}, line {node.lineno}: write this import as `from {PACKAGE}.… import NAME`")
            yield node, alias


def _is_ours(node: ast.AST) -> bool:
    return isinstance(node, ast.ImportFrom) and (node.module or "").partition(".")[0] == PACKAGE


def _binding(scripts: Path, node: ast.Import | ast.ImportFrom, alias: ast.alias) -> Binding:
    """Return what an import binds: a definition of ours, a module of ours as everything in it, or what is not ours."""
    if not _is_ours(node):
        start = f"{node.module}." if isinstance(node, ast.ImportFrom) else ""
        return start + (alias.name if start or alias.asname else alias.name.partition(".")[0])
    if _file(scripts, module := f"{node.module}.{alias.name}").is_file():
        return module, EVERYTHING
    return node.module, alias.name


def _defined_by(statement: ast.stmt) -> list[str]:
    """Return the names that a top-level statement defines, and EFFECTS where it does more, or something else."""
    match statement:
        case ast.FunctionDef(name=name) | ast.AsyncFunctionDef(name=name) | ast.ClassDef(name=name):
            return [name]
        case ast.Assign(targets=targets):
            return [name for target in targets for name in _stored(target)] or [EFFECTS]
        case ast.AnnAssign(target=target):
            return list(_stored(target)) or [EFFECTS]
    return [*_stored(statement), EFFECTS]


def _stored(node: ast.AST) -> Iterator[str]:
    """Yield the names that a statement or a target assigns to in the scope it stands in."""
    if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store):
        yield node.id
    elif not isinstance(node, _OWN_SCOPE):
        for child in ast.iter_child_nodes(node):
            yield from _stored(child)


def _found(scripts: Path, key: Key) -> Key:
    """Return where a definition stands that a module may itself have imported."""
    module, name = key
    binding = _module(scripts, module).imports.get(name)
    return _found(scripts, binding) if isinstance(binding, tuple) else key


def _is_support(module: str) -> bool:
    inside = module.removeprefix(f"{PACKAGE}.")
    return inside.rpartition(".")[2] in SUPPORT_NAMES or any(
        inside == name or inside.startswith(f"{name}.") for name in SUPPORT
    )


@cache
def _definition(scripts: Path, key: Key) -> tuple[str, tuple[Key, ...]]:
    """Return a definition as canonical text, and the definitions of ours that its REFERENCEs stand for, in order."""
    module, name = key
    source = _module(scripts, module)
    if name == EVERYTHING:
        names = [defined for defined in source.definitions if defined != EFFECTS]
        return REFERENCE * len(names), tuple((module, defined) for defined in names)
    references: list[Key] = []

    def meant(name: str, attribute: str | None = None) -> str | None:
        """Return the text that stands for a name, or a module's attribute; None where it is the name itself."""
        binding = source.imports.get(name) or ((module, name) if name in source.definitions else None)
        if binding is None or isinstance(binding, str):
            return None if attribute else binding
        if attribute and binding[1] != EVERYTHING:
            return None
        of_module, of_name = _found(scripts, (binding[0], attribute or binding[1]))
        if _is_support(of_module):
            return of_name
        references.append((of_module, of_name))
        return REFERENCE

    statements = [_nameless(statement) for statement in source.definitions.get(name, [])]
    return canonical(statements, meant), tuple(references)


def _nameless(statement: ast.stmt) -> ast.stmt:
    """Return a function or class without its name, which does not count."""
    if not isinstance(statement, _NAMED):
        return statement
    return type(statement)(**{**dict(ast.iter_fields(statement)), "name": None})


def canonical(node: object, meant=lambda name, attribute=None: None) -> str:
    """Return a syntax tree as text that is the same on every Python version.

    `ast.dump` is not: newer versions add fields and leave out empty ones, so both are dropped here. `meant(name)` and
    `meant(name, attribute)` may return what stands for a name, and for a name's attribute.
    """
    if isinstance(node, ast.Name) and (text := meant(node.id)) is not None:
        return text
    if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name):
        text = meant(node.value.id, node.attr)
        if text is not None:
            return text
    if isinstance(node, ast.AST):
        parts = ((name, canonical(value, meant)) for name, value in _counting_fields(node))
        return f"{type(node).__name__}({','.join(f'{name}={text}' for name, text in parts if text)})"
    if isinstance(node, list):
        parts = (canonical(part, meant) for part in node if not _is_ours(part))
        return f"[{','.join(parts)}]" if node else ""
    return "" if node is None else repr(node)


def _counting_fields(node: ast.AST) -> Iterator[tuple[str, object]]:
    """Yield the fields of a node that have a meaning for what it computes."""
    for name, value in ast.iter_fields(node):
        if name in _UNCOUNTED or (name == "annotation" and isinstance(node, ast.arg)):
            continue
        if name == "body" and isinstance(node, (ast.Module, *_NAMED)) and value and _is_docstring(value[0]):
            value = value[1:]
        yield name, value


def _is_docstring(statement: ast.stmt) -> bool:
    return (
        isinstance(statement, ast.Expr)
        and isinstance(statement.value, ast.Constant)
        and isinstance(statement.value.value, str)
    )
