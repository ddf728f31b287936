"""Ranks and areas against plain Python and scikit-learn."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from matweave.errors import DataError
from matweave.metrics.relations import auc_pr, auc_roc, average_precision, filtered_ranks, of_ranks

SCORES = st.lists(st.lists(st.integers(0, 4), min_size=6, max_size=6), min_size=1, max_size=4)


@given(SCORES, st.randoms(use_true_random=False))
def test_ranks_are_those_of_candidates_compared_one_by_one(scores: list[list[int]], chance) -> None:
    known = [sorted(chance.sample(range(6), chance.randint(1, 4))) for _ in scores]
    pairs = [(q, t) for q, answers in enumerate(known) for t in answers if chance.random() < 0.7]
    indptr = np.concatenate([[0], np.cumsum([len(k) for k in known])])
    indices = np.array([t for answers in known for t in answers])
    want = []
    for q, t in pairs:
        rivals = [scores[q][c] for c in range(6) if c != t and c not in known[q]]
        own = scores[q][t]
        want.append(1 + sum(r > own for r in rivals) + sum(r == own for r in rivals) / 2)
    owners, targets = np.array(pairs, np.int64).reshape(-1, 2).T
    found = filtered_ranks(np.array(scores, np.float32), targets, owners, (indptr, indices))
    assert found.tolist() == want


def test_numbers_of_ranks() -> None:
    ranks = np.array([1.0, 2.5, 10.0])
    assert of_ranks(ranks, "mrr").tolist() == [1.0, 0.4, 0.1]
    assert of_ranks(ranks, "hits@2").tolist() == [1.0, 0.0, 0.0]
    assert of_ranks(ranks, "hits@10").mean() == 1.0
    assert of_ranks(ranks, "mean_rank").tolist() == ranks.tolist()
    for wrong in ("hits", "hits@0", "mrr@3", "map", "hits@x"):
        with pytest.raises(DataError, match=f"{wrong!r} is no number of ranks"):
            of_ranks(ranks, wrong)


@pytest.mark.parametrize("seed", range(4))
def test_areas_are_those_of_scikit_learn(seed: int) -> None:
    metrics = pytest.importorskip("sklearn.metrics")
    rng = np.random.default_rng(seed)
    labels = rng.random(300) < 0.1
    scores = np.round(rng.random(300) + 0.3 * labels, 2)  # with ties
    precision, recall, _ = metrics.precision_recall_curve(labels, scores)
    assert auc_pr(labels, scores) == pytest.approx(metrics.auc(recall, precision), abs=1e-12)
    assert average_precision(labels, scores) == pytest.approx(metrics.average_precision_score(labels, scores))
    assert auc_roc(labels, scores) == pytest.approx(metrics.roc_auc_score(labels, scores))


def test_areas_at_their_ends() -> None:
    labels = np.array([True, False, False])
    assert [f(labels, np.array([3.0, 2.0, 1.0])) for f in (auc_pr, average_precision, auc_roc)] == [1, 1, 1]
    assert auc_roc(labels, np.array([1.0, 2.0, 3.0])) == 0
    none = np.zeros(3, bool)
    assert all(np.isnan(f(none, np.ones(3))) for f in (auc_pr, average_precision, auc_roc))
    assert np.isnan(auc_roc(~none, np.ones(3)))


def test_what_cannot_be_ranked_is_refused() -> None:
    with pytest.raises(DataError, match="NaN"):
        auc_pr(np.array([True]), np.array([np.nan]))
    with pytest.raises(DataError, match=r"labels are int64 \(1,\)"):
        auc_pr(np.array([1]), np.array([1.0]))
    with pytest.raises(DataError, match="NaN"):
        filtered_ranks(
            np.array([[np.nan]]), np.array([0]), np.array([0]), (np.array([0, 0]), np.array([], int))
        )
