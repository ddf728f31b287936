"""Items that go together, or follow each other, in a log: relations among items that the models of relations read.

With   c_ij = users who had i and j        c_i = users who had i        N = users:

    count    c_ij
    cosine   c_ij / sqrt(c_i c_j)
    lift     c_ij N / (c_i c_j)               1 where i and j know nothing of each other
    pmi      ln of the lift                   (Church & Hanks 1990)
    ppmi     the lift's ln where above 0; other pairs are left out

With `then` a pair is ordered: c_ij counts the users who had j strictly later than i, and the relation is asymmetric: who leads to
whom. `window` bounds the time between the two, `steps` how many rows of the user lie between them.

Cost        at most Σ_u n_u² additions, 8 bytes a pair kept; never a dense matrix. With a window or steps less.
Checked by  tests/factor/test_co_purchases.py against pairs counted one by one.
"""

from __future__ import annotations

from datetime import timedelta

import numpy as np
import pyarrow as pa

from matweave.config import integer
from matweave.data.interactions import Interactions
from matweave.data.relations import Relations
from matweave.data.vocabulary import Vocabulary
from matweave.errors import ConfigError, DataError, nearest
from matweave.linalg.co_occurrence import co_occurrences

WEIGHTINGS = ("count", "cosine", "lift", "pmi", "ppmi")
_EVER = 2**63 - 1  # microseconds: 292,000 years


def co_purchases(
    log: Interactions,
    *,
    weighting: str = "count",
    min_count: int = 1,
    then: bool = False,
    window: timedelta | float | None = None,
    steps: int | None = None,
) -> Relations:
    """Which items users had together (relation "with"), or one after the other (relation "then", asymmetric).

    weighting: count, cosine, lift, pmi or ppmi. min_count: pairs of fewer users are left out, and counted in the report.
    then: i before j, strictly; rows of one instant have no order. window: at most so long between the two (seconds or
    a timedelta; 0: the same instant, a basket). steps: j is among the user's first so many rows later than i (with then)
    or so many rows before or after it. A log without times knows neither order nor windows.

    Returns relations over the log's items, all of them, with values. Raises ConfigError for settings, DataError for a log
    without times where they are needed, or where no pair is left.

    >>> log = Interactions.from_codes([0, 0, 1, 1, 2], [0, 1, 0, 1, 0], times=[1, 2, 5, 9, 3], item_ids=["a", "b"])
    >>> co_purchases(log).to_frame().to_pylist()[0]
    {'head': 'a', 'relation': 'with', 'tail': 'b', 'value': 2.0}
    >>> [(row["head"], row["tail"]) for row in co_purchases(log, then=True).to_frame().to_pylist()]
    [('a', 'b')]
    """
    span = _span(window)
    _check(weighting, min_count, then, span, steps)
    timed = then or span is not None or steps is not None
    if timed and log.times is None:
        raise DataError(
            "this log has no times, and an order or a window needs them",
            where="co_purchases",
            mend="name the time column when reading the log, or leave then, window and steps out",
        )
    table = log.by_user
    if timed:
        histories = log.histories
        indices = histories.in_order()
        reach = _reach(log, table.indptr, then, span, steps)
    else:
        indices = table.indices
        lengths = np.diff(table.indptr)
        reach = np.repeat(table.indptr[:-1], lengths), np.repeat(table.indptr[1:], lengths)
    i, j, c, rare = co_occurrences(table.indptr, indices, log.n_items, reach, least=min_count)
    values = _weighted(weighting, i, j, c, np.bincount(log.item_codes, minlength=log.n_items), log.n_users)
    told = [
        f"{len(log):,} rows of {log.n_users:,} users, {log.n_items:,} items: {len(c):,} ordered pairs of items"
    ]
    if rare:
        told.append(f"{rare:,} pairs of fewer than {min_count:,} users left out")
    if weighting == "ppmi":
        above = values > 0
        told.append(
            f"{int(np.count_nonzero(~above)):,} pairs that go together no more than by chance left out"
        )
        i, j, values = i[above], j[above], values[above]
    if not len(i):
        raise DataError(
            f"no pair of items is left: {'; '.join(told)}",
            where="co_purchases",
            mend="lower min_count, or widen window and steps",
        )
    return Relations(
        entities=log.items,
        kinds=Vocabulary(ids=pa.array(["then" if then else "with"])),
        heads=i,
        relations=np.zeros(len(i), np.int32),
        tails=j,
        values=values,
        frame=log.frame,
        report=(*told, f"values: {weighting}"),
    )


def _check(weighting: object, min_count: object, then: object, span: int | None, steps: object) -> None:
    problems = []
    if weighting not in WEIGHTINGS:
        problems.append(f"weighting is {weighting!r}{nearest(str(weighting), WEIGHTINGS)}")
    if integer(1)(min_count):
        problems.append(f"min_count is {min_count!r}, but must be {integer(1)(min_count)}")
    if not isinstance(then, bool):
        problems.append(f"then is {then!r}, but must be True or False")
    if steps is not None and integer(1)(steps):
        problems.append(f"steps is {steps!r}, but must be {integer(1)(steps)}, or None")
    if span is not None and span < 0:
        problems.append("window is below 0")
    if then is True and span == 0:
        problems.append("window is 0, but one item then another takes time")
    if problems:
        raise ConfigError(
            "\n".join(problems),
            where="co_purchases",
            mend=f"weighting is one of {', '.join(WEIGHTINGS)}; window is seconds or a timedelta",
        )


def _span(window: timedelta | float | None) -> int | None:
    """The window in microseconds."""
    if window is None:
        return None
    if isinstance(window, timedelta):
        return min(window // timedelta(microseconds=1), _EVER)
    if isinstance(window, bool) or not isinstance(window, (int, float, np.number)) or not np.isfinite(window):
        raise ConfigError(
            f"window is {window!r}", where="co_purchases", mend="give seconds, or a datetime.timedelta"
        )
    return _EVER if float(window) * 1e6 >= _EVER else round(float(window) * 1e6)


def _reach(
    log: Interactions, indptr: np.ndarray, then: bool, span: int | None, steps: int | None
) -> tuple[np.ndarray, np.ndarray]:
    """For each place of the histories in order of time the places that count beside it."""
    assert log.times is not None
    order = np.argsort(log.times, kind="stable")
    order = order[np.argsort(log.user_codes[order], kind="stable")]
    users, times = log.user_codes[order].astype(np.int64), log.times[order]
    here = np.arange(len(order))
    starts, ends = indptr[users], indptr[users + 1]
    # one ascending number for user and time: times are ranked, since user * 2^63 + time has no room
    moments, rank = np.unique(times, return_inverse=True)
    key = users * (len(moments) + 1) + rank
    first, last = starts, ends
    if then:
        first = np.searchsorted(key, key, "right")
    if span is not None:
        # unsigned, since the sum of two signed numbers of 64 bits may be none
        since = (moments - moments[0]).view(np.uint64) if len(moments) else moments.view(np.uint64)
        now = since[rank]
        latest = np.searchsorted(since, now + np.minimum(np.uint64(span), ~now), "right")
        last = np.minimum(last, np.searchsorted(key, users * (len(moments) + 1) + latest, "left"))
        if not then:
            earliest = np.searchsorted(since, now - np.minimum(now, np.uint64(span)), "left")
            first = np.maximum(first, np.searchsorted(key, users * (len(moments) + 1) + earliest, "left"))
    if steps is not None:
        last = np.minimum(last, (first if then else here + 1) + steps)
        if not then:
            first = np.maximum(first, here - steps)
    return np.minimum(first, ends), np.maximum(np.minimum(last, ends), np.minimum(first, ends))


def _weighted(
    weighting: str, i: np.ndarray, j: np.ndarray, c: np.ndarray, had: np.ndarray, users: int
) -> np.ndarray:
    """The strength of each pair, float32, from counts."""
    both, one, other = c.astype(np.float64), had[i].astype(np.float64), had[j].astype(np.float64)
    if weighting == "count":
        values = both
    elif weighting == "cosine":
        values = both / np.sqrt(one * other)
    else:
        values = both * users / (one * other)
        values = values if weighting == "lift" else np.log(values)
    return values.astype(np.float32)
