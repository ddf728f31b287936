"""The state of an optimizer as NumPy arrays and back, bit for bit: a run that stops goes on as if it had not.

State is created at a parameter's first step, so that before it there is none. Names are "0.exp_avg": parameter 0, in
the order of the groups. Works for the optimizers of optimizers.py, whose state holds tensors only.

Checked by equal weights after a save and load in mid-run, for every row, in both memory layouts.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

import numpy as np

from matweave.deep import Tensor, torch
from matweave.errors import ArtifactError, listed
from matweave.train.matrix_optimizer import ADAMW, MatrixOptimizer


def state_arrays(optimizer: torch.optim.Optimizer) -> dict[str, np.ndarray]:
    """What an optimizer has learned so far, copied: "0.exp_avg" for parameter 0 in the order of its groups, and "lr",
    float64 (groups,), the learning rates of now. Before the first step "lr" is all.

    >>> net = torch.nn.Linear(2, 1)
    >>> optimizer = torch.optim.Adam(net.parameters(), lr=0.5)
    >>> state_arrays(optimizer)
    {'lr': array([0.5])}
    >>> net(torch.ones(1, 2)).sum().backward()
    >>> optimizer.step()
    >>> sorted(state_arrays(optimizer))
    ['0.exp_avg', '0.exp_avg_sq', '0.step', '1.exp_avg', '1.exp_avg_sq', '1.step', 'lr']
    """
    arrays = {"lr": np.array([group["lr"] for group in optimizer.param_groups], np.float64)}
    for index, state in sorted(optimizer.state_dict()["state"].items()):
        for name, value in state.items():
            arrays[f"{index}.{name}"] = np.array(value.detach().cpu().numpy(), order="C", copy=True)
    return arrays


def load_state_arrays(optimizer: torch.optim.Optimizer, arrays: Mapping[str, np.ndarray]) -> None:
    """Put back what `state_arrays` gave, into an optimizer made with the same settings for a module of the same shape.

    The state lies in memory as its parameter does (channels-last or not): fused kernels count on it.

    Raises ArtifactError, and changes nothing, where names, shapes or types are not this optimizer's.

    >>> net = torch.nn.Linear(2, 1)
    >>> optimizer = torch.optim.SGD(net.parameters(), lr=0.1)
    >>> load_state_arrays(optimizer, {"lr": np.array([0.025])})
    >>> optimizer.param_groups[0]["lr"]
    0.025
    """
    saved = optimizer.state_dict()
    owners = [(group, p) for group in optimizer.param_groups for p in group["params"]]
    given: dict[int, dict[str, np.ndarray]] = {}
    problems = []
    for name, array in arrays.items():
        match = re.fullmatch(r"(\d+)\.(\w+)", name)
        if match and int(match[1]) < len(owners):
            given.setdefault(int(match[1]), {})[match[2]] = array
        elif name != "lr":
            problems.append(f"{name} belongs to no parameter")
    rates = arrays.get("lr")
    if rates is None or rates.shape != (len(optimizer.param_groups),):
        problems.append(f"lr is not one number for each of {len(optimizer.param_groups)} groups")
    for index, state in given.items():
        problems += _misfits(index, state, _expected(optimizer, *owners[index]), owners[index][1])
    if problems or rates is None:
        shown = "\n".join(problems[:10]) + (f"\n(+{len(problems) - 10} more)" if len(problems) > 10 else "")
        raise ArtifactError(
            f"the saved state does not fit {type(optimizer).__name__}:\n{shown}",
            where="state of an optimizer",
            mend="make the optimizer with the same settings, for the same network, as in the saved run",
        )
    saved["state"] = {
        i: {name: _tensor(array, owners[i][1]) for name, array in state.items()} for i, state in given.items()
    }
    for group, rate in zip(saved["param_groups"], rates.tolist(), strict=True):
        group["lr"] = rate
    optimizer.load_state_dict(saved)


def _expected(
    optimizer: torch.optim.Optimizer, group: dict[str, Any], p: Tensor
) -> dict[str, tuple[int, ...]]:
    """Names and shapes of the state of a parameter that has been stepped."""
    shape = tuple(p.shape)
    if isinstance(optimizer, MatrixOptimizer) and group["rule"] != ADAMW:
        return optimizer.matrix_state(group, p)
    if isinstance(optimizer, torch.optim.SGD):
        return {"momentum_buffer": shape} if group["momentum"] else {}
    return {"step": (), "exp_avg": shape, "exp_avg_sq": shape}


def _misfits(
    index: int, state: dict[str, np.ndarray], wanted: dict[str, tuple[int, ...]], p: Tensor
) -> list[str]:
    problems = [f"{index}.{name} is missing" for name in wanted if name not in state]
    strange = [f"{index}.{name}" for name in state if name not in wanted]
    if strange:
        problems.append(f"{listed(strange)}: the optimizer keeps no such state")
    kind = str(p.dtype).removeprefix("torch.")
    for name in wanted.keys() & state.keys():
        array, shape = state[name], wanted[name]
        if array.shape != shape or (name != "step" and array.dtype.name != kind):
            is_, must = (
                f"{k} {' x '.join(map(str, s)) or 'number'}"
                for k, s in ((array.dtype.name, array.shape), (kind, shape))
            )
            problems.append(f"{index}.{name} is {is_}, but must be {must}")
    return problems


def _tensor(array: np.ndarray, p: Tensor) -> Tensor:
    made = torch.tensor(array)
    if made.shape != p.shape or not made.shape:
        return made
    return torch.empty_like(p, requires_grad=False).copy_(made)
