"""Delimited files of every form against Python's own csv, float and datetime."""

from __future__ import annotations

import csv
import gzip
import io
import string

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from matweave.data.interactions import Interactions
from matweave.data.read_columns import ROLES
from matweave.data.read_delimited import Delimited, read_delimited
from matweave.errors import BadRows, DataError
from matweave.threads import set_threads

ID = st.text(st.sampled_from(string.ascii_letters + "012 ,;\"'\n\t:äß漢"), min_size=1, max_size=20).filter(
    str.strip
)
ODD_NUMBERS = [
    "1e3",
    "-0",
    "+4",
    " 7",
    ".5",
    "5.",
    "0.30000000000000004",
    "123456789.987654321",
    "1E-5",
    "16777217",
]
NUMBER = st.one_of(
    st.sampled_from(ODD_NUMBERS), st.floats(width=32, allow_nan=False, allow_infinity=False).map(repr)
)
TIME = st.integers(-(10**10), 10**10)
ROWS = st.lists(st.tuples(ID, ID, NUMBER, TIME), min_size=1, max_size=30)


def read(path, *, packed=None, duplicates="last", on_bad_rows="error", said=None, **how) -> Interactions:
    return read_delimited(
        path, packed, dict(said or {}), Delimited(**how), duplicates=duplicates, on_bad_rows=on_bad_rows
    )


def as_rows(log):
    """The rows of a log with the ids as text."""
    users, items = log.users.decode(log.user_codes).to_pylist(), log.items.decode(log.item_codes).to_pylist()
    values = log.values.tolist() if log.values is not None else [None] * len(log)
    times = log.times.tolist() if log.times is not None else [None] * len(log)
    return [(str(u), str(i), v, t) for u, i, v, t in zip(users, items, values, times, strict=True)]


def by_hand(rows):
    """The rows as they should come out: the last of each pair by time, at its place."""
    lead = {}
    for at, (user, item, _, time) in enumerate(rows):
        if (user, item) not in lead or int(time) >= int(rows[lead[user, item]][3]):
            lead[user, item] = at
    return [
        (u, i, float(np.float32(float(v))), int(t) * 1_000_000)
        for u, i, v, t in (rows[k] for k in sorted(lead.values()))
    ]


@given(
    ROWS,
    st.sampled_from([",", ";", "|"]),
    st.sampled_from(["\n", "\r\n"]),
    st.sampled_from([csv.QUOTE_MINIMAL, csv.QUOTE_ALL, csv.QUOTE_NONNUMERIC]),
    st.integers(1, 200),
    st.booleans(),
    st.booleans(),
    st.integers(1, 3),
)
def test_reads_what_the_csv_module_writes(rows, separator, end, quoting, piece, packed, cut_end, threads):
    text = io.StringIO(newline="")
    writer = csv.writer(text, delimiter=separator, lineterminator=end, quoting=quoting)
    writer.writerow(["user", "item", "rating", "timestamp"])
    writer.writerows(rows)
    content = text.getvalue().replace("\n", "\n\n", 1).encode()
    if cut_end:
        content = content.removesuffix(end.encode())
    path = _written(content, packed)
    set_threads(threads)
    try:
        log = read(path, packed="gzip" if packed else None, separator=separator, quoted=True, piece=piece)
    finally:
        set_threads(None)
    assert as_rows(log) == by_hand(rows)
    assert str(log.users.ids.type) in ("string", "int64")


PLAIN = st.text(st.sampled_from(string.ascii_letters + string.digits + "\"'äß漢"), min_size=1, max_size=20)


@given(
    st.lists(st.tuples(PLAIN, PLAIN, NUMBER.map(str.strip), TIME), min_size=1, max_size=30),
    st.sampled_from(["\t", "::", " ", ",", "||", ", "[:1]]),
    st.sampled_from(["\n", "\r\n", "\n\n"]),
    st.integers(1, 200),
    st.integers(1, 3),
)
def test_reads_unquoted_text_in_pieces_of_any_size(rows, separator, end, piece, threads):
    path = _written((end.join(separator.join(map(str, row)) for row in rows) + end).encode(), False)
    set_threads(threads)
    try:
        log = read(path, separator=separator, quoted=False, header=False, columns=list(ROLES), piece=piece)
    finally:
        set_threads(None)
    assert as_rows(log) == by_hand(rows)
    users = list(dict.fromkeys(row[0] for row in rows))
    assert [str(u) for u in log.users.to_list()] == users


_FOLDER: list = []


@pytest.fixture(autouse=True)
def _folder(tmp_path_factory):
    _FOLDER[:] = [tmp_path_factory.mktemp("delimited")]


def _written(content, packed=False, name="log.csv"):
    path = _FOLDER[0] / name
    path.write_bytes(gzip.compress(content) if packed else content)
    return path


def test_any_number_of_threads_gives_the_same_log():
    rng = np.random.default_rng(0)
    lines = [f"u{a},i{b},{c}\n" for a, b, c in rng.integers(0, 300, (3000, 3))]
    path = _written("".join(["user,item,rating\n", *lines]).encode())
    logs = []
    for threads in (1, 2, 5):
        set_threads(threads)
        logs.append(read(path, piece=512))
    set_threads(None)
    for log in logs[1:]:
        assert log.users == logs[0].users
        assert log.report == logs[0].report
        np.testing.assert_array_equal(log.by_user.indices, logs[0].by_user.indices)
        np.testing.assert_array_equal(log.values, logs[0].values)


BAD = b"""user,item,rating,time
a,x,5,100
b,x,5
b,,5,100
,x,5,100
c,x,nan,100
c,x,inf,100
c,x,1e39,100
c,x,five,100
c,x,,100
c,x,5,soon
c,x,5,2020-01-01
c,x,5,1600000000000
\xff,x,5,100
d,\xc3,5,100

d,"x"y,5,100
e,y,4,200,9
f,z,3,300
"""


@pytest.mark.parametrize("piece", [8, 64, 1 << 20])
def test_every_kind_of_bad_row_is_named_by_line(piece):
    path = _written(BAD)
    with pytest.raises(BadRows) as error:
        read(path, piece=piece)
    text = str(error.value)
    assert "15 of 17 rows cannot be used" in text
    for line, kind in [
        (3, "wrong number of fields: 'b,x,5'"),
        (4, "empty id in 'item'"),
        (5, "empty id in 'user'"),
        (6, "NaN in 'rating'"),
        (7, "infinity or beyond float32 in 'rating'"),
        (8, "infinity or beyond float32 in 'rating'"),
        (9, "not a number in 'rating': 'c,x,five,100'"),
        (10, "missing value or time in 'rating'"),
        (11, "not a time in 'time'"),
        (12, "time of another form or unit in 'time'"),
    ]:
        assert f"line {line}: {kind}" in text
    assert "line 13" not in text
    assert "and 5 more" in text
    assert "2 broken encoding" in text
    assert "1 text after a closing quote" in text
    log = read(path, piece=piece, on_bad_rows="drop")
    assert as_rows(log) == [("a", "x", 5.0, 100_000_000), ("f", "z", 3.0, 300_000_000)]
    assert log.users.to_list() == ["a", "f"]
    assert any("15 bad rows of 17 dropped" in line for line in log.report)


def test_bad_lines_are_numbered_through_quoted_line_ends_and_blank_lines():
    path = _written(b'user,item,rating\n\n"a\nb",x,1\n\r\nc,x,bad\n"d""\n",x,1,1\n')
    with pytest.raises(BadRows) as error:
        read(path)
    assert "line 6: not a number" in str(error.value)
    assert "line 7: wrong number of fields" in str(error.value)


def test_an_open_quote_is_an_error_even_where_bad_rows_are_dropped():
    path = _written(b'user,item,rating\na,x,1\nb,"x,2\nc,x,3\n')
    with pytest.raises(BadRows, match="the quote that opens on line 3 is never closed"):
        read(path, on_bad_rows="drop")
    log = read(path, quoted=False)
    assert log.items.to_list() == ["x", '"x']


def test_a_quote_far_down_starts_again_with_quotes_in_mind():
    rows = [f"u{k},i{k % 7},1\n" for k in range(40_000)]
    rows[30_000] = '"u\n3",i1,1\n'
    log = read(_written("".join(["user,item,rating\n", *rows]).encode()), piece=4096)
    assert len(log) == 40_000
    assert log.users.to_list()[30_000] == "u\n3"


@pytest.mark.parametrize(
    ("texts", "kind", "told"),
    [
        (["1", "20", "-3"], "int64", None),
        (["1", "02", "3"], "string", "'02'"),
        (["+1", "2", "3"], "string", "'+1'"),
        (["1", "9223372036854775807", "5"], "int64", None),
        (["1", "9223372036854775808", "5"], "string", "9223372036854775808"),
        (["1", "2", "x"], "string", "'x'"),
        (["-0", "2", "3"], "string", "'-0'"),
        (["x", "y", "3"], "string", None),
    ],
)
def test_whole_numbers_are_numbers_only_where_no_text_is_lost(texts, kind, told):
    log = read(_written("".join(["user,item\n", *(f"{t},i\n" for t in texts)]).encode()))
    assert str(log.users.ids.type) == kind
    assert [str(u) for u in log.users.to_list()] == texts
    notes = [line for line in log.report if "kept as text" in line and "'user'" in line]
    assert (told is None) == (not notes)
    assert told is None or told in notes[0]


@pytest.mark.parametrize(
    ("texts", "micros"),
    [
        (["978300760", "0", "-5"], [978300760_000_000, 0, -5_000_000]),
        (["978300760.25", "978300760", "978300761."], [978300760_250_000, 978300760_000_000, 978300761_000_000]),
        (["978300760123", "978300760124", "1e12"], [978300760_123_000, 978300760_124_000, 10**15]),
        (["978300760123456", "0", "978300760123457"], [978300760_123_456, 0, 978300760_123_457]),
        (["978300760123456789"] * 3, [978300760_123_456] * 3),
        (["2000-12-31", "2000-12-31T22:12:40", "2000-12-31 22:12:40.5"], [978220800_000_000, 978300760_000_000, 978300760_500_000]),
        (["2000-12-31T22:12:40Z", "2000-12-31T23:12:40+01:00", "2000-12-31 17:12-05:00"], [978300760_000_000, 978300760_000_000, 978300720_000_000]),
        (["20001231", "20010101", "19700101"], [978220800_000_000, 978307200_000_000, 0]),
        (["2000/12/31", "1969-12-31", "0001-01-01"], [978220800_000_000, -86400_000_000, -62135596800_000_000]),
    ],
)  # fmt: skip
def test_times_of_each_form(texts, micros):
    rows = "".join(f"u{k},i,{t}\n" for k, t in enumerate(texts))
    log = read(_written(("user,item,time\n" + rows).encode()))
    assert log.times.tolist() == micros
    assert any(line.startswith("times are") for line in log.report)


def test_values_are_exact_to_the_last_bit():
    rng = np.random.default_rng(3)
    bits = rng.integers(0, 2**63, 4000, dtype=np.uint64) << np.uint64(1)
    numbers = [f for f in bits.view(np.float64).tolist() if abs(f) < 1e38 and f == f]
    floats = rng.integers(0, 2**31, 4000, dtype=np.uint32).view(np.float32)
    texts = [repr(x) for x in numbers] + [repr(float(x)) for x in floats[np.isfinite(floats)]]
    near = np.float64(np.float32(0.1)) + np.float64(2.0**-28) / 2  # the middle of two float32, nearly
    texts += [f"{near:.{d}f}" for d in range(8, 40)] + [str(16777217 + k) for k in range(9)]
    texts += [str(k) + "9" * d for k in range(1, 9) for d in range(1, 24)] + [
        f"{k}e{e}" for k in range(9) for e in range(-40, 30)
    ]
    path = _written(("user,item,value\n" + "".join(f"u{k},i,{t}\n" for k, t in enumerate(texts))).encode())
    log = read(path)
    np.testing.assert_array_equal(log.values, np.array([float(t) for t in texts]).astype(np.float32))


@pytest.mark.parametrize("encoding", ["latin-1", "utf-16", "cp1252"])
def test_other_encodings_are_read_as_said(encoding):
    path = _written("user;item;rating\nJosé;ü;1\nJosé;é;2\n".encode(encoding))
    log = read(path, encoding=encoding)
    assert log.users.to_list() == ["José"]
    assert log.items.to_list() == ["ü", "é"]


def test_extra_columns_are_ignored_by_name_and_clicks_have_no_values():
    log = read(_written(b'title,movieId,userId\n"A, b",1,7\n'))
    assert log.values is None
    assert log.times is None
    assert "ignored: 'title'" in log.report[1]


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"user,item,rating\n", "no row below its header"),
        (b"\n\n \n", "empty"),
        (b"user,item\n\n\n", "no row"),
    ],
)
def test_files_without_rows_are_refused(content, said):
    with pytest.raises(DataError, match=said):
        read(_written(content))


def test_rounded_values_are_told():
    log = read(_written(b"user,item,plays\na,x,16777217\n"))
    assert any("rounds" in line for line in log.report)


@given(st.binary(max_size=200), st.integers(1, 64))
@example(b'"', 1)
@example(b"a,b\n\x00,\x00\n", 1)
def test_any_bytes_give_a_log_or_a_clear_error(content, piece):
    path = _written(b"user,item,rating\n" + content)
    try:
        log = read(path, piece=piece, on_bad_rows="drop")
    except DataError:
        return
    assert isinstance(log.users.ids, pa.Array)
    assert len(log) > 0
