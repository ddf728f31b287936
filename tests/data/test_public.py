"""The table itself: complete, consistent, and read as it says."""

from __future__ import annotations

import re
from urllib.parse import urlsplit

import pytest

from matweave.data.public import SETS
from matweave.data.read import read_interactions
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


# Two lines in the form that each publisher documents, made up: user, item, value, time as they are to be read.
SAMPLES: dict[str, tuple[str, list[tuple]]] = {
    **dict.fromkeys(
        ["ml-latest-small", "ml-20m", "ml-25m", "ml-32m"],
        (
            "userId,movieId,rating,timestamp\n5,70,3.5,1256677221\n5,8,4.0,1256677456\n",
            [(5, 70, 3.5, 1256677221)],
        ),
    ),
    **dict.fromkeys(
        ["ml-1m", "ml-10m"], ("5::70::3::978300760\n5::8::4::978302109\n", [(5, 70, 3.0, 978300760)])
    ),
    "ml-100k": ("5\t70\t3\t881250949\n5\t8\t4\t891717742\n", [(5, 70, 3.0, 881250949)]),
    "lastfm-360k": (
        '0a1b\tm-1\tthe "quoted band\t2137\n0a1b\t\tno id\t5\n0a1b\tm-3\t\t7\n',
        [("0a1b", 'the "quoted band', 2137.0, None), ("0a1b", "no id", 5.0, None)],
    ),
    "lastfm-1k": (
        'user_1\t2009-05-04T23:08:57Z\tm-1\tsome band\t\ta "song\nuser_1\t2009-05-04T13:54:10Z\t\tother band\tt-2\tb\n',
        [("user_1", "some band", None, 1241478537)],
    ),
    "hetrec-lastfm": ("userID\tartistID\tweight\n2\t51\t13883\n2\t52\t11690\n", [(2, 51, 13883.0, None)]),
    "hetrec-movielens": (
        "userID\tmovieID\trating\ttimestamp\n75\t3\t1\t1162160236000\n75\t32\t4.5\t1162160624000\n",
        [(75, 3, 1.0, 1162160236)],
    ),
    "book-crossing": (
        '"User-ID";"ISBN";"Book-Rating"\n"5";"034545104X";"0"\n"5";"caf\xe9";"8"\n"6";"";"5"\n',
        [(5, "034545104X", 0.0, None), (5, "café", 8.0, None)],
    ),
    "goodbooks-10k": ("user_id,book_id,rating\n1,258,5\n2,4081,4\n", [(1, 258, 5.0, None)]),
    "movietweetings": (
        "1::0114508::8::1381006850\n2::0499549::9::1376753198\n",
        [(1, "0114508", 8.0, 1381006850)],
    ),
}


@pytest.mark.parametrize("entry", SETS, ids=lambda entry: entry.name)
def test_options_read_what_the_publisher_documents(tmp_path, entry):
    text, wanted = SAMPLES[entry.name]
    path = tmp_path / entry.log  # ids with leading zeros stay text
    path.write_bytes(text.encode("latin-1" if entry.name == "book-crossing" else "utf-8"))
    rows = read_interactions(path, **entry.options).to_frame("arrow").to_pylist()
    for at, (user, item, value, time) in enumerate(wanted):
        assert (rows[at]["user"], rows[at]["item"]) == (user, item)
        assert rows[at].get("value") == value
        assert (rows[at]["time"].timestamp() if "time" in rows[at] else None) == time
    assert len(rows) == 2
