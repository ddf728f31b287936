"""Square tables with names, and matrices that are said to have no direction."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

import matweave as mw
from matweave.data.delimited_text import DelimitedText
from matweave.data.relation_matrices import from_matrices
from matweave.data.relation_squares import is_square, mirrored_matrix, read_square, square_frame
from matweave.errors import ConfigError, DataError


def opened(folder: Path, text: str) -> tuple[DelimitedText, tuple[str, ...]]:
    path = folder / "trade.csv"
    path.write_text(text)
    found = DelimitedText.open(path)
    return found, found.head()[0]


@pytest.mark.parametrize("corner", [",a,b", "from,a,b", "a,b"])
def test_a_square_table_is_its_matrix(tmp_path: Path, corner: str) -> None:
    text, first = opened(tmp_path, f"{corner}\na,0,1.5\nb,,2\n")
    assert is_square(first, text.head()[1:], len(text.starts))
    found = read_square(text, first, "trade.csv")
    np.testing.assert_array_equal(found.slices()[0].toarray(), [[0, 1.5], [0, 2]])
    assert found.entities.to_list() == ["a", "b"]
    assert found.missing is not None
    assert found.missing.tolist() == [2]


def test_rows_of_other_names_and_cells_that_are_no_numbers_are_named(tmp_path: Path) -> None:
    text, first = opened(tmp_path, ",a,b\nb,0,1\na,1,2\n")
    assert not is_square(first, text.head()[1:], len(text.starts))
    with pytest.raises(DataError, match="line 2 is 'b', column 2 is 'a'"):
        read_square(text, first, "trade.csv")
    text, first = opened(tmp_path, ",a,b\na,0,x\nb,1,2\n")
    with pytest.raises(DataError, match="line 2, 'b': 'x'"):
        read_square(text, first, "trade.csv")


def test_a_frame_is_a_matrix_where_its_index_holds_the_names_of_its_columns() -> None:
    pd = pytest.importorskip("pandas")
    square = pd.DataFrame([[0.0, 1.0], [2.0, 0.0]], index=["a", "b"], columns=["a", "b"])
    found = square_frame(square)
    assert found is not None
    assert found[1] == ["a", "b"]
    assert square_frame(square.reset_index()) is None
    assert square_frame(square.rename(index={"a": "c"})) is None
    assert square_frame(square.astype(str)) is None


def test_without_direction_a_triangle_is_completed_and_contradictions_are_refused() -> None:
    triangle = np.array([[1.0, 2.0], [0.0, 0.0]])
    made = mirrored_matrix(from_matrices(triangle))
    np.testing.assert_array_equal(made.slices()[0].toarray(), [[1, 2], [2, 0]])
    assert made.report[-1] == "undirected: 1 inverse triples added"
    whole = from_matrices(triangle + triangle.T)
    assert mirrored_matrix(whole) is whole
    with pytest.raises(DataError, match="2 cells stand there both ways"):
        mirrored_matrix(from_matrices(np.array([[0.0, 2.0], [1.0, 0.0]])))


def test_without_direction_a_cell_is_unknown_where_neither_way_is_known() -> None:
    one = mw.read_relations(np.array([[0, 2, np.nan], [0, 0, 0], [0, 0, 0.0]]), undirected=True)
    assert one.missing.tolist() == [2, 6]  # type: ignore[union-attr]
    assert one.symmetric
    two = mw.read_relations(np.array([[0, 2.0], [np.nan, 0]]), undirected=True)
    assert two.missing is None
    assert (two.heads.tolist(), two.tails.tolist()) == ([0, 1], [1, 0])


def test_a_matrix_and_names_that_mean_nothing_for_it() -> None:
    with pytest.raises(ConfigError, match="head have no meaning for a matrix"):
        mw.read_relations(np.eye(2), head="x")
    with pytest.raises(DataError, match="names of entities stand more than once"):
        mw.read_relations(np.eye(3), entities=["a", "a", "b"])
