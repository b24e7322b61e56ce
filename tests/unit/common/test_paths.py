"""Paths as users write them: literally where they exist, else with ~ and variables expanded, in all places alike."""

from pathlib import Path

import pytest

from trainsize import archive
from trainsize.audit import __main__ as audit
from trainsize.common.paths import user_path
from trainsize.datasets.described import described
from trainsize.download.fetch import mirror_folder
from trainsize.jobs.staging import VARIABLE, staged
from trainsize.regressions import __main__ as regressions
from trainsize.study.command_line import study_parser


@pytest.fixture(autouse=True)
def home(tmp_path, monkeypatch):
    """A home with the folder `data`, which the variable PLACE names as well; commands are called from another one."""
    (tmp_path / "home" / "data").mkdir(parents=True)
    (tmp_path / "here").mkdir()
    monkeypatch.chdir(tmp_path / "here")
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    monkeypatch.setenv("PLACE", str(tmp_path / "home"))
    return tmp_path / "home"


@pytest.mark.parametrize("text", ["~/data", "$PLACE/data", "${PLACE}/data"])
def test_every_path_is_expanded(home, digits, monkeypatch, text):
    expected = home / "data"
    form = {"name": "npz", "path": text}
    value = {"name": "mine", "title": "", "source": "", "licence": "", "classes": 3, "format": form}
    monkeypatch.setenv(VARIABLE, text)
    assert user_path(text) == mirror_folder(text) == expected
    assert described(value | {"n_train": 60, "n_test": 9, "shape": [8, 8, 1]}).format["path"] == str(expected)
    assert staged(digits).parent == expected
    assert study_parser("plan", "").parse_args(["--results", text]).results == expected
    assert regressions._parser().parse_args([text, f"--output={text}"]).output == expected
    assert regressions._parser().parse_args([text]).table == expected
    assert audit._parser().parse_args([text]).tables == [expected]
    with pytest.raises(SystemExit, match=f"{expected}: cannot be read"):
        monkeypatch.setattr("sys.argv", ["archive", f"--check={text}"])
        archive.main()


@pytest.mark.parametrize("text", ["~", "$PLACE", "a $PLACE b"])
def test_a_path_that_exists_is_not_expanded(home, text):
    (Path.cwd() / text).mkdir()
    assert user_path(text) == Path(text)


def test_a_node_without_the_variable_reads_the_data_set_where_it_is(digits, monkeypatch, capsys):
    monkeypatch.setenv(VARIABLE, "$NOWHERE/data")
    assert staged(digits) == digits
    assert "data.local: $NOWHERE/data: $NOWHERE is not set on this node; reading" in capsys.readouterr().out
    assert not list(Path.cwd().iterdir())
