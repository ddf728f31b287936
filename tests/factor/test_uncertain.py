"""Ranking by bounds and draws, and intervals, on tables that can be read off."""

from __future__ import annotations

import numpy as np
import pytest
from factor.test_spread import Table
from scipy.stats import norm

import matweave as mw
from matweave.data.csr import Csr
from matweave.errors import ConfigError
from matweave.factor.rows import FactorRows
from matweave.factor.uncertain import check_way, half_widths, interval_columns, top_by_bound, top_under

SCORES = np.array([[3.0, 2.0, 1.0, 0.0], [0.0, 1.0, 2.0, 3.0], [1.0, 1.0, 1.0, 1.0]], np.float32)
WIDE = np.array([[0.0, 0.5, 3.0, 0.0], [0.0, 0.0, 2.0, 2.0], [0.0, 2.0, 2.0, 0.0]], np.float32)


def scores(rows) -> np.ndarray:
    return SCORES[rows.factors[:, 0].astype(int)]


ROWS = FactorRows(factors=np.arange(3, dtype=np.float32)[:, None], bias=None)


@pytest.mark.parametrize("block", [1, 2, None])
def test_bounds_order_the_lists_and_ties_go_to_the_smaller_code(block) -> None:
    out = Csr.from_pairs([1], [3], None, (3, 4))
    spread = Table(wide=WIDE)
    codes, best, counts = top_by_bound(scores, ROWS, spread, 4, out, width=1.0, block=block)
    assert codes[0].tolist() == [2, 0, 1, 3]
    assert best[0].tolist() == [4.0, 3.0, 2.5, 0.0]
    assert codes[1, :3].tolist() == [2, 1, 0]
    assert counts.tolist() == [4, 3, 4]
    assert codes[2].tolist() == [1, 2, 0, 3]
    codes, best, _ = top_by_bound(scores, ROWS, spread, 2, None, width=-1.0, block=block)
    assert codes.tolist() == [[0, 1], [1, 3], [0, 3]]
    assert best[1].tolist() == [1.0, 1.0]
    assert WIDE.max() == 3  # nothing was written to


def test_without_uncertainty_the_spread_is_not_asked_for() -> None:
    log = mw.simulate_log(users=20, items=10, interactions=60, seed=0).log
    model = mw.Popularity().fit(log)

    def never():
        raise AssertionError

    top = top_under(model, model.known(np.arange(3)), never, 2, None, uncertainty=None)
    assert top[0].tolist() == model.top(model.known(np.arange(3)), 2)[0].tolist()


def test_a_draw_is_scored_as_rows_are() -> None:
    log = mw.simulate_log(users=20, items=10, interactions=60, seed=0).log
    model = mw.ImplicitALS(rank=2, epochs=2).fit(log)
    rows, spread = model.known(np.arange(5)), model.spread(model.seen.rows(np.arange(5)), np.arange(5))
    top = top_under(model, rows, lambda: spread, 3, None, uncertainty="thompson", seed=4)
    assert top[0].tolist() == model.top(spread.draw(4), 3)[0].tolist()


def test_an_interval_is_that_of_the_normal_law() -> None:
    wide, mean = np.array([0.0, 1.0, 2.0], np.float32), np.array([1.0, 2.0, 3.0], np.float32)
    for level in (0.5, 0.9, np.float32(0.99)):
        wanted = norm.ppf(0.5 + level / 2) * np.sqrt(wide**2 + 0.25)
        np.testing.assert_allclose(half_widths(wide, 0.25, level), wanted, rtol=1e-6)
        found = interval_columns(mean, wide, 0.25, level)
        assert list(found) == ["deviation", "lower", "upper"]
        np.testing.assert_allclose(found["upper"] - mean, wanted, rtol=1e-5)
        np.testing.assert_allclose(mean - found["lower"], wanted, rtol=1e-5)
        assert found["lower"].dtype == np.float32
    for wrong in (0, 1, 1.5, True, "0.9", float("nan")):
        with pytest.raises(ConfigError, match="between 0 and 1"):
            half_widths(wide, 0.0, wrong)


def test_everything_wrong_with_a_way_is_told_at_once() -> None:
    check_way(None, 1.0, 0)
    check_way("ucb", 0, 0)
    check_way("thompson", 1.0, 7)
    with pytest.raises(ConfigError) as error:
        check_way("tompson", float("inf"), -1)
    assert error.value.what.count("\n") == 2
    assert "did you mean 'thompson'" in error.value.what
    for way, width, seed, said in (
        (None, 2.0, 0, "width has an effect"),
        ("thompson", 2.0, 0, "width has an effect"),
        (None, 1.0, 1, "seed has an effect"),
        ("ucb", 1.0, 1, "seed has an effect"),
        ("ucb", True, 0, "a number"),
        ("thompson", 1.0, 1.5, "an integer"),
    ):
        with pytest.raises(ConfigError, match=said):
            check_way(way, width, seed)
