"""Downloads against a local server that misbehaves in every way we claim to withstand."""

from __future__ import annotations

import errno
import hashlib
import json
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from matweave.data import download as module
from matweave.data.download import download
from matweave.data.recorded import record_of
from matweave.errors import DownloadError

DATA = bytes(range(256)) * 4000  # a megabyte: several chunks

Answer = Callable[[BaseHTTPRequestHandler], None]


@contextmanager
def served(*answers: Answer) -> Iterator[tuple[str, list[dict[str, str]]]]:
    """A server that gives the answers in turn (the last one for ever), and the headers it was sent."""
    seen: list[dict[str, str]] = []

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            seen.append({name.lower(): value for name, value in self.headers.items()})
            answers[min(len(seen), len(answers)) - 1](self)

        def log_message(self, format: str, *args: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}/log.bin", seen
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def whole(
    data: bytes = DATA, *, tag: str | None = '"v1"', stop: int | None = None, ranges: bool = True
) -> Answer:
    """The data with Content-Length; honours Range and If-Range; `stop` cuts after so many bytes."""

    def answer(to: BaseHTTPRequestHandler) -> None:
        asked = to.headers.get("Range") if ranges else None
        begin = 0
        if asked and to.headers.get("If-Range") == tag:
            begin = int(asked.removeprefix("bytes=").rstrip("-"))
        if begin >= len(data):
            to.send_response(416)
            to.send_header("Content-Length", "0")
            to.end_headers()
            return
        to.send_response(206 if begin else 200)
        if begin:
            to.send_header("Content-Range", f"bytes {begin}-{len(data) - 1}/{len(data)}")
        if tag:
            to.send_header("ETag", tag)
        to.send_header("Content-Length", str(len(data) - begin))
        to.end_headers()
        to.wfile.write(data[begin : begin + stop if stop else None])

    return answer


def status(code: int, **headers: str) -> Answer:
    def answer(to: BaseHTTPRequestHandler) -> None:
        to.send_response(code)
        for name, value in headers.items():
            to.send_header(name.replace("_", "-"), value)
        to.send_header("Content-Length", "0")
        to.end_headers()

    return answer


@pytest.fixture
def to(tmp_path: Path) -> Path:
    return tmp_path / "cache" / "log.bin"


@pytest.fixture
def slept() -> list[float]:
    return []


def test_whole_file_with_progress_and_record(to, slept):
    told = []
    with served(whole()) as (address, seen):
        assert download(address, to, progress=lambda *p: told.append(p), sleep=slept.append) == to
        assert "range" not in seen[0]
    assert to.read_bytes() == DATA
    assert told[0] == (0, len(DATA))
    assert told[-1] == (len(DATA), len(DATA))
    assert [a for a, _ in told] == sorted(a for a, _ in told)
    record = record_of(to)
    assert record is not None
    assert (record.sha256, record.bytes, record.address) == (
        hashlib.sha256(DATA).hexdigest(),
        len(DATA),
        address,
    )
    assert sorted(p.name for p in to.parent.iterdir()) == ["log.bin", "log.bin.json"]
    assert slept == []


def test_second_call_asks_nothing_but_checks_the_hash(to, slept):
    with served(whole()) as (address, seen):
        download(address, to)
        download(address, to)
        assert len(seen) == 1
        to.write_bytes(DATA[:-1] + b"!")
        with pytest.raises(DownloadError, match="not the file that was first downloaded"):
            download(address, to)
        to.write_bytes(DATA[:-1])
        with pytest.raises(DownloadError, match="another size"):
            download(address, to)


def test_cut_in_the_middle_goes_on_by_range(to, slept):
    told = []
    with served(whole(stop=300_000), whole(stop=200_000), whole()) as (address, seen):
        download(address, to, sleep=slept.append, progress=lambda *p: told.append(p))
    assert to.read_bytes() == DATA
    assert [h.get("range") for h in seen] == [None, "bytes=300000-", "bytes=500000-"]
    assert seen[1]["if-range"] == '"v1"'
    assert slept == [1.0, 1.0]  # new bytes came each time, so the waiting starts over
    assert told[-1] == (len(DATA), len(DATA))


def test_resumes_in_a_later_process(to, slept):
    with served(whole(stop=300_000), status(503)) as (address, _):
        with pytest.raises(DownloadError, match="503") as error:
            download(address, to, sleep=slept.append, attempts=3)
        assert "300,000 bytes that have come are kept" in error.value.mend
    part = to.with_name("log.bin.part")
    assert part.stat().st_size == 300_000
    with served(whole()) as (other, seen):
        state = json.loads(to.with_name("log.bin.part.json").read_text())
        to.with_name("log.bin.part.json").write_text(json.dumps(state | {"address": other}))
        download(other, to)
        assert seen[0]["range"] == "bytes=300000-"
    assert to.read_bytes() == DATA
    assert not part.exists()


def test_a_part_of_another_address_is_not_continued(to):
    with served(whole(stop=300_000), status(404)) as (address, _), pytest.raises(DownloadError):
        download(address, to, sleep=lambda _: None)
    with served(whole(DATA[::-1])) as (address, seen):
        download(address, to)
        assert "range" not in seen[0]
    assert to.read_bytes() == DATA[::-1]


def test_server_without_range_starts_anew(to):
    with served(whole(stop=300_000), whole(ranges=False)) as (address, seen):
        download(address, to, sleep=lambda _: None)
        assert "range" in seen[1]
    assert to.read_bytes() == DATA


@pytest.mark.parametrize("tag", [None, 'W/"weak"'])
def test_without_a_strong_validator_nothing_is_continued(to, tag):
    with served(whole(stop=300_000, tag=tag), whole(tag=tag)) as (address, seen):
        download(address, to, sleep=lambda _: None)
        assert "range" not in seen[1]
    assert to.read_bytes() == DATA


def test_file_changed_between_the_attempts_starts_anew(to):
    other = DATA[::-1]
    with served(whole(stop=300_000), whole(other, tag='"v2"')) as (address, seen):
        download(address, to, sleep=lambda _: None)
        assert seen[1]["if-range"] == '"v1"'
    assert to.read_bytes() == other


def test_file_shorter_than_our_part_starts_anew(to):
    with served(whole(stop=300_000), status(416), whole()) as (address, seen):
        download(address, to, sleep=lambda _: None)
        assert "range" not in seen[2]
    assert to.read_bytes() == DATA


def test_another_range_than_asked_for_is_refused(to):
    def wrong(handler: BaseHTTPRequestHandler) -> None:
        handler.send_response(206)
        handler.send_header("Content-Range", f"bytes 7-{len(DATA) - 1}/{len(DATA)}")
        handler.send_header("Content-Length", str(len(DATA) - 7))
        handler.end_headers()
        handler.wfile.write(DATA[7:])

    with served(whole(stop=300_000), wrong, whole()) as (address, seen):
        download(address, to, sleep=lambda _: None)
        assert "range" not in seen[2]
    assert to.read_bytes() == DATA


def test_passing_failures_are_waited_out(to, slept):
    with served(status(500), status(502), status(429, Retry_After="7"), whole()) as (address, _):
        download(address, to, sleep=slept.append)
    assert to.read_bytes() == DATA
    assert slept == [1.0, 2.0, 7.0]


def test_endless_failure_ends(to, slept):
    with served(status(503)) as (address, seen):
        with pytest.raises(DownloadError, match=r"503.*5 times in a row"):
            download(address, to, sleep=slept.append)
        assert len(seen) == 5
    assert slept == [1.0, 2.0, 4.0, 8.0]
    assert not to.exists()


def test_truncated_for_ever_names_the_bytes(to):
    with (
        served(whole(stop=1000, tag=None)) as (address, _),
        pytest.raises(DownloadError, match="only 1,000 of 1,024,000 bytes"),
    ):
        download(address, to, sleep=lambda _: None, attempts=2)


@pytest.mark.parametrize(("code", "mend"), [(404, "new address"), (403, "browser")])
def test_refusals_are_final(to, slept, code, mend):
    with served(status(code)) as (address, seen):
        with pytest.raises(DownloadError, match=str(code)) as error:
            download(address, to, sleep=slept.append)
        assert len(seen) == 1
        assert error.value.where == address
    assert mend in error.value.mend
    assert slept == []
    assert list(to.parent.iterdir()) == []


def test_follows_a_redirect(to):
    def moved(handler: BaseHTTPRequestHandler) -> None:
        status(302, Location="/elsewhere.bin")(handler)

    with served(moved, whole()) as (address, _):
        download(address, to)
    assert to.read_bytes() == DATA


def test_another_file_than_recorded_is_refused(to):
    with served(whole()) as (address, _):
        download(address, to)
    to.unlink()
    with served(whole(DATA[::-1])) as (address, _):
        with pytest.raises(DownloadError, match="is not the file recorded on") as error:
            download(address, to)
        assert "log.bin.json" in error.value.mend
        assert not to.exists()
        to.with_name("log.bin.json").unlink()
        download(address, to)
    assert to.read_bytes() == DATA[::-1]


def test_publishers_checksum(to):
    good = "md5:" + hashlib.md5(DATA).hexdigest()
    with served(whole()) as (address, _):
        with pytest.raises(DownloadError, match="its publisher states 0000"):
            download(address, to, checksum="md5:0000")
        assert list(to.parent.iterdir()) == []
        assert download(address, to, checksum=good).read_bytes() == DATA


def test_no_such_host(to, monkeypatch, slept):
    monkeypatch.setattr(
        module.socket,
        "getaddrinfo",
        lambda *a, **k: (_ for _ in ()).throw(module.socket.gaierror(-2, "Name unknown")),
    )
    with pytest.raises(DownloadError, match=r"data\.example could not be resolved \(Name unknown\)"):
        download("http://data.example/x.zip", to, sleep=slept.append)
    assert slept == []


def test_nobody_listens(to, slept):
    with served(whole()) as (address, _):
        pass  # the port is free again
    with pytest.raises(DownloadError, match=r"no connection to 127\.0\.0\.1"):
        download(address, to, sleep=slept.append, attempts=2)
    assert slept == [1.0]


def test_disk_full_keeps_what_has_come(to, monkeypatch):
    plain = open

    class Full:
        def __init__(self, file):
            self.file, self.room = file, 400_000

        def write(self, chunk):
            self.room -= len(chunk)
            if self.room < 0:
                raise OSError(errno.ENOSPC, "No space left on device")
            return self.file.write(chunk)

        def __getattr__(self, name):
            return getattr(self.file, name)

        def __enter__(self):
            return self

        def __exit__(self, *error):
            self.file.close()

    monkeypatch.setattr(module, "open", lambda *a: Full(plain(*a)), raising=False)
    with served(whole()) as (address, _):
        with pytest.raises(DownloadError, match="the disk is full") as error:
            download(address, to)
        assert "what has come is kept" in error.value.mend
        monkeypatch.undo()
        monkeypatch.setattr(module, "open", plain, raising=False)
        assert download(address, to).read_bytes() == DATA


def test_folder_that_is_a_file(tmp_path):
    (tmp_path / "cache").write_text("not a folder")
    with pytest.raises(DownloadError, match="cannot write the download"):
        download("http://127.0.0.1:1/x", tmp_path / "cache" / "x")


def test_one_process_at_a_time(to):
    fcntl = pytest.importorskip("fcntl")
    to.parent.mkdir()
    with open(to.with_name("log.bin.part"), "wb") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        with served(whole()) as (address, seen):
            with pytest.raises(DownloadError, match="another process is downloading"):
                download(address, to)
            assert seen == []
        assert to.with_name("log.bin.part").exists()  # it is the other's


def test_proxies_are_not_asked_for_this_machine(to, monkeypatch):
    monkeypatch.setenv("http_proxy", "http://127.0.0.1:1")
    monkeypatch.delenv("no_proxy", raising=False)
    monkeypatch.delenv("NO_PROXY", raising=False)
    with served(whole()) as (address, _):
        assert download(address, to).read_bytes() == DATA
