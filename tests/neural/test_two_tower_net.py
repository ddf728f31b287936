"""The towers by hand in float64, and batches that are functions of the seed and the step."""

from __future__ import annotations

import numpy as np
import pytest
from by_hand.cold_items import planted

from matweave.deep import seeded, torch
from matweave.factor.content_items import rows_of_items, with_items_of
from matweave.neural.content_encoders import content_parts
from matweave.neural.two_tower_net import Pairs, TwoTowerNet, TwoTowerServed, draw_pairs

LOG, CONTENT, COLD, _, _ = planted()
WIDE, LAID = with_items_of(LOG, CONTENT)
ROWS = rows_of_items(WIDE)


def net(content=True, **settings):
    parts = (
        content_parts(LAID, np.flatnonzero(ROWS), encoder="bag", length=8, most_words=99) if content else None
    )
    shape = dict(
        rank=4, hidden=6, width=5, dropout=0.0, id_dropout=0.0, temperature=None, embedding_rank=None
    )
    with seeded(0, "weights"):
        made = TwoTowerNet(ROWS > 0, np.log(np.maximum(ROWS, 1) / ROWS.sum()), parts, **{**shape, **settings})
    return made.double()


def by_hand(module, targets, histories, weights, codes, temperature):
    """The loss, pair by pair, from the formulas of two_tower.py."""
    content = module.content(codes).detach().numpy()
    e, c = module.items.weight.detach().numpy()[codes], module.item_bias.detach().numpy()[codes]
    k = (ROWS[codes] > 0).astype(float)
    v, b = content[:, :4] + k[:, None] * e, content[:, 4] + k * c
    if temperature:
        v = v / np.linalg.norm(v, axis=1, keepdims=True)
    first, _, last = (layer for layer in module.user)
    total = 0.0
    q = ROWS / ROWS.sum()
    for b_at in range(len(targets)):
        mean = sum(w * v[h] for h, w in zip(histories[b_at], weights[b_at], strict=True))
        hidden = np.maximum(first.weight.detach().numpy() @ mean + first.bias.detach().numpy(), 0)
        u = last.weight.detach().numpy() @ hidden + last.bias.detach().numpy()
        if temperature:
            u = u / np.linalg.norm(u) / temperature
        s = [u @ v[t] + b[t] - np.log(q[codes[t]]) for t in targets]
        rivals = [s[o] for o in range(len(targets)) if o == b_at or targets[o] != targets[b_at]]
        total -= s[b_at] - np.log(np.exp(rivals).sum())
    return total / len(targets)


@pytest.mark.parametrize("content", [True, False])
@pytest.mark.parametrize("temperature", [None, 0.3])
def test_the_loss_by_hand(content, temperature):
    module = net(content, temperature=temperature)
    with torch.no_grad():
        module.item_bias.normal_(generator=torch.Generator().manual_seed(0))
        for layer in module.user:
            if isinstance(layer, torch.nn.Linear):
                layer.weight.normal_(generator=torch.Generator().manual_seed(1))
    batch = Pairs(WIDE.by_user, batch_size=40, length=5, seed=0).batch(0, 0)
    targets, histories, weights, codes = batch
    found = module(targets, histories, weights.double(), codes).item()
    wanted = by_hand(module, *(t.numpy() for t in batch), temperature)
    assert found == pytest.approx(wanted, rel=1e-6)


def test_every_weight_gets_a_gradient():
    module = net(id_dropout=0.3, dropout=0.1)
    targets, histories, weights, codes = Pairs(WIDE.by_user, batch_size=400, length=5, seed=0).batch(0, 0)
    module(targets, histories, weights.double(), codes).backward()
    lost = {n for n, p in module.named_parameters() if p.grad is None or not p.grad.any()}
    assert lost <= {"encoder.absent"}  # every item has all parts


def test_ids_are_dropped_for_candidates_where_there_is_content():
    module = net(id_dropout=0.9)
    assert net(False, id_dropout=0.9).id_dropout == 0
    batch = Pairs(WIDE.by_user, batch_size=40, length=5, seed=0).batch(0, 0)
    batch = (*batch[:2], batch[2].double(), batch[3])
    torch.manual_seed(0)
    with torch.no_grad():
        module.items.weight.normal_()
        losses = {round(module(*batch).item(), 6) for _ in range(4)}
    assert len(losses) > 1


def test_new_items_have_their_contents_vectors_in_the_table():
    module = net()
    vectors, bias = module.table(piece=7)
    new = torch.from_numpy(np.flatnonzero(ROWS == 0))
    torch.testing.assert_close(vectors[new], module.content(new)[:, :4].detach())
    torch.testing.assert_close(bias[new], module.content(new)[:, 4].detach())
    warm = torch.tensor([3])
    torch.testing.assert_close(vectors[warm], (module.content(warm)[:, :4] + module.items(warm)).detach())


def test_served_rows_are_means_through_the_tower():
    served = TwoTowerServed(6, 3, 4, 0.0, None).eval()
    served.table = torch.randn(6, 3, generator=torch.Generator().manual_seed(0))
    rows = served.encode(torch.tensor([[1, 4], [0, 0]]), torch.tensor([[0.5, 0.5], [0.0, 0.0]]))
    torch.testing.assert_close(rows[0], served.user(served.table[[1, 4]].mean(0)))
    torch.testing.assert_close(rows[1], served.user(torch.zeros(3)))
    cosine = TwoTowerServed(6, 3, 4, 0.0, 0.1).eval()
    with torch.no_grad():
        row = cosine.encode(torch.tensor([[1]]), torch.ones(1, 1))
    assert float(row.norm()) == pytest.approx(10, rel=1e-5)


def test_batches_hold_each_row_once_with_the_users_other_items():
    seen = WIDE.by_user
    pairs = Pairs(seen, batch_size=100, length=5, seed=3)
    rows = set()
    for at in range(pairs.steps_per_epoch):
        targets, histories, weights, codes = (t.numpy() for t in pairs.batch(1, at))
        assert len(np.unique(codes)) == len(codes)
        owners = pairs._owners[pairs._order[1][at * 100 : (at + 1) * 100]]
        for b, user in enumerate(owners):
            rows.add((user, codes[targets[b]]))
            mine = seen.row(user)[0]
            read = codes[histories[b][weights[b] > 0]]
            assert set(read) <= set(mine) - {codes[targets[b]]}
            assert weights[b].sum() == pytest.approx(min(1, len(mine) - 1), abs=1e-5)
    assert len(rows) == seen.nnz
    again = Pairs(seen, batch_size=100, length=5, seed=3)
    assert all(torch.equal(a, b) for a, b in zip(again.batch(1, 2), pairs.batch(1, 2), strict=True))
    assert not torch.equal(pairs.batch(0, 2)[3], pairs.batch(1, 2)[3])


def test_short_histories_are_read_whole_and_long_ones_evenly():
    indptr, indices = np.array([0, 3, 23], np.int64), np.r_[[0, 1, 2], np.arange(3, 23)].astype(np.int32)
    targets, histories, weights, codes = draw_pairs(
        indptr, indices, np.array([1]), np.array([0]), 4, 23, np.uint64(1)
    )
    assert codes[targets].tolist() == [1]
    assert sorted(codes[histories[0][weights[0] > 0]].tolist()) == [0, 2]
    counts = np.zeros(23)
    for seed in range(500):
        targets, histories, _, codes = draw_pairs(
            indptr, indices, np.array([8]), np.array([1]), 8, 23, np.uint64(seed * 977)
        )
        np.add.at(counts, codes[histories[0]], 1)
    assert counts[8] == counts[:3].sum() == 0
    assert counts[3:][counts[3:] > 0].min() > 140  # 4,000 draws of 19 items: about 210 each
