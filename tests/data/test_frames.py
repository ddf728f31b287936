"""Frames leave as the caller's own kind, with the same columns, types and values."""

from __future__ import annotations

import subprocess
import sys

import pandas as pd
import polars as pl
import pyarrow as pa
import pytest

from matweave.data.frames import KINDS, as_frame
from matweave.errors import ConfigError

TABLE = pa.table(
    {
        "user": ["u1", "ü"],
        "item": pa.array([3, 2**60], pa.int64()),
        "score": pa.array([0.5, -1.0], pa.float32()),
        "rank": pa.array([1, 2], pa.int32()),
    }
)
CLASSES = {"arrow": pa.Table, "pandas": pd.DataFrame, "polars": pl.DataFrame}


def test_the_kinds_are_these() -> None:
    assert set(KINDS) == set(CLASSES)


@pytest.mark.parametrize("kind", KINDS)
def test_columns_types_and_values_come_through(kind: str) -> None:
    frame = as_frame(TABLE, kind)
    assert isinstance(frame, CLASSES[kind])
    back = pa.Table.from_pandas(frame, preserve_index=False) if kind == "pandas" else pa.table(frame)
    assert back.column_names == TABLE.column_names
    assert back.to_pydict() == TABLE.to_pydict()
    assert [str(t) for t in back.schema.types[1:]] == ["int64", "float", "int32"]


@pytest.mark.parametrize("kind", KINDS)
def test_an_empty_table_keeps_its_columns(kind: str) -> None:
    frame = as_frame(TABLE[:0], kind)
    names = frame.column_names if kind == "arrow" else list(frame.columns)
    assert (len(frame), names) == (0, TABLE.column_names)


def test_arrow_is_handed_on_as_it_is() -> None:
    assert as_frame(TABLE, "arrow") is TABLE


@pytest.mark.parametrize(
    ("kind", "told"), [("panda", "did you mean 'pandas'"), ("excel", "unknown kind of frame")]
)
def test_another_kind_is_refused(kind: str, told: str) -> None:
    with pytest.raises(ConfigError, match=told) as error:
        as_frame(TABLE, kind)
    assert "arrow, pandas, polars" in error.value.mend


def test_a_missing_library_is_named_with_the_mend() -> None:
    # in a process of its own, where neither was ever imported
    code = """
import sys
class Absent:
    def find_spec(self, name, *_):
        if name.partition(".")[0] in ("pandas", "polars"):
            raise ModuleNotFoundError(name)
sys.meta_path.insert(0, Absent())
import pyarrow as pa
from matweave.data.frames import as_frame
from matweave.errors import MissingExtra
for kind in ("pandas", "polars"):
    try:
        as_frame(pa.table({"item": [1]}), kind)
    except MissingExtra as error:
        print(error.what, error.mend)
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    first, second = done.stdout.splitlines()
    assert first.startswith("pandas is not installed")
    assert "pip install pandas" in first
    assert second.startswith("polars is not installed")
    assert "pip install polars" in second
