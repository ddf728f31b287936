"""A dense layer, slowly: z = x Wᵀ + b over the last axis, and what back-propagation asks of it, in float64."""

from __future__ import annotations

import numpy as np


def dense(x, w, b):
    """x (..., inputs), w (outputs, inputs) as torch keeps it, b (outputs,) -> (..., outputs)."""
    return x @ w.T + b


def dense_backward(x, w, g):
    """g = ∂J/∂z -> ∂J/∂x = g W, ∂J/∂W = gᵀ x, ∂J/∂b = gᵀ 1, summed over all leading axes."""
    rows, slopes = x.reshape(-1, x.shape[-1]), g.reshape(-1, g.shape[-1])
    return g @ w, slopes.T @ rows, slopes.T @ np.ones(len(slopes))
