"""Text files: packed, marked, and not text at all."""

from __future__ import annotations

import gzip

import pyarrow as pa
import pytest

from matweave.data.whole_text import read_head, read_whole_text
from matweave.errors import DataError


def test_plain_and_packed_are_the_same(tmp_path):
    text = "name\nŁuk\r\n".encode()
    packed = tmp_path / "a.zst"
    with pa.CompressedOutputStream(pa.OSFile(str(packed), "wb"), "zstd") as out:
        out.write(text)
    for name, data in (("a.csv", text), ("b.csv", b"\xef\xbb\xbf" + text), ("c.gz", gzip.compress(text))):
        (tmp_path / name).write_bytes(data)
        assert read_whole_text(tmp_path / name) == text
    assert read_whole_text(packed) == text


@pytest.mark.parametrize(
    ("data", "said"),
    [
        (b"a\nJos\xe9\nb\n\xff", "is not UTF-8 text: lines 2, 4"),
        (b"a\n1\x002\n", "zero bytes stand in line 2"),
        (b"a\rb\rc", "carriage returns that end no line: line 1"),
        (b"a\r\nb\rc\r\n", "carriage returns that end no line: line 2"),
        (b"\xff\xfea\0", "is UTF-16 text"),
        (b" \n\n", "is empty"),
        (b"", "is empty"),
        (b"PK\x03\x04rest", "is a zip archive"),
        (gzip.compress(b"a,b\n" * 1000, mtime=0)[:-12], "is truncated or damaged"),
    ],
)
def test_what_is_no_text_is_refused_with_its_lines(tmp_path, data, said):
    path = tmp_path / "a.csv"
    path.write_bytes(data)
    with pytest.raises(DataError, match=said) as error:
        read_whole_text(path)
    assert error.value.mend


def test_missing_files_and_folders(tmp_path):
    (tmp_path / "waves.csv").write_text("a")
    with pytest.raises(DataError, match=r"did you mean 'waves.csv'"):
        read_head(tmp_path / "wavs.csv")
    with pytest.raises(DataError, match="is a folder"):
        read_head(tmp_path)
