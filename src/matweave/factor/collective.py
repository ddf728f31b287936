"""Attributes in alternating least squares: users' and items' attributes share their factors with the log.

Model. Beside the log's own loss over x_u and y_i, the attributes of users a_u (d columns, coded by data/features.py)
are a linear picture of the same x_u, and those of items b_i of the same y_i (collective matrix factorization):

    L = L_log + w_u Σ_u Σ_k (a_uk - c_k·x_u)² + λ_c Σ_k |c_k|² + w_i Σ_i Σ_k (b_ik - d_k·y_i)² + λ_d Σ_k |d_k|²

over known cells of rows with a history. w_u = user_weight / d, so that the weight is that of all attributes of a row together, in cells of the
log. An attribute is one more column to a row, and a column with that many cells to the maps: ridges that grow with
the weight of a row's or a column's cells (the exponent, or the count) count these too.

Step. A half-step is still one exact row solve: w CᵀC joins the Gram matrix that all rows share, w Cᵀa_u the right side of
row u (`pull`, linalg/rows.py), so rows cost what they did. Before it C = (w XᵀX + λ_c I)⁻¹ w XᵀA, one ridge solve for all columns.
A missing cell is filled with c_k·x_u before each half-step (the EM step; filled cells then weigh nothing): L does not rise.

Cost        2 n d rank flops a half-step beside that of the log; memory 4 n (d + rank) bytes.
Strangers   factor/sides.py: users and items without a history, and fold-in of a history with attributes.
Sources     Singh, Gordon 2008, "Relational learning via collective matrix factorization"; the shared Gram matrix and strangers
            from attributes as in cmfrec (Cortes 2018, "Cold-start recommendations in collective matrix factorization", arXiv 1809.00366).
Checked by  tests/factor/test_collective.py: a slow twin, the objective by hand, planted attributes, missing cells.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import final

import numpy as np

from matweave.data.features import FeatureCode
from matweave.data.interactions import Interactions
from matweave.data.item_content import ItemContent
from matweave.data.vocabulary import Vocabulary
from matweave.factor.content_fold import ContentFold
from matweave.factor.content_items import with_items_of
from matweave.factor.forms import FactorModel
from matweave.factor.loop import Arrays
from matweave.factor.sides import SideMap, Sides
from matweave.linalg.vectors import Vectors
from matweave.threads import blas_threads, in_parallel

_STRIPE = 2048


@final
class Side:
    """The attributes of one side while its vectors are learned.

    values (n, d) coded, NaN where missing; counts (n,): entries of each row in the log; weight: of all attributes of a row
    together; penalty: from the weight of a column's cells to λ. A row without entries takes no part.
    """

    def __init__(
        self,
        code: FeatureCode,
        values: np.ndarray,
        counts: np.ndarray,
        weight: float,
        penalty: Callable[[float], float],
    ) -> None:
        self.code, self.values, self.weight = code, values, weight / values.shape[1]
        self.active = counts > 0
        known = np.isfinite(values) & self.active[:, None]
        self.filled = np.where(known, values, np.float32(0))
        self.mass = self.weight * known.sum(axis=1)
        self._known = known
        self._holes = np.flatnonzero(self.active & ~known.all(axis=1))
        self.guesses = self.filled[self._holes]
        self.penalty = penalty(self.weight * float(self.active.sum()))

    def begin(self, own: Vectors, shared: np.ndarray | None) -> tuple[np.ndarray, Vectors, float]:
        """Before a half-step on `own`: what all rows share with w CᵀC added, each row's w Cᵀa, and w Σ a² + λ |C|²."""
        factors = self.map(own)
        if len(self._holes):
            made = own.array[self._holes] @ factors.T.astype(np.float32)
            np.copyto(self.guesses, made, where=~self._known[self._holes])
            self.filled[self._holes] = self.guesses
        gram = self.weight * factors.T @ factors
        pull, scaled = Vectors(own.n, own.rank), (self.weight * factors).astype(np.float32)

        def part(low: int, high: int) -> None:
            pull.array[low:high] = self.filled[low:high] @ scaled

        in_parallel(part, _stripes(own.n))
        constant = self.weight * self._squares() + self.penalty * float(np.sum(factors**2))
        return gram if shared is None else shared + gram, pull, constant

    def load(self, guesses: np.ndarray) -> None:
        """Go on from what missing cells were filled with, rows with any in order: what `guesses` was."""
        self.guesses[:] = guesses
        self.filled[self._holes] = guesses

    def map(self, own: Vectors) -> np.ndarray:
        """C (d, rank) float64, exact for these vectors."""
        return self._solved(own)[0]

    def value(self, own: Vectors) -> float:
        """The side's part of the objective at these vectors and the map that is best for them."""
        factors, right = self._solved(own)
        return self.weight * self._squares() - float(np.sum(factors * right))

    def fitted(self, factors: np.ndarray, bias: np.ndarray | None) -> SideMap:
        """The map of learned vectors (n, rank) and their biases."""
        rows = factors if bias is None else np.column_stack([factors, bias])
        return SideMap.of(
            self.code, self.map(Vectors.of(factors)), self.weight, rows[self.active], self.filled[self.active]
        )

    def _solved(self, own: Vectors) -> tuple[np.ndarray, np.ndarray]:
        def part(low: int, high: int) -> np.ndarray:
            return self.filled[low:high].T @ own.array[low:high]

        right = np.zeros((self.filled.shape[1], own.rank))
        for product in in_parallel(part, _stripes(own.n)):
            right += product
        right *= self.weight
        gram = self.weight * own.gram()
        # a floor, tiny beside the system itself, keeps it solvable without a penalty
        gram[np.diag_indices(own.rank)] += max(self.penalty, 1e-9 * np.trace(gram) / own.rank + 1e-30)
        if not (np.isfinite(gram).all() and np.isfinite(right).all()):
            return np.full_like(right, np.nan), right  # the vectors are lost; the fit ends as diverged
        with blas_threads(1):  # the same bits for any number of threads
            return np.linalg.solve(gram, right.T).T, right

    def _squares(self) -> float:
        return float(np.sum(self.filled.astype(np.float64) ** 2))


@final
@dataclass(frozen=True, kw_only=True, eq=False)
class Collective:
    """The attributes of a fit, either side or both; `items`: the log's, and those that only attributes know."""

    users: Side | None
    items: Side | None
    vocabulary: Vocabulary
    new_items: np.ndarray | None

    @staticmethod
    def of(
        log: Interactions,
        user_features: ItemContent | None,
        item_features: ItemContent | None,
        *,
        user_weight: float,
        item_weight: float,
        penalty: Callable[[float], float],
    ) -> Collective:
        """Raises DataError for features without attributes, or of other ids."""
        users = items = new = None
        vocabulary = log.items
        if user_features is not None:
            code = FeatureCode.of(user_features, log.users)
            known = code.values(user_features, log.users)
            users = Side(code, known, log.by_user.counts, user_weight, penalty)
        if item_features is not None:
            code = FeatureCode.of(item_features, log.items)
            wide, laid = with_items_of(log, item_features.take(item_features.has_attributes))
            values, vocabulary = code.values(laid), wide.items
            items = Side(code, values[: log.n_items], log.by_item.counts, item_weight, penalty)
            new = values[log.n_items :]
        return Collective(users=users, items=items, vocabulary=vocabulary, new_items=new)

    def arrays(self) -> Arrays:
        """What the next epoch needs beside the vectors: nothing, where no cell is missing."""
        sides = {"user_guesses": self.users, "item_guesses": self.items}
        return {n: side.guesses for n, side in sides.items() if side is not None and len(side.guesses)}

    def load(self, arrays: Arrays) -> None:
        """Go on from these arrays."""
        for name, side in (("user_guesses", self.users), ("item_guesses", self.items)):
            if side is not None and len(side.guesses):
                side.load(arrays[name])

    def finished(self, model: FactorModel, arrays: Arrays) -> FactorModel:
        """The model of the log with what it knows of attributes: rows for users and items without a history, and new items."""
        self.load(arrays)
        if self.users is not None:
            found = self.users.fitted(model.user_factors, model.user_bias)
            factors, bias = _guessed(found, self.users, model.user_factors, model.user_bias)
            model = replace(model, user_factors=factors, user_bias=bias, sides=Sides(users=found))
        if self.items is not None and self.new_items is not None:
            found = self.items.fitted(model.item_factors, model.item_bias)
            factors, bias = _guessed(found, self.items, model.item_factors, model.item_bias)
            fold = model.fold
            if len(self.new_items):
                rows = found.new_rows(self.new_items)
                factors = np.concatenate([factors, rows.factors])
                bias = None if bias is None or rows.bias is None else np.concatenate([bias, rows.bias])
                fold = ContentFold(inner=fold, warm=len(model.items))
            model = replace(
                model,
                items=self.vocabulary,
                seen=replace(model.seen, n_columns=len(self.vocabulary)),
                item_factors=factors,
                item_bias=bias,
                fold=fold,
                sides=Sides(users=None if model.sides is None else model.sides.users, items=found),
            )
        return model


def begun(
    side: Side | None, own: Vectors, shared: np.ndarray | None
) -> tuple[np.ndarray | None, Vectors | None, float]:
    """`Side.begin`, or nothing added where there is no side.

    >>> begun(None, Vectors(2, 3), None)
    (None, None, 0.0)
    """
    return (shared, None, 0.0) if side is None else side.begin(own, shared)


def mass_of(side: Side | None) -> np.ndarray | int:
    """What the attributes of each row weigh together, (n,); 0 where there is no side.

    >>> mass_of(None)
    0
    """
    return 0 if side is None else side.mass


def value_of(side: Side | None, own: Vectors) -> float:
    """`Side.value`, or 0 where there is no side.

    >>> value_of(None, Vectors(2, 3))
    0.0
    """
    return 0.0 if side is None else side.value(own)


def _guessed(
    found: SideMap, side: Side, factors: np.ndarray, bias: np.ndarray | None
) -> tuple[np.ndarray, np.ndarray | None]:
    """Vectors and biases, those of rows without a history from their attributes, where any is known."""
    at = np.flatnonzero(~side.active & np.isfinite(side.values).any(axis=1))
    if len(at):
        rows = found.new_rows(side.values[at])
        factors[at] = rows.factors
        if bias is not None and rows.bias is not None:
            bias[at] = rows.bias
    return factors, bias


def _stripes(n: int) -> list[tuple[int, int]]:
    return [(low, min(low + _STRIPE, n)) for low in range(0, n, _STRIPE)]
