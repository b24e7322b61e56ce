"""What a person sees on the screen of a call that ends because of a mistake in the data: the message, last and once."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

OF_SNAKEMAKE = ("Error in rule", "CalledProcessError", "RuleException", "WorkflowError", "Traceback", "Exiting because")


@pytest.fixture
def photographs(project):
    """A project whose study is of a folder of photographs, one of which is none."""
    for split in ("train", "test"):
        for name in ("cat", "dog"):
            folder = project.folder / "photos" / split / name
            folder.mkdir(parents=True)
            for i in range(20):
                pixels = np.random.default_rng(i).integers(0, 255, (8, 8), dtype=np.uint8)
                Image.fromarray(pixels).save(folder / f"{i}.png")
    (project.folder / "photos/train/cat/3.png").write_bytes(b"no image")
    form = "{name: folder, path: photos, train: train, test: test, size: 8, channels: 1}"
    described = f"{{name: photos, n_train: 40, n_test: 40, classes: 2, format: {form}}}"
    project.edit("studies/tiny.yaml", "dataset: digits", f"dataset: {described}")
    project.edit("studies/tiny.yaml", "[20, 40, 80]", "[10]")
    return project


@pytest.mark.parametrize("quiet", [(), ("--quiet", "all")])
def test_a_mistake_in_the_data_is_the_last_word(photographs, quiet):
    printed = photographs.snakemake("--cores", "1", "--until", "download", *quiet, check=False)
    *before, last = printed.splitlines()
    assert last.startswith("photos/train/cat/3.png: ")
    assert last not in before
    assert not any(words in printed for words in OF_SNAKEMAKE)
    log = max((photographs.folder / ".snakemake/log").iterdir(), key=lambda path: path.stat().st_mtime)
    assert quiet == ("--quiet", "all") or "At least one job did not complete" in Path(log).read_text()


def test_the_plan_fails_where_it_cannot_be_written(project):
    (project.results / "plan.parquet").mkdir(parents=True)
    done = project.start("plan", "--cores", "1")
    printed, _ = done.communicate()
    assert done.returncode == 1
    assert "results/tiny/plan.parquet: Is a directory; it cannot be read or written" in printed.splitlines()[-1]


def test_a_target_that_no_rule_makes(project):
    for target, hint in {"reprot": "did you mean 'report'?", "digits": "snakemake --config study=digits"}.items():
        printed = project.snakemake("-n", target, check=False)
        assert printed.splitlines()[-1].startswith(
            f"{target}: found as the target, expected all, plan, or a file such as"
        )
        assert printed.splitlines()[-1].endswith(hint)
    assert project.snakemake("-n", "report", check=False).endswith("snakemake --until report\n")
