"""One fit of a factorization machine: both sides' features, what is learned of them, and the draws kept so far.

The model, the solvers and their cost stand at the head of factor/factorization_machine.py; this file is its state and its passes.

Checked by  tests/factor/test_machine_run.py and tests/factor/test_factorization_machine.py.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, final

import numpy as np
import scipy.sparse as sp

from matweave.data.csr import Csr
from matweave.data.features import FeatureCode
from matweave.data.interactions import Interactions
from matweave.data.item_content import ItemContent
from matweave.data.vocabulary import Vocabulary
from matweave.factor.loop import Arrays
from matweave.factor.machine_fold import IdPrior, MachineFold
from matweave.factor.posterior import kept_slots, slot_of
from matweave.factor.posterior_fold import sets
from matweave.linalg.machine import MachineSide, Normals, errors_of
from matweave.linalg.machine_sgd import SideWeights, sgd_epoch
from matweave.randomness import child
from matweave.threads import blas_threads

if TYPE_CHECKING:
    from matweave.factor.factorization_machine import FactorizationMachine

SIDES = ("user", "item")


@final
@dataclass(frozen=True, kw_only=True, eq=False)
class Block:
    """One side's features: ids x shared features (n, D), the group of each (ids are group 0), how many are attributes."""

    design: sp.csr_array
    groups: np.ndarray
    attributes: int
    coding: FeatureCode | None
    values: np.ndarray | None

    @staticmethod
    def of(content: ItemContent | None, ids: Vocabulary, table: Csr, *, implicit: bool) -> Block:
        parts: list[sp.csr_array] = []
        groups: list[int] = []
        coding = values = None
        if content is not None:
            coding = FeatureCode.of(content, ids)
            values = coding.values(content, ids)
            parts.append(sp.csr_array(np.nan_to_num(values, nan=0.0)))
            owners = [name.partition("=")[0] for name in coding.names]
            groups += [1 + list(dict.fromkeys(owners)).index(owner) for owner in owners]
        attributes = len(groups)
        if implicit:
            parts.append(sets(table).scipy())
            groups += [max(groups, default=0) + 1] * table.n_columns
        design = sp.csr_array(sp.hstack(parts)) if parts else sp.csr_array((table.n_rows, 0))
        return Block(
            design=design,
            groups=np.array(groups, np.int64),
            attributes=attributes,
            coding=coding,
            values=values,
        )


@final
class MachineRun:
    """One fit: both sides' blocks, what is learned of them (the state), and the draws kept so far."""

    def __init__(
        self,
        recipe: FactorizationMachine,
        train: Interactions,
        values: np.ndarray,
        content: list[ItemContent | None],
    ) -> None:
        self.recipe = recipe
        self.counts = dict(burn_in=recipe.burn_in, samples=recipe.samples, thinning=recipe.thinning)
        self.mean = float(values.mean(dtype=np.float64))
        # equal values: a deviation that no rating shows, so that nothing is divided by zero
        self.deviation = float(values.std(dtype=np.float64)) or 1e-6 * max(abs(self.mean), 1.0)
        tables, ids = (train.by_user, train.by_item), (train.users, train.items)
        self.table = tables[0].scipy()
        self.values = (tables[0].weights().astype(np.float64) - self.mean) / self.deviation
        self.blocks = [
            Block.of(c, v, t, implicit=recipe.implicit) for c, v, t in zip(content, ids, tables, strict=True)
        ]
        entries = np.arange(tables[0].nnz)
        place = sp.csr_array((entries, tables[0].indices, tables[0].indptr), shape=tables[0].shape)
        places = (entries, sp.csr_array(place.T).data)
        self.sides = [
            MachineSide(t.scipy(), p, sp.csr_array(b.design.T))
            for t, p, b in zip(tables, places, self.blocks, strict=True)
        ]

    @property
    def draws(self) -> int:
        """Draws that the model holds at most."""
        return self.recipe.samples if self.recipe.solver == "gibbs" else 1

    def start(self) -> Arrays:
        r, count = self.recipe, self.draws
        arrays: Arrays = {"w0": np.zeros(1), "alpha": np.ones(1), "sweeps": np.zeros(1, np.int64)}
        arrays |= {"noise": np.zeros(count), "w0_draws": np.zeros(count), "alpha_draws": np.zeros(count)}
        for name, side in zip(SIDES, self.sides, strict=True):
            n, d = side.rows, side.features
            random = child(r.seed, "factorization_machine", name)
            arrays |= {
                f"{name}_w": np.zeros(n),
                f"{name}_fw": np.zeros(d),
                f"{name}_v": r.init_scale * random.standard_normal((r.rank, n)),
                f"{name}_fv": r.init_scale * random.standard_normal((r.rank, d)),
                f"{name}_draws": np.zeros((count, n, r.rank + 2), np.float32),
                f"{name}_prior_mean": np.zeros((count, r.rank + 1)),
                f"{name}_prior_strength": np.zeros((count, r.rank + 1)),
                f"{name}_features": np.zeros((count, d, r.rank + 1), np.float32),
            }
        return arrays

    def epoch(self, number: int, arrays: Arrays) -> tuple[Arrays, float]:
        arrays["sweeps"][0] = number + 1
        with blas_threads(1):  # sums of products, too, are the same for any number of threads
            value = (self._gradient if self.recipe.solver == "sgd" else self._sweep)(number, arrays)
        return arrays, value

    # one pass, by solver

    def _sweep(self, number: int, arrays: Arrays) -> float:
        """Every coordinate once: its minimum (als), or a draw (gibbs)."""
        r, a = self.recipe, arrays
        gibbs = r.solver == "gibbs"
        random = child(r.seed, "factorization_machine", "sweep", number)
        line, sums = self._sums(a)
        errors = self._errors(a, line, sums)
        if gibbs:
            a["alpha"][0] = random.gamma(1 + len(errors) / 2) / (1 + float(errors @ errors) / 2)
        alpha = float(a["alpha"][0])
        step = float(errors.mean()) + (
            random.standard_normal() / np.sqrt(alpha * len(errors)) if gibbs else 0.0
        )
        a["w0"][0] += step
        errors -= step
        priors = np.zeros(
            (2, 2, r.rank + 1)
        )  # side, (mean, strength) of ids, factors and the linear weight last
        for at, (name, side) in enumerate(zip(SIDES, self.sides, strict=True)):
            given = self._given(at, a[f"{name}_w"], a[f"{name}_fw"], random, r.linear_regularization)
            side.linear(errors, line[at], a[f"{name}_w"], a[f"{name}_fw"], alpha, given)
            priors[at, :, -1] = given.own_mean[0], given.own_strength[0]
        for f in range(r.rank):
            for at, (name, side) in enumerate(zip(SIDES, self.sides, strict=True)):
                own, shared = a[f"{name}_v"][f], a[f"{name}_fv"][f]
                given = self._given(at, own, shared, random, r.regularization)
                (mine, squares), (other, _) = sums[at], sums[1 - at]
                side.factor(errors, mine[f], squares[f], own, shared, other[f], alpha, given)
                priors[at, :, f] = given.own_mean[0], given.own_strength[0]
        error = float(errors @ errors)
        if not gibbs:
            self._keep(0, a, None, error)
            return error + self._penalty(a)
        if number % r.thinning == 0:
            self._keep(slot_of(number, **self.counts), a, priors, error)
        return 1 + error / 2

    def _gradient(self, number: int, a: Arrays) -> float:
        r = self.recipe
        weights = [  # rows of vectors for the kernel, and back
            SideWeights(
                own_linear=a[f"{name}_w"],
                own=np.ascontiguousarray(a[f"{name}_v"].T),
                linear=a[f"{name}_fw"],
                shared=np.ascontiguousarray(a[f"{name}_fv"].T),
            )
            for name in SIDES
        ]
        gone = number / max(1, r.epochs - 1)
        sgd_epoch(
            child(r.seed, "factorization_machine", "order", number).permutation(len(self.values)),
            np.repeat(np.arange(self.sides[0].rows, dtype=np.int32), self.sides[0].counts.astype(np.int64)),
            self.sides[0].indices,
            self.values,
            a["w0"],
            (weights[0], weights[1]),
            (self.blocks[0].design, self.blocks[1].design),
            rate=r.learning_rate * (1 + gone * (r.final_learning_rate - 1)),
            regularization=r.regularization,
            linear_regularization=r.linear_regularization,
        )
        for name, side in zip(SIDES, weights, strict=True):
            a[f"{name}_v"][:], a[f"{name}_fv"][:] = side.own.T, side.shared.T
        errors = self._errors(a, *self._sums(a))
        error = float(errors @ errors)
        self._keep(0, a, None, error)
        return error + self._penalty(a)

    # what a pass needs

    def _sums(self, a: Arrays) -> tuple[list[np.ndarray], list[tuple[np.ndarray, np.ndarray]]]:
        """Linear parts of both sides, and (a, q) of both: machine.py."""
        line = [
            a[f"{name}_w"] + block.design @ a[f"{name}_fw"]
            for name, block in zip(SIDES, self.blocks, strict=True)
        ]
        sums = [s.sums(a[f"{name}_v"], a[f"{name}_fv"]) for name, s in zip(SIDES, self.sides, strict=True)]
        return line, sums

    def _errors(
        self, a: Arrays, line: list[np.ndarray], sums: list[tuple[np.ndarray, np.ndarray]]
    ) -> np.ndarray:
        left, right = (l + pairs(*s) for l, s in zip(line, sums, strict=True))
        return errors_of(self.table, self.values - a["w0"][0], sums[0][0], sums[1][0], left, right)

    def _given(
        self, at: int, own: np.ndarray, shared: np.ndarray, random: np.random.Generator, penalty: float
    ) -> Normals:
        """The priors of one factor's coordinates: the penalty times the rows of a feature, or drawn by group."""
        side, groups = self.sides[at], self.blocks[at].groups
        if self.recipe.solver != "gibbs":
            zero, none = np.zeros(side.rows), np.zeros(side.features)
            return Normals(
                own_mean=zero, own_strength=penalty * side.counts, own_noise=zero,
                mean=none, strength=penalty * side.weights, noise=none,
            )  # fmt: skip
        means, strengths = np.empty((2, int(groups.max(initial=0)) + 1))
        for group in range(len(means)):
            means[group], strengths[group] = drawn_prior(shared[groups == group] if group else own, random)
        return Normals(
            own_mean=np.full(side.rows, means[0]),
            own_strength=np.full(side.rows, strengths[0]),
            own_noise=random.standard_normal(side.rows),
            mean=means[groups],
            strength=strengths[groups],
            noise=random.standard_normal(side.features),
        )

    def _penalty(self, a: Arrays) -> float:
        r, total = self.recipe, 0.0
        for name, side in zip(SIDES, self.sides, strict=True):
            for own, shared, by in (("w", "fw", r.linear_regularization), ("v", "fv", r.regularization)):
                total += by * float((np.square(a[f"{name}_{own}"]) * side.counts).sum())
                total += by * float((np.square(a[f"{name}_{shared}"]) * side.weights).sum())
        return total

    # the model

    def _keep(self, slot: int, a: Arrays, priors: np.ndarray | None, error: float) -> None:
        """Write the state to a slot, rows in the units of the log; priors (2, 2, rank + 1) of ids, None: the penalty."""
        r, root, deviation = self.recipe, np.sqrt(self.deviation), self.deviation
        line, sums = self._sums(a)
        alpha = float(a["alpha"][0]) if priors is not None else 1.0
        a["w0_draws"][slot], a["alpha_draws"][slot] = a["w0"][0], alpha
        a["noise"][slot] = deviation**2 * (
            1 / alpha if priors is not None else error / max(len(self.values), 1)
        )
        for at, name in enumerate(SIDES):
            bias, out = (line[at] + pairs(*sums[at])) * deviation, a[f"{name}_draws"][slot]
            out[:, :-2] = sums[at][0].T * root
            out[:, -1 if at == 0 else -2] = 1.0
            out[:, -2 if at == 0 else -1] = bias + (a["w0"][0] * deviation if at == 0 else 0.0)
            a[f"{name}_features"][slot] = np.vstack([a[f"{name}_fv"], a[f"{name}_fw"]]).T
            if priors is None:
                a[f"{name}_prior_strength"][slot] = np.append(
                    np.full(r.rank, r.regularization), r.linear_regularization
                )
            else:
                a[f"{name}_prior_mean"][slot], a[f"{name}_prior_strength"][slot] = priors[at]

    def kept(self, a: Arrays) -> np.ndarray:
        """`kept_slots` of the sweeps so far; als and sgd have one."""
        if self.recipe.solver != "gibbs":
            return np.arange(1)
        return kept_slots(int(a["sweeps"][0]), **self.counts)

    def fold(self, a: Arrays, kept: np.ndarray) -> MachineFold:
        priors = []
        for name, block in zip(SIDES, self.blocks, strict=True):
            features: Any = a[f"{name}_features"][kept]
            told, of_sets = features[:, : block.attributes], features[:, block.attributes :]
            priors.append(
                IdPrior(
                    mean=a[f"{name}_prior_mean"][kept],
                    strength=a[f"{name}_prior_strength"][kept],
                    by_row=self.recipe.solver != "gibbs",
                    features=told if block.attributes else None,
                    set_features=of_sets if self.recipe.implicit else None,
                )
            )
        return MachineFold(
            user_prior=priors[0],
            item_prior=priors[1],
            w0=a["w0_draws"][kept],
            noise_precision=a["alpha_draws"][kept],
            deviation=self.deviation,
            coding=self.blocks[0].coding,
            known=self.blocks[0].values,
        )


def pairs(a: np.ndarray, q: np.ndarray) -> np.ndarray:
    """½ Σ_f (a_f² - q_f): the pairs among the features of each id; a, q (d, n).

    >>> pairs(np.array([[3.0]]), np.array([[5.0]])).tolist()
    [2.0]
    """
    return 0.5 * (a * a - q).sum(axis=0)


def drawn_prior(weights: np.ndarray, random: np.random.Generator) -> tuple[float, float]:
    """Mean and precision of a group of weights, drawn given them: λ ~ Gamma(1/2, 1/2), μ ~ N(0, 1/λ), each weight ~ N(μ, 1/λ).

    >>> mean, precision = drawn_prior(np.random.default_rng(0).normal(2, 0.5, 100_000), np.random.default_rng(1))
    >>> round(mean, 1), round(precision, 1)
    (2.0, 4.0)
    """
    n = len(weights)
    middle = weights.sum() / (n + 1)
    scatter = float(np.square(weights).sum() - (n + 1) * middle**2)
    precision = random.gamma((1 + n) / 2) * 2 / (1 + max(scatter, 0.0))
    return float(middle + random.standard_normal() / np.sqrt((n + 1) * precision)), float(precision)
