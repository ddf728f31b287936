"""The encoder's form: scores by the formula, rows by blocks, weights through a folder, the tied table stored once."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import pytest

from matweave.artifact import load, save
from matweave.data.csr import Csr
from matweave.data.interactions import Interactions
from matweave.deep import Tensor, functional, nn, seeded, torch
from matweave.errors import DataError
from matweave.factor.loop import History
from matweave.factor.storage import FORMS
from matweave.neural.forms import BLOCK, EncoderModel, encoder_model
from matweave.neural.structure import Encoder, EncoderStructure

USERS, ITEMS = BLOCK + 70, 25
RNG = np.random.default_rng(7)
ROWS, COLUMNS = np.nonzero(RNG.random((USERS, ITEMS)) < 0.2)
LOG = Interactions.from_codes(ROWS, COLUMNS, RNG.integers(1, 6, len(ROWS)), n_users=USERS, n_items=ITEMS)


class Mean(Encoder):
    """The mean of a history's vectors, and a vector of each training user's own where there is one."""

    tied = ("items",)

    def __init__(self, shape: MeanStructure) -> None:
        super().__init__()
        self.items = nn.Parameter(torch.randn(shape.items, shape.rank))
        self.bias = nn.Parameter(torch.randn(shape.items)) if shape.biased else None
        self.own = nn.Parameter(torch.randn(shape.users, shape.rank))
        self.drop = nn.Dropout(0.5)

    def encode(self, *inputs: Tensor) -> Tensor:
        dense, users = inputs
        mine = functional.embedding(users.clamp(min=0), self.own) * (users >= 0)[:, None]
        return self.drop(dense @ self.items / dense.sum(1, keepdim=True).clamp(min=1) + mine)

    def item_table(self) -> tuple[Tensor, Tensor | None]:
        return self.items, self.bias


@dataclass(frozen=True, kw_only=True)
class MeanStructure(EncoderStructure):
    items: int
    users: int
    rank: int
    biased: bool
    empty: ClassVar[bool] = True

    def build(self) -> Mean:
        return Mean(self)

    def inputs(self, histories: Csr, users: np.ndarray | None) -> tuple[np.ndarray, ...]:
        SEEN.append((histories.n_rows, None if users is None else len(users)))
        codes = np.full(histories.n_rows, -1, np.int64) if users is None else users.astype(np.int64)
        return histories.scipy().toarray().astype(np.float32), codes


@dataclass(frozen=True, kw_only=True)
class NeverEmpty(EncoderStructure):
    """The same, but that it cannot take an empty history."""

    items: int
    users: int
    rank: int
    biased: bool
    empty: ClassVar[bool] = False
    build, inputs = MeanStructure.build, MeanStructure.inputs  # type: ignore[assignment]


SEEN: list[tuple[int, int | None]] = []
"""Users asked for at once, and whether by code."""


@dataclass(frozen=True, kw_only=True)
class Recipe:
    rank: int = 3


def made(
    *,
    biased: bool = True,
    live: bool = False,
    kind: Any = MeanStructure,
    log: Interactions = LOG,
    **more: Any,
) -> tuple[EncoderModel, Mean]:
    shape = kind(items=ITEMS, users=log.n_users, rank=3, biased=biased)
    with seeded(0, "weights"):
        module = shape.build().eval()
    return encoder_model(Recipe(), log, log.by_user, shape, module, History(), live=live, **more), module


def wanted(module: Mean, log: Interactions = LOG, *, own: bool = True, mean: float = 0.0) -> np.ndarray:
    y = module.items.detach().double().numpy()
    values = log.by_user.scipy().toarray().astype(np.float64)
    x = values @ y / np.maximum(values.sum(1, keepdims=True), 1)
    if own:
        x = x + module.own.detach().double().numpy()
    bias = 0 if module.bias is None else module.bias.detach().double().numpy()
    return x @ y.T + bias + mean


@pytest.mark.parametrize("biased", [True, False])
def test_scores_are_the_formula(biased: bool) -> None:
    model, module = made(biased=biased, mean=0.5)
    everyone = np.arange(USERS)
    np.testing.assert_allclose(model.scores(model.known(everyone)), wanted(module, mean=0.5), atol=1e-4)
    strangers = model.fold_in(model.seen)
    np.testing.assert_allclose(model.scores(strangers), wanted(module, own=False, mean=0.5), atol=1e-4)
    at, items = np.array([3, 0, 3]), np.array([1, 2, 24])
    found = model.pair_scores(model.known(everyone[5:9]), at, items)
    np.testing.assert_allclose(found, wanted(module, mean=0.5)[at + 5, items], atol=1e-4)


def test_users_are_encoded_by_blocks_in_their_own_order() -> None:
    model, module = made()
    codes = np.random.default_rng(0).permutation(USERS)
    SEEN.clear()
    found = model.known(codes)
    assert SEEN == [(BLOCK, BLOCK), (70, 70)]
    np.testing.assert_allclose(model.scores(found), wanted(module)[codes], atol=1e-4)
    SEEN.clear()
    assert len(model.fold_in(model.seen.rows(np.array([], int)))) == 0
    assert SEEN == []


def test_users_without_a_history_get_zero_where_the_network_cannot_take_them() -> None:
    n = LOG.n_users + 2
    log = Interactions.from_codes(LOG.user_codes, LOG.item_codes, LOG.values, n_users=n, n_items=ITEMS)
    for kind, zero in ((MeanStructure, False), (NeverEmpty, True)):
        model, module = made(kind=kind, log=log)
        rows = model.known(np.array([n - 1, 0, n - 2]))
        assert (not rows.factors[[0, 2]].any()) == zero
        np.testing.assert_allclose(model.scores(rows)[1], wanted(module, log)[0], atol=1e-4)


def test_dropout_is_off_and_the_callers_draws_go_on() -> None:
    model, _ = made()
    torch.manual_seed(5)
    before = torch.random.get_rng_state()
    first = model.scores(model.known(np.arange(9)))
    assert torch.equal(torch.random.get_rng_state(), before)
    assert model.scores(model.known(np.arange(9))).tobytes() == first.tobytes()


def test_a_frozen_form_is_a_copy_and_a_live_one_looks_at_the_module() -> None:
    (frozen, module), (live, other) = made(), made(live=True)
    was = [m.scores(m.known(np.arange(4))) for m in (frozen, live)]
    with torch.no_grad():
        for one in (module, other):
            one.own += 1
    assert np.array_equal(frozen.scores(frozen.known(np.arange(4))), was[0])
    assert not np.array_equal(live.scores(live.known(np.arange(4))), was[1])
    assert live.weights == {}


def test_bits_go_through_a_folder_and_the_tied_table_is_stored_once(tmp_path: Path) -> None:
    model, _ = made()
    assert set(model.weights) == {"own", "bias"}
    save(model, tmp_path)
    forms = {**FORMS, "EncoderModel": EncoderModel, "MeanStructure": MeanStructure}
    back = load(tmp_path, forms)
    assert isinstance(back, EncoderModel)
    rows, again = model.known(np.arange(USERS)), back.known(np.arange(USERS))
    assert again.factors.tobytes() == rows.factors.tobytes()
    assert back.scores(again).tobytes() == model.scores(rows).tobytes()
    assert back.with_frame("pandas").recommend(k=2).equals(model.with_frame("pandas").recommend(k=2))


def test_similar_items_are_by_the_cosine_of_their_vectors() -> None:
    model, _ = made()
    y = model.item_factors / np.linalg.norm(model.item_factors, axis=1, keepdims=True)
    codes, scores = model.similar_codes(4, 3)
    cosine = np.delete(y @ y[4], 4)
    np.testing.assert_allclose(scores, np.sort(cosine)[::-1][:3], atol=1e-5)
    assert 4 not in codes


def test_what_overflows_is_told() -> None:
    model, _ = made()
    wild = replace(model.seen.rows(np.array([0])), values=None)
    wild = replace(wild, values=np.full(wild.nnz, np.inf, np.float32))
    with pytest.raises(DataError, match="no finite numbers"):
        model.fold_in(wild)
