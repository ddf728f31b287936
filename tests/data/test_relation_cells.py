"""Columns of triples: repeats merged as a dictionary would, in place, and sums that fit."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from matweave.data.relation_cells import int32_codes, joined_ids, merge_cells, sorted_cells
from matweave.errors import ConfigError, DataError

ROWS = st.lists(st.tuples(*[st.integers(0, 2)] * 3, st.integers(-3, 3)), max_size=15)


def columns(rows: list) -> list[np.ndarray]:
    h, r, t, v = np.array(rows, np.int32).reshape(-1, 4).T
    return [np.ascontiguousarray(c) for c in (h, r, t)] + [v.astype(np.float32)]


@given(ROWS, st.sampled_from(["first", "last", "sum"]), st.booleans())
def test_repeats_are_merged_as_a_dictionary_does(rows: list, policy: str, huge: bool) -> None:
    h, r, t, v = columns(rows)
    if huge:  # codes too large to number their cells are sorted by column
        h, t = h + np.int32(2**31 - 4), t + np.int32(2**31 - 4)
    first, last, total = {}, {}, {}
    for at, key in enumerate(zip(h.tolist(), r.tolist(), t.tolist(), strict=True)):
        first.setdefault(key, at)
        last[key] = at
        total[key] = total.get(key, 0.0) + float(v[at])
    kept = sorted((first if policy == "first" else last).values())
    found = merge_cells(h, r, t, v, policy)
    for mine, column in zip(found[:3], (h, r, t), strict=True):
        assert mine.tolist() == column[kept].tolist()
    keys = list(zip(*(c.tolist() for c in found[:3]), strict=True))
    wanted = [total[key] for key in keys] if policy == "sum" else v[kept].tolist()
    assert found[3] is not None
    assert found[3].tolist() == wanted
    assert bool(found[4]) == (len(kept) < len(rows))


def test_triples_without_values_are_counted_when_summed() -> None:
    h = np.zeros(3, np.int32)
    *_, values, told = merge_cells(h, h, np.array([1, 0, 1], np.int32), None, "sum")
    assert values is not None
    assert values.tolist() == [1.0, 2.0]
    assert told == ["1 triple merged: 1 repeated; rows of each were counted"]


def test_what_cannot_be_merged_is_an_error() -> None:
    h = np.zeros(2, np.int32)
    with pytest.raises(DataError, match="beyond float32"):
        merge_cells(h, h, h, np.full(2, 3e38, np.float32), "sum")
    with pytest.raises(ConfigError, match="did you mean 'last'"):
        merge_cells(h, h, h, None, "lasst")


def test_codes_and_cells_are_whole_numbers() -> None:
    assert sorted_cells([3, 1, 3]).tolist() == [1, 3]  # type: ignore[union-attr]
    assert sorted_cells(None) is None
    for wrong in ([0.5], [-1], [2**31], [[0]], ["a"]):
        with pytest.raises(DataError, match="heads are not a list of whole numbers"):
            int32_codes(wrong, "heads")


def test_ids_are_joined_heads_first() -> None:
    entities, h, t = joined_ids(["b", "a"], ["c", "a"])
    assert (entities.to_list(), h.tolist(), t.tolist()) == (["b", "a", "c"], [0, 1], [2, 1])
