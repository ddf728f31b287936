"""NMF: users and items as sums of parts that only add, X ≈ U·Fᵀ with U, F >= 0.

Model       score(u, j) = x_u·y_j, x_u >= 0, y_j >= 0: a coordinate is a group of items, and how much of it a user has
Objective   D(X, U Fᵀ) + Σ_u s_u (λ₁ |x_u|₁ + λ |x_u|²/2) + Σ_j s_j (λ₁ |y_j|₁ + λ |y_j|²/2)
            loss      frobenius: D = ½ Σ (v - v̂)²;  kl: D = Σ v ln(v / v̂) - v + v̂, the likelihood of counts
            missing   zeros: D over all cells, where a cell without an entry is 0; s = 1. Made for clicks: a model that ranks, on the
                      logged values where `use_values`, else on ones. masked: D over the logged values alone; s = the row's entries.
                      Made for ratings: the model predicts values, needs them, and is judged by RMSE as well.
Step        One epoch improves all items, then all users, by `solver`, `sweeps` passes over a row at most. Every combination exists:
            coordinate      one coordinate after another, squares in closed form (HALS, Cichocki & Phan 2009), KL by Newton steps
                            (Hsieh & Dhillon 2011), shortened where they could overshoot
            multiplicative  Lee & Seung 2001, from the same bound where there is a penalty; slower, and what older papers mean by NMF
            The objective never rises: linalg/nonnegative.py.
Cost        n entries an epoch: 4 n rank + 2 (users + items) rank² (sweeps + 1) for frobenius over all cells, coordinate; else
            8 n rank (sweeps + 1), with 2 n rank sweeps divisions for kl. Memory: 4 (users + items) rank bytes, 20 n, and a row's
            vectors for each thread. The table of all cells is never made.
Fold-in     The minimum of a stranger's part of the objective, items fixed: coordinate descent to a relative tolerance of 1e-6, whatever
            the solver; convex, so the start does not matter. A trained row differs from it by what more epochs would change. On ml-1m
            (90/10, masked, rank 32, λ = 0.08, 300 users left out of training) their test RMSE is 0.842 folded in and 0.840 refitted.
            masked: a row without entries, which the objective says nothing about, gets its side's mean row.
Checked by  tests/by_hand/nmf.py (dense, float64), SciPy's nonnegative least squares, planted parts, a falling objective, scikit-learn's
            objective at equal time in benchmarks/speed/nmf.py.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import ClassVar, cast, final

import numpy as np

from matweave.config import Space, Span, check, config, flag, integer, number, one_of
from matweave.data.csr import Csr
from matweave.data.interactions import Interactions
from matweave.errors import DataError
from matweave.factor import require
from matweave.factor.fold import FoldIn, refitted
from matweave.factor.forms import FactorModel
from matweave.factor.loop import Arrays, FitState, History, Validation, Watch, iterate
from matweave.factor.recommender import origin
from matweave.factor.rows import FactorRows
from matweave.linalg.nonnegative import LOSSES, MISSING, SOLVERS, HalfStep, drawn
from matweave.linalg.sgd import width


@final
@dataclass(frozen=True, kw_only=True, eq=False)
class NonnegativeFold(FoldIn):
    """The nonnegative row of least objective, items fixed; see the head of the file.

    empty, item_empty (rank,) float32: the row of a masked model for a history, or an item, without entries; zeros for the others.
    """

    loss: str
    missing: str
    use_values: bool
    first: float
    second: float
    empty: np.ndarray
    item_empty: np.ndarray

    def solve(self, histories: Csr, model: FactorModel) -> FactorRows:
        if self.missing == "masked" and histories.values is None:
            raise DataError(
                f"{model.method} predicts values, and this history has none",
                where="fold-in",
                mend="give a value per item: recommend_for(history, values=[5, 3]), or --history 10=5,20=3",
            )
        log = histories if self.use_values else replace(histories, values=None)
        rank = model.item_factors.shape[1]
        items = np.zeros((len(model.items), width(rank)), np.float32)
        items[:, :rank] = model.item_factors
        values = _nonnegative(log, model.method, "fold-in")
        how = HalfStep(
            loss=self.loss,
            missing=self.missing,
            first=self.first,
            second=self.second,
            sweeps=2000,
            tolerance=1e-6,
        )
        rows = np.zeros((log.n_rows, items.shape[1]), np.float32)
        # a start of about the right sum; kl cannot start at zero
        rows[:, :rank] = (log.scipy().sum(axis=1) / max(1e-12, float(items.sum(dtype=np.float64))))[:, None]
        how.step(log.indptr, log.indices, values, items, rows)
        rows = np.ascontiguousarray(rows[:, :rank])
        rows[log.counts == 0] = self.empty
        return FactorRows(factors=rows, bias=None)

    def turned(self, model: FactorModel) -> NonnegativeFold:
        return replace(self, empty=self.item_empty, item_empty=self.empty)

    def refit(self, model: FactorModel, log: Interactions) -> FactorModel:
        return refitted(NMF, model, log)


@final
@config
class NMF:
    """The recipe; `fit` returns a `FactorModel` of nonnegative factors, without biases. See the head of the file for every term.

    The recipe counts as one that ranks: `tune`, `compare` and `fit --valid` judge it by nDCG unless told otherwise. A model fitted with
    missing="masked" predicts values, and `evaluate` gives its RMSE too.

    >>> import matweave as mw
    >>> log = mw.simulate_log(users=60, items=40, interactions=600, seed=0).log
    >>> model = NMF(rank=8, epochs=10).fit(log)
    >>> bool((model.item_factors >= 0).all()), model.limits
    (True, None)
    """

    rank: int = 32  # parts
    loss: str = "frobenius"  # frobenius or kl
    solver: str = "coordinate"  # coordinate or multiplicative
    missing: str = "zeros"  # zeros: all cells count; masked: the logged values alone
    use_values: bool = False  # whether an entry is its logged value or 1; masked takes the values always
    regularization: float = 0.02  # λ, of |x|²/2; times the row's entries where masked
    sparsity: float = 0.0  # λ₁, of |x|₁; times the row's entries where masked
    sweeps: int = 2  # passes over a row's coordinates in a half-epoch
    epochs: int = 40
    tolerance: float = 1e-5  # stop when the objective falls by less, relatively; 0: never
    seed: int = 0

    space: ClassVar[Space] = {
        "rank": Span(low=8, high=256, log=True, whole=True),
        "regularization": Span(low=0.001, high=10.0, log=True),
        "sparsity": Span(low=0.0001, high=1.0, log=True),
    }

    def __post_init__(self) -> None:
        check(
            self,
            rank=integer(1),
            loss=one_of(*LOSSES),
            solver=one_of(*SOLVERS),
            missing=one_of(*MISSING),
            use_values=flag(),
            regularization=number(0),
            sparsity=number(0),
            sweeps=integer(1),
            epochs=integer(1),
            tolerance=number(0),
            seed=integer(0),
        )

    def fit(
        self,
        train: Interactions,
        *,
        validate: Validation | None = None,
        watch: Watch | None = None,
        resume: FitState | None = None,
    ) -> FactorModel:
        """Learn the factors. The same seed gives the same bits for any number of threads.

        Raises DataError for an empty log, for one without values where masked, and for values below zero that are used.
        """
        masked = self.missing == "masked"
        if masked:
            given = require.values(train, "NMF", 'missing="zeros"')
        else:
            given = require.rows(train, "NMF").values
        run = _Run(self, train)

        def model(arrays: Arrays, history: History) -> FactorModel:
            sides, means = [], []
            for name, counts in (("user_factors", run.by_user.counts), ("item_factors", run.by_item.counts)):
                side = arrays[name][:, : self.rank].copy()
                means.append(side[counts > 0].mean(axis=0) if masked else np.zeros(self.rank, np.float32))
                side[counts == 0] = means[-1]
                sides.append(side)
            return FactorModel(
                **origin(self, train, history),
                limits=(float(given.min()), float(given.max())) if masked and given is not None else None,
                user_factors=sides[0],
                item_factors=sides[1],
                fold=NonnegativeFold(
                    loss=self.loss,
                    missing=self.missing,
                    use_values=self.use_values or masked,
                    first=self.sparsity,
                    second=self.regularization,
                    empty=means[0],
                    item_empty=means[1],
                ),
            )

        fitted = iterate(
            method="NMF",
            start=run.start,
            epoch=run.epoch,
            model=model,
            epochs=self.epochs,
            tolerance=self.tolerance,
            mend="scale the values down",
            validate=validate,
            watch=watch,
            resume=resume,
        )
        return cast(FactorModel, fitted)


@final
class _Run:
    """Epochs over one log: items, then users."""

    def __init__(self, recipe: NMF, train: Interactions) -> None:
        self.recipe = recipe
        used = recipe.use_values or recipe.missing == "masked"
        self.by_user, self.by_item = (
            m if used else replace(m, values=None) for m in (train.by_user, train.by_item)
        )
        self.values = _nonnegative(self.by_user, "NMF", "NMF.fit"), self.by_item.weights()
        self.how = HalfStep(
            loss=recipe.loss, solver=recipe.solver, missing=recipe.missing,
            first=recipe.sparsity, second=recipe.regularization, sweeps=recipe.sweeps,
        )  # fmt: skip
        self.constant = self.how.constant(self.values[0])

    def start(self) -> Arrays:
        recipe, (n_users, n_items) = self.recipe, self.by_user.shape
        cells = self.by_user.nnz if recipe.missing == "masked" else n_users * n_items
        size = max(1e-6, float(self.values[0].sum(dtype=np.float64)) / cells)
        sides = {"user_factors": n_users, "item_factors": n_items}
        return {k: drawn(n, recipe.rank, size=size, seed=recipe.seed, name=k) for k, n in sides.items()}

    def epoch(self, number: int, arrays: Arrays) -> tuple[Arrays, float]:
        users, items = arrays["user_factors"], arrays["item_factors"]
        for mine, values, own, other in (
            (self.by_item, self.values[1], items, users),
            (self.by_user, self.values[0], users, items),
        ):
            value = self.how.step(mine.indptr, mine.indices, values, other, own)
        return arrays, value + self.constant + self.how.penalty(items, self.by_item.counts)


def _nonnegative(log: Csr, method: str, where: str) -> np.ndarray:
    values = log.weights()
    if values.min(initial=0) < 0:
        raise DataError(
            f"{np.count_nonzero(values < 0)} values are below zero, which a sum of nonnegative parts cannot be",
            where=where,
            mend="shift the values to start at zero, leave those rows out, or set use_values=false",
        )
    if values.max(initial=0) > 1e15:
        raise DataError(
            f"values as large as {values.max():.0e} overflow when squared",
            where=where,
            mend="scale the values down",
        )
    return values
