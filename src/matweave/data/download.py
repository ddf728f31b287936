"""One file over HTTP, whole or not at all: resumed, retried, checked, and remembered by its hash.

`download(address, path)` writes `path.part` while bytes arrive and renames it when all have come, so
`path` never holds half a file. Beside it stands `path.json`, the record: address, size and sha256 of
the first download. From then on the file must have that hash, here and after a new download.

What a server may do, and what follows:

| it                                   | then                                                            |
|--------------------------------------|-----------------------------------------------------------------|
| cuts the connection, or sends less than Content-Length | ask for the rest: `Range`, with `If-Range` on the ETag or date |
| has no Range, or the file changed    | it answers 200 instead of 206: start anew                        |
| answers 408, 425, 429 or 5xx         | wait 1, 2, 4, ... seconds (or its Retry-After) and try again     |
| answers another 4xx, or has no name  | an error at once: trying again will not mend it                  |

Source: RFC 9110, sections 13.1.5 (If-Range), 14 (Range), 15 (status codes), 10.2.3 (Retry-After).
Only urllib is used. Proxies of the environment are honoured, except for this machine's own addresses.
"""

from __future__ import annotations

import errno
import http.client
import json
import os
import socket
import ssl
import time
from collections.abc import Callable
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path
from typing import BinaryIO
from urllib.error import HTTPError, URLError
from urllib.parse import urlsplit
from urllib.request import OpenerDirector, ProxyHandler, Request, build_opener

from matweave.data.recorded import Record, digest, record_of, record_path, sha256_of, verify, write_json
from matweave.errors import DownloadError

Progress = Callable[[int, int | None], None]
"""Called with the bytes on disk so far and the whole size (None where the server does not say)."""

_CHUNK = 1 << 18
_PASSING = {408, 425, 429, 500, 502, 503, 504}
_AGENT = "matweave"


class _Cut(Exception):
    """A passing failure: worth another attempt. `wait` is what the server asked for, in seconds."""

    def __init__(self, why: str, wait: float | None = None) -> None:
        super().__init__(why)
        self.wait = wait


def download(
    address: str,
    path: Path,
    *,
    checksum: str | None = None,
    progress: Progress | None = None,
    attempts: int = 5,
    timeout: float = 30.0,
    sleep: Callable[[float], None] = time.sleep,
) -> Path:
    """Fetch `address` to `path` unless it is there, and check it; returns `path`.

    `checksum` is the publisher's own, as "md5:..." or "sha256:...", checked before the hash is
    recorded. `timeout` is in seconds of silence. `attempts` counts failures in a row without a
    single new byte. Interrupt it as you like: the next call goes on where this one stopped.

    Raises DownloadError: not found, no such host, cut short, disk full, or not the file recorded.

    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     download("ftp://example.org/log.zip", Path(folder) / "log.zip")
    Traceback (most recent call last):
    ...
    matweave.errors.DownloadError: 'ftp://example.org/log.zip' is not an http or https address
    ...
    """
    parts = urlsplit(address)
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise DownloadError(
            f"{address!r} is not an http or https address", where="download", mend="correct the address"
        )
    if path.exists():
        verify(path)
        return path
    part = path.with_name(path.name + ".part")
    opener = _opener(parts.hostname)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with open(part, "r+b" if part.exists() else "w+b") as file:
            _only_one(file, part)
            try:
                _persist(
                    lambda: _attempt(opener, address, file, part, timeout, progress),
                    address,
                    part,
                    attempts,
                    sleep,
                )
            except DownloadError:
                if not part.stat().st_size:
                    _discard(part)  # nothing came: leave nothing
                raise
    except OSError as error:
        if isinstance(error, DownloadError):
            raise
        raise _disk_error(error, part) from error
    _accept(address, part, path, checksum)
    return path


def _state_path(part: Path) -> Path:
    return part.with_name(part.name + ".json")


def _opener(host: str) -> OpenerDirector:
    own = host in ("localhost", "::1") or host.startswith("127.")
    return build_opener(ProxyHandler({})) if own else build_opener()


def _only_one(file: BinaryIO, part: Path) -> None:
    """Two processes must not write one part; where the system has no such lock, the hash still tells."""
    try:
        import fcntl
    except ImportError:
        return
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        raise DownloadError(
            f"another process is downloading {part.name}", where=str(part), mend="wait until it has ended"
        ) from None


def _persist(
    attempt: Callable[[], None], address: str, part: Path, attempts: int, sleep: Callable[[float], None]
) -> None:
    """Try until the file is whole; `attempts` failures without a new byte between them end it."""
    failed = 0
    while True:
        before = part.stat().st_size
        try:
            return attempt()
        except _Cut as cut:
            have = part.stat().st_size
            failed = 1 if have > before else failed + 1
            if failed >= attempts:
                raise DownloadError(
                    f"could not fetch {address}: {cut}, {failed} times in a row",
                    where=str(part),
                    mend=f"try again later: the {have:,} bytes that have come are kept and the rest is asked for",
                ) from cut
            sleep(min(cut.wait if cut.wait is not None else 2.0 ** (failed - 1), 60.0))


def _attempt(
    opener: OpenerDirector,
    address: str,
    file: BinaryIO,
    part: Path,
    timeout: float,
    progress: Progress | None,
) -> None:
    have, state = _resumable(file, part, address)
    headers = {"User-Agent": _AGENT, "Accept-Encoding": "identity"}
    if have:
        headers |= {"Range": f"bytes={have}-", "If-Range": state["validator"]}
    try:
        reply = opener.open(Request(address, headers=headers), timeout=timeout)
    except HTTPError as error:
        with error:
            if error.code == 416:  # our part is longer than the file has become: it is not of this file
                _start_anew(file, part)
                raise _Cut("the file became shorter at the server", wait=0.0) from error
            raise _refusal(error, address) from error
    except (URLError, OSError, http.client.HTTPException) as error:
        raise _no_connection(error, address) from error
    with reply:
        if have and not (reply.status == 206 and _starts_at(reply.headers, have)):
            have = 0
        if not have:
            _start_anew(file, part)
            if reply.status == 206:
                raise _Cut("the server sent another range than was asked for", wait=0.0)
            write_json(_state_path(part), {"address": address, "validator": _validator(reply.headers)})
        length = reply.headers.get("Content-Length", "")
        total = have + int(length) if length.isdigit() else None
        _copy(reply, file, have, total, progress)


def _copy(
    reply: http.client.HTTPResponse, file: BinaryIO, have: int, total: int | None, progress: Progress | None
) -> None:
    file.seek(have)
    if progress:
        progress(have, total)
    while True:
        try:
            chunk = reply.read1(_CHUNK)
        except (OSError, http.client.HTTPException) as error:
            file.flush()  # what has come is counted by its size on disk
            raise _Cut(f"the connection broke after {have:,} bytes ({type(error).__name__})") from error
        if not chunk:
            break
        file.write(chunk)
        have += len(chunk)
        if progress:
            progress(have, total)
    file.flush()
    if total is not None and have != total:
        raise _Cut(f"only {have:,} of {total:,} bytes came")


def _resumable(file: BinaryIO, part: Path, address: str) -> tuple[int, dict[str, str]]:
    """The bytes we have that may be continued: only where a validator proves it is the same file."""
    have = file.seek(0, os.SEEK_END)
    try:
        state = json.loads(_state_path(part).read_text(encoding="utf-8"))
        if have and state["address"] == address and state["validator"]:
            return have, state
    except (OSError, ValueError, KeyError, TypeError):
        pass  # an unreadable note on a part costs only the bytes already fetched
    return 0, {}


def _start_anew(file: BinaryIO, part: Path) -> None:
    file.seek(0)
    file.truncate()
    _state_path(part).unlink(missing_ok=True)


def _validator(headers: http.client.HTTPMessage) -> str:
    """A strong ETag, else the date; a weak ETag may not be used for ranges (RFC 9110, 13.1.5)."""
    tag = headers.get("ETag", "")
    return tag if tag and not tag.startswith("W/") else headers.get("Last-Modified", "")


def _starts_at(headers: http.client.HTTPMessage, have: int) -> bool:
    return headers.get("Content-Range", "").replace("=", " ").startswith(f"bytes {have}-")


def _refusal(error: HTTPError, address: str) -> Exception:
    if error.code in _PASSING:
        asked = error.headers.get("Retry-After", "")
        return _Cut(
            f"the server answered {error.code} {error.reason}", float(asked) if asked.isdigit() else None
        )
    mends = {
        404: "the file has moved: look for its new address, or put a copy into your MATWEAVE_DATA folder"
    }
    return DownloadError(
        f"the server answered {error.code} {error.reason}",
        where=address,
        mend=mends.get(
            error.code, "open the address in a browser: it may ask for a login, or the file is gone"
        ),
    )


def _no_connection(error: Exception, address: str) -> Exception:
    reason = error.reason if isinstance(error, URLError) else error
    host = urlsplit(address).hostname
    if isinstance(reason, socket.gaierror):
        return DownloadError(
            f"the name {host} could not be resolved ({reason.strerror})",
            where=address,
            mend="check the connection, the proxy settings (HTTPS_PROXY) and the spelling of the address",
        )
    if isinstance(reason, ssl.SSLCertVerificationError):
        return DownloadError(
            f"the certificate of {host} is not trusted ({reason.verify_message})",
            where=address,
            mend="check this machine's date and certificates (SSL_CERT_FILE)",
        )
    return _Cut(f"no connection to {host} ({reason})")


def _disk_error(error: OSError, part: Path) -> DownloadError:
    full = error.errno in (errno.ENOSPC, errno.EDQUOT)
    return DownloadError(
        "the disk is full" if full else f"cannot write the download ({error.strerror or error})",
        where=str(part),
        mend="free some space and try again: what has come is kept"
        if full
        else "choose a folder you may write to",
    )


def _accept(address: str, part: Path, path: Path, checksum: str | None) -> None:
    """Compare a whole part with the publisher's checksum and our record, then give it its name."""
    if checksum:
        kind, _, wanted = checksum.partition(":")
        found = digest(part, kind)
        if found != wanted:
            _discard(part)
            raise DownloadError(
                f"the {kind} of {path.name} is {found}, but its publisher states {wanted}",
                where=address,
                mend="try again; if it stays so, the file was changed at the server: do not use it unseen",
            )
    fresh = Record(
        address=address,
        bytes=part.stat().st_size,
        sha256=sha256_of(part),
        downloaded=datetime.now(UTC).isoformat(timespec="seconds"),
    )
    known = record_of(path)
    if known and known.sha256 != fresh.sha256:
        _discard(part)
        raise DownloadError(
            f"{path.name} at the server is not the file recorded on {known.downloaded}: "
            f"its sha256 is {fresh.sha256}, recorded was {known.sha256}",
            where=address,
            mend=f"to take the new file, delete {record_path(path)} and get it again",
        )
    if not known:
        write_json(record_path(path), asdict(fresh))
    os.replace(part, path)
    _state_path(part).unlink(missing_ok=True)


def _discard(part: Path) -> None:
    part.unlink(missing_ok=True)
    _state_path(part).unlink(missing_ok=True)
