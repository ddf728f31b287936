"""Strangers of a machine: ridge on the whole design for one draw, draws about the mean, the prior without a history."""

from __future__ import annotations

import numpy as np
import pytest
from by_hand.machine import predict

import matweave as mw
from matweave.data.interactions import Interactions
from matweave.factor.machine_fold import MachineFold
from matweave.factor.posterior import PosteriorModel

MADE = mw.simulate_log(users=40, items=20, rank=3, interactions=260, newcomers=0, shape="ratings", seed=1).log
LOG = Interactions.from_codes(MADE.user_codes, MADE.item_codes, MADE.values)
PEOPLE = mw.ItemContent.of(
    range(LOG.n_users),
    attributes=np.random.default_rng(0).standard_normal((LOG.n_users, 2)),
    names=["one", "two"],
)


@pytest.fixture(scope="module")
def point() -> PosteriorModel:
    return mw.FactorizationMachine(rank=2, solver="als", implicit=True, epochs=5, regularization=0.1).fit(
        LOG, user_features=PEOPLE
    )


def test_a_stranger_is_the_ridge_solution_on_the_whole_design(point: PosteriorModel) -> None:
    """All weights but the new id's stand; the score of every item is the machine's over the whole row."""
    fold = point.fold
    assert isinstance(fold, MachineFold)
    history = LOG.by_user.rows([3])
    at, values = history.row(0)
    d, n = 2, len(at)
    attributes = PEOPLE.attributes[3:4]  # type: ignore[index]
    coded = fold.coding.values(PEOPLE)[3]  # type: ignore[union-attr]
    weights = np.concatenate([fold.user_prior.features[0], fold.user_prior.set_features[0]])  # type: ignore[index]
    z = np.concatenate([coded, np.isin(np.arange(LOG.n_items), at) / np.sqrt(n)])
    root, dev = np.sqrt(fold.deviation), fold.deviation
    b, right = point.item_draws[0, :, :d] / root, point.item_draws[0, :, -1] / dev

    def score(own: np.ndarray, j: int) -> float:
        """Features: the new id, what is known, and the item as one feature with vector b."""
        row = np.concatenate([[1.0], z, [1.0]])
        w = np.concatenate([[own[d]], weights[:, d], [right[j]]])
        v = np.vstack([own[:d], weights[:, :d], b[j]])
        return predict(row[None], fold.w0[0], w, v)[0]

    # slopes by differences: the machine is linear in the new id's weights
    base = np.array([score(np.zeros(d + 1), j) for j in at])
    slopes = np.stack([[score(e, j) - s for j, s in zip(at, base, strict=True)] for e in np.eye(d + 1)], 1)
    ridge = n * np.diag(np.append(np.full(d, 0.1), 0.04))
    target = (values - point.mean) / dev - base
    own = np.linalg.solve(slopes.T @ slopes + ridge, slopes.T @ target)
    wanted = [point.mean + dev * score(own, j) for j in range(LOG.n_items)]
    rows = point.new_rows(mw.ItemContent.of([3], attributes=attributes, names=["one", "two"]), history)
    np.testing.assert_allclose(point.scores(rows)[0], wanted, rtol=1e-4)


def test_draws_lie_about_the_mean_as_the_posterior_says() -> None:
    model = mw.FactorizationMachine(rank=2, burn_in=5, samples=4, thinning=1).fit(LOG)
    fold = model.fold
    history = LOG.by_user.rows([5] * 2000)
    mean, keys = fold.users(history.rows([0]), model, None)[:, 0], np.arange(2000, dtype=np.uint64)
    drawn = fold.users(history, model, None, keys)
    np.testing.assert_array_equal(drawn[:, 7:9], fold.users(history.rows([0, 0]), model, None, keys[7:9]))
    spread = drawn.std(axis=1)
    np.testing.assert_allclose(drawn.mean(axis=1), mean, atol=float(5 * spread.max() / np.sqrt(2000)) + 1e-6)
    assert (spread[:, :-1] > 0).all()
    assert (spread[:, -1] == 0).all()  # the constant


def test_without_a_history_the_new_id_is_the_prior(point: PosteriorModel) -> None:
    empty = LOG.by_user.rows([0])
    none = type(empty)(
        indptr=np.zeros(2, np.int64),
        indices=empty.indices[:0],
        values=empty.weights()[:0],
        n_columns=LOG.n_items,
    )
    model = mw.FactorizationMachine(rank=2, burn_in=5, samples=3, thinning=1).fit(LOG)
    fold = model.fold
    assert isinstance(fold, MachineFold)
    rows = fold.users(none, model, None)[:, 0]
    wanted = fold.user_prior.mean[:, :2] * np.sqrt(fold.deviation)
    np.testing.assert_allclose(rows[:, :2], wanted, rtol=1e-5)
    assert not point.fold.users(none, point, None)[0, 0, :2].any()


def test_new_items_get_rows_and_known_attributes_stay(point: PosteriorModel) -> None:
    fold = point.fold
    rows = fold.items(LOG.by_item.rows([1]), point, None, np.ones(1, np.uint64))
    assert rows.shape == (1, 1, 4)
    assert rows[0, 0, -2] == 1.0
    assert fold.attributes(np.array([3, -1])).shape == (2, 2)  # type: ignore[union-attr]
    assert np.isnan(fold.attributes(np.array([-1]))).all()  # type: ignore[arg-type]
    wider = fold.over(LOG.n_users + 2)
    assert isinstance(wider, MachineFold)
    assert wider.known is not None
    assert len(wider.known) == LOG.n_users + 2
