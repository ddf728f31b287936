"""Max and average pooling, slowly, in float64, one window at a time.

Max: of equal largest pixels the first in reading order gets the gradient, as in torch. Average: the padding's zeros
count, as in torch. kernel, stride (None: the kernel) and padding are a number or a pair (down, across).
"""

from __future__ import annotations

from itertools import product as every

import numpy as np
from by_hand.convolution import output_size, pair


def max_pool(x, kernel, *, stride=None, padding=0):
    """x (n, channels, height, width) -> (largest, index): index counts the pixels of one channel in reading order."""
    size = output_size(x.shape[2:], pair(kernel), stride=stride or kernel, padding=padding)
    largest, index = np.full((*x.shape[:2], *size), -np.inf), np.zeros((*x.shape[:2], *size), np.int64)
    for at, pixel in _terms(largest.shape, x.shape, kernel, stride, padding):
        if x[pixel] > largest[at]:
            largest[at] = x[pixel]
            index[at] = pixel[2] * x.shape[3] + pixel[3]
    return largest, index


def max_pool_backward(index, g, shape):
    """∂J/∂x (shape): all of a window's gradient goes to the pixel that won it."""
    gx = np.zeros(shape)
    for n, c, i, j in every(*map(range, g.shape)):
        gx[(n, c, *divmod(int(index[n, c, i, j]), shape[3]))] += g[n, c, i, j]
    return gx


def average_pool(x, kernel, *, stride=None, padding=0):
    """x (n, channels, height, width) -> the mean of each window."""
    size = output_size(x.shape[2:], pair(kernel), stride=stride or kernel, padding=padding)
    total = np.zeros((*x.shape[:2], *size))
    for at, pixel in _terms(total.shape, x.shape, kernel, stride, padding):
        total[at] += x[pixel]
    return total / np.prod(pair(kernel))


def average_pool_backward(g, shape, kernel, *, stride=None, padding=0):
    """∂J/∂x (shape): each pixel of a window gets an equal share."""
    gx = np.zeros(shape)
    for at, pixel in _terms(g.shape, shape, kernel, stride, padding):
        gx[pixel] += g[at] / np.prod(pair(kernel))
    return gx


def _terms(size, shape, kernel, stride, padding):
    """Every window with every pixel of it, in reading order: (index of the output, of the input)."""
    (high, wide), (down, across), (above, left) = pair(kernel), pair(stride or kernel), pair(padding)
    for n, c, i, j in every(*map(range, size)):
        for u, v in every(range(high), range(wide)):
            row, column = i * down + u - above, j * across + v - left
            if 0 <= row < shape[2] and 0 <= column < shape[3]:
                yield (n, c, i, j), (n, c, row, column)
