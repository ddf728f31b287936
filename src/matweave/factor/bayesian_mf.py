"""BayesianMF: ratings by factors whose posterior is drawn from, with the variance of every prediction.

Model       Over standardised ratings r ← (r - mean) / deviation:

                r_uj ~ N(x_u·y_j + b_u + c_j, 1/τ),    (x_u, b_u) ~ N(m_u, Λ_U⁻¹),    (y_j, c_j) ~ N(m_j, Λ_I⁻¹)
                m_u = μ_U + β_Aᵀ a_u + β_Sᵀ s_u,   each side alike

            (μ, Λ) ~ Normal-Wishart, τ and λ ~ Gamma(1, 1), β ~ N(0, (λ Λ)⁻¹). This is Bayesian probabilistic matrix factorization
            (Salakhutdinov & Mnih 2008) with a bias as one more entry of each row, whose part in Λ the others share, and the noise
            drawn too. a_u: attributes of users (`user_features`), of items (`item_features`), centred: side information as in
            Macau (Simm et al. 2015). s_u, where `implicit`: the set of items that u rated, over the root of its size, and the set
            of users that rated j: what SVD++ adds, here linear in a Bayesian model as in Rendle, Zhang & Koren 2019 ("On the
            Difficulty of Evaluating Baselines"), with Macau's prior.
Sweep       Gibbs: users' (μ, Λ), their β and λ, their rows, then the items', then τ: linalg/gibbs_side.py, gibbs.py, links.py.
            burn_in + samples · thinning sweeps, of which every `thinning`-th is a draw; the last `samples` draws are kept. Before the end the
            model holds the later half of the draws so far, so that it can be looked at (`validate`) at any time.
Objective   1 + half the sum of squared errors of the sweep's draw over the standardised training ratings, which τ is drawn from:
            it falls, then wanders about the level of the noise. It is a trace, not a loss that is brought to a minimum.
Cost        A sweep is 4 n d² + (users + items) d³ / 3 operations for n ratings and d = rank, 4 users · items · d more where
            implicit, for tables where the smaller side is below 4,097 (links.py); memory: samples times a factor model, and where implicit
            as much again for the weights of the sets, which strangers and new items need.
Answers     The mean over draws, held to the range once. PosteriorModel (posterior.py) has the variance.
Fold-in     For each draw the row's conditional mean, given history, items, hyperparameters, attributes (posterior_fold.py).
            Items without rows are drawn from what their attributes say.
            For a training user it differs from the mean over draws by sampling alone; from a refit by what
            the stranger would have moved the items. tests/factor/test_bayesian_mf.py holds both on planted data.
Checked by  tests/by_hand/bayesian_mf.py, sweep by sweep with the same normals; a posterior that is known in closed form;
            Geweke's joint test; coverage of intervals on planted data; equal bits for any number of threads and after a resume.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any, ClassVar, cast, final

import numpy as np

from matweave.config import Space, Span, check, config, flag, integer
from matweave.data.csr import Csr
from matweave.data.features import FeatureCode
from matweave.data.interactions import Interactions
from matweave.data.item_content import ItemContent
from matweave.data.vocabulary import Vocabulary
from matweave.factor import require
from matweave.factor.content_items import with_items_of
from matweave.factor.loop import Arrays, FitState, History, Validation, Watch, iterate
from matweave.factor.posterior import PosteriorModel, kept_of, kept_slots, slot_of
from matweave.factor.posterior_fold import PosteriorFold, SidePrior, centred, sets
from matweave.factor.recommender import origin
from matweave.linalg.gibbs_side import Hyper, Side
from matweave.linalg.rows import RowSystems
from matweave.linalg.wishart import NormalWishart
from matweave.randomness import child

SIDES = ("user", "item")

SHAPE, RATE = 1.0, 1.0
"""Of the prior of τ, in standardised units: broad beside any log."""

BEGIN = 0.1
"""Standard deviation of the first factors: in what state the chain begins is forgotten in burn-in."""


@final
@config
class BayesianMF:
    """The recipe; `fit` returns a `PosteriorModel`. See the head of the file for every term.

    >>> import matweave as mw
    >>> log = mw.simulate_log(users=60, items=40, interactions=600, shape="ratings", seed=0).log
    >>> model = BayesianMF(rank=4, burn_in=10, samples=20, thinning=1).fit(log)
    >>> model.user_draws.shape, len(model.history.objective)
    ((20, 60, 6), 30)
    """

    rank: int = 32  # length of the vectors, beside the biases
    implicit: bool = False  # whether the sets of rated items and of raters inform the rows
    burn_in: int = 50  # sweeps before the first draw that is kept
    samples: int = 100  # draws kept; the model is as large as so many factor models
    thinning: int = 2  # sweeps between two draws
    seed: int = 0

    space: ClassVar[Space] = {
        "rank": Span(low=8, high=64, log=True, whole=True),
        "implicit": (False, True),
    }
    predicts_values: ClassVar[bool] = True

    def __post_init__(self) -> None:
        check(
            self,
            rank=integer(1),
            implicit=flag(),
            burn_in=integer(0),
            samples=integer(2),
            thinning=integer(1),
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
    ) -> PosteriorModel:
        """Draw from the posterior. user_features, item_features: attributes of users and of items, by id; items that only
        attributes are known of are items of the model, after the log's.

        The same seed gives the same bits for any number of threads. Raises DataError for a log that is empty or has no
        values, and for features that have no attributes of the log's ids.
        """
        values = require.values(train, "BayesianMF", "ImplicitALS")
        run = _Chain(self, train, values, [user_features, item_features])

        def model(arrays: Arrays, history: History) -> PosteriorModel:
            kept = run.kept(arrays)
            made = PosteriorModel(
                **origin(self, train, history),
                limits=(float(values.min()), float(values.max())),
                mean=run.mean,
                user_draws=kept_of(arrays["user_draws"], kept, history),
                item_draws=kept_of(arrays["item_draws"], kept, history),
                noise=arrays["noise"][kept],
                fold=PosteriorFold(
                    user_prior=run.prior(0, arrays, kept), item_prior=run.prior(1, arrays, kept)
                ),
            )
            return made if item_features is None else _with_new_items(made, train, item_features)

        fitted = iterate(
            method="BayesianMF",
            start=run.start,
            epoch=run.epoch,
            model=model,
            epochs=self.burn_in + self.samples * self.thinning,
            mend="see whether a few values are far from all others",
            validate=validate,
            watch=watch,
            resume=resume,
        )
        return cast(PosteriorModel, fitted)


@final
@dataclass(frozen=True, kw_only=True, eq=False)
class _Features:
    """The attributes of one side over the log's ids: their code, their values (n, D), NaN where missing."""

    code: FeatureCode
    values: np.ndarray

    @staticmethod
    def of(content: ItemContent | None, ids: Vocabulary) -> _Features | None:
        if content is None:
            return None
        code = FeatureCode.of(content, ids)
        return _Features(code=code, values=code.values(content, ids))


def _with_new_items(model: PosteriorModel, train: Interactions, content: ItemContent) -> PosteriorModel:
    """The model with the items that no row has and attributes are known of, drawn from what these say."""
    wide, laid = with_items_of(train, content.take(content.has_attributes))
    if wide.n_items == train.n_items:
        return model
    assert isinstance(model.fold, PosteriorFold)
    code = model.fold.item_prior.code
    assert code is not None
    values = code.values(laid)[train.n_items :]
    none = Csr.from_pairs([], [], [], shape=(len(values), train.n_users))
    return model.with_rows(wide.items, replace(model.seen, n_columns=wide.n_items), none, values)


@final
class _Chain:
    """One fit: both sides, their features, and the draws kept so far, which are part of the state."""

    def __init__(
        self, recipe: BayesianMF, train: Interactions, values: np.ndarray, content: list[ItemContent | None]
    ) -> None:
        self.recipe, self.count = recipe, len(values)
        self.counts = dict(burn_in=recipe.burn_in, samples=recipe.samples, thinning=recipe.thinning)
        self.mean = float(values.mean(dtype=np.float64))
        # equal values: a deviation that no rating shows, so that nothing is divided by zero
        self.deviation = float(values.std(dtype=np.float64)) or 1e-6 * max(abs(self.mean), 1.0)
        self.tables: list[Csr] = [train.by_user, train.by_item]
        ids = [train.users, train.items]
        self.features = [_Features.of(c, i) for c, i in zip(content, ids, strict=True)]
        self.sides = [self._side(at) for at in (0, 1)]
        # of a row (x, b) in the units of the log: x·y is in them where each has the root
        self.units = np.full(recipe.rank + 1, np.sqrt(self.deviation))
        self.units[-1] = self.deviation

    def _side(self, at: int) -> Side:
        table, rank = self.tables[at], self.recipe.rank
        standard = (table.weights().astype(np.float64) - self.mean) / self.deviation
        systems = RowSystems(table.indptr, table.indices, table.n_columns, weights=1.0, targets=standard)
        designs: list[Any] = []
        features = self.features[at]
        if features is not None:
            designs.append(centred(features.values, None))
        if self.recipe.implicit:
            designs.append(sets(table).scipy())
        begin = child(self.recipe.seed, "bayesian_mf", SIDES[at]).standard_normal(
            (table.n_rows, rank), np.float32
        )
        return Side(systems, rank, designs, NormalWishart(), np.float32(BEGIN) * begin)

    def start(self) -> Arrays:
        samples, d = self.recipe.samples, self.recipe.rank + 1
        arrays: Arrays = {
            "noise_precision": np.ones(1),
            "sweeps": np.zeros(1, np.int64),
            "noise": np.zeros(samples),
        }
        for name, side, table in zip(SIDES, self.sides, self.tables, strict=True):
            arrays |= {
                f"{name}_draws": np.zeros((samples, table.n_rows, d + 1), np.float32),
                f"{name}_means": np.zeros((samples, d)),
                f"{name}_precisions": np.zeros((samples, d, d)),
            }
            arrays |= {
                f"{name}_weights_{b}": np.zeros((samples, link.features, d), np.float32)
                for b, link in enumerate(side.links)
            }
            arrays |= {f"{name}_{part}": array for part, array in side.arrays().items()}
        return arrays

    def epoch(self, number: int, arrays: Arrays) -> tuple[Arrays, float]:
        self._resume(arrays)
        random = child(self.recipe.seed, "bayesian_mf", "sweep", number)
        precision, errors = float(arrays["noise_precision"][0]), 0.0
        drawn: list[Hyper] = []
        for at in (0, 1):
            hyper, errors = self.sides[at].sweep(random, self.sides[1 - at].vectors, precision)
            drawn.append(hyper)
        half = RATE + max(errors, 0.0) / 2
        arrays["noise_precision"][0] = random.gamma(SHAPE + self.count / 2) / half
        arrays["sweeps"][0] = number + 1
        for name, side in zip(SIDES, self.sides, strict=True):
            arrays |= {f"{name}_{part}": array for part, array in side.arrays().items()}
        if number % self.recipe.thinning == 0:
            self._keep(slot_of(number, **self.counts), arrays, drawn, precision)
        return arrays, half

    def _resume(self, arrays: Arrays) -> None:
        for name, side in zip(SIDES, self.sides, strict=True):
            given = {part: arrays[f"{name}_{part}"] for part in side.arrays()}
            if not np.shares_memory(side.vectors.data, given["factors"]):  # a resumed fit brings its own
                side.load(given)

    def _keep(self, slot: int, arrays: Arrays, drawn: list[Hyper], precision: float) -> None:
        """Write this sweep's draw to its slot, in the units of the log."""
        arrays["noise"][slot] = self.deviation**2 / precision
        for name, side, hyper in zip(SIDES, self.sides, drawn, strict=True):
            out, units = arrays[f"{name}_draws"][slot], self.units
            assert side.vectors.bias is not None
            out[:, :-2] = side.vectors.array * np.float32(units[0])
            out[:, -2 if name == "user" else -1] = side.vectors.bias[:-1] * np.float32(units[-1])
            out[:, -1 if name == "user" else -2] = 1.0
            arrays[f"{name}_means"][slot] = hyper.mean * units
            arrays[f"{name}_precisions"][slot] = hyper.precision / np.outer(units, units)
            for b, (link, state) in enumerate(zip(side.links, side.states, strict=True)):
                arrays[f"{name}_weights_{b}"][slot] = link.weights(state) * units.astype(np.float32)

    def kept(self, arrays: Arrays) -> np.ndarray:
        """`kept_slots` of the sweeps so far."""
        return kept_slots(int(arrays["sweeps"][0]), **self.counts)

    def prior(self, at: int, arrays: Arrays, kept: np.ndarray) -> SidePrior:
        name, features = SIDES[at], self.features[at]
        weights = [arrays[f"{name}_weights_{b}"][kept] for b in range(len(self.sides[at].links))]
        return SidePrior(
            means=arrays[f"{name}_means"][kept],
            precisions=arrays[f"{name}_precisions"][kept],
            code=None if features is None else features.code,
            attributes=None if features is None else features.values,
            weights=None if features is None else weights[0],
            set_weights=weights[-1] if self.recipe.implicit else None,
        )
