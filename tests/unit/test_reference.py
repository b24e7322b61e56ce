"""Pages and environment files that repeat what stands elsewhere are in step with it."""

import re

import pytest
import yaml
from support import ROOT

from trainsize.licences import PAGE
from trainsize.metrics.tables import HISTORY
from trainsize.reference import DOCS, MARK, TABLES, pages, with_generated

CONDA_NAMES = {"pytorch": "torch"}


@pytest.mark.parametrize("name", pages())
def test_reference_pages_are_up_to_date(name):
    page = (DOCS / name).read_text(encoding="utf-8")
    assert page == with_generated(page, pages()[name]), "run `make docs`"


def test_a_page_without_the_mark_is_refused():
    with pytest.raises(ValueError, match="no line"):
        with_generated("nothing", "new")
    assert with_generated(f"head\n{MARK}\nold", "new") == f"head\n{MARK}\n\nnew"


def test_every_column_is_described_in_the_files_themselves():
    for table in TABLES:
        for field in table.schema:
            assert field.metadata[b"description"], (table.path, field.name)
    assert HISTORY.schema.field("loss").metadata[b"unit"] == b"nats"


def test_every_line_of_the_slurm_profile_is_explained():
    _, _, page = (DOCS / "slurm.md").read_text(encoding="utf-8").partition("## The profile, line by line")
    texts = [(ROOT / "slurm" / name).read_text(encoding="utf-8") for name in ("config.yaml", "settings.yaml")]
    settings = re.findall(r"^ *(?:# )?([\w-]+): ", "\n".join(texts), re.M)
    assert {"slurm_account", "time_limit"} <= set(settings)
    assert set(settings) <= set(re.findall(r"`([\w-]+)", page.partition("\n## ")[0]))


def locked() -> dict[str, set[str]]:
    versions: dict[str, set[str]] = {}
    for name, version in re.findall(r"^([a-z0-9-]+)==([^ ]+)", (ROOT / "envs/requirements.lock").read_text(), re.M):
        versions.setdefault(name, set()).add(version)
    return versions


def test_the_lock_pins_every_package_with_hashes():
    text = (ROOT / "envs" / "requirements.lock").read_text()
    assert "http" not in text
    for entry in re.split(r"\n(?=[a-z])", text)[1:]:
        assert "--hash=sha256:" in entry, entry
    for line in (ROOT / "envs" / "requirements.in").read_text().splitlines():
        assert re.split(r"[=<>]", line)[0] in locked(), line


def test_the_licence_of_everything_locked_is_known_and_compatible():
    rows = re.findall(r"^\| ([a-z0-9.-]+) \| (.+) \|$", PAGE.read_text(encoding="utf-8"), re.M)
    table = dict(rows[1:])
    assert table.keys() == locked().keys(), "run `make licences`"
    for package, licence in table.items():
        if package.startswith(("nvidia-", "cuda-")):
            continue  # PyTorch's CUDA build: proprietary, and not distributed with trainsize
        assert re.search(r"MIT|BSD|Apache|MPL|Mozilla|PSF", licence), f"{package}: {licence}"


@pytest.mark.parametrize("name", ["data", "training", "analysis"])
def test_conda_environments_agree_with_the_lock(name):
    environment = yaml.safe_load((ROOT / "envs" / f"{name}.yaml").read_text())
    for package in environment["dependencies"]:
        package, version = package.split("=")
        if package != "python":
            assert version in locked()[CONDA_NAMES.get(package, package)], package
