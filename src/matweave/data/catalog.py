"""Public data sets by name: looked up here first, else downloaded once, checked ever after.

    find("ml-1m")                          the log's path where it is on this machine, or None
    get("ml-1m", accept_licence=...)       the log's path, downloaded where it was not
    load("ml-1m", accept_licence=...)      the log as Interactions

Looked up first: MATWEAVE_DATA, a folder with one folder for each set (`$MATWEAVE_DATA/ml-1m/ratings.dat`,
or .gz, .zst); what lies there is yours, and is taken as it is. Then the cache, `$XDG_CACHE_HOME/matweave`
or `~/.cache/matweave`: the archives in `downloads/`, each with its record, and the unpacked sets beside it.

A set's licence is shown, and nothing is fetched before it has been accepted; the acceptance is kept in
the set's record. The table itself is `matweave.data.public.SETS`.
"""

from __future__ import annotations

import json
import os
import time
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from urllib.parse import urlsplit

from matweave.data.download import Progress, download
from matweave.data.interactions import Interactions
from matweave.data.public import SETS, PublicSet
from matweave.data.read import read_interactions
from matweave.data.recorded import digest, record_path, write_json
from matweave.data.unpack import BrokenArchive, is_archive, unpack
from matweave.errors import ConfigError, DownloadError, nearest

Accept = bool | Callable[[PublicSet], bool]
"""True, or a function that shows the licence of the set it is given and answers whether it is accepted."""

_PACKED = ("", ".gz", ".zst")


def public_set(name: str) -> PublicSet:
    """The entry of a set; ConfigError for an unknown name suggests the nearest.

    >>> public_set("ml-1m").rows
    1000209
    """
    for entry in SETS:
        if entry.name == name:
            return entry
    known = [entry.name for entry in SETS]
    raise ConfigError(
        f"unknown data set {name!r}{nearest(name, known)}",
        where="the catalogue of public sets",
        mend=f"use one of {', '.join(known)}",
    )


def cache_dir() -> Path:
    """Where downloads go: $XDG_CACHE_HOME/matweave, or ~/.cache/matweave."""
    base = os.environ.get("XDG_CACHE_HOME", "")
    return (Path(base) if Path(base).is_absolute() else Path.home() / ".cache") / "matweave"


def find(
    name: str | PublicSet, data_dir: str | Path | None = None, *, cache: str | Path | None = None
) -> Path | None:
    """The path of a set's log on this machine, or None. Nothing is fetched.

    `data_dir` stands for MATWEAVE_DATA where it is not given; `cache` for `cache_dir()`. A set in the
    cache counts only when it was unpacked whole; its size is looked at, its hash by `get` and `load`.

    >>> find("ml-1m", "/no/such/folder", cache="/no/such/folder") is None
    True
    """
    entry = name if isinstance(name, PublicSet) else public_set(name)
    own = data_dir if data_dir is not None else os.environ.get("MATWEAVE_DATA")
    if own:
        for packed in _PACKED:
            path = Path(own, entry.name, entry.log + packed)
            if path.is_file():
                return path
    folder = _folder(entry, cache)
    said = _said(folder)
    path = folder / entry.log
    if said and path.is_file() and path.stat().st_size == said["bytes"]:
        return path
    return None


def get(
    name: str | PublicSet,
    *,
    accept_licence: Accept = False,
    progress: Progress | None = None,
    data_dir: str | Path | None = None,
    cache: str | Path | None = None,
    attempts: int = 5,
    timeout: float = 30.0,
    sleep: Callable[[float], None] = time.sleep,
) -> Path:
    """The path of a set's log, downloaded and unpacked where it is not on this machine yet.

    `accept_licence` is True where you have read and accept it, or a function that is shown the set and
    answers. A broken download goes on where it stopped; `progress` is told bytes so far and in all.

    Raises ConfigError for an unknown set; DownloadError where the licence is not accepted, the file
    cannot be fetched or is not the one recorded at the first download, or the archive is broken.

    >>> get("movietweetings", data_dir="/no/such/folder", cache="/no/such/folder")
    Traceback (most recent call last):
    ...
    matweave.errors.DownloadError: the licence of movietweetings has not been accepted: MIT
    ...
    """
    entry = name if isinstance(name, PublicSet) else public_set(name)
    found = find(entry, data_dir, cache=cache)
    folder = _folder(entry, cache)
    if found is not None:
        if found.parent == folder:
            _check_log(found, folder)
        return found
    archive = _archive(entry, folder)
    if not (_said(folder) or archive.exists() or _accepted(entry, accept_licence)):
        raise DownloadError(
            f"the licence of {entry.name} has not been accepted: {entry.licence}",
            where=entry.licence_at,
            mend=f"read it, then accept it: accept_licence=True, or `matweave data get {entry.name} --accept-licence`",
        )
    download(
        entry.address,
        archive,
        checksum=entry.checksum,
        progress=progress,
        attempts=attempts,
        timeout=timeout,
        sleep=sleep,
    )
    return _unfold(entry, archive, folder)


def load(name: str | PublicSet, *, accept_licence: Accept = False, **settings) -> Interactions:
    """A public set as a log; `settings` are those of `get`, which fetches it where it is not here."""
    entry = name if isinstance(name, PublicSet) else public_set(name)
    return read_interactions(get(entry, accept_licence=accept_licence, **settings), **entry.options)


def _accepted(entry: PublicSet, accept: Accept) -> bool:
    return accept(entry) if callable(accept) else accept


def _folder(entry: PublicSet, cache: str | Path | None) -> Path:
    return (Path(cache) if cache is not None else cache_dir()) / entry.name


def _archive(entry: PublicSet, folder: Path) -> Path:
    """Archives lie apart from what is unpacked, which so cannot write over their records."""
    name = Path(urlsplit(entry.address).path).name
    return folder.parent / "downloads" / name if is_archive(name) else folder / entry.log


def _said(folder: Path) -> dict | None:
    """What was noted when the set was unpacked whole; None where it was not."""
    try:
        said = json.loads((folder / "set.json").read_text(encoding="utf-8"))
        return {"bytes": int(said["bytes"]), "sha256": str(said["sha256"]), "accepted": said["accepted"]}
    except (OSError, ValueError, KeyError, TypeError):
        return None


def _check_log(path: Path, folder: Path) -> None:
    said = _said(folder)
    if said and digest(path, "sha256") != said["sha256"]:
        raise DownloadError(
            f"{path.name} is not the file that was unpacked on {said['accepted']}: its sha256 is another",
            where=str(path),
            mend=f"delete the folder {folder} and get the set again; keep files of your own under MATWEAVE_DATA",
        )


def _unfold(entry: PublicSet, archive: Path, folder: Path) -> Path:
    if is_archive(archive.name):
        try:
            folder.mkdir(parents=True, exist_ok=True)
            unpack(archive, folder)
            if not (folder / entry.log).is_file():
                raise BrokenArchive(
                    f"{archive.name} does not hold {entry.log}: it is another archive than {entry.name}",
                    where=entry.address,
                    mend="look for the new address of the set; put your own copy into the MATWEAVE_DATA folder",
                )
        except BrokenArchive:
            archive.unlink()  # or it would be the recorded one, and asked for ever after
            record_path(archive).unlink(missing_ok=True)
            raise
    log = folder / entry.log
    write_json(
        folder / "set.json",
        {
            "name": entry.name,
            "address": entry.address,
            "licence": entry.licence,
            "accepted": datetime.now(UTC).isoformat(timespec="seconds"),
            "bytes": log.stat().st_size,
            "sha256": digest(log, "sha256"),
        },
    )
    return log
