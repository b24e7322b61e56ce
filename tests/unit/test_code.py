"""Fingerprints of code, and files that appear whole."""

import shutil

import pytest

from trainsize.errors import UserError
from trainsize.files import canonical_json, digest, link, read_json, whole, write_json
from trainsize.fingerprint import SCRIPTS, fingerprint


@pytest.fixture
def scripts(tmp_path):
    shutil.copytree(SCRIPTS, tmp_path / "scripts", ignore=shutil.ignore_patterns("__pycache__"))
    return tmp_path / "scripts"


def edit(path, old, new):
    text = path.read_text()
    assert old in text
    path.write_text(text.replace(old, new))


def test_a_fingerprint_is_the_same_in_a_moved_copy(scripts):
    assert fingerprint("training", scripts=scripts) == fingerprint("training")


def test_comments_docstrings_and_layout_do_not_count(scripts):
    copy = scripts.with_name("reworded")
    shutil.copytree(scripts, copy)
    path = copy / "trainsize" / "architectures.py"
    edit(path, '"""Return fully connected layers', '"""Return dense layers')
    edit(path, "    layers = []\n", "    # a remark\n\n    layers = [\n    ]\n")
    assert fingerprint("training", scripts=copy) == fingerprint("training", scripts=scripts)


@pytest.mark.parametrize(
    ("file", "old", "new", "stale"),
    [
        ("fit.py", "= 0, [], 0", "= 0, list(), 0", {"training"}),
        ("evaluation.py", "support > 0", "support > 1", {"training"}),
        ("architectures.py", "outputs, 3, padding=1", "outputs, 3, padding=2", {"training"}),
        ("streams.py", '"evaluation")', '"evaluation", "order")', {"training", "subsets"}),
        ("figures_curves.py", "s=9", "s=8", {"figures"}),
        ("linear.py", "FEWEST_SIZES = 3", "FEWEST_SIZES = 4", {"regressions"}),
        ("audit_grid.py", "LARGEST = 4096", "LARGEST = 2048", {"audit"}),
        ("study.py", "sorted(counts)", "list(sorted(counts))", set()),
        ("catalogue.py", "n_train=1297", "n_train=1298", set()),
        ("progress.py", "images/s", "images per second", set()),
        ("tables.py", "optimiser updates done", "updates done", set()),
        ("files.py", "[:16]", "[:17]", set()),
    ],
)
def test_what_an_edit_makes_stale(scripts, file, old, new, stale):
    stages = ("training", "subsets", "overlap", "metrics", "regressions", "audit", "figures")
    copy = scripts.with_name("edited")
    shutil.copytree(scripts, copy)
    edit(copy / "trainsize" / file, old, new)
    changed = {s for s in stages if fingerprint(s, scripts=scripts) != fingerprint(s, scripts=copy)}
    assert stale <= changed
    assert ("training" in changed) == ("training" in stale)


def test_an_unknown_stage_has_no_fingerprint():
    with pytest.raises(FileNotFoundError):
        fingerprint("nothing")


def test_a_file_appears_whole_or_not_at_all(tmp_path):
    target = tmp_path / "a" / "b.txt"
    with pytest.raises(RuntimeError), whole(target) as partial:
        partial.write_text("half")
        raise RuntimeError
    assert list(target.parent.iterdir()) == []
    with whole(target) as partial:
        partial.write_text("all")
        assert not target.exists()
    assert target.read_text() == "all"
    assert list(target.parent.iterdir()) == [target]


def test_links_replace_what_was_there(tmp_path):
    for name in ("old", "new"):
        (tmp_path / name).write_text(name)
    link(tmp_path / "new", tmp_path / "old")
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
