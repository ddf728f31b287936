"""Content of items: parts fit together, are laid over other ids, joined, and stored."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pytest

from matweave.artifact import load, save
from matweave.data.item_content import ItemContent, repeated, united
from matweave.data.vocabulary import Vocabulary
from matweave.errors import DataError

PIXELS = np.arange(2 * 3 * 4 * 4, dtype=np.uint8).reshape(2, 3, 4, 4)


def films() -> ItemContent:
    return ItemContent(
        items=Vocabulary(ids=pa.array(["7", "9", "3"])),
        texts=pa.array(["a heist", None, "  "], pa.large_string()),
        attributes=np.array([[1, 1995], [0, np.nan], [np.nan, np.nan]], np.float32),
        attribute_names=("comedy", "year"),
        pixels=PIXELS,
        picture=np.array([1, -1, 0]),
    )


def test_what_an_item_has_is_told():
    found = films()
    assert found.has_text.tolist() == [True, False, False]
    assert found.has_attributes.tolist() == [True, True, False]
    assert found.has_image.tolist() == [True, False, True]
    bare = ItemContent.of([1, 2])
    assert not (bare.has_text | bare.has_attributes | bare.has_image).any()
    assert repr(found) == "ItemContent(3 items: 1 with text, 2 with 2 attributes, 2 with image)"


def test_content_over_other_ids_follows_them_and_knows_nothing_of_strangers():
    laid = films().over(Vocabulary(ids=pa.array([3, 5, 7])))
    assert laid.items.ids.type == pa.int64()
    assert laid.texts is not None
    assert laid.texts.to_pylist() == ["  ", None, "a heist"]
    assert laid.attributes is not None
    np.testing.assert_array_equal(laid.attributes[2], [1, 1995])
    assert np.isnan(laid.attributes[1]).all()
    assert laid.picture is not None
    assert laid.picture.tolist() == [0, -1, 1]


def test_taking_is_laying_over_the_same_ids():
    content = films()
    one, two = content.take([2, 0]), content.over(content.items.take([2, 0]))
    assert one.items == two.items
    assert one.texts is not None
    assert one.texts.equals(two.texts)
    np.testing.assert_array_equal(one.attributes, two.attributes)
    assert content.take(slice(0, 1)).items.to_list() == ["7"]
    assert content.take(np.array([False, True, True])).items.to_list() == ["9", "3"]


def test_ids_that_cannot_be_of_the_logs_type_are_listed():
    content = ItemContent.of(["7", "x", "07"], texts=["a", "b", "c"])
    with pytest.raises(DataError, match=r"2 of 3 ids .* int64: 'x', '07'") as error:
        content.over(Vocabulary(ids=pa.array([7])))
    assert "key=" in error.value.mend
    back = ItemContent.of([7, 8], texts=["a", "b"]).over(Vocabulary(ids=pa.array(["8"])))
    assert back.texts is not None
    assert back.texts.to_pylist() == ["b"]


def test_joined_contents_have_the_parts_of_both():
    one = ItemContent.of([1, 2], texts=["Heat", "Big"], attributes=[[1.0], [0.0]], names=["kind"])
    two = ItemContent.of(["2", "3"], texts=["a boy", None], attributes=[[5.0], [6.0]], names=["kind"])
    both = one.joined(two)
    assert both.items.to_list() == [1, 2, 3]
    assert both.texts is not None
    assert both.texts.to_pylist() == ["Heat", "Big\na boy", None]
    assert both.attribute_names == ("kind", "kind (2)")
    np.testing.assert_array_equal(both.attributes, [[1, np.nan], [0, 5], [np.nan, 6]])
    pictured = one.joined(ItemContent.of([2, 1], images=PIXELS))
    assert pictured.picture is not None
    assert pictured.picture.tolist() == [1, 0]
    with pytest.raises(DataError, match="both contents have images"):
        pictured.joined(pictured)


def test_it_comes_back_from_disk_as_it_was(tmp_path):
    content = films()
    back = load(save(content, tmp_path / "content"), {"ItemContent": ItemContent, "Vocabulary": Vocabulary})
    assert back.items == content.items
    assert back.texts.equals(content.texts)
    np.testing.assert_array_equal(back.attributes, content.attributes)
    np.testing.assert_array_equal(back.pixels, content.pixels)
    assert back.attribute_names == content.attribute_names


def test_parts_that_do_not_fit_are_all_told():
    with pytest.raises(DataError) as error:
        ItemContent(
            items=Vocabulary(ids=pa.array([1, 2])),
            texts=pa.array(["a"], pa.large_string()),
            attributes=np.zeros((3, 1), np.float32),
            attribute_names=("x",),
            pixels=np.zeros((1, 2, 2), np.uint8),
            picture=np.array([0, 1]),
        )
    for told in ("2 items, but 1 texts", "float32 (2, 1)", "pixels are uint8", "a picture is not in -1..0"):
        assert told in error.value.what
    with pytest.raises(DataError, match="infinite: 'year'"):
        ItemContent.of([1], attributes=[[np.inf]], names=["year"])
    with pytest.raises(DataError, match="given together"):
        ItemContent(items=Vocabulary(ids=pa.array([1])), pixels=PIXELS)
    with pytest.raises(DataError, match="not text"):
        ItemContent.of([1], texts=[3])


def test_an_item_stands_once():
    with pytest.raises(DataError, match="2 ids stand more than once: 1, 2"):
        ItemContent.of([1, 2, 1, 2, 3])
    assert "'a'" in repeated(*Vocabulary.of(["a", "a"]), "here").what


def test_united_keeps_the_first_codes():
    mine = Vocabulary(ids=pa.array([3, 1], pa.int32()))
    assert united(mine, Vocabulary(ids=pa.array([1, 3]))) is mine
    assert united(mine, Vocabulary(ids=pa.array([9, 1]))).ids.equals(pa.array([3, 1, 9], pa.int32()))
