"""Rows of factors and of histories: length and slices."""

from __future__ import annotations

import numpy as np
import pytest

from matweave.data.csr import Csr
from matweave.factor.rows import BlendRows, FactorRows, HistoryRows, Rows

PARTS = [
    slice(0, 2),
    slice(1, None),
    slice(None),
    slice(2, 2),
    slice(-1, None),
    slice(3, 99),
    slice(None, None, 2),
]


def test_rows_themselves_are_abstract() -> None:
    with pytest.raises(TypeError, match="abstract"):
        Rows()  # type: ignore[abstract]


@pytest.mark.parametrize("part", PARTS, ids=str)
@pytest.mark.parametrize("biased", [True, False])
def test_factor_rows(part: slice, biased: bool) -> None:
    factors = np.arange(8, dtype=np.float32).reshape(4, 2)
    bias = np.arange(4, dtype=np.float32) if biased else None
    rows = FactorRows(factors=factors, bias=bias)
    assert len(rows) == 4
    cut = rows[part]
    assert np.array_equal(cut.factors, factors[part])
    assert (cut.bias is None) if bias is None else np.array_equal(cut.bias, bias[part])
    assert len(cut) == len(factors[part])


@pytest.mark.parametrize("part", PARTS, ids=str)
def test_history_rows(part: slice) -> None:
    histories = Csr.from_pairs([0, 0, 2, 3], [1, 4, 0, 2], [1.0, 2.0, 3.0, 4.0], shape=(4, 5))
    rows = HistoryRows(histories=histories)
    assert len(rows) == 4
    assert np.array_equal(rows[part].histories.scipy().toarray(), histories.scipy().toarray()[part])


TAKES = [np.array([3, 0, 3]), np.array([], np.int64), np.arange(4)]


@pytest.mark.parametrize("at", TAKES, ids=str)
@pytest.mark.parametrize("biased", [True, False])
def test_factor_rows_taken_in_any_order(at: np.ndarray, biased: bool) -> None:
    factors, bias = np.arange(8, dtype=np.float32).reshape(4, 2), np.arange(4, dtype=np.float32)
    found = FactorRows(factors=factors, bias=bias if biased else None).take(at)
    assert np.array_equal(found.factors, factors[at])
    assert np.array_equal(found.bias, bias[at]) if found.bias is not None else not biased


@pytest.mark.parametrize("at", TAKES, ids=str)
def test_history_rows_taken_in_any_order(at: np.ndarray) -> None:
    histories = Csr.from_pairs([0, 0, 2, 3], [1, 4, 0, 2], [1.0, 2.0, 3.0, 4.0], shape=(4, 5))
    found = HistoryRows(histories=histories).take(at)
    assert np.array_equal(found.histories.scipy().toarray(), histories.scipy().toarray()[at])


@pytest.mark.parametrize("part", PARTS, ids=str)
@pytest.mark.parametrize("at", TAKES, ids=str)
def test_blend_rows_are_those_of_each_part(part: slice, at: np.ndarray) -> None:
    factors = FactorRows(factors=np.arange(8, dtype=np.float32).reshape(4, 2), bias=None)
    others = FactorRows(
        factors=np.arange(4, dtype=np.float32).reshape(4, 1), bias=np.arange(4, dtype=np.float32)
    )
    rows = BlendRows(parts=(factors, others))
    assert len(rows) == 4
    for cut, wanted in (
        (rows[part], [r[part] for r in rows.parts]),
        (rows.take(at), [r.take(at) for r in rows.parts]),
    ):
        assert len(cut) == len(wanted[0])
        for found, expected in zip(cut.parts, wanted, strict=True):
            assert isinstance(found, FactorRows)
            assert np.array_equal(found.factors, expected.factors)  # type: ignore[attr-defined]
