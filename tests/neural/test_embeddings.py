"""Tables of vectors: looked up, whole and low rank, drawn with one spread, started from given values."""

from __future__ import annotations

import numpy as np
import pytest

from matweave.deep import seeded, torch
from matweave.errors import ConfigError
from matweave.neural.embeddings import EMBEDDING_RANK, Table


def drawn(n: int, width: int, **more: object) -> Table:
    with seeded(0, "table"):
        return Table(n, width, **more)  # type: ignore[arg-type]


@pytest.mark.parametrize("rank", [None, 1, 3])
def test_looking_up_is_rows_of_the_whole(rank: int | None) -> None:
    table = drawn(9, 4, rank=rank)
    codes = torch.tensor([[0, 8, 3], [3, 3, 1]])
    found = table(codes)
    assert found.shape == (2, 3, 4)
    torch.testing.assert_close(found, table.whole()[codes])


@pytest.mark.parametrize("rank", [None, 2, 8])
def test_vectors_start_with_the_spread_asked_for(rank: int | None) -> None:
    values = drawn(40_000, 16, rank=rank, std=0.3).whole().detach()
    assert float(values.std()) == pytest.approx(0.3, rel=0.02 if rank is None else 0.35)
    assert float(values.mean()) == pytest.approx(0, abs=0.02)


@pytest.mark.parametrize("rank", [None, 2])
def test_a_gradient_reaches_every_part(rank: int | None) -> None:
    table = drawn(5, 4, rank=rank)
    table(torch.arange(5)).square().sum().backward()
    assert all(p.grad is not None and bool(p.grad.abs().sum() > 0) for p in table.parameters())


def test_a_low_rank_table_holds_fewer_numbers() -> None:
    assert sum(p.numel() for p in drawn(1000, 32, rank=4).parameters()) == 4 * (1000 + 32)


@pytest.mark.parametrize("rank", [4, 9])
def test_a_rank_that_saves_nothing_is_refused(rank: int) -> None:
    with pytest.raises(ConfigError, match=f"embedding_rank is {rank}, but the vectors have only 4"):
        Table(5, 4, rank=rank)
    assert EMBEDDING_RANK(None) is None
    assert EMBEDDING_RANK(3) is None
    assert EMBEDDING_RANK(0)
    assert EMBEDDING_RANK(1.5)


def test_given_values_are_taken_as_they_are() -> None:
    values = np.random.default_rng(0).standard_normal((7, 4)).astype(np.float32)
    table = drawn(7, 4)
    table.start(values)
    assert table.whole().detach().numpy().tobytes() == values.tobytes()
    values[:] = 0  # the table holds its own copy
    assert float(table.whole().detach().abs().sum()) > 0


@pytest.mark.parametrize("shape", [(60, 8), (3, 8)])  # more vectors than numbers in one, and fewer
def test_a_low_rank_table_takes_the_best_product_of_its_rank(shape: tuple[int, int]) -> None:
    values = np.random.default_rng(1).standard_normal(shape)
    table = drawn(*shape, rank=3)
    table.start(values)
    u, s, vt = np.linalg.svd(values, full_matrices=False)
    np.testing.assert_allclose(table.whole().detach(), (u[:, :3] * s[:3]) @ vt[:3], atol=2e-6)


def test_planted_rank_is_kept_through_noise() -> None:
    rng = np.random.default_rng(2)
    planted = rng.standard_normal((500, 3)) @ rng.standard_normal((3, 16))
    noise = 0.1 * rng.standard_normal(planted.shape)
    table = drawn(500, 16, rank=3)
    table.start(planted + noise)
    away = np.linalg.norm(table.whole().detach().numpy() - planted)
    assert away < 0.55 * np.linalg.norm(noise)  # about √(3 / 16) of it lies in the space that is kept


def test_values_of_another_shape_are_a_mistake_of_the_caller() -> None:
    with pytest.raises(ValueError, match=r"\(4, 7\) for a table of \(7, 4\)"):
        drawn(7, 4).start(np.zeros((4, 7)))
