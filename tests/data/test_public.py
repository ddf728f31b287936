"""The table itself: complete, consistent, and read as it says."""

from __future__ import annotations

import re
from urllib.parse import urlsplit

import pytest

from matweave.data.public import SETS
from matweave.data.unpack import is_archive

NAMED = ["ml-100k", "ml-1m", "ml-10m", "ml-20m", "ml-25m", "ml-latest-small", "lastfm-360k", "book-crossing"]


def test_names_are_folder_names_and_unique():
    names = [entry.name for entry in SETS]
    assert len(set(names)) == len(names)
    assert set(NAMED) <= set(names)
    assert all(re.fullmatch(r"[a-z0-9-]+", name) for name in names)
    archives = [urlsplit(entry.address).path.rsplit("/", 1)[-1] for entry in SETS]
    assert len(set(archives)) == len(archives)  # they lie in one folder


@pytest.mark.parametrize("entry", SETS, ids=lambda entry: entry.name)
def test_every_entry_is_complete(entry):
    assert urlsplit(entry.address).scheme in ("http", "https")
    assert urlsplit(entry.licence_at).scheme in ("http", "https")
    assert entry.licence
    assert "\n" not in entry.licence
    assert entry.citation
    assert min(entry.size, entry.rows, entry.users, entry.items) > 0
    assert entry.rows <= entry.users * entry.items or entry.name == "lastfm-1k"  # plays, not pairs
    assert is_archive(entry.address) or entry.address.endswith("/" + entry.log)
    assert entry.checksum is None or re.fullmatch(r"md5:[0-9a-f]{32}|sha256:[0-9a-f]{64}", entry.checksum)


@pytest.mark.parametrize("entry", SETS, ids=lambda entry: entry.name)
def test_lines_show_the_licence_and_where_it_is_stated(entry):
    said = "\n".join(entry.lines())
    for what in (
        entry.licence,
        entry.licence_at,
        entry.address,
        entry.citation,
        f"{entry.rows:,} rows",
        entry.note,
    ):
        assert what in said
