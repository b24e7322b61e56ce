"""The user's own networks, by import path: `my_models.Wide` is the class `Wide` in `my_models.py`.

The path starts in the folder that snakemake is called from. The file is fingerprinted like the library's own code: an
edit makes the runs of its models stale, a reworded comment does not. So are the files of the user that it imports,
directly or not. Files that the network's options name, such as pretrained weights, count by their content.
"""

import ast
import importlib.util
import sys
from collections.abc import Callable, Iterator
from contextlib import suppress
from itertools import product
from pathlib import Path

from trainsize.common.errors import UserError, did_you_mean, listing
from trainsize.common.files import digest, file_hash
from trainsize.common.fingerprint import canonical


def source(path: str, folder: Path) -> tuple[Path, ast.Module]:
    """Return the file that `path` names below `folder`, and its syntax tree.

    Raises UserError when there is no such file, it is not valid Python, or it does not define the name.
    """
    module, _, name = path.rpartition(".")
    file = folder / f"{module.replace('.', '/')}.py"
    if not module or not file.is_file():
        raise UserError(
            f"found '{path}', but there is no file {file.name if module else path + '.py'} in {file.parent}"
        )
    tree = _parsed(path, file)
    names = [node.name for node in tree.body if isinstance(node, (ast.ClassDef, ast.FunctionDef))]
    if name not in names:
        raise UserError(
            f"found '{path}', allowed from {file.name}: {listing(names) or 'none'}{did_you_mean(name, names)}"
        )
    return file, tree


def _parsed(path: str, file: Path) -> ast.Module:
    try:
        return ast.parse(file.read_text(encoding="utf-8"))
    except (SyntaxError, ValueError) as error:
        raise UserError(f"found '{path}', but {file} is not valid Python: {error}") from error


def code(path: str, folder: Path, options: dict | None = None) -> str:
    """Return the fingerprint of the file that `path` names, of those that it needs, and of those in the options.

    Raises UserError as `source` does, also for the files that it imports.
    """
    file, tree = source(path, folder)
    trees = {file.resolve(): tree}
    queue = [file]
    for importing in queue:  # the loop extends the queue
        for imported in _imported(importing, trees[importing.resolve()], folder):
            if imported.resolve() not in trees:
                trees[imported.resolve()] = _parsed(path, imported)
                queue.append(imported)
    return digest(*map(canonical, trees.values()), *(file_hash(file, "sha256") for file in _named(options, folder)))


def _imported(file: Path, tree: ast.Module, folder: Path) -> Iterator[Path]:
    """Yield the user's files that a file imports: those beside it, or below `folder`."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            names, starts = [alias.name for alias in node.names], (file.parent, folder)
        elif isinstance(node, ast.ImportFrom):
            start = f"{node.module}." if node.module else ""
            names = [start + alias.name for alias in node.names]
            above = file.parents[min(node.level, len(file.parents)) - 1]
            starts = (above,) if node.level else (file.parent, folder)
        else:
            continue
        for name in names:
            parts = name.split(".")
            for start, count in product(starts, range(1, len(parts) + 1)):
                module = start.joinpath(*parts[:count])
                yield from (path for path in (module.with_suffix(".py"), module / "__init__.py") if path.is_file())


def _named(value: object, folder: Path) -> Iterator[Path]:
    """Yield the existing files that options name, in the order of their keys."""
    if isinstance(value, dict):
        value = [value[key] for key in sorted(value)]
    if isinstance(value, list):
        for part in value:
            yield from _named(part, folder)
    elif isinstance(value, str):
        with suppress(OSError, ValueError):  # a text that cannot be a path
            if (file := folder / value).is_file():
                yield file


def load(path: str, expected: str, folder: Path, options: dict | None = None) -> Callable:
    """Import the network that `path` names. Raises UserError when its fingerprint (`code`) is not the expected one."""
    file, _ = source(path, folder)
    if code(path, folder, options) != expected:
        raise UserError(f"{file}: changed since snakemake read it, or a file that it needs did; run snakemake again")
    module = importlib.util.module_from_spec(spec := importlib.util.spec_from_file_location(file.stem, file))
    sys.modules[file.stem] = module  # as an import statement does: the file's definitions look up their module
    spec.loader.exec_module(module)
    return getattr(module, path.rpartition(".")[2])
