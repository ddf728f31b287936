"""Best shared core and scales of X_k ≈ W D_k H D_k Wᵀ for a given W, from G = WᵀW and T_k = WᵀX_kW alone.

    f(H, d) = Σ_k -2 T_k·M_k + (G M_k G)·M_k + λ |H|² + λ Σ_k |d_k - 1|²,   M_k = D_k H D_k

which is the squared loss up to Σ|X_k|². float64 throughout; H (r, r), d (K, r), T (K, r, r). Source: Bader, Harshman &
Kolda 2007 (ASALSAN). Checked by  tests/linalg/test_dedicom_cores.py: against Kronecker systems, and by differences.
"""

from __future__ import annotations

import numpy as np

FLOOR = 1e-7
"""Of the largest: the least that is divided by. T is of single precision, so that directions in which G G is less hold its rounding."""


def value_of(seen: np.ndarray, gram: np.ndarray, core: np.ndarray, scales: np.ndarray) -> np.ndarray:
    """-2 T_k·M_k + (G M_k G)·M_k of each relation, (K,).

    >>> value_of(np.ones((1, 1, 1)), np.eye(1), np.array([[2.0]]), np.ones((1, 1))).tolist()
    [0.0]
    """
    m = scales[:, :, None] * core * scales[:, None, :]
    return np.einsum("kij,kij->k", gram @ m @ gram - 2 * seen, m)


def one_core(seen: np.ndarray, gram: np.ndarray, ridge: float) -> np.ndarray:
    """The H of least -2 T·H + (G H G)·H + λ|H|², exactly, by the eigenvectors of G.

    >>> one_core(np.array([[6.0]]), np.array([[2.0]]), 2.0).tolist()
    [[1.0]]
    """
    values, turn = np.linalg.eigh(gram)
    under = np.outer(values, values)
    floor = FLOOR * np.abs(under).max(initial=0.0) + 1e-30
    inner = (turn.T @ seen @ turn) / np.maximum(under + ridge, floor)
    return turn @ inner @ turn.T


def shared_core(
    seen: np.ndarray, gram: np.ndarray, scales: np.ndarray, ridge: float, first: np.ndarray
) -> np.ndarray:
    """The H of Σ_k E_k H E_k + λ H = Σ_k D_k T_k D_k, E_k = D_k G D_k.

    Up to a rank of DIRECT the r² equations are solved exactly; beyond it by conjugate gradients from `first`,
    preconditioned by K Ē ⊗ Ē + λ for the mean Ē, to a millionth of the right side or for 2 r steps; each lowers f.

    >>> shared_core(np.array([[[6.0]]]), np.array([[2.0]]), np.ones((1, 1)), 2.0, np.zeros((1, 1))).round(9).tolist()
    [[1.0]]
    """
    scaled = scales[:, :, None] * gram * scales[:, None, :]
    right = (scales[:, :, None] * seen * scales[:, None, :]).sum(axis=0)
    if len(gram) <= DIRECT:
        return _direct(scaled, right, ridge)
    return _gradients(scaled, right, ridge, first)


DIRECT = 32
"""Largest rank whose r² equations are solved at once: a million numbers."""


def _direct(scaled: np.ndarray, right: np.ndarray, ridge: float) -> np.ndarray:
    rank = len(right)
    flat = scaled.reshape(len(scaled), -1)
    system = (flat.T @ flat).reshape(rank, rank, rank, rank).transpose(0, 2, 1, 3).reshape(rank**2, rank**2)
    floor = FLOOR * np.diagonal(system).max(initial=0.0) + 1e-30
    system[np.diag_indices_from(system)] += max(ridge, floor)
    return np.linalg.solve(system, right.ravel()).reshape(rank, rank)


def _gradients(scaled: np.ndarray, right: np.ndarray, ridge: float, first: np.ndarray) -> np.ndarray:
    values, turn = np.linalg.eigh(scaled.mean(axis=0))
    under = len(scaled) * np.outer(values, values)
    ridge = max(ridge, FLOOR * np.abs(under).max(initial=0.0) + 1e-30)
    under = np.maximum(under, 0.0) + ridge

    def apply(h: np.ndarray) -> np.ndarray:
        return (scaled @ h @ scaled).sum(axis=0) + ridge * h

    def near(h: np.ndarray) -> np.ndarray:
        return turn @ ((turn.T @ h @ turn) / under) @ turn.T

    core, left = first, right - apply(first)
    along = z = near(left)
    size, aim = np.vdot(left, z), 1e-6 * np.sqrt(np.vdot(right, right))
    for _ in range(2 * len(right)):
        if not np.sqrt(np.vdot(left, left)) > aim:
            break
        turned = apply(along)
        step = size / max(np.vdot(along, turned), 1e-300)
        core, left = core + step * along, left - step * turned
        z = near(left)
        size, last = np.vdot(left, z), size
        along = z + (size / last) * along
    return core


def derivatives(
    seen: np.ndarray, gram: np.ndarray, core: np.ndarray, scales: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Gradient (K, r) and Hessian (K, r, r) of `value_of` in each relation's scales.

    With a_p = row p of H D and b_p = column p of D H, dM/dd_p = e_p a_pᵀ + b_p e_pᵀ.
    """
    hd, dh = core * scales[:, None, :], scales[:, :, None] * core
    m = scales[:, :, None] * hd
    pull = (gram @ m @ gram - seen) * core
    both = pull + pull.mT
    gradient = 2 * np.einsum("kpq,kq->kp", both, scales)
    ga, gb = hd @ gram, gram @ dh  # a_pᵀ G, and G b_q
    outer = gram * (ga @ hd.mT + dh.mT @ gb)
    crossed = gb * ga  # (e_pᵀ G b_q)(a_pᵀ G e_q)
    return gradient, 2 * (both + outer + crossed + crossed.mT)


def newton_scales(
    seen: np.ndarray, gram: np.ndarray, core: np.ndarray, scales: np.ndarray, ridge: float
) -> np.ndarray:
    """One Newton step of every d_k, with eigenvalues of the Hessian made positive, halved until f_k does not rise."""
    gradient, hessian = derivatives(seen, gram, core, scales)
    gradient += 2 * ridge * (scales - 1)
    hessian[:, np.arange(len(core)), np.arange(len(core))] += 2 * ridge
    values, turn = np.linalg.eigh(hessian)
    size = np.abs(values)
    size = np.maximum(size, 1e-8 * size.max(axis=1, initial=0.0, keepdims=True) + 1e-30)
    step = (turn @ ((turn.mT @ gradient[:, :, None]) / size[:, :, None]))[:, :, 0]

    def cost(d: np.ndarray) -> np.ndarray:
        return value_of(seen, gram, core, d) + ridge * np.square(d - 1).sum(axis=1)

    now, length = cost(scales), np.ones((len(scales), 1))
    for _ in range(30):
        trial = scales - length * step
        worse = ~(cost(trial) <= now)
        if not worse.any():
            return trial
        length[worse] /= 2
    length[worse] = 0
    return scales - length * step
