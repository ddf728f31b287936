"""What a content model must beat on items without any row: two plain answers from the same content, no network.

    attribute_popularity   score(u, j) = mean popularity of the warm items that share an attribute with j, each attribute's mean
                           weighted alike; the same for all users
    nearest_text           score(u, j) = p_u·t_j, t the tf-idf vector of an item's text, of length 1, p_u the mean of t over the
                           history of u: for each user in the order of the cosine

Cost: popularity O(items · attributes); nearest_text T Tᵀ, items² floats, meant for up to some 10⁴ items.
"""

from __future__ import annotations

import time

import numpy as np

from matweave.data.content_preparation import ContentPreparation
from matweave.data.interactions import Interactions
from matweave.data.item_content import ItemContent
from matweave.errors import DataError, TooBig
from matweave.factor.content_items import with_items_of
from matweave.factor.forms import ItemModel
from matweave.factor.loop import History
from matweave.factor.weights import DenseWeights, NoWeights

LARGEST = 40_000
"""Items up to which `nearest_text` keeps the cosines of all pairs: 6.4 GB."""


def attribute_popularity(train: Interactions, content: ItemContent) -> ItemModel:
    """Popularity by attributes; an item of the log keeps its own, one without known attributes gets the mean of all.

    Raises DataError for content without attributes.

    >>> log = Interactions.from_codes([0, 1, 0], [0, 0, 1])
    >>> films = ItemContent.of([0, 1, 2], attributes=[[1, 0], [0, 1], [1, 0]])
    >>> attribute_popularity(log, films).item_bias.tolist()
    [2.0, 1.0, 2.0]
    """
    began = time.perf_counter()
    if content.attributes is None:
        raise DataError(
            "the content has no attributes", where="attribute_popularity", mend="name them: attributes=..."
        )
    log, laid = with_items_of(train, content)
    counts = np.bincount(log.item_codes, minlength=log.n_items).astype(np.float64)
    warm = counts > 0
    assert laid.attributes is not None
    levels = np.nan_to_num(laid.attributes).astype(np.float64) > 0
    holders = levels[warm].sum(axis=0)
    means = levels[warm].T @ counts[warm] / np.maximum(holders, 1)
    usable = levels & (holders > 0)
    own = usable.sum(axis=1)
    scores = np.where(own > 0, usable @ means / np.maximum(own, 1), counts[warm].mean())
    return ItemModel(
        method="AttributePopularity",
        settings={},
        users=log.users,
        items=log.items,
        seen=log.by_user,
        history=History(seconds=time.perf_counter() - began),
        frame=log.frame,
        weights=NoWeights(items=log.n_items),
        item_bias=np.where(warm, counts, scores).astype(np.float32),
    )


def nearest_text(train: Interactions, content: ItemContent) -> ItemModel:
    """The cosine of tf-idf vectors as an item model. Raises DataError for content without text, TooBig beyond LARGEST items.

    >>> log = Interactions.from_codes([0, 1], [0, 1])
    >>> films = ItemContent.of([0, 1, 2], texts=["a bank heist", "a boy grows", "the heist"])
    >>> nearest_text(log, films).recommend_for([0], k=1)["item"].to_pylist()
    [2]
    """
    began = time.perf_counter()
    if not content.has_text.any():
        raise DataError("the content has no text", where="nearest_text", mend="name its columns: text=...")
    log, laid = with_items_of(train, content)
    if log.n_items > LARGEST:
        raise TooBig(
            f"the cosines of {log.n_items:,} items take {4 * log.n_items**2 / 1e9:.0f} GB",
            where="nearest_text",
            mend=f"give at most {LARGEST:,} items",
        )
    warm = np.flatnonzero(np.bincount(log.item_codes, minlength=log.n_items))
    t = ContentPreparation.fit(laid.take(warm)).weights(laid).scipy()
    cosines = np.ascontiguousarray((t @ t.T).toarray(), np.float32)
    np.fill_diagonal(cosines, 0)
    return ItemModel(
        method="NearestText",
        settings={},
        users=log.users,
        items=log.items,
        seen=log.by_user,
        history=History(seconds=time.perf_counter() - began),
        frame=log.frame,
        weights=DenseWeights(matrix=cosines),
    )
