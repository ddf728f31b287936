"""The kernels are judged through linalg/nonnegative.py; here what only they can be asked."""

import numpy as np

from matweave.linalg import nonnegative_kernels as kernels


def row_of_kl(x: float, values: list[float], column: list[float]) -> float:
    """One coordinate step of KL from x, over seen cells."""
    own, other = np.zeros((1, 16), np.float32), np.zeros((len(values), 16), np.float32)
    own[0, 0], other[:, 0] = x, column
    zero, n = np.zeros(1, np.float32), len(values)
    kernels.kl_coordinate(
        np.array([0, n]), np.arange(n, dtype=np.uint32), np.array(values, np.float32), other, own, zero, zero,
        1, np.float32(0), 0, 1, np.zeros(1), np.empty((0, 16), np.float32), np.empty(17 * n, np.float32),
    )  # fmt: skip
    return float(own[0, 0])


def test_a_step_of_kl_from_above_does_not_pass_the_minimum_and_one_from_below_neither() -> None:
    values, column = [3.0, 1.0, 4.0], [0.5, 2.0, 1.0]
    best = sum(values) / sum(column)  # of Σ x y - v ln(x y)
    for start in (1e-3, 0.5 * best, 0.99 * best):
        assert start < row_of_kl(start, values, column) <= best * (1 + 1e-5)
    for start in (1.01 * best, 2 * best, 100 * best):
        assert best * (1 - 1e-5) <= row_of_kl(start, values, column) < start
