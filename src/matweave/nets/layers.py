"""Small parts that several networks share: normalizations by name, the way in and out, counts of parameters.

normalization   batch: over the examples (and places) of a batch, Ioffe & Szegedy 2015; in evaluation by running
                statistics. layer: over the features of each example, Ba et al. 2016; for images over channels and
                places, GroupNorm of one group. none: nothing.
"""

from __future__ import annotations

from matweave.deep import nn
from matweave.nets.inputs import Inputs

NORMS = ("none", "batch", "layer")


def normalization(name: str, width: int, *, images: bool = False) -> list[nn.Module]:
    """The layer of that name for `width` features or channels, in a list; an empty list for "none".

    >>> normalization("layer", 8), normalization("none", 8)
    ([LayerNorm((8,), eps=1e-05, elementwise_affine=True, bias=True)], [])
    """
    if name == "batch":
        return [nn.BatchNorm2d(width) if images else nn.BatchNorm1d(width)]
    if name == "layer":
        return [nn.GroupNorm(1, width) if images else nn.LayerNorm(width)]
    return []


def dropped(share: float) -> list[nn.Module]:
    """Dropout of that share, in a list; an empty list for 0.

    >>> dropped(0.5), dropped(0.0)
    ([Dropout(p=0.5, inplace=False)], [])
    """
    return [nn.Dropout(share)] if share > 0 else []


def entry(inputs: Inputs, embedding: int) -> tuple[nn.Module, int]:
    """What turns a batch of sequences or tokens into steps (n, T, width), and that width.

    Tokens are embedded, the padding as zeros that are never trained; sequences pass as they are.

    >>> entry(Inputs(kind="tokens", size=(28,)), 16)
    (Embedding(28, 16, padding_idx=0), 16)
    """
    (size,) = inputs.size
    if inputs.kind == "tokens":
        return nn.Embedding(size, embedding, padding_idx=0), embedding
    return nn.Identity(), size


def parameter_count(module: nn.Module, *, biases: bool = True) -> int:
    """Numbers that training may change. biases=False: only matrices and kernels, tensors of 2 dimensions or more.

    >>> parameter_count(nn.Linear(3, 2)), parameter_count(nn.Linear(3, 2), biases=False)
    (8, 6)
    """
    trained = [p for p in module.parameters() if p.requires_grad]
    return sum(p.numel() for p in trained if biases or p.dim() >= 2)
