"""A log and content over one vocabulary: the log's codes stay, new items come after."""

from __future__ import annotations

import numpy as np
import pytest

from matweave.data.interactions import Interactions
from matweave.data.item_content import ItemContent
from matweave.errors import DataError
from matweave.factor.content_items import rows_of_items, with_items_of

LOG = Interactions.from_codes([0, 1, 1], [1, 1, 0], item_ids=[30, 10])


def test_new_items_come_after_those_of_the_log():
    wide, laid = with_items_of(LOG, ItemContent.of(["20", "10"], texts=["new", "old"]))
    assert wide.items.to_list() == [30, 10, 20]
    assert np.array_equal(wide.item_codes, LOG.item_codes)
    assert wide.by_user.n_columns == 3
    assert laid.texts is not None
    assert laid.texts.to_pylist() == [None, "old", "new"]
    assert rows_of_items(wide).tolist() == [1, 2, 0]
    same, _ = with_items_of(LOG, ItemContent.of([10], texts=["old"]))
    assert same is LOG


def test_content_of_other_items_is_refused_with_examples():
    with pytest.raises(DataError, match="none of the log's 2") as error:
        with_items_of(LOG, ItemContent.of([1, 2], texts=["a", "b"]))
    assert "key=" in error.value.mend
    with pytest.raises(DataError, match="'x'"):
        with_items_of(LOG, ItemContent.of(["x"], texts=["a"]))
