"""Words, characters, weights and attributes as numbers: by hand, against scikit-learn, and learned from training alone."""

from __future__ import annotations

import math

import numpy as np
import pytest
from sklearn.feature_extraction.text import TfidfVectorizer

from matweave.artifact import load, save
from matweave.data.content_preparation import FIRST, UNKNOWN, ContentPreparation
from matweave.data.images import ImagePreparation
from matweave.data.item_content import ItemContent
from matweave.data.vocabulary import Vocabulary
from matweave.errors import DataError

TEXTS = ["The Heat, the heat!", "A boy's heat_2 day", None, "été"]


def films(**more) -> ItemContent:
    return ItemContent.of([1, 2, 3, 4], texts=TEXTS, **more)


def test_words_are_runs_of_letters_and_digits_in_order():
    made = ContentPreparation.fit(films())
    codes, offsets = made.word_codes(films())
    words = [made.words.to_list()[c - 1] for c in codes]
    assert words == ["the", "heat", "the", "heat", "a", "boy", "s", "heat", "2", "day", "été"]
    assert offsets.tolist() == [0, 4, 10, 10, 11]


def test_words_that_training_lacks_are_left_out_and_the_rarest_are_cut():
    made = ContentPreparation.fit(films().take([0]))
    assert made.words.to_list() == ["heat", "the"]
    assert np.diff(made.word_codes(films())[1]).tolist() == [4, 1, 0, 0]
    assert ContentPreparation.fit(films(), most_words=2).words.to_list() == ["2", "heat"]
    assert ContentPreparation.fit(films(), least_items=2).words.to_list() == ["heat"]


def test_weights_by_hand_and_as_scikit_learn_has_them():
    made = ContentPreparation.fit(films())
    found = made.weights(films()).scipy().toarray()
    heat, the = made.words.to_list().index("heat"), made.words.to_list().index("the")
    a, b = (1 + math.log(2)) * (math.log(4 / 3) + 1), (1 + math.log(2)) * (math.log(4 / 2) + 1)
    np.testing.assert_allclose(found[0, [heat, the]], np.array([a, b]) / math.hypot(a, b), rtol=1e-6)
    theirs = TfidfVectorizer(sublinear_tf=True, token_pattern=r"[^\W_]+", lowercase=True)
    wanted = theirs.fit_transform([t for t in TEXTS if t]).toarray()
    order = [theirs.vocabulary_[word] for word in made.words.to_list()]
    np.testing.assert_allclose(found[[0, 1, 3]], wanted[:, order], rtol=1e-5)
    assert found[2].sum() == 0


def test_characters_are_coded_by_the_alphabet_of_training():
    made = ContentPreparation.fit(films().take([0]))
    assert made.alphabet == (" ", "!", ",", "a", "e", "h", "t")
    codes, offsets = made.character_codes(films().take([3]))
    assert codes.tolist() == [UNKNOWN, FIRST + 6, UNKNOWN]
    assert offsets.tolist() == [0, 3]


def test_attributes_are_standardised_by_training_and_missing_ones_are_zero():
    content = ItemContent.of([1, 2, 3], attributes=[[1, 5, 2], [3, 5, np.nan], [9, 5, 4]])
    made = ContentPreparation.fit(content.take([0, 1]))
    np.testing.assert_allclose(made.attributes(content), [[-1, 0, 0], [1, 0, 0], [7, 0, 2]])
    with pytest.raises(DataError, match="not those of training"):
        made.attributes(ItemContent.of([1], attributes=[[1.0]]))


def test_items_in_another_order_give_the_same():
    one, two = ContentPreparation.fit(films()), ContentPreparation.fit(films().take([3, 1, 0, 2]))
    assert one.words == two.words
    np.testing.assert_array_equal(one.idf, two.idf)
    assert one.alphabet == two.alphabet


def test_it_comes_back_from_disk(tmp_path):
    pixels = np.arange(4 * 3 * 8 * 8, dtype=np.uint8).reshape(4, 3, 8, 8)
    content = films(images=pixels, attributes=np.eye(4))
    made = ContentPreparation.fit(content)
    kinds = {k.__name__: k for k in (ContentPreparation, Vocabulary, ImagePreparation)}
    back = load(save(made, tmp_path / "made"), kinds)
    np.testing.assert_array_equal(back.weights(content).indices, made.weights(content).indices)
    np.testing.assert_array_equal(back.attributes(content), made.attributes(content))
    assert back.images.shape == (3, 8, 8)


def test_no_content_at_all_is_refused():
    with pytest.raises(DataError, match="none of the 2 training items"):
        ContentPreparation.fit(ItemContent.of([1, 2], texts=[None, " "]))
    bare = ContentPreparation.fit(ItemContent.of([1], attributes=[[1.0]]))
    assert bare.weights(films().take([0])).nnz == 0
    assert bare.character_codes(films().take([3]))[0].tolist() == [UNKNOWN] * 3
