"""A data set is copied to a node's own disk once, whole or not at all, and only where that is asked for."""

import pytest

from trainsize.datasets.prepared import Prepared
from trainsize.jobs.staging import VARIABLE, staged


def test_nothing_is_copied_unasked(digits, monkeypatch):
    monkeypatch.delenv(VARIABLE, raising=False)
    assert staged(digits) == digits


def test_the_copy_is_whole_and_shared(digits, tmp_path, monkeypatch, capsys):
    monkeypatch.setenv("NODE_DISK", str(tmp_path))
    monkeypatch.setenv(VARIABLE, "$NODE_DISK/data")
    copy = staged(digits)
    assert copy.parent == tmp_path / "data"
    assert (Prepared(copy).images("train") == Prepared(digits).images("train")).all()
    assert staged(digits) == copy
    assert capsys.readouterr().out.count("copied") == 1
    assert [path.name for path in copy.parent.iterdir()] == [copy.name]


@pytest.mark.parametrize("place", ["/dev/null/nowhere", "/proc/nowhere"])
def test_without_a_disk_the_data_set_is_read_where_it_is(digits, monkeypatch, capsys, place):
    monkeypatch.setenv(VARIABLE, place)
    assert staged(digits) == digits
    assert "cannot copy the data set" in capsys.readouterr().out
