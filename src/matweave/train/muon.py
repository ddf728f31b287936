"""Muon: momentum whose matrices are made orthogonal before they are applied; AdamW for what is no matrix.

Model       any network. A weight W (rows x columns) is a linear map, and its step should be judged as one: by how far
            it can move any output (the spectral norm), not by the size of its entries.
Step        B ← μ B + (1 - μ) G,  U = μ B + (1 - μ) G (Nesterov),  O ≈ (U Uᵀ)^(-1/2) U,
            W ← (1 - γ λ) W - 0.2 γ √max(rows, columns) O.
            O has the singular vectors of U and singular values near 1 (0.7 to 1.2): five Newton-Schulz
            steps X ← a X + b (X Xᵀ) X + c (X Xᵀ)² X from X = U / |U|, (a, b, c) = (3.4445, -4.775, 2.0315).
            The factor 0.2 √max(rows, columns) gives O the root mean square of an AdamW step, so that both rules
            share one learning rate γ and one weight decay λ.
Sources     Jordan et al. 2024, "Muon: An optimizer for hidden layers in neural networks"; the factor: Liu et al. 2025,
            "Muon is scalable for LLM training" (arXiv 2502.16982), section 2.2; AdamW: Loshchilov & Hutter 2019.
Matrices    by routing.py: linear maps, convolutions flattened to (out, in h w), recurrent weights gate by gate.
            Everything else, the output layer too, is AdamW's.
Precision   torch.optim.Muon orthogonalises in bfloat16. A CPU without instructions for it is 10 to 20 times
            slower there than in float32 (a step of 256 x 784: 320 ms against 14, one thread of an EPYC without AVX-512):
            so bfloat16 on CUDA only, the weights' own precision elsewhere.
Cost        m ≤ n: 5 (4 m² n + 2 m³) operations per m x n matrix and step, or 4 m² n + 34 m³ by way of the Gram
            matrix, which is used where n ≥ 2 m and not in bfloat16: there, rounding would count. One buffer.
Checked by  bit-equality with torch.optim.Muon (in bfloat16, flattened by hand), tests/by_hand/muon.py in float64,
            equivariance under rotations of rows and columns, a planted ill-conditioned problem.
"""

from __future__ import annotations

import math
from typing import Any, cast, final

from matweave.deep import Tensor, nn, torch
from matweave.train.matrix_optimizer import MatrixOptimizer, adamw_groups
from matweave.train.routing import ADAMW, MUON, Route, Routing, route

__all__ = ["Muon", "Route", "Routing", "orthogonalize", "route"]

COEFFICIENTS = (3.4445, -4.775, 2.0315)
"""a, b, c of the Newton-Schulz step: steepest at 0 of those that stay near 1 (Jordan et al. 2024)."""

STEPS = 5
SMALLEST_NORM = 1e-7
BETAS = (0.9, 0.95)
"""AdamW's, for what Muon leaves over: those that Jordan et al. use."""


def orthogonalize(matrices: Tensor) -> Tensor:
    """The nearest orthogonal matrices, about: the singular vectors of each of (k, m, n), singular values near 1.

    Values below a thousandth of a matrix's norm stay smaller; a zero matrix stays zero. Newton-Schulz, five steps,
    in the precision of the input (Jordan et al. 2024; the form by the Gram matrix is the same polynomial).

    >>> x = orthogonalize(torch.tensor([[[3.0, 0.0, 0.0], [0.0, 0.5, 0.0]]]))[0]
    >>> bool(((0.6 < x.diagonal()) & (x.diagonal() < 1.3)).all())
    True
    """
    a, b, c = COEFFICIENTS
    tall = matrices.shape[-2] > matrices.shape[-1]
    x = matrices.mT if tall else matrices
    x = x / torch.linalg.vector_norm(x, dim=(-2, -1), keepdim=True).clamp(min=SMALLEST_NORM)
    if x.dtype != torch.bfloat16 and x.shape[-1] >= 2 * x.shape[-2]:
        x = _by_gram(x)
    else:
        for _ in range(STEPS):
            gram = x @ x.mT
            x = torch.baddbmm(x, torch.baddbmm(gram, gram, gram, beta=b, alpha=c), x, beta=a)
    return x.mT if tall else x


def _by_gram(x: Tensor) -> Tensor:
    """With A = X Xᵀ a step is X ← P X, P = a I + b A + c A², and A ← P A P = P² A, for A and P commute."""
    a, b, c = COEFFICIENTS
    gram, product = x @ x.mT, None
    for step in range(STEPS):
        p = torch.baddbmm(gram, gram, gram, beta=b, alpha=c)
        p.diagonal(dim1=-2, dim2=-1).add_(a)
        product = p if product is None else p @ product
        if step < STEPS - 1:
            gram = p @ (p @ gram)
    return cast(Tensor, product) @ x


@final
class Muon(MatrixOptimizer):
    """Muon for the matrices of a module and AdamW for its other parameters, routed by `route`.

    learning_rate, weight_decay (decoupled; not for what has one dimension): of both rules. momentum: μ, Muon's.
    precision: of the orthogonalisation, the name of a torch type; None: "bfloat16" on CUDA, the weights' own elsewhere.
    State: "momentum_buffer" (as the weight) for Muon's; "step", "exp_avg", "exp_avg_sq" for AdamW's.

    >>> net = nn.Sequential(nn.Linear(4, 8), nn.Tanh(), nn.Linear(8, 2))
    >>> optimizer = Muon(net, learning_rate=0.01)
    >>> net(torch.ones(3, 4)).square().mean().backward()
    >>> optimizer.step()
    >>> [(group["rule"], len(group["params"])) for group in optimizer.param_groups]
    [('muon', 1), ('adamw', 1), ('adamw', 2)]
    """

    def __init__(
        self,
        module: nn.Module,
        *,
        learning_rate: float = 0.01,
        weight_decay: float = 0.0,
        momentum: float = 0.95,
        precision: str | None = None,
        head: str | None = None,
    ) -> None:
        routing = route(module, head=head)
        named = dict(module.named_parameters())
        rows = routing.of(MUON)
        mine = {
            "params": [named[r.name] for r in rows],
            "rule": MUON,
            "blocks": tuple(r.blocks for r in rows),
            "lr": learning_rate,
            "weight_decay": weight_decay,
            "momentum": momentum,
            "precision": precision or "",
        }
        rest = adamw_groups(
            [named[r.name] for r in routing.of(ADAMW)],
            learning_rate=learning_rate,
            weight_decay=weight_decay,
            betas=BETAS,
        )
        super().__init__([mine, *rest] if rows else rest)

    def step_matrices(self, group: dict[str, Any]) -> None:
        """One step of Muon's group."""
        rate, keep = group["lr"], group["momentum"]
        for p, blocks in zip(group["params"], group["blocks"], strict=True):
            if p.grad is None:
                continue
            state = self.state[p]
            if not state:
                state["momentum_buffer"] = torch.zeros_like(p)
            buffer = state["momentum_buffer"].lerp_(p.grad, 1 - keep)
            ahead = p.grad.lerp(buffer, keep).flatten(1)
            ahead = ahead.view(blocks, ahead.shape[0] // blocks, ahead.shape[1])
            step = orthogonalize(ahead.to(_precision(group["precision"], p)))
            p.mul_(1 - rate * group["weight_decay"])
            p.add_(step.reshape(p.shape), alpha=-rate * 0.2 * math.sqrt(max(ahead.shape[1:])))

    def matrix_state(self, group: dict[str, Any], parameter: Tensor) -> dict[str, tuple[int, ...]]:
        """One buffer of the weight's own shape."""
        return {"momentum_buffer": tuple(parameter.shape)}


def _precision(name: str, parameter: Tensor) -> torch.dtype:
    if name:
        return cast(torch.dtype, getattr(torch, name))
    return torch.bfloat16 if parameter.device.type == "cuda" else parameter.dtype
