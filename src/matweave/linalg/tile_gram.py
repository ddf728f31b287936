"""The products over a tile that exact and blockwise solutions need; see tile.py for the terms.

    gather_columns    copies only some columns of t_k
    tile_gram         out[i, j] += Σ a_k t_ki t_kj, for one block of up to 8 x 48 cells that stays in registers
    tile_dots         s_k += t_k·p;     tile_combine   out += Σ (b_k - a_k s_k) t_k
    trailing_update   the inner step of a Cholesky factorization, four pivots at a time

Here the weights, the scores and the tile may each begin at another place, since a long row comes in parts.
Checked against NumPy in tests/linalg/test_tile_gram.py.
"""

from __future__ import annotations

from llvmlite import ir
from numba import types

from matweave.linalg.simd import FLOAT, INT64, LANES, ROWS, Emit
from matweave.linalg.tile import LOADED, code, pointers, products


@code
def gather_columns(_, width, columns, table, tile, indices, start, count, first):
    """Copy columns first..first+columns (multiples of 16) of `count` vectors into a tile of that width."""
    size = types.int64
    wanted = types.void(width, columns, table, tile, indices, size, size, size)
    d, chunks = width.literal_value, columns.literal_value // LANES

    def generate(context, builder, signature, args):
        e = Emit(builder)
        from_, to_, index_ = pointers(context, builder, signature.args, args, (2, 3, 4))
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


@code
def tile_gram(_, width, rows, chunks, tile, begin, a, a_stride, start, count, i, j, out):
    """out[i:i+rows, j:j+16 chunks] += Σ a t_i t_j over `count` vectors, from the tile's number `begin`.

    out is (width, width), flat; `start` is where those vectors' weights begin.
    """
    size = types.int64
    wanted = types.void(width, rows, chunks, tile, size, a, size, size, size, size, size, out)
    d, high, wide = (kind.literal_value for kind in (width, rows, chunks))

    def generate(context, builder, signature, args):
        e = Emit(builder)
        tile_, a_, out_ = pointers(context, builder, signature.args, args, (3, 5, 11))
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


@code
def tile_dots(_, width, tile, blocks, p, begin, s):
    """s[begin + k] += t_k·p over 4 * blocks vectors."""
    size = types.int64
    wanted = types.void(width, tile, size, p, size, s)
    d, chunks = width.literal_value, width.literal_value // LANES

    def generate(context, builder, signature, args):
        e = Emit(builder)
        tile_, p_, s_ = pointers(context, builder, signature.args, args, (1, 3, 5))
        blocks, begin = args[2], args[4]
        held = [e.load(e.at(p_, LANES * c)) for c in range(chunks)] if chunks <= LOADED else None

        def body(k, carried):
            first = e.at(tile_, e.times(k, ROWS * d))
            _, sums = products(e, chunks, p_, held, lambda r, c: e.load(e.at(first, r * d + LANES * c)))
            at = e.at(s_, builder.add(begin, e.times(k, ROWS)))
            e.store_four(e.add(e.four(at), e.sums_of_four(*sums)), at)
            return carried

        e.loop(blocks, [], body)
        return context.get_dummy_value()

    return wanted, generate


@code
def tile_combine(_, width, tile, a, a_stride, b, b_stride, start, blocks, s, begin, out):
    """out += Σ (b - a s) t over 4 * blocks vectors; weights and targets from `start`, scores from `begin`."""
    size = types.int64
    wanted = types.void(width, tile, a, size, b, size, size, size, s, size, out)
    d, chunks = width.literal_value, width.literal_value // LANES

    def generate(context, builder, signature, args):
        e = Emit(builder)
        tile_, a_, b_, s_, out_ = pointers(context, builder, signature.args, args, (1, 2, 4, 8, 10))
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


@code
def trailing_update(_, width, matrix, k, i):
    """matrix[i:i+4, from i's chunk] -= matrix[k:k+4, i:i+4]ᵀ matrix[k:k+4, same columns]; (width, width), flat."""
    wanted = types.void(width, matrix, types.int64, types.int64)
    d = width.literal_value

    def generate(context, builder, signature, args):
        e = Emit(builder)
        (at,) = pointers(context, builder, signature.args, args, (1,))
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
