"""Files from elsewhere: whatever they hold, nothing runs, and neither disk nor memory is filled."""

import ast
import gzip
import io
import tarfile
import zipfile
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from PIL import Image
from support import ROOT

from trainsize.common.errors import UserError
from trainsize.datasets.headers import idx_header, npz_headers
from trainsize.download.pixels import decode
from trainsize.download.unpack import unpack

ZEROS = bytes(5_000_000)


def zipped(path: Path) -> None:
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as file:
        for k in range(3):
            file.writestr(f"{k}.bin", ZEROS)


def tarred(path: Path) -> None:
    with tarfile.open(path, "w:gz") as file:
        for k in range(3):
            member = tarfile.TarInfo(f"{k}.bin")
            member.size = len(ZEROS)
            file.addfile(member, io.BytesIO(ZEROS))


def gzipped(path: Path) -> None:
    path.write_bytes(gzip.compress(3 * ZEROS))


@pytest.mark.parametrize(("make", "name"), [(zipped, "a.zip"), (tarred, "a.tar.gz"), (gzipped, "a.bin.gz")])
def test_a_bomb_is_refused_before_it_fills_the_disk(tmp_path, monkeypatch, faults, make, name):
    make(tmp_path / name)
    monkeypatch.setattr("trainsize.download.unpack.ALWAYS_ALLOWED_BYTES", 2 * len(ZEROS))
    with pytest.raises(UserError, match="not unpacked: it holds more than 200 times its own size"):
        unpack(tmp_path / name, tmp_path / "target")
    assert sum(path.stat().st_size for path in (tmp_path / "target").iterdir()) <= 2 * len(ZEROS)
    faults("archives that are traps")
    monkeypatch.setattr("trainsize.download.unpack.ALWAYS_ALLOWED_BYTES", 3 * len(ZEROS))
    unpack(tmp_path / name, tmp_path / "whole")
    assert sum(path.stat().st_size for path in (tmp_path / "whole").iterdir()) == 3 * len(ZEROS)


def test_an_archive_of_too_many_files_is_refused(tmp_path, monkeypatch):
    zipped(tmp_path / "a.zip")
    monkeypatch.setattr("trainsize.download.unpack.MOST_MEMBERS", 2)
    with pytest.raises(UserError, match="or more than 2 files"):
        unpack(tmp_path / "a.zip", tmp_path / "target")


def npz() -> bytes:
    file = io.BytesIO()
    np.savez(file, x_train=np.zeros((3, 2, 2), np.uint8), y_train=np.arange(3))
    return file.getvalue()


def png() -> bytes:
    file = io.BytesIO()
    Image.fromarray(np.arange(64, dtype=np.uint8).reshape(8, 8)).save(file, "png")
    return file.getvalue()


def read_npz(path: Path) -> object:
    return npz_headers(path)


def read_image(path: Path) -> object:
    return decode(path, (8, 8, 1), str(path))


def read_archive(path: Path) -> object:
    return unpack(path, path.parent / "target")


IDX = b"\0\0\x08\x03" + b"\0\0\0\x02" * 3 + bytes(8)
KINDS = {"npz": (npz(), read_npz), "idx": (IDX, idx_header), "png": (png(), read_image), "zip": (npz(), read_archive)}


@settings(max_examples=120, deadline=None, derandomize=True, suppress_health_check=list(HealthCheck), database=None)
@given(st.sampled_from(sorted(KINDS)), st.data())
def test_spoilt_files_are_read_or_named(tmp_path, faults, kind, data):
    content, read = KINDS[kind]
    spoilt = bytearray(content)
    for place, byte in data.draw(
        st.lists(st.tuples(st.integers(0, len(content) - 1), st.integers(0, 255)), max_size=6)
    ):
        spoilt[place] = byte
    path = tmp_path / f"spoilt.{kind}"
    path.write_bytes(spoilt[: data.draw(st.integers(0, len(content)))] if data.draw(st.booleans()) else spoilt)
    faults("spoilt files read")
    try:
        read(path)
    except UserError as error:
        assert str(path) in str(error)


def test_an_array_file_that_claims_too_much(tmp_path):
    (tmp_path / "x").write_bytes(b"\0\0\x08\x04" + b"\xff\xff\xff\xff" * 4)
    with pytest.raises(UserError, match=r"not an IDX file of bytes \(its header states 3e\+38 bytes\)"):
        idx_header(tmp_path / "x")
    header = b"{'shape': " + b"(" * 5000
    with zipfile.ZipFile(tmp_path / "x.npz", "w") as file:
        file.writestr("a.npy", b"\x93NUMPY\x01\x00" + len(header).to_bytes(2, "little") + header)
    with pytest.raises(UserError, match=r"not an \.npz file of arrays"):
        npz_headers(tmp_path / "x.npz")


# The one place where a file's content becomes code: a network of the user's own, named in the study file.
ALLOWED = {("custom.py", "exec_module")}
FORBIDDEN = {"eval", "exec", "compile", "exec_module", "system", "popen", "Unpickler", "import_module"}


def test_no_code_from_data_and_no_shell():
    """No eval, no pickle and no shell string; files of PyTorch are read as weights only, of NumPy without objects."""
    for path in sorted((ROOT / "workflow" / "scripts").rglob("*.py")):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, (ast.Import, ast.ImportFrom)):
                names = {getattr(node, "module", ""), *(alias.name for alias in node.names)}
                assert not names & {"pickle", "marshal", "shelve", "dill", "joblib"}, path
            if not isinstance(node, ast.Call):
                continue
            function = node.func
            name = function.attr if isinstance(function, ast.Attribute) else getattr(function, "id", "")
            owner = getattr(getattr(function, "value", None), "id", "")
            given_as = {keyword.arg: ast.unparse(keyword.value) for keyword in node.keywords}
            assert name not in FORBIDDEN or owner in ("re", "model") or (path.name, name) in ALLOWED, (path, name)
            assert "shell" not in given_as, path
            if (owner, name) == ("torch", "load"):
                assert given_as["weights_only"] == "True", path
            if (owner, name) == ("np", "load"):
                assert given_as["allow_pickle"] == "False", path
            if (owner, name) == ("Image", "open"):
                assert (path.name, given_as["formats"]) == ("pixels.py", "_formats()"), path
            if (owner, name) == ("yaml", "load"):
                assert ast.unparse(node.args[1]) == "_Loader", path
