"""A network of the user's own, as docs/adding-a-model.md shows it."""

import re
from pathlib import Path

import pytest
import torch
from support import ROOT, recipe

from trainsize.common.errors import UserError
from trainsize.study.reader import load_study
from trainsize.training import custom
from trainsize.training.architectures import build, count_parameters

PAGE = (ROOT / "docs" / "adding-a-model.md").read_text(encoding="utf-8")
MODULE, MODEL = (re.search(rf"```{kind}\n(.*?)```", PAGE, re.S)[1] for kind in ("python", "yaml"))
STUDY = f"title: t\ndataset: digits\nsizes: [20]\nseeds: [1]\nbudget: {{updates: 2}}\n{MODEL}"


@pytest.fixture
def folder(tmp_path, monkeypatch) -> Path:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "my_models.py").write_text(MODULE)
    (tmp_path / "own.yaml").write_text(STUDY)
    return tmp_path


def the_recipe(folder) -> dict:
    return load_study("own", folder).models["wide"]


def test_the_pages_example_works(folder):
    model = build(the_recipe(folder), (1, 8, 8), 10, seed=1)
    assert count_parameters(model) == 64 * 512 + 512 + 512 * 10 + 10
    assert model(torch.zeros(3, 1, 8, 8)).shape == (3, 10)
    again = build(the_recipe(folder), (1, 8, 8), 10, seed=1)
    assert all(torch.equal(a, b) for a, b in zip(model.parameters(), again.parameters(), strict=True))


def test_its_code_counts_by_meaning(folder):
    before = the_recipe(folder)
    (folder / "my_models.py").write_text(MODULE.replace("# my_models.py", "# another remark"))
    assert the_recipe(folder) == before
    (folder / "my_models.py").write_text(MODULE.replace("nn.ReLU()", "nn.SiLU()"))
    assert the_recipe(folder) != before
    with pytest.raises(UserError, match=r"my_models\.py: changed since snakemake read it"):
        build(before, (1, 8, 8), 10, seed=1)


def test_files_that_it_imports_count_too(folder):
    (folder / "my_models.py").write_text("import layers\nfrom parts.activations import act\n" + MODULE)
    (folder / "layers.py").write_text("from parts import sizes\nWIDTH = 1\n")
    (folder / "parts").mkdir()
    (folder / "parts/__init__.py").write_text("")
    (folder / "parts/activations.py").write_text("from .sizes import MOST\nact = MOST\n")
    (folder / "parts/sizes.py").write_text("MOST = 3\n")
    recipes = [the_recipe(folder)]
    for file, text in (("layers.py", "WIDTH = 1"), ("parts/activations.py", "act = MOST"), ("parts/sizes.py", "3")):
        path = folder / file
        path.write_text(path.read_text().replace(text, f"{text}  # a remark"))
        assert the_recipe(folder) == recipes[-1]
        path.write_text(path.read_text().replace(text, f"{text} + 1"))
        recipes.append(the_recipe(folder))
        assert recipes[-1] not in recipes[:-1]
    (folder / "parts/sizes.py").write_text("MOST = (")
    with pytest.raises(UserError, match=r"parts/sizes\.py is not valid Python: "):
        load_study("own", folder)


def test_files_that_its_options_name_count_by_content(folder):
    weights = folder / "weights.pt"
    weights.write_bytes(b"1")
    (folder / "own.yaml").write_text(STUDY.replace("{width: 512}", "{width: 512, more: {files: [weights.pt, relu]}}"))
    before = the_recipe(folder)
    weights.touch()
    assert the_recipe(folder) == before
    weights.write_bytes(b"2")
    assert the_recipe(folder) != before


@pytest.mark.parametrize(
    ("path", "message"),
    [
        (
            "my_models.Wid",
            r"models.wide.architecture.path: found 'my_models.Wid', allowed from my_models.py: Wide; did you",
        ),
        ("my_model.Wide", r"models.wide.architecture.path: found 'my_model.Wide', but there is no file my_model.py in"),
        ("Wide", r"found 'Wide', but there is no file Wide.py"),
    ],
)
def test_a_wrong_path_is_told_when_the_study_is_read(folder, path, message):
    (folder / "own.yaml").write_text(STUDY.replace("my_models.Wide", path))
    with pytest.raises(UserError, match=message):
        load_study("own", folder)


def test_a_file_that_is_no_python(folder):
    (folder / "my_models.py").write_text("class Wide(:")
    with pytest.raises(UserError, match=r"my_models\.py is not valid Python: "):
        load_study("own", folder)


@pytest.mark.parametrize(
    ("options", "change", "message"),
    [
        ({"depth": 3}, "", r"cannot be built or used: TypeError: .*'depth'"),
        ({}, "n_classes + 1", r"turns 2 images into \(2, 11\), must return 2 × 10 logits"),
    ],
)
def test_a_network_that_does_not_fit_is_told(folder, options, change, message):
    (folder / "my_models.py").write_text(MODULE.replace("width, n_classes)", f"width, {change or 'n_classes'})"))
    architecture = {"name": "custom", "path": "my_models.Wide", "options": options}
    given = recipe(architecture)
    given["architecture"]["code"] = custom.code("my_models.Wide", folder)
    with pytest.raises(UserError, match=message):
        build(given, (1, 8, 8), 10, seed=1)
