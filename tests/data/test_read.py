"""Every source through the one door: the same log from every form of it, and clear errors."""

from __future__ import annotations

import gzip
import json
from pathlib import Path

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pyarrow.feather
import pyarrow.parquet
import pytest
import scipy.sparse as sp

import matweave as mw
from matweave.data.read import read_interactions
from matweave.errors import BadRows, ConfigError, DataError

ROWS = {
    "user": ["ann", "bob", "ann", "bob"],
    "item": [3, 3, 5, 3],
    "rating": [4.0, 2.5, 1.0, 5.0],
    "timestamp": [1_000_000_100, 1_000_000_200, 1_000_000_300, 1_000_000_000],
}
TABLE = pa.table(ROWS)


def lines(separator, header=True):
    rows = [list(ROWS), *zip(*ROWS.values(), strict=True)]
    return "".join(separator.join(map(str, r)) + "\n" for r in rows[not header :]).encode()


def zstd(content):
    return pa.Codec("zstd").compress(content, asbytes=True)


SOURCES = {
    "log.csv": lines(","),
    "log.tsv": lines("\t"),
    "log.dat": lines("::", header=False),
    "log.txt": lines(" "),
    "semicolons.csv": lines(";"),
    "bom.csv": b"\xef\xbb\xbf" + lines(","),
    "crlf.csv": lines(",").replace(b"\n", b"\r\n"),
    "log.csv.gz": gzip.compress(lines(","), mtime=0),
    "two members.gz": gzip.compress(lines(",")[:30], mtime=0) + gzip.compress(lines(",")[30:], mtime=0),
    "log.csv.zst": zstd(lines(",")),
    "two frames.zst": zstd(lines(",")[:30]) + zstd(lines(",")[30:]),
    "named csv but packed.csv": gzip.compress(lines(","), mtime=0),
    "log.jsonl": "".join(json.dumps(r) + "\n" for r in TABLE.to_pylist()).encode(),
    "log.jsonl.gz": gzip.compress("".join(json.dumps(r) + "\n\n" for r in TABLE.to_pylist()).encode()),
}


def check(log, frame="arrow"):
    assert log.frame == frame
    assert log.to_frame("arrow").select(["user", "item"]).to_pydict() == {
        "user": ["ann", "bob", "ann"],
        "item": [3, 3, 5],
    }
    assert log.values.tolist() == [4.0, 2.5, 1.0]
    assert log.times.tolist() == [t * 1_000_000 for t in ROWS["timestamp"][:3]]
    assert any("1 row merged" in line for line in log.report)
    assert any(line.startswith("columns by") for line in log.report)


@pytest.mark.parametrize("name", SOURCES)
def test_files_of_every_form_give_the_same_log(name, tmp_path):
    path = tmp_path / name
    path.write_bytes(SOURCES[name])
    check(read_interactions(path))
    check(read_interactions(str(path)))


@pytest.mark.parametrize(
    ("source", "frame"),
    [
        (TABLE, "arrow"),
        (TABLE.to_batches()[0], "arrow"),
        (pa.concat_tables([TABLE[:1], TABLE[1:]]), "arrow"),
        (pd.DataFrame(ROWS), "pandas"),
        (pd.DataFrame(ROWS).astype({"user": "category"}), "pandas"),
        (pd.DataFrame(ROWS, index=[9, 9, 9, 9]), "pandas"),
        (pl.DataFrame(ROWS), "polars"),
        (pl.DataFrame(ROWS).lazy(), "polars"),
    ],
)
def test_tables_and_frames_of_every_kind_give_the_same_log(source, frame):
    log = read_interactions(source)
    check(log, frame)
    assert type(log.to_frame()).__module__.split(".")[0] == {"arrow": "pyarrow"}.get(frame, frame)


def test_columnar_files_and_folders(tmp_path):
    pyarrow.parquet.write_table(TABLE, tmp_path / "log.parquet")
    check(read_interactions(tmp_path / "log.parquet"))
    pyarrow.feather.write_feather(TABLE, tmp_path / "log.arrow")
    check(read_interactions(tmp_path / "log.arrow"))
    folder = tmp_path / "parts"
    for k in range(2):
        (folder / f"half={k}").mkdir(parents=True)
        pyarrow.parquet.write_table(TABLE[2 * k : 2 * k + 2], folder / f"half={k}" / "part.parquet")
    (folder / "_SUCCESS").write_bytes(b"")
    check(read_interactions(folder))
    users = tmp_path / "by user"
    pyarrow.parquet.write_to_dataset(TABLE, users, partition_cols=["user"])
    log = read_interactions(users)
    assert sorted(log.users.to_list()) == ["ann", "bob"]
    assert len(log) == 3


@pytest.mark.parametrize("form", [sp.csr_array, sp.csc_matrix, sp.coo_array])
def test_sparse_matrices_have_their_numbers_as_ids(form):
    log = read_interactions(form(np.array([[0, 2.0, 0], [0, 0, 0], [3.0, 0, 0]])))
    assert log.to_frame().to_pydict() == {"user": [0, 2], "item": [1, 0], "value": [2.0, 3.0]}
    assert any("1 empty rows of the matrix" in line for line in log.report)


def test_entries_of_a_matrix_stored_twice_are_summed_and_told():
    log = read_interactions(sp.coo_array(([1.0, 2.0], ([0, 0], [0, 0])), shape=(1, 1)))
    assert log.values.tolist() == [3.0]
    assert "1 entries stored at the place of another were added to it" in log.report


def test_ids_keep_the_type_of_their_column():
    days = pa.array(np.array(["2020-01-01", "2020-01-02"], "datetime64[D]"))
    log = read_interactions(pa.table({"user": pa.array([1, 2], pa.uint8()), "item": days}))
    assert log.users.ids.type == pa.uint8()
    assert log.items.ids.equals(days)


@pytest.mark.parametrize(
    ("name", "content", "said"),
    [
        ("empty.csv", b"", "is empty"),
        ("blank.csv", b"\n\n", "is empty"),
        ("header.csv", b"user,item,rating\n", "no row below its header"),
        ("cut.csv.gz", gzip.compress(lines(",") * 50, mtime=0)[:-20], "truncated or damaged"),
        ("broken.csv.gz", gzip.compress(lines(",") * 50, mtime=0)[:30] + b"\0" * 40, "truncated or damaged"),
        ("cut.csv.zst", zstd(lines(",") * 50)[:-9], "truncated or damaged"),
        ("cut.parquet", b"PAR1" + b"\0" * 30, "truncated or damaged"),
        ("log.zip", b"PK\x03\x04" + b"\0" * 30, "a zip archive"),
        ("log.xz", b"\xfd7zXZ\x00" + b"\0" * 30, "xz"),
        ("utf16.csv", "user,item\na,b\n".encode("utf-16"), "UTF-16"),
        ("one column.csv", b"user\nann\n", "no separator"),
        ("array.json", b'[\n {"user": 1, "item": 2}]', "one JSON array"),
        ("not json.jsonl", b"{user: 1}\n", "no JSON object"),
        ("names.csv", b"usr,itm,rating\na,b,1\n", "did you mean 'usr'"),
        (
            "two users.csv",
            b"user,user_id,item\na,b,1\n",
            "more than one column may be the user: 'user', 'user_id'",
        ),
    ],
)
def test_what_cannot_be_read_is_refused_with_its_mend(name, content, said, tmp_path):
    path = tmp_path / name
    path.write_bytes(content)
    with pytest.raises(DataError, match=said) as error:
        read_interactions(path)
    assert error.value.mend
    assert name in str(error.value)


def test_truncated_parquet_is_refused(tmp_path):
    path = tmp_path / "log.parquet"
    pyarrow.parquet.write_table(TABLE, path)
    path.write_bytes(path.read_bytes()[:-10])
    with pytest.raises(DataError, match="truncated or damaged"):
        read_interactions(path)


def test_paths_that_are_no_log(tmp_path):
    (tmp_path / "ratings.csv").write_text("user,item\n")
    with pytest.raises(DataError, match=r"did you mean 'ratings\.csv'"):
        read_interactions(tmp_path / "rating.csv")
    with pytest.raises(DataError, match="no folder"):
        read_interactions(tmp_path / "nowhere" / "rating.csv")
    with pytest.raises(DataError, match=r"holds no Parquet file; it holds \['ratings\.csv'\]"):
        read_interactions(tmp_path)
    (tmp_path / "bad").mkdir()
    (tmp_path / "bad" / "a.parquet").write_bytes(b"no")
    with pytest.raises(DataError, match="cannot be read as one table"):
        read_interactions(tmp_path / "bad")


@pytest.mark.parametrize(
    "settings",
    [
        dict(duplicates="frist"),
        dict(on_bad_rows="ignore"),
        dict(separator="abc"),
        dict(separator="\n"),
        dict(encoding="utf-9"),
        dict(separator=" ", quoted=True),
    ],
)
def test_settings_out_of_range_are_refused(settings, tmp_path):
    path = tmp_path / "log.csv"
    path.write_bytes(lines(","))
    with pytest.raises(ConfigError):
        read_interactions(path, **settings)


def test_how_a_text_is_written_says_nothing_about_a_table():
    with pytest.raises(ConfigError, match="separator"):
        read_interactions(TABLE, separator=",")
    for nothing in (7, {"user": [1]}, None):
        with pytest.raises(DataError, match="not a log"):
            read_interactions(nothing)


def test_columns_can_be_said_in_every_form(tmp_path):
    path = tmp_path / "log.csv"
    path.write_bytes(b"x,y,z,w\n1,2,3,4\n5,6,7,8\n")
    log = read_interactions(path, user="z", item="x", value="-", time="-")
    assert log.to_frame().to_pydict() == {"user": [3, 7], "item": [1, 5]}
    path.write_bytes(b"1,2,3,4\n5,6,7,8\n")
    log = read_interactions(path, user="3", item="1", value="2", time="-")
    assert log.to_frame().to_pydict() == {"user": [3, 7], "item": [1, 5], "value": [2.0, 6.0]}
    named = read_interactions(path, columns=["item", "rating", "user", "when"])
    assert named.to_frame().to_pydict() == log.to_frame().to_pydict()
    with pytest.raises(
        DataError, match=r"no column 'userr' for the user; did you mean 'user'(.|\n)*columns are 'user'"
    ):
        read_interactions(TABLE, user="userr")


def test_duplicates_and_bad_rows_follow_their_policies(tmp_path):
    path = tmp_path / "log.csv"
    path.write_bytes(lines(",") + b"cid,9,bad,1\n")
    with pytest.raises(BadRows, match="line 6: not a number in 'rating': 'cid,9,bad,1'"):
        read_interactions(path)
    check(read_interactions(path, on_bad_rows="drop"))
    assert read_interactions(path, on_bad_rows="drop", duplicates="sum").values.tolist() == [4.0, 7.5, 1.0]
    with pytest.raises(DataError, match=r"'bob', 3"):
        read_interactions(path, on_bad_rows="drop", duplicates="error")


def test_json_bad_lines_are_named(tmp_path):
    path = tmp_path / "log.jsonl"
    good = json.dumps({"user": "a", "item": 1, "rating": 2})
    path.write_text(
        f'{good}\n\nnot json\n[1]\n{{"item": 1, "rating": 2}}\n{{"user": "b", "item": 2, "rating": NaN}}\n'
    )
    with pytest.raises(BadRows) as error:
        read_interactions(path)
    for said in (
        "4 of 5",
        "line 3: wrong number of fields",
        "line 4",
        "line 5: empty id in 'user'",
        "line 6: NaN in 'rating'",
    ):
        assert said in str(error.value)
    assert len(read_interactions(path, on_bad_rows="drop")) == 1


def test_it_is_a_public_name():
    assert mw.read_interactions is read_interactions


@pytest.mark.data
@pytest.mark.parametrize(
    ("name", "rows", "users", "items", "first"),
    [
        ("ml-1m/ratings.dat.gz", 1_000_209, 6040, 3706, [1, 1193, 5.0, 978300760]),
        ("ml-100k/u.data.gz", 100_000, 943, 1682, [196, 242, 3.0, 881250949]),
        ("ml-latest-small/ratings.csv.gz", None, None, None, None),
        ("ncf-ml-1m/ml-1m.train.rating.gz", 994_169, 6040, 3704, None),
    ],
)
def test_real_sets_are_read_whole(name, rows, users, items, first, real_data: Path):
    path = real_data / name
    log = read_interactions(path, duplicates="error")
    with gzip.open(path) as file:
        count = sum(1 for line in file if line.strip()) - name.endswith("csv.gz")
    assert len(log) == count == (rows or count)
    assert log.users.ids.type == log.items.ids.type == pa.int64()
    assert (log.n_users, log.n_items) == (users or log.n_users, items or log.n_items)
    assert log.values.min() >= 0.5
    assert log.values.max() == 5.0
    assert log.times.min() > 7e14
    if first:
        got = [log.users.to_list()[0], log.items.to_list()[0], log.values[0], log.times[0] // 1_000_000]
        assert got == first


@pytest.mark.parametrize(
    "setting", [{"separator": ";"}, {"header": True}, {"columns": ["a"]}, {"quoted": True}]
)
def test_settings_of_text_files_are_refused_elsewhere(tmp_path, setting):
    (tmp_path / "log.jsonl").write_text('{"user": 1, "item": 2}\n')
    pa.parquet.write_table(pa.table({"user": [1], "item": [2]}), tmp_path / "log.parquet")
    for source in (tmp_path / "log.jsonl", tmp_path / "log.parquet", tmp_path):
        with pytest.raises(ConfigError, match=f"{next(iter(setting))} say how"):
            read_interactions(source, **setting)


@pytest.mark.parametrize(
    "matrix",
    [sp.coo_array(([1.0], ([0],)), shape=(3,)), sp.csr_array(np.array([[1j, 1]]))],
)
def test_sparse_arrays_that_are_no_table_of_numbers(matrix):
    with pytest.raises(DataError, match="no table of users and items"):
        read_interactions(matrix)


def test_sparse_long_doubles():
    assert read_interactions(sp.csr_array(np.eye(2, dtype=np.longdouble))).values.tolist() == [1, 1]


def test_a_frame_with_one_name_twice():
    pandas = pytest.importorskip("pandas")
    with pytest.raises(DataError, match="told apart"):
        read_interactions(pandas.DataFrame([[1, 2, 3]], columns=["user", "item", "item"]))


def test_columns_of_views():
    log = read_interactions(
        pa.table(
            {"user": pa.array(["a", "b"], pa.string_view()), "item": pa.array([b"x", b"y"], pa.binary_view())}
        )
    )
    assert log.users.to_list() == ["a", "b"]
    assert log.items.to_list() == [b"x", b"y"]


def test_half_a_surrogate_pair_is_a_bad_row(tmp_path):
    path = tmp_path / "log.jsonl"
    path.write_text('{"user": "\\ud800", "item": 1}\n{"user": "\\u00e9", "item": 1}\n')
    with pytest.raises(BadRows, match="1 broken encoding"):
        read_interactions(path)
    assert read_interactions(path, on_bad_rows="drop").users.to_list() == ["é"]


def test_carriage_returns_alone_are_refused(tmp_path):
    (tmp_path / "log.csv").write_bytes(b"user,item,rating\r1,2,3\r2,3,4\r")
    with pytest.raises(DataError, match="carriage return alone"):
        read_interactions(tmp_path / "log.csv")


def test_sums_beyond_float32_are_refused():
    table = pa.table({"user": [1, 1], "item": [1, 1], "rating": [3e38, 3e38]})
    assert len(read_interactions(table)) == 1
    with pytest.raises(DataError, match="beyond float32"):
        read_interactions(table, duplicates="sum")


def test_instants_beyond_int64_are_refused_and_nanoseconds_cut():
    far = pa.table({"user": [1], "item": [1], "time": pa.array([2**62], pa.timestamp("s"))})
    with pytest.raises(DataError, match="no times that can be read"):
        read_interactions(far)
    fine = pa.table({"user": [1], "item": [1], "time": pa.array([1_001], pa.timestamp("ns", "UTC"))})
    assert read_interactions(fine).times.tolist() == [1]
