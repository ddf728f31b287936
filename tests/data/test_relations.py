"""Relations: codes and cells that fit together, zeros told from unknown cells, and what the parts of them keep."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from matweave.data import relations as module
from matweave.data.relations import Relations
from matweave.data.vocabulary import Vocabulary
from matweave.errors import DataError, TooBig, UnknownId

CODES = st.lists(st.tuples(st.integers(0, 4), st.integers(0, 2), st.integers(0, 4)), max_size=20, unique=True)


class Many:
    """Stands for a vocabulary of three thousand million entities."""

    def __len__(self) -> int:
        return 3_000_000_000


def of(rows: list[tuple[int, int, int]], **more) -> Relations:
    h, r, t = np.array(rows, np.int64).reshape(-1, 3).T
    return Relations.from_codes(h, r, t, n_entities=5, n_kinds=3, **more)


@given(CODES)
def test_slices_hold_each_triple_at_its_place_and_nothing_else(rows: list[tuple[int, int, int]]) -> None:
    found = of(rows, values=np.arange(1, len(rows) + 1, dtype=np.float32))
    dense = np.zeros((3, 5, 5))
    for value, (h, r, t) in enumerate(rows, 1):
        dense[r, h, t] = value
    np.testing.assert_array_equal(np.stack([x.toarray() for x in found.slices()]), dense)
    assert found.shape == dense.shape
    h, r, t = found.places(found.cells)
    assert list(zip(h.tolist(), r.tolist(), t.tolist(), strict=True)) == rows
    np.testing.assert_array_equal(found.known_cells().values.reshape(3, 5, 5), dense)


@given(CODES, st.lists(st.integers(0, 74), unique=True))
def test_missing_cells_are_the_complement_of_observed_ones(
    rows: list[tuple[int, int, int]], lost: list[int]
) -> None:
    cells = set(of(rows).cells.tolist())
    missing = sorted(set(lost) - cells)
    observed = sorted(set(range(75)) - set(missing))
    one, other = of(rows, missing=missing).known_cells(), of(rows, observed=observed).known_cells()
    assert one.numbers.tolist() == other.numbers.tolist() == observed
    np.testing.assert_array_equal(one.values, other.values)
    assert {int(n) for n in one.numbers[one.values == 1]} == cells


def test_every_problem_is_listed_at_once() -> None:
    ids = Vocabulary(ids=pa.array([0, 1]))
    one = np.zeros(2, np.int32)
    with pytest.raises(DataError) as caught:
        Relations(
            entities=ids, kinds=ids, heads=one + 7, relations=one, tails=one - 1, observed=one, missing=one
        )
    assert caught.value.what.splitlines() == [
        "heads are not all in 0..1",
        "tails are not all in 0..1",
        "both observed and missing cells are given; one follows from the other",
    ]
    with pytest.raises(DataError, match=r"relations is float64 \(2,\).*\nvalues is float64"):
        Relations(entities=ids, kinds=ids, heads=one, relations=one + 0.0, tails=one, values=np.zeros(2))  # type: ignore[arg-type]
    with pytest.raises(DataError, match="1 values are not finite, the first at position 1"):
        Relations.from_codes([0, 1], None, [1, 0], [1.0, np.nan])


def test_cells_that_do_not_fit_the_triples_are_refused() -> None:
    with pytest.raises(DataError, match="1 triples stand in cells that observed says are not known"):
        Relations.from_codes([0], None, [1], observed=[0])
    with pytest.raises(DataError, match="1 triples stand in cells that missing says are not known"):
        Relations.from_codes([0], None, [1], missing=[1])
    with pytest.raises(DataError, match=r"distinct numbers of cells in 0\.\.3"):
        Relations.from_codes([0], None, [1], missing=[4])
    with pytest.raises(
        DataError, match=r"1 triples stand in more than one row, .*head 0, relation 0, tail 1"
    ):
        Relations.from_codes([0, 0], None, [1, 1])
    two, none = Vocabulary(ids=pa.array(["a", "b"])), np.zeros(0, np.int32)
    with pytest.raises(DataError, match="too many cells to number"):
        Relations(entities=Many(), kinds=two, heads=none, relations=none, tails=none)  # type: ignore[arg-type]


def test_ids_of_heads_and_tails_are_one_vocabulary() -> None:
    found = Relations.of(
        heads=pa.array([1, 2], pa.int32()), tails=pa.array([2, 3], pa.int64()), relations=["a", "b"]
    )
    assert found.entities.to_list() == [1, 2, 3]
    assert found.to_frame().to_pylist()[1] == {"head": 2, "relation": "b", "tail": 3}
    with pytest.raises(DataError, match="the heads are int64, the tails string"):
        Relations.of(heads=[1], tails=["1"])


def test_taking_rows_keeps_codes_and_makes_the_others_zeros_or_unknown() -> None:
    whole = of([(0, 0, 1), (1, 1, 2), (4, 2, 4)])
    part = whole.take([2, 0])
    assert (part.entities is whole.entities, part.heads.tolist(), part.observed) == (True, [4, 0], None)
    only = whole.only_triples()
    assert len(only.known_cells()) == 3
    left = only.take(np.array([True, False, True]))
    assert left.observed is not None
    assert sorted(left.observed.tolist()) == sorted(left.cells.tolist())
    known = of([(0, 0, 1)], observed=[1, 3]).take([])
    assert known.observed is not None
    assert known.observed.tolist() == [3]


def test_relations_are_selected_by_name_with_their_cells() -> None:
    whole = Relations.from_codes(
        [0, 1, 0], [0, 1, 2], [1, 0, 0], kind_ids=["a", "b", "c"], missing=[0, 5, 11]
    )
    part = whole.select(["c", "b"])
    assert part.kinds.to_list() == ["c", "b"]
    assert part.missing is not None
    assert part.missing.tolist() == [3, 5]
    assert part.to_frame().column("relation").to_pylist() == ["b", "c"]
    with pytest.raises(UnknownId, match="did you mean 'a'"):
        whole.select(["A"])


def test_symmetry_is_measured() -> None:
    pair = Relations.from_codes([0, 1, 2], None, [1, 0, 2], [2.0, 2.0, 9.0])
    assert pair.symmetric
    one_way = Relations.from_codes([0, 1], None, [1, 2])
    assert one_way.asymmetry().tolist() == [1.0]
    half = Relations.from_codes([0, 1], None, [1, 0], [2.0, 1.0])
    assert half.asymmetry()[0] == pytest.approx(1 / 5)
    assert Relations.from_codes([], None, [], n_entities=2).symmetric


def test_another_vocabulary_keeps_what_it_knows_and_counts_the_rest() -> None:
    test = Relations.of(heads=["a", "b", "x"], relations=["r", "s", "r"], tails=["b", "a", "a"])
    entities, kinds = Vocabulary(ids=pa.array(["b", "a"])), Vocabulary(ids=pa.array(["r"]))
    laid, lost = test.recode(entities, kinds)
    assert (laid.heads.tolist(), laid.tails.tolist(), lost) == ([1], [0], 2)


def test_a_large_set_of_zeros_is_not_listed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "MOST_CELLS", 24)
    with pytest.raises(TooBig, match="25 cells are known"):
        Relations.from_codes([0], None, [4]).known_cells()
    assert len(Relations.from_codes([0], None, [4], observed="triples").known_cells()) == 1


def test_frames_come_back_in_their_own_kind() -> None:
    pd = pytest.importorskip("pandas")
    found = Relations.of(heads=["a"], tails=["b"], values=[0.5], frame="pandas")
    assert isinstance(found.to_frame(), pd.DataFrame)
    assert repr(found) == "Relations(1 triples, 2 entities, 1 relation, with values)"
