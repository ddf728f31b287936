"""The vector that WARP's steps would give one user on average, the items as they are.

With met items h (n of them), Y others, and the margin 1, let V_i be the others with s_j > s_i - 1 and q = |V_i| / Y. The first violation is
found at the N-th draw with chance q (1 - q)^(N-1), N <= most, and is any of V_i alike, so that a step of a random i in h is on average

    d = 1/n Σ_i W1_i (y_i - mean of V_i)     W1_i = Σ_N q (1 - q)^(N-1) L(⌊Y/N⌋)
    m = 1/n Σ_i W2_i mean over V_i of |y_i - y_j|² / rank            W2_i: the same with L²
    z = 1/n Σ_i 1 - (1 - q)^most

m being what a step adds to AdaGrad's G, z the share of rows that are stepped at all. Training takes n steps an epoch; from 0, `PARTS` parts of the way are taken, each a share
longer than the last, each along d at its beginning and as far as c steps go while G rises by m each:

    x += d ∫₀ᶜ γ / √(1 + G + m t) dt = d γ 2 (√(1 + G + m c) - √(1 + G)) / m,          G += m c

and shrunk by the penalty, λ z along the same way, and the greatest length. Deterministic; a row depends on its own history alone.

Cost        A part is 4 items rank operations: two passes over the items.
Checked by  tests/linalg/test_rank_loss_row.py: d and m against the mean of many drawn steps, the row against many drawn fits.
"""

from __future__ import annotations

import numpy as np
from numba import njit

PARTS = 60
"""Parts of the way."""


@njit(nogil=True, cache=True, error_model="numpy")
def mean_step(x, table, bias, met, free, losses, most, d):
    """Set d (rank,) to the mean step at x (without rates) and answer m and z; free (items,): 1 for items not met."""
    rank, n, others = len(x), len(met), 0
    scores = np.empty(len(table), np.float32)
    for j in range(len(table)):
        s = np.float32(0)
        for f in range(rank):
            s += x[f] * table[j, f]
        scores[j] = s + bias[j]
        others += free[j]
    levels = np.empty(n, np.float32)
    for k in range(n):
        levels[k] = scores[met[k]] - np.float32(1)
    order = np.argsort(levels)
    levels = levels[order]
    # bin b holds the others that violate the margin of the b lowest of the met, and of no more
    count, squares, sums = np.zeros(n + 1), np.zeros(n + 1), np.zeros((n + 1, rank), np.float32)
    for j in range(len(table)):
        if free[j] and not scores[j] <= levels[0]:
            b = np.searchsorted(levels, scores[j])
            total = np.float32(0)
            for f in range(rank):
                v = table[j, f]
                sums[b, f] += v
                total += v * v
            count[b] += 1
            squares[b] += total
    d[:] = 0
    m, z, violating, square = 0.0, 0.0, 0.0, 0.0
    run = np.zeros(rank)
    for k in range(n - 1, -1, -1):
        violating += count[k + 1]
        square += squares[k + 1]
        for f in range(rank):
            run[f] += sums[k + 1, f]
        if violating == 0:
            continue
        q, stay, first, second = violating / others, 1.0, 0.0, 0.0
        for trial in range(1, most + 1):
            l = losses[others // trial]
            first += stay * l
            second += stay * l * l
            stay *= 1 - q
        z += 1 - stay
        own = table[met[order[k]]]
        gap = square / violating
        for f in range(rank):
            mean = run[f] / violating
            d[f] += q * first * (own[f] - mean)
            gap += own[f] * own[f] - 2 * own[f] * mean
        m += q * second * gap
    for f in range(rank):
        d[f] /= n
    return m / (n * rank), z / n


@njit(nogil=True, cache=True, error_model="numpy")
def mean_row(table, bias, met, losses, most, epochs, rate, final, pull, longest, out):
    """The row of a user who has met `met`, into out (rank,): zero where nothing is met, or everything."""
    n, free = len(met), np.ones(len(table), np.uint8)
    out[:] = 0
    for i in met:
        free[i] = 0
    if n == 0 or n == len(table):
        return
    x, d = np.zeros(len(out), np.float32), np.empty(len(out))
    steps = float(epochs * n)
    growth, done, grown = steps ** (1.0 / PARTS), 0.0, 0.0
    for part in range(1, PARTS + 1):
        until = growth**part if part < PARTS else steps
        c = until - done
        m, z = mean_step(x, table, bias, met, free, losses, most, d)
        gone = min(1.0, done / n / max(1, epochs - 1))
        now = rate * (1 + gone * (final - 1))
        way = now * c / np.sqrt(1 + grown)
        if m > 0:
            way = 2 * now * (np.sqrt(1 + grown + m * c) - np.sqrt(1 + grown)) / m
        grown, done, square = grown + m * c, until, 0.0
        keep = np.exp(-way * pull * z)
        for f in range(len(out)):
            x[f] = keep * x[f] + way * d[f]
            square += x[f] * x[f]
        if longest > 0 and square > longest * longest:
            for f in range(len(out)):
                x[f] *= longest / np.sqrt(square)
    out[:] = x
