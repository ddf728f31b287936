"""A log and the content of items laid over one vocabulary: the log's items, and after them those that only content knows."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from matweave.data.features import content_given
from matweave.data.interactions import Interactions
from matweave.data.item_content import ItemContent, united
from matweave.errors import DataError


def with_items_of(log: Interactions, content: ItemContent) -> tuple[Interactions, ItemContent]:
    """The log with the content's items in its vocabulary too, without rows; and the content in that order.

    Raises DataError where the ids are of kinds that cannot be compared, or content knows none of the log's items.

    >>> log = Interactions.from_codes([0], [0], item_ids=[7])
    >>> wide, laid = with_items_of(log, ItemContent.of(["9", "7"], texts=["new", "old"]))
    >>> wide.items.to_list(), laid.texts.to_pylist()
    ([7, 9], ['old', 'new'])
    """
    typed = content_given(content).typed_like(log.items)
    _, there = typed.items.encode(log.items.ids)
    if not there.any():
        raise DataError(
            f"the content's {len(content):,} items are none of the log's {log.n_items:,}: "
            f"{typed.items.to_list()[:3]} and {log.items.to_list()[:3]}, ...",
            where="content",
            mend="give the content under the ids of the log: the column id of a file, or its first, or the one named by key=",
        )
    items = united(log.items, typed.items)
    return (log if items is log.items else replace(log, items=items)), typed.over(items)


def rows_of_items(log: Interactions) -> np.ndarray:
    """Rows of each item, (items,) int64.

    >>> rows_of_items(Interactions.from_codes([0, 1], [1, 1])).tolist()
    [0, 2]
    """
    return np.bincount(log.item_codes, minlength=log.n_items)
