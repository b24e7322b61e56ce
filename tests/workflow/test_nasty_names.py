"""Nothing that a study file or config.yaml says reaches a shell, or a page, as anything but text."""

import os
import re
from pathlib import Path

import numpy as np
import pytest
import yaml

TRICK = (
    "it's \"$(touch pwned)\" `touch pwned`; touch pwned & <script>touch('pwned')</script> {input} $HOME \\ *\n|> é漢"
)


@pytest.fixture
def nasty(project):
    """A study whose every free text is a trick, in the names of its files too."""
    rng = np.random.default_rng(0)
    folder = project.folder / TRICK.replace("/", "_").replace("\n", "")
    folder.mkdir()
    arrays = {"x_train": (60, 8, 8), "x_test": (30, 8, 8)}
    images = {name: rng.integers(0, 255, shape, np.uint8) for name, shape in arrays.items()}
    np.savez(folder / "blobs.npz", **images, y_train=np.arange(60) % 2, y_test=np.arange(30) % 2)
    study = yaml.safe_load(project.study.read_text())
    texts = {key: TRICK + key for key in ("title", "source", "stand_in")}
    data = {key: TRICK + key for key in ("title", "source", "licence")}
    form = {"name": "npz", "path": f"{folder.name}/blobs.npz"}
    study |= texts | {
        "sizes": [10, 20],
        "dataset": {"name": "blobs", "classes": [TRICK, f"{TRICK}2"], "format": form, **data},
    }
    study["models"] = {"mlp": study["models"]["mlp"]}
    project.study.write_text(yaml.safe_dump(study, allow_unicode=True))
    config = yaml.safe_load((project.folder / "config.yaml").read_text())
    config["data"] = {"mirror": str(folder), "local": str(folder / "node $(touch pwned)")}
    (project.folder / "config.yaml").write_text(yaml.safe_dump(config, allow_unicode=True))
    return project


def assert_not_run(project, printed: str, faults) -> None:
    assert "Traceback" not in printed
    assert not list(project.folder.rglob("pwned"))
    faults("texts that are shell commands or HTML", 12)


def test_no_text_is_run_by_a_shell(nasty, faults):
    printed = nasty.snakemake("--cores", "2", "--until", "subsets_table")
    assert_not_run(nasty, printed, faults)
    assert (nasty.results / "subsets" / "subsets.parquet").exists()


@pytest.mark.slow
def test_no_text_is_run_anywhere(nasty, faults):
    assert_not_run(nasty, nasty.snakemake("--cores", "2") + nasty.snakemake("plan", "--cores", "1"), faults)
    config = yaml.safe_load((nasty.folder / "config.yaml").read_text())
    copy = Path(os.path.expandvars(config["data"]["local"]))
    assert list(copy.glob("blobs-*"))
    page = (nasty.results / "report.html").read_text()
    assert "touch pwned" in page
    assert not re.search(r"<script>\s*touch", page)
