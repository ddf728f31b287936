"""A new entity's row of W from its triples, all else fixed: exact, one ridge system for each entity.

    min over x of  Σ_cells w (v - x·z - o)² + ω Σ_rest (x·z + o)² + λ |x|²,   z = H_k w_b as a head, H_kᵀ w_b as a tail

over the cells in which it meets the known entities; o: μ_k and the other's bias. Its own biases stay zero, and its cell
with itself, where x would stand twice, is left out. From a refit it differs by what W and H would have moved.
Checked by  tests/factor/test_relation_fold.py against dense least squares.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, final

import numpy as np
import pyarrow as pa

from matweave.data.relations import Relations
from matweave.data.vocabulary import Vocabulary
from matweave.errors import DataError
from matweave.factor.growing import cast_ids
from matweave.factor.relation_squares import listed_cells

if TYPE_CHECKING:
    from matweave.factor.relation_forms import RelationModel


@final
@dataclass(frozen=True, kw_only=True)
class RowFold:
    """regularization λ of a row, unobserved_weight ω of cells without a triple."""

    regularization: float
    unobserved_weight: float


def extended(model: RelationModel, fold: RowFold, more: Relations) -> RelationModel:
    """The model with rows for the entities of `more` that it does not know. Raises DataError for triples that do not serve.

    Ids of `more` are taken in the types of the model's.
    """
    entities, relations = cast_ids(more.entities, model.entities), cast_ids(more.kinds, model.kinds)
    more = replace(more, entities=entities, kinds=relations)
    codes, known = model.entities.encode(more.entities.ids)
    kinds, known_kinds = model.kinds.encode(more.kinds.ids)
    new = np.flatnonzero(~known)
    n = len(model.entities)
    place = codes.astype(np.int64)
    place[new] = n + np.arange(len(new))
    _refuse(more, known, known_kinds)
    solved = np.zeros((len(new), model.entity_factors.shape[1]), np.float32)
    w = model.entity_factors.astype(np.float64)
    background, pull = _background(model, w)
    cells = _Cells(more, fold.unobserved_weight)
    for row, code in enumerate(new):
        system = cells.rest * background
        right = -cells.rest * pull
        for k, as_head, others, x, weight in cells.of(int(code), known):
            kind, at = int(kinds[k]), codes[others]
            turn = model.core.back if as_head else model.core.ahead
            z = turn(w[at], kind)
            side = model.tail_bias if as_head else model.head_bias
            o = model._bias(side, kind, model.means)[at].astype(np.float64)
            over = weight - cells.rest
            system += (z * over[:, None]).T @ z
            right += (weight * x - over * o) @ z
        floor = 1e-9 * np.trace(system) / len(system) + 1e-30
        system[np.diag_indices_from(system)] += max(fold.regularization, floor)
        solved[row] = np.linalg.solve(system, right)
    heads, tails = place[more.heads], place[more.tails]
    wide = n + len(new)
    added = (kinds[more.relations].astype(np.int64) * wide + heads) * wide + tails
    held = more.strengths() > 0
    denied = np.union1d(_renumbered(model.denied, n, wide), added[~held])
    ids = pa.concat_arrays([model.entities.ids, more.entities.ids.take(pa.array(new))])
    return replace(
        model,
        entities=Vocabulary(ids=ids),
        entity_factors=np.concatenate([model.entity_factors, solved]),
        head_bias=_wider(model.head_bias, len(new)),
        tail_bias=_wider(model.tail_bias, len(new)),
        cells=np.union1d(_renumbered(model.cells, n, wide), added),
        denied=denied if len(denied) else None,
    )


def _renumbered(cells: np.ndarray | None, n: int, wide: int) -> np.ndarray:
    """Cells among n entities as cells among `wide`."""
    relations, rest = np.divmod(np.zeros(0, np.int64) if cells is None else cells, n * n)
    return (relations * wide + rest // n) * wide + rest % n


def _wider(side: np.ndarray | None, count: int) -> np.ndarray | None:
    return None if side is None else np.pad(side, ((0, 0), (0, count)))


def _refuse(more: Relations, known: np.ndarray, known_kinds: np.ndarray) -> None:
    problems = []
    strange = ~known_kinds[more.relations]
    if strange.any():
        problems.append(f"{int(strange.sum()):,} triples are of relations that training did not have")
    both = ~known[more.heads] & ~known[more.tails]
    if both.any():
        problems.append(f"{int(both.sum()):,} triples stand between two new entities")
    if problems:
        raise DataError(
            "\n".join(problems),
            where="with_entities",
            mend="give triples between one new and one known entity, in relations of training; or fit again",
        )


def _background(model: RelationModel, w: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Σ z zᵀ and Σ o z over every cell that an entity can have with the known ones."""
    gram, sums = w.T @ w, w.sum(axis=0)
    total, pull = np.zeros_like(gram), np.zeros(len(gram))
    for k in range(len(model.kinds)):
        for turn, side in ((model.core.back, model.tail_bias), (model.core.ahead, model.head_bias)):
            z = turn(np.eye(len(gram)), k)  # row j: what component j of the other becomes
            total += z.T @ gram @ z
            mean = 0.0 if model.means is None else float(model.means[k])
            o = mean * sums if side is None else mean * sums + side[k % len(side)].astype(np.float64) @ w
            pull += o @ z
    return total, pull


@final
class _Cells:
    """The listed cells of `more`, and what all others weigh."""

    def __init__(self, more: Relations, unobserved: float) -> None:
        numbers, x, w, rest = listed_cells(more, None, unobserved)
        self.heads, self.relations, self.tails = more.places(numbers)
        self.x, self.w, self.rest = x.astype(np.float64), w.astype(np.float64), rest

    def of(self, code: int, known: np.ndarray):
        """For each relation and side of one entity: (relation, as head, the others' codes, values, weights)."""
        for as_head, own, others in ((True, self.heads, self.tails), (False, self.tails, self.heads)):
            at = np.flatnonzero((own == code) & known[others])
            for k in np.unique(self.relations[at]):
                mine = at[self.relations[at] == k]
                yield k, as_head, others[mine], self.x[mine], self.w[mine]
