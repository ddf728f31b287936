"""GMF against its equations by hand; what it learns; where it starts; how strangers are folded in."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from by_hand import gmf as by_hand

from matweave.data.simulate import simulate_log
from matweave.deep import torch
from matweave.errors import ConfigError
from matweave.factor.implicit_als import ImplicitALS
from matweave.factor.popularity import Popularity
from matweave.neural.gmf import GMF, GMFNet, calibration, logistic, penalty
from matweave.neural.starting import start_from

QUICK = {"batch_size": 256, "learning_rate": 0.02, "device": "cpu"}


def a_log(users: int = 80, items: int = 50, interactions: int = 1200):
    return simulate_log(users=users, items=items, rank=4, interactions=interactions, newcomers=0, seed=5).log


def a_batch(users: int = 6, items: int = 9, rank: int = 3):
    torch.manual_seed(0)
    net = GMFNet(users, items, rank, True, None).double()
    with torch.no_grad():
        for p in net.parameters():
            p.copy_(torch.randn_like(p))
    rng = np.random.default_rng(1)
    return net, (rng.integers(0, users, 5), rng.integers(0, items, 5), rng.integers(0, items, (5, 2)))


def test_the_loss_is_that_of_the_equations() -> None:
    net, batch = a_batch()
    named = {name: p.detach().numpy() for name, p in net.named_parameters()}
    wanted = by_hand.loss(
        *batch,
        named["users.weight"],
        named["items.weight"],
        named["last.weight"][0],
        named["last.bias"][0],
        named["item_bias"],
        0.3,
    )
    assert net(*map(torch.from_numpy, batch), 0.3).item() == pytest.approx(wanted, rel=1e-12)


def test_gradients_are_right_and_reach_every_number() -> None:
    net, batch = a_batch()
    tensors = [torch.from_numpy(part) for part in batch]
    net(*tensors, 0.3).backward()
    for name, p in net.named_parameters():
        assert p.grad is not None
        for at in [tuple(i) for i in np.random.default_rng(2).integers(0, p.shape, (4, p.ndim))]:
            with torch.no_grad():
                was = p[at].item()
                p[at] = was + 1e-6
                up = net(*tensors, 0.3).item()
                p[at] = was - 1e-6
                down = net(*tensors, 0.3).item()
                p[at] = was
            assert p.grad[at].item() == pytest.approx((up - down) / 2e-6, abs=1e-7), name


def test_the_loss_takes_any_score() -> None:
    extreme = logistic(torch.tensor([[1e4, -1e4], [-1e4, 1e4]]))
    assert extreme.item() == pytest.approx(5e3)


def test_the_penalty_does_not_see_how_length_is_shared_with_h() -> None:
    h, p, q = torch.randn(1, 4), torch.randn(3, 4), torch.randn(3, 2, 4)
    x, y = p * h.abs().sqrt(), q * h.abs().sqrt()
    assert penalty(h, p, q).item() == pytest.approx(penalty(torch.ones(1, 4), x, y).item(), rel=1e-5)


def test_the_frozen_model_scores_as_the_network() -> None:
    log = a_log()
    recipe = GMF(rank=4, epochs=2, item_bias=True, **QUICK)
    model = recipe.fit(log)
    assert model.item_bias is not None
    u, j = 3, 7
    wanted = (
        model.user_factors[u] @ model.item_factors[j] + model.item_bias[j] + model.mean
    )  # h is in the items
    assert model.scores(model.known(np.array([u])))[0, j] == pytest.approx(wanted, rel=1e-5)
    assert recipe.fit(log).mean == model.mean != 0


def test_it_learns_a_planted_taste_better_than_popularity_tells() -> None:
    made = simulate_log(users=150, items=60, rank=3, interactions=2800, newcomers=0, seed=2)
    log = made.log
    model = GMF(rank=8, epochs=30, regularization=0.02, **QUICK).fit(log)
    rng = np.random.default_rng(0)
    drawn = rng.random(len(log)) < 0.15
    held, kept = log.take(drawn), log.take(~drawn)
    assert _above(GMF(rank=8, epochs=30, regularization=0.02, **QUICK).fit(kept), held) > (
        _above(Popularity().fit(kept), held) + 0.02
    )
    assert model.history.objective[-1] < model.history.objective[0] - 0.05


def _above(model, held) -> float:
    """Share of unseen items that stand below a held-out one: AUC."""
    known = held.recode(model.users, model.items).matrix
    scores = model.scores(model.known(np.arange(len(model.users))))
    scores[np.repeat(np.arange(len(model.users)), model.seen.counts), model.seen.indices] = -np.inf
    found = []
    for u in np.flatnonzero(known.counts):
        own = known.row(u)[0]
        rest = np.delete(scores[u], own)
        rest = rest[np.isfinite(rest)]
        found += [(rest < scores[u, j]).mean() for j in own]
    return float(np.mean(found))


def test_init_starts_from_the_models_own_ranking() -> None:
    log = a_log()
    als = ImplicitALS(rank=4, epochs=6).fit(log)
    start = start_from(als, log.users, log.items, 4, seed=0)
    net = GMFNet(log.n_users, log.n_items, 4, False, None)
    scale, offset = calibration(start, log.by_user, 4, 0)
    net.start(start, scale, offset)
    x, y, _, mean = net.frozen()
    wanted = als.scores(als.known(np.arange(log.n_users)))
    np.testing.assert_allclose(x @ y.T + mean, scale * wanted + offset, rtol=1e-3, atol=1e-3)
    assert scale > 0
    cold = GMF(rank=4, epochs=3, **{**QUICK, "learning_rate": 1e-4}).fit(log)
    warm = GMF(rank=4, epochs=3, **{**QUICK, "learning_rate": 1e-4}).fit(log, init=als)
    assert warm.history.objective[0] < cold.history.objective[0] - 0.1


def test_calibration_is_the_minimum() -> None:
    log = a_log()
    start = start_from(ImplicitALS(rank=4, epochs=6).fit(log), log.users, log.items, 4, seed=0)
    scale, offset = calibration(start, log.by_user, 3, 1)
    net = GMFNet(log.n_users, log.n_items, 4, False, None)
    users = torch.from_numpy(np.repeat(np.arange(log.n_users), log.by_user.counts))
    rng = np.random.default_rng(0)
    dense = log.by_user.scipy().toarray() > 0
    free = [rng.choice(np.flatnonzero(~dense[u]), 3) for u in users.numpy()]
    batch = users, torch.from_numpy(log.by_user.indices.astype(np.int64)), torch.from_numpy(np.array(free))

    def value(a: float, b: float) -> float:
        net.start(start, a, b)
        return net(*batch, 0.0).item()

    here = value(scale, offset)
    for a, b in ((1.15, 0.0), (0.85, 0.0), (1.0, 0.2), (1.0, -0.2)):
        assert value(scale * a, offset + b) > here - 2e-3


def test_a_stranger_is_folded_to_the_minimum_of_its_own_part() -> None:
    log = a_log()
    model = GMF(rank=4, epochs=8, regularization=0.02, weight_decay=1e-5, item_bias=True, **QUICK).fit(log)
    row = model.fold_in(log.by_user.rows(np.array([3]))).factors[0].astype(np.float64)
    items = log.by_user.row(3)[0]
    offset = model.mean + np.asarray(model.item_bias, np.float64)
    rows = 5 * len(items)
    ridge = model.fold.regularization * rows + 1e-5 * log.by_user.nnz * 5

    def value(x: np.ndarray) -> float:
        return by_hand.row_objective(x, set(items), model.item_factors.astype(np.float64), offset, 4, ridge)

    for f in range(4):
        step = np.zeros(4)
        step[f] = 1e-4
        slope = (value(row + step) - value(row - step)) / 2e-4
        assert abs(slope) < 2e-3 * value(row)
    assert value(row) < value(np.zeros(4))


def test_more_training_brings_the_rows_nearer_to_their_fold() -> None:
    log, away = a_log(), []
    for epochs in (2, 60):
        model = GMF(rank=4, epochs=epochs, regularization=0.03, **{**QUICK, "learning_rate": 0.01}).fit(log)
        trained = model.scores(model.known(np.arange(log.n_users)))
        folded = model.scores(model.fold_in(log.by_user))
        away.append(np.sqrt(np.mean((folded - trained) ** 2)) / trained.std())
    assert away[1] < 0.15 < away[0]


def test_a_low_rank_table_is_a_product_and_too_great_a_rank_is_refused() -> None:
    log = a_log()
    model = GMF(rank=6, embedding_rank=2, epochs=2, **QUICK).fit(log)
    assert np.linalg.matrix_rank(model.user_factors, tol=1e-4) <= 2
    with pytest.raises(ConfigError, match="embedding_rank"):
        GMF(rank=4, embedding_rank=4, epochs=1, **QUICK).fit(log)


def test_a_user_of_every_item_is_no_trouble() -> None:
    log = a_log(users=10, items=5, interactions=16)
    full = replace(log, values=None)
    model = GMF(rank=2, epochs=3, **QUICK).fit(full)
    everything = np.arange(5)
    assert model.recommend_for(model.items.decode(everything).to_pylist(), k=3, seen=True).num_rows == 3
