"""Pieces put together are the file, whatever their size; damaged archives say so."""

from __future__ import annotations

import gzip
import io
from contextlib import closing

import pytest
from hypothesis import given
from hypothesis import strategies as st

from matweave.data.read_bytes import Buffer, PlainFile, Recoded, Stream, open_stream, packing
from matweave.errors import BadRows, DataError

LINES = st.lists(st.binary(max_size=30).map(lambda b: b.replace(b"\n", b"x")), min_size=1, max_size=20)


def pieces(source):
    """All pieces by number."""
    buffer, found = Buffer(), {}
    with closing(source):
        while (piece := source.take(buffer)) is not None:
            found[piece.index] = buffer.text[piece.start : piece.end].tobytes()
    assert sorted(found) == list(range(len(found)))
    return [found[k] for k in range(len(found))]


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp("bytes")


@given(lines=LINES, size=st.integers(1, 100), skip=st.integers(0, 5), ends=st.booleans())
def test_a_plain_file_is_cut_at_line_ends(lines, size, skip, ends, folder):
    content = b"\n".join(lines) + (b"\n" if ends else b"")
    path = folder / "plain"
    path.write_bytes(b"#" * skip + content)
    found = pieces(PlainFile(path, skip, size))
    assert b"".join(found) == content + (b"\n" if content and not content.endswith(b"\n") else b"")
    assert all(piece.endswith(b"\n") for piece in found if piece)


@given(lines=LINES, size=st.integers(1, 100), ends=st.booleans())
def test_a_stream_is_cut_at_line_ends(lines, size, ends):
    content = b"\n".join(lines) + (b"\n" if ends else b"")
    found = pieces(Stream(io.BytesIO(content), "stream", size))
    assert b"".join(found) == content + (b"\n" if content and not content.endswith(b"\n") else b"")
    assert all(piece.endswith(b"\n") for piece in found)


def test_a_quoted_line_end_is_no_end_of_a_piece():
    content = b'a,"1\n2\n3"\nb,"x""\n"\nc,d'
    found = pieces(Stream(io.BytesIO(content), "stream", 2, quoted=True, separator=44))
    assert found == [b'a,"1\n2\n3"\n', b'b,"x""\n"\n', b"c,d\n"]
    with pytest.raises(BadRows, match="on line 7 is never closed"):
        pieces(Stream(io.BytesIO(b'a\nb,"c\nd\n'), "stream", 3, quoted=True, separator=44, lines=5))


def test_a_file_that_shrinks_is_read_as_far_as_it_goes(folder):
    path = folder / "shrinks"
    path.write_bytes(b"a\nb\nc\n" * 1000)
    source = PlainFile(path, 0, 64)
    path.write_bytes(b"a\nb")
    assert b"".join(pieces(source)).startswith(b"a\nb\n")


@pytest.mark.parametrize(
    ("head", "kind"), [(b"\x1f\x8b\x08", "gzip"), (b"\x28\xb5\x2f\xfd", "zstd"), (b"a,b", None), (b"", None)]
)
def test_packings_are_known_by_their_first_bytes(head, kind):
    assert packing(head, "x", "utf-8") == kind


@pytest.mark.parametrize("head", [b"PK\x03\x04", b"BZh9", b"\xfd7zXZ\0", b"\xff\xfea\0", b"\x89HDF"])
def test_what_is_no_text_is_refused(head):
    with pytest.raises(DataError):
        packing(head, "x", "utf-8")


def test_utf16_is_text_where_it_is_said_to_be():
    assert packing(b"\xff\xfea\0", "x", "utf-16") is None


def test_truncated_gzip_and_undecodable_text_are_told(folder):
    path = folder / "log.gz"
    path.write_bytes(gzip.compress(b"a,b\n" * 10_000)[:-4])
    with pytest.raises(DataError, match="truncated or damaged"):
        pieces(Stream(open_stream(path, "gzip", "utf-8"), str(path), 1 << 20))
    path.write_bytes(b"\x00\xd8,\x00")  # half of a surrogate pair
    with pytest.raises(DataError, match="not utf-16"):
        pieces(Stream(open_stream(path, None, "utf-16-le"), str(path), 64))
    with pytest.raises(DataError, match="cannot be read"):
        open_stream(folder / "nothing", None, "utf-8")


@given(st.text(), st.integers(1, 9))
def test_recoding_keeps_the_text(text, size):
    file = Recoded(io.BytesIO(text.encode("utf-16")), "utf-16")
    found = b""
    while block := file.read(size):
        assert len(block) <= size
        found += block
    assert found == text.encode()
