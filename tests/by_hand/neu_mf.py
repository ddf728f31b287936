"""NeuMF, slowly: He et al. 2017, eq. 12, for one pair at a time in float64; W_1 stands whole, over [p; q]."""

from __future__ import annotations

import numpy as np


def score(p, q, rank, h_product, first, tower, h_tower, bias):
    """first, tower: (W, b) of each layer."""
    product = p[:rank] * q[:rank]
    hidden = np.concatenate([p[rank:], q[rank:]])
    for w, b in [first, *tower]:
        hidden = np.maximum(w @ hidden + b, 0.0)
    return float(np.concatenate([h_product, h_tower]) @ np.concatenate([product, hidden]) + bias)


def weights(head, tower_layers):
    """The head's arrays as `score` takes them."""
    a = {name: array.astype(np.float64) for name, array in head.items()}
    first = np.concatenate([a["of_user"], a["of_item.weight"]], axis=1), a["of_item.bias"]
    tower = [(a[f"tower.{i}.weight"], a[f"tower.{i}.bias"]) for i in range(tower_layers)]
    return {
        "h_product": a["product"][0],
        "first": first,
        "tower": tower,
        "h_tower": a["last.weight"][0],
        "bias": a["last.bias"][0],
    }
