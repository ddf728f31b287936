"""Folders of Parquet files: nothing is cast, dropped or merged in silence."""

from __future__ import annotations

import pyarrow as pa
import pyarrow.parquet as parquet
import pytest

from matweave.data.read import read_interactions
from matweave.errors import BadRows, DataError


def write(folder, **files):
    for name, columns in files.items():
        parquet.write_table(pa.table(columns), folder / f"{name}.parquet")
    return folder


def rows(log):
    return log.to_frame().to_pydict()


@pytest.mark.parametrize(
    ("ids", "kind"), [(["01", "2"], pa.string()), (["1", "-2"], pa.int64()), (["a", "2"], pa.string())]
)
def test_a_key_of_folders_keeps_its_zeros(tmp_path, ids, kind):
    parquet.write_to_dataset(pa.table({"user": ids, "item": [1, 2]}), tmp_path, partition_cols=["user"])
    log = read_interactions(tmp_path)
    assert log.users.ids.type == kind
    assert {str(i) for i in log.users.to_list()} == set(ids)


def test_text_is_not_read_as_numbers(tmp_path):
    write(tmp_path, a={"user": [1, 2], "item": [1, 2]}, b={"user": ["01", "2"], "item": [1, 2]})
    with pytest.raises(DataError, match=r"one table.*user"):
        read_interactions(tmp_path)


def test_a_column_that_the_first_file_lacks_is_not_dropped(tmp_path):
    write(tmp_path, a={"user": [1], "item": [1]}, b={"user": [3], "item": [1], "rating": [1.0]})
    with pytest.raises(BadRows, match="1 missing value"):
        read_interactions(tmp_path)


def test_types_that_differ_are_told(tmp_path):
    write(
        tmp_path,
        a={"user": ["u"], "item": pa.array(["x"]).dictionary_encode(), "rating": [1]},
        b={"user": ["v"], "item": ["y"], "rating": [1.5]},
    )
    log = read_interactions(tmp_path)
    assert rows(log) == {"user": ["u", "v"], "item": ["x", "y"], "value": [1.0, 1.5]}
    assert "'rating' is int64 and double in the files, read as double" in log.report


def test_a_key_that_stands_in_the_files_too_keeps_their_type(tmp_path):
    (tmp_path / "user=7").mkdir()
    write(tmp_path / "user=7", a={"user": ["7"], "item": [1]})
    assert rows(read_interactions(tmp_path)) == {"user": ["7"], "item": [1]}
