"""Content from every source, by columns that are said or found; MovieLens reads as it is."""

from __future__ import annotations

import json
import os
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest

from matweave.data.read_content import read_content
from matweave.data.vocabulary import Vocabulary
from matweave.errors import DataError

TABLE = pa.table(
    {
        "movieId": [7, 9],
        "title": ["Heat", "Big"],
        "plot": ["a heist", None],
        "genres": ["Action|Crime", "Comedy"],
        "year": [1995, 1988],
    }
)


def same(one, two):
    assert one.items == two.items
    assert one.texts.equals(two.texts)
    np.testing.assert_array_equal(one.attributes, two.attributes)
    assert one.attribute_names == two.attribute_names


def test_a_table_by_columns():
    found = read_content(TABLE, text=["title", "plot"], attributes=["genres", "year"])
    assert found.items.to_list() == [7, 9]
    assert found.texts is not None
    assert found.texts.to_pylist() == ["Heat\na heist", "Big"]
    assert found.attribute_names == ("genres=Action", "genres=Comedy", "genres=Crime", "year")
    assert "ids: 'movieId', by its name" in found.report


def test_every_source_says_the_same(tmp_path):
    wanted = read_content(TABLE, text=["title", "plot"], attributes=["genres", "year"])
    rows = [{k: v for k, v in row.items() if v is not None} for row in TABLE.to_pylist()]
    (tmp_path / "films.jsonl").write_text("\n".join(map(json.dumps, rows)))
    lines = [",".join("" if v is None else str(v) for v in row.values()) for row in TABLE.to_pylist()]
    (tmp_path / "films.csv").write_text("\n".join([",".join(TABLE.column_names), *lines]))
    pandas = TABLE.to_pandas()
    for source in (tmp_path / "films.jsonl", str(tmp_path / "films.csv"), pandas):
        same(read_content(source, text=["title", "plot"], attributes=["genres", "year"]), wanted)


def test_texts_by_id_need_no_names(tmp_path):
    (tmp_path / "plots.json").write_text('{"9": "a boy grows up", "7": "a heist"}')
    for source in (tmp_path / "plots.json", {"9": "a boy grows up", "7": "a heist"}):
        found = read_content(source)
        assert found.items.to_list() == [9, 7]
        assert found.texts is not None
        assert found.texts.to_pylist() == ["a boy grows up", "a heist"]


def test_images_stand_beside_texts_or_alone(tmp_path):
    Image = pytest.importorskip("PIL.Image")
    Image.fromarray(np.zeros((9, 9, 3), np.uint8)).save(tmp_path / "9.png")
    alone = read_content(tmp_path, size=8)
    assert alone.items.to_list() == [9]
    both = read_content(TABLE, text="title", images=tmp_path, size=8)
    assert both.has_image.tolist() == [False, True]
    with pytest.raises(DataError, match="folder of pictures"):
        read_content(tmp_path, text="title")


@pytest.mark.parametrize(
    ("source", "settings", "told"),
    [
        (TABLE, {"text": "titel", "attributes": ["genre"]}, "'titel'; did you mean 'title'"),
        (TABLE, {"text": "titel", "attributes": ["genre"]}, "'genre'; did you mean 'genres'"),
        (TABLE, {}, "not said"),
        (TABLE, {"key": "movie", "text": "title"}, "'movie' for the ids; did you mean 'movieId'"),
        (TABLE, {"text": "movieId"}, "is the column of ids"),
        (pa.table({"id": [1, None], "t": ["a", "b"]}), {}, "1 rows have no id"),
        (pa.table({"id": [1, 1], "t": ["a", "b"]}), {}, "1 id stands more than once: 1"),
        (pa.table({"id": pa.array([], pa.int64()), "t": pa.array([], pa.string())}), {}, "no rows"),
        (pa.table({"movieId": [1], "item_id": [2], "t": ["a"]}), {"text": "t"}, None),
        (
            pa.table({"movieId": [1], "filmId": [2], "t": ["a"]}),
            {"text": "t"},
            "more than one column may be the ids",
        ),
        (3.5, {}, "no content that can be read"),
        ("no/such/films.csv", {}, "no file"),
    ],
)
def test_what_is_wrong_is_told(source, settings, told):
    if told is None:
        assert read_content(source, **settings).items.to_list() == [2]
        return
    with pytest.raises(DataError, match=told):
        read_content(source, **settings)


@pytest.mark.slow
def test_movielens_reads_as_it_is():
    folder = Path(os.environ.get("MATWEAVE_DATA", "../shared/data")) / "ml-1m"
    films = read_content(
        folder / "movies.dat.gz",
        columns=["id", "title", "genres"],
        text="title",
        attributes="genres",
        encoding="latin-1",
    )
    assert (len(films), len(films.attribute_names)) == (3883, 18)
    both = films.joined(read_content(folder / "dbpedia_abstracts.json.gz"))
    laid = both.over(Vocabulary(ids=pa.array([1193, 1], pa.int64())))
    assert laid.texts is not None
    assert laid.texts[0].as_py().startswith("One Flew Over the Cuckoo's Nest (1975)\n")
    assert films.texts is not None
    assert any("é" in text for text in films.texts.to_pylist())
