"""DeepMF against its equations by hand, its starts, and that it learns."""

from __future__ import annotations

import numpy as np
import pytest
from by_hand import deep_mf as by_hand

import matweave as mw
from matweave.data.interactions import Interactions
from matweave.deep import functional, torch
from matweave.errors import ConfigError, DataError
from matweave.neural.deep_mf import LEAST, DeepMF, DeepMFStructure, Tower, UserTower


def layers_of(tower):
    return [(m.weight.detach().double().numpy(), m.bias.detach().double().numpy()) for m in tower.layers]


def rows(n, columns, seed=0):
    rng = np.random.default_rng(seed)
    return np.where(rng.random((n, columns)) < 0.4, rng.integers(1, 6, (n, columns)), 0).astype(np.float64)


def test_the_tower_and_the_scores_are_those_of_the_equations():
    torch.manual_seed(0)
    user, item = Tower(6, (9, 8, 16)), Tower(7, (9, 8, 16))
    y = rows(7, 6) + 1
    p = by_hand.tower(y, user.first.detach().double().numpy(), layers_of(user))
    q = by_hand.tower(y.T, item.first.detach().double().numpy(), layers_of(item))
    with torch.no_grad():
        mine = user.rest(torch.from_numpy(y).float() @ user.first)
        other = item.rest(torch.from_numpy(y.T.copy()).float() @ item.first)
    np.testing.assert_allclose((mine @ other.T).numpy(), by_hand.cosines(p, q), rtol=1e-4, atol=1e-5)


def test_the_loss_is_the_normalised_cross_entropy():
    scores = torch.tensor([0.0, 0.3, 1.0, 0.7])
    labels = torch.tensor([0.2, 0.0, 1.0, 0.8])
    mine = functional.binary_cross_entropy(scores.clamp(LEAST, 1 - LEAST), labels)
    assert mine.item() == pytest.approx(by_hand.loss(scores.numpy(), labels.numpy()), rel=1e-3)


def test_a_served_row_is_the_tower_over_the_history():
    torch.manual_seed(1)
    structure = DeepMFStructure(items=6, widths=(5, 3))
    module = structure.build()
    assert isinstance(module, UserTower)
    y = rows(4, 6, seed=3)
    log = Interactions.from_codes(*np.nonzero(y), y[np.nonzero(y)], n_users=4, n_items=6)
    with torch.no_grad():
        found = module.encode(*(torch.from_numpy(a) for a in structure.inputs(log.by_user, None)))
        wanted = module.tower.rest(torch.from_numpy(y).float() @ module.tower.first)
    torch.testing.assert_close(found, wanted)


def test_gradients_reach_every_weight_of_both_towers():
    log = mw.simulate_log(users=40, items=30, interactions=400, seed=0).log
    one = DeepMF(rank=4, width=8, layers=3, epochs=1, batch_size=4000, device="cpu")
    states = []
    one.fit(log, watch=lambda s, _: states.append(s.arrays))
    moments = {n: a for n, a in states[0].items() if n.endswith("exp_avg")}
    assert len(moments) == 2 * (1 + 2 * 2)
    for name, moment in moments.items():
        assert np.abs(moment).max() > 0, name


def test_scores_lie_between_0_and_1_and_beat_popularity():
    log = mw.simulate_log(users=300, items=120, interactions=9000, rank=4, seed=1).log
    split = mw.split_randomly(log, test=0.2, valid=0.0, seed=0)
    model = DeepMF(rank=16, width=64, epochs=20, batch_size=8000, device="cpu", seed=0).fit(split.train)
    table = model.scores(model.known(np.arange(20)))
    assert table.min() >= -1e-6
    assert table.max() <= 1 + 1e-5
    ours, popular = (
        mw.evaluate(m, split.test, metrics=["ndcg@10"], resamples=10).metrics["ndcg@10"].mean
        for m in (model, mw.Popularity().fit(split.train))
    )
    assert ours > popular


def test_the_first_layers_start_from_factors():
    log = mw.simulate_log(users=60, items=40, interactions=600, seed=0).log
    factors = mw.ImplicitALS(rank=4, epochs=3).fit(log)
    tower = Tower(40, (6, 3))
    before = tower.first.std().item()
    tower.start(factors.item_factors)
    mine = tower.first[:, :4].detach().numpy()
    np.testing.assert_allclose(
        mine / mine.std(), factors.item_factors / factors.item_factors.std(), rtol=1e-3
    )
    assert mine.std() == pytest.approx(before, rel=0.02)
    plain, started = (
        DeepMF(rank=4, width=8, epochs=1, device="cpu").fit(log, init=init) for init in (None, factors)
    )
    assert not np.array_equal(plain.item_factors, started.item_factors)


@pytest.mark.parametrize("values", [[-1.0, 2.0], [0.0, 0.0]])
def test_values_that_cannot_be_tastes_are_refused(values):
    with pytest.raises(DataError, match="from 0 up"):
        DeepMF(device="cpu").fit(Interactions.from_codes([0, 1], [0, 1], values))


def test_widths_are_checked():
    with pytest.raises(ConfigError, match="layers is 1"):
        DeepMF(layers=1)
