import numpy as np
import pytest

from matweave.data.interactions import Interactions
from matweave.errors import ConfigError, Diverged
from matweave.factor.warp import WARP
from matweave.threads import set_threads

SETTINGS = dict(rank=4, epochs=20, max_sampled=10)


def planted(seed=0, users=80, items=60, each=12):
    """Users who take the items that a planted score of rank 2 sets highest, some at random; the score."""
    random = np.random.default_rng(seed)
    truth = random.normal(size=(users, 2)) @ random.normal(size=(2, items)) + 0.5 * random.normal(size=items)
    wanted = truth + 0.5 * random.gumbel(size=truth.shape)
    taken = np.argsort(-wanted, axis=1)[:, :each]
    return Interactions.from_codes(
        np.repeat(np.arange(users), each), taken.ravel(), n_users=users, n_items=items
    ), truth


def everything(model):
    return model.scores(model.known(np.arange(len(model.users))))


def best_found(scores, truth, log, k=10):
    """Share of the planted k best unmet items that stand among the k best by score."""
    shares = []
    for u in range(len(truth)):
        free = np.setdiff1d(np.arange(truth.shape[1]), log.by_user.row(u)[0])
        tops = (set(free[np.argsort(-s[u, free])[:k]]) for s in (scores, truth))
        shares.append(len(set.intersection(*tops)) / k)
    return float(np.mean(shares))


@pytest.mark.parametrize("more", [{}, {"mode": "hogwild"}, {"max_norm": 2.0, "item_bias": False}])
def test_planted_preferences_are_found_at_the_top(more):
    log, truth = planted()
    popular = np.bincount(log.item_codes, minlength=log.n_items) * 1.0
    found = best_found(everything(WARP(**SETTINGS, **more).fit(log)), truth, log)
    assert found > 0.5
    assert found > best_found(np.tile(popular, (80, 1)), truth, log) + 0.1


def test_no_vector_is_longer_than_it_may_be():
    model = WARP(**SETTINGS, max_norm=0.7).fit(planted()[0])
    for table in (model.user_factors, model.item_factors):
        lengths = np.linalg.norm(table, axis=1)
        assert 0.69 < lengths.max() < 0.7001


def test_the_objective_falls():
    objective = WARP(**SETTINGS).fit(planted()[0]).history.objective
    assert len(objective) == 20
    assert objective[-1] < 0.8 * objective[0]


def test_hogwild_on_one_thread_is_deterministic_and_differs():
    log, _ = planted()
    set_threads(1)
    a, b = (WARP(**SETTINGS, mode="hogwild").fit(log) for _ in range(2))
    set_threads(None)
    assert np.array_equal(everything(a), everything(b))
    assert not np.array_equal(everything(a), everything(WARP(**SETTINGS).fit(log)))


def test_more_draws_put_more_weight_on_the_top():
    """With one draw a found violation is always the first: L is as large as it gets, and fewer rows are stepped."""
    log, truth = planted()
    few, many = (WARP(rank=4, epochs=20, max_sampled=n).fit(log) for n in (1, 20))
    assert best_found(everything(many), truth, log) > best_found(everything(few), truth, log) - 0.05
    assert few.history.objective[-1] != many.history.objective[-1]


def test_a_stranger_is_served_nearly_as_well_as_by_a_refit():
    log, truth = planted()
    known = log.user_codes >= 10
    rest = Interactions.from_codes(log.user_codes[known] - 10, log.item_codes[known], n_users=70, n_items=60)
    recipe, strangers = WARP(**SETTINGS), log.by_user.rows(np.arange(10))
    without = recipe.fit(rest)
    folded = best_found(without.scores(without.fold_in(strangers)), truth[:10], log)
    refitted = best_found(everything(recipe.fit(log))[:10], truth[:10], log)
    assert refitted > 0.5
    assert folded > refitted - 0.1


def test_divergence_is_told_with_the_mend():
    with pytest.raises(Diverged, match="WARP") as caught:
        WARP(rank=4, learning_rate=1e30, max_norm=None, epochs=8).fit(planted()[0])
    assert "learning_rate" in caught.value.mend


def test_settings_are_checked_all_at_once():
    with pytest.raises(ConfigError) as caught:
        WARP(max_sampled=0, max_norm=0, mode="fast")
    assert all(part in caught.value.what for part in ("max_sampled is 0", "max_norm is 0", "deterministic"))
