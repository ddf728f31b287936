"""ProbabilisticMF: ratings as normal draws around a product of factors with normal priors, at the largest posterior.

Model       r_uj ~ N(μ + x_u·y_j, 1/α),  x_u ~ N(m, Λ⁻¹),  y_j ~ N(m', Λ'⁻¹),  Λ, Λ' diagonal       (Salakhutdinov & Mnih 2007)
            μ: the mean of the training values, fixed (`use_mean`), or 0. No biases; predictions are held to the range of training,
            where the paper's experiments squash the product by a logistic function.
            constrained: x_u ~ N(m + Σ_{i∈N(u)} W_i / |N(u)|, Λ⁻¹), W_i ~ N(0, 1/λ_W): who rated the same items starts alike.
Units       Ratings are standardised first, r ← (r - mean) / deviation (without μ: r ← r / root mean square), and the answer put back.
Objective   priors="fixed": ½ Σ e² + λ/2 (Σ_u |x_u - w_u|² + Σ_j |y_j|²) + λ_W/2 Σ_i |W_i|²,  w_u = Σ_i W_i / |N(u)| or 0; m = m' = 0
            priors="adaptive": minus the log of the posterior, precisions and means among its variables,
                ½ α Σ e² - n/2 ln α + Σ_f ½ (λ_f Σ_u (x_uf - w_uf - m_f)² - U ln λ_f) + the same of items + λ_W/2 Σ_i |W_i|²
                + ½ c n (α - ln α) + Σ_f ½ c U (λ_f/λ - ln λ_f) + the same of items, c = prior_share
            The last line is a Gamma prior on each precision, worth a share c of its rows, around what `regularization` says. The paper's is
            flat, under which this objective has no lower end (a coordinate that is all zero may have any precision), and the exact
            steps here go there: on ml-1m, rank 32, with a prior worth 10 rows, all but one coordinate died in 15 epochs.
            U, n: users and values of the log; a row without a value tells nothing of the priors.
Step        Alternating, every part exact: (adaptive, after `fixed_epochs`) the means and precisions in closed form, the paper's control
            of complexity; (constrained) W by a few conjugate gradient steps, a ridge regression of the x_u on histories; all items; all
            users, by linalg/rows_cholesky.py. The objective never rises. The paper takes gradient steps in mini-batches.
Cost        2 n rank² + (users + items) rank³ / 3 an epoch; constrained: 8 n rank a step more. Memory: 4 (users + items) rank bytes, 20 n.
Fold-in     The exact minimum of a stranger's part, items and priors fixed: equal to the trained row, users being solved last. On ml-1m (90/10,
            300 users left out of training) their test RMSE is 0.829 folded in and 0.825 refitted (adaptive, constrained).
Variance    Where priors are fixed: factor/laplace.py. Learned ones differ by side and coordinate; the fold keeps them, with the noise.
Checked by  tests/by_hand/probabilistic_mf.py (float64), numerical gradients of the objective, a planted posterior, equal bits for threads.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, ClassVar, cast, final

import numpy as np

from matweave.config import Space, Span, check, config, flag, integer, number, one_of
from matweave.data.csr import Csr
from matweave.data.interactions import Interactions
from matweave.errors import DataError
from matweave.factor import require
from matweave.factor.fold import FoldIn, refitted
from matweave.factor.forms import FactorModel
from matweave.factor.laplace import RatingLaplace
from matweave.factor.loop import Arrays, FitState, History, Validation, Watch, iterate
from matweave.factor.recommender import origin
from matweave.factor.rows import FactorRows
from matweave.linalg.normal_priors import Histories, Priors, precisions
from matweave.linalg.rows import RowSystems
from matweave.linalg.vectors import Vectors
from matweave.linalg.weighted_sums import products
from matweave.randomness import child

if TYPE_CHECKING:
    from matweave.factor.laplace import Laplace


@final
@dataclass(frozen=True, kw_only=True, eq=False)
class NormalFold(FoldIn):
    """min over x of Σ_j (v_j - μ - x·y_j)² + (x - m - w)ᵀ diag(ridge) (x - m - w), items fixed.

    ridge (rank,): prior precisions over the precision of a value; mean (rank,): m; item_ridge, item_mean: of the other side. float32,
    in the units of the log. history: W (items, rank), or no rows. spread: whether both ridges are one number, as a variance needs.
    noise: the learned variance of a training value about its score, 0 where priors are fixed.
    """

    ridge: np.ndarray
    mean: np.ndarray
    item_ridge: np.ndarray
    item_mean: np.ndarray
    history: np.ndarray
    spread: bool
    noise: float = 0.0

    def solve(self, histories: Csr, model: FactorModel) -> FactorRows:
        if histories.values is None:
            raise DataError(
                f"{model.method} predicts values, and this history has none",
                where="fold-in",
                mend="give a value per item: recommend_for(history, values=[5, 3]), or --history 10=5,20=3",
            )
        rows = Vectors(histories.n_rows, model.item_factors.shape[1])
        targets = histories.values - np.float32(model.mean)
        table = histories.indptr, histories.indices
        systems = RowSystems(*table, histories.n_columns, weights=1.0, targets=targets)
        means = None
        if len(self.history):
            shares = np.repeat(1.0 / np.maximum(histories.counts, 1), histories.counts)
            means = products(*table, shares, self.history)
        prior = Priors(mean=self.mean.astype(np.float64), ridge=self.ridge.astype(np.float64))
        prior.solve(systems, Vectors.of(model.item_factors), rows, means)
        return FactorRows(factors=rows.array.copy(), bias=None)

    def laplace(self, model: FactorModel) -> Laplace | None:
        """Where the priors are fixed. Learned ones differ by side and coordinate, which factor/laplace.py does not take."""
        if not self.spread:
            return None
        return RatingLaplace(
            model=model, regularization=float(self.ridge[0]), bias_regularization=0.0, scale_by_count=False
        )

    def turned(self, model: FactorModel) -> NormalFold:
        return replace(
            self,
            ridge=self.item_ridge,
            mean=self.item_mean,
            item_ridge=self.ridge,
            item_mean=self.mean,
            history=self.history[:0],
        )

    def over(self, item_factors: np.ndarray) -> NormalFold:
        """New items say nothing of who rated them."""
        if not len(self.history):
            return self
        more = np.zeros((len(item_factors) - len(self.history), self.history.shape[1]), np.float32)
        return replace(self, history=np.concatenate([self.history, more]))

    def refit(self, model: FactorModel, log: Interactions) -> FactorModel:
        return refitted(ProbabilisticMF, model, log)


@final
@config
class ProbabilisticMF:
    """The recipe; `fit` returns a `FactorModel` without biases. See the head of the file for every term.

    >>> import matweave as mw
    >>> log = mw.simulate_log(users=60, items=40, interactions=600, shape="ratings", seed=0).log
    >>> model = ProbabilisticMF(rank=4, epochs=4).fit(log)
    >>> model.user_factors.shape, model.user_bias is None
    ((60, 4), True)
    """

    rank: int = 32  # length of the vectors
    priors: str = "fixed"  # fixed: precisions as given; adaptive: means and precisions learned
    constrained: bool = False  # whether the prior mean of a user follows from which items were rated
    regularization: float = 16.0  # λ: the first prior precision over the precision of a standardised value
    history_regularization: float = 1.0  # λ_W, of the vectors of the history (constrained)
    prior_share: float = (
        0.5  # what the hyperprior weighs, as a share of the rows that it is beside (adaptive)
    )
    fixed_epochs: int = 3  # epochs before precisions are learned (adaptive)
    history_steps: int = 4  # conjugate gradient steps for W in an epoch (constrained)
    use_mean: bool = True  # whether μ is the mean of the training values, or 0
    epochs: int = 15
    init_scale: float = 0.3  # standard deviation of the first vectors, over sqrt(rank)
    tolerance: float = 1e-5  # stop when the objective falls by less, relatively; 0: never
    seed: int = 0

    space: ClassVar[Space] = {
        "rank": Span(low=8, high=128, log=True, whole=True),
        "regularization": Span(low=1.0, high=50.0, log=True),
    }
    predicts_values: ClassVar[bool] = True

    def __post_init__(self) -> None:
        check(
            self,
            rank=integer(1),
            priors=one_of("fixed", "adaptive"),
            constrained=flag(),
            regularization=number(above=0),
            history_regularization=number(above=0),
            prior_share=number(above=0),
            fixed_epochs=integer(1),
            history_steps=integer(1),
            use_mean=flag(),
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
        """Learn the factors. The same seed gives the same bits for any number of threads.

        Raises DataError for a log that is empty or has no values.
        """
        values = require.values(train, "ProbabilisticMF", "ImplicitALS").astype(np.float64)
        mean = float(values.mean()) if self.use_mean else 0.0
        deviation = float(np.sqrt(np.mean((values - mean) ** 2))) or 1.0
        run = _Run(self, train, mean, deviation)
        stretch = np.float32(np.sqrt(deviation))  # of each side of a product

        def model(arrays: Arrays, history: History) -> FactorModel:
            users, items = run.priors(arrays)
            adaptive = self.priors == "adaptive"
            return FactorModel(
                **origin(self, train, history),
                limits=(float(values.min()), float(values.max())),
                mean=mean,
                user_factors=arrays["user_factors"] * stretch,
                item_factors=arrays["item_factors"] * stretch,
                fold=NormalFold(
                    ridge=(users.ridge * deviation).astype(np.float32),
                    mean=users.mean.astype(np.float32) * stretch,
                    item_ridge=(items.ridge * deviation).astype(np.float32),
                    item_mean=items.mean.astype(np.float32) * stretch,
                    history=arrays.get("item_history", np.zeros((0, self.rank), np.float32)) * stretch,
                    spread=not adaptive,
                    noise=deviation**2 / float(arrays["noise"][0]) if adaptive else 0.0,
                ),
            )

        fitted = iterate(
            method="ProbabilisticMF",
            start=run.start,
            epoch=run.epoch,
            model=model,
            epochs=self.epochs,
            tolerance=self.tolerance,
            mend="raise regularization",
            validate=validate,
            watch=watch,
            resume=resume,
        )
        return cast(FactorModel, fitted)


@final
class _Run:
    """Epochs over one log. Beside the factors: "priors" (4, rank), means and precisions of users, then of items; "noise" (2,), α
    and the squared error; "item_history", W, where constrained.
    """

    def __init__(self, recipe: ProbabilisticMF, train: Interactions, mean: float, deviation: float) -> None:
        self.recipe, log, turned = recipe, train.by_user, train.by_item
        self.shape = log.shape
        self.systems = []
        for m in (log, turned):
            targets = ((m.weights() - np.float64(mean)) / deviation).astype(np.float32)
            self.systems.append(RowSystems(m.indptr, m.indices, m.n_columns, weights=1.0, targets=targets))
        self.energy = float((targets.astype(np.float64) ** 2).sum())
        self.rated = [int(np.count_nonzero(m.counts)) for m in (log, turned)]
        self.histories = Histories((log.indptr, log.indices), (turned.indptr, turned.indices))

    def start(self) -> Arrays:
        r, sizes = self.recipe, dict(zip(("user", "item"), self.shape, strict=True))
        arrays: Arrays = {}
        for side, n in sizes.items():
            drawn = child(r.seed, "probabilistic_mf", side).standard_normal((n, r.rank), np.float32)
            arrays[f"{side}_factors"] = drawn * np.float32(r.init_scale / np.sqrt(r.rank))
        arrays["priors"] = np.zeros((4, r.rank))
        arrays["priors"][1::2] = r.regularization
        arrays["noise"] = np.array([1.0, self.energy])
        if r.constrained:
            arrays["item_history"] = np.zeros((self.shape[1], r.rank), np.float32)
        return arrays

    def priors(self, arrays: Arrays) -> list[Priors]:
        """Of users and of items."""
        p, alpha = arrays["priors"], arrays["noise"][0]
        return [Priors(mean=p[k], ridge=p[k + 1] / alpha) for k in (0, 2)]

    def epoch(self, number: int, arrays: Arrays) -> tuple[Arrays, float]:
        r, made = self.recipe, dict(arrays)
        means = self._means(made)
        if r.priors == "adaptive" and number >= r.fixed_epochs:
            self._learn(made, means)
        users, items = self.priors(made)
        if r.constrained:
            made["item_history"] = self.histories.fit(
                made["item_history"],
                made["user_factors"] - users.mean.astype(np.float32),
                made["priors"][1],
                r.history_regularization,
                r.history_steps,
            )
            means = self._means(made)
        x, y = (Vectors.of(made[name]) for name in ("user_factors", "item_factors"))
        items.solve(self.systems[1], x, y)
        error = self.energy + users.solve(self.systems[0], y, x, means)
        made |= {"user_factors": x.array.copy(), "item_factors": y.array.copy()}
        made["noise"] = np.array([made["noise"][0], max(error, 0.0)])
        return made, self._objective(made, means)

    def _means(self, arrays: Arrays) -> np.ndarray | None:
        return self.histories.means(arrays["item_history"]) if self.recipe.constrained else None

    def _learn(self, arrays: Arrays, means: np.ndarray | None) -> None:
        """Means and precisions at their minimum, factors fixed; rows without a rating stand at their mean, and tell nothing."""
        r, p = self.recipe, arrays["priors"].copy()
        for k, name, w in ((0, "user_factors", means), (2, "item_factors", None)):
            rated = self.systems[k // 2].counts > 0
            own, more = arrays[name][rated], None if w is None else w[rated]
            p[k] = (own if more is None else own - more).mean(axis=0, dtype=np.float64)
            away = Priors(mean=p[k], ridge=p[k + 1]).deviations(own, more)
            p[k + 1] = precisions(
                away, len(own), expected=r.regularization, strength=r.prior_share * len(own)
            )
        count = int(self.systems[0].counts.sum())
        noise = precisions(arrays["noise"][1:], count, expected=1.0, strength=r.prior_share * count)
        arrays["priors"], arrays["noise"] = p, np.array([noise[0], arrays["noise"][1]])

    def _objective(self, arrays: Arrays, means: np.ndarray | None) -> float:
        r, p, (alpha, error) = self.recipe, arrays["priors"], arrays["noise"]
        value = 0.5 * alpha * error
        for prior, k, name, w in zip(
            self.priors(arrays), (0, 2), ("user_factors", "item_factors"), (means, None), strict=True
        ):
            rated = self.systems[k // 2].counts > 0
            away = prior.deviations(arrays[name][rated], None if w is None else w[rated])
            value += 0.5 * float(p[k + 1] @ away)
            if r.priors == "adaptive":
                logs = np.log(p[k + 1])
                more = r.prior_share * (p[k + 1] / r.regularization - logs)
                value += 0.5 * self.rated[k // 2] * float((more - logs).sum())
        if r.priors == "adaptive":
            count = float(self.systems[0].counts.sum())
            value += 0.5 * count * float(r.prior_share * (alpha - np.log(alpha)) - np.log(alpha))
        if r.constrained:
            table = arrays["item_history"]
            squares = np.einsum("nd,nd->", table, table, dtype=np.float64)
            value += 0.5 * r.history_regularization * float(squares)
        return float(value)
