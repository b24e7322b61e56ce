"""Ten ordinary changes, each made in a copy of the project and run: CONTRIBUTING.md says which files they touch."""

import os
import re
import subprocess
import sys
from dataclasses import dataclass

import pytest
from support import LIBRARY, PATIENCE, ROOT

STUDY_SCHEMA = "workflow/schemas/study.schema.yaml"


@dataclass(frozen=True)
class Change:
    """What a contributor edits, (old, new) by file, and a program that prints `works` when it does."""

    edits: dict[str, list[tuple[str, str]]]
    program: str


LOAD = """
from pathlib import Path
from trainsize.study.reader import load_study
study = load_study("tiny", Path("studies"))
results = Path("results/tiny")
"""

CHANGES = {
    "a data set": Change(
        {
            f"{LIBRARY}/datasets/catalogue.py": [
                (
                    "_ALL = [\n",
                    """_ALL = [
    Dataset(
        name="runes",
        title="Runes, 8×8 grey",
        n_train=4,
        n_test=2,
        classes=("ansuz", "fehu"),
        shape=(8, 8, 1),
        source="drawn for a test",
        licence="CC0",
        format={
            "name": "npz",
            "path": "runes.npz",
            **{name: name for name in ("train_images", "train_labels", "test_images", "test_labels")},
        },
        files=(File("runes.npz", "sha256:SUM"),),
    ),
""",
                )
            ]
        },
        """
import hashlib
import numpy as np
from dataclasses import replace
from pathlib import Path
from trainsize.datasets import catalogue
from trainsize.download.stage import prepare
images = np.arange(6 * 64, dtype=np.uint8).reshape(6, 8, 8)
Path("mirror").mkdir()
file = Path("mirror/runes.npz")
np.savez(file, train_images=images[:4], train_labels=[0, 1, 0, 1], test_images=images[4:], test_labels=[0, 1])
card = catalogue.DATASETS["runes"]
checksum = f"sha256:{hashlib.sha256(file.read_bytes()).hexdigest()}"
catalogue.DATASETS["runes"] = replace(card, files=(replace(card.files[0], checksum=checksum),))
prepare("runes", Path("results/datasets/runes"), "mirror")
print("works" if Path("results/datasets/runes/manifest.json").exists() else "no manifest")
""",
    ),
    "a network": Change(
        {
            f"{LIBRARY}/training/networks.py": [
                (
                    "def mlp(",
                    '''def linear(shape: Shape, n_classes: int) -> nn.Module:
    """Return a single linear layer."""
    return nn.Sequential(nn.Flatten(), nn.Linear(math.prod(shape), n_classes))


def mlp(''',
                )
            ],
            f"{LIBRARY}/training/architectures.py": [
                ("import Shape, cnn, mlp", "import Shape, cnn, linear, mlp"),
                ('    "mlp": mlp,', '    "mlp": mlp,\n    "linear": linear,'),
            ],
            STUDY_SCHEMA: [
                (
                    "          mlp:\n            description:",
                    "          linear:\n            description: A single linear layer.\n"
                    "          mlp:\n            description:",
                )
            ],
            "studies/tiny.yaml": [("{name: mlp, hidden: [8]}", "linear")],
        },
        LOAD
        + """
from trainsize.training.architectures import build, count_parameters
print("works" if count_parameters(build(study.models["mlp"], (1, 8, 8), 10, 1)) == 650 else "other")
""",
    ),
    "a metric": Change(
        {
            f"{LIBRARY}/runs/metrics.py": [
                (
                    "RECORDED = (\n",
                    """RECORDED = (
    Metric("confidence", "mean confidence", SCORE, "mean of the largest probability"),
""",
                )
            ],
            f"{LIBRARY}/training/evaluation.py": [
                ("    n_evaluated: int\n", "    n_evaluated: int\n    confidence: float\n"),
                (
                    "        n_evaluated=len(labels),\n",
                    "        n_evaluated=len(labels),\n        confidence=ranked[:, 0].mean().item(),\n",
                ),
            ],
            "studies/tiny.yaml": [("models:\n", "figures: {metrics: [confidence]}\nmodels:\n")],
        },
        LOAD
        + """
import torch
from trainsize.metrics.tables import HISTORY, RUNS
from trainsize.training.evaluation import score
recorded = {"confidence"} <= set(HISTORY.schema.names) and {"test_confidence"} <= set(RUNS.schema.names)
value = score(torch.zeros(4, 2, dtype=torch.float64), torch.tensor([0, 1, 0, 1])).confidence
print("works" if recorded and value == 0.5 and study.figures["metrics"] == ["confidence"] else value)
""",
    ),
    "a family of curves": Change(
        {
            f"{LIBRARY}/curves/families.py": [
                (
                    "FAMILIES = {\n    family.name: family\n    for family in (\n",
                    """FAMILIES = {
    family.name: family
    for family in (
        Family(
            "root3",
            "c + a n^-1/3",
            ("c", "a"),
            Floor.FREE,
            lambda x: x ** (-1 / 3),
            lambda c, a, n0: (c, a * n0 ** (1 / 3)),
            inverse=lambda level: level**-3.0,
        ),
""",
                )
            ],
            STUDY_SCHEMA: [("items: {enum: [last1, log2,", "items: {enum: [root3, last1, log2,")],
            "studies/tiny.yaml": [("models:\n", "regressions: {families: [root3]}\nmodels:\n")],
        },
        LOAD
        + """
import numpy as np
import pandas as pd
from trainsize.regressions.__main__ import main
rng = np.random.default_rng(1)
n, seed = (axis.ravel() for axis in np.meshgrid([10, 20, 40, 80, 160, 320], range(5)))
accuracy = 0.95 - n ** (-1 / 3) + rng.normal(0, 1e-3, n.size)
pd.DataFrame({"n": n, "seed": seed, "accuracy": accuracy}).to_csv("table.csv", index=False)
main(["table.csv", "--families", "root3", "--output", "answers", "--bootstrap", "100"])
parameters = pd.read_parquet("answers/parameters.parquet").query("method == 'root3'").set_index("term")["estimate"]
print("works" if abs(parameters["a"] - 1) < 0.05 and list(study.regressions["families"]) == ["root3"] else parameters)
""",
    ),
    "a figure": Change(
        {
            f"{LIBRARY}/figures/training.py": [
                (
                    "def surface_map(",
                    '''def time_spent(tables: Tables) -> Figure:
    """Draw how long each run trained, by size."""
    figure, (ax,) = panels(1)
    ax.scatter(tables.runs["n"], tables.runs["seconds_train"])
    return figure


def surface_map(''',
                )
            ],
            f"{LIBRARY}/figures/kinds.py": [
                (
                    "FIGURES = {\n",
                    'FIGURES = {\n    "time": Kind("Seconds that each run trained.", needs=("sizes",)),\n',
                )
            ],
            f"{LIBRARY}/figures/stage.py": [
                ("surface, training\n", "surface, time_spent, training\n"),
                ('    "history": history,\n', '    "history": history,\n    "time": time_spent,\n'),
            ],
            "studies/tiny.yaml": [("models:\n", "figures: {also: [time]}\nmodels:\n")],
        },
        LOAD
        + """
from trainsize.figures.stage import draw_figures
settings = study.figure_settings()
settings["figures"] = [figure for figure in settings["figures"] if figure["kind"] == "time"]
draw_figures(settings, results, Path("results/datasets/digits"))
print("works" if (results / "figures" / "time.png").exists() else settings)
""",
    ),
    "a column of a table": Change(
        {
            f"{LIBRARY}/metrics/tables.py": [
                (
                    '        Column("device", TEXT,',
                    '        Column("host", TEXT, "machine"),\n        Column("device", TEXT,',
                )
            ]
        },
        LOAD
        + """
import pandas as pd
from trainsize.metrics.stage import collect
settings = study.metrics_settings()
collect(settings["grid"], settings["settings_hashes"], Path("results/datasets/digits/manifest.json"), results)
print("works" if pd.read_parquet(results / "metrics" / "runs.parquet")["host"].notna().all() else "no host")
""",
    ),
    "a flag of the cluster": Change(
        {"slurm/config.yaml": [("  # constraint: nvme   ", "  constraint: nvme     ")]},
        """
from pathlib import Path
from trainsize.study.config import read_profile
profile = read_profile(Path.cwd(), "slurm")
print("works" if profile["default-resources"]["constraint"] == "nvme" else profile)
""",
    ),
    "a budget": Change(
        {
            f"{LIBRARY}/runs/budget.py": [
                (
                    "        if self.last == PARTIAL:\n            passes",
                    '        if "thousands" in budget:\n'
                    '            return self.updates({"samples": 1000 * budget["thousands"]})\n'
                    "        if self.last == PARTIAL:\n            passes",
                )
            ],
            STUDY_SCHEMA: [
                (
                    "      epochs: {type: integer,",
                    "      thousands: {type: integer, minimum: 1, description: Thousands of images seen.}\n"
                    "      epochs: {type: integer,",
                )
            ],
            "studies/tiny.yaml": [("budget: {updates: 6}", "budget: {thousands: 1}")],
        },
        LOAD
        + """
from trainsize.runs.budget import Batches
print("works" if Batches.of(study.models["cnn"], 20).updates(study.budgets["cnn"]) == 63 else study.budgets)
""",
    ),
    "a method of drawing subsets": Change(
        {
            f"{LIBRARY}/subsets/methods.py": [
                (
                    "METHODS = {\n",
                    '''def last_rows(labels: np.ndarray, n: int, rng: np.random.Generator) -> np.ndarray:
    """Return the last n row indices."""
    return np.arange(len(labels) - n, len(labels))


METHODS = {
    "last_n": last_rows,
''',
                )
            ],
            STUDY_SCHEMA: [("enum: [stratified, nested,", "enum: [last_n, stratified, nested,")],
            "studies/tiny.yaml": [("{method: nested}", "{method: last_n}")],
        },
        LOAD
        + """
import numpy as np
from trainsize.subsets.methods import draw_subsets
rows = draw_subsets(np.arange(100) % 10, study.subset_settings(), [20], 1)[20]["train"]
print("works" if rows.tolist() == list(range(80, 100)) else rows)
""",
    ),
    "a check of the auditor": Change(
        {
            f"{LIBRARY}/audit/labels.py": [
                (
                    "def check_labels(",
                    '''def check_perfect(sheet: Sheet, facts: Facts) -> Iterator[Finding]:
    """Ask about runs that get every test image right."""
    tested = "whether a run has no error"
    if sheet.has("test_accuracy") and (sheet.rows["test_accuracy"] == 1).any():
        yield Finding("perfect", "test_accuracy", QUESTION, tested, "accuracy 1", "are test images trained on?")
    else:
        yield untested("perfect", tested, "no perfect run")


def check_labels(''',
                )
            ],
            f"{LIBRARY}/audit/stage.py": [
                ("import check_labels", "import check_labels, check_perfect"),
                ("    check_labels,\n)", "    check_labels,\n    check_perfect,\n)"),
            ],
        },
        """
import pandas as pd
from pathlib import Path
from trainsize.audit.facts import Facts
from trainsize.audit.sheet import read_sheet
from trainsize.audit.stage import audit
Path("table.csv").write_text("n,test_accuracy\\n100,0.5\\n1000,1\\n")
findings = audit([(read_sheet(Path("table.csv")), Facts())])
print("works" if any(finding.check == "perfect" for finding in findings) else findings)
""",
    ),
}
MOST_FILES = 3


@pytest.mark.parametrize("name", CHANGES)
def test_it_works(finished, name):
    change = CHANGES[name]
    for file, edits in change.edits.items():
        for old, new in edits:
            finished.edit(file, old, new)
    environment = os.environ | {"PYTHONPATH": str(finished.folder / "workflow/scripts")}
    command = [sys.executable, "-c", change.program]
    done = subprocess.run(
        command, cwd=finished.folder, env=environment, capture_output=True, text=True, timeout=PATIENCE
    )
    assert done.stdout.splitlines()[-1:] == ["works"], done.stdout + done.stderr


def files_of(change: Change) -> list[str]:
    """Return what a contributor edits; the study is the user's own."""
    return [file for file in change.edits if file != "studies/tiny.yaml"]


def test_contributors_are_told_the_files():
    text = (ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8")
    rows = dict(re.findall(r"^\| (an? .*?) \| (.*?) \|$", text, re.M))
    told = {name: re.findall(r"`(.*?)`", files) for name, files in rows.items() if name in CHANGES}
    shown = {name: [file.removeprefix(f"{LIBRARY}/") for file in files_of(CHANGES[name])] for name in CHANGES}
    assert told == shown
    assert max(map(len, shown.values())) <= MOST_FILES
