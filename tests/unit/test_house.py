"""The layout of the library: imports go one way between files and between folders, and the Snakefile's are light."""

import ast
import subprocess
import sys
from collections import defaultdict
from graphlib import CycleError, TopologicalSorter

import pytest
from support import ROOT

from trainsize.common.fingerprint import LIBRARY, SCRIPTS, imported_names

HEAVY = ("numpy", "pandas", "torch", "pyarrow", "scipy", "matplotlib", "PIL", "sklearn", "statsmodels")
LONGEST = 400  # lines of a module


def module_of(path) -> str:
    return ".".join(path.relative_to(SCRIPTS).with_suffix("").parts)


@pytest.fixture(scope="module")
def arrows() -> dict[str, set[str]]:
    """Return for every module those of the library that it imports."""
    files = {module_of(path): path for path in LIBRARY.rglob("*.py")}
    return {
        module: {name if name in files else name.rpartition(".")[0] for name in imported_names(path)}
        for module, path in files.items()
    }


def folder_of(module: str) -> str:
    """Return the folder in which a module stands; of a command, its own name."""
    return module.split(".")[1]


def test_no_file_imports_itself_on_a_way_round(arrows):
    assert_one_way(arrows)


def test_no_folder_imports_itself_on_a_way_round(arrows):
    folders = defaultdict(set)
    for module, names in arrows.items():
        if module != "trainsize.__init__":
            folders[folder_of(module)] |= {folder_of(name) for name in names} - {folder_of(module)}
    assert_one_way(folders)


def assert_one_way(arrows):
    try:
        list(TopologicalSorter(arrows).static_order())
    except CycleError as error:
        pytest.fail(" imports ".join(reversed(error.args[1])))


def test_only_commands_import_commands(arrows):
    """What lies in a folder is used by commands, and uses none."""
    commands = {module_of(path) for path in LIBRARY.glob("*.py")}
    for module, names in arrows.items():
        assert module in commands or not names & commands, module
        assert not {name for name in names if name.endswith(".__main__")}, module


def test_every_stage_has_its_rule_script_folder_and_door():
    stages = {path.stem for path in (ROOT / "workflow" / "rules").glob("*.smk")} - {"common", "library"}
    assert len(stages) == 11
    for stage in stages:
        assert (SCRIPTS / f"{stage}.py").is_file(), stage
        assert (LIBRARY / stage / "stage.py").is_file(), stage


def test_modules_are_short():
    assert [path for path in LIBRARY.rglob("*.py") if len(path.read_text().splitlines()) > LONGEST] == []


def test_what_the_snakefile_imports_is_light():
    """Every cluster job reads the Snakefile again, and must not wait."""
    rules = "\n".join((ROOT / "workflow" / "rules" / f"{name}.smk").read_text() for name in ("library", "common"))
    lines = [line for line in rules.splitlines() if line.startswith("from trainsize.")]
    assert len(lines) > 5
    assert ast.parse("\n".join(lines))
    program = "\n".join(["import sys", *lines, f"print([name for name in {HEAVY} if name in sys.modules])"])
    done = subprocess.run([sys.executable, "-c", program], cwd=SCRIPTS, capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_a_command_starts_after_all_its_functions():
    """Behind `if __name__ == "__main__"`, a function would be missing when the module runs as a command."""
    for path in [*LIBRARY.rglob("*.py"), *SCRIPTS.glob("*.py")]:
        for statement in ast.parse(path.read_text()).body[:-1]:
            assert not (isinstance(statement, ast.If) and "__name__" in ast.unparse(statement.test)), path
