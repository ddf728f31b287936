"""Forward passes of whole networks for one example, in loops and NumPy, from the formulas in the files' heads."""

from __future__ import annotations

import math

import numpy as np


def arrays(module) -> dict[str, np.ndarray]:
    """Weights and buffers of a torch module by name, float64."""
    return {name: value.detach().double().numpy() for name, value in module.state_dict().items()}


def sigmoid(x):
    return 1 / (1 + np.exp(-x))


def image_convolution(x, kernels, bias=None, *, padding=0, stride=1):
    """x (c, h, w), kernels (o, c, k, k): a sliding sum over the image with zeros around it."""
    count, _, k, _ = kernels.shape
    around = np.pad(x, ((0, 0), (padding, padding), (padding, padding)))
    height, width = ((s - k) // stride + 1 for s in around.shape[1:])
    out = np.zeros((count, height, width))
    for o in range(count):
        for i in range(height):
            for j in range(width):
                window = around[:, i * stride : i * stride + k, j * stride : j * stride + k]
                out[o, i, j] = (window * kernels[o]).sum() + (0 if bias is None else bias[o])
    return out


def time_convolution(x, kernels, bias=None, *, stride=1):
    """x (T, c), kernels (o, c, k): every stride-th step t sees the steps from t - k // 2 on; zeros beyond the ends."""
    total, (count, _, k) = len(x), kernels.shape
    out = []
    for t in range(0, total, stride):
        row = np.zeros(count) if bias is None else bias.copy()
        for u in range(k):
            place = t + u - k // 2
            if 0 <= place < total:
                row += kernels[:, :, u] @ x[place]
        out.append(row)
    return np.array(out)


def pool2(x, how):
    """x (c, h, w): the largest, or the mean, of each 2 x 2; an odd row or column at the end is left out."""
    c, h, w = x.shape
    out = np.zeros((c, h // 2, w // 2))
    for i in range(h // 2):
        for j in range(w // 2):
            out[:, i, j] = how(x[:, 2 * i : 2 * i + 2, 2 * j : 2 * j + 2].reshape(c, 4), axis=1)
    return out


def batch_norm(x, w, name, axis):
    """Evaluation: running statistics of each channel, which stands at `axis`."""
    shape = [1] * x.ndim
    shape[axis] = -1
    mean, var, weight, bias = (
        w[f"{name}.{part}"].reshape(shape) for part in ("running_mean", "running_var", "weight", "bias")
    )
    return (x - mean) / np.sqrt(var + 1e-5) * weight + bias


def layer_norm(x, weight, bias):
    """x (T, width)."""
    middle = x.mean(1, keepdims=True)
    return (x - middle) / np.sqrt(((x - middle) ** 2).mean(1, keepdims=True) + 1e-5) * weight + bias


def rnn(x, w, nonlinearity):
    h = np.zeros(w["weight_hh_l0"].shape[1])
    out = []
    for step in x:
        h = nonlinearity(w["weight_hh_l0"] @ h + w["weight_ih_l0"] @ step + w["bias_ih_l0"] + w["bias_hh_l0"])
        out.append(h)
    return np.array(out)


def gru(x, w):
    h = np.zeros(w["weight_hh_l0"].shape[1])
    out = []
    for step in x:
        a_r, a_z, a_n = np.split(w["weight_ih_l0"] @ step + w["bias_ih_l0"], 3)
        b_r, b_z, b_n = np.split(w["weight_hh_l0"] @ h + w["bias_hh_l0"], 3)
        r, z = sigmoid(a_r + b_r), sigmoid(a_z + b_z)
        h = (1 - z) * np.tanh(a_n + r * b_n) + z * h
        out.append(h)
    return np.array(out)


def lstm(x, w):
    h = c = np.zeros(w["weight_hh_l0"].shape[1])
    out = []
    for step in x:
        sums = w["weight_ih_l0"] @ step + w["bias_ih_l0"] + w["weight_hh_l0"] @ h + w["bias_hh_l0"]
        i, f, g, o = np.split(sums, 4)
        c = sigmoid(f) * c + sigmoid(i) * np.tanh(g)
        h = sigmoid(o) * np.tanh(c)
        out.append(h)
    return np.array(out)


def encoder_layer(h, w, heads):
    """h (T, width) of one sequence without padding; w by the names of EncoderLayer; GELU between the dense layers."""
    total, width = h.shape
    q, k, v = np.split(
        layer_norm(h, w["norm1.weight"], w["norm1.bias"]) @ w["joint.weight"].T + w["joint.bias"], 3, axis=1
    )
    size = width // heads
    joined = np.zeros_like(h)
    for head in range(heads):
        part = slice(head * size, (head + 1) * size)
        for t in range(total):
            scores = np.array([q[t, part] @ k[s, part] / math.sqrt(size) for s in range(total)])
            share = np.exp(scores - scores.max())
            joined[t, part] = (share / share.sum()) @ v[:, part]
    h = h + joined @ w["join.weight"].T + w["join.bias"]
    inner = layer_norm(h, w["norm2.weight"], w["norm2.bias"]) @ w["first.weight"].T + w["first.bias"]
    inner = inner * (1 + np.vectorize(math.erf)(inner / math.sqrt(2))) / 2
    return h + inner @ w["second.weight"].T + w["second.bias"]


def under(w, name):
    """The entries below `name.`, without it."""
    return {k.removeprefix(name + "."): v for k, v in w.items() if k.startswith(name + ".")}
