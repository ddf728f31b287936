"""The forms: scores by the formula, lists by brute force, answers by ids, bits through a folder."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest
from by_hand.topk import best
from hypothesis import given
from hypothesis import strategies as st

import matweave as mw
from matweave.data.csr import Csr
from matweave.data.vocabulary import Vocabulary
from matweave.errors import ConfigError, DataError, UnknownId
from matweave.factor.blocks import BLOCK
from matweave.factor.fold import ProjectionFold, RidgeFold
from matweave.factor.forms import Factored, FactorModel, ItemModel
from matweave.factor.loop import History
from matweave.factor.recommender import Recommender
from matweave.factor.rows import FactorRows
from matweave.factor.storage import load
from matweave.factor.weights import DenseWeights, NoWeights, SparseWeights

USERS, ITEMS, RANK = 40, 23, 4
RNG = np.random.default_rng(11)
AT = np.nonzero(RNG.random((USERS, ITEMS)) < 0.3)
SEEN = Csr.from_pairs(*AT, RNG.integers(1, 6, len(AT[0])), shape=(USERS, ITEMS))
TABLE = SEEN.scipy().toarray()
U_IDS = [f"u{i}" for i in range(USERS)]
J_IDS = [100 + 7 * j for j in range(ITEMS)]
B = (RNG.standard_normal((ITEMS, ITEMS)) * (RNG.random((ITEMS, ITEMS)) < 0.5)).astype(np.float32)
np.fill_diagonal(B, 0)


def small(*shape: int) -> np.ndarray:
    """Small whole numbers: sums are exact in float32, and ties are many."""
    return RNG.integers(-2, 3, shape).astype(np.float32)


X, Y, UB, JB = small(USERS, RANK), small(ITEMS, RANK), small(USERS), small(ITEMS)


def common(**more: Any) -> dict[str, Any]:
    return {
        "method": "Toy",
        "settings": {"rank": RANK, "none": None},
        "users": Vocabulary(ids=pa.array(U_IDS)),
        "items": Vocabulary(ids=pa.array(J_IDS)),
        "seen": SEEN,
        "history": History(objective=(2.0, 1.0), stopped="epochs", epoch=2, seconds=0.25),
        **more,
    }


def factors(**more: Any) -> FactorModel:
    given: dict[str, Any] = {
        "user_factors": X,
        "item_factors": Y,
        "user_bias": UB,
        "item_bias": JB,
        "mean": 3.0,
        "limits": (1.0, 5.0),
        "fold": RidgeFold(regularization=0.5, bias_regularization=0.5, scale_by_count=False),
        **more,
    }
    return FactorModel(**common(**given))


def plain() -> FactorModel:
    return factors(user_bias=None, item_bias=None, mean=0.0, limits=None, fold=ProjectionFold())


def dense(**more: Any) -> ItemModel:
    return ItemModel(**common(weights=DenseWeights(matrix=B), **more))


def sparse(**more: Any) -> ItemModel:
    at = np.nonzero(B)
    return ItemModel(
        **common(weights=SparseWeights(matrix=Csr.from_pairs(*at, B[at], shape=B.shape)), **more)
    )


def popular() -> ItemModel:
    return ItemModel(**common(weights=NoWeights(items=ITEMS), item_bias=JB))


MODELS: dict[str, tuple[Recommender, np.ndarray]] = {
    "biased": (factors(), 3.0 + UB[:, None] + JB + X @ Y.T),
    "item bias": (factors(user_bias=None), 3.0 + JB + X @ Y.T),
    "plain": (plain(), X @ Y.T),
    "dense": (dense(), (TABLE != 0) @ B),
    "dense, values, bias": (dense(use_values=True, item_bias=JB), TABLE @ B + JB),
    "sparse": (sparse(), (TABLE != 0) @ B),
    "sparse, values": (sparse(use_values=True), TABLE @ B),
    "popular": (popular(), np.broadcast_to(JB, (USERS, ITEMS))),
}
each = pytest.mark.parametrize(("model", "table"), MODELS.values(), ids=list(MODELS))
EXACT = ("biased", "item bias", "plain", "popular")
exact = pytest.mark.parametrize(("model", "table"), [MODELS[n] for n in EXACT], ids=EXACT)
ALL = np.arange(USERS)


def rows_of(frame: Any) -> list[dict[str, Any]]:
    if isinstance(frame, pa.Table):
        return frame.to_pylist()
    return frame.to_dicts() if isinstance(frame, pl.DataFrame) else frame.to_dict("records")


# scores


@each
def test_scores_are_the_formula(model: Recommender, table: np.ndarray) -> None:
    codes = np.array([5, 0, 39, 5])
    found = model.scores(model.known(codes))
    assert (found.dtype, found.shape) == (np.float32, (4, ITEMS))
    np.testing.assert_allclose(found, table[codes], rtol=1e-5, atol=1e-5)


@each
def test_pair_scores_are_the_same_scores(model: Recommender, table: np.ndarray) -> None:
    rng = np.random.default_rng(0)
    rows = model.known(np.array([7, 3, 7, 12]))
    at, items = rng.integers(0, 4, 500), rng.integers(0, ITEMS, 500)
    found = model.pair_scores(rows, at, items)
    assert found.dtype == np.float32
    np.testing.assert_allclose(found, table[np.array([7, 3, 7, 12])][at, items], rtol=1e-5, atol=1e-5)
    assert model.pair_scores(rows, at[:0], items[:0]).shape == (0,)


@each
def test_rows_cut_in_blocks_score_the_same(model: Recommender, table: np.ndarray) -> None:
    rows = model.known(ALL)
    parts = [model.scores(rows[a : a + 7]) for a in range(0, USERS, 7)]
    np.testing.assert_allclose(np.concatenate(parts), model.scores(rows), rtol=1e-6, atol=1e-6)


def test_item_models_score_more_rows_than_a_block() -> None:
    model, many = dense(), np.arange(BLOCK + 9) % USERS
    codes, scores, counts = model.top(model.known(many), 3)
    assert len(codes) == BLOCK + 9
    for part in (codes, scores, counts):
        assert np.array_equal(part[-9:], part[BLOCK % USERS :][:9])
    at = np.array([BLOCK + 8, 0, BLOCK])
    found = model.pair_scores(model.known(many), at, np.array([1, 2, 3]))
    np.testing.assert_allclose(found, ((TABLE != 0) @ B)[many[at], [1, 2, 3]], rtol=1e-5, atol=1e-5)


def test_rows_of_another_form_are_refused() -> None:
    with pytest.raises(TypeError, match="rows of another form"):
        factors().scores(dense().known(ALL))
    with pytest.raises(TypeError, match="rows of another form"):
        dense().top(factors().known(ALL), 3)


# lists


@exact
@pytest.mark.parametrize("k", [1, 5, ITEMS, ITEMS + 10])
def test_top_is_the_full_sort_with_ties_to_the_smaller_code(
    model: Recommender, table: np.ndarray, k: int
) -> None:
    for out in (None, SEEN):
        codes, scores, counts = model.top(model.known(ALL), k, out)
        assert (codes.shape, scores.shape, counts.shape) == ((USERS, k), (USERS, k), (USERS,))
        for u in range(USERS):
            wanted = best(table[u], k, set() if out is None else set(out.row(u)[0].tolist()))
            assert codes[u, : counts[u]].tolist() == wanted
            np.testing.assert_allclose(scores[u, : counts[u]], table[u, wanted])


@each
def test_top_of_nobody_and_of_one(model: Recommender, table: np.ndarray) -> None:
    codes, scores, counts = model.top(model.known(np.array([], int)), 4)
    assert (codes.shape, scores.shape, counts.shape) == ((0, 4), (0, 4), (0,))
    one = model.top(model.known(np.array([9])), 4, SEEN.rows(np.array([9])))
    many = model.top(model.known(ALL), 4, SEEN)
    assert one[2][0] == many[2][9]
    np.testing.assert_allclose(one[1][0], many[1][9], rtol=1e-5, atol=1e-5)


@given(st.integers(0, 2**31), st.integers(1, 30), st.booleans())
def test_top_leaves_out_and_sorts_for_any_factors(seed: int, k: int, biased: bool) -> None:
    rng = np.random.default_rng(seed)
    x, y = rng.integers(-1, 2, (USERS, RANK)), rng.integers(-1, 2, (ITEMS, RANK))
    model = factors(
        user_factors=x.astype(np.float32),
        item_factors=y.astype(np.float32),
        item_bias=JB if biased else None,
        user_bias=None,
    )
    codes, _, counts = model.top(model.known(ALL), k, SEEN)
    table = x @ y.T + (JB if biased else 0)
    for u in range(0, USERS, 7):
        assert codes[u, : counts[u]].tolist() == best(table[u], k, set(SEEN.row(u)[0].tolist()))


# answers by ids


@each
def test_recommend_gives_unseen_items_in_order(model: Recommender, table: np.ndarray) -> None:
    asked = ["u7", "u0", "u7"]
    rows = rows_of(model.recommend(asked, k=5))
    assert [r["user"] for r in rows] == [u for u in asked for _ in range(5)]
    assert [r["rank"] for r in rows] == [1, 2, 3, 4, 5] * 3
    assert rows[:5] == rows[10:]
    for row in rows:
        u, j = U_IDS.index(row["user"]), J_IDS.index(row["item"])
        assert TABLE[u, j] == 0
        assert row["score"] == pytest.approx(table[u, j], rel=1e-5, abs=1e-5)


@each
def test_recommend_everyone_seen_and_excluded(model: Recommender, table: np.ndarray) -> None:
    everyone = rows_of(model.recommend(k=ITEMS))
    assert len(everyone) == USERS * ITEMS - SEEN.nnz  # k beyond what is left: shorter lists, no padding
    everything = rows_of(model.recommend(k=ITEMS, seen=True))
    assert len(everything) == USERS * ITEMS
    without = rows_of(model.recommend(k=10**9, exclude=[100, 121]))
    assert {r["item"] for r in without} == set(J_IDS) - {100, 121}
    assert without == [
        r | {"rank": rank}
        for r, rank in zip(
            [r for r in everyone if r["item"] not in (100, 121)], (r["rank"] for r in without), strict=True
        )
    ]


def test_a_user_who_saw_everything_gets_nothing() -> None:
    full = Csr.from_pairs(np.repeat(0, ITEMS), range(ITEMS), shape=(USERS, ITEMS))
    model = FactorModel(**{**vars(plain()), "seen": full})
    assert rows_of(model.recommend(["u0"], k=3)) == []
    assert len(rows_of(model.recommend(["u0", "u1"], k=3))) == 3


@pytest.mark.parametrize("frame", ["arrow", "pandas", "polars"])
def test_answers_come_in_the_callers_frame(frame: str) -> None:
    model = factors().with_frame(frame)
    kind = {"arrow": pa.Table, "pandas": pd.DataFrame, "polars": pl.DataFrame}[frame]
    plain_answers = factors()
    for ask in (
        lambda m: m.recommend(["u1"], 3),
        lambda m: m.recommend_for([100, 107], 3, values=[4, 2]),
        lambda m: m.similar(100, 3),
        lambda m: m.predict(["u1"], [100]),
    ):
        assert isinstance(ask(model), kind)
        assert rows_of(ask(model)) == rows_of(ask(plain_answers))


def test_an_unknown_frame_is_refused_at_once() -> None:
    with pytest.raises(ConfigError, match="did you mean 'pandas'"):
        factors().with_frame("panda")


@pytest.mark.parametrize("k", [0, -1, 2.0, True, "3", None])
def test_k_is_an_integer_of_at_least_one(k: Any) -> None:
    model = factors()
    for ask in (
        model.recommend,
        lambda k: model.recommend_for([100], k, values=[3]),
        lambda k: model.similar(100, k),
    ):
        with pytest.raises(ConfigError, match="k is"):
            ask(k=k)


def test_lists_of_one_and_lists_of_ten_where_nothing_is_said() -> None:
    model = plain()
    history = [100, 107]
    assert len(model.recommend(["u1"], k=1)) == len(model.recommend_for(history, k=1)) == 1
    assert len(model.similar(100, k=np.int64(1))) == 1
    for answer in (model.recommend(["u1"]), model.recommend_for(history), model.similar(100)):
        assert len(answer) == 10
        assert answer.slice(0, 1).to_pylist()[0]["rank"] == 1


def test_unknown_ids_are_all_listed() -> None:
    model = factors()
    for ask in (lambda: model.recommend(["u1", "x", "y"]), lambda: model.predict(["x", "y"], [100, 100])):
        with pytest.raises(UnknownId, match="'x', 'y'"):
            ask()
    for ask in (
        lambda: model.recommend(["u1"], exclude=[1, 2]),
        lambda: model.recommend_for([100, 1, 2]),
        lambda: model.recommend_for([100], values=[1], exclude=[1, 2]),
        lambda: model.predict(["u1", "u1"], [1, 2]),
    ):
        with pytest.raises(UnknownId, match="1, 2"):
            ask()
    with pytest.raises(UnknownId, match="unknown id 1"):
        model.similar(1)


# strangers


@each
def test_a_stranger_is_served_by_the_history_alone(model: Recommender, table: np.ndarray) -> None:
    js, values = SEEN.row(9)
    assert values is not None
    history = [J_IDS[j] for j in js]
    stranger = rows_of(model.recommend_for(history, k=ITEMS, values=values.tolist()))
    assert {r["item"] for r in stranger} == set(J_IDS) - set(history)
    assert [r["rank"] for r in stranger] == list(range(1, ITEMS - len(js) + 1))
    backwards = model.recommend_for(history[::-1], k=ITEMS, values=values[::-1].tolist())
    assert rows_of(backwards) == stranger
    less = rows_of(
        model.recommend_for(history, k=ITEMS, values=values.tolist(), exclude=[stranger[0]["item"]])
    )
    assert [r["item"] for r in less] == [r["item"] for r in stranger[1:]]
    more = rows_of(model.recommend_for(history, k=ITEMS, values=values.tolist(), seen=True))
    assert len(more) == ITEMS


@pytest.mark.parametrize("name", ["dense", "dense, values, bias", "sparse", "sparse, values", "popular"])
def test_item_models_fold_a_training_user_into_the_same_scores(name: str) -> None:
    model = MODELS[name][0]
    assert np.array_equal(model.scores(model.fold_in(SEEN)), model.scores(model.known(ALL)))


def test_ridge_fold_finds_the_row_that_made_the_ratings() -> None:
    y = np.random.default_rng(1).standard_normal((ITEMS, RANK)).astype(np.float32)
    model = factors(
        item_factors=y, fold=RidgeFold(regularization=1e-6, bias_regularization=1e-6, scale_by_count=True)
    )
    truth = model.scores(model.known(np.array([3])))[0]
    whole = Csr.from_pairs([0] * ITEMS, range(ITEMS), truth, shape=(1, ITEMS))
    np.testing.assert_allclose(model.scores(model.fold_in(whole))[0], truth, atol=1e-2)


# likeness and pairs


def test_similar_is_the_cosine_of_factors() -> None:
    model = factors()
    lengths = np.linalg.norm(Y, axis=1)
    for item in (0, 5):
        cosine = (Y @ Y[item]) / np.maximum(lengths * lengths[item], 1e-30)
        found = rows_of(model.similar(J_IDS[item], k=ITEMS))
        assert len(found) == ITEMS - 1
        assert J_IDS[item] not in [r["item"] for r in found]
        for row in found:
            assert row["similarity"] == pytest.approx(cosine[J_IDS.index(row["item"])], abs=1e-6)
        assert [r["similarity"] for r in found] == sorted((r["similarity"] for r in found), reverse=True)


@pytest.mark.parametrize("model", [dense(), sparse()], ids=["dense", "sparse"])
def test_similar_is_the_row_of_b_without_what_has_no_weight(model: ItemModel) -> None:
    found = rows_of(model.similar(J_IDS[4], k=ITEMS))
    assert {r["item"] for r in found} == {J_IDS[j] for j in np.flatnonzero(B[4])}
    assert [r["similarity"] for r in found] == sorted(B[4][B[4] != 0].tolist(), reverse=True)
    assert rows_of(popular().similar(J_IDS[4])) == []


def test_similar_of_a_zero_item_is_zero_and_not_a_division() -> None:
    y = Y.copy()
    y[2] = 0
    assert {r["similarity"] for r in rows_of(factors(item_factors=y).similar(J_IDS[2], k=3))} == {0.0}


def test_predict_is_clipped_to_the_training_range_and_only_there() -> None:
    table = MODELS["biased"][1]
    users, items = np.repeat(np.arange(USERS), ITEMS)[::-1], np.tile(np.arange(ITEMS), USERS)[::-1]
    ids = [U_IDS[u] for u in users], [J_IDS[j] for j in items]
    found = rows_of(factors().predict(*ids))
    assert (table < 1).any()
    assert (table > 5).any()
    np.testing.assert_allclose([r["score"] for r in found], np.clip(table[users, items], 1, 5), rtol=1e-6)
    assert [(r["user"], r["item"]) for r in found] == list(zip(*ids, strict=True))
    loose = rows_of(plain().predict(*ids))
    np.testing.assert_allclose([r["score"] for r in loose], MODELS["plain"][1][users, items], rtol=1e-6)
    assert (
        factors().top(factors().known(ALL), 1)[1].max() > 5
    )  # lists keep the order that clipping would lose


def test_predict_asks_for_pairs() -> None:
    with pytest.raises(DataError, match="2 users for 1 items"):
        factors().predict(["u1", "u2"], [100])
    assert rows_of(factors().predict([], [])) == []


# the form itself


@pytest.mark.parametrize(
    ("name", "array"),
    [
        ("user_factors", X[:-1]),
        ("item_factors", Y[:, :-1]),
        ("item_factors", Y[1:]),
        ("user_bias", UB[:-1]),
        ("item_bias", JB[:, None]),
    ],
)
def test_parts_that_do_not_fit_are_refused(name: str, array: np.ndarray) -> None:
    with pytest.raises(ConfigError, match=f"{name} has shape|item_factors has shape"):
        factors(**{name: array})


def test_item_bias_of_an_item_model_must_fit() -> None:
    with pytest.raises(ConfigError, match="item_bias has shape"):
        dense(item_bias=JB[:-1])


def test_models_are_frozen_and_compare_by_identity() -> None:
    model = factors()
    with pytest.raises(dataclasses.FrozenInstanceError):
        model.mean = 0.0  # type: ignore[misc]
    assert model == model
    assert model != factors()
    assert len({model, factors()}) == 2


@each
def test_a_saved_model_answers_with_the_same_bits(
    model: Recommender, table: np.ndarray, tmp_path: Path
) -> None:
    model.save(tmp_path / "m")
    back = load(tmp_path / "m")
    assert type(back) is type(model)
    assert (back.method, back.settings, back.history, back.frame, back.limits) == (
        model.method, model.settings, model.history, model.frame, model.limits,
    )  # fmt: skip
    assert (back.users, back.items) == (model.users, model.items)
    assert back.scores(back.known(ALL)).tobytes() == model.scores(model.known(ALL)).tobytes()
    assert back.scores(back.fold_in(SEEN)).tobytes() == model.scores(model.fold_in(SEEN)).tobytes()
    for ask in (lambda m: m.recommend(k=7), lambda m: m.similar(100), lambda m: m.predict(["u3"], [100])):
        assert ask(back).equals(ask(model))
    history: Any = {"history": [100, 107], "values": [5.0, 1.0]}
    assert back.recommend_for(**history).equals(model.recommend_for(**history))


def test_a_model_shows_itself_in_one_line() -> None:
    log = mw.simulate_log(users=30, items=12, interactions=100, seed=0).log
    shown = repr(mw.Popularity().fit(log))
    assert shown.startswith("ItemModel of Popularity(half_life_days=None): ")
    assert shown.endswith(f"{log.n_users} users, {log.n_items} items, ended by closed form after epoch 0")


class Doubled(Factored):
    """Rows from elsewhere: a user's row is twice that of the table, and so is a stranger's of its history's sum."""

    def known(self, user_codes: np.ndarray) -> FactorRows:
        return FactorRows(factors=2 * X[user_codes], bias=None)

    def fold_in(self, histories: Csr) -> FactorRows:
        return FactorRows(factors=2 * np.asarray(histories.scipy() @ Y, np.float32), bias=None)

    def item_side(self) -> tuple[np.ndarray, np.ndarray | None, float]:
        return Y, JB, 3.0


def test_what_is_factored_answers_wherever_its_rows_come_from() -> None:
    model, table = Doubled(**common()), 3.0 + JB + 2 * X @ Y.T
    rows = model.known(ALL)
    np.testing.assert_array_equal(model.scores(rows), table)
    at, items = np.repeat(ALL, ITEMS), np.tile(np.arange(ITEMS), USERS)
    np.testing.assert_array_equal(model.pair_scores(rows, at, items), table.ravel())
    wanted = [best(row, 5, SEEN.row(u)[0]) for u, row in enumerate(table)]
    found = model.top(rows, 5, SEEN)
    assert [c[:n].tolist() for c, n in zip(found[0], found[2], strict=True)] == wanted
    assert model.similar(J_IDS[2], k=4).equals(plain().similar(J_IDS[2], k=4))
    np.testing.assert_allclose(model.scores(model.fold_in(SEEN)), 3.0 + JB + 2 * TABLE @ Y @ Y.T)
