"""X ≈ W Wᵀ, W >= 0, slowly: each entry to the least of its quartic, found among all roots of its cubic (numpy.roots)."""

from __future__ import annotations

import numpy as np


def objective(x, weights, w, ridge):
    return (weights * (x - w @ w.T) ** 2).sum() + ridge * (w**2).sum()


def sweep(x, weights, w, ridge):
    """Rows in order, entries in order; x and weights symmetric. The quartic is fitted through five of its points."""
    w = w.copy()
    for i, j in np.ndindex(w.shape):

        def cost(t, i=i, j=j):
            trial = w.copy()
            trial[i, j] = t
            return objective(x, weights, trial, ridge)

        points = np.linspace(-2, 2, 5)
        quartic = np.polyfit(points, [cost(t) for t in points], 4)
        roots = np.roots(np.polyder(quartic))
        real = [0.0, *(r.real for r in roots if abs(r.imag) < 1e-6 and r.real > 0)]
        w[i, j] = min(real, key=lambda t: np.polyval(quartic, t))
    return w
