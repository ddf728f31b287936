"""Finding hits: against Python sets, on rubbish beyond counts, and with every bad input named."""

from __future__ import annotations

import numpy as np
import pytest
from by_hand.lists import random_case
from hypothesis import given
from hypothesis import strategies as st

from matweave.errors import DataError
from matweave.metrics import hits as module
from matweave.metrics.hits import find_hits


@given(seed=st.integers(0, 500))
def test_hits_and_gains_agree_with_dictionaries(seed):
    case = random_case(seed)
    found = find_hits(case.codes, case.counts, case.indptr, case.indices, case.gains)
    width = case.codes.shape[1]
    for i, (shown, relevant) in enumerate(zip(case.lists, case.relevant, strict=True)):
        gains = [relevant.get(item, 0.0) for item in shown] + [0.0] * (width - len(shown))
        assert found.gain is not None
        assert found.gain[i].tolist() == gains
        assert found.hit[i].tolist() == [item in relevant for item in shown] + [False] * (width - len(shown))
        best = sorted(relevant.values(), reverse=True)[:width]
        assert found.ideal[i].tolist() == best + [0.0] * (width - len(best))
    assert found.relevant.tolist() == [len(r) for r in case.relevant]
    assert found.excluded == sum(not r for r in case.relevant) == (~found.judged).sum()


def test_pieces_change_nothing(monkeypatch):
    case = random_case(1, n=50)
    whole = find_hits(case.codes, case.counts, case.indptr, case.indices, case.gains)
    monkeypatch.setattr(module, "PIECE", 7)
    parts = find_hits(case.codes, case.counts, case.indptr, case.indices, case.gains)
    assert np.array_equal(whole.hit, parts.hit)
    assert np.array_equal(whole.gain, parts.gain)  # type: ignore[arg-type]


def test_without_gains_there_are_none_and_the_ideal_is_empty():
    case = random_case(2)
    found = find_hits(case.codes, case.counts, case.indptr, case.indices)
    assert found.gain is None
    assert not found.ideal.any()


def test_no_users_and_no_places():
    empty = np.zeros((0, 5), np.int32), np.zeros(0, np.int32), np.zeros(1, np.int64), np.zeros(0, np.int32)
    assert find_hits(*empty).hit.shape == (0, 5)
    narrow = find_hits(
        np.zeros((1, 0), np.int32), np.array([0]), np.array([0, 1]), np.array([3]), np.array([1.0])
    )
    assert narrow.hit.shape == narrow.ideal.shape == (1, 0)


BAD = [
    ({"indices": [2, 1, 3]}, "user row 0 are not strictly rising"),
    ({"indices": [1, 2, 3], "indptr": [0, 1, 2]}, "indptr must rise"),
    ({"indptr": [0, 3]}, "do not match"),
    ({"counts": [3, 1]}, "counts must lie"),
    ({"counts": [-1, 1]}, "counts must lie"),
    ({"codes": [[1.0, 2.0], [3.0, 4.0]]}, "codes is float64"),
    ({"codes": [[1, 1], [3, 4]]}, "user row 0 names a relevant item twice"),
    ({"gains": [1.0, 2.0]}, "gains of shape"),
    ({"gains": [1.0, 2.0, -1.0]}, "user row 1 has a negative"),
    ({"gains": [1.0, np.nan, 1.0]}, "user row 0 has a negative"),
]


@pytest.mark.parametrize(("change", "said"), BAD)
def test_bad_input_is_named(change, said):
    given = {"codes": [[1, 2], [3, 4]], "counts": [2, 2], "indptr": [0, 2, 3], "indices": [1, 2, 3]} | change
    with pytest.raises(DataError, match=said):
        find_hits(**{name: np.array(value) for name, value in given.items()})
