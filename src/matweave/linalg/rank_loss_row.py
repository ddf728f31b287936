"""The vector that WARP's steps would give one user on average, the items as they are.

With met items h (n of them), Y others, and the margin 1, let V_i be the others with s_j > s_i - 1 and q = |V_i| / Y. The first violation is
found at the N-th draw with chance q (1 - q)^(N-1), N <= most, and is any of V_i alike, so that a step of a random i in h is on average

    d = 1/n Σ_i W1_i (y_i - mean of V_i)     W1_i = Σ_N q (1 - q)^(N-1) L(⌊Y/N⌋)
    m = 1/n Σ_i W2_i mean over V_i of |y_i - y_j|² / rank            W2_i: the same with L²
    z = 1/n Σ_i 1 - (1 - q)^most

m being what a step adds to AdaGrad's G, z the share of rows that are stepped at all. Training takes n steps an epoch; from 0, `PARTS` parts of the way are taken, each a share
longer than the last, each along d at its beginning and as far as c steps go while G rises by m each:

    x += d ∫₀ᶜ γ / √(1 + G + m t) dt = d γ 2 (√(1 + G + m c) - √(1 + G)) / m,          G += m c

and shrunk by the penalty, λ z along the same way, and the greatest length. Deterministic; a row depends on its own history alone, to
the last bit: users are taken together only so that a tile of items is read once for all of them.

Cost        A part is 2 items rank operations for the scores, and a search and 2 rank operations for each item that violates any margin:
            at 20,000 items and rank 64, histories of 34, 0.016 s a user on one core of an EPYC (0.12 s one user after another).
Checked by  tests/linalg/test_rank_loss_row.py: d and m against the mean of many drawn steps, the row against many drawn fits.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import final

import numpy as np
from numba import njit
from numpy.typing import NDArray

PARTS = 60
"""Parts of the way."""

TILE = 256
"""Items read together: a tile stays in the second cache while the users pass."""

USERS = 16
"""Users taken together."""


@final
@dataclass(frozen=True, kw_only=True, eq=False)
class Items:
    """The items as the kernels read them: rows (items, rank), the same by tiles (tiles, rank, TILE), |y|² and biases by tiles.

    What fills the last tile has bias -inf: it violates nothing.

    >>> items = Items.of(np.ones((3, 2), np.float32), np.zeros(3, np.float32))
    >>> items.tiles.shape == (1, 2, TILE), items.squares.tolist(), items.bias[0, 2:4].tolist()
    (True, [2.0, 2.0, 2.0], [0.0, -inf])
    """

    rows: NDArray[np.float32]
    tiles: NDArray[np.float32]
    squares: NDArray[np.float32]
    bias: NDArray[np.float32]

    @staticmethod
    def of(rows: NDArray, bias: NDArray) -> Items:
        """From rows (items, rank) and biases (items,)."""
        rows = np.ascontiguousarray(rows, np.float32)
        count = -(-len(rows) // TILE)
        padded = np.zeros((count * TILE, rows.shape[1]), np.float32)
        padded[: len(rows)] = rows
        offsets = np.full(count * TILE, -np.inf, np.float32)
        offsets[: len(rows)] = bias
        return Items(
            rows=rows,
            tiles=np.ascontiguousarray(padded.reshape(count, TILE, -1).transpose(0, 2, 1)),
            squares=np.einsum("nr,nr->n", rows, rows),
            bias=offsets.reshape(count, TILE),
        )


@njit(nogil=True, cache=True, error_model="numpy", fastmath={"contract"})
def _scores(x, tile, scores):  # pragma: no cover
    """scores (TILE,) += x·y of a tile (rank, TILE): each item has a lane of its own, four terms at a time."""
    whole = len(x) // 4 * 4
    for f in range(0, whole, 4):
        a, b, c, d = x[f], x[f + 1], x[f + 2], x[f + 3]
        first, second, third, fourth = tile[f], tile[f + 1], tile[f + 2], tile[f + 3]
        for j in range(TILE):
            scores[j] += a * first[j] + b * second[j] + c * third[j] + d * fourth[j]
    for f in range(whole, len(x)):
        for j in range(TILE):
            scores[j] += x[f] * tile[f, j]


@njit(nogil=True, cache=True, error_model="numpy")
def _below(levels, half, scores, found):  # pragma: no cover
    """How many of the levels, rising and filled up with inf to 2 half, lie below each score: a step of all searches at a time."""
    found[:] = 0
    while half:
        step, above = np.int32(half), levels[half - 1 :]
        for h in range(len(found)):
            found[h] += step if above[np.uint32(found[h])] < scores[h] else np.int32(0)
        half //= 2


@njit(nogil=True, cache=True, error_model="numpy")
def _binned(scores, hits, bins, levels, half, rows, squares, count, square, sums):  # pragma: no cover
    """Put the items of a tile that violate any margin into the bins of the levels: how many, their |y|², their vectors."""
    many = 0
    for j in range(TILE):
        violates = scores[j] > levels[0]
        hits[many], scores[many] = j, scores[j]
        many += violates
    _below(levels, half, scores[:many], bins[:many])
    for h in range(many):
        j, b = hits[h], bins[h]
        count[b] += 1
        square[b] += squares[j]
        for f in range(rows.shape[1]):
            sums[b, f] += rows[j, f]


@njit(nogil=True, cache=True, error_model="numpy")
def _mean(met, order, rows, others, losses, most, count, square, sums, d):  # pragma: no cover
    """Set d (rank,) to the mean step of one user, and answer m and z, from the bins and the met in the order of their levels."""
    rank, n = len(d), len(met)
    d[:] = 0
    m, z, violating, within, run = 0.0, 0.0, 0.0, 0.0, np.zeros(rank)
    losses = losses[others // np.arange(1, most + 1)]  # of a violation at each draw
    for k in range(n - 1, -1, -1):
        violating += count[k + 1]
        within += square[k + 1]
        for f in range(rank):
            run[f] += sums[k + 1, f]
        if violating == 0:
            continue
        q, stay, first, second = violating / others, 1.0, 0.0, 0.0
        for l in losses:
            first += stay * l
            second += stay * l * l
            stay *= 1 - q
        z += 1 - stay
        own = rows[met[order[k]]]
        gap = within / violating
        for f in range(rank):
            mean = run[f] / violating
            d[f] += q * first * (own[f] - mean)
            gap += own[f] * own[f] - 2 * own[f] * mean
        m += q * second * gap
    d /= n
    return m / (n * rank), z / n


@njit(nogil=True, cache=True, error_model="numpy")
def mean_steps(x, rows, tiles, squares, bias, indptr, met, losses, most, d, m, z):  # pragma: no cover
    """Set d (users, rank), m and z (users,) to the mean steps at x (without rates); met[indptr[u] : indptr[u + 1]]: what u has met."""
    users, rank = x.shape
    size = 1
    while size <= np.diff(indptr).max():
        size *= 2
    levels, halves = np.full((users, size), np.float32(np.inf)), np.empty(users, np.int64)
    orders, next_met = np.empty(len(met), np.int64), indptr[:-1].copy()
    # bin b of a user holds the others that violate the margin of the b lowest of the met, and of no more
    total = len(met) + users
    count, square, sums = np.zeros(total), np.zeros(total), np.zeros((total, rank), np.float32)
    for u in range(users):
        mine = met[indptr[u] : indptr[u + 1]]
        own = np.empty(len(mine), np.float32)
        for k in range(len(mine)):
            s = np.float32(0)
            for f in range(rank):
                s += x[u, f] * rows[mine[k], f]
            own[k] = s + bias[mine[k] // TILE, mine[k] % TILE] - np.float32(1)
        order = np.argsort(own)
        orders[indptr[u] : indptr[u + 1]] = order
        levels[u, : len(mine)] = own[order]
        halves[u] = 1
        while 2 * halves[u] <= len(mine):
            halves[u] *= 2
    scores, hits, bins = np.empty(TILE, np.float32), np.empty(TILE, np.int32), np.empty(TILE, np.int32)
    for t in range(len(tiles)):
        low = t * TILE
        for u in range(users):
            scores[:] = bias[t]
            _scores(x[u], tiles[t], scores)
            while next_met[u] < indptr[u + 1] and met[next_met[u]] < low + TILE:
                scores[met[next_met[u]] - low] = -np.inf
                next_met[u] += 1
            mine = slice(indptr[u] + u, indptr[u + 1] + u + 1)
            _binned(
                scores, hits, bins, levels[u], halves[u], rows[low:], squares[low:],
                count[mine], square[mine], sums[mine],
            )  # fmt: skip
    for u in range(users):
        mine, into = slice(indptr[u], indptr[u + 1]), slice(indptr[u] + u, indptr[u + 1] + u + 1)
        others = len(rows) - (indptr[u + 1] - indptr[u])
        m[u], z[u] = _mean(
            met[mine], orders[mine], rows, others, losses, most, count[into], square[into], sums[into], d[u]
        )


@njit(nogil=True, cache=True, error_model="numpy")
def _mean_rows(
    rows, tiles, squares, bias, indptr, met, losses, most, epochs, rate, final, pull, longest, x
):  # pragma: no cover
    users, rank = x.shape
    d, m, z = np.empty((users, rank)), np.empty(users), np.empty(users)
    done, grown = np.zeros(users), np.zeros(users)
    x[:] = 0
    for part in range(1, PARTS + 1):
        mean_steps(x, rows, tiles, squares, bias, indptr, met, losses, most, d, m, z)
        for u in range(users):
            n = indptr[u + 1] - indptr[u]
            steps = float(epochs * n)
            until = steps ** (part / PARTS) if part < PARTS else steps
            c = until - done[u]
            gone = min(1.0, done[u] / n / max(1, epochs - 1))
            now = rate * (1 + gone * (final - 1))
            way = now * c / np.sqrt(1 + grown[u])
            if m[u] > 0:
                way = 2 * now * (np.sqrt(1 + grown[u] + m[u] * c) - np.sqrt(1 + grown[u])) / m[u]
            grown[u], done[u], square = grown[u] + m[u] * c, until, 0.0
            keep = np.exp(-way * pull * z[u])
            for f in range(rank):
                x[u, f] = keep * x[u, f] + way * d[u, f]
                square += x[u, f] * x[u, f]
            if longest > 0 and square > longest * longest:
                for f in range(rank):
                    x[u, f] *= longest / np.sqrt(square)


def mean_rows(
    items: Items,
    indptr: NDArray[np.int64],
    met: NDArray[np.int32],
    losses: NDArray[np.float32],
    *,
    most: int,
    epochs: int,
    rate: float,
    final: float,
    pull: float,
    longest: float,
) -> NDArray[np.float32]:
    """The rows (users, rank) of users who have met met[indptr[u] : indptr[u + 1]], rising: something, and not everything.

    losses: L(0), ..., L(items). most, rate, final (the last rate as a share of the first), pull λ, longest: those of training.

    >>> items, losses = Items.of(np.array([[1.0], [-1.0]]), np.zeros(2)), np.array([0.0, 1.0, 1.5], np.float32)
    >>> settings = dict(most=5, epochs=10, rate=0.05, final=1.0, pull=0.0, longest=0.1)
    >>> mean_rows(items, np.array([0, 1]), np.array([0], np.int32), losses, **settings).tolist() == [[np.float32(0.1)]]
    True
    """
    x = np.empty((len(indptr) - 1, items.rows.shape[1]), np.float32)
    _mean_rows(
        items.rows,
        items.tiles,
        items.squares,
        items.bias,
        indptr,
        met,
        losses,
        most,
        epochs,
        rate,
        final,
        pull,
        longest,
        x,
    )
    return x
