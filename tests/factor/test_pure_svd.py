import numpy as np
import pytest
from by_hand import pure_svd as slow

from matweave.data.interactions import Interactions
from matweave.errors import DataError
from matweave.factor.pure_svd import PureSVD
from matweave.threads import set_threads


def log_of(x):
    users, items = np.nonzero(x)
    return Interactions.from_codes(
        users, items, values=x[users, items], n_users=x.shape[0], n_items=x.shape[1]
    )


def random_table(seed=0, users=50, items=20):
    random = np.random.default_rng(seed)
    taste = random.random((users, 3)) @ np.diag([3.0, 2.0, 1.0]) @ random.random((3, items))
    return np.round(taste) * (random.random((users, items)) < 0.7)


def everybody(model):
    return model.scores(model.known(np.arange(len(model.users))))


@pytest.mark.parametrize("use_values", [False, True])
def test_scores_and_objective_equal_the_slow_twin(use_values):
    x = random_table()
    model = PureSVD(rank=3, iterations=12, use_values=use_values).fit(log_of(x))
    h = x if use_values else (x > 0).astype(float)
    np.testing.assert_allclose(everybody(model), slow.scores(h, 3), atol=2e-3)
    lost = (h**2).sum() - (slow.triplets(h, 3)[1] ** 2).sum()
    assert model.history.objective[0] == pytest.approx(lost, rel=1e-4)


def test_a_planted_rank_is_recovered():
    random = np.random.default_rng(1)
    x = random.integers(1, 4, (40, 2)) @ random.integers(1, 4, (2, 25))
    model = PureSVD(rank=2, use_values=True).fit(log_of(x))
    np.testing.assert_allclose(everybody(model), x, atol=1e-3)
    assert model.history.objective[0] < 0.05


def test_fold_in_is_exact_for_training_users():
    log = log_of(random_table(2))
    model = PureSVD(rank=4).fit(log)
    folded = model.scores(model.fold_in(log.by_user))
    np.testing.assert_allclose(folded, everybody(model), atol=1e-5)


def test_relabelled_users_and_items_give_relabelled_scores():
    x, random = random_table(3), np.random.default_rng(0)
    rows, columns = random.permutation(50), random.permutation(20)
    a, b = (everybody(PureSVD(rank=3, iterations=12).fit(log_of(t))) for t in (x, x[np.ix_(rows, columns)]))
    np.testing.assert_allclose(a[np.ix_(rows, columns)], b, atol=2e-3)


def test_scores_scale_with_the_values():
    x = random_table(4)
    a, b = (everybody(PureSVD(rank=3, use_values=True).fit(log_of(c * x))) for c in (1, 4))
    np.testing.assert_allclose(4 * a, b, rtol=1e-3, atol=1e-3)


def test_same_bits_for_any_number_of_threads_and_another_seed_only_refines():
    log = log_of(random_table(5, 600, 90))
    results = []
    for count in (1, 3):
        set_threads(count)
        results.append(PureSVD(rank=8).fit(log))
    set_threads(None)
    assert np.array_equal(results[0].item_factors, results[1].item_factors)
    assert np.array_equal(results[0].user_factors, results[1].user_factors)
    other = PureSVD(rank=3, iterations=12, seed=9).fit(log)
    first = PureSVD(rank=3, iterations=12).fit(log)
    np.testing.assert_allclose(everybody(other), everybody(first), atol=2e-2)


def test_a_rank_beyond_the_log_is_cut_to_it():
    model = PureSVD(rank=500).fit(log_of(random_table(6)))
    assert model.item_factors.shape == (20, 20)


def test_values_that_overflow_are_refused():
    log = Interactions.from_codes([0, 0, 1, 1], [0, 1, 0, 1], values=[3e38, 1, 3e38, 2e38])
    assert len(PureSVD(rank=2).fit(log).items) == 2
    with pytest.raises(DataError, match="overflow when squared"):
        PureSVD(rank=2, use_values=True).fit(log)
