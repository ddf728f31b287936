"""The compiled passes behind pair_step.py: scores and errors of pairs, a tower forward and back, gradients of tables.

Each works on a piece or on a table of its own and writes nothing else, so that threads need no locks. Products go to the BLAS that SciPy brings,
on one thread. What is stored of a hidden layer is its value after ReLU and dropout: where it is 0 no gradient passes, by the one
or by the other. The dropout of rows read is hashed again on the way back, since a vector's own number may be 0.

A piece is users low..high of a batch, each with as many items; row r of it is item r % each of user r // each.

Checked by  tests/neural/test_pair_kernels.py and test_pair_step.py.
"""

from __future__ import annotations

import numpy as np
from numba import njit

from matweave.linalg.hashes import hashed

AT_ONCE = 512  # pairs that go through a tower at once in ranking: their numbers stay in a core's own cache


@njit(nogil=True, cache=True, fastmath=True)
def scores(users, items, p, q, h, bias, out, low, high):
    """The product's part of the scores of a piece: out (b, each) gets bias + Σ h p q."""
    x = np.empty(len(h), np.float32)
    for g in range(low, high):
        own = p[users[g]]
        for f in range(len(h)):
            x[f] = h[f] * own[f]
        for c in range(items.shape[1]):
            other = q[items[g, c]]
            s = np.float32(0.0)
            for f in range(len(h)):
                s += x[f] * other[f]
            out[g, c] = s + bias


@njit(nogil=True, cache=True)
def errors(scores, low, high, share):
    """The loss of rows low..high; scores become its derivatives. The positive stands in column 0."""
    lost = 0.0
    for g in range(low, high):
        for c in range(scores.shape[1]):
            s = scores[g, c]
            y = np.float32(1.0) if c == 0 else np.float32(0.0)
            small = np.exp(-abs(s))
            lost += max(s, np.float32(0.0)) - y * s + np.log1p(small)
            up = np.float32(1.0) / (np.float32(1.0) + small)
            scores[g, c] = ((up if s >= 0 else small * up) - y) * share
    return lost * share


@njit(nogil=True, cache=True, fastmath=True)
def back_users(users, items, p, q, h, errors, weight, out):
    """out: the gradient of P. Gives the users' part of the penalty, and that of h's gradient."""
    out[:] = 0
    v, to_h = np.empty(len(h), np.float32), np.zeros(len(h), np.float32)
    half = np.float32(0.5) * weight / np.float32(len(users))
    lost = np.float32(0.0)
    for g in range(len(users)):
        own, to = p[users[g]], out[users[g]]
        v[:] = 0
        for c in range(items.shape[1]):
            e, other = errors[g, c], q[items[g, c]]
            for f in range(len(h)):
                v[f] += e * other[f]
        for f in range(len(h)):
            to[f] += h[f] * v[f]
            to_h[f] += own[f] * v[f]
        if weight:
            for f in range(len(h)):
                a = half * own[f] * own[f]
                lost += abs(h[f]) * a
                to_h[f] += np.sign(h[f]) * a
                to[f] += np.float32(2.0) * half * abs(h[f]) * own[f]
    return lost, to_h


@njit(nogil=True, cache=True, fastmath=True)
def back_items(users, items, p, q, h, errors, weight, out):
    """out: the gradient of Q. Gives the items' part of the penalty, and that of h's gradient."""
    out[:] = 0
    x, to_h = np.empty(len(h), np.float32), np.zeros(len(h), np.float32)
    half = np.float32(0.5) * weight / np.float32(items.size)
    lost = np.float32(0.0)
    for g in range(len(users)):
        own = p[users[g]]
        for f in range(len(h)):
            x[f] = h[f] * own[f]
        for c in range(items.shape[1]):
            e, other, to = errors[g, c], q[items[g, c]], out[items[g, c]]
            for f in range(len(h)):
                to[f] += e * x[f]
            if weight:
                for f in range(len(h)):
                    a = half * other[f] * other[f]
                    lost += abs(h[f]) * a
                    to_h[f] += np.sign(h[f]) * a
                    to[f] += np.float32(2.0) * half * abs(h[f]) * other[f]
    return lost, to_h


@njit(nogil=True, cache=True, fastmath=True)
def scatter(codes, rows, table, weight, out):
    """Rows added to the gradient of a table, and λ times the table's own; gives their penalty."""
    out[:] = 0
    pull, lost = weight / np.float32(len(codes)), np.float32(0.0)
    for n in range(len(codes)):
        own, to = table[codes[n]], out[codes[n]]
        for f in range(rows.shape[1]):
            to[f] += rows[n, f]
        if weight:
            for f in range(rows.shape[1]):
                to[f] += pull * own[f]
                lost += np.float32(0.5) * pull * own[f] * own[f]
    return lost


@njit(nogil=True, cache=True, fastmath=True)
def _gather(codes, table, first, seed, threshold, keep, out):
    """Rows of the table, with dropout by their places in the batch, from `first` on."""
    width = table.shape[1]
    for n in range(len(codes)):
        own, place = table[codes[n]], (first + n) * width
        if threshold:
            for f in range(width):
                out[n, f] = own[f] * keep if hashed(place + f, seed) >= threshold else np.float32(0.0)
        else:
            for f in range(width):
                out[n, f] = own[f]


@njit(nogil=True, cache=True, fastmath=True)
def _return(back, first, seed, threshold, keep, out):
    """The gradient of what `_gather` gave, through the same dropout, to its places."""
    width = back.shape[1]
    for n in range(len(back)):
        place = (first + n) * width
        if threshold:
            for f in range(width):
                there = hashed(place + f, seed) >= threshold
                out[first + n, f] = back[n, f] * keep if there else np.float32(0.0)
        else:
            for f in range(width):
                out[first + n, f] = back[n, f]


@njit(nogil=True, cache=True, fastmath=True)
def _relu(hidden, bias, first, seed, threshold, keep):
    """ReLU of hidden + bias, then dropout, in place."""
    width = hidden.shape[1]
    for n in range(len(hidden)):
        place = (first + n) * width
        if threshold:
            for f in range(width):
                v = max(hidden[n, f] + bias[f], np.float32(0.0)) * keep
                hidden[n, f] = v if hashed(place + f, seed) >= threshold else np.float32(0.0)
        else:
            for f in range(width):
                hidden[n, f] = max(hidden[n, f] + bias[f], np.float32(0.0))


@njit(nogil=True, cache=True, fastmath=True)
def _unrelu(back, hidden, keep, to_bias):
    """The gradient before ReLU and dropout, in place; its sums are the bias's."""
    to_bias[:] = 0
    for n in range(len(back)):
        for f in range(back.shape[1]):
            v = back[n, f] * keep if hidden[n, f] > 0 else np.float32(0.0)
            back[n, f] = v
            to_bias[f] += v


@njit(nogil=True, cache=True, fastmath=True)
def _first(users, items, p, q, a, b, bias, seed, threshold, keep, dropped, low, high):
    """What the first layer reads and gives: users' rows, items' rows, hidden. dropped: the threshold of its own dropout."""
    each = items.shape[1]
    x = np.empty((high - low, p.shape[1]), np.float32)
    y = np.empty(((high - low) * each, q.shape[1]), np.float32)
    _gather(users[low:high], p, low, seed, threshold, keep, x)
    _gather(items[low:high].reshape(-1), q, low * each, seed + np.uint32(1), threshold, keep, y)
    mine, hidden = np.dot(x, a.T), np.dot(y, b.T)
    for n in range(len(hidden)):
        own = mine[n // each]
        for f in range(hidden.shape[1]):
            hidden[n, f] += own[f]
    _relu(hidden, bias, low * each, seed + np.uint32(2), dropped, keep)
    return x, y, hidden


@njit(nogil=True, cache=True, fastmath=True)
def _last(hidden, last, scores, low, high, share, to_last):
    """The loss, from the last hidden layer; what goes back to it, and to the last weights."""
    each = scores.shape[1]
    to_last[:] = 0
    for n in range(len(hidden)):
        s = np.float32(0.0)
        for f in range(hidden.shape[1]):
            s += hidden[n, f] * last[f]
        scores[low + n // each, n % each] += s
    lost = errors(scores, low, high, share)
    back = np.empty_like(hidden)
    for n in range(len(hidden)):
        e = scores[low + n // each, n % each]
        for f in range(hidden.shape[1]):
            back[n, f] = e * last[f]
            to_last[f] += e * hidden[n, f]
    return lost, back


@njit(nogil=True, cache=True, fastmath=True)
def _first_back(back, x, y, a, b, seed, threshold, keep, back_p, back_q, to_a, to_b, low, each):
    """From the gradient before the first ReLU to that of its weights and of the rows that it read."""
    np.dot(back.T, y, to_b)
    _return(np.dot(back, b), low * each, seed + np.uint32(1), threshold, keep, back_q)
    mine = np.zeros((len(x), back.shape[1]), np.float32)
    for n in range(len(back)):
        own = mine[n // each]
        for f in range(back.shape[1]):
            own[f] += back[n, f]
    np.dot(mine.T, x, to_a)
    _return(np.dot(mine, a), low, seed, threshold, keep, back_p)


@njit(nogil=True, cache=True, fastmath=True)
def one_layer(
    users, items, p, q, a, b, bias, last, seed, threshold, keep, scores, back_p, back_q, to_a, to_b, to_bias, to_last, low,
    high, share,
):  # fmt: skip
    """`tower` with no layer behind the first."""
    x, y, hidden = _first(users, items, p, q, a, b, bias, seed, threshold, keep, np.uint32(0), low, high)
    lost, back = _last(hidden, last, scores, low, high, share, to_last)
    _unrelu(back, hidden, np.float32(1.0), to_bias)
    _first_back(back, x, y, a, b, seed, threshold, keep, back_p, back_q, to_a, to_b, low, items.shape[1])
    return lost


@njit(nogil=True, cache=True, fastmath=True)
def tower(
    users, items, p, q, a, b, bias, last, layers, biases, to_layers, to_biases, seed, threshold, keep, scores, back_p, back_q,
    to_a, to_b, to_bias, to_last, low, high, share,
):  # fmt: skip
    """A piece of the tower forward and back. scores: the product's, which become the derivatives of the loss; back_p, back_q and to_*
    get the gradients of the rows read and of the weights. Gives the piece's loss."""
    each, none = items.shape[1], np.uint32(0)
    x, y, hidden = _first(users, items, p, q, a, b, bias, seed, threshold, keep, threshold, low, high)
    held = [hidden]
    for layer in range(len(layers)):
        over = np.dot(held[layer], layers[layer].T)
        inner = layer + 1 < len(layers)
        _relu(
            over, biases[layer], low * each, seed + np.uint32(3 + layer), threshold if inner else none, keep
        )
        held.append(over)
    lost, back = _last(held[len(layers)], last, scores, low, high, share, to_last)
    _unrelu(back, held[len(layers)], np.float32(1.0), to_biases[len(layers) - 1])
    for layer in range(len(layers) - 1, -1, -1):
        np.dot(back.T, held[layer], to_layers[layer])
        back = np.dot(back, layers[layer])
        _unrelu(back, held[layer], keep, to_biases[layer - 1] if layer else to_bias)
    _first_back(back, x, y, a, b, seed, threshold, keep, back_p, back_q, to_a, to_b, low, each)
    return lost


@njit(nogil=True, cache=True, fastmath=True)
def all_pairs(mine, theirs, layers, biases, last, out):
    """out (n, m) plus the tower's scores of all pairs: mine (n, width) and theirs (m, width) are the halves of the first layer, bias within."""
    size = min(AT_ONCE, len(theirs))
    first = np.empty((size, mine.shape[1]), np.float32)
    for u in range(len(mine)):
        for start in range(0, len(theirs), size):
            hidden = first[: min(size, len(theirs) - start)]
            _halves(mine[u], theirs, start, hidden)
            for layer in range(len(layers)):
                hidden = np.dot(hidden, layers[layer].T)
                _relu(hidden, biases[layer], 0, np.uint32(0), np.uint32(0), np.float32(1.0))
            _weighed(hidden, last, out[u, start : start + len(hidden)])


@njit(nogil=True, cache=True, fastmath=True)
def all_pairs_of_one_layer(mine, theirs, last, out):
    """`all_pairs` with no layer behind the first."""
    for u in range(len(mine)):
        for i in range(len(theirs)):
            s = np.float32(0.0)
            for f in range(len(last)):
                s += max(mine[u, f] + theirs[i, f], np.float32(0.0)) * last[f]
            out[u, i] += s


@njit(nogil=True, cache=True, fastmath=True)
def _halves(own, theirs, start, out):
    for i in range(len(out)):
        other, to = theirs[start + i], out[i]
        for f in range(len(own)):
            to[f] = max(own[f] + other[f], np.float32(0.0))


@njit(nogil=True, cache=True, fastmath=True)
def _weighed(hidden, last, out):
    for i in range(len(hidden)):
        s = np.float32(0.0)
        for f in range(len(last)):
            s += hidden[i, f] * last[f]
        out[i] += s
