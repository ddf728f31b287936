"""Vector code against NumPy: loads, shuffles, sums across lanes, loops."""

from __future__ import annotations

import numpy as np
import pytest
from llvmlite import ir
from numba import njit, types
from numba.extending import intrinsic
from numba.np.arrayobj import make_array

from matweave.linalg.simd import INT64, LANES, Emit, wide
from matweave.linalg.vectors import aligned


def _pointers(context, builder, signature, args):
    return [
        builder.bitcast(make_array(kind)(context, builder, arg).data, ir.PointerType())
        for kind, arg in zip(signature.args, args, strict=True)
        if isinstance(kind, types.Array)
    ]


@intrinsic
def four_sums(_, rows, out):
    def generate(context, builder, signature, args):
        e = Emit(builder)
        from_, to_ = _pointers(context, builder, signature, args)
        e.store(e.sums_of_four(*[e.load(e.at(from_, LANES * r)) for r in range(4)]), to_)
        return context.get_dummy_value()

    return types.void(rows, out), generate


@intrinsic
def spreads(_, row, out):
    """out[0] = four(row), out[1..4] = spread lanes, out[5] = splat of row[2], out[6] = the total of four."""

    def generate(context, builder, signature, args):
        e = Emit(builder)
        from_, to_ = _pointers(context, builder, signature, args)
        row = e.load(from_)
        e.store(e.four(from_), to_)
        for k in range(4):
            e.store(e.spread(row, k), e.at(to_, LANES * (1 + k)))
        e.store(e.splat_at(e.at(from_, 2)), e.at(to_, LANES * 5))
        e.store(e.splat(e.total_of_four(row)), e.at(to_, LANES * 6))
        e.store_four(e.subtract(e.zero(), row), e.at(to_, LANES * 7))
        return context.get_dummy_value()

    return types.void(row, out), generate


@intrinsic
def sum_of_squares(_, values, count, out):
    """out = Σ over count vectors of v * v, lane by lane."""

    def generate(context, builder, signature, args):
        e = Emit(builder)
        from_, to_ = _pointers(context, builder, signature, args)

        def body(k, carried):
            v = e.load(e.at(from_, e.times(k, LANES)))
            e.forget()
            return [e.fma(v, v, carried[0])]

        (total,) = e.loop(args[1], [e.zero()], body)
        e.store(total, to_)
        return context.get_dummy_value()

    return types.void(values, types.int64, out), generate


@pytest.fixture
def rng():
    return np.random.default_rng(0)


def test_four_sums_stand_in_every_group_of_four_lanes(rng):
    rows, out = aligned(4, LANES), aligned(1, LANES)
    rows[:] = rng.integers(-50, 50, rows.shape)  # whole numbers: the order of the sums does not matter
    njit(lambda a, b: four_sums(a, b))(rows, out)
    np.testing.assert_array_equal(out.reshape(4, 4), np.tile(rows.sum(1), (4, 1)))


def test_spreading_and_storing_lanes(rng):
    row, out = aligned(1, LANES), aligned(8, LANES)
    row[:] = rng.normal(size=row.shape)
    njit(lambda a, b: spreads(a, b))(row, out)
    np.testing.assert_array_equal(out[0], np.tile(row[0, :4], 4))
    for k in range(4):
        np.testing.assert_array_equal(out[1 + k], np.repeat(row[0, k::4], 4))
    np.testing.assert_array_equal(out[5], np.full(LANES, row[0, 2]))
    np.testing.assert_allclose(out[6], np.full(LANES, row[0, :4].sum()), rtol=1e-6)
    np.testing.assert_array_equal(out[7, :4], -row[0, :4])
    assert not out[7, 4:].any()


@pytest.mark.parametrize("count", [0, 1, 7])
def test_a_loop_carries_its_sum(rng, count):
    values, out = aligned(max(count, 1), LANES), aligned(1, LANES)
    values[:] = rng.integers(-9, 9, values.shape)
    njit(lambda a, n, b: sum_of_squares(a, n, b))(values, count, out)
    np.testing.assert_array_equal(out[0], (values[:count] ** 2).sum(0))


def test_a_vector_is_sixteen_floats_and_addresses_are_64_bit():
    assert LANES == 16
    assert INT64.width == 64
    assert wide() in (True, False)
