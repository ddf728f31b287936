import sys
from pathlib import Path

import numpy as np
import pytest

from matweave.data.interactions import Interactions
from matweave.errors import ConfigError, Diverged
from matweave.factor.bpr import BPR
from matweave.threads import set_threads

SETTINGS = dict(rank=4, epochs=60, learning_rate=0.1, regularization=0.02)


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


def agreement(scores, truth, log):
    """Share of pairs of unmet items that stand in the planted order."""
    shares = []
    for u in range(len(truth)):
        free = np.setdiff1d(np.arange(truth.shape[1]), log.by_user.row(u)[0])
        s, t = scores[u, free], truth[u, free]
        pairs = np.triu_indices(len(free), 1)
        shares.append(((s[pairs[0]] > s[pairs[1]]) == (t[pairs[0]] > t[pairs[1]])).mean())
    return float(np.mean(shares))


@pytest.mark.parametrize("more", [{}, {"mode": "hogwild"}, {"sampling": "popularity"}])
def test_planted_preferences_are_found_also_among_what_was_never_taken(more):
    log, truth = planted()
    popular = np.bincount(log.item_codes, minlength=log.n_items) * 1.0
    found = agreement(everything(BPR(**SETTINGS, **more).fit(log)), truth, log)
    assert found > 0.75
    assert found > agreement(np.tile(popular, (80, 1)), truth, log) + 0.1


def test_the_objective_falls_and_is_the_mean_loss_of_a_sample():
    history = BPR(**SETTINGS).fit(planted()[0]).history
    assert len(history.objective) == 60
    assert 0.6 < history.objective[0] < np.log(2)
    assert history.objective[-1] < 0.4


def test_hogwild_on_one_thread_is_deterministic_and_resumes():
    log, _ = planted()
    set_threads(1)
    recipe, kept = BPR(rank=4, epochs=6, mode="hogwild"), []
    whole = recipe.fit(log)
    recipe.fit(log, watch=lambda state, _: kept.append(state) or state.epoch == 3)
    state = kept[-1]
    resumed = recipe.fit(log, resume=state)
    set_threads(None)
    assert np.array_equal(everything(whole), everything(resumed))
    assert not np.array_equal(everything(whole), everything(BPR(rank=4, epochs=6).fit(log)))


def test_hogwild_on_several_threads_is_as_good():
    log, truth = planted()
    set_threads(3)
    model = BPR(**SETTINGS, mode="hogwild").fit(log)
    set_threads(None)
    assert agreement(everything(model), truth, log) > 0.75


def test_without_item_bias_there_is_none():
    log, _ = planted()
    assert BPR(rank=2, epochs=2, item_bias=False).fit(log).item_bias is None
    assert BPR(rank=2, epochs=2).fit(log).item_bias.any()


def test_popularity_draws_push_popular_items_down():
    log, _ = planted()
    popular = np.argsort(-np.bincount(log.item_codes, minlength=log.n_items))[:6]
    even, weighted = (
        everything(BPR(**SETTINGS, sampling=s, popularity_exponent=1.0).fit(log))
        for s in ("uniform", "popularity")
    )
    level = [(s[:, popular] - s.mean(axis=1, keepdims=True)).mean() for s in (even, weighted)]
    assert level[1] < level[0] - 0.2


def test_exponent_zero_of_popularity_is_uniform_in_expectation():
    log, truth = planted()
    model = BPR(**SETTINGS, sampling="popularity", popularity_exponent=0.0).fit(log)
    assert agreement(everything(model), truth, log) > 0.75


def test_a_stranger_is_served_nearly_as_well_as_by_a_refit():
    log, truth = planted()
    known = log.user_codes >= 10
    rest = Interactions.from_codes(log.user_codes[known] - 10, log.item_codes[known], n_users=70, n_items=60)
    recipe, strangers = BPR(**SETTINGS), log.by_user.rows(np.arange(10))
    without = recipe.fit(rest)
    folded = agreement(without.scores(without.fold_in(strangers)), truth[:10], log)
    refitted = agreement(everything(recipe.fit(log))[:10], truth[:10], log)
    assert refitted > 0.7
    assert folded > refitted - 0.05


def test_divergence_is_told_with_the_mend():
    with pytest.raises(Diverged, match="BPR") as caught:
        BPR(learning_rate=1e20, regularization=1e20, epochs=8).fit(planted()[0])
    assert "learning_rate" in caught.value.mend


def test_settings_are_checked_all_at_once():
    with pytest.raises(ConfigError) as caught:
        BPR(rank=0, sampling="even", mode="fast")
    assert all(
        part in caught.value.what for part in ("rank is 0", "one of uniform, popularity", "deterministic")
    )


@pytest.mark.slow
@pytest.mark.data
def test_the_blocks_are_as_good_as_draws_from_all_items_on_real_data(real_data, monkeypatch):
    """ncf-ml-1m, validation cut: half the way of the chosen settings, both modes, within the noise of seeds."""
    monkeypatch.syspath_prepend(str(Path(__file__).parents[2] / "benchmarks" / "quality"))
    from ncf_linear import judge, log_of, table, validation_cut

    kept, candidates = validation_cut(table(real_data / "ncf-ml-1m" / "ml-1m.train.rating.gz"))
    sys.modules.pop("ncf_linear")
    log = log_of(kept)
    found = [judge(BPR(epochs=30, mode=mode).fit(log), candidates) for mode in ("deterministic", "hogwild")]
    assert abs(found[0][0] - found[1][0]) < 0.012
    assert abs(found[0][1] - found[1][1]) < 0.008
