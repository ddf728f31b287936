import gzip

import numpy as np
import pytest
from by_hand import slim as slow
from hypothesis import given, settings
from hypothesis import strategies as st

from matweave.data.interactions import Interactions
from matweave.errors import ConfigError, DataError
from matweave.factor.ease import EASE
from matweave.factor.slim import SLIM
from matweave.factor.weights import SparseWeights
from matweave.threads import set_threads


def random_table(seed, users=40, items=12, values=False):
    random = np.random.default_rng(seed)
    x = (random.random((users, items)) < 0.3).astype(np.float64)
    return x * random.integers(1, 6, x.shape) if values else x


def log_of(x, values=False):
    users, items = np.nonzero(x)
    return Interactions.from_codes(
        users, items, values=x[users, items] if values else None, n_users=x.shape[0], n_items=x.shape[1]
    )


def weights(model):
    assert isinstance(model.weights, SparseWeights)
    return model.weights.matrix.scipy().toarray()


@settings(max_examples=6)
@given(
    st.integers(0, 500),
    st.sampled_from([0.5, 20.0]),
    st.sampled_from([0.0, 1.0]),
    st.booleans(),
    st.booleans(),
)
def test_equals_the_slow_twin(seed, l2, l1, nonnegative, values):
    x = random_table(seed, values=values)
    recipe = SLIM(regularization=l2, l1=l1, nonnegative=nonnegative, use_values=values, tolerance=1e-8)
    wanted = slow.slim(x, l2, l1, nonnegative)
    found = recipe.fit(log_of(x, values))
    np.testing.assert_allclose(weights(found), wanted, atol=2e-3)
    objective = slow.objective(x, wanted, l2, l1).sum()
    assert found.history.objective[0] == pytest.approx(objective, rel=1e-5)


def test_the_optimality_conditions_hold_and_no_objective_is_further_than_the_gap():
    x = random_table(1, users=60, items=14)
    for nonnegative in (True, False):
        wanted = slow.objective(x, slow.slim(x, 3.0, 1.0, nonnegative), 3.0, 1.0)
        for tolerance in (1e-2, 1e-4, 1e-6):
            recipe = SLIM(regularization=3.0, l1=1.0, nonnegative=nonnegative, tolerance=tolerance)
            w = weights(recipe.fit(log_of(x)))
            gap = tolerance * x.sum(axis=0)
            assert (slow.objective(x, w, 3.0, 1.0) - wanted <= gap + 1e-5).all()
            # the terms of the gap are violation² / 2β where a weight is free to move
            worst = slow.violation(x, w, 3.0, 1.0, nonnegative).max(axis=0)
            assert (worst**2 / (2 * 3.0) <= gap + 1e-5).all()
        assert worst.max() < 0.05
        assert (w < 0).any() != nonnegative


def test_equals_scikit_learns_elastic_net():
    linear = pytest.importorskip("sklearn.linear_model")
    x = random_table(2, users=100, items=12)
    w = weights(SLIM(regularization=4.0, l1=1.5, tolerance=1e-8).fit(log_of(x)))
    net = linear.ElasticNet(
        alpha=5.5 / 100, l1_ratio=1.5 / 5.5, positive=True, fit_intercept=False, tol=1e-10, max_iter=100_000
    )
    for j in range(12):
        others = np.delete(np.arange(12), j)
        net.fit(x[:, others], x[:, j])
        np.testing.assert_allclose(w[others, j], net.coef_, atol=1e-3)


def test_without_sign_and_l1_it_is_ease():
    x = random_table(3, users=150, items=20)
    ridge = weights(SLIM(regularization=5.0, l1=0.0, nonnegative=False, tolerance=1e-8).fit(log_of(x)))
    np.testing.assert_allclose(ridge, EASE(regularization=5.0).fit(log_of(x)).weights.matrix, atol=1e-3)


def test_a_planted_sparse_rule_is_found():
    random = np.random.default_rng(0)
    x = (random.random((3000, 8)) < 0.3).astype(np.float64)
    x[:, 7] = np.maximum(x[:, 1], x[:, 4]) * (random.random(3000) < 0.9)
    w = weights(SLIM(regularization=1.0, l1=50.0).fit(log_of(x)))[:, 7]
    assert set(np.argsort(w)[-2:]) == {1, 4}
    assert np.sort(w)[-2] > 4 * np.sort(w)[-3]


def test_more_l1_means_fewer_weights_and_enough_means_none():
    log = log_of(random_table(4, users=100))
    counts = [np.count_nonzero(weights(SLIM(l1=l1).fit(log))) for l1 in (0.0, 1.0, 5.0, 1000.0)]
    assert counts == sorted(counts, reverse=True)
    assert counts[0] > counts[-1] == 0


def test_scaled_values_with_scaled_penalties_give_the_same_weights():
    x = random_table(5, values=True)
    one = SLIM(regularization=2.0, l1=1.0, use_values=True, tolerance=1e-7).fit(log_of(x, True))
    four = SLIM(regularization=8.0, l1=4.0, use_values=True, tolerance=1e-7).fit(log_of(2 * x, True))
    np.testing.assert_allclose(weights(one), weights(four), atol=1e-4)


def test_any_number_of_threads_gives_the_same_bits():
    log = log_of(random_table(6, users=300, items=100))
    found = []
    for threads in (1, 2, 3):
        set_threads(threads)
        found.append(weights(SLIM(regularization=1.0).fit(log)).tobytes())
    set_threads(None)
    assert found[0] == found[1] == found[2]


def test_values_whose_squares_overflow_are_refused():
    log = Interactions.from_codes([0, 0, 1, 1], [0, 1, 0, 1], values=[1, 1e30, 3, 4])
    with pytest.raises(DataError, match=r"1e\+30 overflow when squared"):
        SLIM(use_values=True).fit(log)
    SLIM().fit(log)


def test_settings_are_checked_all_at_once():
    with pytest.raises(ConfigError) as caught:
        SLIM(regularization=0.0, l1=-1.0, tolerance=0.0)
    for name in ("regularization is 0.0", "l1 is -1.0", "tolerance is 0.0"):
        assert name in caught.value.what


@pytest.mark.slow
@pytest.mark.data
def test_slim_and_rp3beta_on_given_negatives(real_data):
    """NCF's split of ml-1m, 99 given negatives, as in benchmarks/quality/ncf_linear.py."""
    from matweave.factor.rp3beta import RP3beta

    folder = real_data / "ncf-ml-1m"
    tables = {}
    for part in ("train", "test"):
        with gzip.open(folder / f"ml-1m.{part}.rating.gz") as file:
            tables[part] = np.array(file.read().split(), dtype=np.int64).reshape(-1, 4)
    with gzip.open(folder / "ml-1m.test.negative.gz", "rt") as file:
        negatives = np.array([line.split("\t")[1:] for line in file], dtype=np.int32)
    train = tables["train"]
    log = Interactions.from_codes(train[:, 0], train[:, 1], n_users=6040, n_items=3706)
    candidates = np.concatenate([tables["test"][:, 1:2].astype(np.int32), negatives], axis=1)
    at = np.repeat(np.arange(6040), 100)
    for recipe, must in ((SLIM(), 0.71), (RP3beta(), 0.67)):
        model = recipe.fit(log)
        scores = model.pair_scores(model.known(np.arange(6040)), at, candidates.ravel()).reshape(-1, 100)
        above = (scores[:, 1:] > scores[:, :1]) & (candidates[:, 1:] != candidates[:, :1])
        assert (above.sum(axis=1) < 10).mean() >= must
