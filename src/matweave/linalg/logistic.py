"""The logistic loss of every cell of a table of scores, and its gradient, by tiles.

    J = Σ_ui [ ln(1 + e^s_ui) + a_ui ln(1 + e^-s_ui) ],   s = X Yᵀ,   a_ui > 0 where the log has (u, i), else 0
    ∂J/∂X = G Y,   G = σ(s) - a (1 - σ(s))

A tile of scores is one BLAS product; a compiled pass makes it G in place, the exponential, the logarithm and the division of 16 cells at a
time (simd.py); a second product adds it to the gradient. Nothing of users x items is held. Biases are columns of X and Y
beside a column of ones.

Cost        4 users items width operations in BLAS, and about 40 operations a cell; memory: a tile for each thread.
Checked by  tests/linalg/test_logistic.py: NumPy in float64, numerical gradients, equal bits for 1, 2 and 3 threads.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from llvmlite import ir
from numba import njit, types
from numba.core import cgutils
from numpy.typing import NDArray

from matweave.linalg.pairs import POWERS, total
from matweave.linalg.simd import INT32, LANES, VECTOR, Emit
from matweave.linalg.tile import code, pointers
from matweave.threads import in_parallel

Floats = NDArray[np.float32]

ROWS, COLUMNS = 64, 1024
"""Of a tile: 256 kB."""

LOGARITHM = (
    0.9999999947, -0.4999989265, 0.3332971050, -0.2495161626, 0.1966327427,
    -0.1526966710, 0.1054362384, -0.0563736132, 0.0195425274, -0.0031760571,
)  # fmt: skip
"""ln(1 + e) = e · polynomial for e in [0, 1], through its Chebyshev points; |error| < 1e-7 in float32."""


@code
def logistic_run(_, array, at, blocks):
    """Turn 16 · blocks scores from array[at] on into σ of them; answers Σ ln(1 + e^s)."""
    wanted = types.float32(array, types.int64, types.int64)

    def generate(context, builder, signature, args):
        e = Emit(builder)
        (array_,) = pointers(context, builder, signature.args, args, (0,))
        start = e.at(array_, args[1])

        def full(value: float) -> Any:
            return ir.Constant(VECTOR, [value] * LANES)

        rint = cgutils.get_or_insert_function(
            builder.module, ir.FunctionType(VECTOR, [VECTOR]), f"llvm.rint.v{LANES}f32"
        )
        whole_kind = ir.VectorType(INT32, LANES)

        def body(k, carried):
            place = e.at(start, e.times(k, LANES))
            s = e.load(place)
            below = builder.fcmp_unordered("<", s, full(0.0))
            size = builder.select(below, s, builder.fsub(full(0.0), s))  # -|s|
            t = e.multiply(size, full(1.4426950216293335))
            t = builder.select(builder.fcmp_ordered("<", t, full(-126.0)), full(-126.0), t)
            whole = builder.call(rint, [t])
            part = e.subtract(t, whole)
            power = full(POWERS[-1])
            for c in POWERS[-2::-1]:
                power = e.fma(power, part, full(c))
            bits = builder.shl(
                builder.add(builder.fptosi(whole, whole_kind), ir.Constant(whole_kind, [127] * LANES)),
                ir.Constant(whole_kind, [23] * LANES),
            )
            small = e.multiply(power, builder.bitcast(bits, VECTOR))
            share = builder.fdiv(full(1.0), e.add(full(1.0), small))
            e.store(builder.select(below, e.multiply(small, share), share), place)
            logarithm = full(LOGARITHM[-1])
            for c in LOGARITHM[-2::-1]:
                logarithm = e.fma(logarithm, small, full(c))
            above = builder.select(below, full(0.0), s)
            return [e.add(carried[0], e.fma(logarithm, small, above))]

        (summed,) = e.loop(args[2], [e.zero()], body)
        return total(e, summed)

    return wanted, generate


@njit(nogil=True, cache=True)
def _cells(tile, wide, indptr, indices, weights, first, rows, low, high, at):
    """Make the scores of rows first.. and columns low..high G; answers the tile's part of J. at (rows,): where each row's entries go on."""
    blocks = wide // 16
    rest = np.empty(16, np.float32)
    lost = 0.0
    for r in range(rows):
        base = r * wide
        k, end = at[r], indptr[first + r + 1]
        begin = k
        plain = np.float64(0)
        while k < end and indices[k] < high:  # before the scores are overwritten
            s = np.float64(tile[base + indices[k] - low])
            w = np.float64(weights[k if len(weights) > 1 else 0])
            plain += w * (np.log1p(np.exp(-abs(s))) - min(s, 0.0))
            k += 1
        lost += plain + np.float64(logistic_run(tile, base, blocks))
        if wide > blocks * 16:
            rest[:] = -200.0
            for c in range(blocks * 16, wide):
                rest[c - blocks * 16] = tile[base + c]
            lost += np.float64(logistic_run(rest, 0, 1))
            for c in range(blocks * 16, wide):
                tile[base + c] = rest[c - blocks * 16]
        for t in range(begin, k):
            p = tile[base + indices[t] - low]
            tile[base + indices[t] - low] = p - weights[t if len(weights) > 1 else 0] * (np.float32(1) - p)
        at[r] = k
    return lost


def gradient(
    x: Floats, y: Floats, indptr: NDArray[np.int64], indices: NDArray[np.int32], weights: Floats
) -> tuple[Floats, float]:
    """∂J/∂X (users, width) and J of x (users, width) and y (items, width); weights: a of every entry, or one for all.

    >>> one = np.ones((1, 1), np.float32)
    >>> slope, lost = gradient(0 * one, one, np.array([0, 1]), np.array([0], np.int32), np.ones(1, np.float32))
    >>> slope.tolist(), round(lost, 4)
    ([[0.0]], 1.3863)
    """
    found = np.zeros_like(x)
    columns = [(low, min(low + COLUMNS, len(y))) for low in range(0, len(y), COLUMNS)]

    def work(first: int, last: int) -> float:
        rows, lost = last - first, 0.0
        buffer, at = np.empty(rows * min(COLUMNS, len(y)), np.float32), indptr[first:last].copy()
        part = np.empty((rows, x.shape[1]), np.float32)
        for low, high in columns:
            flat = buffer[: rows * (high - low)]
            tile = flat.reshape(rows, high - low)
            np.dot(x[first:last], y[low:high].T, out=tile)
            lost += _cells(flat, high - low, indptr, indices, weights, first, rows, low, high, at)
            np.dot(tile, y[low:high], out=part)
            found[first:last] += part
        return lost

    pieces = [(a, min(a + ROWS, len(x))) for a in range(0, len(x), ROWS)]
    return found, float(sum(in_parallel(work, pieces)))
