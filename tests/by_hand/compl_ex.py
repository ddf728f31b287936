"""ComplEx, slowly, in complex numbers: Lacroix, Usunier & Obozinski 2018, one example at a time."""

from __future__ import annotations

import numpy as np


def loss(entities, relations, examples, strength):
    """Mean of weight * (cross-entropy over all tails + N3). entities (n, d), relations (K, d) complex;
    examples: (head, relation, backward, truth, weight)."""
    total = 0.0
    for h, k, backward, t, weight in examples:
        r = relations[k].conj() if backward else relations[k]
        scores = np.array([(entities[h] * r * e.conj()).sum().real for e in entities])
        total += weight * (np.log(np.exp(scores - scores.max()).sum()) + scores.max() - scores[t])
        total += weight * strength * sum((np.abs(v) ** 3).sum() for v in (entities[h], r, entities[t]))
    return total / len(examples)


def gradient(entities, relations, examples, strength, step=1e-6):
    """By differences, of real and imaginary parts: two complex arrays."""
    found = []
    for table in (entities, relations):
        g = np.zeros_like(table)
        for at in np.ndindex(table.shape):
            for unit in (1, 1j):
                old = table[at]
                table[at] = old + step * unit
                high = loss(entities, relations, examples, strength)
                table[at] = old - step * unit
                low = loss(entities, relations, examples, strength)
                table[at] = old
                g[at] += unit * (high - low) / (2 * step)
        found.append(g)
    return found


def adagrad(table, squares, g, rate):
    """One step, in place, of real and imaginary parts apart."""
    squares += g.real**2 + 1j * g.imag**2
    table -= rate * (g.real / (np.sqrt(squares.real) + 1e-10) + 1j * g.imag / (np.sqrt(squares.imag) + 1e-10))
