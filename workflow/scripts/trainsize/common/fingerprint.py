"""Fingerprints of code: what a stage's script does, wherever its parts are defined.

Snakemake compares the fingerprint as a rule's parameter, so an edit that can change a result makes that stage's results
stale. A fingerprint covers the definitions (functions, classes, constants) that the script uses, directly or not, and
nothing else in their files. A definition is identified by the order in which it is reached, not by its name or file. So
definitions and files can be moved, renamed, split and merged, and comments, docstrings, type hints of functions and
layout can change: nothing becomes stale.
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

# Folders and modules that store or describe results, but change no number and no figure. Only the names of their
# definitions count, not their content.
SUPPORT = ("common", "jobs", "runs.record", "runs.run")
SUPPORT_NAMES = ("tables",)  # the columns of a stage's tables, in any folder

# Identifies a definition: the dotted name of its module below the scripts, and its name in it. EFFECTS stands for the
# statements of a module that define nothing, such as a call, and EVERYTHING for all its statements.
Key = tuple[str, str]
EFFECTS, EVERYTHING = "", "*"

# What a name in a file refers to: a definition of ours, or an import from elsewhere ("numpy.log").
Binding = Key | str
REFERENCE = "\0"  # stands for a definition of ours in a canonical text

_NAMED = (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)
_OWN_SCOPE = (*_NAMED, ast.Lambda, ast.ListComp, ast.SetComp, ast.DictComp, ast.GeneratorExp)
_UNCOUNTED = {"kind", "type_comment", "returns"}  # fields of syntax trees


@dataclass
class Module:
    """A file of ours: its top-level statements by the names they define, and what its imported names refer to."""

    definitions: dict[str, list[ast.stmt]] = field(default_factory=dict)
    imports: dict[str, Binding] = field(default_factory=dict)


def fingerprint(stage: str, *assets: str, scripts: Path = SCRIPTS) -> str:
    """Return the fingerprint of a stage's script, of every definition of ours that it uses, and of `assets`.

    Assets are other files of the library, such as a template; their text counts unchanged. Raises
    FileNotFoundError for a stage without a script, and ValueError for an import that cannot be followed.
    """
    keys = {key: f"#{number}" for number, key in enumerate(reached(stage, scripts))}
    parts = []
    for key in keys:
        text, references = _definition(scripts, key)
        start, *words = text.split(REFERENCE)
        parts.append(start + "".join(keys[of] + word for of, word in zip(references, words, strict=True)))
    return digest(*parts, *((scripts / PACKAGE / asset).read_text(encoding="utf-8") for asset in assets))


def reached(stage: str, scripts: Path = SCRIPTS) -> list[Key]:
    """Return the definitions that a stage's fingerprint covers, in the order in which they are reached."""
    queue = [(stage, EVERYTHING)]
    seen = set(queue)
    for key in queue:  # the loop extends the queue
        module, _ = key
        effects = [(module, EFFECTS)] if EFFECTS in _module(scripts, module).definitions else []
        for used in (*_definition(scripts, key)[1], *effects):
            if used not in seen:
                seen.add(used)
                queue.append(used)
    return queue


def imported_names(path: Path) -> set[str]:
    """Return the dotted names that a file of ours imports from the library, at any level."""
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
            for defined in _defined_by(statement):
                module.definitions.setdefault(defined, []).append(statement)
    return module


def _file(scripts: Path, name: str) -> Path:
    folder = scripts / name.replace(".", "/")
    return folder / "__init__.py" if folder.is_dir() else folder.with_suffix(".py")


def _imports(tree: ast.Module, path: Path) -> Iterator[tuple[ast.Import | ast.ImportFrom, ast.alias]]:
    """Yield the imports of a file, at any level. Raises ValueError for one that does not name what it imports."""
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
    """Return what an import binds: a definition of ours, EVERYTHING in a module of ours, or a name that is not ours."""
    if not _is_ours(node):
        start = f"{node.module}." if isinstance(node, ast.ImportFrom) else ""
        return start + (alias.name if start or alias.asname else alias.name.partition(".")[0])
    if _file(scripts, module := f"{node.module}.{alias.name}").is_file():
        return module, EVERYTHING
    return node.module, alias.name


def _defined_by(statement: ast.stmt) -> list[str]:
    """Return the names that a top-level statement defines, and EFFECTS if it does anything else."""
    match statement:
        case ast.FunctionDef(name=name) | ast.AsyncFunctionDef(name=name) | ast.ClassDef(name=name):
            return [name]
        case ast.Assign(targets=targets):
            return [name for target in targets for name in _stored(target)] or [EFFECTS]
        case ast.AnnAssign(target=target):
            return list(_stored(target)) or [EFFECTS]
    return [*_stored(statement), EFFECTS]


def _stored(node: ast.AST) -> Iterator[str]:
    """Yield the names that a statement or a target assigns to in its own scope."""
    if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store):
        yield node.id
    elif not isinstance(node, _OWN_SCOPE):
        for child in ast.iter_child_nodes(node):
            yield from _stored(child)


def _origin(scripts: Path, key: Key) -> Key:
    """Return where a definition is written, following the imports of modules that import it themselves."""
    module, name = key
    binding = _module(scripts, module).imports.get(name)
    return _origin(scripts, binding) if isinstance(binding, tuple) else key


def is_support(module: str) -> bool:
    """Whether the module with that dotted name carries or describes results without determining them."""
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

    def replacement(name: str, attribute: str | None = None) -> str | None:
        """Return the text that replaces a name, or a module's attribute; None to keep the name."""
        binding = source.imports.get(name) or ((module, name) if name in source.definitions else None)
        if binding is None or isinstance(binding, str):
            return None if attribute else binding
        if attribute and binding[1] != EVERYTHING:
            return None
        of_module, of_name = _origin(scripts, (binding[0], attribute or binding[1]))
        if is_support(of_module):
            return of_name
        references.append((of_module, of_name))
        return REFERENCE

    statements = [_nameless(statement) for statement in source.definitions.get(name, [])]
    return canonical(statements, replacement), tuple(references)


def _nameless(statement: ast.stmt) -> ast.stmt:
    """Return a function or class without its name, which does not count."""
    if not isinstance(statement, _NAMED):
        return statement
    return type(statement)(**{**dict(ast.iter_fields(statement)), "name": None})


def canonical(node: object, replacement=lambda name, attribute=None: None) -> str:
    """Return a syntax tree as text that is the same on every Python version.

    `ast.dump` is not: newer versions add fields and omit empty ones, so both are dropped here. `replacement(name)` and
    `replacement(name, attribute)` may return the text that replaces a name, or a name's attribute.
    """
    if isinstance(node, ast.Name) and (text := replacement(node.id)) is not None:
        return text
    if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name):
        text = replacement(node.value.id, node.attr)
        if text is not None:
            return text
    if isinstance(node, ast.AST):
        parts = ((name, canonical(value, replacement)) for name, value in _counting_fields(node))
        return f"{type(node).__name__}({','.join(f'{name}={text}' for name, text in parts if text)})"
    if isinstance(node, list):
        parts = (canonical(part, replacement) for part in node if not _is_ours(part))
        return f"[{','.join(parts)}]" if node else ""
    return "" if node is None else repr(node)


def _counting_fields(node: ast.AST) -> Iterator[tuple[str, object]]:
    """Yield the fields of a node that affect what it computes."""
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
