"""Full ranking: every item of the training log competes, but those the user had in training.

Users are taken by blocks and only their top lists are kept, so scores are never all in memory. What counts:

- a relevant item is a test item that the training log has; test rows with unseen items cannot be ranked by
  any model fitted on it, and are counted as lost, not hidden;
- a test row whose item the user had in training cannot be recommended: it is no miss, but counted;
- a test user whom training does not know is lost too, unless `known` gives a history to fold in;
- a user without a relevant item left is not judged (NaN), and counted.

Among some items only (cold ones, for instance) the lists, the relevant items and the catalogue are those; scores stay.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np
from numba import njit

from matweave.data.csr import Csr
from matweave.data.interactions import Interactions
from matweave.data.vocabulary import Vocabulary
from matweave.errors import ConfigError, DataError
from matweave.evaluation.among import Among, columns_of
from matweave.evaluation.among import among as restricted
from matweave.evaluation.judged import Judged
from matweave.factor.blocks import BLOCK
from matweave.factor.recommender import Recommender
from matweave.factor.rows import Rows
from matweave.metrics import beyond, ratings
from matweave.metrics.evidence import Evidence
from matweave.metrics.table import Asked, measure

GROUPS = 20  # groups of users left out one at a time for intervals of set-wide numbers
FULL = "full ranking"


def full_ranking(
    model: Recommender,
    test: Interactions,
    asked: Sequence[Asked],
    *,
    known: Interactions | None = None,
    threshold: float | None = None,
    among: Sequence[Any] | Vocabulary | None = None,
) -> Judged:
    """Judge a model's lists on a test log; `known` holds the fold-in part of users new to the model.

    threshold: only test rows with at least this value are relevant; None: all rows are. among: ids of the items that lists
    are made of; None: all of the model's.
    Raises DataError where no test user can be judged, ConfigError for a threshold on a log without values.
    """
    if threshold is not None and test.values is None:
        raise ConfigError(
            f"a threshold of {threshold:g} was asked for, but the test log has no values",
            where="evaluate",
            mend="leave the threshold out, or name the value column when reading",
        )
    rows, seen, users = _queries(model, test, known)
    whole, protocol = model, FULL
    if among is not None:
        model = restricted(model, among)
        seen, protocol = columns_of(seen, model.codes), f"{FULL} among {len(model.items):,} items"
    there = test.recode(test.users, model.items).matrix.rows(users)
    above = there if threshold is None or there.values is None else _kept(there, there.values >= threshold)
    matrix = _kept(above, ~_repeated(above.indptr, above.indices, seen.indptr, seen.indices))
    judged = np.flatnonzero(matrix.counts > 0)
    if not len(judged):
        raise DataError(
            f"no test user can be judged: {test.n_users - len(users):,} of {test.n_users:,} are unknown to the "
            f"model, and of the others' rows {there.nnz:,} have a known item, "
            f"{above.nnz - matrix.nnz:,} of them in the training log already",
            where="evaluate",
            mend="give a test log of other rows than the training log, with ids of the same kind",
        )
    low, again, relevant = there.nnz - above.nnz, above.nnz - matrix.nnz, matrix.nnz
    if len(judged) < len(users):
        rows, seen, matrix, users = rows.take(judged), seen.rows(judged), matrix.rows(judged), users[judged]
    evidence = _evidence(model, rows, seen, matrix, asked)
    found = measure(asked, evidence)
    per_user, sets = {}, {}
    for one in asked:
        value = found[one.name]
        if isinstance(value, np.ndarray):
            per_user[one.name] = np.full(test.n_users, np.nan)
            per_user[one.name][users] = value
        else:
            sets[one.name] = (float(value), _without_groups(one, evidence))
    counts = {
        "users judged": len(users),
        "users not judged": test.n_users - len(users),
        "test rows judged": int(relevant),
        "test rows lost": len(test) - int(there.nnz),
        **({} if threshold is None else {"test rows below the threshold": int(low)}),
        **({"test rows had in training": int(again)} if again else {}),
        "items ranked": len(model.items),
    }
    shown = None
    if evidence.codes is not None and evidence.counts is not None:
        mine = beyond.exposure(evidence.codes, evidence.counts, evidence.codes.shape[1], len(model.items))
        shown = np.zeros(len(whole.items), np.int64)
        shown[model.codes if isinstance(model, Among) else slice(None)] = mine
    return Judged(protocol=protocol, per_user=per_user, sets=sets, counts=counts, exposure=shown)


def _queries(
    model: Recommender, test: Interactions, known: Interactions | None
) -> tuple[Rows, Csr, np.ndarray]:
    """Rows of the test users that can be asked about, what they have had, and their codes in the test log."""
    if known is not None:
        histories = known.recode(test.users, model.items, ordered=True).matrix
        users = np.flatnonzero(histories.counts > 0)
        seen = histories.rows(users)
        return model.grown(seen, model.users.encode(test.users.ids)[0][users]), seen, users
    codes, there = model.users.encode(test.users.ids)
    users = np.flatnonzero(there)
    return model.known(codes[users]), model.seen.rows(codes[users]), users


def _kept(matrix: Csr, keep: np.ndarray) -> Csr:
    """The matrix with these of its entries only."""
    if keep.all():
        return matrix
    before = np.concatenate([[0], np.cumsum(keep)])
    values = None if matrix.values is None else matrix.values[keep]
    return replace(matrix, indptr=before[matrix.indptr], indices=matrix.indices[keep], values=values)


@njit(nogil=True, cache=True)
def _repeated(indptr, indices, other_indptr, other_indices):
    """Which entries stand in the other matrix too; both sorted within rows."""
    found = np.zeros(len(indices), np.bool_)
    for row in range(len(indptr) - 1):
        at, end = other_indptr[row], other_indptr[row + 1]
        for p in range(indptr[row], indptr[row + 1]):
            while at < end and other_indices[at] < indices[p]:
                at += 1
            found[p] = at < end and other_indices[at] == indices[p]
    return found


def _evidence(model: Recommender, rows: Rows, seen: Csr, relevant: Csr, asked: Sequence[Asked]) -> Evidence:
    needs = {field for one in asked for need in one.metric.needs for field in need.split("|")}
    codes = counts = None
    if "codes" in needs:
        codes, _, counts = model.top(rows, max(one.k for one in asked), leave_out=seen)
    by_item = model.seen.transpose() if "item_users" in needs else None
    return Evidence(
        codes=codes,
        counts=counts,
        relevant=(relevant.indptr, relevant.indices),
        gains=relevant.weights() if "gains" in needs else None,
        n_items=len(model.items),
        popularity=np.bincount(model.seen.indices, minlength=len(model.items)),
        n_users=len(model.users),
        histories=(seen.indptr, seen.indices),
        # diversity by audiences for every form, or lists of different methods could not be compared
        item_users=None if by_item is None else (by_item.indptr, by_item.indices),
        auc=_auc(model, rows, seen, relevant) if "auc" in needs else None,
    )


def _auc(model: Recommender, rows: Rows, seen: Csr, relevant: Csr) -> np.ndarray:
    found = np.empty(len(rows))
    for start in range(0, len(rows), BLOCK):
        stop = min(start + BLOCK, len(rows))
        at = np.arange(start, stop)
        good, out = relevant.rows(at), seen.rows(at)
        scores = model.scores(rows[start:stop])
        found[start:stop] = ratings.auc(scores, good.indptr, good.indices, (out.indptr, out.indices))
    return found


def _without_groups(asked: Asked, evidence: Evidence) -> np.ndarray:
    """The number recomputed without each group of users, for its jackknife interval."""
    codes, counts = evidence.lists
    n = len(counts)
    groups = min(GROUPS, n)
    found = []
    for group in range(groups if groups > 1 else 0):
        keep = np.arange(n) % groups != group
        part = Evidence(codes=codes[keep], counts=counts[keep], n_items=evidence.n_items)
        found.append(measure([asked], part)[asked.name])
    return np.array(found, np.float64)
