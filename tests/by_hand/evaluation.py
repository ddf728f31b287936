"""Slow twins of the evaluation room, from the definitions; and a model whose scores are what the test says."""

from __future__ import annotations

import math
from itertools import product

import numpy as np
from by_hand import metrics

from matweave.data.csr import Csr
from matweave.data.interactions import Interactions
from matweave.factor.fold import ProjectionFold
from matweave.factor.forms import FactorModel
from matweave.factor.loop import History


def scored(train: Interactions, scores, *, limits=None, **biases) -> FactorModel:
    """A model that gives user u and item j of the training log exactly scores[u][j] (and any biases)."""
    scores = np.asarray(scores, np.float32)
    return FactorModel(
        method="Scored",
        settings={},
        users=train.users,
        items=train.items,
        seen=train.by_user,
        history=History(),
        limits=limits,
        user_factors=scores,
        item_factors=np.eye(scores.shape[1], dtype=np.float32),
        fold=ProjectionFold(),
        **biases,
    )


def triples(log: Interactions) -> list[tuple]:
    """(user id, item id, value) of every row; value 1 where the log has none."""
    values = np.ones(len(log)) if log.values is None else log.values
    users, items = log.users.to_list(), log.items.to_list()
    rows = zip(log.user_codes.tolist(), log.item_codes.tolist(), values.tolist(), strict=True)
    return [(users[u], items[j], v) for u, j, v in rows]


def lists(model: FactorModel, train: Interactions, k: int) -> dict:
    """Every training user's k best items by id, without those of training; ties to the smaller code."""
    items = model.items.to_list()
    had = {(u, j) for u, j, _ in triples(train)}
    found = {}
    for code, user in enumerate(model.users.to_list()):
        scores = model.scores(model.known(np.array([code])))[0]
        order = sorted(range(len(items)), key=lambda j: (-scores[j], j))
        found[user] = [items[j] for j in order if (user, items[j]) not in had][:k]
    return found


def judge(
    name: str,
    model: FactorModel,
    train: Interactions,
    test: Interactions,
    k: int,
    threshold: float = -math.inf,
) -> dict:
    """A metric of lists for every test user that can be judged, by id."""
    shown = lists(model, train, k)
    items, had = set(model.items.to_list()), {(u, j) for u, j, _ in triples(train)}
    found = {}
    for user in test.users.to_list():
        good = {
            j: v
            for u, j, v in triples(test)
            if u == user and j in items and v >= threshold and (u, j) not in had
        }
        if user in shown and good:
            found[user] = metrics.accuracy(name, shown[user], good, k)
    return found


def mean_of_draws(top, bottom, weights) -> list[float]:
    """Σ w top / Σ w bottom for each row of weights."""
    return [
        sum(w * t for w, t in zip(row, top, strict=True))
        / sum(w * b for w, b in zip(row, bottom, strict=True))
        for row in weights.tolist()
    ]


def jackknife_error(without) -> float:
    """The standard error by leaving out groups, Efron & Tibshirani 1993, eq. 11.5."""
    g, mean = len(without), sum(without) / len(without)
    return math.sqrt((g - 1) / g * sum((w - mean) ** 2 for w in without))


def p_of_all_signs(differences) -> float:
    """The exact two-sided p of the sign-flip test: the share of all 2^n sign patterns that reach |Σ d|."""
    seen = abs(sum(differences))
    patterns = list(product((1, -1), repeat=len(differences)))
    reached = sum(
        abs(sum(s * d for s, d in zip(signs, differences, strict=True))) >= seen - 1e-12 for signs in patterns
    )
    return reached / len(patterns)


def holm(p: list[float]) -> list[float]:
    """For each p: the largest (m - j + 1) p_(j) over the j-th smallest up to its own place, at most 1."""
    order = sorted(range(len(p)), key=lambda i: p[i])
    steps = [(len(p) - j) * p[i] for j, i in enumerate(order)]
    return [min(1.0, max(steps[: order.index(i) + 1])) for i in range(len(p))]


def csr(rows: list[list[int]], n_columns: int) -> Csr:
    """A matrix of ones from the columns of each row."""
    indptr = np.cumsum([0, *map(len, rows)])
    flat = np.array([j for row in rows for j in sorted(row)], np.int32)
    return Csr(indptr=indptr.astype(np.int64), indices=flat, values=None, n_columns=n_columns)
