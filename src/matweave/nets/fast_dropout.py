"""Dropout that costs one pass over memory on the CPU (Srivastava et al. 2014).

    y_i = x_i / (1 - p) with probability 1 - p, else 0;  dx_i = dy_i / (1 - p) where y_i was kept

torch's CPU kernel draws from one sequential generator: about 12 ns a number, by one thread; in a small transformer that is a
third of a training step. Here number i of a call is kept where a hash of (call's seed, i) says so (hashes.py), and the backward pass draws the same hashes again instead of storing a mask. The seed comes from torch's
generator, one draw a call: `seeded` and a resumed run see the same masks. On other devices torch's own is called.

Checked by  tests/nets/test_fast_dropout.py: shares kept, independence of neighbours and calls, gradients, seeds.
"""

from __future__ import annotations

from typing import Any, final

import numpy as np
from numba import njit

from matweave.config import number
from matweave.deep import Tensor, functional, nn, torch
from matweave.errors import ConfigError
from matweave.linalg.hashes import hashed


@final
class FastDropout(nn.Module):
    """Zero each number with probability p in training, and scale the others by 1 / (1 - p). Raises ConfigError for p outside [0, 1).

    >>> FastDropout(0.5).eval()(torch.ones(3)).tolist()
    [1.0, 1.0, 1.0]
    """

    def __init__(self, p: float = 0.5) -> None:
        super().__init__()
        if number(0, 0.999)(p):
            raise ConfigError(
                f"p is {p!r}, but must be in [0, 1)", where="FastDropout", mend="give a share, as 0.2"
            )
        self.p = float(p)

    def forward(self, x: Tensor, residual: Tensor | None = None) -> Tensor:
        """Dropout of x (any shape); with `residual`, of the same shape, residual + dropout of x."""
        if not self.training or not self.p:
            return x if residual is None else residual + x
        if x.device.type != "cpu" or x.dtype != torch.float32:
            dropped = functional.dropout(x, self.p)
            return dropped if residual is None else residual + dropped
        seed = int(torch.empty((), dtype=torch.int64).random_(1 << 32))
        found = _Dropped.apply(x, residual, seed, self.p)
        assert isinstance(found, Tensor)
        return found

    def extra_repr(self) -> str:
        return f"p={self.p}"


@final
class _Dropped(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, x: Tensor, residual: Tensor | None, seed: int, p: float) -> Tensor:
        ctx.seed, ctx.p, ctx.has_residual = seed, p, residual is not None
        return _applied(x, residual, seed, p)

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> Any:
        (grad,) = grads
        inner = _applied(grad, None, ctx.seed, ctx.p) if ctx.needs_input_grad[0] else None
        return inner, grad if ctx.has_residual else None, None, None


def _applied(x: Tensor, residual: Tensor | None, seed: int, p: float) -> Tensor:
    x = x.contiguous()
    out = torch.empty_like(x)
    flat, to = x.detach().view(-1).numpy(), out.view(-1).numpy()
    threshold, scale = np.uint32(min(round(p * 2**32), 2**32 - 1)), np.float32(1.0 / (1.0 - p))
    if residual is None:
        _keep(flat, to, len(flat), np.uint32(seed), threshold, scale)
    else:
        add = residual.detach().contiguous().view(-1).numpy()
        _keep_and_add(flat, add, to, len(flat), np.uint32(seed), threshold, scale)
    return out


@njit(nogil=True, cache=True)
def _keep(x, out, n, seed, threshold, scale):
    for i in range(n):
        out[i] = x[i] * scale if hashed(i, seed) >= threshold else np.float32(0.0)


@njit(nogil=True, cache=True)
def _keep_and_add(x, add, out, n, seed, threshold, scale):
    for i in range(n):
        out[i] = add[i] + (x[i] * scale if hashed(i, seed) >= threshold else np.float32(0.0))
