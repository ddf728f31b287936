"""Bytes read many at a time: eight as one word, 64 compared at once, a cache line called for ahead of its use.

For little-endian machines. Numba indexes a byte array one byte at a time. These intrinsics say otherwise to LLVM: `word` reads eight bytes
from any place, `matches` compares 64 bytes with two wanted ones and gives a bit for each. Both read past
the place asked for, so buffers end with `PADDING` spare bytes. Checked against plain loops.
"""

from __future__ import annotations

from typing import Any

import numba.extending
from llvmlite import ir
from numba import types

intrinsic: Any = numba.extending.intrinsic  # what it makes is called without the typing context

PADDING = 128
"""Spare bytes that must follow the last byte that is asked about."""

_BYTE, _WORD = ir.IntType(8), ir.IntType(64)
_BLOCK = ir.VectorType(_BYTE, 64)


def _pointer(context, builder, signature, args):
    data = context.make_array(signature.args[0])(context, builder, args[0]).data
    return builder.gep(data, [args[1]])


@intrinsic
def word(typing, array, at):
    """The eight bytes array[at : at + 8] as a uint64, the first byte lowest."""

    def generate(context, builder, signature, args):
        place = _pointer(context, builder, signature, args)
        loaded = builder.load(builder.bitcast(place, _WORD.as_pointer()))
        loaded.align = 1
        return loaded

    return types.uint64(array, types.int64), generate


@intrinsic
def matches(typing, array, at, one, other):
    """Bit t of a uint64 is set where array[at + t] is `one` or `other`, for 64 bytes."""

    def generate(context, builder, signature, args):
        place = _pointer(context, builder, signature, args)
        block = builder.load(builder.bitcast(place, _BLOCK.as_pointer()))
        block.align = 1

        def equal(byte):
            first = builder.insert_element(ir.Constant(_BLOCK, ir.Undefined), byte, ir.IntType(32)(0))
            zeros = ir.Constant(ir.VectorType(ir.IntType(32), 64), [0] * 64)
            return builder.icmp_unsigned("==", block, builder.shuffle_vector(first, first, zeros))

        return builder.bitcast(builder.or_(equal(args[2]), equal(args[3])), _WORD)

    return types.uint64(array, types.int64, types.uint8, types.uint8), generate


@intrinsic
def lowest(typing, bits):
    """The number of the lowest bit that is set; 64 for none."""

    def generate(context, builder, signature, args):
        return builder.cttz(args[0], ir.IntType(1)(0))

    return types.int64(types.uint64), generate


@intrinsic
def prefetch(typing, array, at):
    """Call the cache line of array[at] in; nothing waits for it."""

    def generate(context, builder, signature, args):
        byte, flag = _BYTE.as_pointer(), ir.IntType(32)
        kind = ir.FunctionType(ir.VoidType(), [byte, flag, flag, flag])
        call = builder.module.declare_intrinsic("llvm.prefetch", [byte], kind)
        place = builder.bitcast(_pointer(context, builder, signature, args), byte)
        builder.call(call, [place, flag(0), flag(3), flag(1)])  # to read, near, data
        return context.get_dummy_value()

    return types.void(array, types.int64), generate
