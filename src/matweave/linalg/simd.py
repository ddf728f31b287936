"""Vectors of 16 floats, written straight into the LLVM function that Numba is compiling.

Numba's loops vectorise well where each output has its own lane, and badly where a short sum runs
across lanes: the dot products of a row of 64 numbers spend more time adding lanes than multiplying.
Here a kernel says itself which values stay in registers, and four sums across lanes are made at once
by transposing (3.25 instructions a sum). LLVM's vectors are portable: a machine with 8 or 4 lanes gets
each vector as two or four registers.

An `Emit` is used inside a Numba `@intrinsic`: its methods append instructions; Python loops unroll.
Checked by tests/linalg/test_simd.py against NumPy, and through every kernel of `tile.py`.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, final

from llvmlite import binding, ir

LANES = 16
"""Floats in a vector."""

ROWS = 4
"""Rows of a tile that are handled together: as many as `sums_of_four` adds at once."""

INT64, INT32, FLOAT = ir.IntType(64), ir.IntType(32), ir.FloatType()
VECTOR = ir.VectorType(FLOAT, LANES)
_FUSED = ("contract",)


def wide() -> bool:
    """True where a vector is one register and there are 32 of them (AVX-512)."""
    return bool(binding.get_host_cpu_features().get("avx512f", False))


@final
class Emit:
    """Appends vector instructions to an LLVM function; `builder` is llvmlite's IRBuilder."""

    def __init__(self, builder: Any) -> None:
        self.builder = builder

    def at(self, base: Any, index: Any, kind: Any = FLOAT) -> Any:
        """The address of base[index]."""
        index = ir.Constant(INT64, index) if isinstance(index, int) else index
        return self.builder.gep(base, [index], inbounds=True, source_etype=kind)

    def times(self, a: Any, b: int) -> Any:
        return self.builder.mul(a, ir.Constant(INT64, b))

    def index(self, base: Any, at: Any) -> Any:
        """The int32 base[at], widened to an address."""
        return self.builder.sext(self.builder.load(self.at(base, at, INT32), typ=INT32), INT64)

    def load(self, address: Any, align: int = 4) -> Any:
        return self.builder.load(address, typ=VECTOR, align=align)

    def store(self, vector: Any, address: Any, align: int = 4) -> None:
        self.builder.store(vector, self.builder.bitcast(address, VECTOR.as_pointer()), align=align)

    def zero(self) -> Any:
        return ir.Constant(VECTOR, [0.0] * LANES)

    def add(self, x: Any, y: Any) -> Any:
        return self.builder.fadd(x, y)

    def subtract(self, x: Any, y: Any) -> Any:
        return self.builder.fsub(x, y)

    def multiply(self, x: Any, y: Any) -> Any:
        return self.builder.fmul(x, y)

    def fma(self, x: Any, y: Any, z: Any) -> Any:
        """x * y + z, fused where the machine can."""
        return self.builder.fadd(self.builder.fmul(x, y, flags=_FUSED), z, flags=_FUSED)

    def shuffle(self, x: Any, y: Any, order: Sequence[int], kind: Any = None) -> Any:
        return self.builder.shuffle_vector(x, y, ir.Constant(ir.VectorType(INT32, len(order)), list(order)))

    def splat(self, scalar: Any) -> Any:
        """A float in every lane."""
        first = self.builder.insert_element(ir.Constant(VECTOR, ir.Undefined), scalar, ir.Constant(INT32, 0))
        return self.shuffle(first, first, [0] * LANES)

    def splat_at(self, address: Any) -> Any:
        """The float at an address, in every lane."""
        return self.splat(self.builder.load(address, typ=FLOAT, align=4))

    def four(self, address: Any) -> Any:
        """Four floats, repeated to fill the lanes."""
        four = self.builder.load(address, typ=ir.VectorType(FLOAT, 4), align=4)
        return self.shuffle(four, four, [i % 4 for i in range(LANES)])

    def store_four(self, vector: Any, address: Any) -> None:
        """The first four lanes."""
        kind = ir.VectorType(FLOAT, 4)
        self.builder.store(
            self.shuffle(vector, vector, range(4)), self.builder.bitcast(address, kind.as_pointer()), align=4
        )

    def spread(self, vector: Any, lane: int) -> Any:
        """Lane 0..3 of each group of four, in the whole group."""
        return self.shuffle(vector, vector, [4 * (i // 4) + lane for i in range(LANES)])

    def sums_of_four(self, a: Any, b: Any, c: Any, d: Any) -> Any:
        """Each group of four lanes holds sum(a), sum(b), sum(c), sum(d)."""
        groups = range(0, LANES, 4)
        low = [g + k for g in groups for k in (0, LANES, 1, LANES + 1)]
        high = [k + 2 for k in low]
        ab = self.add(self.shuffle(a, b, low), self.shuffle(a, b, high))
        cd = self.add(self.shuffle(c, d, low), self.shuffle(c, d, high))
        low = [g + k for g in groups for k in (0, 1, LANES, LANES + 1)]
        high = [k + 2 for k in low]
        s = self.add(self.shuffle(ab, cd, low), self.shuffle(ab, cd, high))
        s = self.add(s, self.shuffle(s, s, [(i + 8) % LANES for i in range(LANES)]))
        return self.add(s, self.shuffle(s, s, [i ^ 4 for i in range(LANES)]))

    def total_of_four(self, vector: Any) -> Any:
        """The float sum of the first four lanes, in a fixed order."""
        total = ir.Constant(FLOAT, 0.0)
        for k in range(4):
            total = self.builder.fadd(total, self.builder.extract_element(vector, ir.Constant(INT32, k)))
        return total

    def forget(self) -> None:
        """No value loaded before is kept in a register after: it is read again, from the first cache.

        Emits no instruction. Without it LLVM keeps four long rows in registers that it does not have.
        """
        nothing = ir.InlineAsm(ir.FunctionType(ir.VoidType(), []), "", "~{memory}", side_effect=True)
        self.builder.call(nothing, [])

    def loop(
        self, count: Any, carried: Sequence[Any], body: Callable[[Any, list[Any]], Sequence[Any]]
    ) -> list[Any]:
        """`for i in range(count): carried = body(i, carried)`, the carried values in registers."""
        b, before = self.builder, self.builder.block
        head, inside, after = (b.append_basic_block(name) for name in ("head", "inside", "after"))
        b.branch(head)
        b.position_at_end(head)
        i = b.phi(INT64)
        i.add_incoming(ir.Constant(INT64, 0), before)
        held = []
        for value in carried:
            held.append(b.phi(value.type))
            held[-1].add_incoming(value, before)
        b.cbranch(b.icmp_signed("<", i, count), inside, after)
        b.position_at_end(inside)
        new = body(i, list(held))
        i.add_incoming(b.add(i, ir.Constant(INT64, 1)), b.block)
        for phi, value in zip(held, new, strict=True):
            phi.add_incoming(value, b.block)
        b.branch(head)
        b.position_at_end(after)
        return held
