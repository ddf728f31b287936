"""A training step of GMF and NeuMF on the CPU in one compiled pass: the loss of gmf.py and neu_mf.py, and all its gradients.

Torch's operators write and read every intermediate number once each, and keep them in order by one thread; of a step of NeuMF on 2,048 pairs they
take most of the time. Here a batch is cut into pieces of about ROWS pairs, small enough for a core's own cache:

    a piece     vectors gathered (dropout on the way), products by BLAS, ReLU and dropout in place, errors σ(s) - y, and all the way back
    the tables  one task each: its gradient zeroed, and rows added in the order of the batch

Dropout hashes (seed, place) as nets/fast_dropout.py does; the seed is drawn from torch's generator, once a step. Pieces depend on the batch alone and
are summed in order, so that the bits are the same for any number of threads.

Used where tables are whole, in float32, on the CPU; elsewhere the modules' own operators do the same (tests hold both together).
Cost        NeuMF as RecBole's defaults have it, ml-1m, one core of an EPYC: about half of the time of torch's operators.
Checked by  tests/neural/test_pair_step.py: loss and gradients against autograd over the modules, equal bits for any threads.
"""

from __future__ import annotations

from typing import Any, final

import numpy as np

from matweave.deep import Tensor, torch
from matweave.neural import pair_kernels as kernels
from matweave.neural.embeddings import Table
from matweave.threads import in_parallel

ROWS = 1024  # pairs of a piece


def compiled(*parts: Any) -> bool:
    """Whether a step can be the compiled one, for tables and tensors given: whole tables in float32, all on the CPU.

    >>> compiled(Table(3, 2), torch.tensor([1])), compiled(Table(3, 2, rank=1), torch.tensor([1]))
    (True, False)
    """
    for part in parts:
        tensor = part
        if isinstance(part, Table):
            if part.rank is not None or part.weight.dtype is not torch.float32:
                return False
            tensor = part.weight
        if tensor.device.type != "cpu":
            return False
    return True


def step(users: Tensor, items: Tensor, regularization: float, dropped: float, *weights: Tensor) -> Tensor:
    """The mean loss, a number; see `PairLoss`. Without gradients asked for they are made all the same."""
    found = PairLoss.apply(users, items, regularization, dropped, *weights)
    assert isinstance(found, Tensor)
    return found


def rank_tower(
    mine: np.ndarray,
    theirs: np.ndarray,
    layers: list[tuple[np.ndarray, ...]],
    last: np.ndarray,
    out: np.ndarray,
) -> None:
    """out (n, m) plus the tower's scores of all pairs. mine (n, width), theirs (m, width): halves of the first layer, its bias within one
    of them; layers: (W, b) of those behind it; last: the weights of the last of them. float32.

    >>> out = np.zeros((1, 2), np.float32)
    >>> halves = np.array([[1.0, -1.0]], np.float32), np.array([[0.5, 0.0], [-2.0, 3.0]], np.float32)
    >>> rank_tower(*halves, [], np.array([1.0, 10.0], np.float32), out)
    >>> out.tolist()
    [[1.5, 20.0]]
    """
    size = max(1, -(-len(mine) // 32))
    cuts = [(low, min(low + size, len(mine))) for low in range(0, len(mine), size)]

    def work(low: int, high: int) -> None:
        if layers:
            weights, biases = zip(*layers, strict=True)
            kernels.all_pairs(mine[low:high], theirs, weights, biases, last, out[low:high])
        else:
            kernels.all_pairs_of_one_layer(mine[low:high], theirs, last, out[low:high])

    in_parallel(work, cuts)


@final
class PairLoss(torch.autograd.Function):
    """The mean logistic loss with its penalty; every gradient is made in the forward pass.

    apply(users (b,), items (b, 1 + k), λ, share dropped, P, Q, h, bias) for a product, and with
    (..., P_tower, Q_tower, A, B, b_1, w_last, W_2, b_2, ...) behind for a tower beside it.
    """

    @staticmethod
    def forward(
        ctx: Any,
        users: Tensor,
        items: Tensor,
        regularization: float,
        dropped: float,
        *weights: Tensor,
    ) -> Tensor:
        seed = int(torch.empty((), dtype=torch.int64).random_(1 << 32)) if dropped else 0
        arrays = [w.detach().numpy() for w in weights]
        loss, gradients = _step(users.numpy(), items.numpy(), regularization, dropped, seed, arrays)
        ctx.gradients = [torch.from_numpy(g) for g in gradients]
        return torch.tensor(loss, dtype=torch.float32)

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> Any:
        by, found = float(grads[0]), ctx.gradients
        del ctx.gradients  # nobody else holds them: they become the parameters' own
        return (None, None, None, None, *(g if by == 1.0 else g * by for g in found))


def _step(
    users: np.ndarray,
    items: np.ndarray,
    regularization: float,
    dropped: float,
    seed: int,
    weights: list[np.ndarray],
) -> tuple[float, list[np.ndarray]]:
    p, q, h, bias, *tower = weights
    items = np.ascontiguousarray(items)
    b, each = items.shape
    found = [np.empty_like(w) for w in weights]
    errors = np.empty((b, each), np.float32)
    groups = max(1, ROWS // each)
    cuts = [(low, min(low + groups, b)) for low in range(0, b, groups)]
    share = np.float32(1.0 / errors.size)
    if tower:
        p_tower, q_tower, first_user, first_item, first_bias, last, *deeper = tower
        layers, biases = tuple(deeper[0::2]), tuple(deeper[1::2])
        back_p = np.empty((b, p_tower.shape[1]), np.float32)
        back_q = np.empty((errors.size, q_tower.shape[1]), np.float32)
        threshold = np.uint32(min(round(dropped * 2**32), 2**32 - 1))
        keep = np.float32(1.0 / (1.0 - dropped))

        def piece(low: int, high: int) -> tuple:
            kernels.scores(users, items, p, q, h[0], bias[0], errors, low, high)
            gradients = [np.empty_like(w) for w in (first_user, first_item, first_bias, last[0])]
            inner = tuple(np.empty_like(w) for w in layers), tuple(np.empty_like(w) for w in biases)
            own = users, items, p_tower, q_tower, first_user, first_item, first_bias, last[0]
            rest = np.uint32(seed), threshold, keep, errors, back_p, back_q, *gradients, low, high, share
            run: Any = kernels.tower if layers else kernels.one_layer
            lost = run(*own, *((layers, biases, *inner) if layers else ()), *rest)
            return lost, gradients, inner

    else:
        back_p = back_q = errors

        def piece(low: int, high: int) -> tuple:
            kernels.scores(users, items, p, q, h[0], bias[0], errors, low, high)
            return kernels.errors(errors, low, high, share), [], ((), ())

    made = in_parallel(piece, cuts)
    lost = sum(part[0] for part in made)
    weight = np.float32(regularization)
    tasks: list[tuple] = [
        (kernels.back_items, users, items, p, q, h[0], errors, weight, found[1]),
        (kernels.back_users, users, items, p, q, h[0], errors, weight, found[0]),
    ]
    if tower:
        tasks.append((kernels.scatter, items.ravel(), back_q, tower[1], weight, found[5]))
        tasks.append((kernels.scatter, users, back_p, tower[0], weight, found[4]))
    parts = in_parallel(lambda work, *args: work(*args), tasks)
    found[2][0] = parts[0][1] + parts[1][1]
    found[3][0] = errors.sum()
    penalty = parts[0][0] + parts[1][0]
    if tower:
        penalty += parts[2] + parts[3]
        for at, place in enumerate((6, 7, 8)):
            np.sum([part[1][at] for part in made], axis=0, out=found[place])
        np.sum([part[1][3] for part in made], axis=0, out=found[9][0])
        for layer in range(len(tower[6::2])):
            np.sum([part[2][0][layer] for part in made], axis=0, out=found[10 + 2 * layer])
            np.sum([part[2][1][layer] for part in made], axis=0, out=found[11 + 2 * layer])
    return lost + float(penalty), found
