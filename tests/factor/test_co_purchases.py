"""Items together and after one another, against pairs of rows counted one by one."""

from __future__ import annotations

import math
from collections import Counter
from datetime import timedelta

import numpy as np
import pytest

import matweave as mw
from matweave.data.interactions import Interactions
from matweave.errors import ConfigError, DataError
from matweave.factor.co_purchases import co_purchases

SECOND = 1_000_000


def log(seed: int = 0) -> Interactions:
    rng = np.random.default_rng(seed)
    return Interactions.from_codes(
        rng.integers(0, 12, 150), rng.integers(0, 10, 150), times=rng.integers(0, 40, 150) * SECOND
    )


def slowly(of: Interactions, *, then: bool, window: float | None, steps: int | None) -> Counter:
    found: Counter = Counter()
    for user in range(of.n_users):
        rows = np.flatnonzero(of.user_codes == user)
        rows = rows[np.argsort(of.times[rows], kind="stable")]  # type: ignore[index]
        when, what = of.times[rows] / SECOND, of.item_codes[rows]  # type: ignore[index]
        for p in range(len(rows)):
            later = [q for q in range(len(rows)) if when[q] > when[p]] if then else range(len(rows))
            for q in later:
                if steps is not None and not (q - later[0] < steps if then else abs(q - p) <= steps):
                    continue
                if q != p and (window is None or abs(when[q] - when[p]) <= window):
                    found[int(what[p]), int(what[q])] += 1
    return found


@pytest.mark.parametrize("then", [False, True])
@pytest.mark.parametrize("window", [None, 3.0, 0.0])
@pytest.mark.parametrize("steps", [None, 1, 2])
def test_pairs_are_counted(then: bool, window: float | None, steps: int | None) -> None:
    if then and window == 0:
        return
    found = co_purchases(log(), then=then, window=window, steps=steps)
    assert found.values is not None
    cells = zip(found.heads.tolist(), found.tails.tolist(), strict=True)
    got = dict(zip(cells, found.values.tolist(), strict=True))
    assert got == slowly(log(), then=then, window=window, steps=steps)
    assert found.kinds.to_list() == ["then" if then else "with"]
    assert found.symmetric != then or steps is not None


@pytest.mark.parametrize("weighting", ["cosine", "lift", "pmi", "ppmi"])
def test_weightings_are_their_formulas(weighting: str) -> None:
    data = log()
    counts = slowly(data, then=False, window=None, steps=None)
    had = np.bincount(data.item_codes)
    want = {}
    for (i, j), c in counts.items():
        lift = c * data.n_users / (had[i] * had[j])
        value = {"cosine": c / math.sqrt(had[i] * had[j]), "lift": lift}.get(weighting, math.log(lift))
        if weighting != "ppmi" or value > 0:
            want[i, j] = value
    found = co_purchases(data, weighting=weighting)
    got = dict(
        zip(zip(found.heads.tolist(), found.tails.tolist(), strict=True), found.strengths(), strict=True)
    )
    assert got == pytest.approx(want, rel=1e-6)
    assert found.entities is data.items


def test_rare_pairs_are_left_out_and_told() -> None:
    counts = slowly(log(), then=False, window=None, steps=None)
    found = co_purchases(log(), min_count=6)
    kept = sum(c >= 6 for c in counts.values())
    assert len(found) == kept
    assert f"{len(counts) - kept} pairs of fewer than 6 users left out" in found.report
    with pytest.raises(DataError, match="no pair of items is left"):
        co_purchases(log(), min_count=100)


def test_windows_are_seconds_or_spans_of_time() -> None:
    one, other = (co_purchases(log(), window=w) for w in (3, timedelta(seconds=3)))
    assert one.cells.tolist() == other.cells.tolist()
    with pytest.raises(ConfigError, match="window is 'week'"):
        co_purchases(log(), window="week")  # type: ignore[arg-type]


def test_windows_and_times_at_the_ends_of_the_scale() -> None:
    plain = co_purchases(log()).to_frame()
    for ever in (timedelta.max, 1e300, 1e13):
        assert co_purchases(log(), window=ever).to_frame().equals(plain)
    far = 2**62 + np.array([0, 1, -(2**63), 2**62 - 1])
    both = Interactions.from_codes([0, 0, 0, 0], [0, 1, 2, 3], times=far)
    found = co_purchases(both, window=1.0)
    assert sorted(zip(found.heads.tolist(), found.tails.tolist(), strict=True)) == [(0, 1), (1, 0)]
    # 2 is first, and too long before all others; 0, 1 and 3 follow each other
    after = co_purchases(both, then=True, window=timedelta.max)
    assert sorted(zip(after.heads.tolist(), after.tails.tolist(), strict=True)) == [(0, 1), (0, 3), (1, 3)]


def test_settings_are_checked_together_and_times_asked_for() -> None:
    with pytest.raises(ConfigError) as caught:
        co_purchases(log(), weighting="cosin", min_count=0, then=True, window=0, steps=0)
    assert len(caught.value.what.splitlines()) == 4
    assert "did you mean 'cosine'" in caught.value.what
    bare = Interactions.from_codes([0, 0], [0, 1])
    assert len(co_purchases(bare)) == 2
    with pytest.raises(DataError, match="has no times"):
        co_purchases(bare, then=True)


def test_a_log_leads_to_a_model_of_its_items() -> None:
    found = mw.co_purchases(mw.simulate_log(users=60, items=20, interactions=400, seed=0).log, then=True)
    model = mw.DEDICOM(rank=3, epochs=3).fit(found)
    assert len(model.entities) == 20
