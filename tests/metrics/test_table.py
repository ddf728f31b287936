"""The table of metrics: names, cuts, needs, and one pass for all."""

from __future__ import annotations

import numpy as np
import pytest
from by_hand.lists import random_case

from matweave.errors import ConfigError
from matweave.metrics import beyond, ranking, ratings
from matweave.metrics.evidence import Evidence
from matweave.metrics.table import ALIASES, METRICS, measure, parse, parse_all


@pytest.fixture
def everything() -> Evidence:
    case, rng = random_case(11, n=30), np.random.default_rng(0)
    return Evidence(
        codes=case.codes,
        counts=case.counts,
        relevant=(case.indptr, case.indices),
        gains=case.gains,
        n_items=case.n_items,
        popularity=rng.integers(1, 9, case.n_items),
        n_users=20,
        histories=(case.indptr, case.indices),
        vectors=rng.normal(size=(case.n_items, 4)),
        auc=rng.random(30),
        predicted=rng.normal(size=50),
        deviation=rng.random(50),
        target=rng.normal(size=50),
    )


def test_every_metric_is_measured_as_its_line_says(everything):
    asked = parse_all(METRICS, k=5)
    assert len(asked) == len(METRICS) >= 16
    found = measure(asked, everything)
    for a in asked:
        value = found[a.name]
        if a.metric.per_user:
            assert isinstance(value, np.ndarray)
            assert value.shape == (30,)
            assert value.dtype == np.float64
            assert not np.isnan(value).all()
        else:
            assert isinstance(value, float)
            assert np.isfinite(value)
        assert a.name == (f"{a.metric.name}@5" if a.metric.takes_k else a.metric.name)
        assert a.metric.doc


def test_names_reach_the_formula_of_that_name(everything):
    found = measure(parse_all(["ndcg@3", "coverage@2", "rmse", "mrr@3"]), everything)
    assert np.array_equal(found["ndcg@3"], ranking.ndcg(everything.hits, 3), equal_nan=True)
    assert np.array_equal(found["mrr@3"], ranking.mrr(everything.hits, 3), equal_nan=True)
    assert found["coverage@2"] == beyond.coverage(*everything.lists, 2, 15)
    assert found["rmse"] == ratings.rmse(everything.predicted, everything.target)  # type: ignore[arg-type]


def test_diversity_takes_vectors_or_audiences():
    lists = {"codes": np.array([[0, 1]]), "counts": np.array([2])}
    audiences = np.array([0, 2, 3]), np.array([0, 1, 1])
    found = measure([parse("diversity@2")], Evidence(**lists, item_users=audiences, n_users=2))
    assert found["diversity@2"] == pytest.approx(1 - 0.5**0.5)
    with pytest.raises(ConfigError, match="diversity@2 needs vectors or item_users"):
        measure([parse("diversity@2")], Evidence(**lists))


def test_aliases_and_spelling():
    assert all(target in METRICS and alias not in METRICS for alias, target in ALIASES.items())
    assert parse("MAP@5").name == "average_precision@5"
    assert parse(" nDCG@10 ").name == "ndcg@10"
    assert parse("hit-rate", k=3).name == "hit_rate@3"
    assert parse("RMSE", k=3).name == "rmse"
    assert [a.name for a in parse_all(["ndcg", "ndcg@10", "hr@5"], k=10)] == ["ndcg@10", "hit_rate@5"]


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("ndgc@10", "unknown metric 'ndgc'; did you mean 'ndcg'"),
        ("ndcg", "ndcg needs a cut"),
        ("ndcg@0", "must be an integer >= 1"),
        ("ndcg@x", "must be an integer >= 1"),
        ("ndcg@", "must be an integer >= 1"),
        ("rmse@10", "takes no cut"),
        ("", "unknown metric ''"),
    ],
)
def test_bad_names_are_explained(name, said):
    with pytest.raises(ConfigError, match=said) as error:
        parse(name)
    assert "ndcg@k" in error.value.mend


def test_all_problems_are_listed_at_once():
    with pytest.raises(ConfigError) as error:
        parse_all(["recal@5", "rmse@2", "ndcg@5"])
    assert "recal" in error.value.what
    assert "rmse" in error.value.what
    with pytest.raises(ConfigError) as error:
        measure(
            parse_all(["ndcg@5", "novelty@5"]), Evidence(codes=np.zeros((1, 5), int), counts=np.ones(1, int))
        )
    for need in ("ndcg@5 needs relevant", "novelty@5 needs popularity", "novelty@5 needs n_users"):
        assert need in error.value.what
