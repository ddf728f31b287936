"""Convolution twice, slowly, in float64: the sliding sum, which is the definition, and the matrix product that equals it.

z[n, o, i, j] = b[o] + Σ_(c, u, v) w[o, c, u, v] x[n, c, i·stride + u·dilation - padding, j·stride + v·dilation - padding],
with x zero outside the image. The kernel is not turned round: mathematicians say cross-correlation. stride, padding and
dilation are a number for both directions or a pair (down, across).
"""

from __future__ import annotations

from itertools import product as every

import numpy as np


def pair(a):
    return (a, a) if isinstance(a, int) else tuple(a)


def output_size(size, kernel, *, stride=1, padding=0, dilation=1):
    """(height, width) of the output for those of the image and the kernel."""
    return tuple(
        (n + 2 * p - d * (k - 1) - 1) // s + 1
        for n, k, s, p, d in zip(size, kernel, pair(stride), pair(padding), pair(dilation), strict=True)
    )


def sliding_sum(x, w, b, *, stride=1, padding=0, dilation=1):
    """x (n, channels, height, width), w (outputs, channels, down, across), b (outputs,) -> (n, outputs, ..)."""
    padded = _pad(x, padding)
    z = np.zeros((len(x), len(w), *_size(x, w, stride, padding, dilation)))
    for at, weight, pixel in _terms(z.shape, w.shape, stride, dilation):
        z[at] += w[weight] * padded[pixel]
    return z + b[:, None, None]


def sliding_sum_backward(x, w, g, *, stride=1, padding=0, dilation=1):
    """(∂J/∂x, ∂J/∂w, ∂J/∂b): each product w·x hands g·w to its pixel and g·x to its weight."""
    padded = _pad(x, padding)
    gx, gw = np.zeros_like(padded), np.zeros_like(w)
    for at, weight, pixel in _terms(g.shape, w.shape, stride, dilation):
        gx[pixel] += g[at] * w[weight]
        gw[weight] += g[at] * padded[pixel]
    return _crop(gx, padding), gw, g.sum(axis=(0, 2, 3))


def matrix_product(x, w, b, *, stride=1, padding=0, dilation=1):
    """The same as W·columns: a dense layer at every place."""
    size = _size(x, w, stride, padding, dilation)
    columns = im2col(x, w.shape[2:], stride=stride, padding=padding, dilation=dilation)
    z = w.reshape(len(w), -1) @ columns
    return z.reshape(len(x), len(w), *size) + b[:, None, None]


def matrix_product_backward(x, w, g, *, stride=1, padding=0, dilation=1):
    """(∂J/∂x, ∂J/∂w, ∂J/∂b): the dense layer's formulas, and its ∂J/∂columns put back where the columns came from."""
    how = dict(stride=stride, padding=padding, dilation=dilation)
    columns, flat = im2col(x, w.shape[2:], **how), g.reshape(*g.shape[:2], -1)
    gw = sum(slopes @ column.T for slopes, column in zip(flat, columns, strict=True))
    gx = col2im(w.reshape(len(w), -1).T @ flat, x.shape, w.shape[2:], **how)
    return gx, np.reshape(gw, w.shape), flat.sum(axis=(0, 2))


def im2col(x, kernel, *, stride=1, padding=0, dilation=1):
    """(n, channels·down·across, places): one column for each place, all that the kernel sees there."""
    padded = _pad(x, padding)
    size = output_size(x.shape[2:], kernel, stride=stride, padding=padding, dilation=dilation)
    columns = np.zeros((*x.shape[:2], *kernel, *size))
    for u, v in every(*map(range, kernel)):
        columns[:, :, u, v] = padded[_seen(u, v, size, stride, dilation)]
    return columns.reshape(len(x), -1, size[0] * size[1])


def col2im(columns, shape, kernel, *, stride=1, padding=0, dilation=1):
    """The transpose of `im2col`: every entry is added to the pixel that it was read from."""
    size = output_size(shape[2:], kernel, stride=stride, padding=padding, dilation=dilation)
    image = _pad(np.zeros(shape), padding)
    columns = columns.reshape(*shape[:2], *kernel, *size)
    for u, v in every(*map(range, kernel)):
        image[_seen(u, v, size, stride, dilation)] += columns[:, :, u, v]
    return _crop(image, padding)


def _size(x, w, stride, padding, dilation):
    return output_size(x.shape[2:], w.shape[2:], stride=stride, padding=padding, dilation=dilation)


def _terms(shape, kernel, stride, dilation):
    """Every product of the definition, as indices: (of the output, of the weight, of the padded pixel)."""
    (down, across), (low, wide) = pair(stride), pair(dilation)
    for n, o, i, j in every(*map(range, shape)):
        for c, u, v in every(*map(range, kernel[1:])):
            yield (n, o, i, j), (o, c, u, v), (n, c, i * down + u * low, j * across + v * wide)


def _seen(u, v, size, stride, dilation):
    """Where entry (u, v) of the kernel looks in the padded image, over all places."""
    cuts = [
        slice(at * d, at * d + s * (n - 1) + 1, s)
        for at, n, s, d in zip((u, v), size, pair(stride), pair(dilation), strict=True)
    ]
    return (..., *cuts)


def _pad(x, padding):
    down, across = pair(padding)
    return np.pad(x, ((0, 0), (0, 0), (down, down), (across, across)))


def _crop(x, padding):
    down, across = pair(padding)
    return x[:, :, down : x.shape[2] - down, across : x.shape[3] - across]
