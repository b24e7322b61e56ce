"""The user's own networks, by import path: `my_models.Wide` is the class `Wide` in `my_models.py`.

The path starts in the folder that snakemake is called from. The file is fingerprinted like the library's own code: an
edit makes the runs of its models stale, a reworded comment does not.
"""

import ast
import importlib.util
import sys
from collections.abc import Callable
from pathlib import Path

from trainsize.common.errors import UserError, did_you_mean, listing
from trainsize.common.files import digest
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
    try:
        tree = ast.parse(file.read_text(encoding="utf-8"))
    except (SyntaxError, UnicodeDecodeError) as error:
        raise UserError(f"found '{path}', but {file} is not valid Python: {error}") from error
    names = [node.name for node in tree.body if isinstance(node, (ast.ClassDef, ast.FunctionDef))]
    if name not in names:
        raise UserError(
            f"found '{path}', allowed from {file.name}: {listing(names) or 'none'}{did_you_mean(name, names)}"
        )
    return file, tree


def code(path: str, folder: Path) -> str:
    """Return the fingerprint of the file that `path` names."""
    return digest(canonical(source(path, folder)[1]))


def load(path: str, expected: str, folder: Path) -> Callable:
    """Import the network that `path` names. Raises UserError when the file's fingerprint is not the expected one."""
    file, tree = source(path, folder)
    if digest(canonical(tree)) != expected:
        raise UserError(f"{file}: changed since snakemake read it; run snakemake again")
    module = importlib.util.module_from_spec(spec := importlib.util.spec_from_file_location(file.stem, file))
    sys.modules[file.stem] = module  # as an import statement does: the file's definitions look up their module
    spec.loader.exec_module(module)
    return getattr(module, path.rpartition(".")[2])
