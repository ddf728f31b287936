"""Recurrent layers, slowly, in float64, one step at a time: Elman's with back-propagation through time, GRU and LSTM forward.

Elman       h_t = f(W_xh x_t + W_hh h_(t-1) + b),  y_t = W_hy h_t + c                         (Elman 1990; Werbos 1990)
Batches     x (n, steps, inputs), padded at the end; lengths (n,). A sequence that has ended keeps its state, and gives zeros
            from there on, as torch's packed sequences do. The last state is the one after the last step of each.
"""

from __future__ import annotations

import numpy as np
from by_hand.activations import FIXED, sigmoid
from by_hand.dense import dense, dense_backward


def going(lengths, steps):
    """(n, steps), 1 where the sequence has not ended."""
    return (np.arange(steps) < lengths[:, None]).astype(np.float64)


def elman(x, lengths, w_xh, w_hh, b, *, f="tanh", h=None):
    """(states (n, steps, hidden), last (n, hidden)); w_xh (hidden, inputs), w_hh (hidden, hidden), h the first state."""
    return _over_time(x, lengths, len(b), h, lambda x, h: FIXED[f][0](x @ w_xh.T + h @ w_hh.T + b))


def elman_backward(x, lengths, w_xh, w_hh, b, g_states, g_last, *, f="tanh", h=None):
    """Back-propagation through time: (∂J/∂x, ∂J/∂w_xh, ∂J/∂w_hh, ∂J/∂b, ∂J/∂h), from ∂J/∂states and ∂J/∂last.

    From the last step to the first, with δ_t = ∂J/∂(what f is given): δ_t = f' ∘ (∂J/∂h_t directly + δ_(t+1) W_hh).
    """
    on, steps = going(lengths, x.shape[1])[:, :, None], x.shape[1]
    states = [np.zeros((len(x), len(b))) if h is None else h]
    for t in range(steps):
        new = FIXED[f][0](x[:, t] @ w_xh.T + states[-1] @ w_hh.T + b)
        states.append(on[:, t] * new + (1.0 - on[:, t]) * states[-1])
    gx, gw_xh, gw_hh, gb = (np.zeros_like(a) for a in (x, w_xh, w_hh, b))
    g = g_last
    for t in reversed(range(steps)):
        before = states[t]
        given = x[:, t] @ w_xh.T + before @ w_hh.T + b
        delta = on[:, t] * (g + g_states[:, t]) * FIXED[f][1](given)
        gx[:, t] = delta @ w_xh
        gw_xh += delta.T @ x[:, t]
        gw_hh += delta.T @ before
        gb += delta.sum(axis=0)
        g = (1.0 - on[:, t]) * g + delta @ w_hh
    return gx, gw_xh, gw_hh, gb, g


def read_out(states, lengths, w_hy, c):
    """y_t = W_hy h_t + c at every step; zeros past a sequence's end."""
    return dense(states, w_hy, c) * going(lengths, states.shape[1])[:, :, None]


def read_out_backward(states, lengths, w_hy, g):
    """(∂J/∂states, ∂J/∂w_hy, ∂J/∂c)."""
    return dense_backward(states, w_hy, g * going(lengths, states.shape[1])[:, :, None])


def gru(x, lengths, w_xh, w_hh, b_xh, b_hh, *, h=None):
    """As `elman`; gates in torch's order: reset, update, new (Cho et al. 2014, with the reset after W_hh h)."""

    def step(x, h):
        r, z, n = np.split(x @ w_xh.T + b_xh, 3, axis=1)
        r_h, z_h, n_h = np.split(h @ w_hh.T + b_hh, 3, axis=1)
        reset, update = sigmoid(r + r_h), sigmoid(z + z_h)
        return (1.0 - update) * np.tanh(n + reset * n_h) + update * h

    return _over_time(x, lengths, w_hh.shape[1], h, step)


def lstm(x, lengths, w_xh, w_hh, b_xh, b_hh, *, h=None, cell=None):
    """As `elman`, and the last cell; gates in torch's order: input, forget, cell, output (Hochreiter & Schmidhuber 1997)."""
    hidden = w_hh.shape[1]

    def step(x, state):
        h, cell = np.split(state, 2, axis=1)
        i, f, g, o = np.split(x @ w_xh.T + b_xh + h @ w_hh.T + b_hh, 4, axis=1)
        cell = sigmoid(f) * cell + sigmoid(i) * np.tanh(g)
        return np.concatenate([sigmoid(o) * np.tanh(cell), cell], axis=1)

    zeros = np.zeros((len(x), hidden))
    first = np.concatenate([zeros if h is None else h, zeros if cell is None else cell], axis=1)
    states, last = _over_time(x, lengths, 2 * hidden, first, step)
    return states[:, :, :hidden], last[:, :hidden], last[:, hidden:]


def _over_time(x, lengths, hidden, h, step):
    on = going(lengths, x.shape[1])
    h = np.zeros((len(x), hidden)) if h is None else h
    states = np.zeros((*x.shape[:2], hidden))
    for t in range(x.shape[1]):
        going_on = on[:, t, None] > 0
        h = np.where(going_on, step(x[:, t], h), h)
        states[:, t] = np.where(going_on, h, 0.0)
    return states, h
