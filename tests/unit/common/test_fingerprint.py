"""Fingerprints of code: what an edit makes stale, and what can be moved without a trace."""

import re
import shutil

import pytest

from trainsize.common.fingerprint import PACKAGE, SCRIPTS, fingerprint, reached

STAGES = ("training", "subsets", "overlap", "metrics", "regressions", "audit", "figures", "reproduction", "report")


@pytest.fixture
def scripts(tmp_path):
    """A copy of the scripts, to be changed."""
    shutil.copytree(SCRIPTS, tmp_path / "scripts", ignore=shutil.ignore_patterns("__pycache__"))
    return tmp_path / "scripts"


def edit(path, old, new):
    text = path.read_text()
    assert old in text
    path.write_text(text.replace(old, new))


def changed(scripts) -> set[str]:
    """Return the stages whose fingerprint in `scripts` is not that of this checkout."""
    return {stage for stage in STAGES if fingerprint(stage, scripts=scripts) != fingerprint(stage)}


def rename_imports(scripts, old, new):
    """Have every file import `new` for `old`, dotted names of modules or folders."""
    parent, _, name = old.rpartition(".")
    new_parent, _, new_name = new.rpartition(".")
    for path in scripts.rglob("*.py"):
        text = re.sub(rf"\bfrom {re.escape(old)}\b", f"from {new}", path.read_text())
        path.write_text(
            re.sub(rf"\bfrom {parent} import {name}\b", f"from {new_parent} import {new_name} as {name}", text)
        )


def test_a_moved_copy_has_the_same_fingerprints(scripts):
    assert changed(scripts) == set()


def test_comments_docstrings_type_hints_and_layout_do_not_count(scripts):
    path = scripts / "trainsize/training/networks.py"
    edit(path, '"""Return fully connected layers', '"""Return dense layers')
    edit(path, "    layers = []\n", "    # a remark\n\n    layers = [\n    ]\n")
    edit(path, "def mlp(shape: Shape, n_classes: int,", "def mlp(shape, n_classes,")
    assert changed(scripts) == set()


def test_moving_a_module_makes_nothing_stale(scripts):
    library = scripts / PACKAGE
    (library / "runs/streams.py").rename(library / "statistics/random_streams.py")
    rename_imports(scripts, "trainsize.runs.streams", "trainsize.statistics.random_streams")
    assert changed(scripts) == set()


def test_renaming_a_folder_makes_nothing_stale(scripts):
    (scripts / PACKAGE / "training").rename(scripts / PACKAGE / "fitting")
    rename_imports(scripts, "trainsize.training", "trainsize.fitting")
    for path in scripts.rglob("*.py"):
        path.write_text(path.read_text().replace("from trainsize.training.", "from trainsize.fitting."))
    assert changed(scripts) == set()


def test_merging_and_splitting_files_makes_nothing_stale(scripts):
    """One function of `budget` gets a file of its own; the others become the folder's `__init__`."""
    runs = scripts / PACKAGE / "runs"
    budget = (runs / "budget.py").read_text()
    function = budget[budget.index("def checkpoints") :]
    assert function.count("def ") == 1
    (runs / "__init__.py").write_text(budget.replace(function, ""))
    (runs / "evaluation_points.py").write_text(function)
    (runs / "budget.py").unlink()
    users = 0
    for path in scripts.rglob("*.py"):
        text = re.sub(r"from trainsize\.runs\.budget import (.*)", reimported, path.read_text())
        users += path.write_text(text) and "evaluation_points" in text
    assert users > 2
    assert changed(scripts) == set()


def reimported(found: re.Match) -> str:
    """Return the imports that stand for one from `budget`, after its split."""
    names = found[1].split(", ")
    parts = {
        "trainsize.runs.evaluation_points": {"checkpoints"} & {*names},
        "trainsize.runs": {*names} - {"checkpoints"},
    }
    return "\n".join(f"from {module} import {', '.join(sorted(part))}" for module, part in parts.items() if part)


def test_renaming_a_definition_makes_nothing_stale(scripts):
    for path in scripts.rglob("*.py"):
        path.write_text(re.sub(r"\bdraw_subsets\b", "make_subsets", path.read_text()))
    assert changed(scripts) == set()


@pytest.mark.parametrize(
    ("file", "old", "new", "stale"),
    [
        ("training/trainer.py", "= 0, [], 0", "= 0, list(), 0", {"training"}),
        ("training/evaluation.py", "support > 0", "support > 1", {"training"}),
        ("training/networks.py", "outputs, 3, padding=1", "outputs, 3, padding=2", {"training"}),
        ("runs/streams.py", '"sample")', '"sample", "other")', {"training", "subsets", "figures"}),
        ("figures/learning_curve.py", "s=9", "s=8", {"figures"}),
        ("regressions/lines.py", "FEWEST_SIZES = 3", "FEWEST_SIZES = 4", {"regressions", "reproduction"}),
        ("curves/fitting.py", "SAME_COST = ", "SAME_COST = 2 * ", {"regressions"}),
        ("audit/last_batch.py", "LARGEST = 4096", "LARGEST = 2048", {"audit"}),
        ("study/reader.py", "sorted(counts)", "list(sorted(counts))", {"reproduction"}),
        ("datasets/catalogue.py", "n_train=1297", "n_train=1298", {"audit", "reproduction"}),
        ("jobs/progress.py", "images/s", "images per second", set()),
        ("training/tables.py", "optimiser updates done", "updates done", set()),
        ("common/files.py", "[:16]", "[:17]", set()),
    ],
)
def test_what_an_edit_makes_stale(scripts, file, old, new, stale):
    edit(scripts / PACKAGE / file, old, new)
    assert changed(scripts) == stale


def test_what_is_imported_from_elsewhere_counts(scripts):
    edit(scripts / PACKAGE / "runs/streams.py", "import numpy as np", "import cupy as np")
    assert changed(scripts) >= {"training", "subsets"}


def test_statements_that_define_nothing_count(scripts):
    path = scripts / PACKAGE / "training/optimisation.py"
    path.write_text(path.read_text() + "\ntorch.set_flush_denormal(True)\n")
    assert changed(scripts) == {"training", "figures"}  # figures draw the schedule


@pytest.mark.parametrize(
    "line", ["from .streams import generator", "import trainsize.runs.streams", "from trainsize.runs.streams import *"]
)
def test_an_import_that_cannot_be_followed_is_refused(scripts, line):
    path = scripts / PACKAGE / "runs/budget.py"
    path.write_text(f"{path.read_text()}\n{line}\n")
    with pytest.raises(ValueError, match=r"budget\.py, line \d+: write this import as `from trainsize\.… import NAME`"):
        fingerprint("training", scripts=scripts)


def test_training_does_not_use_the_data_sets():
    # Else a new data set would make finished runs stale.
    used = {module.removeprefix("trainsize.") for module, _ in reached("training")}
    assert {"subsets.methods", "datasets.prepared", "training.trainer"} <= used
    assert not {module for module in used if module.startswith("download")}
    assert not used & {"datasets.catalogue", "datasets.described", "subsets.stage", "study.reader"}


def test_an_unknown_stage_has_no_fingerprint():
    with pytest.raises(FileNotFoundError):
        fingerprint("nothing")
