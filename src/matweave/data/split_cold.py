"""A split that asks for the first day of items: all interactions of the held-out items lie in the test part.

Items are drawn by chance among those with a row, whatever their rows; so users are known, and items are not. The validation
part holds other items, on which a content model is tuned. What the test part asks is answered by
`evaluate(model, split.test, among=split.test.items)`: lists of cold items only.
"""

from __future__ import annotations

import numpy as np

from matweave.data.interactions import Interactions
from matweave.data.split import Split, check_shares
from matweave.data.split_report import report_split
from matweave.errors import DataError
from matweave.randomness import child


def split_cold_items(log: Interactions, test: float = 0.1, valid: float = 0.1, *, seed: int = 0) -> Split:
    """Items whose interactions all lie in the test part, and others whose all lie in the validation part.

    test, valid: shares of the items. A user whose rows are all of held-out items is unknown to training; their number is told.
    Raises ConfigError for bad shares, DataError where a part would be empty.

    >>> log = Interactions.from_codes([0, 0, 1, 1, 2], [0, 1, 1, 2, 3])
    >>> split = split_cold_items(log, test=0.25, valid=0.25, seed=1)
    >>> parts = (split.train, split.valid, split.test)
    >>> sorted(item for part in parts for item in part.items.to_list())
    [0, 1, 2, 3]
    """
    check_shares("split_cold_items", test=(test, 0.0), valid=(valid, None))
    there = np.flatnonzero(np.bincount(log.item_codes, minlength=log.n_items))
    drawn = child(seed, "split_cold_items").permutation(there)
    tests = max(1, round(len(there) * test))
    valids = max(1, round(len(there) * valid)) if valid else 0
    if tests + valids >= len(there):
        raise DataError(
            f"{tests:,} test items and {valids:,} validation items leave no item of {len(there):,} to train on",
            where="split_cold_items",
            mend="give a longer log, or smaller shares",
        )
    role = np.zeros(log.n_items, np.int8)
    role[drawn[:tests]] = 2
    role[drawn[tests : tests + valids]] = 1
    of = role[log.item_codes]
    train, held = log.take(np.flatnonzero(of == 0)), log.take(np.flatnonzero(of == 2))
    check = log.take(np.flatnonzero(of == 1)) if valids else None
    known = np.zeros(log.n_users, bool)
    known[log.user_codes[of == 0]] = True
    lost = int(np.count_nonzero(~known[np.unique(log.user_codes)]))
    notes = (f"{tests:,} test and {valids:,} validation items of {len(there):,}, drawn by chance, are cold",)
    notes += (f"{lost:,} users have rows of cold items only, and are unknown to training",) if lost else ()
    report = report_split("cold items", train, held, check, notes=notes)
    return Split(train=train, valid=check, test=held, kind="cold items", report=report)
