import numpy as np
import pytest
from numba import njit

from matweave.linalg.alias import drawn, fill


def shares(keep, other):
    """What each slot is drawn with, exactly."""
    m = len(keep)
    found = keep.astype(np.float64) / m
    np.add.at(found, other, (1 - keep.astype(np.float64)) / m)
    return found


@pytest.mark.parametrize("weights", [[1.0], [1, 1, 1], [5, 0, 0, 1], [1e-9, 1, 1e9], list(range(1, 100))])
def test_a_table_gives_the_weights(weights):
    weights = np.array(weights, np.float64)
    keep, other = np.empty(len(weights), np.float32), np.empty(len(weights), np.int32)
    fill(weights, keep, other)
    np.testing.assert_allclose(shares(keep, other), weights / weights.sum(), atol=1e-6 / len(weights))


def test_random_weights_too():
    for seed in range(20):
        weights = np.random.default_rng(seed).exponential(size=50) ** 3
        keep, other = np.empty(50, np.float32), np.empty(50, np.int32)
        fill(weights, keep, other)
        np.testing.assert_allclose(shares(keep, other), weights / weights.sum(), atol=1e-7)


def test_a_draw_reads_its_slot_from_the_high_half_and_the_choice_from_the_low():
    keep, other = np.array([9, 0.5, 0.25], np.float32), np.array([9, 1, 0], np.int32)
    one = njit(lambda bits: drawn(bits, keep, other, 1, 2))
    low = [0, 0xFFFFFF]
    found = [one(np.uint64(slot << 63 | choice)) for slot in (0, 1) for choice in low]
    assert found == [0, 1, 1, 0]
