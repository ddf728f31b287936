"""NeuMF against its equation by hand; its tower, its starts, what it learns."""

from __future__ import annotations

import numpy as np
import pytest
from by_hand import neu_mf as by_hand

from matweave.data.simulate import simulate_log
from matweave.deep import torch
from matweave.errors import ConfigError
from matweave.factor.ease import EASE
from matweave.factor.implicit_als import ImplicitALS
from matweave.neural.gmf import GMF, calibration
from matweave.neural.neu_mf import NeuMF, NeuMFHead, NeuMFNet, NeuMFStructure
from matweave.neural.starting import start_from
from matweave.train.run import arrays_of

QUICK = {"batch_size": 256, "learning_rate": 0.02, "device": "cpu"}


def a_log():
    return simulate_log(users=80, items=50, rank=4, interactions=1200, newcomers=0, seed=5).log


def a_head(layers: int) -> NeuMFHead:
    torch.manual_seed(2)
    structure = NeuMFStructure(rank=3, mlp_rank=4, width=8, layers=layers, dropout=0.0)
    head = NeuMFHead(structure)
    with torch.no_grad():
        for p in head.parameters():
            p.normal_()
    return head


@pytest.mark.parametrize("layers", [1, 2, 3])
def test_scores_are_those_of_the_equation_pair_by_pair_and_all_at_once(layers: int) -> None:
    head = a_head(layers)
    p, q = torch.randn(5, 7), torch.randn(6, 7)
    wanted = np.array(
        [
            [
                by_hand.score(
                    u.double().numpy(),
                    i.double().numpy(),
                    3,
                    **by_hand.weights(arrays_of(head), layers - 1),
                )
                for i in q
            ]
            for u in p
        ]
    )
    with torch.no_grad():
        np.testing.assert_allclose(head.every(p, q).numpy(), wanted, rtol=1e-4, atol=1e-4)
        listed = head(p, q[None].expand(5, -1, -1).contiguous())
    np.testing.assert_allclose(listed.numpy(), wanted, rtol=1e-4, atol=1e-4)


def test_gradients_pass_through_all_pairs_as_through_listed_ones() -> None:
    head = a_head(2).double()
    q = torch.randn(6, 7, dtype=torch.float64)
    x = torch.randn(3, 7, dtype=torch.float64, requires_grad=True)
    (one,) = torch.autograd.grad(head.every(x, q).sigmoid().sum(), x)
    (two,) = torch.autograd.grad(head(x, q[None].expand(3, -1, -1).contiguous()).sigmoid().sum(), x)
    torch.testing.assert_close(one, two)
    assert torch.autograd.gradcheck(lambda v: head.every(v, q), (x,))


def test_layers_get_half_as_wide_until_nothing_is_left() -> None:
    assert [p.shape for p in a_head(3).tower.parameters()] == [(4, 8), (4,), (2, 4), (2,)]
    with pytest.raises(ConfigError, match="leaves nothing"):
        NeuMF(width=4, layers=4)


def test_the_gradient_reaches_every_number_of_every_part() -> None:
    structure = NeuMFStructure(rank=3, mlp_rank=4, width=8, layers=2, dropout=0.0)
    for rank in (None, 2):
        torch.manual_seed(0)
        net = NeuMFNet(6, 5, structure, rank)
        with torch.no_grad():
            for p in net.parameters():
                p.normal_()
        every = torch.arange(6), torch.arange(6) % 5, torch.arange(12).view(6, 2) % 5
        net(*every, 0.1).backward()
        for name, p in net.named_parameters():
            assert p.grad is not None, name
            assert float(p.grad.abs().sum()) > 0, name


@pytest.mark.parametrize("kind", [ImplicitALS(rank=4, epochs=6), EASE(regularization=20.0)])
def test_init_starts_from_the_models_own_scores(kind) -> None:
    log = a_log()
    given = kind.fit(log)
    recipe = NeuMF(rank=4, mlp_rank=4, width=8, epochs=1, **{**QUICK, "learning_rate": 1e-9})
    model = recipe.fit(log, init=given)
    start = start_from(given, log.users, log.items, 4, seed=0)
    scale, offset = calibration(start, log.by_user, 4, 0)
    found = model.scores(model.known(np.arange(log.n_users)))
    np.testing.assert_allclose(found, scale * (start.users @ start.items.T) + offset, rtol=1e-3, atol=1e-3)
    assert model.item_vectors[:, 4:].std() == pytest.approx(0.1, rel=0.01)


def test_a_start_from_factors_begins_lower_and_the_tower_then_learns() -> None:
    log = a_log()
    recipe = NeuMF(rank=4, mlp_rank=4, width=8, epochs=4, **{**QUICK, "learning_rate": 0.003})
    cold, warm = recipe.fit(log), recipe.fit(log, init=GMF(rank=4, epochs=20, **QUICK).fit(log))
    assert warm.history.objective[0] < cold.history.objective[0] - 0.05
    assert np.abs(warm.weights["last.weight"]).max() > 1e-3


def test_with_the_tower_shut_it_is_gmf() -> None:
    head = a_head(2)
    with torch.no_grad():
        head.last.weight.zero_()
    p, q = torch.randn(5, 7), torch.randn(6, 7)
    with torch.no_grad():
        wanted = (p[:, :3] * head.product) @ q[:, :3].T + head.last.bias
        torch.testing.assert_close(head.every(p, q), wanted)


def test_it_learns_and_regularization_shortens_vectors() -> None:
    log = a_log()
    sizes = []
    for regularization in (0.0, 0.1):
        model = NeuMF(
            rank=4, mlp_rank=4, width=8, epochs=30, regularization=regularization, dropout=0.1, **QUICK
        ).fit(log)
        h = np.abs(model.weights["product"][0])
        sizes.append(float((h * model.item_vectors[:, :4] ** 2).sum()))
        assert model.history.objective[-1] < model.history.objective[0]
    assert sizes[1] < 0.7 * sizes[0]
    scores = model.scores(model.known(np.arange(log.n_users)))
    met = np.zeros(scores.shape, bool)
    met[log.user_codes, log.item_codes] = True
    assert scores[met].mean() > scores[~met].mean() + 0.5
