import numpy as np
import pytest

from matweave.data.csr import Csr
from matweave.data.item_content import ItemContent
from matweave.data.simulate import simulate_log
from matweave.factor.bayesian_mf import BayesianMF
from matweave.factor.posterior_fold import centred, sets

LOG = simulate_log(users=50, items=30, interactions=500, shape="ratings", seed=1).log
PEOPLE = ItemContent.of(
    LOG.users.to_list(),
    attributes=[[float(c % 2), 20.0 + c if c % 5 else np.nan] for c in range(50)],
    names=["group=a", "age"],
)


@pytest.fixture(scope="module")
def models():
    recipe = {"rank": 2, "burn_in": 5, "samples": 4, "thinning": 1}
    return {
        "plain": BayesianMF(**recipe).fit(LOG),
        "implicit": BayesianMF(implicit=True, **recipe).fit(LOG),
        "both": BayesianMF(implicit=True, **recipe).fit(LOG, user_features=PEOPLE),
    }


def by_hand(model, history, attributes=None):
    """A stranger's row for every draw, (S, d): dense, from the formula of the file."""
    prior, found = model.fold.user_prior, []
    items, values = history.row(0)
    for s in range(len(model.noise)):
        y, c = model.item_draws[s, items, :-2], model.item_draws[s, items, -1]
        design = np.concatenate([y, np.ones((len(items), 1))], axis=1).astype(np.float64)
        mean = prior.means[s].copy()
        if attributes is not None:
            mean += centred(attributes, prior.attributes)[0] @ prior.weights[s]
        if prior.set_weights is not None and len(items):
            mean += prior.set_weights[s][items].sum(axis=0) / np.sqrt(len(items))
        total = prior.precisions[s] + design.T @ design / model.noise[s]
        right = prior.precisions[s] @ mean + design.T @ (values - model.mean - c) / model.noise[s]
        found.append(np.append(np.linalg.solve(total, right), 1.0))
    return np.array(found)


@pytest.mark.parametrize("kind", ["plain", "implicit", "both"])
def test_a_strangers_rows_are_the_conditional_means(models, kind):
    model = models[kind]
    history = Csr.from_pairs([0, 0, 0], [3, 9, 20], [5.0, 1.0, 4.0], shape=(1, 30))
    found = model.fold_in(history).factors.reshape(4, -1)
    np.testing.assert_allclose(found, by_hand(model, history), rtol=2e-3, atol=2e-4)


def test_attributes_move_the_mean_and_missing_ones_do_not(models):
    model = models["both"]
    history = Csr.from_pairs([0, 0], [3, 9], [5.0, 1.0], shape=(1, 30))
    told = ItemContent.of(["new"], attributes=[[1.0, 90.0]], names=["group=a", "age"])
    found = model.new_rows(told, history).factors.reshape(4, -1)
    coded = model.feature_code().values(told)
    np.testing.assert_allclose(found, by_hand(model, history, coded), rtol=2e-3, atol=2e-4)
    nothing = ItemContent.of(["new"], attributes=[[np.nan, np.nan]], names=["group=a", "age"])
    np.testing.assert_allclose(
        model.new_rows(nothing, history).factors, model.fold_in(history).factors, rtol=1e-4, atol=1e-6
    )
    assert model.recommend_new({"group": "a", "age": 30}, k=3).num_rows == 3
    both = model.recommend_for(LOG.items.to_list()[:2], values=[1, 5], attributes={"group": "a"}, k=3)
    assert both.num_rows == 3


def test_training_users_keep_their_attributes_beside_another_history(models):
    model = models["both"]
    history = Csr.from_pairs([0, 1], [3, 3], [5.0, 5.0], shape=(2, 30))
    rows = model.grown(history, np.array([7, -1])).factors
    np.testing.assert_allclose(rows[1], model.fold_in(history).factors[1], rtol=1e-5)
    assert np.abs(rows[0] - rows[1]).max() > 1e-3
    coded = model.feature_code().values(PEOPLE, LOG.users)[7:8]
    one = Csr.from_pairs([0], [3], [5.0], shape=(1, 30))
    np.testing.assert_allclose(rows[0].reshape(4, -1), by_hand(model, one, coded), rtol=2e-3, atol=2e-4)


def test_with_keys_rows_are_drawn_about_the_mean(models):
    model = models["plain"]
    history = Csr.from_pairs([0], [3], [5.0], shape=(1, 30))
    many = history.rows(np.zeros(4000, int))
    keys = np.arange(4000, dtype=np.uint64)
    draws = model.fold.users(many, model, None, keys)
    mean = model.fold.users(history, model, None)
    np.testing.assert_array_equal(draws[:, 9:10], model.fold.users(history, model, None, keys[9:10]))
    np.testing.assert_allclose(draws.mean(axis=1), mean[:, 0], atol=0.08)
    y = model.item_draws[0, 3, :-2]
    design = np.append(y, 1.0)[None, :].astype(np.float64)
    covariance = np.linalg.inv(model.fold.user_prior.precisions[0] + design.T @ design / model.noise[0])
    np.testing.assert_allclose(np.cov(draws[0, :, :-1].T), covariance, rtol=0.1, atol=0.02)


def test_raters_of_a_new_item_say_what_it_is(models):
    model, prior = models["implicit"], models["implicit"].fold.item_prior
    assert prior.set_weights.shape == (4, 50, 3)
    fresh = Csr.from_pairs([0, 0, 0], [3, 9, 20], [5.0, 1.0, 4.0], shape=(1, 50))
    keys = np.arange(3000, dtype=np.uint64)
    found = model.fold.items(fresh.rows(np.zeros(3000, int)), model, None, keys).mean(axis=1)
    users, values = fresh.row(0)
    for s in range(4):
        x, b = model.user_draws[s, users, :-2], model.user_draws[s, users, -2]
        design = np.concatenate([x, np.ones((3, 1))], axis=1).astype(np.float64)
        mean = prior.means[s] + prior.set_weights[s][users].sum(axis=0) / np.sqrt(3)
        total = prior.precisions[s] + design.T @ design / model.noise[s]
        right = prior.precisions[s] @ mean + design.T @ (values - model.mean - b) / model.noise[s]
        wanted = np.linalg.solve(total, right)
        apart = 5 * np.sqrt(np.diag(np.linalg.inv(total)) / 3000)
        assert (np.abs(found[s, [0, 1, 3]] - wanted) < apart + 1e-3).all()


def test_strangers_do_not_depend_on_each_other(models):
    for model in models.values():
        together = model.fold_in(LOG.by_user).factors
        for user in (0, 17):
            alone = model.fold_in(LOG.by_user.rows([user])).factors
            np.testing.assert_allclose(alone[0], together[user], rtol=1e-3, atol=1e-5)


def test_sets_and_centred_rows():
    assert sets(Csr.from_pairs([0, 1, 1, 1, 1], [0, 1, 2, 3, 4])).values.tolist() == [1.0, 0.5, 0.5, 0.5, 0.5]
    table = np.array([[1.0, np.nan], [3.0, 5.0]], np.float32)
    assert centred(table, None).tolist() == [[-1.0, 0.0], [1.0, 0.0]]
    assert centred(np.array([[np.nan, 7.0]], np.float32), table).tolist() == [[0.0, 2.0]]
