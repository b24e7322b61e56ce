"""Where the checkout may lie. That jobs run there, or are refused, is tested by whole runs."""

import os
import sys
from pathlib import Path

import pytest

from trainsize.common.errors import UserError
from trainsize.jobs.places import LONGEST, check_place, find_by_name


@pytest.mark.parametrize(
    "name", ["a b", "it's", 'say "so"', "{a}", "a#b;c&d", "*?[x]", "-a", "é", "e\u0301", "漢", "a:b"]
)
def test_a_name_that_suits_everywhere(tmp_path, name):
    check_place(tmp_path / name, submits=True)


@pytest.mark.parametrize(
    ("name", "found"),
    [
        ("a$b", "'$'"),
        ("a`b", "'`'"),
        ("a\\b", r"'\\'"),
        ("5%", "'%'"),
        ("a\nb", r"'\n'"),
        ("a\u200bb", r"'\u200b'"),
        ("'\"", "\"'\" and '\"'"),
    ],
)
def test_a_name_that_suits_everywhere_but_on_a_cluster(tmp_path, monkeypatch, name, found):
    check_place(tmp_path / name, submits=False)
    with pytest.raises(UserError) as error:
        check_place(tmp_path / name, submits=True)
    assert f": found {found} in the path of this folder, and a cluster's jobs" in str(error.value)
    (tmp_path / name).mkdir()
    monkeypatch.chdir(tmp_path / name)
    with pytest.raises(UserError, match="in the path of this folder"):
        check_place(tmp_path, submits=True)


def test_paths_that_suit_nowhere():
    check_place(Path("/" + "é" * (LONGEST // 2 - 1)), submits=False)
    with pytest.raises(UserError, match="found a path of 3,801 bytes, allowed: 3,800; move this folder further up"):
        check_place(Path("/" + "é" * (LONGEST // 2)), submits=False)
    with pytest.raises(UserError, match=r"^'/caf\\udce9': found a path that is not UTF-8; rename this folder$"):
        check_place(Path(os.fsdecode(b"/caf\xe9")), submits=False)


def test_an_interpreter_is_found_by_its_name(monkeypatch):
    monkeypatch.setenv("PATH", "/usr/bin")
    monkeypatch.setattr("sys.executable", "untouched")
    find_by_name("/plain/bin/python3")
    assert os.environ["PATH"] == "/plain/bin:/usr/bin"
    assert sys.executable == "untouched"
    find_by_name("/a b/bin/python3")
    assert os.environ["PATH"] == "/a b/bin:/plain/bin:/usr/bin"
    assert sys.executable == "python3"
    with pytest.raises(UserError, match=r"rename the folder, or make \.venv elsewhere"):
        find_by_name("/a:b/bin/python3")
