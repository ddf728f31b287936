"""Relations from what is no table of triples: adjacency matrices, tensors, graphs, and lists of tuples.

A matrix has a cell for each pair, heads as rows; several of them, or the first axis of a tensor, are several
relations. What is not zero is a triple with its value; NaN is an unknown cell. A graph is anything with nodes, edges
and is_directed(), as NetworkX has them; of a graph without direction each edge is two triples.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import pyarrow as pa

from matweave.data.places import Places, Problems
from matweave.data.relation_columns import directed
from matweave.data.relations import Relations
from matweave.data.vocabulary import Vocabulary
from matweave.errors import DataError, listed


def is_graph(source: Any) -> bool:
    """Whether a thing is a graph as NetworkX has them.

    >>> is_graph([])
    False
    """
    return all(hasattr(source, name) for name in ("nodes", "edges", "is_directed", "is_multigraph"))


def is_matrix(source: Any) -> bool:
    """Whether a thing is a NumPy array of numbers, or a SciPy sparse matrix.

    >>> is_matrix(np.zeros((2, 2))), is_matrix([(0, 1)])
    (True, False)
    """
    if type(source).__module__.startswith("scipy.sparse"):
        return True
    return isinstance(source, np.ndarray) and source.dtype.kind in "biuf" and source.dtype.names is None


def from_matrices(
    source: Any, *, entities: Any = None, kinds: Sequence[Any] | None = None, where: str = ""
) -> Relations:
    """From one square matrix, a tensor (relations, n, n), a sequence of matrices, or a mapping of name -> matrix.

    entities: names of the rows, which are those of the columns; None: their numbers. kinds: names of the relations; None:
    "relation" for one matrix, else their numbers. Raises DataError for what is not square, alike and of real numbers.

    >>> from_matrices(np.array([[0, 2], [np.nan, 0]])).missing.tolist()
    [2]
    """
    if isinstance(source, Mapping):
        kinds, matrices = list(source), list(source.values())
    elif isinstance(source, np.ndarray) and source.ndim == 3:
        matrices = list(source)
    elif is_matrix(source):
        matrices, kinds = [source], kinds or ["relation"]
    else:
        matrices = list(source)
    where = where or f"{len(matrices)} matrices"
    n = matrices[0].shape[0] if matrices and getattr(matrices[0], "ndim", 0) == 2 else 0
    kinds = list(range(len(matrices))) if kinds is None else list(kinds)
    problems = [f"{len(kinds)} names for {len(matrices)} relations"] if len(kinds) != len(matrices) else []
    for name, x in zip(kinds, matrices, strict=False):
        if not is_matrix(x) or x.dtype.kind not in "biuf":
            problems.append(f"relation {name!r} is no matrix of real numbers")
        elif x.shape != (n, n):
            problems.append(f"relation {name!r} has shape {x.shape}, but must be square, {n:,} x {n:,}")
    ids = np.arange(n) if entities is None else entities
    if len(ids) != n:
        problems.append(f"{len(ids):,} names for {n:,} entities")
    again = len(ids) - len({str(one) for one in ids})
    if again:
        problems.append(f"{again:,} names of entities stand more than once")
    if problems or not n:
        raise DataError(
            "\n".join(problems) or "there is no matrix, or it is empty",
            where=where,
            mend="give square matrices with the same entities as rows and columns, and a name for each",
        )
    parts, unknown, told = [], [], []
    for code, (name, x) in enumerate(zip(kinds, matrices, strict=True)):
        h, t, v = _entries(x, name, where, told)
        lost = np.isnan(v)
        unknown.append((np.int64(code) * n + h[lost]) * n + t[lost])
        parts.append((h[~lost], np.full(np.count_nonzero(~lost), code, np.int64), t[~lost], v[~lost]))
    h, r, t, v = (np.concatenate(column) for column in zip(*parts, strict=True))
    missing = np.concatenate(unknown)
    if len(missing):
        told.append(f"{len(missing):,} cells are NaN, and taken as unknown")
    return Relations.from_codes(
        h,
        r,
        t,
        None if (v == 1).all() else v,
        entity_ids=Vocabulary.of(ids)[0].ids if entities is not None else pa.array(ids),
        kind_ids=pa.array(kinds),
        missing=missing if len(missing) else None,
        report=(f"read {where}: {len(kinds):,} relation(s) over {n:,} entities; heads are the rows", *told),
    )


def _entries(x: Any, name: Any, where: str, told: list[str]) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Rows, columns and values of what is not zero."""
    if isinstance(x, np.ndarray):
        h, t = np.nonzero(x)
        v = x[h, t].astype(np.float64)
    else:
        import scipy.sparse as sp

        whole = sp.csr_array(x, copy=True)
        whole.sum_duplicates()  # what an entry stored twice means in SciPy
        stored = whole.nnz
        whole.eliminate_zeros()
        if whole.nnz < stored:
            told.append(
                f"{stored - whole.nnz:,} stored entries of relation {name!r} are zero, and are no triples"
            )
        coo = whole.tocoo()
        (h, t), v = coo.coords, coo.data.astype(np.float64)
    beyond = np.flatnonzero(~np.isnan(v) & ~(np.abs(v) <= np.finfo(np.float32).max))
    if len(beyond):
        raise DataError(
            f"{len(beyond):,} entries of relation {name!r} are infinite or beyond float32, the first in row "
            f"{h[beyond[0]]}, column {t[beyond[0]]}",
            where=where,
            mend="give finite numbers, and NaN where a cell is unknown",
        )
    return h.astype(np.int64), t.astype(np.int64), v.astype(np.float32)


def from_graph(graph: Any, *, relation: str | None, value: str | None, duplicates: str) -> Relations:
    """From a graph: its nodes are the entities, those without an edge too.

    relation: the attribute of edges that names the relation; None: "relation" where an edge has one, else one relation. value: the
    attribute of its strength; None: "weight" where an edge has one; "-": none. Edges without a value have 1, as in NetworkX.
    """
    edges = list(graph.edges(data=True))
    attributes = {name for *_, data in edges for name in data}
    kind = _attribute(relation, "relation", attributes)
    strength = _attribute(value, "weight", attributes)
    told = [f"read a {type(graph).__name__}: {len(graph.nodes):,} nodes, {len(edges):,} edges"]
    lacking = [0, 0]
    heads, tails, kinds, values = [], [], [], []
    for u, v, data in edges:
        heads.append(u)
        tails.append(v)
        if kind is not None:
            lacking[0] += kind not in data
            kinds.append(data.get(kind))
        if strength is not None:
            lacking[1] += strength not in data
            values.append(data.get(strength, 1.0))
    if lacking[0]:
        raise DataError(
            f"{lacking[0]:,} of {len(edges):,} edges have no attribute {kind!r}, which names their relation",
            where=told[0].removeprefix("read "),
            mend="give every edge one, name another (relation=...), or relation='-' for one relation",
        )
    if lacking[1]:
        told.append(f"{lacking[1]:,} edges have no {strength!r}, and count 1")
    numbers = np.asarray(values, np.float64) if strength is not None else None
    if numbers is not None and not np.isfinite(numbers).all():
        at = np.flatnonzero(~np.isfinite(numbers))
        raise DataError(
            f"{len(at):,} edges have a {strength!r} that is no finite number, the first from {heads[at[0]]!r} to "
            f"{tails[at[0]]!r}",
            where="graph",
            mend="correct them, or leave values out: value='-'",
        )
    nodes = Vocabulary.of(list(graph.nodes))[0] if len(graph.nodes) else None
    if not edges or nodes is None:
        raise DataError("the graph has no edges", where="read_relations", mend="give a graph with edges")
    made = directed(
        nodes.decode([nodes.code(h) for h in heads]),
        kinds or None,
        nodes.decode([nodes.code(t) for t in tails]),
        numbers,
        undirected=not graph.is_directed(),
        duplicates=duplicates,
        report=told,
    )
    codes, _ = nodes.encode(made.entities.ids)
    return replace(made, entities=nodes, heads=codes[made.heads], tails=codes[made.tails])


def _attribute(said: str | None, usual: str, there: set) -> str | None:
    if said == "-":
        return None
    if said is None:
        return usual if usual in there else None
    if said not in there:
        raise DataError(
            f"no edge has an attribute {said!r}; they have {listed(sorted(map(str, there))) or 'none'}",
            where="read_relations",
            mend=f"name another, or '-' to do without; by itself {usual!r} is looked for",
        )
    return said


def table_of_tuples(rows: Iterable[Any]) -> pa.Table:
    """Tuples (head, tail), (head, relation, tail) or (head, relation, tail, value), all of one length, as a table.

    Raises DataError that names the rows of another length.

    >>> table_of_tuples([("a", "likes", "b")]).column_names
    ['head', 'relation', 'tail']
    """
    rows = list(rows)
    lengths = np.array([len(row) if isinstance(row, (tuple, list)) else 0 for row in rows], np.int64)
    problems = Problems(Places.rows(len(rows)))
    if len(rows):
        usual = int(np.bincount(lengths).argmax())
        wanted = usual if usual in (2, 3, 4) else 3
        problems.add(f"not a tuple of {wanted}", lengths != wanted)
        problems.settle(
            "a list of tuples",
            "give (head, tail), (head, relation, tail) or (head, relation, tail, value), all of one length",
        )
        names = {2: ("head", "tail"), 3: ("head", "relation", "tail")}.get(
            wanted, ("head", "relation", "tail", "value")
        )
        columns = list(zip(*rows, strict=True))
        return pa.table({name: _array(name, list(c)) for name, c in zip(names, columns, strict=True)})
    raise DataError("the list is empty", where="read_relations", mend="give at least one triple")


def _array(name: str, cells: list[Any]) -> pa.Array:
    try:
        return pa.array(cells)
    except (pa.ArrowException, TypeError, OverflowError) as error:
        raise DataError(
            f"the {name} column has values of several types: {error}",
            where="a list of tuples",
            mend="make all of them text, or all numbers",
        ) from error
