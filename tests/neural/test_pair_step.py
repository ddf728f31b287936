"""The compiled step against autograd over the modules' own operators, and against slopes where it drops."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pytest

from matweave.deep import nn, torch
from matweave.neural import gmf, neu_mf, pair_step
from matweave.neural.gmf import GMFNet
from matweave.neural.neu_mf import NeuMFNet, NeuMFStructure
from matweave.threads import set_threads


@pytest.fixture(autouse=True)
def _threads() -> Iterator[None]:
    yield
    set_threads(None)


def a_net(layers: int | None, dropout: float = 0.0) -> nn.Module:
    torch.manual_seed(1)
    if layers is None:
        net = GMFNet(20, 15, 6, False, None)
    else:
        structure = NeuMFStructure(rank=6, mlp_rank=5, width=16, layers=layers, dropout=dropout)
        net = NeuMFNet(20, 15, structure, None)
    with torch.no_grad():
        for p in net.parameters():
            p.normal_(std=0.5)
    return net


def a_batch(b: int = 50, k: int = 3):
    rng = np.random.default_rng(2)
    return tuple(
        torch.from_numpy(a) for a in (rng.integers(0, 20, b), rng.integers(0, 15, b), rng.integers(0, 15, (b, k)))
    )  # fmt: skip


def found(net: nn.Module, batch, regularization: float) -> dict[str, np.ndarray]:
    net.zero_grad()
    loss = net(*batch, regularization)
    loss.backward()
    gradients = {n: np.array(p.grad.numpy()) for n, p in net.named_parameters() if p.grad is not None}
    assert len(gradients) == len(list(net.parameters()))
    return {"loss": np.array(loss.item()), **gradients}


@pytest.mark.parametrize("layers", [None, 1, 2, 3])
@pytest.mark.parametrize("regularization", [0.0, 0.2])
def test_loss_and_gradients_are_those_of_autograd(
    monkeypatch: pytest.MonkeyPatch, layers: int | None, regularization: float
) -> None:
    monkeypatch.setattr(pair_step, "ROWS", 64)
    net, batch = a_net(layers), a_batch()
    here = found(net, batch, regularization)
    for module in (gmf, neu_mf):
        monkeypatch.setattr(module, "compiled", lambda *_: False)
    there = found(net, batch, regularization)
    assert here.keys() == there.keys()
    for name, wanted in there.items():
        np.testing.assert_allclose(here[name], wanted, rtol=2e-4, atol=2e-6, err_msg=name)


@pytest.mark.parametrize("layers", [None, 2])
def test_any_number_of_threads_gives_the_same_bits(
    monkeypatch: pytest.MonkeyPatch, layers: int | None
) -> None:
    monkeypatch.setattr(pair_step, "ROWS", 32)
    net, batch, runs = a_net(layers, dropout=0.3), a_batch(), []
    for threads in (1, 2, 3):
        set_threads(threads)
        torch.manual_seed(4)
        runs.append(found(net, batch, 0.1))
    for name, wanted in runs[0].items():
        assert all(run[name].tobytes() == wanted.tobytes() for run in runs), name


def test_with_dropout_the_gradient_is_the_slope_of_the_loss_under_the_same_draws() -> None:
    net, (users, positives, negatives) = a_net(3, dropout=0.4), a_batch(20)
    items = torch.cat([positives[:, None], negatives], 1).numpy()
    head = net.head
    p, q, p_tower, q_tower = (t.weight for t in (net.users, net.items, net.tower_users, net.tower_items))
    deeper = [w for layer in head.tower for w in layer.parameters()]
    weights = (p, q, head.product, head.last.bias, p_tower, q_tower, head.of_user, head.of_item.weight,
               head.of_item.bias, head.last.weight, *deeper)  # fmt: skip
    arrays = [w.detach().numpy().copy() for w in weights]

    def value() -> float:
        return pair_step._step(users.numpy(), items, 0.1, 0.4, 77, arrays)[0]

    gradients = pair_step._step(users.numpy(), items, 0.1, 0.4, 77, arrays)[1]
    rng = np.random.default_rng(3)
    for at, gradient in enumerate(gradients):
        direction = rng.standard_normal(gradient.shape).astype(np.float32)
        was = arrays[at].copy()
        arrays[at] = was + np.float32(2e-4) * direction
        up = value()
        arrays[at] = was - np.float32(2e-4) * direction
        down = value()
        arrays[at] = was
        assert float((gradient * direction).sum()) == pytest.approx((up - down) / 4e-4, rel=0.03, abs=3e-4), (
            at
        )


def test_what_is_dropped_is_drawn_anew_each_step_and_not_in_eval_mode() -> None:
    net, batch = a_net(2, dropout=0.5), a_batch()
    torch.manual_seed(0)
    first, second = net(*batch, 0.0).item(), net(*batch, 0.0).item()
    torch.manual_seed(0)
    assert net(*batch, 0.0).item() == first != second
    net.eval()
    assert net(*batch, 0.0).item() == net(*batch, 0.0).item()


def test_gradients_are_scaled_by_what_comes_from_above() -> None:
    net, batch = a_net(2), a_batch()
    plain = found(net, batch, 0.0)
    net.zero_grad()
    (3 * net(*batch, 0.0)).backward()
    for name, p in net.named_parameters():
        assert p.grad is not None
        np.testing.assert_allclose(p.grad.numpy(), 3 * plain[name], rtol=1e-5, atol=1e-9)


def test_low_rank_tables_and_doubles_go_by_torchs_operators() -> None:
    structure = NeuMFStructure(rank=6, mlp_rank=5, width=8, layers=2, dropout=0.0)
    low = NeuMFNet(20, 15, structure, 2)
    assert not pair_step.compiled(low.users, a_batch()[0])
    assert not pair_step.compiled(a_net(None).double().users)
    assert not pair_step.compiled(torch.empty(1, device="meta"))
    assert np.isfinite(low(*a_batch(), 0.0).item())
