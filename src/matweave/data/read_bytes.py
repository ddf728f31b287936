"""Where bytes come from: files, plain or packed, and how they are cut into pieces of whole rows.

The kind of a file is told by its first bytes, not by its name. A plain file is cut at fixed places, and a
row belongs to the piece in which it begins, so threads read their own pieces. A packed or re-encoded file
is a stream: one thread at a time unpacks the next piece, the others parse meanwhile. The pieces depend on
the bytes and the size of a piece alone. Files are read into buffers of our own, never mapped: a file that
shrinks meanwhile cannot crash the reader, and memory stays small.
"""

from __future__ import annotations

import codecs
import gzip
import os
import zlib
from abc import ABC, abstractmethod
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from threading import Lock
from typing import Any, BinaryIO, NamedTuple, final

import numpy as np
import pyarrow as pa

from matweave.data.bytes_simd import PADDING
from matweave.data.parse_rows import cut
from matweave.errors import BadRows, DataError

PIECE = 1 << 19
"""Bytes of a piece: two fit the second cache with what is made of them."""

_PACKINGS = {b"\x1f\x8b": "gzip", b"\x28\xb5\x2f\xfd": "zstd"}
_NOT_TEXT = {
    b"PK\x03\x04": ("a zip archive", "unpack it and give the file inside"),
    b"BZh": ("packed with bzip2", "unpack it: bunzip2 FILE"),
    b"\xfd7zXZ": ("packed with xz", "unpack it: unxz FILE"),
    b"\x89HDF": ("an HDF5 file", "read it with its own library and give the frame"),
    b"\xff\xfe": ("UTF-16 text", "say encoding='utf-16'"),
    b"\xfe\xff": ("UTF-16 text", "say encoding='utf-16'"),
}


class Piece(NamedTuple):
    """Whole rows: bytes start..end of a buffer; pieces are numbered from 0 in the order of the file."""

    index: int
    start: int
    end: int


@final
class Buffer:
    """Bytes that grow; a worker has one and uses it again for every piece."""

    def __init__(self) -> None:
        self.text = np.zeros(0, np.uint8)

    def room(self, size: int) -> np.ndarray:
        """The array, with room for `size` bytes and padding; what it held is kept."""
        if len(self.text) < size + PADDING:
            old, self.text = self.text, np.zeros(size + size // 4 + PADDING, np.uint8)
            self.text[: len(old)] = old
        return self.text


class Source(ABC):
    """Pieces of whole rows, to be taken by any number of threads."""

    size: int | None
    """Bytes to read, where known."""

    @abstractmethod
    def take(self, buffer: Buffer) -> Piece | None:
        """Put the next piece into the buffer; None at the end. The last byte is always a line end."""

    @abstractmethod
    def close(self) -> None:
        """Close the file below."""


@final
class PlainFile(Source):
    """A file cut at multiples of `piece` bytes, from `skip` on."""

    def __init__(self, path: Path, skip: int, piece: int) -> None:
        self._file = os.open(path, os.O_RDONLY)
        self._path, self._skip, self._piece = path, skip, piece
        self.size = max(0, os.fstat(self._file).st_size - skip)
        self._next, self._lock = 0, Lock()

    def close(self) -> None:
        """Close the file."""
        os.close(self._file)

    def take(self, buffer: Buffer) -> Piece | None:
        with self._lock:
            index = self._next
            self._next += 1
        low, high = index * self._piece, min((index + 1) * self._piece, self.size or 0)
        if low >= high:
            return None
        before = 1 if low else 0  # the byte before tells whether a row begins at the first one
        size = high - low + before
        got = self._read(buffer, 0, low - before, size)
        start = 0 if not before else self._line_end(buffer, low - before, got, 0)
        if start >= size:  # no row begins in this piece
            return Piece(index, 0, 0)
        end = self._line_end(buffer, low - before, got, size - 1)
        return Piece(index, start, end)

    def _line_end(self, buffer: Buffer, origin: int, got: int, at: int) -> int:
        """The place after the first line end at or after `at`, reading on as needed; one is put at the end."""
        while True:
            while at < got:
                window = buffer.text[at : min(at + 4096, got)].tobytes()
                found = window.find(b"\n")
                if found >= 0:
                    return at + found + 1
                at += len(window)
            more = self._read(buffer, got, origin + got, max(4096, got))
            if not more:
                buffer.room(got + 1)[got] = 10
                return got + 1
            got += more

    def _read(self, buffer: Buffer, at: int, origin: int, size: int) -> int:
        view = buffer.room(at + size + 1).data[at : at + size]
        got = 0
        while got < size:
            try:
                more = os.preadv(self._file, [view[got:]], self._skip + origin + got)
            except OSError as error:
                raise unreadable(self._path, error) from error
            if not more:
                break
            got += more
        return got


@final
class Stream(Source):
    """Pieces from bytes that come one after the other; with quotes in mind where `quoted`; `lines` are before the first."""

    def __init__(
        self,
        file: BinaryIO,
        path: str,
        piece: int,
        *,
        quoted: bool = False,
        separator: int = 0,
        lines: int = 0,
    ) -> None:
        self.size = None
        self._file, self._path, self._piece = file, path, piece
        self._quoted, self._separator = quoted, separator
        self._lock, self._rest = Lock(), b""
        self._next, self._ended = 0, False
        self._state = np.array([0, 0, 1, lines, 0], np.int64)

    def take(self, buffer: Buffer) -> Piece | None:
        with self._lock:
            held = len(self._rest)
            text = buffer.room(held + self._piece + 1)
            text[:held] = np.frombuffer(self._rest, np.uint8)
            while True:
                if not self._ended:
                    text = buffer.room(held + self._piece + 1)
                    got = self.fill(text.data[held : held + self._piece])
                    held += got
                    self._ended = got == 0
                if self._ended:
                    return self._last(buffer, held)
                end = self._end(text, held)
                if end:
                    break
            self._rest = text[end:held].tobytes()
            index, self._next = self._next, self._next + 1
        self._spare(buffer, end)
        return Piece(index, 0, end)

    def close(self) -> None:
        """Close the stream below."""
        self._file.close()

    def _last(self, buffer: Buffer, held: int) -> Piece | None:
        self._rest = b""
        self._file.close()
        if not held:
            return None
        text = buffer.room(held + 1)
        if text[held - 1] != 10:
            text[held] = 10
            held += 1
        if self._quoted:
            self._end(text, held)
            if self._state[1]:
                raise BadRows(
                    f"the quote that opens on line {self._state[4] + 1:,} is never closed, so no row after it is sure",
                    where=self._path,
                    mend="correct that line, or say quoted=False where quotes are letters like any other",
                )
        self._spare(buffer, held)
        index, self._next = self._next, self._next + 1
        return Piece(index, 0, held)

    def _end(self, text: np.ndarray, held: int) -> int:
        if not self._quoted:
            return text[:held].tobytes().rfind(b"\n") + 1
        end = int(cut(text, held, self._separator, self._state))
        self._state[0] -= end
        return end

    def _spare(self, buffer: Buffer, end: int) -> None:
        if self._quoted:  # quoted text with doubled quotes is written anew behind the piece
            buffer.room(2 * end + 2 * PADDING)

    def fill(self, view: memoryview) -> int:
        """Read until the view is full or the stream ends; how many bytes were read."""
        got = 0
        while got < len(view):
            with packed_errors(self._path):
                block = self._file.read(len(view) - got)
            if not block:
                break
            view[got : got + len(block)] = block
            got += len(block)
        return got


@contextmanager
def packed_errors(path: Any) -> Iterator[None]:
    """Failures of unpacking and decoding as DataErrors that say what is broken."""
    try:
        yield
    except (EOFError, gzip.BadGzipFile, zlib.error, pa.ArrowException) as error:
        raise DataError(
            f"{path} is truncated or damaged: {error}",
            where=str(path),
            mend="fetch or pack it again; test a .gz with gzip -t, a .zst with zstd -t",
        ) from error
    except UnicodeDecodeError as error:
        raise DataError(
            f"{path} is not {error.encoding} text: byte {error.start} of a block does not belong there",
            where=str(path),
            mend="say the encoding that it has, for example encoding='latin-1'",
        ) from error
    except OSError as error:
        if "runcated" in str(error) or "ZSTD" in str(error) or "zlib" in str(error):
            raise DataError(
                f"{path} is truncated or damaged: {error}",
                where=str(path),
                mend="fetch or pack it again; test a .gz with gzip -t, a .zst with zstd -t",
            ) from error
        raise unreadable(path, error) from error


def unreadable(path: Any, error: OSError) -> DataError:
    """What the system says about a file that cannot be opened or read."""
    return DataError(
        f"{path} cannot be read: {error.strerror or error}",
        where=str(path),
        mend="give a file that can be read",
    )


def packing(head: bytes, path: Any, encoding: str) -> str | None:
    """gzip, zstd or None by the first bytes. Raises DataError for what is no text at all."""
    for magic, (what, mend) in _NOT_TEXT.items():
        if head.startswith(magic) and (encoding == "utf-8" or "text" not in what):
            raise DataError(f"{path} is {what}", where=str(path), mend=mend)
    return next((name for magic, name in _PACKINGS.items() if head.startswith(magic)), None)


def open_stream(path: Path, packed: str | None, encoding: str) -> BinaryIO:
    """The unpacked bytes of a file as UTF-8."""
    with packed_errors(path):
        if packed == "gzip":
            file: Any = gzip.open(path, "rb")  # noqa: SIM115 - the caller reads on
        elif packed == "zstd":
            file = pa.CompressedInputStream(pa.OSFile(str(path)), "zstd")
        else:
            file = path.open("rb")
    return file if encoding == "utf-8" else Recoded(file, encoding)  # pyright: ignore[reportReturnType]


@final
class Recoded:
    """A byte stream in another encoding, read as UTF-8."""

    def __init__(self, file: BinaryIO, encoding: str) -> None:
        self._file, self._decoder = file, codecs.getincrementaldecoder(encoding)()
        self._rest = b""

    def read(self, size: int) -> bytes:
        """At most `size` bytes; none at the end."""
        while len(self._rest) < size:
            block = self._file.read(1 << 16)
            self._rest += self._decoder.decode(block, final=not block).encode()
            if not block:
                break
        out, self._rest = self._rest[:size], self._rest[size:]
        return out

    def close(self) -> None:
        """Close the stream below."""
        self._file.close()
