"""The sampled protocol: a target's rank among a few candidates. Never a default, and labelled wherever it is printed.

Figures are not comparable with full ranking, and may even order methods differently (Krichene & Rendle, KDD 2020).
Ties count half against the target; a copy of the target among its own negatives is no rival. Users are scored by their training
rows, or by histories to fold in (`known`): strangers, and training users whose histories have grown since.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
import pyarrow as pa

from matweave.data.given import Candidates, Laid
from matweave.data.interactions import Interactions
from matweave.errors import ConfigError, DataError
from matweave.evaluation.judged import Judged
from matweave.factor.recommender import Recommender
from matweave.factor.rows import Rows
from matweave.metrics import sampled
from matweave.metrics.table import Asked
from matweave.randomness import child

PAIRS = 2_000_000  # scored at once

FORMULAS = {
    "hit_rate": sampled.hit_rate_of_ranks,
    "recall": sampled.hit_rate_of_ranks,
    "ndcg": sampled.ndcg_of_ranks,
    "mrr": sampled.mrr_of_ranks,
    "average_precision": sampled.mrr_of_ranks,
}
"""With one target, recall is the hit rate and average precision the reciprocal rank."""


def sampled_ranking(
    model: Recommender,
    candidates: Candidates,
    asked: Sequence[Asked],
    *,
    known: Interactions | None = None,
) -> Judged:
    """Judge by candidate lists; numbers are per list, averaged over the lists of a user.

    known: the histories that users are scored by, instead of their training rows; lists of other users are lost.
    Raises DataError where none of the users and targets is known.
    """
    laid = candidates.lay(model.users if known is None else known.users, model.items)
    if not len(laid.user_codes):
        raise DataError(
            "the model knows none of the users and targets of the candidate lists",
            where="evaluate",
            mend="check that the ids of the lists are those of the training log",
        )
    rows = model.known if known is None else _folded(model, known)
    ranks = _ranks(model, rows, laid)
    people = candidates.users.dictionary_encode().indices.to_numpy(zero_copy_only=False)
    n = int(people.max()) + 1
    owner = people[laid.rows]
    lists = np.bincount(owner, minlength=n)
    per_user, skipped = {}, {}
    for one in asked:
        formula = FORMULAS.get(one.metric.name)
        if formula is None:
            skipped[one.name] = "has no meaning for one target among a few candidates"
            continue
        with np.errstate(invalid="ignore", divide="ignore"):
            per_user[one.name] = np.bincount(owner, formula(ranks, one.k), n) / lists
    sizes = np.unique(np.asarray(candidates.negatives.value_lengths()))
    size = str(sizes[0]) if len(sizes) == 1 else f"{sizes[0]} to {sizes[-1]}"
    how = "drawn" if "drawn" in candidates.report else "given"
    counts = {
        "lists judged": len(ranks),
        "lists lost": laid.lost_lists,
        "negatives unknown": laid.unknown_negatives,
    }
    return Judged(
        protocol=f"sampled ({size} negatives, {how})", per_user=per_user, skipped=skipped, counts=counts
    )


def _folded(model: Recommender, known: Interactions) -> Callable[[np.ndarray], Rows]:
    """From users' codes in `known` to their rows."""
    histories = known.recode(known.users, model.items, ordered=True).matrix
    own, _ = model.users.encode(known.users.ids)
    return lambda codes: model.grown(histories.rows(codes), own[codes])


def _ranks(model: Recommender, rows_of: Callable[[np.ndarray], Rows], laid: Laid) -> np.ndarray:
    """Rivals ahead of each target, halves for ties; lists may differ in length."""
    users, targets, indptr, negatives = laid.user_codes, laid.item_codes, laid.indptr, laid.negatives
    found = np.empty(len(users))
    lengths = np.diff(indptr)
    order = np.argsort(users, kind="stable")  # a block holds few users, whom a model may have to score whole
    block_of = np.cumsum(lengths[order] + 1) // PAIRS
    for lists in np.split(order, np.flatnonzero(np.diff(block_of)) + 1):
        distinct, at = np.unique(users[lists], return_inverse=True)
        rows = rows_of(distinct)
        owner = np.repeat(np.arange(len(lists)), lengths[lists])
        first = np.cumsum(lengths[lists]) - lengths[lists]
        rivals = negatives[np.arange(len(owner)) + (indptr[lists] - first)[owner]]
        target = model.pair_scores(rows, at, targets[lists])
        rival = model.pair_scores(rows, at[owner], rivals)
        if np.isnan(target).any() or np.isnan(rival).any():
            raise DataError("a score is not a number (NaN)", where="evaluate", mend="look for a diverged fit")
        ahead = (rival > target[owner]) + 0.5 * (rival == target[owner])
        ahead[rivals == targets[lists][owner]] = 0.0
        found[lists] = np.bincount(owner, ahead, len(lists))
    return found


def draw_candidates(train: Interactions, test: Interactions, negatives: int, *, seed: int) -> Candidates:
    """Lists of each test row with `negatives` items drawn uniformly from those its user has in neither log.

    Only where asked for. Test rows whose user or item training lacks get no list. Raises ConfigError where some
    user has too few items left to draw from. Hand the lists to `evaluate(candidates=...)`, which labels them.

    >>> import matweave as mw
    >>> split = mw.split_by_time(mw.simulate_log(users=80, items=60, interactions=900, seed=0).log)
    >>> lists = mw.draw_candidates(split.train, split.test, 10, seed=0)
    >>> mw.evaluate(mw.Popularity().fit(split.train), split.test, candidates=lists).protocol.split(";")[0]
    'sampled (10 negatives, drawn)'
    """
    matrix = test.recode(train.users, train.items).matrix
    users = np.repeat(np.arange(matrix.n_rows), matrix.counts)
    drawn = np.empty((len(users), negatives), np.int32)
    rng = child(seed, "negatives")
    mine = np.zeros(train.n_items, bool)
    for user in np.unique(users):
        own = np.concatenate([train.by_user.row(user)[0], matrix.row(user)[0]])
        mine[own] = True
        free = np.flatnonzero(~mine)
        mine[own] = False
        if len(free) < negatives:
            raise ConfigError(
                f"a user has {len(free)} items left, fewer than {negatives} negatives",
                where="evaluate",
                mend="draw fewer, or rank in full",
            )
        for row in range(matrix.indptr[user], matrix.indptr[user + 1]):
            drawn[row] = rng.choice(free, negatives, replace=False)
    flat = train.items.decode(drawn.ravel())
    offsets = pa.array(np.arange(len(users) + 1, dtype=np.int32) * negatives)
    return Candidates(
        users=train.users.decode(users),
        items=train.items.decode(matrix.indices),
        negatives=pa.ListArray.from_arrays(offsets, flat),
        report=("drawn",),
    )
