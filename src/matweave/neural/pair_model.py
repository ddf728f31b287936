"""A recommender that scores a pair by a network: score(u, j) = f(p_u, q_j), p_u and q_j vectors of the user and the item.

    PairModel   NeuMF

Where no product of vectors gives the score, every pair is a pass of f. A `PairHead` says how f is computed for listed pairs, and
for all pairs of a block, where it may use what they share; everything else stands here once.

Fold-in     A stranger's vector alone is learned, items and f fixed, by what training minimises, in expectation over its draws:

                1/(n + k n) [ Σ_{j in h} l(s_j) + (k n / free) Σ_{j not in h} l(-s_j) + Σ_f ρ_f/2 p_f² ],  l(s) = ln(1 + e^-s)

            n: items of the history h, k negatives for each, ρ = regularization (d,) · n (1 + k) + ridge. STEPS steps of Adam, all strangers
            alike and each by its own history alone, from the best of the mean vector of the training users and of STARTS of theirs (through a tower the
            loss is not convex); the rate falls to 0 by a cosine. Beyond MOST items
            as negatives a fixed sample of so many stands for all. Nothing is drawn otherwise: the same history gives the same vector.
Cost        Ranking m items for n users: n m times the network behind its first layer. Fold-in: 3 STEPS times that of ranking.
Checked by  tests/neural/test_pair_model.py: blocks against single pairs, the fold's gradient by hand, strangers alone and together.
"""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from dataclasses import dataclass, field, replace
from typing import final

import numpy as np

from matweave.data.csr import Csr
from matweave.data.vocabulary import Vocabulary
from matweave.deep import Tensor, functional, nn, seeded, torch, torch_threads
from matweave.factor.blocks import Top, most_alike, top_of
from matweave.factor.forms import placed
from matweave.factor.recommender import Recommender
from matweave.factor.rows import FactorRows, Rows
from matweave.randomness import child
from matweave.train.allocator import kept_memory
from matweave.train.run import load_arrays

BLOCK = 256  # users whose scores of all items are held at once
PAIRS = 1 << 16  # pairs gathered at once
LEARNED = 1 << 14  # pairs that strangers' vectors are learned from at once
STEPS = 80  # of Adam, for strangers
RATE = (
    0.05  # of its first step, times the spread of the training users' vectors and what it takes to cross it
)
STARTS = 64  # training users whose vectors are tried as a stranger's first
MOST = 4096  # items that stand as negatives for a stranger


class PairHead(nn.Module, ABC):
    """The function of a pair of vectors; tables are not its own."""

    @abstractmethod
    def forward(self, users: Tensor, items: Tensor) -> Tensor:
        """Scores (b, k) of users (b, d), each with items (b, k, d)."""

    @abstractmethod
    def every(self, users: Tensor, items: Tensor) -> Tensor:
        """Scores (n, m) of all pairs of users (n, d) and items (m, d); differentiable."""


class PairStructure(ABC):
    """How a `PairHead` is built: a frozen dataclass of plain numbers and names."""

    @abstractmethod
    def build(self) -> PairHead:
        """The module with weights as they start."""


@final
@dataclass(frozen=True, kw_only=True, eq=False, repr=False)
class PairModel(Recommender):
    """structure, weights: the head. user_vectors (users, d), item_vectors (items, d), float32.

    negatives, regularization, ridge: what a stranger's vector is learned by; see the head of the file.
    """

    structure: PairStructure
    weights: dict[str, np.ndarray]
    user_vectors: np.ndarray
    item_vectors: np.ndarray
    negatives: int
    regularization: np.ndarray
    ridge: float = 0.0
    _built: list[PairHead] = field(default_factory=list, init=False, repr=False)

    def module(self) -> PairHead:
        """The head with its weights, in eval mode, on the CPU; built once."""
        if not self._built:
            with seeded(0, "weights"):  # drawn and then replaced: the caller's draws are left alone
                module = self.structure.build()
            load_arrays(module, self.weights)
            self._built.append(module.eval().requires_grad_(False))
        return self._built[0]

    def _over_users(self, users: Vocabulary, seen: Csr, changed: np.ndarray) -> PairModel:
        rows = self.fold_in(seen.rows(changed)).factors
        return replace(
            self, users=users, seen=seen, user_vectors=placed(self.user_vectors, len(users), changed, rows)
        )

    def known(self, user_codes: np.ndarray) -> FactorRows:
        return FactorRows(factors=self.user_vectors[user_codes], bias=None)

    def fold_in(self, histories: Csr) -> FactorRows:
        found = np.zeros((histories.n_rows, self.user_vectors.shape[1]), np.float32)
        asked = np.flatnonzero(histories.counts > 0)
        size = max(1, LEARNED // max(1, min(MOST, len(self.items))))
        work = self._work(min(size, len(asked)) * min(MOST, len(self.items)))
        with torch_threads(work), kept_memory():
            for start in range(0, len(asked), size):
                at = asked[start : start + size]
                found[at] = self._learned(histories.rows(at))
        rest = histories.counts == 0
        found[rest] = self._middle()
        return FactorRows(factors=found, bias=None)

    def scores(self, rows: Rows) -> np.ndarray:
        mine, head = _vectors(rows), self.module()
        items = _tensor(self.item_vectors)
        found = np.empty((len(mine), len(self.items)), np.float32)
        with torch.no_grad(), torch_threads(self._work(min(BLOCK, len(mine)) * len(items))):
            for start in range(0, len(mine), BLOCK):
                part = slice(start, start + BLOCK)
                found[part] = head.every(_tensor(mine[part]), items).numpy()
        return found

    def pair_scores(self, rows: Rows, at: np.ndarray, item_codes: np.ndarray) -> np.ndarray:
        mine, head = _vectors(rows), self.module()
        found = np.empty(len(at), np.float32)
        with torch.no_grad(), torch_threads(self._work(min(PAIRS, len(at)))):
            for start in range(0, len(at), PAIRS):
                part = slice(start, start + PAIRS)
                items = _tensor(self.item_vectors[item_codes[part]])
                found[part] = head(_tensor(mine[at[part]]), items[:, None]).squeeze(1).numpy()
        return found

    def top(self, rows: Rows, k: int, leave_out: Csr | None = None) -> Top:
        return top_of(self.scores, rows, k, leave_out, block=BLOCK)

    def similar_codes(self, item_code: int, k: int) -> tuple[np.ndarray, np.ndarray]:
        """By the cosine of the items' vectors, all parts of them joined."""
        return most_alike(self.item_vectors, item_code, k)

    def _work(self, pairs: int) -> int:
        return pairs * sum(array.size for array in self.weights.values())

    def _middle(self) -> np.ndarray:
        there = self.seen.counts > 0
        mean = self.user_vectors[there].mean(axis=0, dtype=np.float64) if there.any() else 0.0
        return np.broadcast_to(np.asarray(mean, np.float32), self.user_vectors.shape[1:])

    def _learned(self, histories: Csr) -> np.ndarray:
        """Vectors (n, d) of strangers with a history each."""
        head, items = self.module(), _tensor(self.item_vectors)
        against = np.arange(len(self.items))
        if len(against) > MOST:
            against = np.sort(child(0, "pair_model", "against").choice(len(against), MOST, replace=False))
        objective = StrangersLoss(
            head, items, histories, against, self.negatives, self.regularization, self.ridge
        )
        x = torch.from_numpy(self._starts(histories)).requires_grad_()
        there = self.seen.counts > 0
        spread = float(self.user_vectors[there].std()) if there.any() else 1.0
        first, second = torch.zeros_like(x), torch.zeros_like(x)
        for step in range(1, STEPS + 1):
            (gradient,) = torch.autograd.grad(objective(x), x)
            with torch.no_grad():
                first.lerp_(gradient, 0.1)
                second.lerp_(gradient.square(), 0.01)
                rate = RATE * max(spread, 1e-3) * 0.5 * (1.0 + math.cos(math.pi * (step - 1) / STEPS))
                ahead = first / (1.0 - 0.9**step)
                x -= rate * ahead / ((second / (1.0 - 0.99**step)).sqrt() + 1e-10)
        return x.detach().numpy()

    def _starts(self, histories: Csr) -> np.ndarray:
        """For each history, the vector of least expected loss among the mean and those of some training users."""
        there = np.flatnonzero(self.seen.counts > 0)
        drawn = np.sort(child(0, "pair_model", "starts").permutation(there)[:STARTS])
        tried = np.concatenate([self._middle()[None], self.user_vectors[drawn]])
        scores = self.scores(FactorRows(factors=tried, bias=None)).astype(np.float64)
        mine = replace(histories, values=None).scipy()
        against = np.logaddexp(0.0, scores)
        n, rows = histories.counts[:, None], histories.counts[:, None] * (1 + self.negatives)
        met = mine @ against.T
        rest = np.where(n < len(self.items), against.sum(axis=1) - met, met)
        free = np.where(n < len(self.items), len(self.items) - n, n)
        lost = (mine @ (against - scores).T + self.negatives * n / free * rest) / rows
        lost += 0.5 * (self.regularization + self.ridge / rows) @ tried.T.astype(np.float64) ** 2
        return tried[lost.argmin(axis=1)]


@final
class StrangersLoss:
    """The sum, over strangers, of the expected loss of each in its own vector."""

    def __init__(
        self,
        head: PairHead,
        items: Tensor,
        histories: Csr,
        against: np.ndarray,
        negatives: int,
        regularization: np.ndarray,
        ridge: float,
    ) -> None:
        counts = histories.counts
        rows = counts * (1.0 + negatives)
        needed = np.union1d(against, histories.indices)  # the others weigh nothing
        mine = np.zeros((histories.n_rows, len(needed)), bool)
        mine[np.repeat(np.arange(histories.n_rows), counts), np.searchsorted(needed, histories.indices)] = (
            True
        )
        left = np.isin(needed, against) & ~mine
        whole = ~left.any(axis=1)
        left[whole] = mine[whole]  # with nothing left, all are drawn from
        own = mine / rows[:, None]
        other = left * (negatives * counts / left.sum(axis=1) / rows)[:, None]
        self.head, self.items = head, items[torch.from_numpy(needed)]
        self.own, self.all = _tensor(own.astype(np.float32)), _tensor((own + other).astype(np.float32))
        self.pull = _tensor((regularization + (ridge / rows)[:, None]).astype(np.float32))

    def __call__(self, x: Tensor) -> Tensor:
        """One number, of vectors (n, d)."""
        scores = self.head.every(x, self.items)
        lost = functional.softplus(scores) * self.all - scores * self.own  # l(s) = l(-s) - s
        return lost.sum() + 0.5 * (self.pull * x.square()).sum()


def _vectors(rows: Rows) -> np.ndarray:
    if not isinstance(rows, FactorRows):
        raise TypeError(f"rows of another form: {type(rows).__name__}, not FactorRows")
    return rows.factors


def _tensor(array: np.ndarray) -> Tensor:
    return torch.from_numpy(np.ascontiguousarray(array))
