"""The commands on a study: an option that would have no effect is refused or told."""

import pytest

from trainsize import archive, costs, licences, reference
from trainsize.common.paths import ROOT


@pytest.mark.parametrize("further", [["digits"], ["--data"], ["--output", "x.tar.gz"]])
def test_checking_an_archive_takes_nothing_else(monkeypatch, tmp_path, further):
    monkeypatch.setattr("sys.argv", ["archive", "--check", str(tmp_path / "a.tar.gz"), *further])
    with pytest.raises(SystemExit, match="--check FILE: only reads FILE; leave out STUDY, --output and --data"):
        archive.main()


@pytest.mark.parametrize("since", ["yesterday", "2026-13-01", "1.2.2026"])
def test_a_day_that_is_none(monkeypatch, capsys, since):
    monkeypatch.setattr("sys.argv", ["costs", "--since", since])
    with pytest.raises(SystemExit):
        costs.main()
    assert f"argument --since: '{since}' is not a day such as 2026-11-28" in capsys.readouterr().err


def test_a_day_without_accounting_is_told(monkeypatch, tmp_path):
    """Benchmark files have no days."""
    monkeypatch.setattr("trainsize.costs.from_accounting", lambda *_: None)
    monkeypatch.setattr("sys.argv", ["costs", "digits", "--since", "2026-01-01", "--results", str(tmp_path)])
    with pytest.raises(
        SystemExit, match=r"--since 2026-01-01: no job of the study was submitted on or after 2026-01-01"
    ):
        costs.main()


@pytest.mark.parametrize("command", [licences, reference])
def test_commands_without_options_take_none(monkeypatch, capsys, command):
    before = (ROOT / "docs" / "study-file.md").stat().st_mtime_ns
    monkeypatch.setattr("sys.argv", ["command", "--check"])
    with pytest.raises(SystemExit):
        command.main()
    assert "unrecognized arguments: --check" in capsys.readouterr().err
    assert (ROOT / "docs" / "study-file.md").stat().st_mtime_ns == before
