"""Two rules in one torch optimizer: a matrix-aware one for some weights, AdamW for all the others.

Muon and SOAP (muon.py, soap.py) speak of matrices; biases, gains, embeddings are AdamW's (Loshchilov & Hutter 2019).
Here is what both share: the parameter groups say whose they are ("rule"), AdamW's are stepped by torch's own
AdamW, which works on the same groups and the same state, so that rates, schedules, `state_dict` and
`load_state_dict` see one optimizer.

Checked by tests/train/test_matrix_optimizer.py: AdamW's share is bit-equal to torch.optim.AdamW alone.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable
from typing import Any

from matweave.deep import Tensor, torch

ADAMW = "adamw"
"""The rule of groups that AdamW steps."""


def fused(parameters: Iterable[Tensor]) -> bool | None:
    """True where torch's fused kernels serve all parameters (CPU, CUDA); None: torch's own choice.

    On a CPU, one thread, they take a quarter to a half of the time of `foreach` and of one tensor at a time.

    >>> fused([torch.zeros(2)])
    True
    """
    return (
        True if all(p.device.type in ("cpu", "cuda") and p.is_floating_point() for p in parameters) else None
    )


def adamw_groups(
    parameters: Iterable[Tensor],
    *,
    learning_rate: float,
    weight_decay: float,
    betas: tuple[float, float],
) -> list[dict[str, Any]]:
    """Groups for AdamW: weight decay for what has two dimensions and more, none for biases and gains.

    >>> bias, table = torch.zeros(3), torch.zeros(5, 3)
    >>> groups = adamw_groups([bias, table], learning_rate=0.01, weight_decay=0.1, betas=(0.9, 0.95))
    >>> [(group["weight_decay"], len(group["params"])) for group in groups]
    [(0.1, 1), (0.0, 1)]
    """
    parameters = list(parameters)
    shared = {"rule": ADAMW, "lr": learning_rate, "betas": betas, "fused": fused(parameters)}
    parts = [
        (weight_decay, [p for p in parameters if p.ndim > 1]),
        (0.0, [p for p in parameters if p.ndim <= 1]),
    ]
    return [{"params": part, "weight_decay": decay, **shared} for decay, part in parts if part]


class MatrixOptimizer(torch.optim.Optimizer, ABC):
    """groups: parameter groups, complete, each with "rule": ADAMW, or anything else for the child's own.

    The state holds tensors only, and the groups numbers, flags, strings and tuples of them.
    """

    def __init__(self, groups: list[dict[str, Any]]) -> None:
        super().__init__(groups, defaults={})
        self._share()

    def __setstate__(self, state: dict[str, Any]) -> None:  # load_state_dict ends here too
        super().__setstate__(state)
        self._share()

    def _share(self) -> None:
        mine = [group for group in self.param_groups if group["rule"] == ADAMW]
        self._adamw = torch.optim.AdamW(mine) if mine else None
        if self._adamw is not None:
            self._adamw.state = self.state

    @torch.no_grad()
    def step(self, closure: Callable[[], Any] | None = None) -> Any:
        """One step of every parameter that has a gradient; answers what `closure` does, where one is given."""
        loss = None
        if closure is not None:
            with torch.enable_grad():
                loss = closure()
        for group in self.param_groups:
            if group["rule"] != ADAMW:
                self.step_matrices(group)
        if self._adamw is not None:
            self._adamw.step()
        return loss

    @abstractmethod
    def step_matrices(self, group: dict[str, Any]) -> None:
        """One step of a group that is not AdamW's."""

    @abstractmethod
    def matrix_state(self, group: dict[str, Any], parameter: Tensor) -> dict[str, tuple[int, ...]]:
        """Names and shapes of the state of a parameter that is not AdamW's, once it has been stepped."""
