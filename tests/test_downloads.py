"""Downloads, from a server on this machine: resumed, verified, from the next mirror, unpacked whole, fetched once."""

import gzip
import hashlib
import io
import tarfile
import threading
import zipfile
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest
from torchvision.datasets import CIFAR10, MNIST

from lib.datasets import downloads
from lib.datasets.downloads import Archive


@pytest.fixture
def server():
    """Serves the bytes in `files`; cuts an answer off after `limit` bytes; notes each request and its range."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self):
            whole = own.files.get(self.path)
            wanted = self.headers.get("Range")
            own.asked.append((self.path, wanted))
            if whole is None:
                return self.send_error(404)
            start = int(wanted.removeprefix("bytes=").rstrip("-")) if wanted and own.resumes else 0
            if start >= len(whole):
                return self.send_error(416)
            self.send_response(206 if start else 200)
            self.send_header("Content-Length", str(len(whole) - start))
            self.end_headers()
            self.wfile.write(whole[start:][: own.limit])

        def log_message(self, *_):
            pass

    own = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    own.files, own.asked, own.limit, own.resumes = {}, [], None, True
    own.url = f"http://127.0.0.1:{own.server_port}"
    threading.Thread(target=own.serve_forever, daemon=True).start()
    yield own
    own.shutdown()
    own.server_close()


@pytest.fixture
def archive(server, tmp_path, monkeypatch):
    """A set `toy` of one zip, 100 kB, at two mirrors of which the first has nothing."""
    monkeypatch.setenv("COMPANION_DOWNLOADS", str(tmp_path))
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w") as file:
        file.writestr("toy/numbers.txt", bytes(range(256)) * 400)
    server.files["/toy.zip"] = packed.getvalue()
    md5 = hashlib.md5(packed.getvalue()).hexdigest()
    own = Archive("set/toy.zip", "set/toy", md5, (f"{server.url}/gone.zip", f"{server.url}/toy.zip"))
    monkeypatch.setitem(downloads.archives(), "set", [own])
    return own


def names(folder):
    return sorted(str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file())


def test_a_set_is_fetched_once_from_the_mirror_that_has_it(server, archive, tmp_path):
    assert downloads.fetch("set") == tmp_path / "set"
    assert (tmp_path / "set/toy/numbers.txt").read_bytes() == bytes(range(256)) * 400
    assert [path for path, _ in server.asked] == ["/gone.zip", "/toy.zip"]
    downloads.fetch("set")
    (tmp_path / "set/toy.zip").unlink()  # what is unpacked needs no archive
    downloads.fetch("set")
    assert len(server.asked) == 2


def test_a_download_that_breaks_off_goes_on_where_it_was(server, archive, tmp_path):
    server.limit = 30_000
    with pytest.raises(OSError, match=r"the connection ended after 30,000 of 102,\d+ bytes"):
        downloads.fetch("set")
    assert names(tmp_path) == ["set/toy.zip.partial"]
    server.limit = None
    downloads.fetch("set")
    assert server.asked[-1] == ("/toy.zip", "bytes=30000-")
    assert names(tmp_path) == ["set/toy.zip", "set/toy/numbers.txt"]


def test_a_server_that_cannot_resume_sends_all_of_it(server, archive, tmp_path):
    server.limit, server.resumes = 30_000, False
    with pytest.raises(OSError):
        downloads.fetch("set")
    server.limit = None
    downloads.fetch("set")
    assert names(tmp_path) == ["set/toy.zip", "set/toy/numbers.txt"]


@pytest.mark.case("C23")
@pytest.mark.parametrize("size", [7, 50_000, 200_000])  # the last is longer than the file itself
def test_what_arrived_of_another_file_is_begun_anew_in_the_same_call(server, archive, tmp_path, size):
    (tmp_path / "set").mkdir()
    (tmp_path / "set/toy.zip.partial").write_bytes(b"x" * size)
    downloads.fetch("set")
    assert names(tmp_path) == ["set/toy.zip", "set/toy/numbers.txt"]
    assert server.asked[-2:] == [("/toy.zip", f"bytes={size}-"), ("/toy.zip", None)]


@pytest.mark.case("C23")
@pytest.mark.parametrize("kind", ["folder", "file"])
def test_what_was_put_by_hand_and_is_empty_is_one_line(server, archive, tmp_path, kind):
    (tmp_path / "set").mkdir()
    (tmp_path / "set/toy").mkdir() if kind == "folder" else (tmp_path / "set/toy").touch()
    with pytest.raises(OSError, match=f"^{tmp_path}/set/toy is empty: remove it to have it fetched[^\n]*$"):
        downloads.fetch("set")
    assert server.asked == []


@pytest.mark.parametrize("kind", ["zip", "tar"])
def test_an_archive_whose_paths_climb_writes_nothing_outside(server, tmp_path, monkeypatch, kind):
    monkeypatch.setenv("COMPANION_DOWNLOADS", str(tmp_path / "downloads"))
    packed = io.BytesIO()
    if kind == "zip":
        with zipfile.ZipFile(packed, "w") as file:
            file.writestr("../../../outside.txt", b"x")
    else:
        with tarfile.open(fileobj=packed, mode="w:gz") as tar:
            tar.addfile(tarfile.TarInfo("../../../outside.txt"), io.BytesIO())
    path = "/a.zip" if kind == "zip" else "/a.tgz"
    server.files[path] = packed.getvalue()
    own = Archive(f"s{path}", "s/inside", hashlib.md5(packed.getvalue()).hexdigest(), (server.url + path,))
    monkeypatch.setitem(downloads.archives(), "s", [own])
    with pytest.raises(OSError, match=r"a\.(zip|tgz) cannot be unpacked \([^\n]*$"):
        downloads.fetch("s")
    assert names(tmp_path) == [f"downloads/s{path}"]


def test_wrong_bytes_are_refused(server, archive, tmp_path):
    server.files["/toy.zip"] = b"another file"
    with pytest.raises(OSError, match=f"has the md5 .*, expected is {archive.md5}"):
        downloads.fetch("set")
    assert names(tmp_path) == []


def test_without_a_network_one_line_says_what_to_put_where(archive, server, tmp_path):
    server.files.clear()
    with pytest.raises(OSError) as error:
        downloads.fetch("set")
    message = str(error.value)
    assert "\n" not in message and message.endswith(f"put it at {tmp_path / 'set/toy.zip'}")
    assert all(url in message for url in archive.mirrors)


def test_an_archive_put_there_by_hand_will_do_if_it_is_whole(server, archive, tmp_path):
    (tmp_path / "set").mkdir()
    (tmp_path / "set/toy.zip").write_bytes(server.files["/toy.zip"][:-1])
    with pytest.raises(OSError, match=f"expected is {archive.md5}"):
        downloads.fetch("set")
    (tmp_path / "set/toy.zip").write_bytes(server.files["/toy.zip"])
    downloads.fetch("set")
    assert server.asked == [] and (tmp_path / "set/toy/numbers.txt").exists()


def test_an_unpacking_that_fails_leaves_nothing_half(archive, server, tmp_path, monkeypatch):
    def full(self, path):
        (path / "toy").mkdir()
        raise OSError("no space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(zipfile.ZipFile, "extractall", full)
        with pytest.raises(OSError, match="no space left"):
            downloads.fetch("set")
    assert names(tmp_path) == ["set/toy.zip"] and not (tmp_path / "set/toy").exists()
    downloads.fetch("set")
    assert len(server.asked) == 2


def test_tar_and_gzip_files_are_unpacked_too(server, tmp_path, monkeypatch):
    monkeypatch.setenv("COMPANION_DOWNLOADS", str(tmp_path))
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w:gz") as tar:
        member = tarfile.TarInfo("birds/list.txt")
        member.size = 5
        tar.addfile(member, io.BytesIO(b"tit 1"))
    server.files = {"/a.tgz": packed.getvalue(), "/b.gz": gzip.compress(b"numbers"), "/c.txt": b"words"}
    holds = {"/a.tgz": "s/birds", "/b.gz": "s/b", "/c.txt": "s/c.txt"}
    monkeypatch.setitem(
        downloads.archives(),
        "s",
        [
            Archive(f"s{path}", holds[path], hashlib.md5(content).hexdigest(), (server.url + path,))
            for path, content in server.files.items()
        ],
    )
    downloads.fetch("s")
    downloads.fetch("s")
    assert len(server.asked) == 3
    assert (tmp_path / "s/birds/list.txt").read_bytes() == b"tit 1"
    assert (tmp_path / "s/b").read_bytes() == b"numbers" and (tmp_path / "s/c.txt").read_bytes() == b"words"


def test_archives_unpack_to_where_torchvision_reads():
    held = {archive.holds for archive in downloads.archives()["mnist"]}
    assert held == {f"mnist/{MNIST.__name__}/raw/{name.removesuffix('.gz')}" for name, _ in MNIST.resources}
    (cifar10,) = downloads.archives()["cifar10"]
    assert cifar10.holds == f"cifar10/{CIFAR10.base_folder}"
