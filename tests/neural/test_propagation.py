"""Propagation against dense matrices: forward, gradient, fewer layers, and what is sent to given vectors."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pytest
from by_hand.light_gcn import adjacency, propagated

from matweave.data.csr import Csr
from matweave.deep import torch
from matweave.neural.propagation import Propagation
from matweave.threads import set_threads

RNG = np.random.default_rng(4)
ROWS = (RNG.random((14, 9)) < 0.3).astype(np.float64)
ROWS[3], ROWS[:, 5] = 0, 0  # a user and an item without rows
LOG = Csr.from_pairs(*np.nonzero(ROWS), values=RNG.integers(1, 6, int(ROWS.sum())), shape=ROWS.shape)
START = RNG.standard_normal((23, 4))


@pytest.fixture(autouse=True)
def _threads() -> Iterator[None]:
    yield
    set_threads(None)


@pytest.mark.parametrize("layers", [1, 2, 5])
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_it_is_the_mean_over_the_layers_whatever_the_values(layers: int, dtype: torch.dtype) -> None:
    found = Propagation(LOG, layers)(torch.tensor(START, dtype=dtype))
    assert found.dtype == dtype
    np.testing.assert_allclose(found, propagated(ROWS, START, layers), atol=1e-6)


def test_users_and_items_without_rows_keep_a_share_of_their_own() -> None:
    found = Propagation(LOG, 3)(torch.tensor(START)).numpy()
    np.testing.assert_allclose(found[[3, 14 + 5]], START[[3, 14 + 5]] / 4, rtol=1e-12)


def test_the_gradient_is_the_numerical_one() -> None:
    graph = Propagation(LOG, 3)
    assert torch.autograd.gradcheck(graph, (torch.tensor(START, requires_grad=True),), fast_mode=True)
    table = torch.tensor(START, dtype=torch.float32, requires_grad=True)
    outer = RNG.standard_normal(START.shape)
    (graph(table) * torch.tensor(outer, dtype=torch.float32)).sum().backward()
    np.testing.assert_allclose(table.grad, propagated(ROWS, outer, 3), atol=1e-6)


def test_fewer_layers_are_the_same_sum_cut_short() -> None:
    graph = Propagation(LOG, 3)
    link = adjacency(ROWS)
    wanted = (START + link @ START + link @ link @ START) / 4
    np.testing.assert_allclose(graph.summed(torch.tensor(START), 2), wanted, atol=1e-6)
    np.testing.assert_allclose(graph.summed(torch.tensor(START), 0), START / 4)
    assert np.array_equal(START, START.copy())


def test_the_bits_do_not_depend_on_the_number_of_threads() -> None:
    rng = np.random.default_rng(0)
    at = np.nonzero(rng.random((900, 400)) < 0.05)
    log = Csr.from_pairs(*at, shape=(900, 400))
    table = torch.from_numpy(rng.standard_normal((1300, 16)).astype(np.float32))
    found = set()
    for threads in (1, 2, 3):
        set_threads(threads)
        found.add(Propagation(log, 2)(table).numpy().tobytes())
    assert len(found) == 1


def test_what_is_sent_to_given_vectors_is_found() -> None:
    graph = Propagation(LOG, 3)
    values, vectors = np.linalg.eigh(adjacency(ROWS))
    smooth = vectors[:, values > 0.3] @ RNG.standard_normal((int((values > 0.3).sum()), 4))
    found = graph.solved(smooth.astype(np.float32), ridge=1e-5)
    np.testing.assert_allclose(propagated(ROWS, found, 3), smooth, atol=2e-3)
    # what cannot be had stays small: Â = -1 sends to nothing
    rough = vectors[:, :1] @ np.ones((1, 4))
    assert np.abs(graph.solved(rough.astype(np.float32))).max() < 2
    assert not graph.solved(np.zeros((23, 4), np.float32)).any()
