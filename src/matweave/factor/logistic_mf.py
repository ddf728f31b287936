"""LogisticMF: the chance that a user has had an item, by logistic regression on both sides at once.

Model       p_ui = σ(s_ui), s_ui = x_u·y_i + b_u + c_i
Objective   min Σ_ui [ (1 + a_ui) ln(1 + e^s_ui) - a_ui s_ui ] + λ/2 (Σ |x_u|² + Σ |y_i|²) + λ_b/2 (Σ b_u² + Σ c_i²)
            over all cells, seen and unseen; a_ui = α v_ui of a seen cell, v the logged value where `use_values`, else 1; 0 of an unseen
            one. λ_b is 0 in the paper. The history's objective is its value as the last half-step of an epoch finds it,
            that is, with the epoch's items and the users of before.
Step        One epoch: the full gradient of the items and a step, then of the users. AdaGrad for each number: v -= γ g / √(Σ g² so far).
            Computed exactly, by tiles of a BLAS product and a compiled logistic: linalg/logistic.py; the paper's sampling of unseen
            cells is not needed. The same bits for any number of threads.
Cost        An epoch is 8 users items (rank + 2) operations in BLAS and 2 users items logistics; memory: the vectors twice, and
            their gradient.
Fold-in     The exact minimum over (x, b) with the items fixed, by Newton's method: linalg/logistic_row.py. On
            ncf-ml-1m (rank 32, 302 users left out of training) strangers' scores are 0.25 of their spread off a refit's, each
            row's mean taken off; HR@10 and nDCG@10 on the validation cut are 0.682 and 0.416 folded in, 0.682 and 0.412
            refitted. For users of training the row is 0.12 off the trained one, which is on its way to it. The same minimum over
            (y, c), users fixed, is a new item's row (`with_items`).
Checked by  tests/by_hand/logistic_mf.py (one cell at a time, float64), numerical gradients, planted chances recovered, the
            same bits for any number of threads and after a resume.
Source      Johnson 2014, with α as there (the weight of a seen cell is α v, and 1 is added where it counts as unseen).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, cast, final

import numpy as np

from matweave.config import Space, Span, check, config, flag, integer, number
from matweave.data.csr import Csr
from matweave.data.interactions import Interactions
from matweave.errors import DataError
from matweave.factor import require
from matweave.factor.fold import FoldIn
from matweave.factor.forms import FactorModel
from matweave.factor.loop import Arrays, FitState, History, Validation, Watch, iterate
from matweave.factor.recommender import origin
from matweave.factor.rows import FactorRows
from matweave.linalg.logistic import gradient
from matweave.linalg.logistic_row import best_row
from matweave.randomness import child
from matweave.threads import in_parallel


@final
@config
class LogisticMF:
    """The recipe; `fit` returns a `FactorModel`. See the head of the file for every term.

    >>> import matweave as mw
    >>> log = mw.simulate_log(users=60, items=40, interactions=600, seed=0).log
    >>> model = LogisticMF(rank=8, epochs=10, seed=0).fit(log)
    >>> model.item_factors.shape, model.history.objective[-1] < model.history.objective[0]
    ((40, 8), True)
    """

    rank: int = 32  # length of the vectors
    alpha: float = 10.0  # weight of a seen cell, times its value
    use_values: bool = False  # the logged values (>= 0) as v, or 1 for each row
    regularization: float = 10.0  # λ, of a whole row
    bias_regularization: float = 0.0  # λ_b
    learning_rate: float = 0.3  # γ, before AdaGrad divides it
    epochs: int = 60
    init_scale: float = 0.1  # standard deviation of the first factors
    tolerance: float = 0.0  # stop when the objective falls by less, relatively; 0: never
    seed: int = 0

    space: ClassVar[Space] = {
        "rank": Span(low=8, high=128, log=True, whole=True),
        "alpha": Span(low=0.5, high=40.0, log=True),
        "regularization": Span(low=0.1, high=100.0, log=True),
        "epochs": Span(low=20, high=150, log=True, whole=True),
    }

    def __post_init__(self) -> None:
        check(
            self,
            rank=integer(1),
            alpha=number(above=0),
            use_values=flag(),
            regularization=number(0),
            bias_regularization=number(0),
            learning_rate=number(above=0),
            epochs=integer(1),
            init_scale=number(above=0),
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
        """Learn from a log. Raises DataError for an empty log or negative values, Diverged with the mend."""
        log = require.rows(train, "LogisticMF")
        task = _Task(self, log.by_user, log.by_item)

        def model(arrays: Arrays, history: History) -> FactorModel:
            return FactorModel(
                **origin(self, log, history),
                user_factors=arrays["users"][:, : self.rank].copy(),
                user_bias=arrays["users"][:, self.rank].copy(),
                item_factors=arrays["items"][:, : self.rank].copy(),
                item_bias=arrays["items"][:, self.rank].copy(),
                fold=LogisticCellsFold(
                    alpha=self.alpha,
                    use_values=self.use_values,
                    regularization=self.regularization,
                    bias_regularization=self.bias_regularization,
                ),
            )

        fitted = iterate(
            method="LogisticMF",
            start=task.start,
            epoch=task.epoch,
            model=model,
            epochs=self.epochs,
            tolerance=self.tolerance,
            mend="lower learning_rate, or raise regularization",
            validate=validate,
            watch=watch,
            resume=resume,
        )
        return cast(FactorModel, fitted)

    def weights(self, log: Csr, where: str) -> np.ndarray:
        """a of every entry, or one number for all, float32. Raises DataError for negative values."""
        if not self.use_values or log.values is None:
            return np.array([self.alpha], np.float32)
        if log.nnz and not log.values.min() >= 0:
            raise DataError(
                f"{int((log.values < 0).sum())} values are negative, and a weight is at least 0",
                where=where,
                mend="leave rows of dislike out, or set use_values=False",
            )
        # a log of one row must not look like one number for all
        return np.append(np.float32(self.alpha) * log.values, np.float32(0))


FLOOR = 1e-6
"""The least ridge of a stranger's row, so that Newton's method has a minimum to go to."""


@final
@dataclass(frozen=True, kw_only=True)
class LogisticCellsFold(FoldIn):
    """The minimum over (x, b) of a row's part of the objective, item side fixed; a row without items is zero."""

    alpha: float
    use_values: bool
    regularization: float
    bias_regularization: float

    def turned(self, model: FactorModel) -> LogisticCellsFold:
        return self  # the objective is the same seen from items: (y, c) over the users' (x, b)

    def solve(self, histories: Csr, model: FactorModel) -> FactorRows:
        recipe = LogisticMF(alpha=self.alpha, use_values=self.use_values)
        weights = recipe.weights(histories, "fold-in")
        wide = np.column_stack([model.item_factors, np.ones(len(model.items))]).astype(np.float64)
        table = wide.astype(np.float32)
        offset = np.zeros(len(wide)) if model.item_bias is None else model.item_bias.astype(np.float64)
        ridge = np.full(wide.shape[1], max(self.regularization, FLOOR))
        ridge[-1] = max(self.bias_regularization, FLOOR)
        solved = np.zeros((histories.n_rows, wide.shape[1]), np.float32)

        def rows(start: int, stop: int) -> None:
            for row in range(start, stop):
                cut = slice(histories.indptr[row], histories.indptr[row + 1])
                met = histories.indices[cut]
                if len(met):
                    own = weights[cut] if len(weights) > 1 else np.repeat(weights, len(met))
                    solved[row] = best_row(wide, table, offset, met, own.astype(np.float64), ridge)

        in_parallel(rows, [(a, min(a + 16, histories.n_rows)) for a in range(0, histories.n_rows, 16)])
        return FactorRows(factors=np.ascontiguousarray(solved[:, :-1]), bias=solved[:, -1].copy())


@final
class _Task:
    """One fit. A side's rows are (vector, bias); the state also holds the squares that AdaGrad has summed."""

    def __init__(self, recipe: LogisticMF, by_user: Csr, by_item: Csr) -> None:
        self.recipe = recipe
        self.sides = {"users": by_user, "items": by_item}
        self.weights = {name: recipe.weights(log, "LogisticMF.fit") for name, log in self.sides.items()}
        self.ridge = np.full(recipe.rank + 1, recipe.regularization, np.float32)
        self.ridge[-1] = recipe.bias_regularization

    def start(self) -> Arrays:
        r, arrays = self.recipe, {}
        for name, log in self.sides.items():
            rows = arrays[name] = np.zeros((log.n_rows, r.rank + 1), np.float32)
            drawn = child(r.seed, "logistic_mf", name).standard_normal((log.n_rows, r.rank), np.float32)
            np.multiply(drawn, np.float32(r.init_scale), out=rows[:, : r.rank])
            arrays[f"{name}_squares"] = np.zeros_like(rows)
        return arrays

    def epoch(self, number: int, arrays: Arrays) -> tuple[Arrays, float]:
        self._step("items", "users", arrays)
        return arrays, self._step("users", "items", arrays)

    def _step(self, own: str, other: str, arrays: Arrays) -> float:
        """One step of a side; J as it was before."""
        x, y, squares = arrays[own], arrays[other], arrays[f"{own}_squares"]
        ones = np.ones((len(x), 1), np.float32), np.ones((len(y), 1), np.float32)
        log = self.sides[own]
        slope, value = gradient(
            np.concatenate([x, ones[0]], axis=1),
            np.concatenate([y[:, :-1], ones[1], y[:, -1:]], axis=1),
            log.indptr,
            log.indices,
            self.weights[own],
        )
        for rows in (x, y):
            value += 0.5 * float((self.ridge * np.square(rows, dtype=np.float64)).sum())
        slope = slope[:, :-1] + self.ridge * x
        squares += slope * slope
        x -= np.float32(self.recipe.learning_rate) * slope / np.sqrt(squares + np.float32(1e-12))
        return value
