"""What is remembered of a downloaded file, as JSON beside it, and checked ever after.

`log.zip` has its record in `log.zip.json`: the address, the size and the sha256 of the first download.
A file without a record is the user's own, and nothing is claimed about it.
"""

from __future__ import annotations

import hashlib
import json
import os
from dataclasses import dataclass
from pathlib import Path
from typing import final

from matweave.errors import DownloadError


@final
@dataclass(frozen=True, kw_only=True)
class Record:
    """What is remembered of a downloaded file, as JSON beside it."""

    address: str
    bytes: int
    sha256: str
    downloaded: str


def verify(path: Path) -> Record | None:
    """Check a file against the record beside it; None where there is no record (a file of your own).

    Raises DownloadError where size or hash differ from what was recorded at the first download.

    >>> verify(Path("a file of mine.csv")) is None
    True
    """
    record = record_of(path)
    if record is None:
        return None
    size = path.stat().st_size
    found = sha256_of(path) if size == record.bytes else "(another size)"
    if found != record.sha256:
        raise DownloadError(
            f"{path.name} is not the file that was first downloaded: it has {size:,} bytes and sha256 {found}, "
            f"but {record.bytes:,} bytes and {record.sha256} were recorded on {record.downloaded}",
            where=str(path),
            mend=f"delete {path} and get it again; if you changed it on purpose, delete {record_path(path)} too",
        )
    return record


def record_of(path: Path) -> Record | None:
    """The record beside a file, or None. Raises DownloadError where it cannot be read."""
    beside = record_path(path)
    if not beside.exists():
        return None
    try:
        said = json.loads(beside.read_text(encoding="utf-8"))
        return Record(**{name: kind(said[name]) for name, kind in _FIELDS.items()})
    except (ValueError, KeyError, TypeError) as error:
        raise DownloadError(
            f"the record {beside.name} is unreadable ({error!r})",
            where=str(beside),
            mend=f"delete {beside} and {path}, and get the file again",
        ) from error


_FIELDS = {"address": str, "bytes": int, "sha256": str, "downloaded": str}


def sha256_of(path: Path) -> str:
    """The sha256 of a file, in hex."""
    return digest(path, "sha256")


def write_json(path: Path, what: object) -> None:
    """Write JSON so that `path` is either the old or the whole new text."""
    fresh = path.with_name(path.name + ".new")
    fresh.write_text(json.dumps(what, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")
    os.replace(fresh, path)


def digest(path: Path, kind: str) -> str:
    """The hash of a file, in hex; kind: sha256, md5 or another that `hashlib` knows."""
    with open(path, "rb") as file:
        return hashlib.file_digest(file, kind).hexdigest()


def record_path(path: Path) -> Path:
    """Where the record of a file is: beside it."""
    return path.with_name(path.name + ".json")
