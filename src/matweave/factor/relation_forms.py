"""The fitted form of relations: score(a, k, b) = w_aᵀ H_k w_b + μ_k + b_a + c_b, ids in, ids out.

w_a: the factors of an entity, the same whether it is head or tail; H_k: how the components act on each other in
relation k (factor/cores.py); μ, b, c: what a relation, a head and a tail score whoever the other is, where fitted.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any, final

import numpy as np
import pyarrow as pa

from matweave.artifact import save
from matweave.config import settings_of
from matweave.data.frames import as_frame
from matweave.data.relations import Relations
from matweave.data.vocabulary import Vocabulary
from matweave.errors import ConfigError, DataError, TooBig
from matweave.factor.answers import user_codes_of
from matweave.factor.blocks import most_alike, parts
from matweave.factor.cores import Cores
from matweave.factor.loop import History
from matweave.factor.relation_answers import best_table, communities_table, components_table, known_of, length
from matweave.factor.relation_fold import RowFold, extended

MOST = 1 << 26
"""Numbers that `cores` makes dense at most: 256 MB."""


@final
@dataclass(frozen=True, kw_only=True, eq=False, repr=False)
class RelationModel:
    """A fitted model of relations.

    entities, kinds: the ids. entity_factors W (n, rank), core H (kinds): float32. means (kinds,), head_bias and tail_bias
    (kinds or 1, n): float32 or None. cells: sorted int64 numbers of the training triples' cells; denied: of those whose value
    is not above 0, which are known not to hold; None: none. nonnegative: whether W
    and H are, so that components are communities. reverse: H as learned for the relations read backwards, where these
    are relations of their own: heads are ranked by it; None: by H itself. symmetric: whether the method takes a triple as known both ways;
    self_loops: whether an entity's cell with itself counts for anything. fold: how a new entity's row is solved for; None: it cannot be.
    """

    method: str
    settings: dict[str, Any]
    entities: Vocabulary
    kinds: Vocabulary
    cells: np.ndarray
    history: History
    entity_factors: np.ndarray
    core: Cores
    reverse: Cores | None = None
    means: np.ndarray | None = None
    head_bias: np.ndarray | None = None
    tail_bias: np.ndarray | None = None
    denied: np.ndarray | None = None
    nonnegative: bool = False
    symmetric: bool = False
    self_loops: bool = True
    fold: RowFold | None = None
    frame: str = "arrow"

    def __post_init__(self) -> None:
        n, rank = self.entity_factors.shape
        k = len(self.kinds)
        wrong = [f"entity_factors of {n} entities, not {len(self.entities)}"] * (n != len(self.entities))
        for core in (self.core, self.reverse):
            if core is not None and core.shape != (k, rank, rank):
                wrong.append(f"cores {core.shape}, not {(k, rank, rank)}")
        for name in ("head_bias", "tail_bias"):
            side = getattr(self, name)
            if side is not None and side.shape not in ((k, n), (1, n)):
                wrong.append(f"{name} {side.shape}, not {(k, n)} or {(1, n)}")
        if self.means is not None and self.means.shape != (k,):
            wrong.append(f"means {self.means.shape}, not {(k,)}")
        if wrong:
            raise ConfigError(
                "\n".join(wrong),
                where="RelationModel",
                mend="fit the model again; a saved one was put together from two fits",
            )

    def __repr__(self) -> str:
        settings = ", ".join(f"{name}={value!r}" for name, value in self.settings.items())
        return (
            f"RelationModel of {self.method}({settings}): {len(self.entities):,} entities, {len(self.kinds):,} relations, "
            f"ended by {self.history.stopped} after epoch {self.history.epoch}"
        )

    @property
    def cores(self) -> np.ndarray:
        """H of every relation in full, (kinds, rank, rank) float32. Raises TooBig beyond 256 MB: ask core.matrix(k)."""
        if int(np.prod(self.core.shape, dtype=np.int64)) > MOST:
            raise TooBig(
                f"the cores of {len(self.kinds):,} relations hold {np.prod(self.core.shape):,} numbers in full",
                where="cores",
                mend="ask for one relation: model.core.matrix(code)",
            )
        return np.stack([self.core.matrix(k) for k in range(len(self.kinds))])

    # by codes

    def scores(self, relation: int, heads: slice | np.ndarray | None = None) -> np.ndarray:
        """Scores (heads, n) float32 of one relation, of all heads or those at these codes. Meant for blocks."""
        at = np.arange(len(self.entities))[slice(None) if heads is None else heads]
        return self.tail_scores(at, np.full(len(at), relation))

    def tail_scores(self, heads: np.ndarray, relations: np.ndarray) -> np.ndarray:
        """Scores (p, n) float32 of every entity as the tail of (heads[i], relations[i], ?)."""
        found = np.empty((len(heads), len(self.entities)), np.float32)
        for k, at in grouped(relations):
            found[at] = self.core.ahead(self.entity_factors[heads[at]], k) @ self.entity_factors.T
            found[at] += self._bias(self.head_bias, k, self.means)[heads[at], None]
            found[at] += self._bias(self.tail_bias, k)
        return found

    def head_scores(self, relations: np.ndarray, tails: np.ndarray) -> np.ndarray:
        """Scores (p, n) float32 of every entity as the head of (?, relations[i], tails[i])."""
        found = np.empty((len(tails), len(self.entities)), np.float32)
        core = self.core if self.reverse is None else self.reverse
        for k, at in grouped(relations):
            found[at] = core.back(self.entity_factors[tails[at]], k) @ self.entity_factors.T
            found[at] += self._bias(self.tail_bias, k, self.means)[tails[at], None]
            found[at] += self._bias(self.head_bias, k)
        return found

    def cell_scores(
        self, heads: np.ndarray, relations: np.ndarray, tails: np.ndarray, *, scaled: bool = False
    ) -> np.ndarray:
        """Scores float32 of the cells (heads[i], relations[i], tails[i]).

        scaled: over the length of the vector of scores that the pair (head, tail) has in all relations, as the authors of
        RESCAL rank cells; 0 where that is 0.
        """
        found = np.empty(len(heads), np.float32)
        for k, at in grouped(relations):
            for part in parts(len(at), 1 << 16):
                found[at[part]] = self._pairs(heads[at[part]], k, tails[at[part]])
        if scaled:
            found /= self._lengths(heads, tails)
        return found

    def _lengths(self, heads: np.ndarray, tails: np.ndarray) -> np.ndarray:
        n = len(self.entities)
        pairs, back = np.unique(heads.astype(np.int64) * n + tails, return_inverse=True)
        squares = np.zeros(len(pairs), np.float32)
        for part in parts(len(pairs), 1 << 16):
            a, b = np.divmod(pairs[part], n)
            for k in range(len(self.kinds)):
                squares[part] += np.square(self._pairs(a, k, b))
        return np.sqrt(np.where(squares > 0, squares, np.float32(np.inf)))[back]

    def _pairs(self, heads: np.ndarray, k: int, tails: np.ndarray) -> np.ndarray:
        asked = self.core.ahead(self.entity_factors[heads], k)
        found = np.einsum("pr,pr->p", asked, self.entity_factors[tails])
        found += self._bias(self.head_bias, k, self.means)[heads]
        found += self._bias(self.tail_bias, k)[tails]
        return found

    def _bias(self, side: np.ndarray | None, k: int, means: np.ndarray | None = None) -> np.ndarray:
        own = np.zeros(len(self.entities), np.float32) if side is None else side[k % len(side)]
        return own if means is None else own + means[k]

    # by ids

    def predict(self, heads: Sequence[Any], relations: Sequence[Any], tails: Sequence[Any]) -> Any:
        """The scores of triples: head, relation, tail, score.

        Three lists of one length. Raises UnknownId, which lists every id that training did not have, and DataError
        for lists of different lengths.
        """
        a, k, b = (
            user_codes_of(where, ids)
            for where, ids in ((self.entities, heads), (self.kinds, relations), (self.entities, tails))
        )
        if not len(a) == len(k) == len(b):
            raise DataError(
                f"{len(a)} heads, {len(k)} relations and {len(b)} tails",
                where="predict",
                mend="give one of each for every triple",
            )
        columns = {
            "head": self.entities.decode(a),
            "relation": self.kinds.decode(k),
            "tail": self.entities.decode(b),
        }
        return as_frame(pa.table({**columns, "score": self.cell_scores(a, k, b)}), self.frame)

    def complete(
        self, *, head: Any = None, relation: Any = None, tail: Any = None, k: int = 10, known: bool = False
    ) -> Any:
        """The k best tails of (head, relation, ?), or heads of (?, relation, tail): entity, score, rank (from 1).

        relation may be left out where there is one only. known: whether entities of training triples may be given; of
        a symmetric method those of triples either way. An entity is not its own answer where its cell with itself counts for nothing.
        Raises UnknownId for an id that training did not have, ConfigError unless one of head and tail is given.
        """
        if (head is None) == (tail is None):
            raise ConfigError(
                "one of head and tail is asked for, given the other",
                where="complete",
                mend="give head=... for the best tails, or tail=... for the best heads",
            )
        if relation is None and len(self.kinds) > 1:
            raise ConfigError(
                f"there are {len(self.kinds):,} relations, and none is named",
                where="complete",
                mend="give relation=...",
            )
        kind = 0 if relation is None else self.kinds.code(relation)
        ahead = tail is None
        code, kinds = self.entities.code(head if ahead else tail), np.array([kind])
        one = np.array([code])
        scores = (self.tail_scores(one, kinds) if ahead else self.head_scores(kinds, one))[0]
        out = self._left_out(kind, code, ahead=ahead, known=known)
        return best_table(self.entities, scores, out, length(k, len(self.entities), self.method), self.frame)

    def _left_out(self, kind: int, code: int, *, ahead: bool, known: bool) -> np.ndarray:
        """Codes int32, ascending, that do not complete a triple."""
        out = [np.array([] if self.self_loops else [code], np.int32)]
        if not known:
            ways = (True, False) if self.symmetric else (ahead,)
            out += [known_of(self.cells, len(self.entities), kind, code, ahead=way) for way in ways]
        return np.unique(np.concatenate(out))

    def similar(self, entity: Any, k: int = 10) -> Any:
        """The k entities whose factors have the largest cosine to this one's: entity, similarity, rank (from 1)."""
        code, k = self.entities.code(entity), length(k, len(self.entities), self.method)
        codes, cosines = most_alike(self.entity_factors, code, k)
        rank = np.arange(1, len(codes) + 1, dtype=np.int32)
        columns = {"entity": self.entities.decode(codes), "similarity": cosines, "rank": rank}
        return as_frame(pa.table(columns), self.frame)

    def components(self, k: int = 10) -> Any:
        """The k entities that weigh most in each component: component (from 1), entity, strength (with its sign), rank."""
        k = length(k, len(self.entities), self.method)
        return as_frame(components_table(self.entities, self.entity_factors, k), self.frame)

    def communities(self, k: int | None = None) -> Any:
        """Every entity in the community of its strongest component: community (from 1), entity, strength, share, rank.

        strength: its factor there, the component scaled to length one. share: of the sum over its components. k: only so
        many of each, the strongest; None: all. Entities without any factor are in none. Raises ConfigError for a model
        whose factors may be negative: its components overlap and cancel.
        """
        if not self.nonnegative:
            raise ConfigError(
                f"{self.method} has factors of both signs, whose components are no communities",
                where="communities",
                mend="fit SymmetricNMF or TriFactorization; or read model.components()",
            )
        k = len(self.entities) if k is None else length(k, len(self.entities), self.method)
        return as_frame(communities_table(self.entities, self.entity_factors, k), self.frame)

    def with_entities(self, more: Relations) -> RelationModel:
        """A model that knows the new entities of `more` too, each solved for from its triples with the known ones.

        more: triples in which each new entity meets known ones; triples between two new ones and relations that training
        did not have are DataErrors. Nothing else moves. Raises ConfigError where the method has no such row.
        """
        if self.fold is None:
            raise ConfigError(
                f"{self.method} has no closed solution for the row of one entity",
                where="with_entities",
                mend="fit again with the new triples; RESCAL and DEDICOM take new entities",
            )
        return extended(self, self.fold, more)

    def save(self, folder: str | os.PathLike[str]) -> None:
        """Write the model to a folder: safetensors and JSON, checksummed, replaced atomically."""
        save(self, folder)

    def with_frame(self, frame: str) -> RelationModel:
        """The same model answering in another kind of frame: arrow, pandas or polars."""
        as_frame(pa.table({}), frame)
        return replace(self, frame=frame)


def origin(recipe: Any, train: Relations, history: History) -> dict[str, Any]:
    """The fields of a model that say what it was made of: method, settings, ids, cells, history and frame.

    >>> ring = Relations.of(heads=["a", "b"], tails=["b", "a"], values=[1.0, 0.0])
    >>> found = origin(History(), ring, History())
    >>> found["method"], found["cells"].tolist(), found["denied"].tolist()
    ('History', [1, 2], [2])
    """
    cells = train.cells
    held = train.strengths() > 0
    return {
        "method": type(recipe).__name__,
        "settings": settings_of(recipe),
        "entities": train.entities,
        "kinds": train.kinds,
        "cells": np.sort(cells),
        "denied": None if held.all() else np.sort(cells[~held]),
        "history": history,
        "frame": train.frame,
    }


def grouped(relations: np.ndarray) -> list[tuple[int, np.ndarray]]:
    """The codes that occur, ascending, each with the positions where it does.

    >>> [(k, at.tolist()) for k, at in grouped(np.array([3, 1, 3]))]
    [(1, [1]), (3, [0, 2])]
    """
    relations = np.asarray(relations)
    order = np.argsort(relations, kind="stable")
    kinds, starts = np.unique(relations[order], return_index=True)
    return [(int(k), at) for k, at in zip(kinds, np.split(order, starts)[1:], strict=True)]
