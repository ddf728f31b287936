"""Content of items as numbers for a network, in the same way for the items of training and for all later ones.

Words        runs of letters and digits, in lower case; those that stand in at least `least_items` of the training texts, the most
             frequent `most_words` of them at most. Codes: 0 padding, 1.. the words; other words are left out.
Characters   code points in lower case; codes: 0 padding, 1 one outside the alphabet of the training texts, 2.. the alphabet.
Weights      of the words of a text for a bag of words, as tf-idf: w = (1 + ln count) · (ln((1 + n) / (1 + items with it)) + 1),
             scaled so that the squares of a text sum to 1 (Salton & Buckley 1988).
Attributes   z = (x - mean) / std of the training items' known cells, 0 where missing.
Images       bytes, with mean and std of each channel (data/images.py).

Cost         one pass over the texts; memory: the codes. Checked by tests/data/test_content_preparation.py: by hand, scikit-learn's
             tf-idf, items in another order, a round trip through an artifact.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import final

import numpy as np
import pyarrow as pa

from matweave.data.csr import Csr
from matweave.data.images import ImagePreparation, Images
from matweave.data.item_content import ItemContent
from matweave.data.ragged import code_points, offsets_of
from matweave.data.table_columns import moments
from matweave.data.vocabulary import Vocabulary
from matweave.errors import DataError

_WORD = re.compile(r"[^\W_]+")
PADDING, UNKNOWN, FIRST = 0, 1, 2
"""Codes of characters; words have no unknown one."""


@final
@dataclass(frozen=True, kw_only=True, eq=False)
class ContentPreparation:
    """What was learned from the content of the training items.

    words: the vocabulary. idf: (words,) float32. alphabet: of the characters. mean, std: (d,) float32 of the attributes.
    images: of the pixels, None where no training item had any.

    >>> films = ItemContent.of([1, 2], texts=["a heist in LA", "a heist"], attributes=[[1995], [1988]])
    >>> made = ContentPreparation.fit(films)
    >>> made.words.to_list(), made.word_codes(films)[0].tolist(), made.attributes(films).tolist()
    (['a', 'heist', 'in', 'la'], [1, 2, 3, 4, 1, 2], [[1.0], [-1.0]])
    """

    words: Vocabulary
    idf: np.ndarray
    alphabet: tuple[str, ...]
    attribute_names: tuple[str, ...]
    mean: np.ndarray
    std: np.ndarray
    images: ImagePreparation | None

    @classmethod
    def fit(
        cls, content: ItemContent, *, most_words: int = 20_000, least_items: int = 1
    ) -> ContentPreparation:
        """Learn from the content of training items. Raises DataError where there is none."""
        if not (content.has_text.any() or content.has_attributes.any() or content.has_image.any()):
            raise DataError(
                f"none of the {len(content):,} training items has any text, attribute or image",
                where="content",
                mend="give content under the ids of the log; read_content(key=...) names the column of ids",
            )
        words, idf = _fit_words(content, most_words, least_items)
        points, _ = code_points([text.lower() for text in _texts(content)])
        columns = np.zeros((0, 0), np.float32) if content.attributes is None else content.attributes.T
        found = [_moments(column) for column in columns]
        return cls(
            words=words,
            idf=idf,
            alphabet=tuple(map(chr, np.unique(points).tolist())),
            attribute_names=content.attribute_names,
            mean=np.array([mean for mean, _ in found], np.float32),
            std=np.array([std for _, std in found], np.float32),
            images=ImagePreparation.fit(_images(content)) if content.has_image.any() else None,
        )

    def word_codes(self, content: ItemContent) -> tuple[np.ndarray, np.ndarray]:
        """Codes of the known words in their order, (total,) int64 from 1, and offsets (n + 1,)."""
        per_item = [_WORD.findall(text.lower()) for text in _texts(content)]
        lengths = np.array([len(words) for words in per_item], np.int64)
        flat = [word for words in per_item for word in words]
        codes, known = self.words.encode(pa.array(flat, pa.string()))
        owners = np.repeat(np.arange(len(per_item)), lengths)[known]
        return codes[known].astype(np.int64) + 1, offsets_of(np.bincount(owners, minlength=len(per_item)))

    def character_codes(self, content: ItemContent) -> tuple[np.ndarray, np.ndarray]:
        """Codes of the characters, (total,) int64, and offsets (n + 1,)."""
        points, offsets = code_points([text.lower() for text in _texts(content)])
        own = np.array([ord(c) for c in self.alphabet], np.uint32)
        at = np.searchsorted(own, points).clip(max=max(len(own) - 1, 0))
        if not len(own):
            return np.full(len(points), UNKNOWN, np.int64), offsets
        return np.where(own[at] == points, at + FIRST, UNKNOWN).astype(np.int64), offsets

    def weights(self, content: ItemContent) -> Csr:
        """tf-idf, items x words; rows of length 1, empty where no word is known."""
        codes, offsets = self.word_codes(content)
        owners = np.repeat(np.arange(len(content)), np.diff(offsets))
        cell, counts = np.unique(owners * max(len(self.words), 1) + codes - 1, return_counts=True)
        rows, columns = np.divmod(cell, max(len(self.words), 1))
        values = (1 + np.log(counts)) * self.idf[columns]
        norms = np.sqrt(np.bincount(rows, values**2, minlength=len(content)))
        return Csr.from_pairs(rows, columns, values / norms[rows], (len(content), len(self.words)))

    def attributes(self, content: ItemContent) -> np.ndarray:
        """(n, d) float32, finite; 0 where missing. Raises DataError for other attributes than those of training."""
        if content.attribute_names != self.attribute_names:
            raise DataError(
                f"the attributes are not those of training: {len(content.attribute_names)} and {len(self.attribute_names)}",
                where="content",
                mend="read the content of all items in one go, or join it: content.joined(more)",
            )
        if content.attributes is None:
            return np.zeros((len(content), 0), np.float32)
        return np.nan_to_num((content.attributes - self.mean) / self.std).astype(np.float32)


def _fit_words(content: ItemContent, most: int, least: int) -> tuple[Vocabulary, np.ndarray]:
    """The words of most items, ties in the order of their letters; and their idf."""
    items_of: dict[str, int] = {}
    for text in _texts(content):
        for word in set(_WORD.findall(text.lower())):
            items_of[word] = items_of.get(word, 0) + 1
    often = [word for word, count in items_of.items() if count >= least]
    kept = sorted(sorted(often, key=lambda word: (-items_of[word], word))[:most])
    n = int(content.has_text.sum())
    counts = np.array([items_of[word] for word in kept], np.float64)
    idf = np.log((1 + n) / (1 + counts)) + 1
    return Vocabulary(ids=pa.array(kept, pa.string())), idf.astype(np.float32)


def _texts(content: ItemContent) -> list[str]:
    if content.texts is None:
        return [""] * len(content)
    return [text or "" for text in content.texts.to_pylist()]


def _moments(column: np.ndarray) -> tuple[float, float]:
    known = column[~np.isnan(column)].astype(np.float64)
    if not len(known):
        return 0.0, 1.0
    mean, std = moments(known)
    return mean, std if std > 1e-30 else 1.0


def _images(content: ItemContent) -> Images:
    assert content.pixels is not None
    assert content.picture is not None
    pixels = content.pixels[content.picture[content.has_image]]
    return Images(pixels=pixels, targets=None, names=tuple(map(str, range(len(pixels)))))
