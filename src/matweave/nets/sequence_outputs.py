"""From the steps of a padded batch to what a network says about each sequence, whatever the padding holds.

| name | output for steps h_1..h_L | shape |
|---|---|---|
| last | h_L; where the second half of the features runs backwards in time, that half of h_1 | (n, width) |
| mean | (h_1 + ... + h_L) / L | (n, width) |
| max | the largest of each feature | (n, width) |
| attention | Σ a_t h_t, a = softmax over t of v·tanh(W h_t + b) (Bahdanau et al. 2015, eqs. 5-6; Lin et al. 2017) | (n, width) |
| steps | every h_t; zeros beyond L | (n, T, width) |

Each is a module with forward(steps (n, T, width), lengths (n,)). Lengths are at least 1: the readers of `data` see to it.
A dense layer after `steps` makes its own bias of the padding's zeros.
Checked by  tests/nets/test_sequence_outputs.py: loops over single sequences in NumPy, NaN as padding, gradcheck.
"""

from __future__ import annotations

from typing import final

from matweave.deep import Tensor, nn, torch
from matweave.errors import ConfigError, DataError, nearest


def valid_steps(lengths: Tensor, steps: int) -> Tensor:
    """Which steps of a padded batch are a sequence's own; bool (n, steps).

    >>> valid_steps(torch.tensor([1, 3]), 3).tolist()
    [[True, False, False], [True, True, True]]
    """
    return torch.arange(steps, device=lengths.device) < lengths[:, None]


def full_lengths(x: Tensor, lengths: Tensor | None) -> Tensor:
    """The lengths as given, on the device of x (n, T, ...); none: every sequence fills its row.

    Raises DataError where there is not one length for each.

    >>> full_lengths(torch.zeros(2, 5), None).tolist()
    [5, 5]
    """
    if lengths is None:
        return torch.full((x.shape[0],), x.shape[1], device=x.device)
    if lengths.shape != x.shape[:1]:
        raise DataError(
            f"lengths of shape {tuple(lengths.shape)} for {x.shape[0]} sequences",
            where="full_lengths",
            mend="give one length for each sequence",
        )
    return lengths.to(x.device)


def only_valid(steps: Tensor, lengths: Tensor, fill: float = 0.0) -> Tensor:
    """The steps (n, T, width) with `fill` in place of the padding.

    >>> only_valid(torch.ones(1, 3, 1), torch.tensor([2])).flatten().tolist()
    [1.0, 1.0, 0.0]
    """
    return steps.masked_fill(~valid_steps(lengths, steps.shape[1])[:, :, None], fill)


@final
class Last(nn.Module):
    """The last valid step; of features that run backwards (the second half, both_ways) the first one.

    >>> Last()(torch.arange(6.0).view(2, 3, 1), torch.tensor([1, 3])).flatten().tolist()
    [0.0, 5.0]
    """

    def __init__(self, *, both_ways: bool = False) -> None:
        super().__init__()
        self.both_ways = both_ways

    def forward(self, steps: Tensor, lengths: Tensor) -> Tensor:
        """(n, T, width), (n,) to (n, width)."""
        place = (lengths - 1)[:, None, None].expand(-1, 1, steps.shape[2])
        last = steps.gather(1, place).squeeze(1)
        if not self.both_ways:
            return last
        half = steps.shape[2] // 2
        return torch.cat([last[:, :half], steps[:, 0, half:]], 1)


@final
class Mean(nn.Module):
    """The mean over valid steps.

    >>> Mean()(torch.arange(6.0).view(2, 3, 1), torch.tensor([2, 3])).flatten().tolist()
    [0.5, 4.0]
    """

    def forward(self, steps: Tensor, lengths: Tensor) -> Tensor:
        """(n, T, width), (n,) to (n, width)."""
        return only_valid(steps, lengths).sum(1) / lengths[:, None].to(steps.dtype)


@final
class Max(nn.Module):
    """The largest value of each feature over valid steps.

    >>> Max()(torch.arange(6.0).view(2, 3, 1), torch.tensor([2, 3])).flatten().tolist()
    [1.0, 5.0]
    """

    def forward(self, steps: Tensor, lengths: Tensor) -> Tensor:
        """(n, T, width), (n,) to (n, width)."""
        return only_valid(steps, lengths, float("-inf")).amax(1)


@final
class Attention(nn.Module):
    """A mean with weights that a small network gives the valid steps; `hidden` features in it, none: width.

    >>> one = Attention(2)(torch.ones(1, 3, 2), torch.tensor([2]))
    >>> one.tolist()
    [[1.0, 1.0]]
    """

    def __init__(self, width: int, hidden: int | None = None) -> None:
        super().__init__()
        self.inner = nn.Linear(width, hidden or width)
        self.score = nn.Linear(hidden or width, 1, bias=False)

    def weights(self, steps: Tensor, lengths: Tensor) -> Tensor:
        """What each step counts; (n, T), rows summing to 1, padding 0."""
        scores = self.score(torch.tanh(self.inner(only_valid(steps, lengths)))).squeeze(2)
        return scores.masked_fill(~valid_steps(lengths, steps.shape[1]), float("-inf")).softmax(1)

    def forward(self, steps: Tensor, lengths: Tensor) -> Tensor:
        """(n, T, width), (n,) to (n, width)."""
        return (self.weights(steps, lengths)[:, None] @ only_valid(steps, lengths)).squeeze(1)


@final
class Steps(nn.Module):
    """Every step, with zeros as padding.

    >>> Steps()(torch.ones(1, 3, 1), torch.tensor([2])).flatten().tolist()
    [1.0, 1.0, 0.0]
    """

    def forward(self, steps: Tensor, lengths: Tensor) -> Tensor:
        """(n, T, width), (n,) to (n, T, width)."""
        return only_valid(steps, lengths)


OUTPUTS = ("last", "mean", "max", "attention", "steps")
"""The names that `sequence_output` knows."""


def sequence_output(name: str, width: int, *, both_ways: bool = False) -> nn.Module:
    """The module of that name for steps of `width` features. Raises ConfigError for another name.

    both_ways: the second half of the features runs backwards in time, which `last` must know.

    >>> sequence_output("mean", 8)
    Mean()
    """
    if name not in OUTPUTS:
        raise ConfigError(
            f"no output of a sequence is called {name!r}{nearest(str(name), OUTPUTS)}",
            where="sequence_output",
            mend=f"use one of: {', '.join(OUTPUTS)}",
        )
    if name == "attention":
        return Attention(width)
    if name == "last":
        return Last(both_ways=both_ways)
    return {"mean": Mean, "max": Max, "steps": Steps}[name]()
