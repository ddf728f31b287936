"""SymmetricNMF: communities of one relation, X ≈ W Wᵀ with W >= 0.

Model. score(a, b) = w_a·w_b: two entities are tied as far as they are in the same communities. What the model says is symmetric;
of a directed relation it fits what is symmetric in it, exactly: the squared loss over both cells of a pair is that
over their weighted mean, up to a constant, which is counted. One relation; several: TriFactorization. There are no biases.

Objective: ω = unobserved_weight of cells without a triple, unknown cells 0; with self_loops=False cells (a, a) count for nothing:

    L = Σ_ab w_ab (x_ab - w_a·w_b)² + λ |W|²

This is the model of Kuang, Ding & Park 2012; they solve it by a Newton-like method and by alternating nonnegative least
squares with a penalty. Step here: exact coordinate descent, each entry of W to the least of its quartic
(Vandaele et al. 2016; linalg/symmetric_rows.py): L never rises, and there is no penalty or step to choose.

Cost of an epoch, n entities, m triples: 4 m r + 4 n r² flops, and 2 m r² more with weights or unknown cells; one thread. Memory
8 n r + 24 m bytes.

Answers: `complete` takes a triple as known both ways, and with self_loops=False never gives an entity itself.
Fold-in: none; a new entity's row has no closed solution under W >= 0 (`with_entities` says so).

Checked by  tests/by_hand/symmetric_nmf.py, coordinate by coordinate on dense arrays, the descent, planted communities
(tests/factor/test_symmetric_nmf.py).
Source: Kuang, Ding & Park 2012, "Symmetric nonnegative matrix factorization for graph clustering"; Vandaele, Gillis, Lei, Zhong &
Dhillon 2016, "Efficient and non-convex coordinate descent for symmetric nonnegative matrix factorization".
"""

from __future__ import annotations

from typing import ClassVar, final

import numpy as np

from matweave.config import Space, Span, check, config, flag, integer, number
from matweave.data.relations import Relations
from matweave.errors import DataError
from matweave.factor.cores import DenseCores
from matweave.factor.loop import Arrays, FitState, History, Validation, Watch, iterate
from matweave.factor.relation_forms import RelationModel, origin
from matweave.factor.relation_squares import checked, listed_cells
from matweave.factor.tri_factorization import refuse_negative
from matweave.linalg.symmetric_rows import objective, sweep
from matweave.randomness import child
from matweave.threads import blas_threads


@final
@config
class SymmetricNMF:
    """The recipe; `fit` returns a `RelationModel` with `communities()`. See the head of the file for every term.

    >>> from matweave.data.relations import Relations
    >>> friends = Relations.of(heads=["a", "b", "c", "d"], tails=["b", "a", "d", "c"])
    >>> model = SymmetricNMF(rank=2, epochs=30, self_loops=False).fit(friends)
    >>> model.communities()["community"].to_pylist()
    [1, 1, 2, 2]
    """

    rank: int = 10  # number of communities
    regularization: float = 0.0  # λ, of W
    unobserved_weight: float = 1.0  # ω, weight of cells that are known to have no triple
    self_loops: bool = True  # whether an entity's cell with itself counts
    epochs: int = 200
    tolerance: float = 1e-6  # stop when the objective falls by less, relatively; 0: never
    seed: int = 0

    space: ClassVar[Space] = {
        "rank": Span(low=2, high=60, log=True, whole=True),
        "regularization": Span(low=1e-3, high=10.0, log=True),
    }

    def __post_init__(self) -> None:
        check(
            self,
            rank=integer(1),
            regularization=number(0),
            unobserved_weight=number(0),
            self_loops=flag(),
            epochs=integer(1),
            tolerance=number(0),
            seed=integer(0),
        )

    def fit(
        self,
        train: Relations,
        *,
        weights: np.ndarray | None = None,
        validate: Validation | None = None,
        watch: Watch | None = None,
        resume: FitState | None = None,
    ) -> RelationModel:
        """Learn from triples of one relation, values >= 0. weights: one for each triple. Raises DataError for others, or none."""
        name = type(self).__name__
        given = checked(weights, train, name)
        refuse_negative(train, name)
        if len(train.kinds) > 1:
            raise DataError(
                f"{name} is of one relation, and there are {len(train.kinds):,}",
                where=f"{name}.fit",
                mend="choose one: train.select([name]) (--relation NAME), or use TriFactorization or DEDICOM",
            )
        task = _Task(self, train, given)

        def model(arrays: Arrays, history: History) -> RelationModel:
            return RelationModel(
                **origin(self, train, history),
                entity_factors=arrays["entity_factors"].astype(np.float32),
                core=DenseCores(values=np.eye(self.rank, dtype=np.float32)[None]),
                nonnegative=True,
                symmetric=True,
                self_loops=self.self_loops,
            )

        return iterate(
            method=name,
            start=task.start,
            epoch=task.epoch,
            model=model,
            epochs=self.epochs,
            tolerance=self.tolerance,
            rounding=1e-9 * task.square,
            mend="scale the values down",
            validate=validate,
            watch=watch,
            resume=resume,
        )


@final
class _Task:
    """One fit: the symmetric rows, with the weights of both cells of a pair halved."""

    def __init__(self, recipe: SymmetricNMF, train: Relations, weights: np.ndarray | None) -> None:
        self.recipe, self.n = recipe, len(train.entities)
        numbers, x, w, self.rest = listed_cells(train, weights, recipe.unobserved_weight)
        heads, _, tails = train.places(numbers)
        x, w = x.astype(np.float64), w.astype(np.float64)
        alone = heads == tails
        self.self_x = np.zeros(self.n)
        self.self_u = np.full(self.n, self.rest if recipe.self_loops else 0.0)
        self.self_x[heads[alone]] = x[alone]
        if recipe.self_loops:
            self.self_u[heads[alone]] = w[alone]
        heads, tails, x, w = heads[~alone], tails[~alone], x[~alone], w[~alone]
        low, high = np.minimum(heads, tails).astype(np.int64), np.maximum(heads, tails)
        pairs, at, counts = np.unique(low * self.n + high, return_inverse=True, return_counts=True)
        both = np.bincount(at, w, len(pairs)) + np.where(
            counts == 1, self.rest, 0.0
        )  # the other cell: a zero
        mean = np.bincount(at, w * x, len(pairs)) / np.where(both > 0, both, 1.0)
        self.square = float((w * x**2).sum() + (self.self_u * self.self_x**2).sum())
        self.constant = float((w * x**2).sum() - (both * mean**2).sum())
        a, b = np.divmod(pairs, self.n)
        rows, columns = np.concatenate([a, b]), np.concatenate([b, a])
        order = np.lexsort((columns, rows))
        self.indptr = np.searchsorted(rows[order], np.arange(self.n + 1))
        self.indices = columns[order]
        self.x, self.u = np.tile(mean, 2)[order], np.tile(both / 2, 2)[order]

    def start(self) -> Arrays:
        """Uniform, so scaled that the mean of W Wᵀ is about that of X (as Kuang, Ding & Park do)."""
        rank = self.recipe.rank
        known = self.u.sum() + self.self_u.sum() + max(self.n**2 - len(self.u) - self.n, 0) * self.rest
        mean = ((self.u * self.x).sum() + (self.self_u * self.self_x).sum()) / max(known, 1e-30)
        draw = child(self.recipe.seed, "symmetric_nmf", "start")
        return {"entity_factors": 2 * np.sqrt(mean / rank) * draw.uniform(size=(self.n, rank))}

    def epoch(self, number: int, arrays: Arrays) -> tuple[Arrays, float]:
        """A sweep over every entry of W."""
        w = np.ascontiguousarray(arrays["entity_factors"])
        system = (self.indptr, self.indices, self.x, self.u, self.self_x, self.self_u, self.rest)
        with blas_threads(1):
            sweep(*system, self.recipe.regularization, w)
            value = objective(*system, self.recipe.regularization, w)
        return {"entity_factors": w}, value + self.constant
