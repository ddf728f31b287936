"""One side of a Bayesian factor model and its part of a sweep: hyperparameters, features' links, rows.

    row_n = (x_n, b_n) ~ N(μ + Σ_blocks βᵀ f_n, Λ⁻¹),    (μ, Λ) ~ Normal-Wishart,    β ~ N(0, (λ Λ)⁻¹) for each block of features

A sweep draws, each given all else: (μ, Λ) (wishart.py; a block's β are normals with the precision λ Λ, and count in
Λ's posterior as Macau has it), β and λ of each block (links.py), the rows (gibbs.py).
Checked by tests/linalg/test_gibbs_side.py, and by the slow twin of BayesianMF.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import final

import numpy as np
from numpy.typing import NDArray

from matweave.linalg.gibbs import draw_rows
from matweave.linalg.links import Design, Link, link, strength
from matweave.linalg.rows import RowSystems
from matweave.linalg.vectors import Vectors
from matweave.linalg.wishart import Doubles, NormalWishart, moments


@final
@dataclass(frozen=True, kw_only=True, eq=False)
class Hyper:
    """What a side's rows were drawn from: mean μ (d,), precision Λ (d, d), of vectors with the bias last."""

    mean: Doubles
    precision: Doubles


@final
class Side:
    """The rows of one side, their present values, and the links of their blocks of features.

    systems: the rows' values over the other side's columns. designs: (n, D) each, dense or sparse.
    """

    def __init__(
        self, systems: RowSystems, rank: int, designs: list[Design], prior: NormalWishart, begin: NDArray
    ) -> None:
        self.systems, self.prior = systems, prior
        self.vectors = Vectors(systems.n_rows, rank, biased=True)
        self.vectors.array[:] = begin
        self.links: list[Link] = [link(design) for design in designs]
        self.states = [np.zeros((one.size, rank + 1), np.float32) for one in self.links]
        self.strengths = np.ones(len(designs))
        self._effects: list[NDArray] | None = None

    def arrays(self) -> dict[str, NDArray]:
        """All that the next sweep needs, by name; views."""
        assert self.vectors.bias is not None
        states = {f"link_{b}": state for b, state in enumerate(self.states)}
        return {
            "factors": self.vectors.array,
            "bias": self.vectors.bias[:-1],
            "strengths": self.strengths,
            **states,
        }

    def load(self, arrays: dict[str, NDArray]) -> None:
        """Go on from these arrays, which are copied."""
        for name, mine in self.arrays().items():
            mine[:] = arrays[name]
        self._effects = None

    def sweep(
        self, random: np.random.Generator, other: Vectors, noise_precision: float
    ) -> tuple[Hyper, float]:
        """Draw everything of this side; what the rows were drawn from, and the sum of squared errors after it."""
        rank, n = self.vectors.rank, self.systems.n_rows
        assert self.vectors.bias is not None
        rows = np.concatenate([self.vectors.array, self.vectors.bias[:-1, None]], axis=1)
        effects = self._effects
        if effects is None:
            effects = [one.effect(state) for one, state in zip(self.links, self.states, strict=True)]
        for effect in effects:
            rows -= effect
        scatter = np.zeros((rank + 1, rank + 1))
        for strength_, state in zip(self.strengths, self.states, strict=True):
            wide = state.astype(np.float64)
            scatter += strength_ * (wide.T @ wide)
        more = sum(len(state) for state in self.states)
        mean, root = self.prior.draw(random, moments(rows), more_scatter=scatter, more_freedom=more)
        rows -= mean.astype(np.float32)
        for b, one in enumerate(self.links):
            rows += effects[b]
            self.states[b] = one.draw(random, rows, root, self.strengths[b])
            self.strengths[b] = strength(random, self.states[b], root)
            effects[b] = one.effect(self.states[b])
            rows -= effects[b]
        self._effects = effects
        means = np.tile(mean, (n, 1)) if self.links else mean
        for effect in effects:
            means += effect
        precision = root @ root.T
        errors = draw_rows(
            self.systems,
            other,
            self.vectors,
            precision=precision,
            noise_precision=noise_precision,
            means=means,
            normals=random.standard_normal((n, rank + 1), np.float32),
        )
        return Hyper(mean=mean, precision=precision), errors
