"""Ranks among candidates by hand: ties, copies of the target, ragged lists; negatives drawn are never had."""

from __future__ import annotations

import math

import numpy as np
import pyarrow as pa
import pytest
from by_hand import evaluation as by_hand
from by_hand import metrics as metrics_by_hand

import matweave as mw
from matweave.data.given import Candidates
from matweave.data.interactions import Interactions
from matweave.errors import ConfigError, DataError
from matweave.evaluation import sampled_protocol
from matweave.evaluation.sampled_protocol import FORMULAS, draw_candidates, sampled_ranking
from matweave.metrics.table import parse_all
from matweave.threads import set_threads

TRAIN = Interactions.from_codes([0, 1], [0, 1], n_items=6, user_ids=["a", "b"], item_ids=list("pqrstu"))
SCORES = [[9, 5, 5, 3, 1, 1], [1, 2, 3, 4, 5, 6]]


def lists(*rows: tuple[str, str, list[str]], report: tuple[str, ...] = ()) -> Candidates:
    users, items, negatives = zip(*rows, strict=True)
    return Candidates(
        users=pa.array(users),
        items=pa.array(items),
        negatives=pa.array(negatives, pa.list_(pa.string())),
        report=report,
    )


def test_ranks_with_ties_and_a_copy_of_the_target():
    given = lists(
        ("a", "q", ["p", "r", "s", "q"]),  # p ahead, r beside, a copy that is no rival: 1.5
        ("b", "s", ["t", "u", "u", "p"]),  # t, u and u again ahead: 3
        ("a", "p", []),  # nobody to lose to: 0
    )
    judged = sampled_ranking(
        by_hand.scored(TRAIN, SCORES), given, parse_all(["hit_rate@2", "mrr@4", "ndcg@4"])
    )
    assert judged.protocol == "sampled (0 to 4 negatives, given)"
    assert judged.per_user["hit_rate@2"].tolist() == [1.0, 0.0]  # a: two lists, both hit
    assert judged.per_user["mrr@4"].tolist() == pytest.approx([(1 / 2.5 + 1) / 2, 1 / 4])
    assert judged.per_user["ndcg@4"].tolist() == pytest.approx(
        [(1 / math.log2(3.5) + 1) / 2, 1 / math.log2(5)]
    )


@pytest.mark.parametrize("recipe", [None, mw.ItemKNN()])
@pytest.mark.parametrize("pairs", [sampled_protocol.PAIRS, 40])
def test_ranks_agree_with_counting(recipe, pairs, monkeypatch):
    monkeypatch.setattr(sampled_protocol, "PAIRS", pairs)  # one block, or many
    rng = np.random.default_rng(0)
    log = mw.simulate_log(users=60, items=30, interactions=500, shape="clicks", seed=0).log
    model = (
        by_hand.scored(log, rng.integers(0, 5, (log.n_users, log.n_items)))
        if recipe is None
        else recipe.fit(log)
    )
    users, targets = rng.integers(0, log.n_users, 80), rng.integers(0, log.n_items, 80)
    negatives = [rng.integers(0, log.n_items, rng.integers(1, 12)).tolist() for _ in range(80)]
    names = log.items.to_list()
    given = Candidates(
        users=log.users.decode(users),
        items=log.items.decode(targets),
        negatives=pa.array([[names[j] for j in row] for row in negatives]),
    )
    judged = sampled_ranking(model, given, parse_all(["mrr@100"]))
    scores = model.scores(model.known(np.arange(log.n_users)))
    wanted: dict[int, list[float]] = {}
    for u, target, row in zip(users, targets, negatives, strict=True):
        codes = [int(target), *row]
        rank = metrics_by_hand.rank_among(scores[u][codes].tolist(), codes, "half")
        wanted.setdefault(int(u), []).append(1 / (rank + 1))
    assert judged.per_user["mrr@100"].tolist() == pytest.approx([np.mean(v) for v in wanted.values()])


def test_what_the_model_does_not_know_is_counted():
    given = lists(("a", "q", ["p", "nothing"]), ("nobody", "q", ["p"]), ("b", "nothing", ["p"]))
    judged = sampled_ranking(by_hand.scored(TRAIN, SCORES), given, parse_all(["hit_rate@1"]))
    assert judged.counts == {"lists judged": 1, "lists lost": 2, "negatives unknown": 1}
    assert judged.per_user["hit_rate@1"].tolist() == pytest.approx([0.0, np.nan, np.nan], nan_ok=True)


def test_nothing_known_is_an_error():
    with pytest.raises(DataError, match="none of the users and targets"):
        sampled_ranking(by_hand.scored(TRAIN, SCORES), lists(("x", "y", ["z"])), parse_all(["mrr@1"]))


def test_a_score_that_is_no_number_is_an_error():
    model = by_hand.scored(TRAIN, [[np.nan] * 6] * 2)
    with pytest.raises(DataError, match="not a number"):
        sampled_ranking(model, lists(("a", "q", ["p"])), parse_all(["mrr@1"]))


def test_metrics_of_whole_lists_are_skipped_with_the_reason():
    given = lists(("a", "q", ["p"]))
    judged = sampled_ranking(by_hand.scored(TRAIN, SCORES), given, parse_all(["coverage@5", "hit_rate@5"]))
    assert list(judged.skipped) == ["coverage@5"]
    assert list(judged.per_user) == ["hit_rate@5"]


def test_with_one_target_recall_is_the_hit_rate_and_average_precision_the_reciprocal_rank():
    given = lists(("a", "q", ["p", "s"]), ("b", "p", ["q", "r"]))
    asked = parse_all([f"{name}@2" for name in FORMULAS])
    found = sampled_ranking(by_hand.scored(TRAIN, SCORES), given, asked).per_user
    assert found["recall@2"].tolist() == found["hit_rate@2"].tolist() == [1.0, 0.0]
    assert found["average_precision@2"].tolist() == found["mrr@2"].tolist() == [0.5, 0.0]


def log_and_parts():
    log = mw.simulate_log(users=80, items=60, interactions=1200, seed=0).log
    return mw.split_leave_last_out(log, valid=0)


def test_drawn_negatives_were_never_had():
    split = log_and_parts()
    given = draw_candidates(split.train, split.test, 10, seed=0)
    had = {(u, j) for part in (split.train, split.test) for u, j, _ in by_hand.triples(part)}
    rows = list(
        zip(given.users.to_pylist(), given.items.to_pylist(), given.negatives.to_pylist(), strict=True)
    )
    assert rows
    assert {(u, target) for u, target, _ in rows} <= {(u, j) for u, j, _ in by_hand.triples(split.test)}
    for user, _, negatives in rows:
        assert len(set(negatives)) == 10
        assert not {(user, j) for j in negatives} & had
    protocol = sampled_ranking(mw.Popularity().fit(split.train), given, parse_all(["mrr@5"])).protocol
    assert protocol == "sampled (10 negatives, drawn)"


def test_every_free_item_is_drawn_alike():
    train = Interactions.from_codes(np.arange(200), np.zeros(200, int), n_items=8)
    test = Interactions.from_codes(np.arange(200), np.ones(200, int), n_items=8)
    drawn = draw_candidates(train, test, 3, seed=1).negatives.flatten().to_numpy()
    counts = np.bincount(drawn, minlength=8)
    assert counts[:2].tolist() == [0, 0]
    assert counts[2:] == pytest.approx(np.full(6, 100), abs=35)  # binomial, sd 7


def test_draws_follow_the_seed():
    split = log_and_parts()
    first, again, other = (draw_candidates(split.train, split.test, 5, seed=s).negatives for s in (0, 0, 1))
    assert first.equals(again)
    assert not first.equals(other)


def test_too_many_negatives_are_refused():
    split = log_and_parts()
    with pytest.raises(ConfigError, match="fewer than 60 negatives"):
        draw_candidates(split.train, split.test, 60, seed=0)


def test_sampled_figures_are_above_full_ones_and_threads_change_nothing():
    split = log_and_parts()
    model = mw.EASE().fit(split.train)
    given = draw_candidates(split.train, split.test, 10, seed=0)
    found = []
    for threads in (1, 3):
        set_threads(threads)
        found.append(mw.evaluate(model, split.test, metrics=["hit_rate@5"], candidates=given).metrics)
    set_threads(None)
    assert found[0] == found[1]
    full = mw.evaluate(model, split.test, metrics=["hit_rate@5"])
    assert found[0]["hit_rate@5"].mean > full.metrics["hit_rate@5"].mean


def test_known_histories_stand_for_training_rows():
    """Strangers, and training users whose histories have grown; lists of users without a history are lost."""
    log = mw.simulate_log(users=60, items=30, interactions=600, shape="clicks", newcomers=0, seed=0).log
    model = mw.ItemKNN().fit(log)
    strangers = Interactions.of(users=["x", "x", "y"], items=log.items.to_list()[3:6])
    own = log.items.to_list()
    users, items = ["x", "y", "z"], [own[7], own[8], own[9]]
    given = Candidates(users=pa.array(users), items=pa.array(items), negatives=pa.array([own[10:20]] * 3))
    judged = sampled_ranking(model, given, parse_all(["mrr@100"]), known=strangers)
    histories = strangers.recode(strangers.users, log.items).matrix
    scores = model.scores(model.fold_in(histories))
    for row, target in enumerate((7, 8)):
        codes = [target, *range(10, 20)]
        rank = metrics_by_hand.rank_among(scores[row][codes].tolist(), codes, "half")
        assert judged.per_user["mrr@100"][row] == pytest.approx(1 / (rank + 1))
    assert math.isnan(judged.per_user["mrr@100"][2])
    assert judged.counts["lists lost"] == 1


def test_known_histories_that_have_not_grown_change_nothing():
    log = mw.simulate_log(users=60, items=30, interactions=600, shape="clicks", newcomers=0, seed=0).log
    split = mw.split_randomly(log, seed=0)
    model = mw.EASE(regularization=20.0).fit(split.train)
    given = draw_candidates(split.train, split.test, 5, seed=1)
    found = [mw.evaluate(model, split.test, candidates=given, known=k).metrics for k in (None, split.train)]
    assert found[0].keys() == found[1].keys()
    for name, interval in found[0].items():
        assert found[1][name].mean == pytest.approx(interval.mean)
