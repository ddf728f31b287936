"""Parts of relations: every triple and every cell in exactly one, entities covered, the same for the same seed."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from matweave.data.relations import Relations
from matweave.data.split_relations import fold_cells, split_relations
from matweave.errors import ConfigError, DataError


def drawn(n: int = 12, kinds: int = 3, share: float = 0.2, seed: int = 0) -> Relations:
    cells = np.flatnonzero(np.random.default_rng(seed).random(kinds * n * n) < share)
    return Relations.from_codes(cells // n % n, cells // (n * n), cells % n, n_entities=n, n_kinds=kinds)


@given(st.integers(0, 100))
def test_each_triple_is_in_one_part_and_training_knows_every_entity(seed: int) -> None:
    whole = drawn(seed=seed)
    parts = split_relations(whole, test=0.2, valid=0.1, seed=seed)
    assert parts.valid is not None
    cells = np.concatenate([parts.train.cells, parts.valid.cells, parts.test.cells])
    assert np.sort(cells).tolist() == np.sort(whole.cells).tolist()
    assert len(parts.test) == round(0.2 * len(whole))
    train = parts.train
    assert set(np.r_[train.heads, train.tails].tolist()) == set(np.r_[whole.heads, whole.tails].tolist())
    assert set(train.relations.tolist()) == set(whole.relations.tolist())
    assert train.entities is whole.entities
    again = split_relations(whole, test=0.2, valid=0.1, seed=seed)
    assert again.test.cells.tolist() == parts.test.cells.tolist()


def test_uncovered_splits_are_plain_shares_and_small_ones_are_told_or_refused() -> None:
    ring = Relations.from_codes(range(10), None, [*range(1, 10), 0])
    plain = split_relations(ring, test=0.2, valid=0.0, covered=False)
    assert (len(plain.train), plain.valid, len(plain.test)) == (8, None, 2)
    some = split_relations(ring, test=0.4, valid=0.4, seed=3)
    assert "parts are smaller than asked for (4 test, 4 valid)" in str(some)
    pairs = Relations.from_codes([0, 2], None, [1, 3])
    with pytest.raises(DataError, match="of 2 triples 2 are needed"):
        split_relations(pairs)
    with pytest.raises(ConfigError, match="test"):
        split_relations(ring, test=1.5)


def test_parts_of_observed_relations_are_unknown_where_they_are_held_out() -> None:
    parts = split_relations(drawn().only_triples(), test=0.2, valid=0.0)
    assert parts.train.observed is not None
    assert not np.isin(parts.test.cells, parts.train.observed).any()


@pytest.mark.parametrize("held", ["zero", "missing"])
def test_folds_hold_every_cell_once(held: str) -> None:
    whole = drawn()
    dense = np.zeros(3 * 12 * 12, np.float32)
    dense[whole.cells] = 1
    seen = []
    for fold in fold_cells(whole, 5, held=held, seed=1):
        seen.append(fold.cells)
        np.testing.assert_array_equal(fold.values, dense[fold.cells])
        rest = dense.copy()
        rest[fold.cells] = 0
        assert np.sort(fold.train.cells).tolist() == np.flatnonzero(rest).tolist()
        if held == "missing":
            assert fold.train.missing is not None
            assert fold.train.missing.tolist() == fold.cells.tolist()
        else:
            assert fold.train.missing is None
    assert np.sort(np.concatenate(seen)).tolist() == list(range(len(dense)))
    assert max(map(len, seen)) - min(map(len, seen)) <= 1


def test_folds_are_of_the_known_cells_only() -> None:
    whole = drawn()
    only = list(fold_cells(whole.only_triples(), 4, held="missing"))
    assert sum(len(fold.cells) for fold in only) == len(whole)
    assert all((fold.values == 1).all() for fold in only)
    assert all(len(fold.train.observed) == len(fold.train) for fold in only)  # type: ignore[arg-type]
    free = np.setdiff1d(np.arange(432), whole.cells)[:100]
    holed = Relations.from_codes(
        whole.heads, whole.relations, whole.tails, n_entities=12, n_kinds=3, missing=free
    )
    folds = list(fold_cells(holed, 4, held="missing"))
    assert sum(len(fold.cells) for fold in folds) == 332
    assert all(len(fold.train.missing) == 100 + len(fold.cells) for fold in folds)  # type: ignore[arg-type]


def test_folds_that_cannot_be_are_refused() -> None:
    pair = Relations.from_codes([0], None, [1])
    with pytest.raises(ConfigError, match="folds is 1"):
        fold_cells(pair, 1)
    with pytest.raises(ConfigError, match="held is 'zeros'"):
        fold_cells(pair, 2, held="zeros")
    with pytest.raises(DataError, match="4 known cells do not fill 5 folds"):
        fold_cells(pair, 5)


def test_a_triple_and_its_inverse_go_to_one_part() -> None:
    rng = np.random.default_rng(0)
    heads, tails = rng.integers(0, 40, (2, 200))
    both = Relations.from_codes(np.append(heads, tails), None, np.append(tails, heads), duplicates="last")
    assert both.symmetric
    parts = split_relations(both, test=0.2, valid=0.1, seed=1)
    train = set(zip(parts.train.heads.tolist(), parts.train.tails.tolist(), strict=True))
    assert not train & set(zip(parts.test.tails.tolist(), parts.test.heads.tolist(), strict=True))
    assert len(parts.train) + len(parts.test) + len(parts.valid) == len(both)  # type: ignore[arg-type]
    assert parts.test.symmetric
    assert "pairs of a triple and its inverse" in parts.report[0]
