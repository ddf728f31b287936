"""Rows of a nonnegative factorization, one at a time: the kernels of linalg/nonnegative.py.

Every kernel improves rows low to high of `own`, x = own[u], with the rows of `other` fixed. Row u holds entries v_t in columns
j_t, indptr[u] <= t < indptr[u + 1]; `first` and `second` are the row's weights of |x|₁ and |x|²/2. Between `sweeps` passes
a row stops early where no coordinate moved by more than `tolerance` times the largest. Each leaves in parts[u] what the
row adds to the objective, up to what depends on the entries alone.

Frobenius, all cells          ½ xᵀGx - b·x,  G = Σ_j y_j y_jᵀ, b = Σ_t v_t y_t: no cell without an entry is ever looked at
Frobenius, seen cells         ½ Σ_t (v_t - x·y_t)²
KL                            a·x - Σ_t v_t ln(x·y_t),  a = Σ_j y_j, or over the seen cells Σ_t y_t

coordinate     The minimum over one x_f >= 0 after another. Squares: in closed form (Cichocki & Phan 2009, HALS; Hsieh & Dhillon 2011).
               KL: a Newton step from h' and h'' (Hsieh & Dhillon 2011). h' is concave in x_f, so a step up cannot pass the
               minimum; a step down can, and is shortened to h' / (h'' + κ h'), κ >= max_t y_tf / (x·y_t), which cannot:
               h''(x_f - s) <= h'' / (1 - κ s)². So no step raises the objective. κ is the 8-norm over the entries, at least 2e-5.
multiplicative All coordinates at once, by the minimum of a bound that touches the objective at x (Lee & Seung 2001): squares,
               x_f ← x_f b_f / ((Gx)_f + first + second x_f); KL, c = x_f Σ_t v_t y_tf / (x·y_t): the root of second x² + (a_f + first) x = c.
Cost           All cells, squares: 2 n rank + 2 rank² (sweeps + 1) a row of n entries; else 4 n rank (sweeps + 1), with n divisions a coordinate
               for KL. The coordinate kernels of seen cells and KL lay a row's y_t out by coordinate: n rank floats a thread.
Checked by     tests/by_hand/nmf.py, objectives that never rise, SciPy's nonnegative least squares.
"""

from __future__ import annotations

import numpy as np
from numba import njit

from matweave.linalg.weighted_sums import weighted_sum

_FAST = {"contract", "reassoc", "nsz", "arcp"}  # NaN and infinity keep their meaning
TINY = np.float32(1e-30)
LEAST = np.float32(1e-12)  # of a score that is divided by: its square's inverse is still a float32

CHUNK = 64
"""Entries whose vectors are laid out by coordinate together: they stay in the first cache meanwhile."""


@njit(nogil=True, cache=True, fastmath=_FAST, error_model="numpy")
def lay_out(indices, low, high, other, x, tile, score, total, power):
    """The entries' vectors by coordinate, in chunks of CHUNK entries; score[t] = x·y_t, total = Σ_t y_t, or of squares for power 2.

    Chunk c of m entries stands at tile[c CHUNK columns:], coordinate f at its m floats from f m.
    """
    columns = len(x)
    total[:] = 0
    for c in range(0, high - low, CHUNK):
        m = min(CHUNK, high - low - c)
        turned = tile[c * columns : (c + m) * columns].reshape(columns, m)
        for t in range(m):
            j, dot = indices[low + c + t], np.float32(0)
            for f in range(columns):
                dot += x[f] * other[j, f]
            score[c + t] = dot
            if power == 2:
                for f in range(columns):
                    total[f] += other[j, f] * other[j, f]
            else:
                for f in range(columns):
                    total[f] += other[j, f]
            for f in range(columns):
                turned[f, t] = other[j, f]


@njit(nogil=True, cache=True, fastmath=_FAST, error_model="numpy")
def gram_coordinate(
    indptr, indices, values, other, own, first, second, sweeps, tolerance, low, high, parts, gram, tile
):
    """Frobenius, all cells, coordinate; gram (columns, columns) with a zero diagonal where it is padded."""
    columns = own.shape[1]
    g, b, inverse = (
        np.empty(columns, np.float32),
        np.empty(columns, np.float32),
        np.empty(columns, np.float32),
    )
    for u in range(low, high):
        x = own[u]
        weighted_sum(indices, values, indptr[u], indptr[u + 1], other, b)
        for f in range(columns):
            g[f] = -b[f]
        for p in range(columns):
            xp = x[p]
            if xp != 0:
                for f in range(columns):
                    g[f] += xp * gram[p, f]
        for f in range(columns):
            inverse[f] = np.float32(1) / max(gram[f, f] + second[u], TINY)
        for _ in range(sweeps):
            most, largest = np.float32(0), np.float32(0)
            for p in range(columns):
                old = x[p]
                new = max(np.float32(0), old - (g[p] + second[u] * old + first[u]) * inverse[p])
                if gram[p, p] + second[u] <= TINY:
                    new = np.float32(0)
                move = new - old
                if move != 0:
                    x[p] = new
                    for f in range(columns):
                        g[f] += move * gram[p, f]
                most, largest = max(most, abs(move)), max(largest, new)
            if most <= tolerance * largest:
                break
        total = np.float32(0)
        for f in range(columns):
            total += x[f] * (g[f] - b[f] + second[u] * x[f] + np.float32(2) * first[u])
        parts[u] = 0.5 * np.float64(total)


@njit(nogil=True, cache=True, fastmath=_FAST, error_model="numpy")
def gram_multiplicative(
    indptr, indices, values, other, own, first, second, sweeps, tolerance, low, high, parts, gram, tile
):
    """Frobenius, all cells, multiplicative."""
    columns = own.shape[1]
    b, q = np.empty(columns, np.float32), np.empty(columns, np.float32)
    for u in range(low, high):
        x = own[u]
        weighted_sum(indices, values, indptr[u], indptr[u + 1], other, b)
        for sweep in range(sweeps + 1):
            q[:] = 0
            for p in range(columns):
                for f in range(columns):
                    q[f] += x[p] * gram[p, f]
            if sweep < sweeps:
                most, largest = np.float32(0), np.float32(0)
                for f in range(columns):
                    new = x[f] * b[f] / max(q[f] + first[u] + second[u] * x[f], TINY)
                    most, largest = max(most, abs(new - x[f])), max(largest, new)
                    x[f] = new
        total = np.float32(0)
        for f in range(columns):
            total += x[f] * (q[f] - b[f] - b[f] + second[u] * x[f] + np.float32(2) * first[u])
        parts[u] = 0.5 * np.float64(total)


@njit(nogil=True, cache=True, fastmath=_FAST, error_model="numpy")
def seen_coordinate(
    indptr, indices, values, other, own, first, second, sweeps, tolerance, low, high, parts, gram, tile
):
    """Frobenius, seen cells, coordinate; tile: columns + 1 times the longest row."""
    columns = own.shape[1]
    norms = np.empty(columns, np.float32)
    for u in range(low, high):
        x, start = own[u], indptr[u]
        n = indptr[u + 1] - start
        if n == 0:
            x[:] = 0
            parts[u] = 0
            continue
        e = tile[columns * n : (columns + 1) * n]
        lay_out(indices, start, start + n, other, x, tile, e, norms, 2)
        for t in range(n):
            e[t] = values[start + t] - e[t]
        for _ in range(sweeps):
            most, largest = np.float32(0), np.float32(0)
            for f in range(columns):
                weight = norms[f] + second[u]
                if weight <= TINY:
                    x[f] = 0
                    continue
                pull = np.float32(0)
                for c in range(0, n, CHUNK):
                    m = min(CHUNK, n - c)
                    y, part = tile[c * columns + f * m : c * columns + f * m + m], e[c : c + m]
                    for t in range(m):
                        pull += part[t] * y[t]
                old = x[f]
                new = max(np.float32(0), old + (pull - second[u] * old - first[u]) / weight)
                move = new - old
                if move != 0:
                    x[f] = new
                    for c in range(0, n, CHUNK):
                        m = min(CHUNK, n - c)
                        y, part = tile[c * columns + f * m : c * columns + f * m + m], e[c : c + m]
                        for t in range(m):
                            part[t] -= move * y[t]
                most, largest = max(most, abs(move)), max(largest, new)
            if most <= tolerance * largest:
                break
        total = np.float32(0)
        for t in range(n):
            total += e[t] * e[t]
        for f in range(columns):
            total += x[f] * (second[u] * x[f] + np.float32(2) * first[u])
        parts[u] = 0.5 * np.float64(total)


@njit(nogil=True, cache=True, fastmath=_FAST, error_model="numpy")
def seen_multiplicative(
    indptr, indices, values, other, own, first, second, sweeps, tolerance, low, high, parts, gram, tile
):
    """Frobenius, seen cells, multiplicative."""
    columns = own.shape[1]
    b, q = np.empty(columns, np.float32), np.empty(columns, np.float32)
    for u in range(low, high):
        x = own[u]
        if indptr[u] == indptr[u + 1]:
            x[:] = 0
        for sweep in range(sweeps + 1):
            b[:] = 0
            q[:] = 0
            total = np.float32(0)
            for t in range(indptr[u], indptr[u + 1]):
                j, v, dot = indices[t], values[t], np.float32(0)
                for f in range(columns):
                    dot += x[f] * other[j, f]
                for f in range(columns):
                    b[f] += v * other[j, f]
                    q[f] += dot * other[j, f]
                total += (v - dot) * (v - dot)
            if sweep < sweeps:
                for f in range(columns):
                    x[f] *= b[f] / max(q[f] + first[u] + second[u] * x[f], TINY)
        for f in range(columns):
            total += x[f] * (second[u] * x[f] + np.float32(2) * first[u])
        parts[u] = 0.5 * np.float64(total)


@njit(nogil=True, cache=True, fastmath=_FAST, error_model="numpy")
def kl_coordinate(
    indptr, indices, values, other, own, first, second, sweeps, tolerance, low, high, parts, gram, tile
):
    """KL, coordinate; gram[0]: a for all cells; gram empty: seen cells. tile: columns + 1 times the longest row."""
    columns = own.shape[1]
    mass = np.empty(columns, np.float32)
    for u in range(low, high):
        x, start = own[u], indptr[u]
        n = indptr[u + 1] - start
        if n == 0:  # nothing pulls up
            x[:] = 0
            parts[u] = 0
            continue
        score = tile[columns * n : (columns + 1) * n]
        lay_out(indices, start, start + n, other, x, tile, score, mass, 1)
        if len(gram):
            mass[:] = gram[0]
        v = values[start : start + n]
        for _ in range(sweeps):
            most, largest = np.float32(0), np.float32(0)
            for f in range(columns):
                if mass[f] <= TINY:
                    x[f] = 0
                    continue
                pull, curve, eighth = np.float32(0), np.float32(0), np.float32(0)
                for c in range(0, n, CHUNK):
                    m = min(CHUNK, n - c)
                    y, part, w = (
                        tile[c * columns + f * m : c * columns + f * m + m],
                        score[c : c + m],
                        v[c : c + m],
                    )
                    for t in range(m):
                        ratio = y[t] / max(part[t], LEAST)
                        pulled = w[t] * ratio
                        pull += pulled
                        curve += pulled * ratio
                        power = ratio * ratio
                        power *= power
                        eighth += power * power  # a maximum over lanes does not become vector instructions
                old = x[f]
                slope = mass[f] + first[u] + second[u] * old - pull
                bend = curve + second[u]
                if slope > 0:
                    bend += slope * max(
                        np.sqrt(np.sqrt(np.sqrt(eighth))) * np.float32(1.0001), np.float32(2e-5)
                    )
                if bend <= TINY:  # no entry has this coordinate: straight down to zero, or nowhere
                    new = np.float32(0)
                else:
                    new = max(np.float32(0), old - slope / bend)
                move = new - old
                if move != 0:
                    x[f] = new
                    for c in range(0, n, CHUNK):
                        m = min(CHUNK, n - c)
                        y, part = tile[c * columns + f * m : c * columns + f * m + m], score[c : c + m]
                        for t in range(m):
                            part[t] += move * y[t]
                most, largest = max(most, abs(move)), max(largest, new)
            if most <= tolerance * largest:
                break
        total = 0.0
        for t in range(n):
            if v[t] > 0:
                total -= v[t] * np.log(max(score[t], LEAST))
        for f in range(columns):
            total += x[f] * (mass[f] + first[u] + np.float32(0.5) * second[u] * x[f])
        parts[u] = total


@njit(nogil=True, cache=True, fastmath=_FAST, error_model="numpy")
def kl_multiplicative(
    indptr, indices, values, other, own, first, second, sweeps, tolerance, low, high, parts, gram, tile
):
    """KL, multiplicative; gram as in `kl_coordinate`."""
    columns = own.shape[1]
    mass, pull = np.empty(columns, np.float32), np.empty(columns, np.float32)
    for u in range(low, high):
        x = own[u]
        if indptr[u] == indptr[u + 1]:
            x[:] = 0
        for sweep in range(sweeps + 1):
            pull[:] = 0
            mass[:] = 0
            total = 0.0
            for t in range(indptr[u], indptr[u + 1]):
                j, dot = indices[t], np.float32(0)
                for f in range(columns):
                    dot += x[f] * other[j, f]
                dot = max(dot, LEAST)
                ratio = values[t] / dot
                for f in range(columns):
                    pull[f] += ratio * other[j, f]
                    mass[f] += other[j, f]
                if sweep == sweeps and values[t] > 0:
                    total -= values[t] * np.log(dot)
            if len(gram):
                mass[:] = gram[0]
            if sweep < sweeps:
                for f in range(columns):
                    linear, c = mass[f] + first[u], x[f] * pull[f]
                    # the root of second x² + linear x = c, without cancellation
                    x[f] = (c + c) / max(linear + np.sqrt(linear * linear + 4 * second[u] * c), TINY)
        for f in range(columns):
            total += x[f] * (mass[f] + first[u] + np.float32(0.5) * second[u] * x[f])
        parts[u] = total
