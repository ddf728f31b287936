"""A whole text file as bytes: unpacked, without its byte order mark, and checked to be UTF-8 lines.

For files that are read in one go (sequences, tables); logs of interactions, which may be far larger than memory
allows, are streamed (read_bytes). What is no text is refused with the lines that are not: another encoding, zero
bytes, carriage returns that end no line.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np

from matweave.data.places import Places
from matweave.data.read_bytes import open_stream, packed_errors, packing, unreadable
from matweave.errors import DataError, nearest

_BOM = b"\xef\xbb\xbf"
_WIDE = (b"\xff\xfe", b"\xfe\xff")


def read_head(path: Path) -> bytes:
    """The first bytes of a file as it lies there.

    Raises DataError where there is no such file (with the nearest name beside it), or it is a folder, unreadable
    or empty.

    >>> read_head(Path("no/such/waves.csv"))
    Traceback (most recent call last):
    matweave.errors.DataError: there is no file no/such/waves.csv: there is no folder no/such
      where: no/such/waves.csv
      mend:  give the path of a file
    """
    if not path.exists():
        beside = [p.name for p in path.parent.iterdir()] if path.parent.is_dir() else []
        guess = nearest(path.name, beside) if path.parent.is_dir() else f": there is no folder {path.parent}"
        raise DataError(f"there is no file {path}{guess}", where=str(path), mend="give the path of a file")
    if path.is_dir():
        raise DataError(f"{path} is a folder", where=str(path), mend="give the file inside it")
    try:
        with path.open("rb") as file:
            head = file.read(8)
    except OSError as error:
        raise unreadable(path, error) from error
    if not head:
        raise DataError(f"{path} is empty", where=str(path), mend="give a file with an example in each line")
    return head


def read_whole_text(path: Path) -> bytes:
    """The bytes of a text file, plain or packed with gzip or zstd; they are UTF-8, and lines end in "\\n" or "\\r\\n".

    Raises DataError for a file that is missing, empty, damaged or no such text.

    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     at = Path(folder) / "names.txt"
    ...     _ = at.write_bytes(b"Jos\\xe9\\n")
    ...     read_whole_text(at)
    Traceback (most recent call last):
    matweave.errors.DataError: ...names.txt is not UTF-8 text: line 1
      where: ...names.txt
      mend:  convert it, for example: iconv -f latin1 -t utf-8 FILE > NEW
    """
    head = read_head(path)
    if head.startswith(_WIDE):
        raise _refused(path, "is UTF-16 text", "convert it: iconv -f utf-16 -t utf-8 FILE > NEW")
    with packed_errors(path):
        stream = open_stream(path, packing(head, path, "utf-8"), "utf-8")
        try:
            data = stream.read()
        finally:
            stream.close()
    data = data.removeprefix(_BOM)
    if not data.strip():
        raise _refused(path, "is empty", "give a file with an example in each line")
    try:
        data.decode("utf-8")
    except UnicodeDecodeError:
        lines = _lines_where(data, _is_broken)
        raise _refused(
            path,
            f"is not UTF-8 text: {lines}",
            "convert it, for example: iconv -f latin1 -t utf-8 FILE > NEW",
        ) from None
    if b"\0" in data:
        lines = _lines_where(data, lambda line: b"\0" in line)
        raise _refused(path, f"is no text: zero bytes stand in {lines}", "give a text file")
    if data.count(b"\r") != data.count(b"\r\n"):
        lines = _lines_where(data + b"\n", lambda line: b"\r" in line.removesuffix(b"\r"))
        raise _refused(
            path, f"has carriage returns that end no line: {lines}", "convert it: tr '\\r' '\\n' < FILE > NEW"
        )
    return data


def _refused(path: Path, what: str, mend: str) -> DataError:
    return DataError(f"{path} {what}", where=str(path), mend=mend)


def _is_broken(line: bytes) -> bool:
    try:
        line.decode("utf-8")
    except UnicodeDecodeError:
        return True
    return False


def _lines_where(data: bytes, wrong) -> str:
    lines = data.split(b"\n")
    at = [n for n, line in enumerate(lines) if wrong(line)]
    return Places(unit="line", numbers=np.arange(1, len(lines) + 1)).named(at)
