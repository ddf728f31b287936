"""Losses, one table. Each takes outputs and targets of a batch and gives their mean over examples.

    mse                   mean over outputs of (ŷ - y)²
    huber                 ½ e² where |e| <= δ, else δ(|e| - ½δ): a mean for small errors, a median for large ones
    cross_entropy         -log softmax(ŷ)_y from logits (n, k); y are codes (n,), or probabilities (n, k)
    binary_cross_entropy  -y log σ(ŷ) - (1 - y) log(1 - σ(ŷ)) from logits, for each output by itself

label_smoothing ε: the target becomes (1 - ε) of itself and ε/k of every class (Szegedy et al. 2016). class_weights: an
example counts w_y; weights are scaled so that they average 1 over the training examples, and the sum is divided by the
number of examples, so that a batch taken in pieces has the same loss. Per-step outputs (n, T, k) with codes (n, T), for
cross_entropy: the mean over all steps whose target is not -100 (the padding).
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from matweave.config import number
from matweave.deep import Tensor, functional, torch
from matweave.errors import ConfigError, nearest
from matweave.train.task import Loss

LOSSES: dict[str, tuple[str, ...]] = {
    "mse": (),
    "huber": ("delta",),
    "cross_entropy": ("label_smoothing", "class_weights"),
    "binary_cross_entropy": ("label_smoothing", "class_weights"),
}
"""Name -> the settings it takes besides outputs and targets."""

PADDING = -100  # the target of a step that does not count; torch's own convention


def make_loss(
    name: str,
    *,
    label_smoothing: float = 0.0,
    class_weights: Sequence[float] | np.ndarray | None = None,
    delta: float = 1.0,
) -> Loss:
    """The loss of a name. class_weights: (k,) factors, see `balanced_weights`; delta: where Huber's loss turns linear.

    Raises ConfigError for an unknown name, a setting that the loss does not use, or one out of range.

    >>> loss = make_loss("cross_entropy")
    >>> round(float(loss(torch.zeros(1, 4), torch.tensor([2]))), 4)  # log 4
    1.3863
    """
    if name not in LOSSES:
        raise ConfigError(
            f"unknown loss {name!r}{nearest(name, LOSSES)}",
            where="loss",
            mend=f"use one of: {', '.join(LOSSES)}",
        )
    given = {
        "label_smoothing": label_smoothing != 0,
        "class_weights": class_weights is not None,
        "delta": delta != 1,
    }
    problems = [f"{name} takes no {s}" for s, is_given in given.items() if is_given and s not in LOSSES[name]]
    if number(0, 1)(label_smoothing) or label_smoothing == 1:
        problems.append(f"label_smoothing is {label_smoothing!r}, but must be in [0, 1)")
    if number(above=0)(delta):
        problems.append(f"delta is {delta!r}, but must be a number > 0")
    if class_weights is not None:
        given_weights = np.asarray(class_weights, np.float64)
        if given_weights.ndim != 1 or not (np.isfinite(given_weights).all() and (given_weights >= 0).all()):
            problems.append("class_weights must be one finite number for each class, and none negative")
        elif name == "binary_cross_entropy" and len(given_weights) != 2:
            problems.append(
                f"class_weights are {len(given_weights)} numbers, but must be two: of no and of yes"
            )
    if problems:
        raise ConfigError(
            "\n".join(problems), where=f"loss {name}", mend="leave out or correct what is named"
        )
    weights = None if class_weights is None else torch.tensor(np.asarray(class_weights, np.float64))
    if name == "mse":
        return lambda outputs, y: functional.mse_loss(*_alike(outputs, y))
    if name == "huber":
        return lambda outputs, y: functional.huber_loss(*_alike(outputs, y), delta=delta)
    if name == "binary_cross_entropy":
        return lambda outputs, y: _binary(*_alike(outputs, y), label_smoothing, weights)
    if weights is None:
        return lambda outputs, y: _cross_entropy(outputs, y, label_smoothing)
    return lambda outputs, y: _weighted(outputs, y, label_smoothing, weights)


def balanced_weights(counts: np.ndarray) -> np.ndarray:
    """Weights (k,) for class counts (k,) under which every class counts alike, averaging 1 over the examples.

    >>> balanced_weights(np.array([90, 10])).round(3).tolist()
    [0.556, 5.0]
    """
    counts = np.asarray(counts, np.float64)
    present = counts > 0
    weights = np.zeros(len(counts))
    weights[present] = counts.sum() / (present.sum() * counts[present])
    return weights


def _alike(outputs: Tensor, y: Tensor) -> tuple[Tensor, Tensor]:
    """Targets (n,) for outputs (n, 1); any other difference of shape would broadcast in silence.

    Outputs of autocast are taken to float32, for targets rounded to bfloat16 would be others.
    """
    outputs = outputs.to(torch.promote_types(outputs.dtype, torch.float32))
    y = y.to(outputs.dtype)
    if y.shape != outputs.shape and y.ndim == outputs.ndim - 1 and outputs.shape[-1] == 1:
        y = y.unsqueeze(-1)
    if y.shape != outputs.shape:
        raise ConfigError(
            f"outputs are of shape {tuple(outputs.shape)} and targets of {tuple(y.shape)}",
            where="loss",
            mend="give the network as many outputs as the targets have columns",
        )
    return outputs, y


def _rows(outputs: Tensor, y: Tensor) -> tuple[Tensor, Tensor]:
    """Logits (rows, k) and codes (rows,) or probabilities (rows, k): of steps, every one is a row."""
    wanted = outputs.shape if y.is_floating_point() else outputs.shape[:-1]
    if outputs.ndim < 2 or y.shape != wanted:
        kind = "probabilities" if y.is_floating_point() else "codes"
        raise ConfigError(
            f"outputs are of shape {tuple(outputs.shape)} and targets, {kind}, of {tuple(y.shape)}",
            where="loss",
            mend="give logits (n, k) for codes (n,) in int64, or for probabilities (n, k)",
        )
    return outputs.flatten(0, -2), y.flatten(0, -2) if y.is_floating_point() else y.flatten()


def _cross_entropy(outputs: Tensor, y: Tensor, smoothing: float) -> Tensor:
    outputs, y = _rows(outputs, y)
    return functional.cross_entropy(outputs, y, label_smoothing=smoothing, ignore_index=PADDING)


def _weighted(outputs: Tensor, y: Tensor, smoothing: float, weights: Tensor) -> Tensor:
    outputs, y = _rows(outputs, y)
    if len(weights) != outputs.shape[-1]:
        raise ConfigError(
            f"there are {len(weights)} class_weights and {outputs.shape[-1]} outputs",
            where="loss",
            mend="give one weight for each class",
        )
    if y.is_floating_point():  # probabilities: an example counts its mean weight
        each = functional.cross_entropy(outputs, y, label_smoothing=smoothing, reduction="none")
        return (each * (y * _beside(each, weights)).sum(1)).mean()
    each = functional.cross_entropy(
        outputs, y, label_smoothing=smoothing, reduction="none", ignore_index=PADDING
    )
    real = y != PADDING
    return (each * _beside(each, weights)[y.clamp(min=0)]).sum() / real.sum()


def _beside(each: Tensor, weights: Tensor) -> Tensor:
    """Weights in the precision of the losses, on their device."""
    return weights.to(each.dtype).to(each.device)


def _binary(outputs: Tensor, y: Tensor, smoothing: float, weights: Tensor | None) -> Tensor:
    smooth = y * (1 - smoothing) + smoothing / 2 if smoothing else y
    each = functional.binary_cross_entropy_with_logits(outputs, smooth, reduction="none")
    if weights is not None:
        no, yes = _beside(each, weights)
        each = each * (no + y * (yes - no))
    return each.mean()
