"""The table of ids against a dictionary."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from matweave.data.bytes_simd import PADDING
from matweave.data.id_table import EMPTY_ID, ENCODING, encode, grown, merged, new_table

NEAR = st.sampled_from(
    [b"a" * n + x for n in (0, 6, 7, 8, 14, 15, 16, 17, 23, 24, 40) for x in (b"b", b"c", b"bb")]
)
IDS = st.lists(
    st.one_of(NEAR, st.text(min_size=1, max_size=30).filter(lambda t: t.strip(" ")).map(str.encode)),
    max_size=60,
)


def encoded(table, ids, place=0):
    """Codes of all ids, the table grown as needed."""
    text = np.frombuffer(b"".join(ids) + b"\xaa" * PADDING, np.uint8).copy()
    ends = np.cumsum([len(i) for i in ids], dtype=np.int32)
    starts = np.concatenate([[0], ends[:-1]]).astype(np.int32)[: len(ids)]
    codes = np.empty(len(ids), np.int32)
    done = 0
    while (done := encode(text, starts, ends, done, place, table, codes)) < len(ids):
        table = grown(table, len(ids[done]))
    return table, codes


def ids_in(table):
    letters, offsets = table.letters.tobytes(), table.offsets
    return [letters[offsets[k] : offsets[k + 1]] for k in range(table.size[0])]


def small():
    """A table so small that it must grow, in ids and in letters."""
    return new_table(ids=2, letters=8)


@given(IDS)
def test_codes_go_by_first_appearance_and_first_tells_where(ids):
    table, codes = encoded(small(), ids, place=100)
    distinct = list(dict.fromkeys(ids))
    assert ids_in(table) == distinct
    assert [distinct[c] for c in codes] == ids
    assert table.first[: table.size[0]].tolist() == [100 + ids.index(i) for i in distinct]
    again, codes_again = encoded(table, ids)
    assert again.size[0] == len(distinct)
    np.testing.assert_array_equal(codes, codes_again)


@given(IDS, IDS, IDS)
def test_merging_finds_every_id_and_its_first_place(one, two, three):
    made = [encoded(small(), ids, place=place) for ids, place in ((one, 200), (two, 0), (three, 100))]
    whole, maps = merged([table for table, _ in made])
    assert sorted(ids_in(whole)) == sorted({*one, *two, *three})
    for ids, (_, codes), names in zip((one, two, three), made, maps, strict=True):
        assert [ids_in(whole)[names[c]] for c in codes] == ids
    firsts = dict(zip(ids_in(whole), whole.first.tolist(), strict=False))
    for found, at in firsts.items():
        assert at == min(
            p + ids.index(found) for ids, p in ((one, 200), (two, 0), (three, 100)) if found in ids
        )


def test_many_ids_stay_apart():
    ids = [f"user-{k:09d}".encode() for k in range(20_000)] * 2
    table, codes = encoded(small(), ids)
    np.testing.assert_array_equal(codes, np.tile(np.arange(20_000), 2))
    assert table.size[0] == 20_000


@given(st.binary(min_size=1, max_size=8))
def test_an_id_must_be_utf8_and_not_blank(letters):
    _, codes = encoded(small(), [letters])
    try:
        wanted = 0 if letters.decode().strip(" ") else -1 - EMPTY_ID
    except UnicodeDecodeError:
        wanted = -1 - ENCODING
    assert codes[0] == wanted


def test_bad_utf8_of_each_kind():
    good = ["\x7f", "\x80", "\u07ff", "\u0800", "\ud7ff", "\ue000", "\uffff", "\U00010000", "\U0010ffff"]
    bad = [
        b"\x80",
        b"\xc0\x80",
        b"\xc1\xbf",
        b"\xe0\x9f\xbf",
        b"\xed\xa0\x80",
        b"\xf0\x8f\xbf\xbf",
        b"\xf4\x90\x80\x80",
    ]
    bad += [b"\xf5\x80\x80\x80", b"\xe2\x82", b"\xc3", b"a\xff"]
    assert (encoded(small(), [t.encode() for t in good])[1] >= 0).all()
    assert (encoded(small(), bad)[1] == -1 - ENCODING).all()
