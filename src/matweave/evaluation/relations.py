"""Relational models on held-out triples: filtered ranking of heads and tails.

For each test triple the rank of its tail among all entities as tails, and of its head among all as heads, without other
triples that are known to hold ("filtered": Bordes et al. 2013, "Translating embeddings for modeling multi-relational data").
Intervals are of the bootstrap over test triples; the head and tail rank of a triple stay together. Cells: relation_cells.py.
Cost: each distinct (head, relation) and (relation, tail) is scored once, in blocks of 8 million scores.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol, final

import numpy as np

from matweave.data.relations import Relations
from matweave.data.vocabulary import Vocabulary
from matweave.errors import DataError
from matweave.evaluation.intervals import Interval, of_means
from matweave.factor.loop import Validation
from matweave.metrics import relations as formulas

SIDES = ("both", "head", "tail")
BLOCK = 8_000_000
"""Scores held at once: 32 MB."""


class Scorer(Protocol):
    """What is asked of a fitted model of relations, in codes of its own vocabularies."""

    @property
    def entities(self) -> Vocabulary: ...

    @property
    def kinds(self) -> Vocabulary: ...

    @property
    def method(self) -> str: ...

    def tail_scores(self, heads: np.ndarray, relations: np.ndarray) -> np.ndarray:
        """(p, n) float32: every entity as the tail of (head, relation)."""
        ...

    def head_scores(self, relations: np.ndarray, tails: np.ndarray) -> np.ndarray:
        """(p, n) float32: every entity as the head of (relation, tail)."""
        ...

    def cell_scores(
        self, heads: np.ndarray, relations: np.ndarray, tails: np.ndarray, *, scaled: bool = False
    ) -> np.ndarray:
        """(p,) float32; scaled: the scores of a (head, tail) over all relations brought to unit length."""
        ...


@final
@dataclass(frozen=True, kw_only=True)
class RelationEvaluation:
    """What held-out triples or cells say of a model: name -> mean and 95 % interval, by relation for ranks; and how."""

    method: str
    protocol: str
    metrics: Mapping[str, Interval]
    counts: Mapping[str, int]
    seconds: float
    by_relation: Mapping[str, Mapping[str, float]]

    def __str__(self) -> str:
        width = max((len(name) for name in self.metrics), default=0)
        lines = [f"{self.method}: {self.protocol}"]
        lines += [f"  {name:<{width}}  {interval}" for name, interval in self.metrics.items()]
        lines.append("  " + ", ".join(f"{count:,} {what}" for what, count in self.counts.items()))
        return "\n".join(lines)


def evaluate_relations(
    model: Scorer,
    test: Relations,
    *,
    known: Sequence[Relations] = (),
    metrics: Sequence[str] = formulas.RANKED,
    side: str = "both",
    seed: int = 0,
    resamples: int = 1000,
) -> RelationEvaluation:
    """Filtered ranking of the test triples.

    known: other triples that hold, such as the validation part; they are left out of the candidates, as those of `test` and those
    that the model was trained on are. metrics: mrr, mean_rank, hits@k. side: rank "both" heads and tails, or one. Triples with an
    entity or relation that the model lacks are lost, and counted. A triple whose value is not above 0 does not hold: it is not asked
    for, and stays a candidate.

    Triples that training had are judged as asked, and counted: they say how well it was learned, not how well it generalizes.

    Raises DataError where no triple is left, or for an unknown metric or side.

    >>> import matweave as mw
    >>> ring = mw.read_relations([(k, "next", (k + 1) % 12) for k in range(12)])
    >>> parts = mw.split_relations(ring, test=0.1, valid=0, covered=False)
    >>> found = mw.evaluate_relations(mw.RESCAL(rank=4, seed=0).fit(parts.train), parts.test)
    >>> list(found.metrics), found.protocol
    (['mrr', 'hits@1', 'hits@3', 'hits@10', 'mean_rank'], 'filtered ranking of heads and tails')
    """
    began = time.perf_counter()
    if side not in SIDES:
        raise DataError(
            f"side is {side!r}", where="evaluate_relations", mend=f"use one of {', '.join(SIDES)}"
        )
    for name in metrics:
        formulas.of_ranks(np.ones(1), name)
    told = asked_of(test, "test")
    laid, lost = told.recode(model.entities, model.kinds)
    if not len(laid):
        raise DataError(
            f"the model knows the entities and relations of none of the {len(told):,} test triples",
            where="evaluate_relations",
            mend="check that ids are written as in training",
        )
    ranks = ranks_of(model, laid, [*_trained(model), *_laid(model, known)], side=side)
    values = np.stack(
        [np.mean([formulas.of_ranks(one, name) for one in ranks], axis=0) for name in metrics], axis=1
    )
    found = of_means(values, seed=seed, resamples=resamples)
    words = {"both": "heads and tails", "head": "heads", "tail": "tails"}[side]
    return RelationEvaluation(
        method=model.method,
        protocol=f"filtered ranking of {words}",
        metrics=dict(zip(metrics, found, strict=True)),
        counts={
            "triples judged": len(laid),
            "triples lost": lost,
            **_not_held(test, told),
            **_met(model, laid),
        },
        seconds=time.perf_counter() - began,
        by_relation=_by_relation(laid, metrics, values),
    )


def _laid(model: Scorer, known: Sequence[Relations]) -> list[Relations]:
    return [holding(part).recode(model.entities, model.kinds)[0] for part in known]


def _not_held(test: Relations, told: Relations) -> dict[str, int]:
    return {"triples that do not hold": len(test) - len(told)} if len(told) < len(test) else {}


def _met(model: Any, laid: Relations) -> dict[str, int]:
    cells = getattr(model, "cells", None)
    if cells is None:
        return {}
    there = np.isin(laid.cells, cells)
    if getattr(model, "symmetric", False):
        n = np.int64(len(model.entities))
        there |= np.isin((laid.relations.astype(np.int64) * n + laid.tails) * n + laid.heads, cells)
    count = int(there.sum())
    return {"triples that training had": count} if count else {}


def holding(part: Relations) -> Relations:
    """The triples that hold: all without values, else those with one above 0.

    >>> len(holding(Relations.of(heads=["a", "b"], tails=["b", "a"], values=[1.0, -1.0])))
    1
    """
    return part if part.values is None else part.take(np.flatnonzero(part.values > 0))


def asked_of(part: Relations, what: str) -> Relations:
    """The triples that hold, which are what ranking can ask for. what: the part's name. Raises DataError where none does.

    >>> len(asked_of(Relations.of(heads=["a", "b"], tails=["b", "a"], values=[1.0, -1.0]), "test"))
    1
    """
    found = holding(part)
    if len(part) and not len(found):
        raise DataError(
            f"the value of none of the {len(part):,} {what} triples is above 0: none holds",
            where=f"the {what} part",
            mend="give triples that hold, or read them without a value column",
        )
    return found


def _trained(model: Scorer) -> list[Relations]:
    """The triples of training that hold, where the model keeps their cells."""
    cells, denied = getattr(model, "cells", None), getattr(model, "denied", None)
    if cells is None:
        return []
    if denied is not None:
        cells = np.setdiff1d(cells, denied, assume_unique=True)
    cells = _with_own_cells(model, cells)
    n = np.int64(max(len(model.entities), 1))
    relations, rest = np.divmod(cells, n * n)
    heads, tails = (rest // n).astype(np.int32), (rest % n).astype(np.int32)
    return [
        Relations(
            entities=model.entities,
            kinds=model.kinds,
            heads=heads,
            relations=relations.astype(np.int32),
            tails=tails,
        )
    ]


def _with_own_cells(model: Any, cells: np.ndarray) -> np.ndarray:
    """The cells that are no rivals of a test triple: those of training, and an entity with itself, where that counts for nothing."""
    if getattr(model, "self_loops", True):
        return cells
    n, kinds = np.int64(len(model.entities)), len(model.kinds)
    own = (np.arange(kinds, dtype=np.int64)[:, None] * n * n + np.arange(n) * (n + 1)).ravel()
    return np.union1d(cells, own)


def _by_relation(laid: Relations, metrics: Sequence[str], values: np.ndarray) -> dict[str, dict[str, float]]:
    counts = np.bincount(laid.relations, minlength=len(laid.kinds))
    found = {}
    for code, name in enumerate(laid.kinds.to_list()):
        if counts[code]:
            means = values[laid.relations == code].mean(axis=0)
            found[str(name)] = {
                "triples": int(counts[code]),
                **{m: float(v) for m, v in zip(metrics, means, strict=True)},
            }
    return found


def ranks_of(
    model: Scorer, test: Relations, known: Sequence[Relations], *, side: str = "both"
) -> list[np.ndarray]:
    """The filtered ranks, float64 (triples,), of heads, of tails, or of both in this order.

    test and known in the codes of the model.
    """
    n = np.int64(len(test.entities))
    found = []
    for one in ("head", "tail"):
        if side not in (one, "both"):
            continue
        turned = one == "head"

        def laid(part: Relations, turned: bool = turned) -> np.ndarray:
            h, t = (part.tails, part.heads) if turned else (part.heads, part.tails)
            return (part.relations.astype(np.int64) * n + h) * n + t

        parts = [laid(part) for part in (test, *known)]
        if getattr(model, "symmetric", False):  # what holds one way holds the other
            parts += [laid(part, not turned) for part in (test, *known)]
        true = np.unique(np.concatenate(parts))

        def score(relations: np.ndarray, given: np.ndarray, turned: bool = turned) -> np.ndarray:
            return model.head_scores(relations, given) if turned else model.tail_scores(given, relations)

        found.append(_ranks(score, laid(test), true, n))
    return found


def _ranks(
    score: Callable[[np.ndarray, np.ndarray], np.ndarray], asked: np.ndarray, true: np.ndarray, n: np.int64
) -> np.ndarray:
    """Ranks of cells numbered (relation * n + given) * n + answer; `true` are all that hold, ascending."""
    queries, owners = np.unique(asked // n, return_inverse=True)
    answers = asked % n
    order = np.argsort(owners, kind="stable")
    ranks = np.empty(len(asked))
    size = max(1, BLOCK // int(n))
    for low in range(0, len(asked), size):  # triples, so that no block is wider than they are many
        mine = order[low : low + size]
        some, at = np.unique(owners[mine], return_inverse=True)
        block = queries[some]
        scores = score((block // n).astype(np.int32), (block % n).astype(np.int32))
        starts = np.searchsorted(true, block * n)
        ends = np.searchsorted(true, block * n + n)
        indptr = np.concatenate([[0], np.cumsum(ends - starts)])
        inside = np.repeat(starts - indptr[:-1], ends - starts) + np.arange(indptr[-1])
        ranks[mine] = formulas.filtered_ranks(scores, answers[mine], at, (indptr, true[inside] % n))
    return ranks


def relation_validation(
    valid: Relations | None,
    *,
    known: Sequence[Relations] = (),
    metric: str = "mrr",
    patience: int = 10,
    every: int = 1,
) -> Validation:
    """Early stopping on validation triples: hand it to `fit(train, validate=...)` of a method that is learned in epochs.

    known: triples that are no rivals, beside those of training. metric: mrr, hits@k, or mean_rank, which is negated inside.
    patience: epochs are short here, and ranks of few triples noisy (kinships, DEDICOM of rank 20: test MRR 0.589 with 3, 0.612 with 10).
    Raises DataError where there is no validation part or the metric is unknown.

    >>> import matweave as mw
    >>> ring = mw.read_relations([(k, "next", (k + 1) % 12) for k in range(12)])
    >>> parts = mw.split_relations(ring, test=0.1, valid=0.1, covered=False)
    >>> mw.relation_validation(parts.valid, metric="hits@3").name
    'hits@3'
    """
    if valid is None:
        raise DataError(
            "the split has no validation part",
            where="relation_validation",
            mend="split with a share for it: valid=0.1",
        )
    formulas.of_ranks(np.ones(1), metric)
    asked = asked_of(valid, "validation")
    sign = -1.0 if metric == "mean_rank" else 1.0

    def measure(model: Any) -> float:
        laid, _ = asked.recode(model.entities, model.kinds)
        others = [*_trained(model), *_laid(model, known)]
        ranks = np.concatenate(ranks_of(model, laid, others)) if len(laid) else np.array([np.nan])
        return sign * float(formulas.of_ranks(ranks, metric).mean())

    return Validation(measure=measure, patience=patience, every=every, name=metric)
