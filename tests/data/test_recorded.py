"""The record beside a file: what it says is checked, and what cannot be read is said."""

from __future__ import annotations

import json

import pytest

from matweave.data.recorded import Record, digest, record_of, record_path, sha256_of, verify, write_json
from matweave.errors import DownloadError

EMPTY = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"  # sha256 of no bytes, FIPS 180-4


def test_a_file_without_a_record_is_the_users_own(tmp_path):
    (tmp_path / "mine.csv").write_text("u,i\n")
    assert verify(tmp_path / "mine.csv") is None


def test_known_hashes(tmp_path):
    path = tmp_path / "empty"
    path.write_bytes(b"")
    assert sha256_of(path) == EMPTY
    assert digest(path, "md5") == "d41d8cd98f00b204e9800998ecf8427e"


def test_verify_accepts_the_recorded_file_and_no_other(tmp_path):
    path = tmp_path / "x.zip"
    path.write_bytes(b"")
    said = {
        "address": "http://a/x.zip",
        "bytes": 0,
        "sha256": EMPTY,
        "downloaded": "2026-01-01T00:00:00+00:00",
    }
    write_json(record_path(path), said)
    assert verify(path) == Record(**said)
    write_json(record_path(path), said | {"sha256": "0" * 64})
    with pytest.raises(DownloadError, match="2026-01-01") as error:
        verify(path)
    assert str(path) in error.value.mend


@pytest.mark.parametrize(
    "text", ["{", "[]", '{"address": "a"}', '{"address":1,"bytes":"x","sha256":"","downloaded":""}']
)
def test_unreadable_record(tmp_path, text):
    path = tmp_path / "x.zip"
    record_path(path).write_text(text)
    with pytest.raises(DownloadError, match="unreadable"):
        record_of(path)


def test_write_json_leaves_no_scraps(tmp_path):
    write_json(tmp_path / "a.json", {"é": 1})
    write_json(tmp_path / "a.json", {"é": 2})
    assert json.loads((tmp_path / "a.json").read_text(encoding="utf-8")) == {"é": 2}
    assert [p.name for p in tmp_path.iterdir()] == ["a.json"]
