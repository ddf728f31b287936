"""ComplEx: which triples hold, by complex rotations of entities, trained to rank the right entity over all others.

Model. With complex vectors e of entities and r of relations, rank d of them (Trouillon, Welbl, Riedel, Gaussier & Bouchard 2016),

    score(a, k, b) = Re Σ_j e_aj r_kj conj(e_bj) = w_aᵀ H_k w_b,   w = (Re e, Im e) real of length 2 d,
    H_k = [[P, Q], [-Q, P]], P = diag(Re r_k), Q = diag(Im r_k)

so it is X_k ≈ W H_k Wᵀ with cores of 2 x 2 rotations and stretches: asymmetric, yet 2 d numbers a relation.

Objective (Lacroix, Usunier & Obozinski 2018): for each triple (a, k, b), the cross-entropy of b among all entities as tail of
(a, k, ?) and of a as tail of (b, k⁻¹, ?), and the nuclear 3-norm of what it is made of:

    -s(a, k, b) + ln Σ_c exp s(a, k, c) + λ (|e_a|₃³ + |r_k|₃³ + |e_b|₃³),   |z|₃³ = Σ_j |z_j|³,   and the same backward

reciprocal=True gives k⁻¹ a vector of its own, as they do; heads are then ranked by it (RelationModel.reverse), and a cell's score
is the forward one. False: k⁻¹ is the conjugate of k. The value after an epoch is the mean over both directions of all triples, as met in it.
weights: a triple's terms times its weight. It has no values, no biases (a softmax over entities does not see μ), no unknown
cells: every entity is a candidate.

Step. AdaGrad (Duchi, Hazan & Singer 2011) on batches of shuffled triples, both directions of all of them once an epoch.

Cost of an epoch, n entities, m triples: 24 m n d flops in three matrix products, for each of two directions; memory
16 (n + 2 K) d + 4 batch_size n bytes. The same bits for any number of threads: rows and components are cut, never raced for.

Fold-in: none, a row has no closed solution here (`with_entities` says so).

Checked by  tests/by_hand/compl_ex.py, in complex numbers and by differences (tests/factor/test_compl_ex.py), planted rotations;
filtered MRR on kinships in benchmarks/quality/relations.py.
"""

from __future__ import annotations

from itertools import pairwise
from typing import ClassVar, final

import numpy as np

from matweave.config import Space, Span, check, config, flag, integer, number
from matweave.data.relations import Relations
from matweave.errors import DataError
from matweave.factor.cores import RotationCores
from matweave.factor.loop import Arrays, FitState, History, Validation, Watch, iterate
from matweave.factor.relation_forms import RelationModel, origin
from matweave.factor.relation_squares import checked
from matweave.linalg.rotations import adagrad, ask, hand_back, soften
from matweave.randomness import child
from matweave.threads import blas_threads, in_parallel

_PIECES = 4


@final
@config
class ComplEx:
    """The recipe; `fit` returns a `RelationModel`. See the head of the file for every term.

    >>> from matweave.data.relations import Relations
    >>> trade = Relations.of(heads=["a", "b", "c"], relations=["sells", "sells", "owes"], tails=["b", "c", "a"])
    >>> model = ComplEx(rank=4, epochs=20, batch_size=2).fit(trade)
    >>> model.entity_factors.shape, model.complete(head="a", relation="sells", k=1, known=True)["entity"].to_pylist()
    ((3, 8), ['b'])
    """

    rank: int = 64  # d, number of complex components
    regularization: float = 0.01  # λ, of the nuclear 3-norm
    learning_rate: float = 0.1  # of AdaGrad
    batch_size: int = 256  # examples of a step; a triple makes two
    reciprocal: bool = True  # whether a relation read backwards has a vector of its own
    init_scale: float = 0.1  # standard deviation of the first vectors
    epochs: int = 20
    tolerance: float = 0.0  # stop when the objective falls by less, relatively; 0: never
    seed: int = 0

    space: ClassVar[Space] = {
        "rank": Span(low=16, high=256, log=True, whole=True),
        "regularization": Span(low=1e-4, high=0.1, log=True),
        "epochs": Span(low=5, high=60, whole=True),
    }

    def __post_init__(self) -> None:
        check(
            self,
            rank=integer(1),
            regularization=number(0),
            learning_rate=number(above=0),
            batch_size=integer(1),
            reciprocal=flag(),
            init_scale=number(above=0),
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
        """Learn from triples. weights: one for each, at least 0. Raises DataError for values, unknown cells, or no triples."""
        name = type(self).__name__
        given = checked(weights, train, name)
        _refuse(train, name)
        task = _Task(self, train, given)

        def model(arrays: Arrays, history: History) -> RelationModel:
            real, imaginary = arrays["real"].copy(), arrays["imaginary"].copy()
            count = len(train.kinds)
            reverse = None
            if self.reciprocal:  # k⁻¹ asks from the tail: its core stands transposed in head scores
                reverse = RotationCores(real=real[count:], imaginary=-imaginary[count:])
            return RelationModel(
                **origin(self, train, history),
                entity_factors=arrays["entity_factors"].copy(),
                core=RotationCores(real=real[:count], imaginary=imaginary[:count]),
                reverse=reverse,
            )

        return iterate(
            method=name,
            start=task.start,
            epoch=task.epoch,
            model=model,
            epochs=self.epochs,
            tolerance=self.tolerance,
            mend="lower learning_rate or init_scale",
            validate=validate,
            watch=watch,
            resume=resume,
        )


def _refuse(train: Relations, method: str) -> None:
    problems, mends = [], []
    if train.values is not None and not (train.values == 1).all():
        problems.append(f"{method} learns which triples hold, and these have values")
        mends.append(
            "leave the values out (--value-column -), or give them as weights=train.values; RESCAL and DEDICOM fit values"
        )
    if train.observed is not None or train.missing is not None:
        problems.append(f"{method} ranks against every entity, and some cells are said to be unknown")
        mends.append(
            "leave observed and missing out, or use RESCAL or DEDICOM, which leave unknown cells out"
        )
    if problems:
        raise DataError("\n".join(problems), where=f"{method}.fit", mend="; ".join(mends))


@final
class _Task:
    """One fit: the examples of both directions, and the tables that an epoch works on."""

    def __init__(self, recipe: ComplEx, train: Relations, weights: np.ndarray | None) -> None:
        self.recipe, self.n, self.count = recipe, len(train.entities), len(train.kinds)
        m, own = len(train), recipe.reciprocal
        self.heads = np.concatenate([train.heads, train.tails])
        self.truth = np.concatenate([train.tails, train.heads])
        self.kinds = np.concatenate([train.relations, train.relations + np.int32(self.count * own)])
        self.backward = np.repeat([False, not own], m)
        w = np.ones(m, np.float32) if weights is None else weights
        self.weights = np.tile(w, 2)
        edges = np.linspace(0, recipe.rank, _PIECES + 1).astype(int)
        self.parts = list(pairwise(np.unique(edges).tolist()))

    def start(self) -> Arrays:
        """Normal numbers, drawn for entities and relations apart."""
        scale, d = np.float32(self.recipe.init_scale), self.recipe.rank
        kinds = self.count * (2 if self.recipe.reciprocal else 1)
        made = {}
        for name, shape in (
            ("entity_factors", (self.n, 2 * d)),
            ("real", (kinds, d)),
            ("imaginary", (kinds, d)),
        ):
            draw = child(self.recipe.seed, "compl_ex", name)
            made[name] = scale * draw.standard_normal(shape, np.float32)
        return {**made, **{f"{name} squares": np.zeros_like(array) for name, array in made.items()}}

    def epoch(self, number: int, arrays: Arrays) -> tuple[Arrays, float]:
        """Every example once, in an order drawn for this epoch."""
        order = child(self.recipe.seed, "compl_ex", "order", number).permutation(len(self.heads))
        size, lost = self.recipe.batch_size, 0.0
        gradients = {name: np.zeros_like(arrays[name]) for name in ("entity_factors", "real", "imaginary")}
        with blas_threads(1):
            for low in range(0, len(order), size):
                lost += self._step(arrays, gradients, order[low : low + size])
        return arrays, lost / float(self.weights.sum(dtype=np.float64))

    def _step(self, arrays: Arrays, gradients: Arrays, batch: np.ndarray) -> float:
        """One AdaGrad step on the mean of a batch; the sum of its terms."""
        entities, real, imaginary = arrays["entity_factors"], arrays["real"], arrays["imaginary"]
        heads, kinds, truth = self.heads[batch], self.kinds[batch], self.truth[batch]
        backward, weights = self.backward[batch], self.weights[batch] / np.float32(len(batch))
        m, d, rate = len(batch), self.recipe.rank, np.float32(self.recipe.learning_rate)
        asked, pull = np.empty((m, 2 * d), np.float32), np.empty((m, 2 * d), np.float32)
        scores = np.empty((m, self.n), np.float32)

        def rows(low: int, high: int) -> float:
            ask(entities, real, imaginary, heads, kinds, backward, asked, low, high)
            np.matmul(asked[low:high], entities.T, out=scores[low:high])
            lost = soften(scores, truth, weights, low, high)
            np.matmul(scores[low:high], entities, out=pull[low:high])
            return lost

        def components(low: int, high: int) -> float:
            to_entities, to_real, to_imaginary = gradients.values()
            for at in (0, d):
                to_entities[:, at + low : at + high] = scores.T @ asked[:, at + low : at + high]
            cubes = hand_back(
                entities, real, imaginary, heads, kinds, backward, truth, weights, pull,
                self.recipe.regularization, to_entities, to_real, to_imaginary, low, high,
            )  # fmt: skip
            return cubes

        def move(low: int, high: int) -> None:
            for at in (0, d):
                adagrad(
                    entities,
                    arrays["entity_factors squares"],
                    gradients["entity_factors"],
                    rate,
                    at + low,
                    at + high,
                )
            for name in ("real", "imaginary"):
                adagrad(arrays[name], arrays[f"{name} squares"], gradients[name], rate, low, high)

        edges = np.unique(np.linspace(0, m, _PIECES + 1).astype(int)).tolist()
        lost = sum(in_parallel(rows, pairwise(edges)))
        lost += sum(in_parallel(lambda low, high: (components(low, high), move(low, high))[0], self.parts))
        return lost * m
