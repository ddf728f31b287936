"""The step of a pairwise loss, written for vectors that stay in registers: a margin, the logistic function, an update.

    pair_margin    x·(y_i - y_j)
    row_product    x·y_i
    pair_gap       |y_i - y_j|²
    logistic       σ(s) = 1 / (1 + e^-s), by 2^t = 2^round(t) · polynomial, |error| < 1e-7
    pair_update    x ← a x + p (y_i - y_j),   y_i ← b y_i + q x,   y_j ← c y_j - r x,   all from the old values
    prefetch       asks for the lines of a row ahead of its use

Tables are flat float32 arrays, rows `width` floats (a multiple of 16) apart; a row is named by where it begins. LLVM
keeps what `pair_margin` read for `pair_update`, since nothing is written between the two, as far as registers go.

Cost        Of a step: 12 width operations; 3 rows read and written.
Checked by  tests/linalg/test_pairs.py, against NumPy in float64.
"""

from __future__ import annotations

from typing import Any

from llvmlite import ir
from numba import types

from matweave.linalg.simd import FLOAT, INT32, LANES, Emit
from matweave.linalg.tile import code, pointers

POWERS = (1.0, 0.693147182, 0.240226462, 0.0555034727, 0.00961813629, 0.00133335581, 0.000154035304)
"""Taylor coefficients of 2^t, ln(2)^k / k!, good to a unit in the last place on [-1/2, 1/2]."""


def total(e: Emit, vector: Any) -> Any:
    """The sum of all lanes, halving; in a fixed order."""
    size = LANES
    while size > 1:
        size //= 2
        low = e.shuffle(vector, vector, range(size))
        high = e.shuffle(vector, vector, range(size, 2 * size))
        vector = e.add(low, high)
    return e.builder.extract_element(vector, ir.Constant(INT32, 0))


def _summed(e: Emit, terms: list[tuple[Any, Any]]) -> Any:
    """Σ a b over the pairs of vectors, in four sums, so that they do not wait for each other."""
    sums: list[Any] = []
    for k, (a, b) in enumerate(terms):
        if k < 4:
            sums.append(e.multiply(a, b))
        else:
            sums[k % 4] = e.fma(a, b, sums[k % 4])
    while len(sums) > 1:
        sums = [e.add(*sums[k : k + 2]) if k + 1 < len(sums) else sums[k] for k in range(0, len(sums), 2)]
    return total(e, sums[0])


@code
def pair_margin(_, width, own, at, table, first, second):
    """own[at:]·(table[first:] - table[second:]) over `width` floats."""
    size = types.int64
    wanted = types.float32(width, own, size, table, size, size)
    chunks = width.literal_value // LANES

    def generate(context, builder, signature, args):
        e = Emit(builder)
        own_, table_ = pointers(context, builder, signature.args, args, (1, 3))
        x, y, z = e.at(own_, args[2]), e.at(table_, args[4]), e.at(table_, args[5])
        terms = [
            (
                e.load(e.at(x, LANES * c)),
                e.subtract(e.load(e.at(y, LANES * c)), e.load(e.at(z, LANES * c))),
            )
            for c in range(chunks)
        ]
        return _summed(e, terms)

    return wanted, generate


@code
def row_product(_, width, own, at, table, first):
    """own[at:]·table[first:] over `width` floats."""
    size = types.int64
    wanted = types.float32(width, own, size, table, size)
    chunks = width.literal_value // LANES

    def generate(context, builder, signature, args):
        e = Emit(builder)
        own_, table_ = pointers(context, builder, signature.args, args, (1, 3))
        x, y = e.at(own_, args[2]), e.at(table_, args[4])
        return _summed(e, [(e.load(e.at(x, LANES * c)), e.load(e.at(y, LANES * c))) for c in range(chunks)])

    return wanted, generate


@code
def pair_gap(_, width, table, first, second):
    """|table[first:] - table[second:]|² over `width` floats."""
    size = types.int64
    wanted = types.float32(width, table, size, size)
    chunks = width.literal_value // LANES

    def generate(context, builder, signature, args):
        e = Emit(builder)
        (table_,) = pointers(context, builder, signature.args, args, (1,))
        y, z = e.at(table_, args[2]), e.at(table_, args[3])
        gaps = [e.subtract(e.load(e.at(y, LANES * c)), e.load(e.at(z, LANES * c))) for c in range(chunks)]
        return _summed(e, [(gap, gap) for gap in gaps])

    return wanted, generate


@code
def pair_update(_, width, own, at, table, first, second, pushes, keeps):
    """One step of x = own[at:], y = table[first:] and z = table[second:], all from their old values.

    pushes, keeps: three float32 each, for x, y and z: x ← keep x + push (y - z), y ← keep y + push x, z ← keep z - push x.
    """
    size, three = types.int64, types.UniTuple(types.float32, 3)
    wanted = types.void(width, own, size, table, size, size, three, three)
    chunks = width.literal_value // LANES

    def generate(context, builder, signature, args):
        e = Emit(builder)
        own_, table_ = pointers(context, builder, signature.args, args, (1, 3))
        places = e.at(own_, args[2]), e.at(table_, args[4]), e.at(table_, args[5])
        (p, q, r), (a, b, c) = (
            [e.splat(builder.extract_value(args[k], n)) for n in range(3)] for k in (6, 7)
        )
        # every load before any store: the compiler cannot know that the rows do not overlap
        rows = [[e.load(e.at(place, LANES * k)) for place in places] for k in range(chunks)]
        for k, (x, y, z) in enumerate(rows):
            e.store(e.fma(p, e.subtract(y, z), e.multiply(a, x)), e.at(places[0], LANES * k))
            e.store(e.fma(q, x, e.multiply(b, y)), e.at(places[1], LANES * k))
            e.store(e.subtract(e.multiply(c, z), e.multiply(r, x)), e.at(places[2], LANES * k))
        return context.get_dummy_value()

    return wanted, generate


@code
def logistic(_, score):
    """1 / (1 + e^-score) of a float32; a NaN stays one."""
    wanted = types.float32(types.float32)

    def generate(context, builder, signature, args):
        real = lambda value: ir.Constant(FLOAT, value)  # noqa: E731
        rint = builder.module.declare_intrinsic("llvm.rint", [FLOAT])
        t = builder.fmul(args[0], real(-1.4426950216293335))
        for limit, sign in ((126.0, ">"), (-126.0, "<")):
            t = builder.select(builder.fcmp_ordered(sign, t, real(limit)), real(limit), t)
        whole = builder.call(rint, [t])
        part = builder.fsub(t, whole)
        power = real(POWERS[-1])
        for k in POWERS[-2::-1]:
            power = builder.fadd(builder.fmul(power, part, flags=("contract",)), real(k), flags=("contract",))
        bits = builder.shl(
            builder.add(builder.fptosi(whole, INT32), ir.Constant(INT32, 127)), ir.Constant(INT32, 23)
        )
        power = builder.fmul(power, builder.bitcast(bits, FLOAT))
        return builder.fdiv(real(1.0), builder.fadd(real(1.0), power))

    return wanted, generate


@code
def prefetch(_, width, table, first):
    """Ask for the lines of table[first : first + width]; never faults."""
    wanted = types.void(width, table, types.int64)
    chunks = width.literal_value // LANES

    def generate(context, builder, signature, args):
        e = Emit(builder)
        (table_,) = pointers(context, builder, signature.args, args, (1,))
        kind = ir.FunctionType(ir.VoidType(), [ir.PointerType(), INT32, INT32, INT32])
        fetch = builder.module.declare_intrinsic("llvm.prefetch", [ir.PointerType()], kind)
        write, near, data = (ir.Constant(INT32, n) for n in (1, 3, 1))
        for c in range(chunks):
            place = builder.add(args[2], ir.Constant(args[2].type, LANES * c))
            builder.call(fetch, [e.at(table_, place), write, near, data])
        return context.get_dummy_value()

    return wanted, generate
