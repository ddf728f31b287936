"""Merging against a dictionary that is filled row by row."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from matweave.data import counting
from matweave.data.duplicates import check_policy, merge
from matweave.errors import ConfigError


def by_hand(users, items, values, times, policy):
    """The rows kept, in order, and the sum of each pair's values."""
    lead, sums = {}, {}
    for row, pair in enumerate(zip(users, items, strict=True)):
        sums[pair] = sums.get(pair, 0.0) + (1.0 if values is None else values[row])
        old = lead.setdefault(pair, row)
        t_old, t_new = (0, 0) if times is None else (times[old], times[row])
        if (t_new < t_old) if policy == "first" else (t_new >= t_old):
            lead[pair] = row
    kept = sorted(lead.values())
    return kept, [sums[users[r], items[r]] for r in kept]


ROWS = st.lists(st.tuples(*[st.integers(0, 3)] * 4), max_size=40)


@given(ROWS, st.booleans(), st.booleans(), st.sampled_from(["last", "first", "sum"]), st.booleans())
def test_keeps_the_row_that_leads(rows, valued, timed, policy, cut):
    u, j, v, t = np.array(rows, np.int64).reshape(-1, 4).T
    values, times = v.astype(np.float32) if valued else None, np.ascontiguousarray(t) if timed else None
    with pytest.MonkeyPatch.context() as patch:
        if cut:
            patch.setattr(counting, "_PIECE", 4)
        found = merge(u.astype(np.int32), j.astype(np.int32), values, times, policy, 4, 4)
    kept, sums = by_hand(u, j, values, times, policy)
    mask = np.ones(len(rows), bool) if found.kept is None else found.kept
    assert np.flatnonzero(mask).tolist() == kept
    assert found.lost == len(rows) - len(kept)
    _, counts = np.unique(u * 4 + j, return_counts=True)
    assert found.pairs == np.count_nonzero(counts > 1)
    assert (found.sums is None) == (policy != "sum")
    if found.sums is not None:
        assert found.sums[mask].tolist() == sums


def test_unknown_policy_suggests_the_nearest():
    check_policy("last", "here")
    with pytest.raises(ConfigError, match="did you mean 'first'"):
        check_policy("frist", "here")
