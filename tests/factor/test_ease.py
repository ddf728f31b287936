import numpy as np
import pytest
from by_hand import ease as slow
from hypothesis import given
from hypothesis import strategies as st

import matweave.factor.ease as module
from matweave.data.csr import Csr
from matweave.data.interactions import Interactions
from matweave.errors import ConfigError, Diverged
from matweave.factor.ease import EASE, residual, solve
from matweave.factor.weights import DenseWeights


def random_table(seed, users=40, items=15, values=False):
    random = np.random.default_rng(seed)
    x = (random.random((users, items)) < 0.3).astype(np.float64)
    return x * random.integers(1, 6, x.shape) if values else x


def log_of(x, values=False):
    users, items = np.nonzero(x)
    return Interactions.from_codes(
        users, items, values=x[users, items] if values else None, n_users=x.shape[0], n_items=x.shape[1]
    )


def weights(model):
    assert isinstance(model.weights, DenseWeights)
    return model.weights.matrix


@given(st.integers(0, 500), st.floats(0.5, 1000), st.booleans())
def test_equals_the_slow_twin(seed, regularization, values):
    x = random_table(seed, values=values)
    model = EASE(regularization=regularization, use_values=values).fit(log_of(x, values))
    np.testing.assert_allclose(weights(model), slow.ease(x, regularization), atol=2e-4)


def test_no_small_change_of_a_weight_lowers_the_objective():
    x = random_table(1)
    b = slow.ease(x, 3.0)
    found = weights(EASE(regularization=3.0).fit(log_of(x))).astype(np.float64)
    best = slow.objective(x, b, 3.0)
    assert slow.objective(x, found, 3.0) == pytest.approx(best, rel=1e-6)
    random = np.random.default_rng(0)
    for _ in range(20):
        i, j = random.choice(15, 2, replace=False)
        found[i, j] += 0.05
        assert slow.objective(x, found, 3.0) > best
        found[i, j] -= 0.05


def test_scores_are_the_history_times_the_weights_and_strangers_get_the_same():
    x = random_table(2)
    log = log_of(x)
    model = EASE(regularization=5.0).fit(log)
    known = model.scores(model.known(np.arange(40)))
    np.testing.assert_allclose(known, x @ slow.ease(x, 5.0), atol=1e-4)
    np.testing.assert_array_equal(model.scores(model.fold_in(log.by_user)), known)


def test_relabelled_items_give_relabelled_weights():
    x, order = random_table(3), np.random.default_rng(1).permutation(15)
    a, b = (weights(EASE(regularization=2.0).fit(log_of(t))) for t in (x, x[:, order]))
    np.testing.assert_allclose(a[np.ix_(order, order)], b, atol=1e-5)


def test_order_of_rows_does_not_matter():
    users, items = np.nonzero(random_table(4))
    turn = np.random.default_rng(2).permutation(len(users))
    a = EASE().fit(Interactions.from_codes(users, items))
    b = EASE().fit(Interactions.from_codes(users[turn], items[turn], n_users=40, n_items=15))
    assert np.array_equal(weights(a), weights(b))


def test_values_matter_only_when_asked():
    x = random_table(5, values=True)
    plain = weights(EASE().fit(log_of(x, values=True)))
    np.testing.assert_array_equal(plain, weights(EASE().fit(log_of(x > 0))))
    assert not np.array_equal(plain, weights(EASE(use_values=True).fit(log_of(x, values=True))))


def test_a_float32_inverse_that_fails_is_made_again_in_float64():
    x = np.repeat(random_table(6, users=3000), 2, axis=1)  # every item twice: XᵀX is singular
    table = log_of(x).by_user
    regularization = 1e-4
    expected = slow.ease(x, regularization)
    np.testing.assert_allclose(solve(Csr.from_scipy(table.scipy()), regularization), expected, atol=1e-3)


def test_residual_sees_a_wrong_inverse():
    x = log_of(random_table(7)).by_user
    right = slow.ease(x.scipy().toarray(), 2.0)
    diagonal = np.diag(np.linalg.inv(x.scipy().toarray().T @ x.scipy().toarray() + 2 * np.eye(15)))
    assert residual(x, right, diagonal, 2.0) < 1e-5
    assert residual(x, right * 1.1, diagonal, 2.0) > module.RESIDUAL


def test_what_no_precision_can_invert_is_refused_with_the_mend():
    values = np.full(4, 1e18, np.float32)
    log = Interactions.from_codes([0, 0, 1, 1], [0, 1, 0, 1], values=values)
    with pytest.raises(Diverged) as caught:
        EASE(regularization=1e-3, use_values=True).fit(log)
    assert caught.value.mend == "raise regularization"


def test_a_log_of_one_item():
    model = EASE().fit(Interactions.from_codes([0, 1], [0, 0]))
    assert weights(model).tolist() == [[0.0]]


def test_settings_are_checked():
    with pytest.raises(ConfigError, match="regularization is 0"):
        EASE(regularization=0)
