"""Sets by name: yours first, then the cache; the licence before the first byte; the hash ever after."""

from __future__ import annotations

import io
import json
import threading
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from matweave.data import catalog
from matweave.data.catalog import cache_dir, find, get, load, public_set
from matweave.data.public import PublicSet
from matweave.errors import ConfigError, DownloadError

LOG = "userId,movieId,rating,timestamp\n7,30,4.5,1000\n7,10,3.0,2000\n9,30,1.0,3000\n"


def archive(log: str | None = LOG) -> bytes:
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w") as made:
        made.writestr("toy-set/README", "be kind")
        if log is not None:
            made.writestr("toy-set/ratings.csv", log)
    return packed.getvalue()


@contextmanager
def server(*bodies: bytes) -> Iterator[tuple[str, list[str]]]:
    """Serves the bodies in turn, the last for ever; counts what was asked for."""
    asked: list[str] = []

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            asked.append(self.path)
            body = bodies[min(len(asked), len(bodies)) - 1]
            self.send_response(200)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, format: str, *args: object) -> None:
            pass

    made = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=made.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    try:
        yield f"http://127.0.0.1:{made.server_port}", asked
    finally:
        made.shutdown()
        thread.join()
        made.server_close()


def toy(base: str = "http://127.0.0.1:1", **settings) -> PublicSet:
    return PublicSet(
        **{
            "name": "toy",
            "title": "a toy",
            "address": f"{base}/toy.zip",
            "size": 300,
            "rows": 3,
            "users": 2,
            "items": 2,
            "log": "ratings.csv",
            "files": ("README",),
            "licence": "be kind",
            "licence_at": "http://example.org/licence",
            "citation": "nobody (2026)",
            "options": {"user": "userId", "item": "movieId", "value": "rating", "time": "timestamp"},
        }
        | settings
    )


@pytest.fixture(autouse=True)
def own_folders(tmp_path, monkeypatch):
    monkeypatch.delenv("MATWEAVE_DATA", raising=False)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))


def test_get_then_find_then_load():
    told = []
    with server(archive()) as (base, asked):
        entry = toy(base)
        assert find(entry) is None
        path = get(entry, accept_licence=True, progress=lambda *p: told.append(p))
        assert path == cache_dir() / "toy" / "ratings.csv"
        assert path.read_text() == LOG
        assert find(entry) == path
        assert get(entry) == path  # accepted before, and here
        assert asked == ["/toy.zip"]
    assert told[-1] == (len(archive()), len(archive()))
    log = load(entry)
    assert log.to_frame("arrow").to_pydict()["user"] == [7, 7, 9]
    assert log.items.to_list() == [30, 10]
    assert log.values.tolist() == [4.5, 3.0, 1.0]
    said = json.loads((path.parent / "set.json").read_text())
    assert said["licence"] == "be kind"


def test_nothing_is_fetched_before_the_licence_is_accepted():
    with server(archive()) as (base, asked):
        entry = toy(base)
        shown = []
        for refuse in (False, lambda e: shown.append(e.licence) or False):
            with pytest.raises(DownloadError, match="has not been accepted: be kind") as error:
                get(entry, accept_licence=refuse)
            assert error.value.where == "http://example.org/licence"
            assert "--accept-licence" in error.value.mend
        assert shown == ["be kind"]
        assert asked == []
        get(entry, accept_licence=lambda e: True)
        assert asked == ["/toy.zip"]


def test_your_own_copy_comes_first_and_asks_no_licence(tmp_path, monkeypatch):
    folder = tmp_path / "mine" / "toy"
    folder.mkdir(parents=True)
    (folder / "ratings.csv").write_text(LOG)
    assert get(toy(), data_dir=tmp_path / "mine") == folder / "ratings.csv"
    assert find(toy()) is None
    monkeypatch.setenv("MATWEAVE_DATA", str(tmp_path / "mine"))
    assert find(toy()) == folder / "ratings.csv"
    assert len(load(toy())) == 3
    (folder / "ratings.csv").rename(folder / "ratings.csv.gz")
    assert find(toy()) == folder / "ratings.csv.gz"
    monkeypatch.setenv("MATWEAVE_DATA", "")
    assert find(toy()) is None


def test_a_changed_log_is_refused():
    with server(archive()) as (base, _):
        path = get(toy(base), accept_licence=True)
    path.write_text(LOG.replace("4.5", "5.0"))
    with pytest.raises(DownloadError, match="not the file that was unpacked"):
        get(toy(base))
    path.write_text(LOG[:-1])  # another size: unpacked anew from the checked archive
    assert get(toy(base)).read_text() == LOG


def test_another_archive_at_the_second_get_is_refused():
    with server(archive(), archive(LOG + "9,10,2.0,4000\n")) as (base, asked):
        entry = toy(base)
        path = get(entry, accept_licence=True)
        (cache_dir() / "downloads" / "toy.zip").unlink()
        path.unlink()
        with pytest.raises(DownloadError, match="is not the file recorded on"):
            get(entry, accept_licence=True)
        assert len(asked) == 2


def test_a_changed_archive_is_refused():
    with server(archive()) as (base, _):
        entry = toy(base)
        get(entry, accept_licence=True).unlink()
        packed = cache_dir() / "downloads" / "toy.zip"
        packed.write_bytes(packed.read_bytes()[:-1] + b"!")
        with pytest.raises(DownloadError, match="not the file that was first downloaded"):
            get(entry)


@pytest.mark.parametrize("bad", [b"<!doctype html>", archive()[:90], archive(None)])
def test_a_broken_or_wrong_archive_is_not_remembered(bad):
    with server(bad, archive()) as (base, _):
        with pytest.raises(DownloadError, match=r"a web page|not a whole archive|does not hold ratings\.csv"):
            get(toy(base), accept_licence=True)
        assert list((cache_dir() / "downloads").iterdir()) == []
        assert find(toy(base)) is None
        assert get(toy(base), accept_licence=True).read_text() == LOG


def test_an_archive_that_would_escape(tmp_path):
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w") as made:
        made.writestr("ratings.csv", LOG)
        made.writestr("../../escaped", "!")
    with server(packed.getvalue()) as (base, _), pytest.raises(DownloadError, match="unsafe"):
        get(toy(base), accept_licence=True)
    assert [p.name for p in tmp_path.rglob("escaped")] == []


def test_a_single_file_needs_no_unpacking():
    with server(LOG.encode()) as (base, asked):
        entry = toy(base, address=f"{base}/latest/ratings.csv")
        path = get(entry, accept_licence=True)
        assert path.read_text() == LOG
        assert find(entry) == get(entry) == path
        assert asked == ["/latest/ratings.csv"]


def test_the_publishers_checksum_is_asked_of_the_archive():
    with server(archive()) as (base, _), pytest.raises(DownloadError, match="its publisher states"):
        get(toy(base, checksum="md5:" + "0" * 32), accept_licence=True)


def test_unknown_names():
    with pytest.raises(ConfigError, match=r"did you mean 'ml-1m'"):
        public_set("ml1m")
    with pytest.raises(ConfigError):
        find("no such set")


def test_cache_dir(monkeypatch, tmp_path):
    assert cache_dir() == tmp_path / "cache" / "matweave"
    for unset in ("", "relative/path"):  # the XDG base directory specification: relative paths are ignored
        monkeypatch.setenv("XDG_CACHE_HOME", unset)
        assert cache_dir() == Path.home() / ".cache" / "matweave"


@pytest.mark.data
@pytest.mark.parametrize(
    ("name", "rows"), [("ml-100k", 100_000), ("ml-latest-small", 100_004), ("ml-1m", 1_000_209)]
)
def test_real_sets_are_read_by_their_options(real_data, name, rows):
    log = load(name, data_dir=real_data)  # the small set here is the one of 2016
    entry = public_set(name)
    assert len(log) == rows
    if name != "ml-latest-small":
        assert (log.n_users, log.n_items) == (entry.users, entry.items)
    assert log.times is not None
    assert log.times.min() > 7.8e14  # microseconds: from 1995 on
    assert catalog.find(name, real_data) is not None
