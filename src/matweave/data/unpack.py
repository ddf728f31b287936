"""Unpack an archive that came from outside, trusting nothing that it says about itself.

Every member must be a plain file or a folder with a path that stays below the target: no absolute
path, no `..`, no drive, no backslash, no link, no device, no name twice. One bad member and nothing is
unpacked at all. Files are written into a fresh folder beside the target and moved in when all are
whole (zip: each CRC; gzip: its checksum), never more bytes than the archive declared, and not at all
where the disk has less room than that.

A single folder at the top (`ml-1m/ratings.dat`) is taken off, so that a set lies in its own folder; the
`__MACOSX` folder that one system adds to archives is not unpacked.
"""

from __future__ import annotations

import os
import shutil
import tarfile
import tempfile
import zipfile
import zlib
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import IO, final

from matweave.errors import DownloadError

_CHUNK = 1 << 20


@final
class BrokenArchive(DownloadError):
    """The file is not a whole archive, or not one that may be unpacked: it is of no use, here or again."""


@final
@dataclass(frozen=True, kw_only=True)
class _Member:
    name: str
    size: int
    plain: bool  # a file; False: a link, a device, or encrypted
    open: Callable[[], IO[bytes] | None]


def is_archive(name: str) -> bool:
    """Whether a file of this name is one that `unpack` opens."""
    return name.endswith((".zip", ".tar.gz", ".tgz"))


def unpack(archive: Path, folder: Path) -> list[Path]:
    """Unpack a .zip, .tar.gz or .tgz below `folder`; returns the files written.

    Raises BrokenArchive where it is no whole archive or has an unsafe member, DownloadError where it
    cannot be written.
    """
    try:
        with _opened(archive) as members:
            places = _places(archive, members)
            needed = sum(member.size for member in members)
            free = shutil.disk_usage(folder).free
            if needed > free:
                raise DownloadError(
                    f"{archive.name} unpacks to {needed:,} bytes, but the disk has only {free:,} left",
                    where=str(folder),
                    mend="free some space, or set XDG_CACHE_HOME to a larger disk",
                )
            with tempfile.TemporaryDirectory(dir=folder, prefix=".unpacking-") as fresh:
                for member, place in zip(members, places, strict=True):
                    _write(archive, member, Path(fresh, place))
                return [_move(Path(fresh, place), folder / place) for place in places]
    except (zipfile.BadZipFile, tarfile.TarError, zlib.error, EOFError, NotImplementedError) as error:
        raise _not_whole(archive, error) from error
    except OSError as error:  # a bad gzip is an OSError too, but one without an errno
        if isinstance(error, DownloadError):
            raise
        if error.errno is None:
            raise _not_whole(archive, error) from error
        raise DownloadError(
            f"cannot unpack {archive.name} ({error.strerror})",
            where=str(folder),
            mend="free some space or choose a folder you may write to, and try again",
        ) from error


@contextmanager
def _opened(archive: Path) -> Iterator[list[_Member]]:
    if archive.name.endswith(".zip"):
        with zipfile.ZipFile(archive) as opened:
            infos = [info for info in opened.infolist() if not info.is_dir()]
            yield [_zip_member(opened, i) for i in infos if not i.filename.startswith("__MACOSX/")]
    else:
        with tarfile.open(archive, "r:gz") as opened:
            yield [_tar_member(opened, info) for info in opened.getmembers() if not info.isdir()]


def _zip_member(opened: zipfile.ZipFile, info: zipfile.ZipInfo) -> _Member:
    kind = info.external_attr >> 28  # the file type of a Unix mode: 0 unknown, 8 plain, 10 a link
    plain = kind in (0, 8) and not info.flag_bits & 1
    return _Member(name=info.orig_filename, size=info.file_size, plain=plain, open=lambda: opened.open(info))


def _tar_member(opened: tarfile.TarFile, info: tarfile.TarInfo) -> _Member:
    return _Member(name=info.name, size=info.size, plain=info.isreg(), open=lambda: opened.extractfile(info))


def _places(archive: Path, members: list[_Member]) -> list[PurePosixPath]:
    """Where each member goes below the folder; raises one error that names every unsafe one."""
    problems, places = [], []
    for member in members:
        place = PurePosixPath(member.name)
        if not member.plain:
            problems.append(f"{member.name!r} is a link, a device or encrypted")
        elif (
            place.is_absolute()
            or ".." in place.parts
            or not place.parts
            or any(mark in member.name for mark in ("\\", ":", "\0"))
        ):
            problems.append(f"{member.name!r} would be written outside its folder")
        places.append(place)
    if len(places) > 0 and all(len(p.parts) > 1 and p.parts[0] == places[0].parts[0] for p in places):
        places = [PurePosixPath(*p.parts[1:]) for p in places]
    folded = Counter(str(p).casefold() for p in places)
    problems += [f"{p!r} stands there {times} times" for p, times in folded.items() if times > 1]
    if problems:
        raise BrokenArchive(
            f"{archive.name} is unsafe, and nothing of it was unpacked: " + "; ".join(problems[:10]),
            where=str(archive),
            mend="do not use this file; report it to the publisher of the data",
        )
    return places


def _write(archive: Path, member: _Member, to: Path) -> None:
    to.parent.mkdir(parents=True, exist_ok=True)
    source = member.open()
    assert source is not None  # only plain files come here
    left = member.size
    with source, open(to, "xb") as file:
        while chunk := source.read(_CHUNK):
            left -= len(chunk)
            if left < 0:
                break
            file.write(chunk)
    if left:
        raise _not_whole(archive, ValueError(f"{member.name} has another size than declared"))


def _move(source: Path, to: Path) -> Path:
    to.parent.mkdir(parents=True, exist_ok=True)
    os.replace(source, to)
    return to


def _not_whole(archive: Path, error: Exception) -> BrokenArchive:
    with open(archive, "rb") as file:
        page = file.read(512).lstrip().lower().startswith((b"<!doctype", b"<html"))
    what = "a web page, not an archive" if page else f"not a whole archive ({error or type(error).__name__})"
    return BrokenArchive(
        f"{archive.name} is {what}",
        where=str(archive),
        mend="open the address in a browser to see what it sends"
        if page
        else "get it again; if it stays so, the file at the server is broken",
    )
