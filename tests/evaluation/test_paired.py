"""The sign-flip test against all sign patterns, its level where nothing differs, and Holm by hand."""

from __future__ import annotations

import numpy as np
import pytest
from by_hand import evaluation as by_hand
from hypothesis import given
from hypothesis import strategies as st

from matweave.evaluation import paired
from matweave.evaluation.paired import holm, sign_flip
from matweave.threads import set_threads


@given(st.lists(st.integers(-3, 3), min_size=1, max_size=10))
def test_p_is_the_share_of_all_sign_patterns(differences):
    exact = by_hand.p_of_all_signs(differences) if any(differences) else 1.0
    found = sign_flip(np.array(differences, float)[:, None], seed=0)[0]
    assert found == pytest.approx(exact, abs=0.025)  # 9,999 flips: a standard error of 0.005 at most


def test_ties_that_hold_in_real_numbers_hold_here():
    """Tenths do not add exactly: a sum in another order must still count as reaching the sum seen."""
    differences = [0.1, 0.2, 0.3, 0.7, -0.1]
    assert sign_flip(np.array(differences)[:, None], seed=1)[0] == pytest.approx(
        by_hand.p_of_all_signs(differences), abs=0.02
    )


def test_p_is_uniform_where_nothing_differs():
    differences = np.random.default_rng(0).standard_t(3, (60, 1500))
    p = sign_flip(differences, seed=0, flips=999)
    for level in (0.01, 0.05, 0.2, 0.5, 0.8):
        assert (p <= level).mean() == pytest.approx(level, abs=3.5 * (level * (1 - level) / 1500) ** 0.5)


def test_level_holds_with_many_zeros_and_ties():
    """As hit rates differ: most users 0, a few 1 or -1."""
    rng = np.random.default_rng(1)
    differences = rng.choice([-1.0, 0.0, 1.0], (80, 1500), p=[0.1, 0.8, 0.1])
    p = sign_flip(differences, seed=0, flips=999)
    assert (p <= 0.05).mean() <= 0.05 + 3.5 * (0.05 * 0.95 / 1500) ** 0.5
    assert (p <= 0.05).mean() > 0.01


def test_a_planted_difference_is_found():
    differences = np.random.default_rng(0).normal(0.3, 1.0, (400, 1))
    assert sign_flip(differences, seed=0)[0] < 0.001


def test_identical_methods_are_not_different():
    assert sign_flip(np.zeros((50, 2)), seed=0).tolist() == [1.0, 1.0]
    assert sign_flip(np.full((50, 1), np.nan), seed=0).tolist() == [1.0]
    assert sign_flip(np.empty((0, 1)), seed=0).tolist() == [1.0]


@given(seed=st.integers(0, 99), scale=st.floats(1e-6, 1e6))
def test_scale_sign_and_company_change_nothing(seed, scale):
    d = np.random.default_rng(seed).normal(0.1, 1, (37, 3))
    p = sign_flip(d, seed=3, flips=499)
    assert sign_flip(d * scale, seed=3, flips=499).tolist() == p.tolist()
    assert sign_flip(-d, seed=3, flips=499).tolist() == p.tolist()
    assert sign_flip(d[:, 1:2], seed=3, flips=499)[0] == p[1]


def test_users_without_a_difference_may_come_or_go():
    d = np.random.default_rng(0).normal(0.2, 1, (64, 1))
    longer = np.concatenate([d, np.full((8, 1), np.nan)])
    assert sign_flip(longer, seed=0)[0] == pytest.approx(sign_flip(d, seed=0)[0], abs=0.02)


def test_threads_and_blocks_change_nothing(monkeypatch):
    d = np.random.default_rng(0).normal(0.1, 1, (200, 2))
    found = []
    for threads in (1, 3):
        set_threads(threads)
        found.append(sign_flip(d, seed=0).tolist())
    set_threads(None)
    assert found[0] == found[1]
    monkeypatch.setattr(paired, "_BYTES", 7)  # many blocks of users, as for a million of them
    assert sign_flip(d, seed=0)[0] == pytest.approx(found[0][0], abs=0.03)


def test_p_is_never_zero():
    assert sign_flip(np.ones((200, 1)), seed=0, flips=99)[0] == pytest.approx(0.01)


@given(st.lists(st.floats(0, 1), min_size=1, max_size=8))
def test_holm_by_hand(p):
    assert holm(np.array(p)).tolist() == pytest.approx(by_hand.holm(p))


def test_holm_is_between_no_correction_and_bonferroni_in_any_order():
    p = np.random.default_rng(0).random(20) ** 3
    corrected = holm(p)
    assert (corrected >= p).all()
    assert (corrected <= np.minimum(1, 20 * p)).all()
    order = np.random.default_rng(1).permutation(20)
    assert holm(p[order]).tolist() == corrected[order].tolist()
    assert holm(np.empty(0)).tolist() == []
