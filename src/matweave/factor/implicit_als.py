"""ImplicitALS: rank by confidence-weighted least squares over all cells, seen and unseen.

Model. score s_ui = x_u·y_i, rank d. With v_ui the confidence of a seen cell (1, or the logged value):

    L = Σ_seen α v_ui (1 - s_ui)² + ω Σ_all s_ui²        + Σ_u ρ_u |x_u|² + Σ_i ρ_i |y_i|²      background = "all"
    L = Σ_seen (ω + α v_ui) (1 - s_ui)² + ω Σ_unseen s_ui² + the same                          background = "unseen"

    ρ_u = regularization · (count_u + ω · items)^exponent,   ρ_i = regularization · (count_i + ω · users)^exponent

"all" with α = 1 is iALS (Rendle, Krichene, Zhang, Koren 2021, arXiv 2110.14037, eq. 3-5: ω = α₀, exponent ν = 1);
"unseen" with ω = 1 and exponent 0 is Hu, Koren, Volinsky 2008, eq. 3: c = 1 + α v, flat λ.

Step. One epoch solves every item, then every user, the other side fixed. With κ = ω for "unseen", else 0:

    x_u = (α Σ_i v_ui y_i y_iᵀ + ω YᵀY + ρ_u I)⁻¹ Σ_i (α v_ui + κ) y_i          (Hu et al. eq. 4)

by `solver`: "cg" (two preconditioned steps from the last vector, in the eigenbasis of YᵀY; linalg/rows_cg.py),
"cholesky" (exact), "block" (iALS++, arXiv 2110.14044: exact in blocks of `block_size`). The objective after each
epoch comes with the last half-step for nothing, and never rises with any of the three.

Cost of an epoch, n = seen cells: cg 8 n (steps + 1) d + d³, cholesky 2 n d² + (users + items) d³ / 3, block
2 n d block_size + ...; memory 4 (users + items) d + 8 n bytes.

Fold-in of a stranger: the exact x_u above. For a training user it equals the trained vector up to float32 where
the solver is exact, since users are solved last; with cg it is what more steps would have given (tested: within
5 % on a planted log). Against a refit it differs by what the stranger's rows would have moved the items.

Attributes of users and items (`user_features`, `item_features`) share the vectors with the log, and give rows to strangers and to
new items: factor/collective.py, factor/sides.py. Without them nothing changes.

Checked: slow twin tests/by_hand/implicit_als.py, planted recovery, relabelling, threads (tests/factor).
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import ClassVar, final

import numpy as np

from matweave.config import Space, Span, check, config, flag, integer, number, one_of
from matweave.data.csr import Csr
from matweave.data.interactions import Interactions
from matweave.data.item_content import ItemContent
from matweave.errors import DataError
from matweave.factor.collective import Collective, begun, mass_of, value_of
from matweave.factor.fold import FoldIn, refitted
from matweave.factor.forms import FactorModel
from matweave.factor.laplace import ImplicitLaplace
from matweave.factor.loop import Arrays, FitState, History, Validation, Watch, iterate
from matweave.factor.recommender import origin
from matweave.factor.require import rows
from matweave.factor.rows import FactorRows
from matweave.factor.sides import Beside
from matweave.linalg.rows import RowSolver, RowSystems, a_device, on_device
from matweave.linalg.rows_block import BlockDescent
from matweave.linalg.rows_cg import ConjugateGradient
from matweave.linalg.rows_cholesky import Cholesky
from matweave.linalg.vectors import Vectors
from matweave.randomness import child


@final
@config
class ImplicitALS:
    """The recipe; `fit` returns a `FactorModel`. See the head of the file for every term.

    >>> import matweave as mw
    >>> log = mw.simulate_log(users=60, items=40, interactions=600, seed=0).log
    >>> model = ImplicitALS(rank=8, epochs=4, seed=0).fit(log)
    >>> model.user_factors.shape, len(model.history.objective)
    ((60, 8), 4)
    """

    rank: int = 64  # length of the vectors
    alpha: float = 1.0  # weight of a seen cell, times its confidence
    unobserved_weight: float = 0.1  # ω, weight of the pull to zero
    background: str = "all"  # which cells are pulled to zero: all (iALS) or unseen (Hu, Koren, Volinsky)
    use_values: bool = False  # confidence: the logged values (>= 0), or 1 for each row
    regularization: float = 0.015  # before scaling
    regularization_exponent: float = 1.0  # 0: the same for every row; 1: grows with the row's weight
    epochs: int = 16
    solver: str = "cg"  # cg, cholesky or block
    cg_steps: int = 2  # steps per row and half-epoch (solver cg)
    block_size: int = 64  # a multiple of 16 (solver block)
    init_scale: float = 1.0  # standard deviation of the first vectors, over sqrt(rank)
    user_weight: float = 10.0  # of all attributes of a user together, in seen cells (with user_features)
    item_weight: float = 100.0  # of all attributes of an item together (with item_features)
    device: str = "cpu"  # cpu: compiled kernels; cuda: torch on a card; torch: torch on the CPU
    tolerance: float = 1e-4  # stop when the objective falls by less, relatively; 0: never
    seed: int = 0

    space: ClassVar[Space] = {
        "rank": Span(low=16, high=256, log=True, whole=True),
        "regularization": Span(low=1e-4, high=0.1, log=True),
        "unobserved_weight": Span(low=1e-3, high=1.0, log=True),
        "epochs": Span(low=4, high=24, whole=True),
    }
    side_space: ClassVar[Space] = {
        "user_weight": Span(low=1.0, high=1000.0, log=True),
        "item_weight": Span(low=1.0, high=1000.0, log=True),
    }

    def __post_init__(self) -> None:
        check(
            self,
            rank=integer(1),
            alpha=number(above=0),
            unobserved_weight=number(0),
            background=one_of("all", "unseen"),
            use_values=flag(),
            regularization=number(0),
            regularization_exponent=number(0, 2),
            epochs=integer(1),
            solver=one_of("cg", "cholesky", "block"),
            cg_steps=integer(1),
            block_size=_sixteens,
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
        """Learn from a log, and from attributes of users and items where given (factor/collective.py).

        Raises DataError for an empty log, negative confidences or features of other ids, Diverged with the mend.
        """
        log = rows(train, type(self).__name__)
        sides = Collective.of(
            log,
            user_features,
            item_features,
            user_weight=self.user_weight,
            item_weight=self.item_weight,
            penalty=lambda mass: float(self.ridge(np.array(mass), 0)),
        )
        task = _Task(self, log.by_user, log.by_item, sides)

        def model(arrays: Arrays, history: History) -> FactorModel:
            items = arrays["item_factors"].copy()
            found = FactorModel(
                **origin(self, log, history),
                user_factors=arrays["user_factors"].copy(),
                item_factors=items,
                fold=ImplicitFold.of(self, items),
            )
            return sides.finished(found, arrays)

        fitted = iterate(
            method=type(self).__name__,
            start=task.start,
            epoch=task.epoch,
            model=model,
            epochs=self.epochs,
            tolerance=self.tolerance,
            mend="raise regularization, or lower alpha",
            validate=validate,
            watch=watch,
            resume=resume,
        )
        assert isinstance(fitted, FactorModel)
        return fitted

    def row_solver(self) -> RowSolver:
        """The solver of linalg that the settings name."""
        if self.solver == "cg":
            return on_device(ConjugateGradient(steps=self.cg_steps), self.device)
        exact = self.solver == "cholesky"
        return on_device(Cholesky() if exact else BlockDescent(size=self.block_size), self.device)

    def ridge(self, counts: np.ndarray, columns: int) -> np.ndarray:
        """ρ of rows with these counts over so many columns, (rows,) float64."""
        scale = counts + self.unobserved_weight * columns
        return self.regularization * scale**self.regularization_exponent


@final
@dataclass(frozen=True, kw_only=True)
class ImplicitFold(FoldIn):
    """The exact vector of a stranger: Cholesky on (α Σ v y yᵀ + ω YᵀY + ρ I), items fixed."""

    alpha: float
    unobserved_weight: float
    background: str
    use_values: bool
    regularization: float
    regularization_exponent: float
    gram: np.ndarray  # YᵀY, (rank, rank) float64

    @staticmethod
    def of(recipe: ImplicitALS, item_factors: np.ndarray) -> ImplicitFold:
        return ImplicitFold(
            alpha=recipe.alpha,
            unobserved_weight=recipe.unobserved_weight,
            background=recipe.background,
            use_values=recipe.use_values,
            regularization=recipe.regularization,
            regularization_exponent=recipe.regularization_exponent,
            gram=Vectors.of(item_factors).gram(),
        )

    def laplace(self, model: FactorModel) -> ImplicitLaplace:
        return ImplicitLaplace(
            model=model,
            alpha=self.alpha,
            use_values=self.use_values,
            pull=self.unobserved_weight if self.background == "unseen" else 0.0,
            background=self.unobserved_weight,
            gram=self.gram,
            ridge=self._recipe().ridge,
        )

    def turned(self, model: FactorModel) -> ImplicitFold:
        return self.over(model.user_factors)

    def over(self, item_factors: np.ndarray) -> ImplicitFold:
        return replace(self, gram=Vectors.of(item_factors).gram())

    def refit(self, model: FactorModel, log: Interactions) -> FactorModel:
        return refitted(ImplicitALS, model, log)

    def solve(self, histories: Csr, model: FactorModel) -> FactorRows:
        return self._solve(histories, model, None)

    def beside(self, histories: Csr, model: FactorModel, side: Beside) -> FactorRows:
        return self._solve(histories, model, side)

    def _solve(self, histories: Csr, model: FactorModel, side: Beside | None) -> FactorRows:
        needed, columns = np.unique(histories.indices, return_inverse=True)
        few = replace(histories, indices=columns.astype(np.int32), n_columns=len(needed))
        recipe = self._recipe()
        systems = _systems(recipe, few, "fold-in")
        own = Vectors(histories.n_rows, model.item_factors.shape[1])
        shared, mass, pull = self.unobserved_weight * self.gram, 0.0, None
        if side is not None:
            shared, mass, pull = shared + side.shared, side.mass, Vectors.of(side.pull)
        Cholesky().step(
            systems,
            Vectors.of(model.item_factors[needed]),
            own,
            ridge=recipe.ridge(systems.counts + mass, len(model.items)),
            shared=shared,
            pull=pull,
        )
        return FactorRows(factors=own.array.copy(), bias=None)

    def _recipe(self) -> ImplicitALS:
        return ImplicitALS(
            alpha=self.alpha,
            unobserved_weight=self.unobserved_weight,
            background=self.background,
            use_values=self.use_values,
            regularization=self.regularization,
            regularization_exponent=self.regularization_exponent,
        )


@final
class _Task:
    """One fit: the systems of both sides and the two tables that an epoch works on."""

    def __init__(self, recipe: ImplicitALS, by_user: Csr, by_item: Csr, sides: Collective) -> None:
        self.recipe, self.solver, self.sides = recipe, recipe.row_solver(), sides
        name = type(recipe).__name__
        self.by_user, self.by_item = _systems(recipe, by_user, name), _systems(recipe, by_item, name)
        self.user_ridge = recipe.ridge(by_user.counts + mass_of(sides.users), by_user.n_columns)
        self.item_ridge = recipe.ridge(by_item.counts + mass_of(sides.items), by_item.n_columns)
        self.constant = _constant(self.by_user)
        self.users = Vectors(by_user.n_rows, recipe.rank)
        self.items = Vectors(by_item.n_rows, recipe.rank)

    def start(self) -> Arrays:
        scale = self.recipe.init_scale / np.sqrt(self.recipe.rank)
        for name, side in (("users", self.users), ("items", self.items)):
            drawn = child(self.recipe.seed, "implicit_als", name).standard_normal(
                side.array.shape, np.float32
            )
            np.multiply(drawn, np.float32(scale), out=side.array)
        return self._arrays()

    def epoch(self, number: int, arrays: Arrays) -> tuple[Arrays, float]:
        for side, array in ((self.users, arrays["user_factors"]), (self.items, arrays["item_factors"])):
            if not np.shares_memory(side.data, array):  # a resumed fit brings its own
                side.array[:] = array
        weight = self.recipe.unobserved_weight
        self.sides.load(arrays)
        shared = weight * self.solver.gram(self.users) if weight else None
        shared, pull, _ = begun(self.sides.items, self.items, shared)
        self.solver.step(
            self.by_item, self.users, self.items, ridge=self.item_ridge, shared=shared, pull=pull
        )
        shared = weight * self.solver.gram(self.items) if weight else None
        shared, pull, constant = begun(self.sides.users, self.users, shared)
        value = self.solver.step(
            self.by_user, self.items, self.users, ridge=self.user_ridge, shared=shared, pull=pull
        )
        penalty = self.item_ridge @ np.einsum("nd,nd->n", self.items.array, self.items.array)
        value = value + self.constant + float(penalty)
        return self._arrays(), value + constant + value_of(self.sides.items, self.items)

    def _arrays(self) -> Arrays:
        return {
            "user_factors": self.users.array,
            "item_factors": self.items.array,
            **self.sides.arrays(),
        }


def _systems(recipe: ImplicitALS, matrix: Csr, where: str) -> RowSystems:
    pull = recipe.unobserved_weight if recipe.background == "unseen" else 0.0
    if not recipe.use_values or matrix.values is None:
        weights, targets = recipe.alpha, recipe.alpha + pull
    else:
        if matrix.nnz and not matrix.values.min() >= 0:
            raise DataError(
                f"{int((matrix.values < 0).sum())} values are negative, and a confidence is at least 0",
                where=where,
                mend="leave rows of dislike out, or set use_values=False",
            )
        weights = np.float32(recipe.alpha) * matrix.values
        targets = weights + np.float32(pull)
    return RowSystems(matrix.indptr, matrix.indices, matrix.n_columns, weights=weights, targets=targets)


def _constant(systems: RowSystems) -> float:
    """Σ of the weight times 1² over seen cells: what the loss is where every score is zero."""
    if systems.b_stride:
        return float(systems.b.sum(dtype=np.float64))
    return float(systems.b[0]) * float(systems.counts.sum())


def _sixteens(value: object) -> str | None:
    good = isinstance(value, int) and not isinstance(value, bool) and value >= 16 and value % 16 == 0
    return None if good else "a multiple of 16"
