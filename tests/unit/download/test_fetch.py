"""Downloads: the mirror first, verified, resumed, retried; archives that lead out of their folder are refused."""

import errno
import gzip
import hashlib
import io
import os
import re
import resource
import socket
import tarfile
import threading
import zipfile
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from trainsize.common.errors import UserError
from trainsize.datasets.catalogue import File
from trainsize.download import fetch
from trainsize.download.fetch import Unavailable, lay_out, obtain
from trainsize.download.unpack import unpack

CONTENT = bytes(range(256)) * 2000
CHECKSUM = f"md5:{hashlib.md5(CONTENT).hexdigest()}"


class Server(ThreadingHTTPServer):
    """Serves `files`; cuts each of the first `cuts` answers short, and knows ranges if told to."""

    def __init__(self, files, cuts=0, ranges=True, errors=0):
        super().__init__(("127.0.0.1", 0), Handler)
        self.files, self.cuts, self.ranges, self.errors, self.asked = files, cuts, ranges, errors, []
        self.address = f"http://127.0.0.1:{self.server_port}"


class Handler(BaseHTTPRequestHandler):
    def do_GET(self):
        wanted = self.headers.get("Range")
        self.server.asked.append((self.path, wanted))
        content = self.server.files.get(self.path.lstrip("/"))
        if self.server.errors:
            self.server.errors -= 1
            return self.send_error(503)
        if content is None:
            return self.send_error(404)
        start = int(re.fullmatch(r"bytes=(\d+)-", wanted)[1]) if wanted and self.server.ranges else 0
        if start and start >= len(content):
            return self.send_error(416)
        self.send_response(206 if start else 200)
        self.send_header("Content-Length", str(len(content) - start))
        self.end_headers()
        end = len(content)
        if self.server.cuts:
            self.server.cuts -= 1
            end = start + (end - start) // 2
        self.wfile.write(content[start:end])

    def log_message(self, *arguments):
        pass


@contextmanager
def serving(files, **options):
    server = Server(files, **options)
    threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
    try:
        yield server
    finally:
        server.shutdown()
        server.server_close()


def names(folder):
    return sorted(path.name for path in folder.iterdir())


def get(file, mirror, cache):
    return obtain(file, mirror, cache, waits=(0.0, 0.0, 0.0))


def test_a_folder_is_used_where_it_is(tmp_path):
    (tmp_path / "mirror" / "set").mkdir(parents=True)
    (tmp_path / "mirror" / "set" / "a.bin").write_bytes(CONTENT)
    found = get(File("set/a.bin", CHECKSUM), str(tmp_path / "mirror"), tmp_path / "cache")
    assert found == tmp_path / "mirror" / "set" / "a.bin"
    assert not (tmp_path / "cache").exists()


def test_the_mirror_goes_before_the_official_address(tmp_path):
    with serving({"set/a.bin": CONTENT}) as mirror, serving({"a.bin": CONTENT}) as official:
        file = File("set/a.bin", CHECKSUM, (f"{official.address}/a.bin",))
        assert get(file, mirror.address, tmp_path).read_bytes() == CONTENT
        assert official.asked == []


def test_what_the_mirror_lacks_comes_from_the_official_address(tmp_path):
    with serving({}) as mirror, serving({"a.bin": CONTENT}) as official:
        file = File("set/a.bin", CHECKSUM, (f"{official.address}/missing", f"{official.address}/a.bin"))
        assert get(file, mirror.address, tmp_path).read_bytes() == CONTENT
        assert len(mirror.asked) == 1


def test_a_file_downloaded_before_is_not_downloaded_again(tmp_path):
    with serving({"a.bin": CONTENT}) as server:
        for _ in range(2):
            get(File("a.bin", CHECKSUM), server.address, tmp_path)
        assert len(server.asked) == 1


@pytest.mark.parametrize("ranges", [True, False])
def test_an_interrupted_download_goes_on(tmp_path, capsys, ranges):
    with serving({"a.bin": CONTENT}, cuts=1, ranges=ranges) as server:
        assert get(File("a.bin", CHECKSUM), server.address, tmp_path).read_bytes() == CONTENT
    half = len(CONTENT) // 2
    assert [asked for _, asked in server.asked] == [None, f"bytes={half}-"]
    assert f"the connection ended after {half:,} of {len(CONTENT):,} bytes" in capsys.readouterr().out
    assert names(tmp_path) == ["a.bin"]


def test_a_server_that_never_answers_is_given_up(tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(fetch, "TIMEOUT", 0.05)
    with socket.create_server(("127.0.0.1", 0)) as silent, pytest.raises(Unavailable, match="timed out"):
        get(File("a.bin", CHECKSUM), f"http://127.0.0.1:{silent.getsockname()[1]}", tmp_path)
    assert capsys.readouterr().out.count("timed out; retrying") == 3


def test_a_disk_without_room_is_no_fault_of_the_server(tmp_path):
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    with serving({"a.bin": CONTENT}) as server, pytest.raises(OSError) as raised:
        resource.setrlimit(resource.RLIMIT_FSIZE, (10_000, before[1]))
        try:
            get(File("a.bin", CHECKSUM), server.address, tmp_path)
        finally:
            resource.setrlimit(resource.RLIMIT_FSIZE, before)
    assert (raised.value.errno, raised.value.filename) == (errno.EFBIG, str(tmp_path / "a.bin.part"))
    assert len(server.asked) == 1


def test_a_killed_download_goes_on_in_the_next_job(tmp_path):
    with serving({"a.bin": CONTENT}, cuts=9) as server, pytest.raises(Unavailable):
        get(File("a.bin", CHECKSUM), server.address, tmp_path)
    received = (tmp_path / "a.bin.part").stat().st_size
    assert 0 < received < len(CONTENT)
    assert not (tmp_path / "a.bin").exists()
    with serving({"a.bin": CONTENT}) as server:
        assert get(File("a.bin", CHECKSUM), server.address, tmp_path).read_bytes() == CONTENT
    assert server.asked == [("/a.bin", f"bytes={received}-")]


def test_a_part_of_another_version_is_started_again(tmp_path):
    (tmp_path / "a.bin.part").write_bytes(b"not the same file")
    with serving({"a.bin": CONTENT}) as server:
        assert get(File("a.bin", CHECKSUM), server.address, tmp_path).read_bytes() == CONTENT
    assert len(server.asked) == 2


def test_a_part_that_is_already_whole_needs_no_more(tmp_path):
    (tmp_path / "a.bin.part").write_bytes(CONTENT)
    with serving({"a.bin": CONTENT}) as server:
        assert get(File("a.bin", CHECKSUM), server.address, tmp_path).read_bytes() == CONTENT


def test_a_busy_server_is_asked_again(tmp_path):
    with serving({"a.bin": CONTENT}, errors=2) as server:
        assert get(File("a.bin", CHECKSUM), server.address, tmp_path).read_bytes() == CONTENT
    assert len(server.asked) == 3


def test_a_damaged_download_is_refused_and_not_kept(tmp_path):
    with (
        serving({"a.bin": CONTENT[:-1] + b"x"}) as server,
        pytest.raises(UserError, match=rf"a\.bin.*the checksum is md5:\w{{32}}, expected {CHECKSUM}"),
    ):
        get(File("a.bin", CHECKSUM), server.address, tmp_path)
    assert names(tmp_path) == []


@pytest.mark.parametrize("content", [CONTENT[:1000], b"x" * len(CONTENT)])
def test_a_damaged_or_cut_off_file_of_a_folder_is_refused(tmp_path, content):
    (tmp_path / "a.bin").write_bytes(content)
    with pytest.raises(UserError, match=rf"a\.bin: the checksum is md5:\w{{32}}, expected {CHECKSUM}"):
        get(File("a.bin", CHECKSUM), str(tmp_path), tmp_path / "cache")


def test_a_file_that_is_nowhere_says_where_it_was_looked_for(tmp_path):
    with serving({}) as server, pytest.raises(Unavailable) as caught:
        get(File("set/a.bin", CHECKSUM, (f"{server.address}/x/a.bin",)), str(tmp_path), tmp_path / "cache")
    message = str(caught.value)
    assert message.startswith("a.bin: not available:")
    assert f"{tmp_path}: not in this folder" in message
    assert f"{server.address}/x/a.bin: HTTP Error 404" in message
    assert "set data.mirror in config.yaml or TRAINSIZE_MIRROR" in message


def test_a_mirror_that_is_no_folder_is_named(tmp_path):
    with pytest.raises(UserError, match=r"data\.mirror: found '/no/such/place', which is neither an existing folder"):
        get(File("a.bin", CHECKSUM), "/no/such/place", tmp_path)


def test_an_archive_that_the_mirror_has_unpacked_is_not_downloaded(tmp_path):
    file = File("set.tar.gz", "md5:0", (), holds=(("set/a.bin", CHECKSUM),))
    with serving({"set/a.bin": CONTENT}) as server:
        lay_out([file], server.address, tmp_path / "cache", tmp_path / "root", lambda name: True)
    assert (tmp_path / "root" / "set" / "a.bin").read_bytes() == CONTENT


def test_an_archive_is_unpacked_beside_itself(tmp_path):
    tar(tmp_path / "mirror" / "set.tar.gz", [("set/a.bin", CONTENT)])
    packed = (tmp_path / "mirror" / "set.tar.gz").read_bytes()
    file = File("set.tar.gz", f"md5:{hashlib.md5(packed).hexdigest()}", (), holds=(("set/a.bin", CHECKSUM),))
    lay_out([file], str(tmp_path / "mirror"), tmp_path / "cache", tmp_path / "root", lambda name: True)
    assert (tmp_path / "root" / "set" / "a.bin").read_bytes() == CONTENT


def tar(path, members):
    """Write a .tar.gz of (name, bytes), (name, link target as text) or TarInfo."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with tarfile.open(path, "w:gz") as archive:
        for name, content in members:
            info = tarfile.TarInfo(name)
            if isinstance(content, str):
                info.type, info.linkname = tarfile.SYMTYPE, content
                archive.addfile(info)
            else:
                info.size = len(content)
                archive.addfile(info, io.BytesIO(content))
    return path


def make_zip(path, members):
    with zipfile.ZipFile(path, "w") as archive:
        for name, content in members:
            info = zipfile.ZipInfo(name)
            info.external_attr = (0o120777 if isinstance(content, str) else 0o100644) << 16
            archive.writestr(info, content)
    return path


@pytest.mark.parametrize("make", [tar, make_zip])
@pytest.mark.parametrize("name", ["../out.txt", "/tmp/trainsize-out.txt", "a/../../out.txt"])
def test_an_archive_that_leads_out_is_refused(tmp_path, make, name):
    suffix = "zip" if make is make_zip else "tar.gz"
    archive = make(tmp_path / f"bad.{suffix}", [("good.txt", b"1"), (name, b"2")])
    with pytest.raises(UserError, match=r"bad\.\S+: not unpacked: its member '.*' would be written outside"):
        unpack(archive, tmp_path / "inside" / "target")
    assert not list(tmp_path.rglob("out.txt"))


@pytest.mark.parametrize("make", [tar, make_zip])
def test_an_archive_with_a_link_is_refused(tmp_path, make):
    archive = make(tmp_path / f"bad.{'zip' if make is make_zip else 'tar.gz'}", [("link", "/etc/passwd")])
    with pytest.raises(UserError, match=r"its member 'link' is a link or a device"):
        unpack(archive, tmp_path / "target")
    assert not (tmp_path / "target" / "link").exists()


@pytest.mark.parametrize("make", [tar, make_zip])
def test_a_cut_off_archive_is_refused(tmp_path, make):
    archive = make(tmp_path / f"cut.{'zip' if make is make_zip else 'tar.gz'}", [("a.bin", os.urandom(100_000))])
    archive.write_bytes(archive.read_bytes()[:50_000])
    with pytest.raises(UserError, match=r"cut\.\S+: cannot be unpacked: it is damaged or cut off"):
        unpack(archive, tmp_path / "target")


def test_a_cut_off_gzip_file_is_refused(tmp_path):
    (tmp_path / "a.bin.gz").write_bytes(gzip.compress(os.urandom(100_000))[:50_000])
    with pytest.raises(UserError, match="damaged or cut off"):
        unpack(tmp_path / "a.bin.gz", tmp_path / "target")


def test_only_the_wanted_members_are_unpacked(tmp_path):
    archive = make_zip(tmp_path / "a.zip", [("in/one", b"1"), ("in/two", b"2")])
    unpack(archive, tmp_path / "target", lambda name: name.endswith("one"))
    assert names(tmp_path / "target" / "in") == ["one"]
