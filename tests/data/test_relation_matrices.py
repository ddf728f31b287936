"""Matrices, tensors, graphs and tuples as relations: entries at their places, unknown cells, names."""

from __future__ import annotations

from types import SimpleNamespace

import numpy as np
import pytest
import scipy.sparse as sp

from matweave.data.relation_matrices import from_graph, from_matrices, is_graph, is_matrix, table_of_tuples
from matweave.errors import DataError

X = np.array([[0.0, 2.0, 0.0], [0.0, 0.0, 1.0], [4.0, 0.0, 3.0]])


class Graph:
    """The few members of a NetworkX graph that are asked for."""

    def __init__(self, nodes: list, edges: list, directed: bool = True) -> None:
        self.nodes, self._edges, self._directed = nodes, edges, directed

    def edges(self, data: bool) -> list:
        assert data
        return self._edges

    def is_directed(self) -> bool:
        return self._directed

    def is_multigraph(self) -> bool:
        return False


@pytest.mark.parametrize("kind", [np.asarray, sp.csr_array, sp.coo_matrix, sp.lil_array])
def test_a_matrix_and_its_sparse_forms_are_the_same_relation(kind) -> None:
    found = from_matrices(kind(X))
    np.testing.assert_array_equal(found.slices()[0].toarray(), X)
    assert found.entities.to_list() == [0, 1, 2]
    assert found.kinds.to_list() == ["relation"]


def test_several_relations_come_as_a_tensor_a_list_or_a_mapping() -> None:
    both = np.stack([X, X.T])
    for source in (both, [X, sp.csr_array(X.T)], {0: X, 1: X.T}):
        found = from_matrices(source, entities=["a", "b", "c"])
        np.testing.assert_array_equal(np.stack([x.toarray() for x in found.slices()]), both)
        assert found.kinds.to_list() == [0, 1]
    assert from_matrices({"sells": X}).kinds.to_list() == ["sells"]


def test_nan_is_unknown_and_stored_zeros_are_no_triples() -> None:
    holed = X.copy()
    holed[0, 0] = np.nan
    found = from_matrices(holed)
    assert found.missing is not None
    assert found.missing.tolist() == [0]
    assert len(found) == 4
    stored = sp.coo_array((np.array([0.0, 1.0, 1.0]), ([0, 1, 1], [1, 0, 0])), shape=(2, 2))
    made = from_matrices(stored)
    assert made.strengths().tolist() == [2.0]
    assert "1 stored entries of relation 'relation' are zero" in made.report[1]
    assert from_matrices(X > 0).values is None


def test_what_is_no_set_of_square_matrices_is_told_whole() -> None:
    with pytest.raises(DataError) as caught:
        from_matrices([X, X[:2], "x"], kinds=["a", "b"], entities=["p"])
    assert caught.value.what.splitlines() == [
        "2 names for 3 relations",
        "relation 'b' has shape (2, 3), but must be square, 3 x 3",
        "1 names for 3 entities",
    ]
    with pytest.raises(DataError, match="no matrix of real numbers"):
        from_matrices([X * 1j])
    with pytest.raises(DataError, match="empty"):
        from_matrices(np.zeros((0, 0)))
    with pytest.raises(DataError, match="infinite or beyond float32, the first in row 0, column 1"):
        from_matrices(X * 1e39)


def test_a_graph_keeps_its_nodes_and_the_attributes_asked_for() -> None:
    edges = [("a", "b", {"relation": "likes", "weight": 2.0}), ("b", "a", {"relation": "knows"})]
    graph = Graph(["a", "z", "b"], edges)
    assert is_graph(graph)
    assert not is_graph(SimpleNamespace(nodes=[]))
    found = from_graph(graph, relation=None, value=None, duplicates="last")
    assert found.entities.to_list() == ["a", "z", "b"]
    assert found.to_frame().to_pylist() == [
        {"head": "a", "relation": "likes", "tail": "b", "value": 2.0},
        {"head": "b", "relation": "knows", "tail": "a", "value": 1.0},
    ]
    assert found.report[1] == "1 edges have no 'weight', and count 1"
    plain = from_graph(graph, relation="-", value="-", duplicates="last")
    assert (len(plain.kinds), plain.values) == (1, None)
    with pytest.raises(DataError, match="no edge has an attribute 'colour'; they have 'relation', 'weight'"):
        from_graph(graph, relation="colour", value=None, duplicates="last")
    with pytest.raises(DataError, match="1 of 2 edges have no attribute 'relation'"):
        from_graph(Graph(["a"], [("a", "a", {}), edges[0]]), relation=None, value=None, duplicates="last")
    with pytest.raises(DataError, match="no finite number, the first from 'a' to 'b'"):
        from_graph(
            Graph(["a", "b"], [("a", "b", {"weight": np.nan})]), relation=None, value=None, duplicates="last"
        )
    with pytest.raises(DataError, match="no edges"):
        from_graph(Graph(["a"], []), relation=None, value=None, duplicates="last")


def test_networkx_graphs_are_read_and_those_without_direction_both_ways() -> None:
    nx = pytest.importorskip("networkx")
    graph = nx.Graph()
    graph.add_weighted_edges_from([("a", "b", 2.0), ("b", "b", 5.0)])
    found = from_graph(graph, relation=None, value=None, duplicates="last")
    np.testing.assert_array_equal(found.slices()[0].toarray(), nx.to_numpy_array(graph))
    several = nx.MultiDiGraph()
    several.add_edge(1, 2, relation="x")
    several.add_edge(1, 2, relation="y")
    several.add_edge(1, 2, relation="y")
    found = from_graph(several, relation=None, value=None, duplicates="sum")
    assert found.strengths().tolist() == [1.0, 2.0]


def test_tuples_of_uneven_length_are_named() -> None:
    assert table_of_tuples([("a", "b")]).column_names == ["head", "tail"]
    assert table_of_tuples([("a", "r", "b", 2)] * 2).column_names[-1] == "value"
    with pytest.raises(DataError, match="not a tuple of 3: rows 2, 3"):
        table_of_tuples([("a", "r", "b"), ("a", "b"), "abc", ("a", "r", "b")])
    with pytest.raises(DataError, match="the head column has values of several types"):
        table_of_tuples([(1, "b"), ("a", "b")])
    with pytest.raises(DataError, match="the list is empty"):
        table_of_tuples([])
    assert not is_matrix(np.array(["a"]))
