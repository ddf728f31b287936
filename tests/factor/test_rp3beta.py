import numpy as np
import pytest
from by_hand import rp3beta as slow
from hypothesis import given
from hypothesis import strategies as st

from matweave.data.interactions import Interactions
from matweave.errors import ConfigError, DataError
from matweave.factor.rp3beta import RP3beta


def random_table(seed, users=30, items=12):
    random = np.random.default_rng(seed)
    return random.integers(1, 6, (users, items)) * (random.random((users, items)) < 0.35)


def log_of(x):
    users, items = np.nonzero(x)
    return Interactions.from_codes(
        users, items, values=x[users, items], n_users=x.shape[0], n_items=x.shape[1]
    )


def weights(model):
    return model.weights.matrix.scipy().toarray()


@given(
    st.integers(0, 300),
    st.sampled_from([0.0, 0.7, 1.0]),
    st.sampled_from([0.0, 0.6]),
    st.booleans(),
    st.booleans(),
)
def test_equals_the_slow_twin(seed, alpha, beta, normalize, use_values):
    x = random_table(seed)
    settings = {"alpha": alpha, "beta": beta, "normalize": normalize}
    model = RP3beta(neighbors=12, use_values=use_values, **settings).fit(log_of(x))
    h = x if use_values else (x > 0).astype(float)
    w = slow.rp3beta(h, 12, **settings)
    np.testing.assert_allclose(weights(model), w, rtol=1e-4, atol=1e-7)
    np.testing.assert_allclose(model.scores(model.known(np.arange(30))), h @ w, rtol=1e-4, atol=1e-6)


@given(st.integers(0, 300), st.integers(1, 5))
def test_rows_then_columns_keep_their_largest(seed, neighbors):
    x = random_table(seed)  # values make ties unlikely
    found = weights(RP3beta(neighbors=neighbors, alpha=0.9, use_values=True).fit(log_of(x)))
    wanted = slow.rp3beta(x, neighbors, 0.9, 0.6, True)
    np.testing.assert_allclose(found, wanted, rtol=1e-4)
    assert ((found > 0).sum(axis=0) <= neighbors).all()
    assert ((found > 0).sum(axis=1) <= neighbors).all()


def test_a_walk_counted_by_hand():
    """Item 0 is of users 0 and 1, item 1 of both, item 2 of user 1: from 0 through 1 to 2 in ½ · ⅓ of the walks."""
    log = Interactions.from_codes([0, 0, 1, 1, 1], [0, 1, 0, 1, 2])
    w = weights(RP3beta(alpha=1.0, beta=0.0, normalize=False).fit(log))
    np.testing.assert_allclose(w[0], [0, 1 / 2 * 1 / 2 + 1 / 2 * 1 / 3, 1 / 2 * 1 / 3], rtol=1e-6)
    punished = weights(RP3beta(alpha=1.0, beta=1.0, normalize=False).fit(log))
    np.testing.assert_allclose(punished[0], w[0] / [2, 2, 1], rtol=1e-6)


def test_rows_sum_to_one_where_nothing_is_cut():
    w = weights(RP3beta(neighbors=12).fit(log_of(random_table(1))))
    np.testing.assert_allclose(w.sum(axis=1), 1.0, rtol=1e-5)


def test_beta_moves_lists_to_rare_items():
    log = log_of(random_table(2, users=200) * (np.random.default_rng(0).random(12) < 2))
    popularity = log.by_item.counts
    means = []
    for beta in (0.0, 0.5, 1.0):
        top = RP3beta(beta=beta, normalize=False).fit(log).recommend(k=3)
        means.append(popularity[np.asarray(top["item"])].mean())
    assert means[0] > means[1] > means[2]


def test_relabelled_items_give_relabelled_scores():
    x, order = random_table(3), np.random.default_rng(0).permutation(12)
    a, b = (RP3beta(neighbors=12).fit(log_of(t)) for t in (x, x[:, order]))
    users = np.arange(30)
    np.testing.assert_allclose(a.scores(a.known(users))[:, order], b.scores(b.known(users)), rtol=1e-4)


def test_negative_values_are_refused_where_they_would_be_probabilities():
    log = Interactions.from_codes([0, 0, 1, 1], [0, 1, 0, 1], values=[1, -2, 3, 4])
    with pytest.raises(DataError, match="1 values of this log are negative"):
        RP3beta(use_values=True).fit(log)
    RP3beta().fit(log)


def test_settings_are_checked_all_at_once():
    with pytest.raises(ConfigError) as caught:
        RP3beta(neighbors=0, alpha=-1.0, beta="x")
    for name in ("neighbors is 0", "alpha is -1.0", "beta is 'x'"):
        assert name in caught.value.what
