"""Ranks among given candidates: ties, copies of the target, and the metrics of a rank."""

from __future__ import annotations

import numpy as np
import pytest
from by_hand import metrics as by_hand
from hypothesis import given
from hypothesis import strategies as st

from matweave.errors import ConfigError, DataError
from matweave.metrics import ranking
from matweave.metrics.hits import find_hits
from matweave.metrics.sampled import TIES, hit_rate_of_ranks, mrr_of_ranks, ndcg_of_ranks, ranks_among


@given(seed=st.integers(0, 300), ties=st.sampled_from(sorted(TIES)))
def test_ranks_agree_with_counting(seed, ties):
    rng = np.random.default_rng(seed)
    scores, codes = rng.integers(0, 4, (6, 9)).astype(np.float32), rng.integers(0, 12, (6, 9))
    wanted = [by_hand.rank_among(s, c, ties) for s, c in zip(scores.tolist(), codes.tolist(), strict=True)]
    assert ranks_among(scores, codes, ties=ties).tolist() == wanted


def test_half_lies_between_best_and_worst_and_negatives_may_be_shuffled():
    rng = np.random.default_rng(0)
    scores, codes = rng.integers(0, 3, (50, 20)), rng.integers(0, 30, (50, 20))
    best, half, worst = (ranks_among(scores, codes, ties=t) for t in ("best", "half", "worst"))
    np.testing.assert_allclose(half, (best + worst) / 2)
    assert (best < worst).any()
    order = np.r_[0, 1 + rng.permutation(19)]
    assert np.array_equal(ranks_among(scores[:, order], codes[:, order]), half)


def test_a_constant_score_earns_what_chance_earns():
    ranks = ranks_among(np.zeros((10, 100)))
    assert (ranks == 49.5).all()
    assert hit_rate_of_ranks(ranks, 10).mean() == 0


def test_metrics_of_ranks_are_those_of_lists_with_one_relevant_item():
    codes = np.arange(10)[None].repeat(10, 0)
    hits = find_hits(codes, np.full(10, 10), np.arange(11), np.arange(10))
    ranks = np.arange(10.0)
    for ours, theirs in (
        (hit_rate_of_ranks, ranking.hit_rate),
        (ndcg_of_ranks, ranking.ndcg),
        (mrr_of_ranks, ranking.mrr),
    ):
        for k in (1, 4, 10):
            np.testing.assert_allclose(ours(ranks, k), theirs(hits, k))


def test_bad_input_is_refused():
    with pytest.raises(ConfigError, match="unknown tie rule 'hlaf'; did you mean 'half'"):
        ranks_among(np.zeros((1, 2)), ties="hlaf")
    with pytest.raises(DataError, match="NaN"):
        ranks_among(np.array([[0.0, np.nan]]))
    for scores, codes in (
        (np.zeros(3), None),
        (np.zeros((1, 0)), None),
        (np.zeros((1, 2)), np.zeros((1, 3))),
    ):
        with pytest.raises(DataError, match="do not match"):
            ranks_among(scores, codes)
