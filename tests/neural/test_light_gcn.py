"""LightGCN: the loss by hand, gradients, the fold's error to the letter, a start from factors, a planted log."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from by_hand.light_gcn import loss as loss_by_hand
from by_hand.light_gcn import propagated

import matweave as mw
from matweave.data.interactions import Interactions
from matweave.deep import torch
from matweave.factor.forms import Factored
from matweave.factor.loop import FitState, Validation
from matweave.neural.light_gcn import LightGCN, LightGCNNet
from matweave.neural.propagation import Propagation

LOG = mw.simulate_log(users=40, items=25, rank=3, interactions=330, seed=2).log
ROWS = (LOG.by_user.scipy().toarray() != 0).astype(np.float64)
SMALL = LightGCN(rank=6, epochs=8, batch_size=128, learning_rate=0.01, device="cpu")


def net(rank: int, layers: int, thin: int | None = None) -> LightGCNNet:
    torch.manual_seed(0)
    made = LightGCNNet(Propagation(LOG.by_user, layers), LOG.n_users + LOG.n_items, rank, thin)
    return made.double()


def table(model: Factored) -> np.ndarray:
    return model.scores(model.known(np.arange(len(model.users))))


@pytest.mark.parametrize(("layers", "wrong", "thin"), [(1, 1, None), (3, 1, None), (3, 4, None), (2, 2, 2)])
def test_the_loss_is_the_papers(layers: int, wrong: int, thin: int | None) -> None:
    module, rng = net(5, layers, thin), np.random.default_rng(1)
    users, items = LOG.user_codes[:9].astype(np.int64), LOG.item_codes[:9].astype(np.int64)
    negatives = rng.integers(0, LOG.n_items, (9, wrong))
    tensors = [torch.from_numpy(a) for a in (users, items, negatives)]
    start = module.table.whole().detach().numpy()
    triples = [(int(u), int(i), n.tolist()) for u, i, n in zip(users, items, negatives, strict=True)]
    for regularization in (0.0, 0.7):
        found = module(*tensors, regularization).item()
        wanted = loss_by_hand(ROWS, start, layers, triples, regularization)
        assert found == pytest.approx(wanted, rel=1e-10)


@pytest.mark.parametrize("thin", [None, 2])
def test_the_gradient_is_the_numerical_one_and_reaches_everything(thin: int | None) -> None:
    module = net(3, 2, thin)
    batch = [torch.tensor(a) for a in ([0, 3], [1, 2], [[4, 5], [6, 0]])]
    module(*batch, 0.1).backward()
    for parameter in module.parameters():
        assert parameter.grad is not None
        flat, grad = parameter.data.view(-1), parameter.grad.view(-1)
        assert bool(grad.abs().sum() > 0)
        for at in torch.argsort(grad.abs(), descending=True)[:6].tolist():
            flat[at] += 1e-5
            above = module(*batch, 0.1).item()
            flat[at] -= 2e-5
            below = module(*batch, 0.1).item()
            flat[at] += 1e-5
            assert (above - below) / 2e-5 == pytest.approx(float(grad[at]), rel=1e-5, abs=1e-9)


def test_the_model_holds_the_propagated_vectors_and_the_fold_misses_the_users_own() -> None:
    states: list[FitState] = []
    model = SMALL.fit(LOG, watch=lambda state, _: states.append(state))
    start = states[-1].arrays["module/table.weight"]
    sent = propagated(ROWS, start, 3)
    np.testing.assert_allclose(model.user_factors, sent[: LOG.n_users], atol=1e-6)
    np.testing.assert_allclose(model.item_factors, sent[LOG.n_users :], atol=1e-6)
    folded = model.fold_in(model.seen)
    missing = start[: LOG.n_users] / 4
    np.testing.assert_allclose(folded.factors + missing, model.user_factors, atol=1e-6)
    a, b = table(model), model.scores(folded)
    assert np.mean([np.corrcoef(x, y)[0, 1] for x, y in zip(a, b, strict=True)]) > 0.9


@pytest.mark.parametrize("values", [True, False])
def test_a_stranger_is_a_user_whose_own_vector_is_zero(values: bool) -> None:
    """A log with one user more, whose own vector is zero and who moves no degree that the fold keeps."""
    model = SMALL.fit(LOG)
    history = LOG.by_user.rows(np.array([5]))
    one = model.fold_in(history if values else replace(history, values=None)).factors
    two = model.fold_in(LOG.by_user.rows(np.array([5, 5]))).factors
    np.testing.assert_allclose(np.concatenate([one, one]), two, rtol=1e-6)
    nobody = model.fold_in(LOG.by_user.rows(np.array([5]))).factors * 0
    empty = Interactions.from_codes([0], [0], n_users=2, n_items=LOG.n_items).by_user.rows(np.array([1]))
    assert np.array_equal(model.fold_in(empty).factors, nobody)


@pytest.mark.parametrize("source", [mw.ImplicitALS(rank=6, epochs=5), mw.EASE(regularization=50.0)])
def test_it_starts_from_the_scores_of_a_model(source: mw.ImplicitALS | mw.EASE) -> None:
    given = source.fit(LOG)
    first: list[np.ndarray] = []
    still = replace(SMALL, epochs=1, learning_rate=1e-9, rank=12, regularization=0.0)
    model = still.fit(LOG, init=given)
    first.append(table(model))
    wanted = given.scores(given.known(np.arange(LOG.n_users)))
    alike = [np.corrcoef(a, b)[0, 1] for a, b in zip(first[0], wanted, strict=True)]
    assert np.mean(alike) > 0.97
    cold = table(still.fit(LOG))
    assert np.mean([np.corrcoef(a, b)[0, 1] for a, b in zip(cold, wanted, strict=True)]) < 0.9


def test_planted_taste_is_found_better_than_by_popularity() -> None:
    log = mw.simulate_log(users=250, items=120, rank=4, interactions=7000, seed=5).log
    split = mw.split_randomly(log, test=0.2, valid=0.0, seed=0)
    recipe = LightGCN(rank=16, epochs=25, batch_size=1024, learning_rate=0.01, device="cpu")
    found = mw.evaluate(recipe.fit(split.train), split.test, metrics=["ndcg@10"]).metrics["ndcg@10"].mean
    plain = mw.evaluate(mw.Popularity().fit(split.train), split.test, metrics=["ndcg@10"])
    assert found > 1.1 * plain.metrics["ndcg@10"].mean


def test_a_low_rank_table_is_propagated_by_its_thin_factor() -> None:
    model = replace(SMALL, embedding_rank=2).fit(LOG)
    both = np.concatenate([model.user_factors, model.item_factors])
    assert np.linalg.matrix_rank(both, tol=1e-4 * np.linalg.norm(both)) == 2


def test_the_best_epoch_is_kept() -> None:
    looks = iter([0.1, 0.9, 0.2, 0.1, 0.0])
    check = Validation(measure=lambda model: next(looks), patience=3)
    model = SMALL.fit(LOG, validate=check)
    assert (model.history.epoch, model.history.stopped) == (2, "early stopping")
    assert table(model).tobytes() == table(replace(SMALL, epochs=2).fit(LOG)).tobytes()
