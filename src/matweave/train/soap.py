"""SOAP: Adam in the eigenbasis of Shampoo's Kronecker preconditioner; AdamW for what has one dimension.

Model       any network. A weight W (m x n) with gradient G; convolutions (out, in, h, w) as (out, in h w).
Statistics  L ← β₂ L + (1 - β₂) G Gᵀ (m x m),  R ← β₂ R + (1 - β₂) Gᵀ G (n x n)        (Shampoo: Gupta et al. 2018)
Basis       Q_L, Q_R: eigenvectors of L and R, largest first. The first gradient gives them by eigh and moves no weight:
            a gradient is never rotated by a basis that was made from it. Then, after every tenth step, one power
            iteration each: Q ← QR(L Q) (algorithm 4 of the paper).
Step        G' = Q_Lᵀ G Q_R,  M ← β₁ M + (1 - β₁) G',  V ← β₂ V + (1 - β₂) G'²,
            W ← (1 - γ λ) W - γ Q_L [M̂ / (√V̂ + ε)] Q_Rᵀ,  M̂ = M / (1 - β₁^t),  V̂ = V / (1 - β₂^t) (algorithm 3).
            The paper keeps M in the weight's own basis and rotates it at every step; here it is kept rotated, and
            turned when the basis turns: the same numbers, two products fewer per step.
            V stays as it is when the basis turns (as in the paper), but goes along where two columns change places:
            columns are sorted by their eigenvalue before each iteration, which would otherwise mix them.
Large       a side above `max_side` keeps the identity for its basis (the paper's one-sided variant); with both sides
            above it, this is AdamW that starts one step later.
Rounding    L and R are made symmetric and divided by their trace before a decomposition, and 10 ulp of it are added to
            the diagonal: directions without gradients keep their place instead of turning at random.
Source      Vyas et al. 2024, "SOAP: Improving and stabilizing Shampoo using Adam" (arXiv 2409.11321). β = (0.95, 0.95)
            and a refresh every 10 steps are the paper's; its γ = 0.003 is for language models, and slow here.
Cost        6 m n (m + n) operations per step, and about 5 (m³ + n³) per refresh; memory 2 (m² + n² + m n).
Checked by  tests/by_hand/soap.py in float64, equivariance under rotations of rows and columns, Adam where
            both sides are large, a planted ill-conditioned problem. The same bits for the same number of threads.
"""

from __future__ import annotations

import math
from typing import Any, final

from matweave.deep import Tensor, nn, torch
from matweave.errors import Diverged
from matweave.train.matrix_optimizer import MatrixOptimizer, adamw_groups

SOAP_RULE = "soap"
SIDES = ("left", "right")


@final
class SOAP(MatrixOptimizer):
    """SOAP for the parameters of a module with two dimensions and more, AdamW for the others.

    learning_rate, betas, weight_decay (decoupled; not for what has one dimension): of both. eps: ε.
    precondition_frequency: steps between two refreshes of the bases. max_side: longest side that gets a basis.
    State of a matrix: "step", "exp_avg" and "exp_avg_sq" (m x n, rotated), "left", "left_basis" (m x m), "right",
    "right_basis" (n x n).

    Raises Diverged at a refresh where gradients were infinite or NaN.

    >>> net = nn.Linear(3, 2)
    >>> optimizer = SOAP(net, learning_rate=0.01)
    >>> before = net.weight.detach().clone()
    >>> for _ in range(2):
    ...     net(torch.eye(3)).square().mean().backward()
    ...     optimizer.step()
    ...     print(bool((net.weight == before).all()))
    True
    False
    """

    def __init__(
        self,
        module: nn.Module,
        *,
        learning_rate: float = 0.01,
        weight_decay: float = 0.0,
        betas: tuple[float, float] = (0.95, 0.95),
        eps: float = 1e-8,
        precondition_frequency: int = 10,
        max_side: int = 512,
    ) -> None:
        parameters = [p for p in module.parameters() if p.requires_grad]
        mine = {
            "params": [p for p in parameters if p.ndim > 1],
            "rule": SOAP_RULE,
            "lr": learning_rate,
            "weight_decay": weight_decay,
            "betas": betas,
            "eps": eps,
            "precondition_frequency": precondition_frequency,
            "max_side": max_side,
        }
        rest = adamw_groups(
            [p for p in parameters if p.ndim <= 1],
            learning_rate=learning_rate,
            weight_decay=weight_decay,
            betas=betas,
        )
        super().__init__([mine, *rest] if mine["params"] else rest)

    def step_matrices(self, group: dict[str, Any]) -> None:
        """One step of SOAP's group; a parameter's first only sets its bases."""
        for p in group["params"]:
            if p.grad is not None:
                state, gradient = self.state[p], p.grad.flatten(1)
                if state:
                    _move(p, gradient, state, group)
                    if int(state["step"]) % group["precondition_frequency"] == 0:
                        _turn(state)
                else:
                    _begin(gradient, state, group)

    def matrix_state(self, group: dict[str, Any], parameter: Tensor) -> dict[str, tuple[int, ...]]:
        """Two moments, and two squares for each side that has a basis."""
        sides = (parameter.shape[0], math.prod(parameter.shape[1:]))
        shapes: dict[str, tuple[int, ...]] = {"step": (), "exp_avg": sides, "exp_avg_sq": sides}
        for side, n in zip(SIDES, sides, strict=True):
            if _has_basis(n, group):
                shapes |= {side: (n, n), f"{side}_basis": (n, n)}
        return shapes


def _has_basis(side: int, group: dict[str, Any]) -> bool:
    return 1 < side <= group["max_side"]


def _begin(gradient: Tensor, state: dict[str, Any], group: dict[str, Any]) -> None:
    state["step"] = torch.tensor(0)
    state["exp_avg"] = torch.zeros_like(gradient, memory_format=torch.contiguous_format)
    state["exp_avg_sq"] = torch.zeros_like(state["exp_avg"])
    for side, n in zip(SIDES, gradient.shape, strict=True):
        if _has_basis(n, group):
            state[side] = gradient.new_zeros(n, n)
    _gather(gradient, state, group["betas"][1])
    for side in SIDES:
        if side in state:
            state[f"{side}_basis"] = (
                torch.linalg.eigh(_scaled(state[side])).eigenvectors.flip(-1).contiguous()
            )


def _gather(gradient: Tensor, state: dict[str, Any], beta: float) -> None:
    """L and R of one more gradient."""
    if "left" in state:
        state["left"].addmm_(gradient, gradient.mT, beta=beta, alpha=1 - beta)
    if "right" in state:
        state["right"].addmm_(gradient.mT, gradient, beta=beta, alpha=1 - beta)


def _move(p: Tensor, gradient: Tensor, state: dict[str, Any], group: dict[str, Any]) -> None:
    left, right = state.get("left_basis"), state.get("right_basis")
    (beta1, beta2), rate = group["betas"], group["lr"]
    state["step"] += 1
    t = int(state["step"])
    turned = _rotate(gradient, left, right)
    mean, square = state["exp_avg"], state["exp_avg_sq"]
    mean.lerp_(turned, 1 - beta1)
    square.mul_(beta2).addcmul_(turned, turned, value=1 - beta2)
    divisor = square.sqrt().div_(math.sqrt(1 - beta2**t)).add_(group["eps"])
    step = _rotate(mean / divisor, _transposed(left), _transposed(right))
    p.mul_(1 - rate * group["weight_decay"])
    p.add_(step.reshape(p.shape), alpha=-rate / (1 - beta1**t))
    _gather(gradient, state, beta2)


def _turn(state: dict[str, Any]) -> None:
    """One power iteration for each basis; the moments go along."""
    for at, side in enumerate(SIDES):
        if side not in state:
            continue
        statistic, old = _scaled(state[side]), state[f"{side}_basis"]
        reached = statistic @ old
        order = torch.argsort((old * reached).sum(0), descending=True, stable=True)
        new = torch.linalg.qr(reached[:, order]).Q.contiguous()
        change = old.mT @ new
        mean = state["exp_avg"]
        state["exp_avg"] = change.mT @ mean if at == 0 else mean @ change
        state["exp_avg_sq"] = state["exp_avg_sq"].index_select(at, order)
        state[f"{side}_basis"] = new


def _scaled(statistic: Tensor) -> Tensor:
    """Symmetric, trace 1, and a little on the diagonal."""
    trace = statistic.diagonal().sum()
    if not torch.isfinite(trace):
        raise Diverged(
            "the gradients are infinite or NaN",
            where="SOAP",
            mend="lower the learning rate, or clip the gradients",
        )
    scaled = (statistic + statistic.mT) / (2 * trace.clamp(min=torch.finfo(statistic.dtype).tiny))
    scaled.diagonal().add_(10 * torch.finfo(statistic.dtype).eps)
    return scaled


def _rotate(x: Tensor, left: Tensor | None, right: Tensor | None) -> Tensor:
    """leftᵀ x right; None: the identity."""
    x = x if left is None else left.mT @ x
    return x if right is None else x @ right


def _transposed(basis: Tensor | None) -> Tensor | None:
    return None if basis is None else basis.mT
