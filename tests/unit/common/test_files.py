"""Files that appear whole, and hashes of what they hold."""

import pytest

from trainsize.common.errors import UserError
from trainsize.common.files import atomic_write, canonical_json, digest, link_or_copy, read_json, write_json


def test_a_file_appears_whole_or_not_at_all(tmp_path):
    target = tmp_path / "a" / "b.txt"
    with pytest.raises(RuntimeError), atomic_write(target) as partial:
        partial.write_text("half")
        raise RuntimeError
    assert list(target.parent.iterdir()) == []
    with atomic_write(target) as partial:
        partial.write_text("all")
        assert not target.exists()
    assert target.read_text() == "all"
    assert list(target.parent.iterdir()) == [target]


def test_links_replace_what_was_there(tmp_path):
    for name in ("old", "new"):
        (tmp_path / name).write_text(name)
    link_or_copy(tmp_path / "new", tmp_path / "old")
    assert (tmp_path / "old").read_text() == "new"


def test_a_damaged_record_is_named(tmp_path):
    path = tmp_path / "run.json"
    write_json(path, {"a": 1})
    assert read_json(path) == {"a": 1}
    path.write_text(path.read_text()[:-4])
    with pytest.raises(UserError, match=r"run\.json: cannot be read"):
        read_json(path)


def test_hashes_do_not_run_together():
    assert digest("ab", "c") != digest("a", "bc")
    assert canonical_json({"b": 1, "a": [1.5, None]}) == '{"a":[1.5,null],"b":1}'
