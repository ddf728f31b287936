"""The products that a small ridge system needs, over a tile: the vectors of one row's columns, gathered
side by side so that they are read from the first caches.

For a row with columns k = 1..n, vectors t_k (rank d, padded to a multiple of 16), weights a_k and targets b_k:

    gather_residual   copies t_k into the tile;  out = Σ (b_k - a_k s_k) t_k,  s_k = t_k·x;  answers Σ b_k s_k
    tile_product      out += Σ a_k (t_k·p) t_k, each vector read once
    gather_columns    copies only some columns of t_k
    tile_gram         out[i, j] += Σ a_k t_ki t_kj, for one block of up to 8 x 48 cells that stays in registers
    tile_dots         s_k += t_k·p;     tile_combine   out += Σ (b_k - a_k s_k) t_k
    trailing_update   the inner step of a Cholesky factorization, four pivots at a time

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

_code: Any = intrinsic(
    prefer_literal=True
)  # a checker of types would count the typing context as an argument

HELD = 4
"""Chunks of 16 up to which four whole rows are kept in registers between product and sum."""

LOADED = 8
"""Chunks up to which the multiplied vector is kept in registers."""


def _pointers(
    context: BaseContext, builder: Any, kinds: Any, values: Any, which: tuple[int, ...]
) -> list[Any]:
    return [
        builder.bitcast(make_array(kinds[k])(context, builder, values[k]).data, ir.PointerType())
        for k in which
    ]


def _products(e: Emit, chunks: int, vector: Any, held: Any, load: Any) -> tuple[list[list[Any]], list[Any]]:
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


@_code
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
        from_, to_, index_, a_, b_, x_, out_ = _pointers(
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

            rows, sums = _products(e, chunks, x_, held, copied)
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


@_code
def tile_product(_, width, biased, tile, a, a_stride, start, blocks, p, out):
    """out += Σ a s t with s = t·p (+ p[width])."""
    chunks, extra = width.literal_value // LANES, bool(biased.literal_value)
    size = types.int64
    wanted = types.void(width, biased, tile, a, size, size, size, p, out)

    def generate(context, builder, signature, args):
        e = Emit(builder)
        tile_, a_, p_, out_ = _pointers(context, builder, signature.args, args, (2, 3, 7, 8))
        a_stride, start, blocks = args[4], args[5], args[6]
        d = LANES * chunks
        held = [e.load(e.at(p_, LANES * c)) for c in range(chunks)] if chunks <= LOADED else None
        bias = e.splat_at(e.at(p_, d)) if extra else None

        def body(k, carried):
            total, biases = carried[:chunks], carried[chunks:]
            first = builder.add(e.times(k, ROWS), start)
            tile_at = e.at(tile_, e.times(k, ROWS * d))
            again = lambda r, c: e.load(e.at(tile_at, r * d + LANES * c))  # noqa: E731
            rows, sums = _products(e, chunks, p_, held, again)
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


@_code
def gather_columns(_, width, columns, table, tile, indices, start, count, first):
    """Copy columns first..first+columns (multiples of 16) of `count` vectors into a tile of that width."""
    size = types.int64
    wanted = types.void(width, columns, table, tile, indices, size, size, size)
    d, chunks = width.literal_value, columns.literal_value // LANES

    def generate(context, builder, signature, args):
        e = Emit(builder)
        from_, to_, index_ = _pointers(context, builder, signature.args, args, (2, 3, 4))
        start, count, first = args[5:]

        def body(k, carried):
            source = e.at(e.at(from_, e.times(e.index(index_, builder.add(start, k)), d)), first)
            to = e.at(to_, e.times(k, LANES * chunks))
            for c in range(chunks):
                e.store(e.load(e.at(source, LANES * c)), e.at(to, LANES * c))
            return carried

        e.loop(count, [], body)
        return context.get_dummy_value()

    return wanted, generate


@_code
def tile_gram(_, width, rows, chunks, tile, begin, a, a_stride, start, count, i, j, out):
    """out[i:i+rows, j:j+16 chunks] += Σ a t_i t_j over `count` vectors, from the tile's number `begin`.

    out is (width, width), flat; `start` is where those vectors' weights begin.
    """
    size = types.int64
    wanted = types.void(width, rows, chunks, tile, size, a, size, size, size, size, size, out)
    d, high, wide = (kind.literal_value for kind in (width, rows, chunks))

    def generate(context, builder, signature, args):
        e = Emit(builder)
        tile_, a_, out_ = _pointers(context, builder, signature.args, args, (3, 5, 11))
        begin, a_stride, start, count, i, j = args[4], *args[6:11]
        corner = e.at(e.at(out_, e.times(i, d)), j)
        cells = [e.at(corner, r * d + LANES * c) for r in range(high) for c in range(wide)]

        def body(k, carried):
            vector = e.at(tile_, e.times(builder.add(begin, k), d))
            weight = e.splat_at(e.at(a_, builder.mul(builder.add(start, k), a_stride)))
            across, down = e.at(vector, j), e.at(vector, i)
            right = [e.multiply(weight, e.load(e.at(across, LANES * c))) for c in range(wide)]
            for r in range(high):
                t = e.splat_at(e.at(down, r))
                for c in range(wide):
                    carried[r * wide + c] = e.fma(t, right[c], carried[r * wide + c])
            return carried

        done = e.loop(count, [e.load(cell) for cell in cells], body)
        for value, cell in zip(done, cells, strict=True):
            e.store(value, cell)
        return context.get_dummy_value()

    return wanted, generate


@_code
def tile_dots(_, width, tile, blocks, p, begin, s):
    """s[begin + k] += t_k·p over 4 * blocks vectors."""
    size = types.int64
    wanted = types.void(width, tile, size, p, size, s)
    d, chunks = width.literal_value, width.literal_value // LANES

    def generate(context, builder, signature, args):
        e = Emit(builder)
        tile_, p_, s_ = _pointers(context, builder, signature.args, args, (1, 3, 5))
        blocks, begin = args[2], args[4]
        held = [e.load(e.at(p_, LANES * c)) for c in range(chunks)] if chunks <= LOADED else None

        def body(k, carried):
            first = e.at(tile_, e.times(k, ROWS * d))
            _, sums = _products(e, chunks, p_, held, lambda r, c: e.load(e.at(first, r * d + LANES * c)))
            at = e.at(s_, builder.add(begin, e.times(k, ROWS)))
            e.store_four(e.add(e.four(at), e.sums_of_four(*sums)), at)
            return carried

        e.loop(blocks, [], body)
        return context.get_dummy_value()

    return wanted, generate


@_code
def tile_combine(_, width, tile, a, a_stride, b, b_stride, start, blocks, s, begin, out):
    """out += Σ (b - a s) t over 4 * blocks vectors; weights and targets from `start`, scores from `begin`."""
    size = types.int64
    wanted = types.void(width, tile, a, size, b, size, size, size, s, size, out)
    d, chunks = width.literal_value, width.literal_value // LANES

    def generate(context, builder, signature, args):
        e = Emit(builder)
        tile_, a_, b_, s_, out_ = _pointers(context, builder, signature.args, args, (1, 2, 4, 8, 10))
        a_stride, b_stride, start, blocks, begin = args[3], args[5], args[6], args[7], args[9]

        def body(k, total):
            vectors, step = e.at(tile_, e.times(k, ROWS * d)), e.times(k, ROWS)
            at = builder.add(step, start)
            target = e.four(e.at(b_, builder.mul(at, b_stride)))
            weight = e.four(e.at(a_, builder.mul(at, a_stride)))
            scores = e.four(e.at(s_, builder.add(begin, step)))
            left = e.subtract(target, e.multiply(weight, scores))
            spread = [e.spread(left, r) for r in range(ROWS)]
            for c in range(chunks):
                for r in range(ROWS):
                    total[c] = e.fma(e.load(e.at(vectors, r * d + LANES * c)), spread[r], total[c])
            return total

        done = e.loop(blocks, [e.load(e.at(out_, LANES * c)) for c in range(chunks)], body)
        for c in range(chunks):
            e.store(done[c], e.at(out_, LANES * c))
        return context.get_dummy_value()

    return wanted, generate


@_code
def trailing_update(_, width, matrix, k, i):
    """matrix[i:i+4, from i's chunk] -= matrix[k:k+4, i:i+4]ᵀ matrix[k:k+4, same columns]; (width, width), flat."""
    wanted = types.void(width, matrix, types.int64, types.int64)
    d = width.literal_value

    def generate(context, builder, signature, args):
        e = Emit(builder)
        (at,) = _pointers(context, builder, signature.args, args, (1,))
        k, i = args[2:]
        panel, rows = e.at(at, e.times(k, d)), e.at(at, e.times(i, d))
        by = [
            [e.splat(builder.fneg(builder.load(e.at(e.at(panel, q * d), builder.add(i, ir.Constant(INT64, r))), typ=FLOAT)))
             for q in range(ROWS)]
            for r in range(ROWS)
        ]  # fmt: skip
        first = builder.sdiv(i, ir.Constant(INT64, LANES))

        def body(c, carried):
            column = e.times(builder.add(first, c), LANES)
            sources = [e.load(e.at(e.at(panel, q * d), column)) for q in range(ROWS)]
            for r in range(ROWS):
                cell = e.at(e.at(rows, r * d), column)
                value = e.load(cell)
                for q in range(ROWS):
                    value = e.fma(by[r][q], sources[q], value)
                e.store(value, cell)
            return carried

        e.loop(builder.sub(ir.Constant(INT64, d // LANES), first), [], body)
        return context.get_dummy_value()

    return wanted, generate
