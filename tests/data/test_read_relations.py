"""Any source of relations into the same codes: files of every kind, frames, matrices, graphs, tuples; errors with their mends."""

from __future__ import annotations

import gzip
import json
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as parquet
import pytest
import scipy.sparse as sp

from matweave.data.read_relations import read_relations
from matweave.errors import ConfigError, DataError

ROWS = [("ann", "likes", "bob"), ("bob", "likes", "cy"), ("cy", "owes", "ann")]


def triples(found) -> list[tuple]:
    return sorted(zip(*found.to_frame("arrow").to_pydict().values(), strict=True))


def written(folder: Path, kind: str) -> Path:
    path = folder / f"triples.{kind}"
    table = pa.table(dict(zip(("head", "relation", "tail"), zip(*ROWS, strict=True), strict=True)))
    if kind == "parquet":
        parquet.write_table(table, path)
    elif kind == "json":
        path.write_text(json.dumps(table.to_pylist()))
    elif kind == "jsonl":
        path.write_text("\n".join(json.dumps(row) for row in table.to_pylist()))
    elif kind == "txt.gz":
        path.write_bytes(gzip.compress("\n".join("\t".join(row) for row in ROWS).encode()))
    else:
        separator = {"tsv": "\t", "csv": ",", "scsv": ";", "colons": "::", "txt": " "}[kind]
        head = separator.join(("subject", "predicate", "object")) + "\n" if kind in ("csv", "colons") else ""
        path.write_text(head + "".join(separator.join(row) + "\n" for row in ROWS))
    return path


@pytest.mark.parametrize(
    "kind", ["csv", "tsv", "scsv", "colons", "txt", "txt.gz", "parquet", "json", "jsonl"]
)
def test_files_of_every_kind_hold_the_same_triples(tmp_path: Path, kind: str) -> None:
    assert triples(read_relations(written(tmp_path, kind))) == sorted(ROWS)


def test_frames_and_tuples_hold_the_same_triples_and_answer_in_their_kind() -> None:
    pd, pl = pytest.importorskip("pandas"), pytest.importorskip("polars")
    columns = dict(zip(("source", "relation", "target"), zip(*ROWS, strict=True), strict=True))
    for source, kind in (
        (pa.table(columns), "arrow"),
        (pd.DataFrame(columns), "pandas"),
        (pl.DataFrame(columns), "polars"),
    ):
        found = read_relations(source)
        assert triples(found) == sorted(ROWS)
        assert found.frame == kind
    assert triples(read_relations(iter(ROWS))) == sorted(ROWS)
    assert triples(read_relations(pl.DataFrame(columns).lazy())) == sorted(ROWS)


def test_columns_are_named_by_the_caller(tmp_path: Path) -> None:
    path = tmp_path / "x.csv"
    path.write_text("who,whom,much\n1,2,0.5\n2,3,4\n")
    found = read_relations(path, head="whom", tail="who", value="much")
    assert found.report == (
        "read x.csv: separator ',', a header",
        "columns as said: head 'whom', tail 'who', value 'much'; no relation",
    )
    assert triples(found) == [(2, "relation", 1, 0.5), (3, "relation", 2, 4.0)]
    bare = tmp_path / "bare.csv"
    bare.write_text("a,b,1\nc,d,2\n")
    assert read_relations(bare, head="2", tail="1", value="-").values is None
    assert triples(read_relations(bare, columns=["tail", "head", "x"]))[0][:3] == ("b", "relation", "a")
    with pytest.raises(DataError, match="2 columns are named, but the first row has 3"):
        read_relations(bare, columns=["a", "b"])
    assert len(read_relations(bare, header=True, head="a", tail="b")) == 1
    with pytest.raises(DataError, match="no column 'hwo' for the head; did you mean 'who'"):
        read_relations(path, head="hwo", tail="whom")


def test_matrices_are_relations_and_a_square_file_is_one(tmp_path: Path) -> None:
    x = np.array([[0.0, 1.0], [2.0, 0.0]])
    for source in (x, sp.csr_array(x), [x], {"relation": x}):
        np.testing.assert_array_equal(read_relations(source).slices()[0].toarray(), x)
    named = read_relations(np.stack([x, x]), entities=["a", "b"], kinds=["p", "q"])
    assert (named.entities.to_list(), named.kinds.to_list()) == (["a", "b"], ["p", "q"])
    path = tmp_path / "square.csv"
    path.write_text(",a,b\na,0,1\nb,2,0\n")
    np.testing.assert_array_equal(read_relations(path).slices()[0].toarray(), x)
    pd = pytest.importorskip("pandas")
    frame = pd.DataFrame(x, index=["a", "b"], columns=["a", "b"])
    np.testing.assert_array_equal(read_relations(frame).slices()[0].toarray(), x)
    triangle = read_relations(np.triu(x), undirected=True)
    assert triangle.symmetric


def test_graphs_are_read_without_their_library_being_imported() -> None:
    nx = pytest.importorskip("networkx")
    graph = nx.karate_club_graph()
    found = read_relations(graph)
    assert (len(found.entities), len(found), found.symmetric) == (34, 156, True)


def test_cells_without_a_triple_are_zeros_or_unknown() -> None:
    assert read_relations(ROWS).observed is None
    only = read_relations(ROWS, absent="missing")
    assert only.observed is not None
    assert len(only.observed) == 3
    with pytest.raises(DataError, match="says by NaN which cells are unknown"):
        read_relations(np.array([[np.nan, 1.0], [0.0, 0.0]]), absent="missing")
    with pytest.raises(ConfigError, match="did you mean 'missing'"):
        read_relations(ROWS, absent="mising")


def test_repeats_are_merged_and_told() -> None:
    found = read_relations([*ROWS, ROWS[0]], duplicates="sum")
    assert found.report[-1] == "1 triple merged: 1 repeated; rows of each were counted"
    assert sorted(found.strengths().tolist()) == [1.0, 1.0, 2.0]
    with pytest.raises(DataError, match="more than one row"):
        read_relations([*ROWS, ROWS[0]], duplicates="error")


def test_bad_rows_of_a_file_are_named_by_line(tmp_path: Path) -> None:
    path = tmp_path / "bad.tsv"
    path.write_text("head\trelation\ttail\na\tr\tb\n\n\tr\tb\nc\tr\t\n")
    with pytest.raises(DataError, match="no head in 'head': line 4\nno tail in 'tail': line 5"):
        read_relations(path)
    assert len(read_relations(path, on_bad_rows="drop")) == 1
    path.write_text("a\tr\tb\nc\tr\n")
    with pytest.raises(DataError, match="line 2 has 2"):
        read_relations(path)
    path.write_text("u v\ns t\n")  # single letters are entities, not names of columns
    assert len(read_relations(path)) == 2
    with pytest.raises(DataError, match=r"there is no file .*did you mean 'bad\.tsv'"):
        read_relations(tmp_path / "bed.tsv")


def test_what_has_no_meaning_for_a_source_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="header have no meaning for a list"):
        read_relations(ROWS, header=True)
    with pytest.raises(ConfigError, match="entities have no meaning for a file"):
        read_relations(written(tmp_path, "csv"), entities=["a"])
    with pytest.raises(ConfigError, match="kinds have no meaning for a list, which is no matrix"):
        read_relations(ROWS, kinds=["a"])
    with pytest.raises(DataError, match="a object holds no relations"):
        read_relations(object())


@pytest.mark.slow
@pytest.mark.data
def test_kinships_are_the_tensor_without_one_relation(real_data: Path) -> None:
    folder = real_data / "kinships"
    whole = read_relations(folder / "alyawarra_tensor.csv.gz")
    assert (len(whole), whole.shape) == (10_790, (26, 104, 104))
    parts = [read_relations(folder / f"{part}.txt.gz") for part in ("train", "valid", "test")]
    assert [len(part) for part in parts] == [8544, 1068, 1074]
    named = {(int(h[6:]), int(r[4:]), int(t[6:])) for part in parts for h, r, t in triples(part)}
    assert named == set(triples(whole.take(whole.relations != whole.kinds.code(23))))
