from functools import cache

import numpy as np
import pytest

from matweave.data.csr import Csr
from matweave.data.interactions import Interactions
from matweave.data.simulate import simulate_log
from matweave.errors import ConfigError, DataError
from matweave.factor.bayesian_mf import BayesianMF
from matweave.factor.posterior import kept_of
from matweave.storage import load_recommender as load
from matweave.threads import set_threads


@cache
def log():
    return simulate_log(users=50, items=30, interactions=500, shape="ratings", seed=1).log


@cache
def model():
    return BayesianMF(rank=3, burn_in=8, samples=12, thinning=1).fit(log())


def scores_of_each():
    """(S, users, items), draw by draw in float64."""
    m = model()
    return m.mean + np.einsum(
        "sur,sjr->suj", m.user_draws.astype(np.float64), m.item_draws.astype(np.float64)
    )


def everyone():
    return np.arange(len(model().users))


def test_scores_are_means_over_the_draws():
    expected = scores_of_each().mean(axis=0)
    rows = model().known(everyone())
    np.testing.assert_allclose(model().scores(rows), expected, atol=1e-4)
    at, items = np.array([3, 0, 3]), np.array([1, 29, 7])
    np.testing.assert_allclose(model().pair_scores(rows, at, items), expected[at, items], atol=1e-4)
    assert len(model().pair_scores(rows, at[:0], items[:0])) == 0


def test_biases_are_columns_beside_constants():
    m = model()
    assert (m.user_draws[..., -1] == 1).all()
    assert (m.item_draws[..., -2] == 1).all()
    assert m.user_draws[..., -2].std() > 0
    assert m.item_draws[..., -1].std() > 0


def test_deviations_are_those_of_the_draws():
    spread = model().spread(model().seen, everyone())
    expected = scores_of_each().std(axis=0, ddof=1)
    np.testing.assert_allclose(spread.deviations(), expected, rtol=2e-3, atol=1e-4)
    at, items = np.array([3, 0, 3]), np.array([1, 29, 7])
    np.testing.assert_allclose(spread.pair_deviations(at, items), expected[at, items], rtol=2e-3, atol=1e-4)
    some = spread[2:4]
    assert len(some) == 2
    np.testing.assert_allclose(some.deviations(), expected[2:4], rtol=2e-3, atol=1e-4)
    assert spread.noise == pytest.approx(model().noise.mean())


def test_a_draw_is_one_of_the_draws_for_each_user():
    spread = model().spread(model().seen, everyone())
    each, seen = scores_of_each(), set()
    for seed in (0, 1):
        drawn = model().scores(spread.draw(seed))
        away = np.abs(each - drawn).max(axis=2)  # (S, users)
        assert away.min(axis=0).max() < 1e-3
        seen.add(tuple(away.argmin(axis=0)))
        assert model().scores(spread.draw(seed)).tobytes() == drawn.tobytes()
    assert len(seen) == 2
    assert len({draw for which in seen for draw in which}) > 6


def test_the_same_deviations_for_any_number_of_threads():
    found = []
    for count in (1, 2):
        set_threads(count)
        found.append(model().spread(model().seen, everyone()).deviations().tobytes())
    set_threads(None)
    assert found[0] == found[1]


def test_a_stranger_is_less_sure_than_a_known_user_and_nothing_tells_least():
    m = model()
    empty = Csr(
        indptr=np.zeros(3, np.int64),
        indices=np.zeros(0, np.int32),
        values=np.zeros(0, np.float32),
        n_columns=30,
    )
    nobody = m.spread(empty, None).deviations()
    most = np.argsort(-m.seen.counts)[:2]
    known = m.spread(m.seen.rows(most), most).deviations()
    strangers = m.spread(m.seen.rows(most), None).deviations()
    assert nobody.mean() > 1.2 * known.mean()
    assert strangers.mean() == pytest.approx(known.mean(), rel=0.3)


@pytest.mark.parametrize("last", [3, 7, 8, 9, 10])
def test_draws_stand_beside_their_own_hyperparameters_wherever_a_fit_stops(last):
    def stopped(samples):
        recipe = BayesianMF(rank=2, burn_in=6, samples=samples, thinning=1)
        return recipe.fit(log(), watch=lambda state, _: state.epoch >= last)

    few, many = stopped(4), stopped(50)  # the chain is the same; the slots of the many never come round
    count = len(few.noise)
    assert count == min(4, len(many.noise))
    assert few.user_draws.tobytes() == many.user_draws[-count:].tobytes()
    for a, b in (
        (few.noise, many.noise),
        (few.fold.user_prior.means, many.fold.user_prior.means),
        (few.fold.item_prior.precisions, many.fold.item_prior.precisions),
    ):
        assert a.tobytes() == b[-count:].tobytes()
    assert kept_of(np.arange(3.0), np.array([1, 2, 0]), few.history).tolist() == [1, 2, 0]


def test_new_items_are_drawn_by_their_names():
    rows = [(u, i, v) for i in ("new", "other") for u, v in ((0, 5.0), (3, 1.0), (7, 4.0))]

    def grown(names):
        chosen = [row for row in rows if row[1] in names]
        users = [model().users.to_list()[u] for u, _, _ in chosen]
        more = Interactions.from_codes(
            np.arange(len(chosen)) % 3, [names.index(i) for _, i, _ in chosen], [v for _, _, v in chosen],
            user_ids=users[:3], item_ids=names,
        )  # fmt: skip
        found = model().with_items(more)
        return found.item_draws[:, found.items.code("new")]

    np.testing.assert_array_equal(grown(["new"]), grown(["other", "new"]))


def test_a_training_user_with_another_history_is_folded_in():
    m = model()
    shorter = m.seen.rows([0])
    shorter = Csr(
        indptr=np.array([0, 1]), indices=shorter.indices[:1], values=shorter.values[:1], n_columns=30
    )
    assert (
        m.spread(shorter, np.array([0])).deviations().tobytes()
        == m.spread(shorter, None).deviations().tobytes()
    )
    assert m.spread(m.seen.rows([0]), np.array([0])).draws.tobytes() == m.user_draws[:, :1].tobytes()


def test_similar_items_are_alike_in_their_vectors_not_in_their_biases():
    m = model()
    vectors = m.item_draws[..., :-2].transpose(1, 0, 2).reshape(30, -1)
    unit = vectors / np.linalg.norm(vectors, axis=1, keepdims=True)
    wanted = unit @ unit[4]
    wanted[4] = -np.inf
    codes, cosines = m.similar_codes(4, 3)
    assert codes.tolist() == np.argsort(-wanted)[:3].tolist()
    np.testing.assert_allclose(cosines, np.sort(wanted)[::-1][:3], rtol=1e-4)


def test_histories_without_values_are_refused_with_the_mend():
    one = Csr.from_pairs([0], [2], shape=(1, 30))
    for ask in (model().fold_in, lambda h: model().spread(h, None)):
        with pytest.raises(DataError, match="values") as error:
            ask(one)
        assert "values=[" in error.value.mend
    with pytest.raises(ConfigError, match="attributes"):
        model().recommend_new({"gender": "F"})


def test_more_users_and_more_items_are_taken_in_and_saved(tmp_path):
    m = model()
    more = Interactions.from_codes([0, 0, 1], [1, 2, 5], [5, 4, 1], user_ids=["x", "y"], item_ids=m.items.ids)
    names = BayesianMF(rank=2, burn_in=2, samples=2, thinning=1)
    text = Interactions.from_codes(
        log().user_codes,
        log().item_codes,
        log().values,
        user_ids=[f"u{c}" for c in range(50)],
        item_ids=m.items.ids,
    )
    few = names.fit(text)
    grown = few.with_users(more)
    assert grown.user_draws.shape == (2, 52, 4)
    assert grown.user_draws[:, :50].tobytes() == few.user_draws.tobytes()
    folded = few.scores(few.fold_in(grown.seen.rows([50, 51])))
    np.testing.assert_allclose(grown.scores(grown.known(np.array([50, 51]))), folded, atol=1e-5)
    rows = Interactions.from_codes(
        [0, 1, 2], [0, 0, 1], [5, 4, 1], user_ids=["u0", "u1", "u2"], item_ids=[900, 901]
    )
    wider = grown.with_items(rows)
    assert wider.item_draws.shape == (2, 32, 4)
    assert np.isfinite(wider.scores(wider.known(np.arange(52)))).all()
    assert (wider.item_draws[..., -2] == 1).all()
    wider.save(tmp_path / "model")
    back = load(tmp_path / "model")
    assert back.user_draws.tobytes() == wider.user_draws.tobytes()
    assert back.fold_in(wider.seen).factors.tobytes() == wider.fold_in(wider.seen).factors.tobytes()


def test_new_items_rows_are_near_what_training_with_them_gives():
    """Items left out and put back by their ratings score as those of the fit that had them."""
    whole = simulate_log(users=80, items=40, interactions=1000, shape="ratings", seed=2).log
    late = whole.item_codes >= 34
    recipe = BayesianMF(rank=2, burn_in=10, samples=20, thinning=1)
    first = recipe.fit(whole.take(np.flatnonzero(~late)))
    rows = whole.take(np.flatnonzero(late))
    there = first.users.encode(rows.users.ids)[1]
    rows = rows.take(np.flatnonzero(there[rows.user_codes]))
    grown = first.with_items(rows)
    held = grown.predict(
        rows.users.decode(rows.user_codes).to_pylist(), rows.items.decode(rows.item_codes).to_pylist()
    )
    error = np.sqrt(np.mean((np.array(held["score"]) - rows.values) ** 2))
    assert error < 0.9 * rows.values.std()
