"""ExplicitALS: predict values by alternating ridge regressions, with biases and rows weighed by their counts.

Model. v_ui ≈ μ + b_u + c_i + x_u·y_i, rank d; μ is the mean of the training values, fixed.

    L = Σ_seen (v_ui - μ - b_u - c_i - x_u·y_i)²
        + Σ_u s_u (λ |x_u|² + λ_b b_u²) + Σ_i s_i (λ |y_i|² + λ_b c_i²),     s = the row's count, or 1

s = count is ALS-WR (Zhou, Wilkinson, Schreiber, Pan 2008, eq. 5): a user of 1,000 ratings is shrunk as much as one
of 20. Here `scale_by_count=False` gives the flat penalty.

Step. One epoch solves every item, then every user. For a user, with residuals r_i = v_ui - μ - c_i,

    [Σ y yᵀ + s λ I   Σ y      ] [x]   [Σ r_i y_i]
    [Σ yᵀ             n + s λ_b] [b] = [Σ r_i    ]

is solved jointly, so that bias and vector do not chase each other: by "cg" (a few preconditioned steps from the last
solution, linalg/rows_cg.py) or by "cholesky" (exact). The objective comes with the last half-step for nothing and
never rises.

Cost of an epoch, n = ratings: cg 8 n (steps + 1) d + d³, cholesky 2 n d² + (users + items) d³ / 3; memory
4 (users + items) d + 20 n bytes.

Fold-in of a stranger: the exact solution above (factor/fold.py). For a training user it equals the trained row up
to float32 where the solver is exact, since users are solved last; with cg up to what more steps would change.

Attributes of users and items (`user_features`, `item_features`) share the vectors with the ratings, and give rows and biases to strangers
and to new items: factor/collective.py, factor/sides.py. Without them nothing changes.

Checked: slow twin tests/by_hand/explicit_als.py, planted recovery, relabelling, threads (tests/factor);
test RMSE on ml-1m 90/10 in benchmarks/speed/explicit_als.py.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, final

import numpy as np

from matweave.config import Space, Span, check, config, flag, integer, number, one_of
from matweave.data.csr import Csr
from matweave.data.interactions import Interactions
from matweave.data.item_content import ItemContent
from matweave.factor.collective import Collective, begun, mass_of, value_of
from matweave.factor.fold import FoldIn, RidgeFold, refitted
from matweave.factor.forms import FactorModel
from matweave.factor.laplace import RatingLaplace
from matweave.factor.loop import Arrays, FitState, History, Validation, Watch, iterate
from matweave.factor.recommender import origin
from matweave.factor.require import values
from matweave.factor.rows import FactorRows
from matweave.factor.sides import Beside
from matweave.linalg.rows import RowSystems, a_device, on_device
from matweave.linalg.rows_cg import ConjugateGradient
from matweave.linalg.rows_cholesky import Cholesky
from matweave.linalg.vectors import Vectors
from matweave.randomness import child


@final
@config
class ExplicitALS:
    """The recipe; `fit` returns a `FactorModel` with biases. See the head of the file for every term.

    >>> import matweave as mw
    >>> log = mw.simulate_log(users=60, items=40, interactions=600, shape="ratings", seed=0).log
    >>> model = ExplicitALS(rank=8, epochs=4, seed=0).fit(log)
    >>> model.user_factors.shape, model.history.stopped
    ((60, 8), 'epochs')
    """

    rank: int = 64  # length of the vectors
    regularization: float = 0.07  # λ, of the vectors
    bias_regularization: float = 0.04  # λ_b, of the biases
    scale_by_count: bool = True  # penalties times the row's count (ALS-WR), or flat
    epochs: int = 12
    solver: str = "cg"  # cg or cholesky
    cg_steps: int = 2  # steps per row and half-epoch (solver cg)
    init_scale: float = 0.1  # standard deviation of the first vectors, over sqrt(rank)
    user_weight: float = 30.0  # of all attributes of a user together, in ratings (with user_features)
    item_weight: float = 30.0  # of all attributes of an item together (with item_features)
    device: str = "cpu"  # cpu: compiled kernels; cuda: torch on a card; torch: torch on the CPU
    tolerance: float = 1e-4  # stop when the objective falls by less, relatively; 0: never
    seed: int = 0

    space: ClassVar[Space] = {
        "rank": Span(low=8, high=128, log=True, whole=True),
        "regularization": Span(low=0.01, high=0.5, log=True),
    }
    side_space: ClassVar[Space] = {
        "user_weight": Span(low=1.0, high=1000.0, log=True),
        "item_weight": Span(low=1.0, high=1000.0, log=True),
    }
    predicts_values: ClassVar[bool] = True

    def __post_init__(self) -> None:
        check(
            self,
            rank=integer(1),
            regularization=number(0),
            bias_regularization=number(0),
            scale_by_count=flag(),
            epochs=integer(1),
            solver=one_of("cg", "cholesky"),
            cg_steps=integer(1),
            init_scale=number(above=0),
            user_weight=number(above=0),
            item_weight=number(above=0),
            device=a_device,
            tolerance=number(0),
            seed=integer(0),
        )

    def fit(
        self,
        train: Interactions,
        *,
        user_features: ItemContent | None = None,
        item_features: ItemContent | None = None,
        validate: Validation | None = None,
        watch: Watch | None = None,
        resume: FitState | None = None,
    ) -> FactorModel:
        """Learn from a log with values, and from attributes of users and items where given (factor/collective.py).

        Raises DataError for a log without values or features of other ids, Diverged with the mend.
        """
        name = type(self).__name__
        given = values(train, name, "ImplicitALS")
        mean = float(given.mean(dtype=np.float64))
        sides = Collective.of(
            train,
            user_features,
            item_features,
            user_weight=self.user_weight,
            item_weight=self.item_weight,
            penalty=lambda mass: self.regularization * mass**self.scale_by_count,
        )
        task = _Task(self, train.by_user, train.by_item, mean, sides)

        def model(arrays: Arrays, history: History) -> FactorModel:
            found = FactorModel(
                **origin(self, train, history),
                limits=(float(given.min()), float(given.max())),
                user_factors=arrays["user_factors"].copy(),
                item_factors=arrays["item_factors"].copy(),
                user_bias=arrays["user_bias"].copy(),
                item_bias=arrays["item_bias"].copy(),
                mean=mean,
                fold=ExplicitFold(
                    ridge=RidgeFold(
                        regularization=self.regularization,
                        bias_regularization=self.bias_regularization,
                        scale_by_count=self.scale_by_count,
                    )
                ),
            )
            return sides.finished(found, arrays)

        fitted = iterate(
            method=name,
            start=task.start,
            epoch=task.epoch,
            model=model,
            epochs=self.epochs,
            tolerance=self.tolerance,
            mend="raise regularization",
            validate=validate,
            watch=watch,
            resume=resume,
        )
        assert isinstance(fitted, FactorModel)
        return fitted


@final
@dataclass(frozen=True, kw_only=True)
class ExplicitFold(FoldIn):
    """The exact row of a stranger, and of a new item, by `ridge`."""

    ridge: RidgeFold

    def solve(self, histories: Csr, model: FactorModel) -> FactorRows:
        return self.ridge.solve(histories, model)

    def beside(self, histories: Csr, model: FactorModel, side: Beside) -> FactorRows:
        return self.ridge.beside(histories, model, side)

    def laplace(self, model: FactorModel) -> RatingLaplace:
        return RatingLaplace(
            model=model,
            regularization=self.ridge.regularization,
            bias_regularization=self.ridge.bias_regularization,
            scale_by_count=self.ridge.scale_by_count,
        )

    def turned(self, model: FactorModel) -> ExplicitFold:
        return self

    def refit(self, model: FactorModel, log: Interactions) -> FactorModel:
        return refitted(ExplicitALS, model, log)


@final
class _Task:
    """One fit: the systems of both sides and the two tables that an epoch works on."""

    def __init__(
        self, recipe: ExplicitALS, by_user: Csr, by_item: Csr, mean: float, sides: Collective
    ) -> None:
        self.recipe, self.sides = recipe, sides
        solver = ConjugateGradient(steps=recipe.cg_steps) if recipe.solver == "cg" else Cholesky()
        self.solver = on_device(solver, recipe.device)
        self.by_user, self.by_item = _systems(by_user, mean), _systems(by_item, mean)
        self.users = Vectors(by_user.n_rows, recipe.rank, biased=True)
        self.items = Vectors(by_item.n_rows, recipe.rank, biased=True)
        counts, power = [m.counts.astype(np.float64) for m in (by_user, by_item)], recipe.scale_by_count
        self.scales = [n**power for n in counts]
        masses = (
            mass_of(sides.users),
            mass_of(sides.items),
        )  # attributes say something of vectors, not of biases
        self.more = [(n + mass) ** power - n**power for n, mass in zip(counts, masses, strict=True)]

    def start(self) -> Arrays:
        scale = self.recipe.init_scale / np.sqrt(self.recipe.rank)
        for name, side in (("users", self.users), ("items", self.items)):
            drawn = child(self.recipe.seed, "explicit_als", name).standard_normal(
                side.array.shape, np.float32
            )
            np.multiply(drawn, np.float32(scale), out=side.array)
        return self._arrays()

    def epoch(self, number: int, arrays: Arrays) -> tuple[Arrays, float]:
        for name, mine in self._arrays().items():
            if not np.shares_memory(mine, arrays[name]):  # a resumed fit brings its own
                mine[:] = arrays[name]
        self.sides.load(arrays)
        recipe, (user_scale, item_scale) = self.recipe, self.scales
        vector, bias = recipe.regularization, recipe.bias_regularization
        user_more, item_more = self.more
        shared, pull, _ = begun(self.sides.items, self.items, None)
        self.solver.step(
            self.by_item,
            self.users,
            self.items,
            ridge=vector * (item_scale + item_more),
            shared=shared,
            bias_ridge=bias * item_scale,
            pull=pull,
        )
        shared, pull, constant = begun(self.sides.users, self.users, None)
        value = self.solver.step(
            self.by_user,
            self.items,
            self.users,
            ridge=vector * (user_scale + user_more),
            shared=shared,
            bias_ridge=bias * user_scale,
            pull=pull,
        )
        vectors, biases = self.items.array, self._arrays()["item_bias"].astype(np.float64)
        lengths = np.einsum("nd,nd->n", vectors, vectors)
        value += float(item_scale @ (vector * lengths + bias * biases**2))
        value += constant + vector * float(item_more @ lengths) + value_of(self.sides.items, self.items)
        return self._arrays(), value

    def _arrays(self) -> Arrays:
        assert self.users.bias is not None
        assert self.items.bias is not None
        return {
            "user_factors": self.users.array,
            "item_factors": self.items.array,
            "user_bias": self.users.bias[:-1],
            "item_bias": self.items.bias[:-1],
            **self.sides.arrays(),
        }


def _systems(matrix: Csr, mean: float) -> RowSystems:
    targets = matrix.weights() - np.float32(mean)
    return RowSystems(matrix.indptr, matrix.indices, matrix.n_columns, weights=1.0, targets=targets)
