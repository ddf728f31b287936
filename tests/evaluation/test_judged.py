"""Findings of several protocols become one, and nothing is lost on the way."""

from __future__ import annotations

import numpy as np

from matweave.evaluation.judged import Judged, joined


def test_parts_are_joined_and_labels_told_once():
    ranked = Judged(
        protocol="full ranking",
        per_user={"ndcg@10": np.array([0.5])},
        sets={"gini@10": (0.3, np.array([0.2, 0.4]))},
        counts={"users judged": 1},
        exposure=np.array([1, 0]),
    )
    rated = Judged(
        protocol="ratings",
        ratios={"rmse": (np.array([4.0]), np.array([2.0]))},
        skipped={"mae": "why"},
        counts={"ratings judged": 2},
        inside=np.array([0.5, 0.9]),
    )
    both = joined([rated, ranked, ranked])
    assert both.protocol == "ratings; full ranking"
    assert set(both.per_user) | set(both.sets) | set(both.ratios) == {"ndcg@10", "gini@10", "rmse"}
    assert both.skipped == {"mae": "why"}
    assert both.counts == {"users judged": 1, "ratings judged": 2}
    assert both.exposure is ranked.exposure
    assert joined([rated]).exposure is None
    assert both.inside is rated.inside
    assert joined([ranked]).inside is None
