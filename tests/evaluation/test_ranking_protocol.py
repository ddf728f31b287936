"""Full ranking against lists and metrics by hand; what is lost is counted; order, blocks and threads change nothing."""

from __future__ import annotations

import numpy as np
import pytest
from by_hand import evaluation as by_hand
from by_hand import metrics as metrics_by_hand

import matweave as mw
from matweave.data.interactions import Interactions
from matweave.errors import ConfigError, DataError
from matweave.evaluation import ranking_protocol
from matweave.evaluation.ranking_protocol import GROUPS, full_ranking
from matweave.factor import blocks
from matweave.metrics.table import parse_all
from matweave.threads import set_threads

ACCURACY = (
    "ndcg",
    "recall",
    "precision",
    "hit_rate",
    "average_precision",
    "mrr",
    "recall_capped",
    "ndcg_graded",
)


def case(seed, users=30, items=20, values=True):
    """A model of given scores with many ties, its training log, and a test log with strangers and unseen items."""
    rng = np.random.default_rng(seed)
    cells = rng.permutation(users * items)[: users * items // 2]
    stars = rng.integers(1, 6, len(cells)) if values else None
    u, j = cells // items, cells % items
    ids = [f"u{n}" for n in range(users + 5)], [f"i{n}" for n in range(items + 3)]
    half = len(cells) // 2
    train = Interactions.from_codes(
        u[:half], j[:half], None if stars is None else stars[:half], n_users=users, n_items=items,
        user_ids=ids[0][:users], item_ids=ids[1][:items],
    )  # fmt: skip
    strange = rng.integers(0, users + 5, 12), rng.integers(items - 2, items + 3, 12)
    u, j = np.r_[u[half:], strange[0]], np.r_[j[half:], strange[1]]
    stars = None if stars is None else np.r_[stars[half:], rng.integers(1, 6, 12)]
    test = Interactions.from_codes(
        u, j, stars, n_users=users + 5, n_items=items + 3, user_ids=ids[0], item_ids=ids[1]
    )
    test = test.take(np.arange(len(test)))
    return by_hand.scored(train, rng.integers(0, 6, (users, items))), train, test


def found_by_id(judged, name, test):
    values = dict(zip(test.users.to_list(), judged.per_user[name].tolist(), strict=True))
    return {user: value for user, value in values.items() if not np.isnan(value)}


@pytest.mark.parametrize("seed", range(4))
def test_metrics_are_those_of_lists_by_hand(seed):
    model, train, test = case(seed)
    asked = parse_all([f"{name}@{k}" for name in ACCURACY for k in (1, 4)])
    judged = full_ranking(model, test, asked)
    for one in asked:
        wanted = by_hand.judge(one.metric.name, model, train, test, one.k)
        assert found_by_id(judged, one.name, test) == pytest.approx(wanted)


def test_lists_beyond_accuracy_by_hand():
    model, train, test = case(1)
    judged = full_ranking(model, test, parse_all(["coverage", "gini", "novelty", "popularity_lift"], k=3))
    shown = by_hand.lists(model, train, 3)
    users = list(by_hand.judge("ndcg", model, train, test, 3))
    codes = {item: code for code, item in enumerate(model.items.to_list())}
    lists = {user: [codes[item] for item in shown[user]] for user in users}
    n = len(codes)
    assert judged.sets["coverage@3"][0] == metrics_by_hand.coverage(list(lists.values()), n)
    assert judged.sets["gini@3"][0] == pytest.approx(metrics_by_hand.gini(list(lists.values()), n))
    popularity = np.bincount(train.item_codes, minlength=n).tolist()
    wanted = {u: metrics_by_hand.novelty(lists[u], popularity, train.n_users) for u in users}
    assert found_by_id(judged, "novelty@3", test) == pytest.approx(wanted)
    assert judged.exposure is not None
    assert judged.exposure.tolist() == [sum(c in one for one in lists.values()) for c in range(n)]


def test_auc_leaves_training_items_out():
    model, train, test = case(2)
    judged = full_ranking(model, test, parse_all(["auc"]))
    codes = {item: code for code, item in enumerate(model.items.to_list())}
    wanted = {}
    for user in by_hand.judge("recall", model, train, test, 1):
        good = {codes[j] for u, j, _ in by_hand.triples(test) if u == user and j in codes}
        out = {codes[j] for u, j, _ in by_hand.triples(train) if u == user}
        scores = model.scores(model.known(np.array([model.users.code(user)])))[0].tolist()
        wanted[user] = metrics_by_hand.auc(scores, good - out, out)
    found = found_by_id(judged, "auc", test)
    assert found == pytest.approx({u: v for u, v in wanted.items() if not np.isnan(v)})
    assert judged.exposure is None  # no lists were made


def test_what_is_lost_is_counted():
    train = Interactions.from_codes([0, 0, 1], [0, 1, 2], user_ids=["a", "b"], item_ids=["x", "y", "z"])
    test = Interactions.from_codes(
        [0, 0, 1, 2, 3], [0, 1, 1, 0, 1], user_ids=["a", "b", "stranger", "other"], item_ids=["z", "new"]
    )
    judged = full_ranking(by_hand.scored(train, np.eye(2, 3)), test, parse_all(["recall@1"]))
    # a: z is found first, as x and y were had; b: only the new item; two strangers
    assert judged.per_user["recall@1"].tolist() == pytest.approx([1.0, np.nan, np.nan, np.nan], nan_ok=True)
    assert judged.counts == {
        "users judged": 1,
        "users not judged": 3,
        "test rows judged": 1,
        "test rows lost": 4,
        "items ranked": 3,
    }


def test_a_row_had_in_training_is_no_miss():
    train = Interactions.from_codes([0, 0, 1], [0, 1, 2])
    test = Interactions.from_codes([0, 0, 1], [0, 2, 2])  # users 0 and 1 have had items 0 and 2
    judged = full_ranking(by_hand.scored(train, np.eye(2, 3)), test, parse_all(["recall@1"]))
    assert judged.per_user["recall@1"].tolist() == pytest.approx([1.0, np.nan], nan_ok=True)
    assert judged.counts["test rows had in training"] == 2
    assert judged.counts["test rows lost"] == 0


@pytest.mark.parametrize("threshold", [3, 5])
def test_only_rows_of_the_threshold_are_relevant(threshold):
    model, train, test = case(3)
    judged = full_ranking(model, test, parse_all(["ndcg@4"]), threshold=threshold)
    wanted = by_hand.judge("ndcg", model, train, test, 4, threshold=threshold)
    assert found_by_id(judged, "ndcg@4", test) == pytest.approx(wanted)
    counts = judged.counts
    low = sum(v < threshold for u, j, v in by_hand.triples(test) if j in set(model.items.to_list()))
    assert 0 < counts["test rows below the threshold"] <= low
    assert sum(counts[c] for c in counts if c.startswith("test rows")) == len(test)


def test_a_threshold_needs_values():
    model, _, test = case(0, values=False)
    with pytest.raises(ConfigError, match="no values"):
        full_ranking(model, test, parse_all(["ndcg@4"]), threshold=3)


@pytest.mark.parametrize("kind", ["as it is", "relabelled"])
def test_the_order_of_test_rows_changes_no_users_number(kind):
    model, _, test = case(0)
    asked = parse_all(["ndcg@4", "average_precision@3", "novelty@4", "coverage@4", "auc"])
    rows = np.random.default_rng(0).permutation(len(test))
    other = test.take(rows)
    if kind == "relabelled":  # another numbering of the same ids
        order = np.random.default_rng(1).permutation(test.n_users)
        other = Interactions.from_codes(
            np.argsort(order)[test.user_codes], test.item_codes, test.values,
            user_ids=test.users.decode(order).to_pylist(), item_ids=test.items.to_list(),
        )  # fmt: skip
    a, b = full_ranking(model, test, asked), full_ranking(model, other, asked)
    for name in a.per_user:
        assert found_by_id(a, name, test) == pytest.approx(found_by_id(b, name, other))
    assert a.sets["coverage@4"][0] == b.sets["coverage@4"][0]
    assert a.counts == b.counts


def test_blocks_and_threads_change_nothing(monkeypatch):
    log = mw.simulate_log(users=120, items=50, interactions=1500, seed=0).log
    split = mw.split_randomly(log, valid=0, seed=0)
    asked = parse_all(["ndcg@5", "gini@5", "diversity@5", "auc"])
    for recipe in (mw.EASE(), mw.PureSVD(rank=4)):
        model = recipe.fit(split.train)
        set_threads(1)
        whole = full_ranking(model, split.test, asked)
        monkeypatch.setattr(blocks, "BLOCK", 7)
        monkeypatch.setattr(ranking_protocol, "BLOCK", 7)
        set_threads(3)
        parts = full_ranking(model, split.test, asked)
        set_threads(None)
        monkeypatch.undo()
        for name in whole.per_user:
            np.testing.assert_allclose(whole.per_user[name], parts.per_user[name], atol=1e-12)
        assert whole.sets["gini@5"][0] == parts.sets["gini@5"][0]


def test_users_of_a_split_by_user_are_folded_in():
    log = mw.simulate_log(users=150, items=40, interactions=2000, shape="clicks", seed=0).log
    split = mw.split_by_user(log, 0.3, 0, seed=0)
    assert split.test_known is not None
    model = mw.ItemKNN().fit(split.train)
    judged = full_ranking(model, split.test, parse_all(["recall@5"]), known=split.test_known)
    assert judged.counts["users judged"] > 30
    user = split.test.users.to_list()[3]
    mine = [j for u, j, _ in by_hand.triples(split.test_known) if u == user]
    good = {j for u, j, _ in by_hand.triples(split.test) if u == user} & set(model.items.to_list())
    given = model.with_frame("arrow").recommend_for([i for i in mine if i in model.items.to_list()], 5)
    wanted = len(good & set(given["item"].to_pylist())) / len(good)
    assert judged.per_user["recall@5"][split.test.users.code(user)] == pytest.approx(wanted)
    # without the known part, they are strangers
    with pytest.raises(DataError, match="no test user can be judged"):
        full_ranking(model, split.test, parse_all(["recall@5"]))


def test_no_known_user_is_told():
    model, _, _ = case(0)
    other = Interactions.from_codes([0], [0], user_ids=["nobody"], item_ids=["nothing"])
    with pytest.raises(DataError, match="no test user"):
        full_ranking(model, other, parse_all(["ndcg@4"]))


def test_one_user_and_a_cut_beyond_the_catalogue():
    train = Interactions.from_codes([0], [0], n_items=3)
    test = Interactions.from_codes([0], [2], n_items=3)
    judged = full_ranking(
        by_hand.scored(train, [[9, 2, 1]]), test, parse_all(["precision", "mrr", "coverage", "gini"], k=10)
    )
    assert judged.per_user["precision@10"].tolist() == [0.1]
    assert judged.per_user["mrr@10"].tolist() == [0.5]
    assert judged.sets["coverage@10"][0] == pytest.approx(2 / 3)
    assert len(judged.sets["coverage@10"][1]) == 0  # one user has no groups to leave out


def test_numbers_of_sets_are_recomputed_without_each_group():
    log = mw.simulate_log(users=100, items=40, interactions=1200, seed=1).log
    split = mw.split_randomly(log, valid=0, seed=0)
    model = mw.ItemKNN().fit(split.train)
    value, without = full_ranking(model, split.test, parse_all(["coverage@2"])).sets["coverage@2"]
    lists = by_hand.lists(model, split.train, 2)
    judged = list(by_hand.judge("recall", model, split.train, split.test, 2))
    shown = [lists[user] for user in judged]
    wanted = [
        len({i for at, one in enumerate(shown) if at % GROUPS != group for i in one}) / len(model.items)
        for group in range(GROUPS)
    ]
    assert without.tolist() == pytest.approx(wanted)
    assert value == pytest.approx(len({i for one in shown for i in one}) / len(model.items))
    assert without.min() < value


@pytest.mark.parametrize("seed", range(3))
def test_a_ranking_among_some_items_is_that_of_a_model_of_these_items(seed):
    model, train, test = case(seed)
    some = model.items.to_list()[::3]
    asked = parse_all(["recall", "ndcg", "hit_rate", "coverage", "auc"], k=3)
    judged = full_ranking(model, test, asked, among=some)
    assert judged.protocol == f"full ranking among {len(some)} items"
    assert judged.counts["items ranked"] == len(some)
    codes = np.arange(0, len(model.items), 3)
    scores = model.scores(model.known(np.arange(len(model.users))))[:, codes]
    cut = [np.isin(log.items.decode(log.item_codes).to_pylist(), some) for log in (train, test)]
    few = Interactions.from_codes(
        train.user_codes[cut[0]],
        train.item_codes[cut[0]] // 3,
        n_users=train.n_users,
        n_items=len(some),
        user_ids=train.users.ids,
        item_ids=some,
    )
    alone = full_ranking(by_hand.scored(few, scores), test.take(cut[1]), asked)
    for name in ("recall@3", "ndcg@3", "hit_rate@3", "auc"):
        assert found_by_id(judged, name, test) == pytest.approx(found_by_id(alone, name, test.take(cut[1])))
    assert judged.sets["coverage@3"][0] == pytest.approx(alone.sets["coverage@3"][0])
    assert judged.exposure is not None
    assert len(judged.exposure) == len(model.items)
    assert judged.exposure.sum() == judged.exposure[codes].sum() > 0


def test_among_strange_items_is_refused_and_candidates_exclude_it():
    model, train, test = case(0)
    with pytest.raises(DataError, match="knows none"):
        full_ranking(model, test, parse_all(["recall"], k=3), among=["x"])
    with pytest.raises(ConfigError, match="given candidates"):
        mw.evaluate(model, test, candidates=mw.draw_candidates(train, test, 2, seed=0), among=["i1"])
    stop = mw.validation(test, metric="recall@3", among=model.items.to_list()[:9])
    assert 0 <= stop.measure(model) <= 1
