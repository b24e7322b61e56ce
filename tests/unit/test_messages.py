"""Messages for people: they start with the place, say what was found, and hold none of Python's inner words."""

import ast
import gzip
import os
import re
import subprocess
import sys
import zipfile
from importlib.util import find_spec
from pathlib import Path

import pandas as pd
import pytest

from trainsize.audit.sheet import read_sheet
from trainsize.common.errors import UserError, absent, unreadable
from trainsize.common.fingerprint import LIBRARY, SCRIPTS
from trainsize.common.tables import read_table
from trainsize.common.yaml_files import read_yaml
from trainsize.datasets.prepared import Prepared
from trainsize.jobs.screen import SHOWN, STOPPED
from trainsize.regressions.table_input import check_numbers, read_curves, responses_of
from trainsize.study.config import check_config, check_file, check_results
from trainsize.study.reader import load_study

INNER = re.compile(
    r"<_io|<class|object at 0x|\bNoneType\b|dtype\(|\bUserError\b|\bTraceback\b|\[Errno|\bdict\b|\bstr\b|\bint\b"
    r"|has no attribute|unexpected keyword|numpy\.|pyarrow\.|'<Buffer>'"
)


def message_of(read, *arguments) -> str:
    with pytest.raises(UserError) as error:
        read(*arguments)
    return str(error.value)


def fitted(path):
    curves = read_curves(path)
    responses = responses_of(curves.table, [], path)
    check_numbers(curves, responses, path)


TABLES = {
    "a mark": "n,seed,accuracy\n100,1,0.80*\n200,1,0.9\n",
    "two marks": "n,seed,accuracy\n100,1,0.80*\n200,1,?\n",
    "decimal commas": 'n,seed,accuracy\n100,1,"0,85"\n200,1,0.9\n',
    "per cent": "n,seed,accuracy\n100,1,0.8\n200,1,0.9\n400,1,85.2%\n",
    "above 1": "n,seed,accuracy\n100,1,0.8\n200,1,0.9\n400,1,1.3\n",
    "a word for a size": "n,seed,accuracy\nmany,1,0.8\n",
    "no table": "\x00\x01",
    "nothing": "",
    "a field more": "n,seed,accuracy\n100,1,0.8,7\n200,1,0.9\n",
}


@pytest.mark.parametrize("kind", TABLES)
@pytest.mark.parametrize("read", [fitted, read_sheet])
def test_a_table_is_named_with_the_line_and_what_stands_there(kind, read, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    path = tmp_path / "t.csv"
    path.write_text(TABLES[kind])
    message = message_of(read, path)
    assert message.removeprefix(f"{tmp_path}/").startswith("t.csv")
    assert not INNER.search(message)
    if kind not in ("no table", "nothing"):
        assert re.search(r"\blines? \d", message), message


def test_mixed_ways_of_writing_name_the_odd_one_out(tmp_path):
    path = tmp_path / "t.csv"
    for kind, found in {
        "per cent": "line 4, column accuracy: '85.2%' is above 1 or in per cent, but others are fractions ('0.8' in",
        "above 1": "line 4, column accuracy: '1.3' is above 1",
        "decimal commas": "line 2 has '0,85' and line 3 has '0.9'",
    }.items():
        path.write_text(TABLES[kind])
        for read in (fitted, read_sheet):
            assert found in message_of(read, path)


def test_a_column_is_called_as_in_the_file(tmp_path):
    path = tmp_path / "t.csv"
    path.write_text("Train size,Seed,Top-1 (%)\n100,1,high\n")
    for read in (fitted, read_sheet):
        assert "Top-1 (%): 'high" in message_of(read, path)


@pytest.mark.parametrize("values", [["0.8", "high"], [[1], [2]], [{"a": 1}, None]])
def test_a_parquet_table_is_named_with_the_row(values, tmp_path):
    path = tmp_path / "t.parquet"
    pd.DataFrame({"n": [100, 200], "seed": [1, 1], "accuracy": values}).to_parquet(path)
    message = message_of(fitted, path)
    assert message.startswith(f"{path}: column accuracy: ")
    assert re.search(r"\(row [12]\)", message)
    assert not INNER.search(message)


def spoilt_files(folder):
    """Return readers with files that they cannot read."""
    (folder / "empty").write_bytes(b"")
    (folder / "folder").mkdir()
    (folder / "lost").symlink_to(folder / "nowhere" / "data")
    (folder / "text.parquet").write_text("hello")
    (folder / "cut.csv.gz").write_bytes(gzip.compress(b"n,seed,accuracy\n100,1,0.8\n" * 100)[:30])
    with zipfile.ZipFile(folder / "zip.npz", "w") as archive:
        archive.writestr("a.npy", b"hello")
    names = ("none", "empty", "folder", "lost", "text.parquet", "cut.csv.gz", "zip.npz")
    for reader in (fitted, read_sheet, read_yaml, read_table, lambda path: Prepared(path).manifest):
        yield from ((reader, folder / name) for name in names)


def test_whatever_a_file_is_its_message_starts_with_it(tmp_path):
    for reader, path in spoilt_files(tmp_path):
        message = message_of(reader, path)
        assert message.startswith(str(path)), message
        assert not INNER.search(message), message


def test_a_link_to_a_disk_that_is_not_mounted(tmp_path):
    link = tmp_path / "results"
    link.symlink_to(tmp_path / "disk" / "results")
    lost = f"a link to {tmp_path / 'disk' / 'results'}, which is not there; mount its disk, or remove the link"
    assert message_of(check_results, link) == f"{link}: {lost}"
    assert absent(link / "t.csv") == f"{link} is {lost}"
    assert message_of(read_sheet, link / "t.csv") == f"{link / 't.csv'}: {link} is {lost}"
    assert absent(tmp_path / "none") == "no such file"


def test_settings_name_the_place_that_states_them(tmp_path):
    assert message_of(check_config, {"study": "x", "threads": "two"}).startswith("config.yaml: threads: found 'two'")
    places = {"threads": "--config", "thread": "cluster.yaml"}
    assert message_of(check_config, {"study": "x", "threads": 0}, places).startswith(
        "--config: threads: found 0, must be"
    )
    assert message_of(check_config, {"study": "x", "thread": 0}, places).startswith(
        "cluster.yaml: unknown key 'thread'"
    )
    assert message_of(check_file, tmp_path / "config.yaml", True).startswith(
        f"{tmp_path / 'config.yaml'}: no such file"
    )


def test_a_study_called_as_a_number_is_found(tmp_path):
    for name in ("2024", "007", "1e3", "true", "2024-01-31"):
        (tmp_path / f"{name}.yaml").write_text("")
    for read, name in ((2024, "2024"), (7, "007"), (1000.0, "1e3"), (True, "true")):
        assert check_config({"study": read}, studies=tmp_path)["study"] == name
    hint = "expected text; put it in quotes to make it a text; to keep it a text: --config study='\"NAME\"'"
    assert (
        message_of(check_config, {"study": 3}, {"study": "--config"}, tmp_path) == f"--config: study: found 3, {hint}"
    )


def test_a_study_that_is_not_there_says_where_it_was_stated(tmp_path):
    assert message_of(load_study, "x", tmp_path, "config.yaml").endswith("(allowed: none); stated in config.yaml")


def test_what_python_says_of_its_own_objects_is_left_out():
    told = str(UserError("cannot identify image file <_io.BytesIO object at 0x7f00>; [Errno 2] No such file"))
    assert told == "cannot identify image file it; No such file"
    assert str(UserError("x: <urlopen error [Errno 111] Connection refused>")) == "x: Connection refused"
    assert str(UserError("a (UserError: b)")) == "a (b)"
    assert str(unreadable("a.npy", PermissionError(13, "Permission denied", "a.npy"))) == (
        "a.npy: cannot be read (Permission denied)"
    )


def test_names_of_files_cannot_control_the_terminal():
    assert str(UserError("\x1b]0;title\x07\x1b[31m.png: no\nimage")) == "\\x1b]0;title\\x07\\x1b[31m.png: no\nimage"


@pytest.mark.parametrize(
    ("error", "told", "status"),
    [
        ("UserError('a.png: no image')", "a.png: no image", 1),
        (
            "IsADirectoryError(21, 'Is a directory', 'part', None, 'a.npy')",
            "a.npy: Is a directory; it cannot be read",
            1,
        ),
        (
            "PermissionError(13, 'Permission denied', 'a.csv')",
            "a.csv: Permission denied; it cannot be read or written",
            1,
        ),
        (
            "OSError(28, 'No space left on device', 'a.npy')",
            "a.npy: No space left on device; it cannot be written: ",
            1,
        ),
        ("ZeroDivisionError('by zero')", "ZeroDivisionError: by zero\n(the full traceback is in ", 70),
    ],
)
@pytest.mark.parametrize("shown", [False, True])
def test_what_a_job_says_ends_its_log(error, told, status, shown, tmp_path):
    """Snakemake's process shows it on the screen, where there is one that can; otherwise the job does."""
    log = tmp_path / "job.log"
    program = (
        "from trainsize.common.errors import UserError\nfrom trainsize.jobs.job import run_stage\n"
        f"def stage(settings):\n    print('working', flush=True)\n    raise {error}\n"
        f"run_stage(stage, [{str(log)!r}, '{{}}'])"
    )
    environment = {key: value for key, value in os.environ.items() if key != SHOWN} | ({SHOWN: "1"} if shown else {})
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, env=environment, cwd=SCRIPTS, check=False
    )
    assert done.returncode == status
    assert log.read_text().startswith("working\n")
    assert message_in(log.read_text()).startswith(told)
    assert done.stderr.startswith(told) if not shown else done.stderr == ""


def message_in(log: str) -> str:
    return log.partition(f"{STOPPED}\n")[2]


def test_no_message_is_made_of_inner_words():
    """A message must not be made of an error's class, an object's type or its representation."""
    allowed = {("training/architectures.py", "type(error).__name__")}  # an error in the user's own code
    for path in sorted(LIBRARY.rglob("*.py")):
        name = str(path.relative_to(LIBRARY))
        for call in ast.walk(ast.parse(path.read_text())):
            if not (isinstance(call, ast.Call) and getattr(call.func, "id", "") in ("UserError", "unreadable")):
                continue
            for part in ast.walk(call):
                if isinstance(part, ast.FormattedValue):
                    text = ast.unparse(part.value)
                    assert not re.search(r"type\(|__name__|__class__", text) or (name, text) in allowed, (name, text)


def test_the_tests_of_snakemakes_words_know_its_words():
    """The words by which a job's failure is recognised are those of the installed Snakemake."""
    folder = Path(find_spec("snakemake").origin).parent
    source = "".join(path.read_text() for path in (*folder.glob("*.py"), *folder.glob("scheduling/*.py")))
    for words in (
        "At least one job did not complete successfully.",
        "Exiting because a job execution failed",
        "Complete log(s):",
        "Shutting down",
        "No rule to produce",
        "Incomplete files:",
        "Target rules may not contain wildcards",
    ):
        assert words in source, words
