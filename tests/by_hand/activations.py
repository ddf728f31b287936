"""Activations and their derivatives, slowly, in float64.

Fixed ones work entry by entry: f(x), and df/dx at x; back-propagation multiplies. Learned ones (PReLU: He et al. 2015; Swish:
Ramachandran et al. 2017; rational: Molina et al. 2020, eq. 4) have a `_backward` that also gives the gradients of what is
learned. Where a function has a corner (0 of ReLU and PReLU), the derivative is the one from the left, as in torch.
"""

from __future__ import annotations

import numpy as np
from scipy.special import ndtr


def sigmoid(x):
    return np.exp(-np.logaddexp(0.0, -x))


def sigmoid_slope(x):
    return sigmoid(x) * sigmoid(-x)


def tanh(x):
    return np.tanh(x)


def tanh_slope(x):
    return 1.0 - np.tanh(x) ** 2


def relu(x):
    return np.where(x > 0, x, 0.0)


def relu_slope(x):
    return np.where(x > 0, 1.0, 0.0)


def gelu(x):
    """x Φ(x), with the exact normal distribution (Hendrycks & Gimpel 2016)."""
    return x * ndtr(x)


def gelu_slope(x):
    return ndtr(x) + x * np.exp(-0.5 * x**2) / np.sqrt(2.0 * np.pi)


def silu(x):
    return x * sigmoid(x)


def silu_slope(x):
    return sigmoid(x) + x * sigmoid_slope(x)


FIXED = {
    "sigmoid": (sigmoid, sigmoid_slope),
    "tanh": (tanh, tanh_slope),
    "relu": (relu, relu_slope),
    "gelu": (gelu, gelu_slope),
    "silu": (silu, silu_slope),
}
"""Name: (f, df/dx), both entry by entry."""


def softmax(x):
    """Over the last axis."""
    e = np.exp(x - x.max(axis=-1, keepdims=True))
    return e / e.sum(axis=-1, keepdims=True)


def softmax_backward(x, g):
    p = softmax(x)
    return p * (g - (p * g).sum(axis=-1, keepdims=True))


def prelu(x, slope):
    """x where positive, else slope·x; slope (1,) or (channels,), along axis 1 of x."""
    return np.where(x > 0, x, _along(slope, x) * x)


def prelu_backward(x, slope, g):
    """(∂J/∂x, ∂J/∂slope)."""
    down = x <= 0
    return g * np.where(down, _along(slope, x), 1.0), _back_along(slope, g * np.where(down, x, 0.0))


def swish(x, beta):
    """x σ(βx); beta (1,) or (channels,), along axis 1 of x."""
    return x * sigmoid(_along(beta, x) * x)


def swish_backward(x, beta, g):
    """(∂J/∂x, ∂J/∂β)."""
    b = _along(beta, x)
    s, d = sigmoid(b * x), sigmoid_slope(b * x)
    return g * (s + b * x * d), _back_along(beta, g * x**2 * d)


def rational(x, p, q):
    """P(x) / (1 + |A(x)|), P = p_0 + p_1 x + .. + p_5 x⁵, A = q_1 x + .. + q_4 x⁴: it has no pole."""
    above, below = _polynomial(x, p, 0), _polynomial(x, q, 1)
    return above / (1.0 + np.abs(below))


def rational_backward(x, p, q, g):
    """(∂J/∂x, ∂J/∂p, ∂J/∂q)."""
    above, below = _polynomial(x, p, 0), _polynomial(x, q, 1)
    size, sign = 1.0 + np.abs(below), np.sign(below)
    d_above = sum(i * a * x ** (i - 1) for i, a in enumerate(p) if i)
    d_below = sum(j * a * x ** (j - 1) for j, a in enumerate(q, start=1))
    gx = g * (d_above / size - above * sign * d_below / size**2)
    gp = np.array([(g * x**i / size).sum() for i in range(len(p))])
    gq = np.array([-(g * above * sign * x**j / size**2).sum() for j in range(1, len(q) + 1)])
    return gx, gp, gq


def _polynomial(x, coefficients, first):
    return sum(a * x**i for i, a in enumerate(coefficients, start=first))


def _along(a, x):
    """One number for each channel, shaped so that it meets axis 1 of x."""
    return a.reshape((1, -1) + (1,) * (x.ndim - 2))


def _back_along(a, g):
    """The gradient of what `_along` spread out."""
    each = g.sum(axis=tuple(i for i in range(g.ndim) if i != 1))
    return each if len(a) > 1 else each.sum(keepdims=True)
