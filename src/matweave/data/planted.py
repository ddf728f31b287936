"""The truth behind a simulated log: tastes, expected values, the best items, in ids and in words.

The model is written at the head of `matweave.data.simulate`; here are its closed forms. With
a = affinity at moment t in [0, 1], p = (1 - lapse) * sigmoid(attraction * a - bar) + lapse * sigmoid(-bar):

    ratings     E = low + step * sum_k Phi((s - (low + (k - 1/2) step)) / noise)
    clicks      E = p, the probability that an item shown is clicked
    purchases   E = 1 + 3 p, the mean count of a pair that was bought

E rises with the score in every shape, so the best items by E are the best by taste (for ratings: by
taste and the item's own bias). Popularity is not in E: it decides what is shown, not what is liked.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import final

import numpy as np
from scipy.special import expit, ndtr

from matweave.data.vocabulary import Vocabulary
from matweave.errors import TooBig

_LIMIT = 50_000_000  # cells of a full matrix that may be asked for at once
REPEATS = 3.0


@final
@dataclass(frozen=True, kw_only=True)
class PlantedTruth:
    """What was planted. Arrays are by code: user i of `users`, item j of `items`.

    `tastes` (2, users, rank) holds the taste at the start and the one it turns to; `weights`
    (2, users, genres) the same as shares of genres; `factors` (items, rank); `popularity` (items,) the
    weight with which an item is shown; `first_users`, `first_items` the moments of first appearance.
    """

    users: Vocabulary
    items: Vocabulary
    genres: tuple[str, ...]
    item_genres: np.ndarray
    tastes: np.ndarray
    weights: np.ndarray
    factors: np.ndarray
    user_bias: np.ndarray
    item_bias: np.ndarray
    popularity: np.ndarray
    first_users: np.ndarray
    first_items: np.ndarray
    shape: str
    attraction: float
    bar: float
    lapse: float
    noise: float
    drift: float
    mean: float
    spread: float
    scale: tuple[float, float, float]
    start: int
    span: int

    def __repr__(self) -> str:
        return f"PlantedTruth({self.shape}: {len(self.users):,} users, {len(self.items):,} items, {len(self.genres)} genres)"

    def moments(self, times: np.ndarray) -> np.ndarray:
        """Times of a log (microseconds since 1970) as moments in [0, 1] of the simulated span."""
        return (np.asarray(times) - self.start) / self.span

    def turn(self, at: np.ndarray | float) -> tuple[np.ndarray, np.ndarray]:
        """The shares (cos, sin) of the first and the second taste at a moment."""
        angle = np.pi / 2 * self.drift * np.asarray(at, dtype=np.float32)
        return np.cos(angle), np.sin(angle)

    def affinity_of(self, user_codes: np.ndarray, item_codes: np.ndarray, at: np.ndarray) -> np.ndarray:
        """a_uj(t) of pairs given by codes, float32, in blocks that fit the cache."""
        out = np.empty(len(user_codes), np.float32)
        for a in range(0, len(out), 1 << 15):
            b = slice(a, a + (1 << 15))
            y = self.factors[item_codes[b]]
            first = np.einsum("nd,nd->n", self.tastes[0][user_codes[b]], y)
            if self.drift:
                cos, sin = self.turn(at[b])
                first = cos * first + sin * np.einsum("nd,nd->n", self.tastes[1][user_codes[b]], y)
            out[b] = first
        return out

    def probability(self, affinity: np.ndarray) -> np.ndarray:
        """The probability that an exposure becomes a row."""
        liked = expit(self.attraction * affinity - self.bar)
        return (1.0 - self.lapse) * liked + self.lapse * expit(-self.bar)

    def score(self, affinity: np.ndarray, user_bias: np.ndarray, item_bias: np.ndarray) -> np.ndarray:
        """The rating before noise, rounding and cutting, float64."""
        taste = np.asarray(affinity, np.float64) * 0.5**0.5
        return self.mean + self.spread * (0.5 * user_bias + 0.5 * item_bias + taste)

    def _value(self, affinity: np.ndarray, user_bias: np.ndarray, item_bias: np.ndarray) -> np.ndarray:
        if self.shape == "ratings":
            return self._rating(self.score(affinity, user_bias, item_bias))
        chance = self.probability(affinity)
        return 1.0 + REPEATS * chance if self.shape == "purchases" else chance

    def _rating(self, score: np.ndarray) -> np.ndarray:
        low, high, step = self.scale
        expected = np.full(score.shape, low)
        for border in np.arange(low + step / 2, high, step):
            above = ndtr((score - border) / self.noise) if self.noise else score >= border
            expected += step * above
        return expected

    def expected(self, users: Sequence, items: Sequence, at: np.ndarray | float = 1.0) -> np.ndarray:
        """The expected value of the pairs (users[n], items[n]) at a moment in [0, 1]; float64 (n,).

        Raises UnknownId for an id that was not planted.

        >>> from matweave.data.simulate import simulate_log
        >>> truth = simulate_log(interactions=100, shape="purchases", drift=0).truth
        >>> best = truth.top("user-00000", k=1)[0]
        >>> bool(1.0 < truth.expected(["user-00000"], [best])[0] < 4.0)
        True
        """
        u, j = _codes(self.users, users), _codes(self.items, items)
        at = np.broadcast_to(np.asarray(at, np.float64), u.shape)
        return self._value(self.affinity_of(u, j, at), self.user_bias[u], self.item_bias[j])

    def affinity(self, users: Sequence | None = None, at: float = 1.0) -> np.ndarray:
        """Taste alone, users x all items, float32, before biases; every user where none are named."""
        u = np.arange(len(self.users)) if users is None else _codes(self.users, users)
        if len(u) * len(self.items) > _LIMIT:
            raise TooBig(
                f"{len(u):,} users x {len(self.items):,} items is a matrix of over {_LIMIT:,} cells",
                where="PlantedTruth.affinity",
                mend="name fewer users at a time",
            )
        cos, sin = self.turn(at)
        return (cos * self.tastes[0][u] + sin * self.tastes[1][u]) @ self.factors.T

    def matrix(self, users: Sequence | None = None, at: float = 1.0) -> np.ndarray:
        """The expected value of every item for the users named (all where None), float64."""
        u = np.arange(len(self.users)) if users is None else _codes(self.users, users)
        return self._value(self.affinity(users, at), self.user_bias[u, None], self.item_bias[None, :])

    def top(self, user: object, k: int = 10, *, at: float = 1.0, leave_out: Sequence = ()) -> list:
        """The k items of highest expected value for a user, best first, without those left out."""
        values = self.matrix([user], at)[0]
        values[_codes(self.items, leave_out)] = -np.inf
        order = np.argsort(-values, kind="stable")[: max(0, min(k, len(values) - len(set(leave_out))))]
        return self.items.decode(order).to_pylist()

    def taste(self, user: object, at: float = 1.0) -> str:
        """A user's taste in words: the genres with at least a fifth of it."""
        cos, sin = self.turn(at)
        u = self.users.code(user)
        shares = cos * self.weights[0, u] + sin * self.weights[1, u]
        shares = shares / shares.sum()
        words = []
        for g in np.argsort(-shares, kind="stable"):
            if shares[g] >= 0.5:
                words.append(f"mostly {self.genres[g]}")
            elif shares[g] >= 0.2:
                words.append(f"some {self.genres[g]}")
        return ", ".join(words) or "a bit of everything"

    def genre(self, item: object) -> str:
        """The genre of an item."""
        return self.genres[self.item_genres[self.items.code(item)]]


def _codes(vocabulary: Vocabulary, ids: Sequence) -> np.ndarray:
    codes, known = vocabulary.encode(ids)
    if not np.all(known):
        vocabulary.code(ids[int(np.argmin(known))])  # raises, naming the nearest
    return codes
