"""An elastic net for every column of a table from all its other columns, by coordinate descent on G = AᵀA.

Objective   J_j(w) = ½|a_j - A w|² + β/2 |w|² + λ|w|₁ with w_j = 0, and w >= 0 where asked, for each column j of A
Step        w_i = S(r_i + G_ii w_i) / (G_ii + β) with r = G_j - G w = Aᵀ(a_j - A w), S(x) = sign(x) max(|x| - λ, 0), or
            max(x - λ, 0) where w >= 0             (covariance updates: Friedman, Hastie & Tibshirani 2010)
Active set  Only some columns take steps: at first the `FIRST` whose own best step lowers J_j most, (|G_ij| - λ)² /
            (G_ii + β), then those outside that break |r_i| <= λ, best first, until the gap is closed. Steps run on the
            small matrix of the active set, which stays in cache; r outside is brought up to date between such rounds.
Stop        Duality gap <= tolerance · |a_j|². With the residual as the dual point the gap is a sum over columns,
            Σ_i β/2 w_i² + λ|w_i| - w_i r_i + max(|r_i| - λ, 0)²/(2β),
            of terms >= 0 that vanish where the optimality conditions hold. J_j is within the gap of its minimum, and
            w within √(2 gap / β) of the weights that have it.
Cost        A round on a columns: a² numbers gathered, a²/16 vector operations a sweep, and a row of G for each weight that
            changed. Memory: G (linalg/gram.py: dense or sparse), and a² + 8 n numbers a thread.
Threads     Columns do not depend on each other and pieces of them are fixed, so neither do bits on the threads.
Checked by  tests/by_hand/slim.py, the optimality conditions in float64, scikit-learn's ElasticNet, dense against sparse G.
"""

from __future__ import annotations

import numpy as np
from numba import njit
from numpy.typing import NDArray

from matweave.errors import Diverged
from matweave.linalg.gram import Gram, pieces
from matweave.threads import in_parallel

Sparse = tuple[NDArray[np.int64], NDArray[np.int32], NDArray[np.float32]]
"""indptr, indices rising within each row, values."""

FIRST = 64  # columns of the first active set


def elastic_net_columns(
    gram: Gram,
    *,
    l1: float,
    l2: float,
    nonnegative: bool = True,
    tolerance: float = 1e-5,
    sweeps: int = 10_000,
) -> tuple[Sparse, NDArray[np.float64]]:
    """Weights and objectives of all columns: row j of the sparse result predicts column j; J_j float64 (n,).

    l1: λ >= 0; l2: β > 0; tolerance: duality gap of a column over |a_j|²; sweeps: over one active set
    at most. Raises Diverged where a column takes more of them, which nearly equal columns and a tiny β can bring about.

    >>> table = np.array([0, 2, 4]), np.array([0, 1, 0, 1], np.int32)
    >>> (starts, others, weights), _ = elastic_net_columns(Gram.of(*table, None, 2), l1=0.5, l2=1.0)
    >>> others.tolist(), weights.tolist()
    ([1, 0], [0.5, 0.5])
    """
    penalties = np.float32(l1), np.float32(l2)

    def work(low: int, high: int) -> tuple[NDArray, ...]:
        return _columns(low, high, *gram.arrays(), *penalties, nonnegative, tolerance, sweeps)

    found = in_parallel(work, pieces(len(gram)))
    counts, objectives, others, weights = (np.concatenate(parts) for parts in zip(*found, strict=True))
    stuck = np.flatnonzero(np.isnan(objectives))
    if len(stuck):
        raise Diverged(
            f"{len(stuck)} columns, the first of them {stuck[0]}, did not come within {tolerance:g} of their minimum "
            f"in {sweeps} sweeps",
            where="elastic net",
            mend="raise the quadratic penalty or the tolerance",
        )
    return (np.concatenate([[0], np.cumsum(counts)]), others, weights), objectives


@njit(nogil=True, cache=True, fastmath={"contract"})
def _columns(low, high, full, starts, columns, values, diagonal, l1, l2, nonnegative, tolerance, sweeps):
    """Counts, objectives (NaN: stuck), columns and weights for a_low to a_high."""
    n = len(diagonal)
    gram = full, starts, columns, values
    counts, objectives = np.zeros(high - low, np.int64), np.zeros(high - low)
    used, found, how = 0, np.empty(1024, np.int32), np.empty(1024, np.float32)
    outer, gain = np.empty(n, np.float32), np.empty(n, np.float32)
    at, place = np.empty(n, np.int32), np.full(n, -1, np.int32)  # the active columns, and where each stands
    w, old, r = np.empty(n, np.float32), np.empty(n, np.float32), np.empty(n, np.float32)
    small = np.empty((2 * FIRST, 2 * FIRST), np.float32)
    for j in range(low, high):
        target = tolerance * np.float64(diagonal[j])
        _row(gram, j, outer)
        size, stuck = 0, False
        while True:
            more, gap = _outside(j, outer, diagonal, place, at, gain, size, l1, l2, nonnegative)
            for p in range(size):
                gap += _gap(r[p], w[p], l1, l2, nonnegative)
            if gap <= target or more == 0 or stuck:
                break
            new = size + _best(at, size, gain, more, max(FIRST, size // 2))
            if new > len(small):
                small = _larger(small, size, 2 * new)
            for p in range(size, new):
                place[at[p]] = p
                r[p], w[p], old[p] = outer[at[p]], 0, 0
            for p in range(size, new):
                _gather(gram, at[p], at, place, new, small[p])
                for q in range(size):
                    small[q, p] = small[p, q]
            size = new
            stuck = not _descend(small, r, w, size, l1, l2, nonnegative, 0.3 * target, sweeps)
            for p in range(size):
                if w[p] != old[p]:
                    _add(gram, at[p], old[p] - w[p], outer)
                    old[p] = w[p]
            for p in range(size):
                r[p] = outer[at[p]]
        _row(gram, j, outer)
        value = 0.5 * np.float64(diagonal[j])
        if used + size > len(found):
            found, how = _wider(found, 2 * (used + size)), _wider(how, 2 * (used + size))
        for i in range(n):
            p = place[i]
            place[i] = -1
            if p >= 0 and w[p] != 0:
                wide = np.float64(w[p])
                value += 0.5 * wide * (l2 * wide - r[p] - outer[i]) + l1 * abs(wide)
                found[used], how[used] = i, w[p]
                used += 1
                counts[j - low] += 1
        objectives[j - low] = np.nan if stuck else value
    return counts, objectives, found[:used], how[:used]


@njit(nogil=True, cache=True)
def _wider(a, size):
    made = np.empty(size, a.dtype)
    for k in range(len(a)):
        made[k] = a[k]
    return made


@njit(nogil=True, cache=True)
def _larger(small, size, width):
    made = np.empty((width, width), np.float32)
    for p in range(size):
        for q in range(size):
            made[p, q] = small[p, q]
    return made


@njit(nogil=True, cache=True)
def _outside(j, outer, diagonal, place, at, gain, size, l1, l2, nonnegative):
    """The inactive columns that would move, listed after the active ones, and what they add to the gap."""
    more, gap = 0, 0.0
    for i in range(len(outer)):
        over = (outer[i] if nonnegative else abs(outer[i])) - l1
        if over > 0 and place[i] < 0 and i != j:
            gap += np.float64(over) * over / (2 * l2)
            gain[more] = over * over / (diagonal[i] + l2)
            at[size + more] = i
            more += 1
    return more, gap


@njit(nogil=True, cache=True)
def _best(at, first, gain, more, most):
    """Keep the `most` of largest gain, of equal ones the first; how many there are."""
    if more <= most:
        return more
    cut = _nth_largest(gain, more, most - 1)
    equal = most
    for q in range(more):
        equal -= gain[q] > cut
    kept = 0
    for q in range(more):
        tie = gain[q] == cut and equal > 0
        if gain[q] > cut or tie:
            equal -= tie
            at[first + kept] = at[first + q]
            kept += 1
    return kept


@njit(nogil=True, cache=True)
def _nth_largest(gain, many, n):
    """The one of the first `many` with n before it in falling order (Hoare's selection; NumPy's compiles for seconds)."""
    a = gain.copy()
    low, high = 0, many - 1
    while low < high:
        pivot, i, j = a[(low + high) // 2], low, high
        while i <= j:
            while a[i] > pivot:
                i += 1
            while a[j] < pivot:
                j -= 1
            if i <= j:
                a[i], a[j] = a[j], a[i]
                i += 1
                j -= 1
        if n <= j:
            high = j
        elif n >= i:
            low = i
        else:
            break
    return a[n]


@njit(nogil=True, cache=True, fastmath={"contract"})
def _descend(small, r, w, size, l1, l2, nonnegative, target, sweeps):
    """Sweeps over one active set until its gap is at most `target` or nothing moves; whether that came about."""
    for sweep in range(sweeps):
        still = True
        for i in range(size):
            x = r[i] + small[i, i] * w[i]
            new = np.float32(0)
            if x > l1:
                new = (x - l1) / (small[i, i] + l2)
            elif x < -l1 and not nonnegative:
                new = (x + l1) / (small[i, i] + l2)
            by = new - w[i]
            if by != 0:
                still = False
                w[i] = new
                row = small[i]
                for k in range(size):
                    r[k] -= by * row[k]
        if sweep % 4 == 3 and not still:
            gap = 0.0
            for i in range(size):
                gap += _gap(r[i], w[i], l1, l2, nonnegative)
            still = gap <= target
        if still:
            return True
    return False


@njit(nogil=True, cache=True)
def _gap(r, w, l1, l2, nonnegative):
    """One column's term of the duality gap."""
    if w < 0 or (w == 0 and not nonnegative):
        r, w = (-r, -w) if w < 0 or r < 0 else (r, w)
    over, wide = np.float64(r) - l1, np.float64(w)
    if over > 0:
        return (over - l2 * wide) ** 2 / (2 * l2)
    return wide * (0.5 * l2 * wide - over)


# rows of G, dense or sparse


@njit(nogil=True, cache=True, fastmath={"contract"})
def _add(gram, i, by, out):
    """out += by · G_i."""
    full, starts, columns, values = gram
    if len(full):
        row = full[i]
        for k in range(len(out)):
            out[k] += by * row[k]
    else:
        for t in range(starts[i], starts[i + 1]):
            out[columns[t]] += by * values[t]


@njit(nogil=True, cache=True)
def _row(gram, i, out):
    """out = G_i."""
    full, starts, columns, values = gram
    if len(full):
        for k in range(len(out)):
            out[k] = full[i, k]
    else:
        for k in range(len(out)):
            out[k] = 0
        for t in range(starts[i], starts[i + 1]):
            out[columns[t]] = values[t]


@njit(nogil=True, cache=True)
def _gather(gram, i, at, place, size, out):
    """out_p = G_ik for the column k = at[p] at each place p < size."""
    full, starts, columns, values = gram
    if len(full):
        row = full[i]
        for p in range(size):
            out[p] = row[at[p]]
    else:
        for p in range(size):
            out[p] = 0
        for t in range(starts[i], starts[i + 1]):
            if place[columns[t]] >= 0:
                out[place[columns[t]]] = values[t]
