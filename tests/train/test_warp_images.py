"""Images read at other places: against single places by hand, quarter turns, whole shifts, memory formats."""

from __future__ import annotations

import numpy as np
import pytest
from by_hand import augment as by_hand
from hypothesis import given
from hypothesis import strategies as st

from matweave.deep import torch
from matweave.train.warp_images import border, boxes, moved, warped

SHAPES = [(1, 1, 1), (1, 5, 5), (1, 6, 6), (3, 4, 7), (2, 7, 4), (1, 1, 9)]
NOTHING = torch.zeros(1, 1, 1, 1)


def images(seed, shape, n=3):
    return torch.from_numpy(np.random.default_rng(seed).normal(size=(n, *shape)).astype(np.float32))


def maps(*rows):
    return torch.tensor(rows, dtype=torch.float32).reshape(-1, 2, 3)


SAME = maps([1, 0, 0], [0, 1, 0])


@given(seed=st.integers(0, 999), shape=st.sampled_from(SHAPES))
def test_every_place_is_read_as_by_hand(seed, shape):
    rng = np.random.default_rng(seed)
    x, fill = images(seed, shape), rng.normal(size=(3, shape[0]))
    matrices = np.eye(2, 3) + rng.normal(scale=0.5, size=(3, 2, 3))
    bent = rng.normal(size=(3, 2, *shape[1:]))
    found = warped(
        x.double(),
        torch.from_numpy(matrices),
        torch.from_numpy(fill)[:, :, None, None],
        torch.from_numpy(bent),
    )
    wanted = [by_hand.warped(*case) for case in zip(x.double().numpy(), matrices, fill, bent, strict=True)]
    np.testing.assert_allclose(found.numpy(), wanted, atol=1e-9)


@pytest.mark.parametrize("shape", SHAPES)
def test_the_map_of_no_change_changes_nothing(shape):
    x = images(1, shape)
    same = SAME.expand(3, -1, -1)
    torch.testing.assert_close(warped(x, same, NOTHING), x, atol=1e-5, rtol=0)
    assert torch.equal(moved(x, same, NOTHING), x)


@pytest.mark.parametrize("side", [4, 5])
def test_a_quarter_turn_is_rot90(side):
    x = images(2, (2, side, side), n=1)
    back = maps([0, 1, 0], [-1, 0, 0])  # read at (down, -right)
    torch.testing.assert_close(warped(x, back, NOTHING), torch.rot90(x, -1, (2, 3)), atol=1e-5, rtol=0)


@pytest.mark.parametrize("read", [warped, moved])
@pytest.mark.parametrize(("right", "down"), [(2, 0), (-1, 2), (0, -2)])
def test_whole_shifts_are_rolls_where_nothing_is_lost(read, right, down):
    x = torch.zeros(1, 2, 8, 9)
    x[:, :, 2:6, 2:6] = images(3, (2, 4, 4), n=1)
    found = read(x, maps([1, 0, -right], [0, 1, -down]), NOTHING)
    torch.testing.assert_close(found, x.roll((down, right), (2, 3)), atol=1e-5, rtol=0)


@given(
    seed=st.integers(0, 99),
    shape=st.sampled_from(SHAPES),
    move=st.tuples(*[st.integers(-9, 9)] * 2),
    side=st.sampled_from([1, -1]),
)
def test_pixels_copied_are_pixels_read_between(seed, shape, move, side):
    x, fill = images(seed, shape, n=1), torch.full((1, shape[0], 1, 1), 0.5)
    whole = maps([side, 0, move[0]], [0, 1, move[1]])
    found = moved(x, whole, fill)
    torch.testing.assert_close(found, warped(x, whole, fill), atol=1e-5, rtol=0)
    assert set(found.flatten().tolist()) <= {*x.flatten().tolist(), 0.5}


def test_mirroring_is_flip_to_the_bit_and_undoes_itself():
    x, mirror = images(4, (3, 5, 6)), maps([-1, 0, 0], [0, 1, 0]).expand(3, -1, -1)
    assert torch.equal(moved(x, mirror, NOTHING), x.flip(3))
    assert torch.equal(moved(moved(x, mirror, NOTHING), mirror, NOTHING), x)


@pytest.mark.parametrize("read", [warped, moved])
def test_what_comes_in_is_background(read):
    fill = torch.tensor([[0.25, -3.0], [7.0, 0.0]])[:, :, None, None]
    away = maps([1, 0, 50], [0, 1, 0]).expand(2, -1, -1)
    assert torch.equal(read(images(5, (2, 4, 4), n=2), away, fill), fill.expand(2, 2, 4, 4))
    flat = fill.expand(2, 2, 4, 4).contiguous()
    turned = maps([1, 0, 1], [0, 1, -2]) if read is moved else maps([0.6, 0.8, 0.3], [-0.8, 0.6, 0.1])
    assert torch.equal(read(flat, turned.expand(2, -1, -1), fill), flat)


@pytest.mark.parametrize("read", [warped, moved])
@pytest.mark.parametrize("channels", [1, 3, 4])
def test_the_memory_format_changes_no_bit(read, channels):
    x = images(6, (channels, 9, 8), n=5)
    whole = maps([1, 0, 2], [0, 1, -1]) if read is moved else maps([0.9, 0.2, 1.3], [-0.2, 1.1, 0.4])
    args = whole.expand(5, -1, -1), torch.full((1, channels, 1, 1), 0.3)
    assert torch.equal(read(x.contiguous(memory_format=torch.channels_last), *args), read(x, *args))


def test_each_image_has_its_own_map():
    x = images(7, (1, 6, 6), n=4)
    several = torch.cat([maps([1, 0, k], [0, 1, -k]) for k in range(4)])
    for read in (warped, moved):
        one_by_one = torch.cat([read(x[k : k + 1], several[k : k + 1], NOTHING) for k in range(4)])
        assert torch.equal(read(x, several, NOTHING), one_by_one)


def test_even_bending_is_a_shift():
    x = images(8, (1, 5, 7))
    bent = torch.tensor([1.5, -0.5]).view(1, 2, 1, 1).expand(3, 2, 5, 7)
    found = warped(x, SAME.expand(3, -1, -1), NOTHING, bent)
    shifted = warped(x, maps([1, 0, 1.5], [0, 1, -0.5]).expand(3, -1, -1), NOTHING)
    torch.testing.assert_close(found, shifted, atol=1e-5, rtol=0)


@given(edges=st.tuples(*[st.integers(-3, 9)] * 4))
def test_boxes_are_slices(edges):
    top, bottom, left, right = edges
    wanted = np.zeros((5, 6), bool)
    for i in range(5):
        for j in range(6):
            wanted[i, j] = top <= i < bottom and left <= j < right
    found = boxes(*(torch.tensor([float(e)]) for e in edges), 5, 6)
    np.testing.assert_array_equal(found.numpy(), wanted[None, None])


@pytest.mark.parametrize("shape", [(1, 1, 1), (1, 1, 6), (2, 5, 1), (1, 2, 2), (3, 6, 5)])
def test_the_border_is_the_lower_median_of_the_outermost_pixels(shape):
    x = images(9, shape, n=4)
    inner = np.zeros(shape[1:], bool)
    inner[1:-1, 1:-1] = True
    outer = np.sort(x.numpy()[:, :, ~inner], axis=2)
    np.testing.assert_array_equal(border(x)[:, :, 0, 0].numpy(), outer[:, :, (outer.shape[2] - 1) // 2])
