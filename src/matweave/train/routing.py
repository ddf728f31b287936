"""Which parameters of a network are matrices, and so Muon's, and which are AdamW's.

Matrices    linear (out, in) as it is; a convolution (out, in, h, w) flattened to (out, in h w), for each of its groups;
            recurrent weights gate by gate and the projections of attention one by one: they are stacked in one tensor,
            but are maps of their own (orthogonal together, one gate's step would depend on the others').
AdamW       biases, gains, everything of one dimension; embeddings (rows are looked up, not multiplied); the output
            layer; the first layer where it is a convolution (all three: Jordan's advice, found on NanoGPT and
            CIFAR-10). A dense or recurrent first layer stays with Muon, else a net of one hidden layer would
            keep nothing. Parameters of modules that are not known to be linear maps (a table of positions, the
            coefficients of an activation): a module of ours says so itself, see `route`.
Source      Jordan et al. 2024, "Muon: An optimizer for hidden layers in neural networks", and its README.
Checked by  tests/train/test_routing.py: a network of every kind of layer, shared weights, frozen weights.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import final

from matweave.deep import nn
from matweave.errors import ConfigError, nearest
from matweave.train.matrix_optimizer import ADAMW

MUON = "muon"
FROZEN = "frozen"
EMBEDDINGS = (nn.Embedding, nn.EmbeddingBag)
TRANSPOSED = (nn.ConvTranspose1d, nn.ConvTranspose2d, nn.ConvTranspose3d)
CONVOLUTIONS = (nn.Conv1d, nn.Conv2d, nn.Conv3d, *TRANSPOSED)
GATES = {nn.RNN: 1, nn.RNNCell: 1, nn.GRU: 3, nn.GRUCell: 3, nn.LSTM: 4, nn.LSTMCell: 4}
"""Gates whose weights are stacked along the rows of one tensor."""


@final
@dataclass(frozen=True, kw_only=True)
class Route:
    """One parameter: its rule ("muon", "adamw", "frozen"), why, and how many matrices its rows hold."""

    name: str
    shape: tuple[int, ...]
    rule: str
    why: str
    blocks: int = 1

    def line(self) -> str:
        """For people: rule, name, shape, reason.

        >>> Route(name="conv.weight", shape=(8, 4, 3, 3), rule="muon", why="convolution").line()
        'muon    conv.weight  8 x 4 x 3 x 3, as 8 x 36: convolution'
        """
        shape = " x ".join(map(str, self.shape)) or "a number"
        if self.rule == MUON and (self.blocks > 1 or len(self.shape) > 2):
            rows, columns = self.shape[0] // self.blocks, math.prod(self.shape[1:])
            shape += f", as {f'{self.blocks} of ' if self.blocks > 1 else ''}{rows} x {columns}"
        return f"{self.rule:<6}  {self.name}  {shape}: {self.why}"


@final
@dataclass(frozen=True, kw_only=True)
class Routing:
    """Which rule steps which parameter of a module, in the module's order."""

    routes: tuple[Route, ...]

    def of(self, rule: str) -> tuple[Route, ...]:
        """The routes of one rule."""
        return tuple(r for r in self.routes if r.rule == rule)

    def lines(self) -> list[str]:
        """For people: how many weights each rule has, then one line per parameter."""
        sums = {r: sum(math.prod(x.shape) for x in self.of(r)) for r in (MUON, ADAMW, FROZEN)}
        told = [f"{r} {n:,} weights in {len(self.of(r))}" for r, n in sums.items() if self.of(r)]
        return ["; ".join(told), *(r.line() for r in self.routes)]


def route(module: nn.Module, *, head: str | None = None) -> Routing:
    """Which parameters Muon steps and which AdamW; see the top of this file for the reasons.

    head: the name of the output layer; None: the last linear layer or convolution within the child called
    "head", or within the whole module where there is no such child.
    A module that holds matrices under names of its own, or stacks several in one, lists them in an attribute
    `matrix_blocks`, a dict from the parameter's name to the number of matrices stacked along its rows.

    Raises ConfigError where `head` names no layer of the module.

    >>> net = nn.Sequential(nn.Linear(8, 16), nn.ReLU(), nn.GRU(16, 4), nn.Linear(4, 3))
    >>> print("\\n".join(route(net).lines()))
    muon 368 weights in 3; adamw 55 weights in 5
    muon    0.weight  16 x 8: linear
    adamw   0.bias  16: one dimension
    muon    2.weight_ih_l0  12 x 16, as 3 of 4 x 16: recurrent, by gate
    muon    2.weight_hh_l0  12 x 4, as 3 of 4 x 4: recurrent, by gate
    adamw   2.bias_ih_l0  12: one dimension
    adamw   2.bias_hh_l0  12: one dimension
    adamw   3.weight  3 x 4: output layer
    adamw   3.bias  3: one dimension
    """
    first = next((m for m in module.modules() if isinstance(m, EMBEDDINGS) or any(_matrices(m))), None)
    first = first if isinstance(first, CONVOLUTIONS) else None
    last = _head(module, head)
    found: dict[int, tuple[str, str, int]] = {}
    for owner in module.modules():
        known = {name: (blocks, why) for name, blocks, why in _matrices(owner)}
        known |= {name: (blocks, "linear") for name, blocks in _declared(owner).items()}
        for name, p in owner.named_parameters(recurse=False):
            blocks, why = known.get(name, (0, ""))
            rule = ADAMW
            if p.ndim < 2:
                why = "one dimension"
            elif isinstance(owner, EMBEDDINGS):
                why = "embedding"
            elif not blocks:
                why = f"of {type(owner).__name__}, not known to be a linear map"
            elif min(p.shape[0] // blocks, math.prod(p.shape[1:])) == 1:
                why = f"{why}, but of vectors"
            elif owner is last:
                why = "output layer"
            elif owner is first:
                why = "first layer, a convolution"
            else:
                rule = MUON
            if id(p) not in found or found[id(p)][0] == MUON:  # shared: AdamW's if anybody's
                found[id(p)] = (rule, why, max(blocks, 1))
    routes = []
    for name, p in module.named_parameters():
        rule, why, blocks = found[id(p)] if p.requires_grad else (FROZEN, "needs no gradient", 1)
        routes.append(Route(name=name, shape=tuple(p.shape), rule=rule, why=why, blocks=blocks))
    return Routing(routes=tuple(routes))


def _matrices(owner: nn.Module) -> Iterator[tuple[str, int, str]]:
    """Name, number of matrices along the rows, and kind of the parameters that are linear maps."""
    for name, blocks in _declared(owner).items():
        yield name, blocks, "linear"
    if isinstance(owner, nn.Linear):
        yield "weight", 1, "linear"
    elif isinstance(owner, CONVOLUTIONS):
        yield "weight", owner.groups, "convolution" if owner.groups == 1 else "convolution, by group"
    elif isinstance(owner, nn.MultiheadAttention):
        yield "in_proj_weight", 3, "attention: queries, keys, values"
        for name in ("q_proj_weight", "k_proj_weight", "v_proj_weight"):
            yield name, 1, "attention"
    else:
        gates = next((n for kind, n in GATES.items() if isinstance(owner, kind)), 0)
        for name, _ in owner.named_parameters(recurse=False) if gates else ():
            projects = name.startswith("weight_hr")
            kind = "recurrent" if gates == 1 or projects else "recurrent, by gate"
            yield name, 1 if projects else gates, kind


def _declared(owner: nn.Module) -> dict[str, int]:
    """What a module says itself; it counts before what its type says."""
    return getattr(owner, "matrix_blocks", {})


def _head(module: nn.Module, name: str | None) -> nn.Module | None:
    children = dict(module.named_modules())
    if name is not None and name not in children:
        raise ConfigError(
            f"there is no layer {name!r}{nearest(name, children)}",
            where="Muon's output layer",
            mend="name a layer of the module, or leave `head` out",
        )
    within = children[name] if name is not None else children.get("head", module)
    layers = [m for m in within.modules() if any(_matrices(m))]
    return layers[-1] if layers and isinstance(layers[-1], (nn.Linear, CONVOLUTIONS)) else None
