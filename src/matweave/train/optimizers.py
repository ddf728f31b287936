"""The optimizers, one readable table, and how each is made, scheduled, saved and restored.

| name | step, from the gradient g of the loss | source |
|---|---|---|
| gd | w ← w - γ g, g over all examples | Cauchy 1847 |
| sgd | the same, g over a batch | Robbins & Monro 1951 |
| momentum | b ← μ b + g, w ← w - γ b | Polyak 1964 |
| nesterov | b ← μ b + g, w ← w - γ (g + μ b) | Nesterov 1983, in the form of Sutskever et al. 2013 |
| adam | m ← β₁ m + (1 - β₁) g, v ← β₂ v + (1 - β₂) g², w ← w - γ m̂ / (√v̂ + ε) | Kingma & Ba 2015 |
| adamw | adam, with w ← (1 - γ λ) w instead of g ← g + λ w | Loshchilov & Hutter 2019 |
| muon | orthogonal steps for matrices, adamw for the rest | muon.py |
| soap | adam in the eigenbasis of Shampoo's preconditioner, adamw for the rest | soap.py |

Weight decay λ is never applied to parameters of one dimension: biases and the gains of normalisations, for which
being small is not being simple. Coupled (gd to adam) it is added to the gradient, λ w; decoupled (adamw, muon, soap)
the weight shrinks by γ λ, whatever the gradient's scale. adamw without weight decay is adam.

Parameters that need no gradient are left alone. A module takes its device and its memory layout before its first
step. Each parameter group remembers its "base_lr"; a schedule multiplies it by a factor (`set_rate`). `state_arrays`
and `load_state_arrays` (optimizer_state.py) carry the state to NumPy and back.

Cost        torch's fused kernels on CPU and CUDA: fused Adam takes a third of the time of the default on one CPU
            thread (MLP 784-256-10: 190 μs a step against 550), fused SGD with momentum two thirds (93 against 145).
Checked by  tests/by_hand/optimizers.py in float64, and equal bits after a save and load in mid-run, for every row.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, final

from matweave.config import Rule, number
from matweave.deep import nn, torch
from matweave.errors import ConfigError, nearest
from matweave.train.matrix_optimizer import fused
from matweave.train.muon import Muon
from matweave.train.optimizer_state import load_state_arrays, state_arrays
from matweave.train.soap import SOAP

__all__ = ["OPTIMIZERS", "Row", "load_state_arrays", "make_optimizer", "set_rate", "state_arrays"]

Make = Callable[[nn.Module, float, float, float], torch.optim.Optimizer]
"""From a module, learning rate, weight decay and momentum (0 where the rule has none)."""


@final
@dataclass(frozen=True, kw_only=True)
class Row:
    """One optimizer: how it is made, its usual learning rate, its usual momentum (None: it has none to set), whether a
    batch is all examples, whether weight decay is decoupled, and what it is in one line."""

    name: str
    make: Make
    learning_rate: float
    doc: str
    momentum: float | None = None
    full_batch: bool = False
    decoupled: bool = False


def _groups(module: nn.Module, weight_decay: float) -> list[dict[str, Any]]:
    parameters = [p for p in module.parameters() if p.requires_grad]
    if not weight_decay:  # one group is one call of the kernel
        return [{"params": parameters, "weight_decay": 0.0}]
    parts = [
        (weight_decay, [p for p in parameters if p.ndim > 1]),
        (0.0, [p for p in parameters if p.ndim <= 1]),
    ]
    return [{"params": part, "weight_decay": decay} for decay, part in parts if part]


def _sgd(module: nn.Module, rate: float, decay: float, momentum: float) -> torch.optim.Optimizer:
    return torch.optim.SGD(
        _groups(module, decay), lr=rate, momentum=momentum, fused=fused(module.parameters())
    )


def _nesterov(module: nn.Module, rate: float, decay: float, momentum: float) -> torch.optim.Optimizer:
    groups, fast = _groups(module, decay), fused(module.parameters())
    return torch.optim.SGD(groups, lr=rate, momentum=momentum, nesterov=True, fused=fast)


def _adam(module: nn.Module, rate: float, decay: float, momentum: float) -> torch.optim.Optimizer:
    return torch.optim.Adam(_groups(module, decay), lr=rate, fused=fused(module.parameters()))


def _adamw(module: nn.Module, rate: float, decay: float, momentum: float) -> torch.optim.Optimizer:
    return torch.optim.AdamW(_groups(module, decay), lr=rate, fused=fused(module.parameters()))


def _muon(module: nn.Module, rate: float, decay: float, momentum: float) -> torch.optim.Optimizer:
    return Muon(module, learning_rate=rate, weight_decay=decay, momentum=momentum)


def _soap(module: nn.Module, rate: float, decay: float, momentum: float) -> torch.optim.Optimizer:
    return SOAP(module, learning_rate=rate, weight_decay=decay)


_ROWS = (
    Row(
        name="gd",
        make=_sgd,
        learning_rate=0.1,
        full_batch=True,
        doc="gradient descent over all examples at once",
    ),
    Row(name="sgd", make=_sgd, learning_rate=0.1, doc="stochastic gradient descent"),
    Row(name="momentum", make=_sgd, learning_rate=0.05, momentum=0.9, doc="sgd with heavy-ball momentum"),
    Row(
        name="nesterov",
        make=_nesterov,
        learning_rate=0.05,
        momentum=0.9,
        doc="sgd with momentum that looks ahead",
    ),
    Row(
        name="adam", make=_adam, learning_rate=0.001, doc="a step for each weight, by its gradients' moments"
    ),
    Row(
        name="adamw", make=_adamw, learning_rate=0.001, decoupled=True, doc="adam with decoupled weight decay"
    ),
    Row(
        name="muon",
        make=_muon,
        learning_rate=0.01,
        momentum=0.95,
        decoupled=True,
        doc="orthogonal steps for matrices and convolutions, adamw for the rest",
    ),
    Row(
        name="soap",
        make=_soap,
        learning_rate=0.01,
        decoupled=True,
        doc="adam in the eigenbasis of Shampoo's preconditioner, adamw for biases and gains",
    ),
)

OPTIMIZERS: dict[str, Row] = {row.name: row for row in _ROWS}
"""Every optimizer by name."""


def make_optimizer(
    name: str,
    module: nn.Module,
    *,
    learning_rate: float | None = None,
    weight_decay: float = 0.0,
    momentum: float | None = None,
) -> torch.optim.Optimizer:
    """An optimizer of the table over the parameters of a module that need a gradient, on the device they are on.

    learning_rate, momentum: None: the table's. Raises ConfigError for an unknown name, numbers out of range, momentum
    for a rule that has none, and a module without anything to learn.

    >>> optimizer = make_optimizer("momentum", nn.Linear(2, 1), learning_rate=0.2)
    >>> optimizer.param_groups[0]["lr"], optimizer.param_groups[0]["momentum"]
    (0.2, 0.9)
    >>> make_optimizer("adan", nn.Linear(2, 1))
    Traceback (most recent call last):
    matweave.errors.ConfigError: there is no optimizer 'adan'; did you mean 'adam'?
      where: optimizer
      mend:  give one of gd, sgd, momentum, nesterov, adam, adamw, muon, soap
    """
    if name not in OPTIMIZERS:
        raise ConfigError(
            f"there is no optimizer {name!r}{nearest(str(name), OPTIMIZERS)}",
            where="optimizer",
            mend=f"give one of {', '.join(OPTIMIZERS)}",
        )
    row = OPTIMIZERS[name]
    rate = row.learning_rate if learning_rate is None else learning_rate
    held = (row.momentum or 0.0) if momentum is None else momentum
    problems = [
        *_problem("learning_rate", rate, number(above=0)),
        *_problem("weight_decay", weight_decay, number(0)),
        *(_problem("momentum", held, number(0, 0.9999, above=0)) if row.momentum is not None else ()),
    ]
    if row.momentum is None and momentum is not None:
        having = [r.name for r in _ROWS if r.momentum is not None]
        problems.append(f"momentum is {momentum!r}, but {name} has none to set; {', '.join(having)} have")
    if not any(p.requires_grad for p in module.parameters()):
        problems.append(f"{type(module).__name__} has no parameters that need a gradient")
    if problems:
        raise ConfigError(
            "\n".join(problems), where=f"optimizer {name}", mend="correct the settings named above"
        )
    optimizer = row.make(module, float(rate), float(weight_decay), float(held))
    for group in optimizer.param_groups:
        group["base_lr"] = group["lr"]
    optimizer.register_step_pre_hook(_align)
    return optimizer


def _align(optimizer: torch.optim.Optimizer, *_: object) -> None:
    """Gradients that lie in memory otherwise than their parameter are copied: fused kernels would misread them.

    Autograd's own always lie right; those that somebody put there (a clipped sum, a permuted view) may not.
    """
    for group in optimizer.param_groups:
        for p in group["params"] if group.get("fused") else ():
            if p.ndim > 1 and p.grad is not None and p.grad.stride() != p.stride():
                p.grad = torch.empty_like(p, requires_grad=False).copy_(p.grad)


def _problem(name: str, value: object, rule: Rule) -> list[str]:
    wanted = rule(value)
    return [] if wanted is None else [f"{name} is {value!r}, but must be {wanted}"]


def set_rate(optimizer: torch.optim.Optimizer, factor: float) -> None:
    """Learning rate = base rate x factor, in every group of an optimizer of `make_optimizer`.

    >>> optimizer = make_optimizer("adam", nn.Linear(2, 1), learning_rate=0.5)
    >>> set_rate(optimizer, 0.1)
    >>> optimizer.param_groups[0]["lr"]
    0.05
    """
    for group in optimizer.param_groups:
        group["lr"] = group["base_lr"] * factor
