"""The pieces of a ComplEx batch between its matrix products: rotate, soften, and hand gradients back. float32.

An entity's vector (2 d) is a complex one: the first half real a, the second imaginary b. Relation k turns and stretches it,
component by component, by p + i q:  asked = (a p - b q, a q + b p); conjugated, with -q, where backward[e] is set.
Every function works on a range of rows or of components that no other call touches, in a fixed order.
Checked by  tests/linalg/test_rotations.py against complex arithmetic and differences.
"""

from __future__ import annotations

import math

import numpy as np
from numba import njit

_FAST = {"contract", "nsz", "reassoc", "arcp"}


@njit(nogil=True, cache=True, fastmath=_FAST)
def ask(entities, real, imaginary, heads, kinds, backward, out, low, high):  # pragma: no cover
    """out[e] = entities[heads[e]] turned by relation kinds[e], for low <= e < high."""
    half = real.shape[1]
    for e in range(low, high):
        v, p, q, to = entities[heads[e]], real[kinds[e]], imaginary[kinds[e]], out[e]
        sign = np.float32(-1.0) if backward[e] else np.float32(1.0)
        for j in range(half):
            a, b, t = v[j], v[half + j], sign * q[j]
            to[j] = a * p[j] - b * t
            to[half + j] = a * t + b * p[j]


@njit(nogil=True, cache=True, fastmath=_FAST)
def soften(scores, truth, weights, low, high):  # pragma: no cover
    """Rows of scores become weight * (softmax - 1 at truth); the sum of weight * cross-entropy."""
    lost = 0.0
    for e in range(low, high):
        row, most, total = scores[e], scores[e, 0], np.float32(0)
        for j in range(len(row)):
            most = max(most, row[j])
        right = row[truth[e]] - most
        for j in range(len(row)):
            row[j] = math.exp(row[j] - most)
            total += row[j]
        lost += weights[e] * (math.log(total) - right)
        scale = weights[e] / total
        for j in range(len(row)):
            row[j] *= scale
        row[truth[e]] -= weights[e]
    return lost


@njit(nogil=True, cache=True, fastmath=_FAST)
def hand_back(
    entities, real, imaginary, heads, kinds, backward, truth, weights, pull, strength,
    to_entities, to_real, to_imaginary, low, high,
):  # pragma: no cover  # fmt: skip
    """Add the gradients of components low..high: of asked (pull), through the rotation, and of the N3 penalty.

    N3: strength * weight * (|v_head|³ + |r|³ + |v_truth|³) of complex moduli, whose gradient is 3 strength |z| z. Returns its sum.
    """
    half = real.shape[1]
    cubes, three = 0.0, np.float32(3 * strength)
    for e in range(len(heads)):
        h, k, t = heads[e], kinds[e], truth[e]
        sign = np.float32(-1.0) if backward[e] else np.float32(1.0)
        w = weights[e]
        v, o, p, q, g = entities[h], entities[t], real[k], imaginary[k], pull[e]
        dv, do, dp, dq = to_entities[h], to_entities[t], to_real[k], to_imaginary[k]
        total = np.float32(0)
        for j in range(low, high):
            a, b, u, s = v[j], v[half + j], g[j], g[half + j]
            turned = sign * q[j]
            one, two = math.sqrt(a * a + b * b), math.sqrt(p[j] * p[j] + q[j] * q[j])
            c, d = o[j], o[half + j]
            other = math.sqrt(c * c + d * d)
            total += one * one * one + two * two * two + other * other * other
            scale = three * w
            dp[j] += u * a + s * b + scale * two * p[j]
            dq[j] += sign * (s * a - u * b) + scale * two * q[j]
            dv[j] += u * p[j] + s * turned + scale * one * a
            dv[half + j] += s * p[j] - u * turned + scale * one * b
            do[j] += scale * other * c
            do[half + j] += scale * other * d
        cubes += strength * w * total
    return cubes


@njit(nogil=True, cache=True, fastmath={"contract"})
def adagrad(table, squares, gradient, rate, low, high):  # pragma: no cover
    """Columns low..high of a table one AdaGrad step on (Duchi, Hazan & Singer 2011), its gradient set to zero again."""
    for i in range(len(table)):
        for j in range(low, high):
            g = gradient[i, j]
            if g != 0:
                squares[i, j] += g * g
                table[i, j] -= rate * g / (math.sqrt(squares[i, j]) + np.float32(1e-10))
                gradient[i, j] = 0
