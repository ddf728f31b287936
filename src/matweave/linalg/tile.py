"""The products that a small ridge system needs, over a tile: the vectors of one row's columns, gathered
side by side so that they are read from the first caches.

For a row with columns k = 1..n, vectors t_k (rank d, padded to a multiple of 16), weights a_k and targets b_k:

    gather_residual   copies t_k into the tile;  out = Σ (b_k - a_k s_k) t_k,  s_k = t_k·x;  answers Σ b_k s_k
    tile_product      out += Σ a_k (t_k·p) t_k, each vector read once

n is a multiple of 4: a shorter row is padded with vectors of zeros (index: the zero row at the end of the
table) and weights of zero. `stride` is 1 where each entry has a weight of its own and 0 where four
constants serve all. The `biased` ones carry one more unknown whose vector entry is 1 everywhere: it
stands at x[d], p[d], out[d].

Cost: two instructions per 16 numbers of a vector (one for the product, one for the sum) plus about five
per vector; the limit is one multiply-add a cycle with AVX-512. Checked against NumPy in tests/linalg/test_tile.py.
"""

from __future__ import annotations

from typing import Any

from llvmlite import ir
from numba import types
from numba.core.base import BaseContext
from numba.extending import intrinsic
from numba.np.arrayobj import make_array

from matweave.linalg.simd import FLOAT, INT64, LANES, ROWS, Emit

code: Any = intrinsic(prefer_literal=True)  # a checker of types would count the typing context as an argument

HELD = 4
"""Chunks of 16 up to which four whole rows are kept in registers between product and sum."""

LOADED = 8
"""Chunks up to which the multiplied vector is kept in registers."""


def pointers(
    context: BaseContext, builder: Any, kinds: Any, values: Any, which: tuple[int, ...]
) -> list[Any]:
    """Where the data of the arrays at these positions begin."""
    return [
        builder.bitcast(make_array(kinds[k])(context, builder, values[k]).data, ir.PointerType())
        for k in which
    ]


def products(e: Emit, chunks: int, vector: Any, held: Any, load: Any) -> tuple[list[list[Any]], list[Any]]:
    """Four rows, chunk by chunk, and their lane-wise products with a vector (in memory, or `held`)."""
    rows: list[list[Any]] = [[] for _ in range(ROWS)]
    sums: list[Any] = []
    for c in range(chunks):
        x = held[c] if held else e.load(e.at(vector, LANES * c))
        for r in range(ROWS):
            t = load(r, c)
            rows[r].append(t)
            if c == 0:
                sums.append(e.multiply(t, x))
            else:
                sums[r] = e.fma(t, x, sums[r])
    return rows, sums


def _gathered(e: Emit, total: list[Any], weights: Any, rows: list[list[Any]], again: Any) -> list[Any]:
    """total[c] += Σ_r weights[r] rows[r][c]; long rows are read once more instead of being held."""
    spread = [e.spread(weights, r) for r in range(ROWS)]
    chunks = len(total)
    if chunks > HELD:
        e.forget()
    for c in range(chunks):
        for r in range(ROWS):
            t = rows[r][c] if chunks <= HELD else again(r, c)
            total[c] = e.fma(t, spread[r], total[c])
    return total


@code
def gather_residual(
    _, width, biased, table, tile, indices, a, a_stride, b, b_stride, start, blocks, x, out
):  # the arguments are Numba types
    """Copy 4 * blocks vectors into the tile; out = Σ (b - a s) t with s = t·x (+ x[width]); answers Σ b s."""
    chunks, extra = width.literal_value // LANES, bool(biased.literal_value)
    size = types.int64
    wanted = types.float32(width, biased, table, tile, indices, a, size, b, size, size, size, x, out)

    def generate(context, builder, signature, args):
        e = Emit(builder)
        kinds = signature.args
        from_, to_, index_, a_, b_, x_, out_ = pointers(
            context, builder, kinds, args, (2, 3, 4, 5, 7, 11, 12)
        )
        a_stride, b_stride, start, blocks = args[6], args[8], args[9], args[10]
        d = LANES * chunks
        held = [e.load(e.at(x_, LANES * c)) for c in range(chunks)] if chunks <= LOADED else None
        bias = e.splat_at(e.at(x_, d)) if extra else None

        def body(k, carried):
            total, scored, biases = carried[:chunks], carried[chunks], carried[chunks + 1 :]
            first = builder.add(e.times(k, ROWS), start)
            sources = [
                e.at(from_, e.times(e.index(index_, builder.add(first, ir.Constant(INT64, r))), d))
                for r in range(ROWS)
            ]
            to = e.at(to_, e.times(k, ROWS * d))

            def copied(r, c):
                t = e.load(e.at(sources[r], LANES * c))
                e.store(t, e.at(to, r * d + LANES * c))
                return t

            rows, sums = products(e, chunks, x_, held, copied)
            s = e.sums_of_four(*sums)
            if extra:
                s = e.add(s, bias)
            target = e.four(e.at(b_, builder.mul(first, b_stride)))
            weight = e.four(e.at(a_, builder.mul(first, a_stride)))
            scored = e.fma(target, s, scored)
            left = e.subtract(target, e.multiply(weight, s))
            total = _gathered(e, total, left, rows, lambda r, c: e.load(e.at(to, r * d + LANES * c)))
            return [*total, scored, *([e.add(biases[0], left)] if extra else [])]

        done = e.loop(blocks, [e.zero()] * (chunks + 1 + extra), body)
        for c in range(chunks):
            e.store(done[c], e.at(out_, LANES * c))
        if extra:
            builder.store(e.total_of_four(done[chunks + 1]), e.at(out_, d))
        return e.total_of_four(done[chunks])

    return wanted, generate


@code
def tile_product(_, width, biased, tile, a, a_stride, start, blocks, p, out):
    """out += Σ a s t with s = t·p (+ p[width])."""
    chunks, extra = width.literal_value // LANES, bool(biased.literal_value)
    size = types.int64
    wanted = types.void(width, biased, tile, a, size, size, size, p, out)

    def generate(context, builder, signature, args):
        e = Emit(builder)
        tile_, a_, p_, out_ = pointers(context, builder, signature.args, args, (2, 3, 7, 8))
        a_stride, start, blocks = args[4], args[5], args[6]
        d = LANES * chunks
        held = [e.load(e.at(p_, LANES * c)) for c in range(chunks)] if chunks <= LOADED else None
        bias = e.splat_at(e.at(p_, d)) if extra else None

        def body(k, carried):
            total, biases = carried[:chunks], carried[chunks:]
            first = builder.add(e.times(k, ROWS), start)
            tile_at = e.at(tile_, e.times(k, ROWS * d))
            again = lambda r, c: e.load(e.at(tile_at, r * d + LANES * c))  # noqa: E731
            rows, sums = products(e, chunks, p_, held, again)
            s = e.sums_of_four(*sums)
            if extra:
                s = e.add(s, bias)
            s = e.multiply(s, e.four(e.at(a_, builder.mul(first, a_stride))))
            total = _gathered(e, total, s, rows, again)
            return [*total, *([e.add(biases[0], s)] if extra else [])]

        begin = [e.load(e.at(out_, LANES * c)) for c in range(chunks)]
        done = e.loop(blocks, [*begin, *([e.zero()] if extra else [])], body)
        for c in range(chunks):
            e.store(done[c], e.at(out_, LANES * c))
        if extra:
            at = e.at(out_, d)
            builder.store(builder.fadd(builder.load(at, typ=FLOAT), e.total_of_four(done[chunks])), at)
        return context.get_dummy_value()

    return wanted, generate
