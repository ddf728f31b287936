"""Bayesian matrix factorization by Gibbs sampling, slowly: Salakhutdinov & Mnih 2008 with a bias beside a constant, and Macau's
links to features (Simm et al. 2015), in float64, one rating at a time. It takes the normals in the order of the fast one.
"""

from __future__ import annotations

import numpy as np


def normal_wishart(random, rows, links, strengths):
    """μ and R with Λ = R Rᵀ, for rows ~ N(μ, Λ⁻¹) and links ~ N(0, (λ Λ)⁻¹); prior: N(0, (2 Λ)⁻¹), Wishart(I, d)."""
    n, d = rows.shape
    middle = rows.mean(axis=0)
    inverse = np.eye(d) + 2 * n / (2 + n) * np.outer(middle, middle)
    for row in rows:
        inverse += np.outer(row - middle, row - middle)
    freedom = d + n
    for beta, strength in zip(links, strengths, strict=True):
        freedom += len(beta)
        for row in beta:
            inverse += strength * np.outer(row, row)
    lower = np.tril(random.standard_normal((d, d)), -1)
    lower += np.diag(np.sqrt(random.chisquare(freedom - np.arange(d))))
    root = np.linalg.inv(np.linalg.cholesky(inverse)).T @ lower
    mean = n / (2 + n) * middle + np.linalg.inv(root).T @ random.standard_normal(d) / np.sqrt(2 + n)
    return mean, root


def draw_link(random, left, design, basis, root, strength):
    """β in the eigenbasis of FᵀF, direction by direction: (k, d), and what it says of each row."""
    turned = design @ basis
    noise = random.standard_normal((basis.shape[1], left.shape[1])) @ np.linalg.inv(root)
    state = np.zeros_like(noise)
    for k in range(basis.shape[1]):
        weight = turned[:, k] @ turned[:, k] + strength
        state[k] = turned[:, k] @ left / weight + noise[k] / np.sqrt(weight)
    return state, turned @ state


def draw_row(values, vectors, prior_mean, precision, noise_precision, normals):
    """(x, b) given r - c of its columns and their (y, 1)."""
    total, right = precision.copy(), precision @ prior_mean
    for value, vector in zip(values, vectors, strict=True):
        total += noise_precision * np.outer(vector, vector)
        right += noise_precision * value * vector
    lower = np.linalg.cholesky(total)
    return np.linalg.solve(total, right) + np.linalg.solve(lower.T, normals)


def chain(generators, users, items, values, state, designs, bases, sweeps):
    """`sweeps` sweeps; state: [user rows, item rows] (n, rank + 1), the bias last, changed in place. Yields τ's new value and the squared errors."""
    links = [[np.zeros((b.shape[1], state[0].shape[1])) for b in some] for some in bases]
    effects = [[np.zeros_like(state[side]) for _ in bases[side]] for side in (0, 1)]
    strengths = [[1.0 for _ in some] for some in bases]
    noise_precision = 1.0
    codes = (users, items)
    for number in range(sweeps):
        random = generators(number)
        for side in (0, 1):
            mine, theirs = state[side], state[1 - side]
            n, d = mine.shape
            left = mine - sum(effects[side], np.zeros_like(mine))
            mean, root = normal_wishart(random, left, links[side], strengths[side])
            for b in range(len(bases[side])):
                others = sum((e for c, e in enumerate(effects[side]) if c != b), np.zeros_like(mine))
                links[side][b], effects[side][b] = draw_link(
                    random, mine - others - mean, designs[side][b], bases[side][b], root, strengths[side][b]
                )
                squares = np.sum((links[side][b] @ root) ** 2)
                strengths[side][b] = random.gamma(1 + links[side][b].size / 2) / (1 + squares / 2)
            normals = random.standard_normal((n, d), np.float32)
            for row in range(n):
                at = np.flatnonzero(codes[side] == row)
                others = theirs[codes[1 - side][at]]
                vectors = np.concatenate([others[:, :-1], np.ones((len(at), 1))], axis=1)
                prior = mean + sum((e[row] for e in effects[side]), np.zeros(d))
                mine[row] = draw_row(
                    values[at] - others[:, -1], vectors, prior, root @ root.T, noise_precision, normals[row]
                )
        x, y = state
        errors = 0.0
        for u, j, r in zip(users, items, values, strict=True):
            errors += (r - x[u, :-1] @ y[j, :-1] - x[u, -1] - y[j, -1]) ** 2
        noise_precision = random.gamma(1 + len(values) / 2) / (1 + errors / 2)
        yield noise_precision, errors
