"""The k best items of every user, exactly, by blocks: the scores are never all in memory.

    s_uj = x_u . y_j + b_j,    list_u = the k items of largest s_uj among those not left out,
    ordered by falling score, and by rising item where scores are equal.

Work: 2 n m d flops by BLAS, one pass over each block of scores while it is in cache (`topk_kernels`).
Memory: one block of at most 4 MB per thread. The blocks depend on the shapes only, so results have the
same bits for any number of threads. Scores of one user asked alone and among others may differ in the
last bits, because the products are summed in another order.

A score of -inf means "never": such items are left out. A score of NaN is an error.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable

import numpy as np

from matweave.errors import DataError
from matweave.linalg.topk_kernels import dots, mask, merge, select
from matweave.threads import in_parallel

Lists = tuple[np.ndarray, np.ndarray, np.ndarray]
"""codes int32 (n, k), scores float32 (n, k), counts int32 (n,): row i holds counts[i] items, best first."""
Rows = tuple[np.ndarray, np.ndarray]
"""indptr (n + 1), indices: row i is indices[indptr[i]:indptr[i + 1]], strictly rising."""

BLOCK = 256  # users per block: enough that BLAS packs Y rarely
CELLS = 1 << 20  # scores per block: 4 MB
WIDEST = 1 << 14  # items per block, so that the scores of few users stay in the first cache
PIECES = 8  # items are split too where there are fewer blocks of users than this
ONE_PIECE = 1 << 21  # numbers in Y below which one user is not worth a second thread


def top_k_factors(
    X: np.ndarray,
    Y: np.ndarray,
    *,
    k: int,
    bias: np.ndarray | None = None,
    leave_out: Rows | None = None,
    block: int = BLOCK,
) -> Lists:
    """The k best items of each user by X @ Y.T + bias.

    Args:
        X: user factors, float32 (n, d).
        Y: item factors, float32 (m, d).
        k: items wanted, at least 1; it may exceed m.
        bias: per item, float32 (m,).
        leave_out: (indptr, indices) with the items that each of the n users must not get, strictly rising per row.
        block: users scored at once.

    Returns:
        codes int32 (n, k), scores float32 (n, k), counts int32 (n,). Only the first counts[i] entries of
        row i are items; it is less than k where fewer than k items are left.

    Raises:
        DataError: for other types or shapes, a NaN score, or items out of order.

    >>> X = np.array([[1, 0], [0, 1]], np.float32)
    >>> Y = np.array([[3, 1], [3, 2], [5, 0]], np.float32)
    >>> codes, scores, counts = top_k_factors(X, Y, k=2, leave_out=(np.array([0, 1, 1]), np.array([2])))
    >>> codes.tolist(), counts.tolist()
    ([[0, 1], [1, 0]], [2, 2])
    """
    _check_matrix(X, "X", (None, None))
    _check_matrix(Y, "Y", (None, X.shape[1]))
    if bias is not None:
        _check_matrix(bias, "bias", (len(Y),))
    rows = _rows(leave_out, len(X))
    _check_k(k, block)
    if len(X) == 1:
        one = None if rows is None else rows[1][rows[0][0] : rows[0][1]]
        codes, scores = top_k_one(X[0], Y, k=k, bias=bias, leave_out=one)
        return _padded(codes, scores, k)
    X, Y = np.ascontiguousarray(X), np.ascontiguousarray(Y)

    def fill(users: slice, items: slice, out: np.ndarray) -> None:
        np.matmul(X[users], Y[items].T, out=out)
        if bias is not None:
            out += bias[items]

    return _search(len(X), len(Y), k, rows, fill, block)


def top_k_scores(S: np.ndarray, *, k: int, leave_out: Rows | None = None, block: int = BLOCK) -> Lists:
    """The k best items of each row of a score matrix from any model; S is not changed.

    Args:
        S: float32 (n, m).
        k, leave_out, block: as in `top_k_factors`; rows are split over threads by `block`.

    >>> codes, _, counts = top_k_scores(np.array([[1, 3, 3], [-np.inf, 0, -np.inf]], np.float32), k=2)
    >>> codes[0].tolist(), codes[1, :1].tolist(), counts.tolist()
    ([1, 2], [1], [2, 1])
    """
    _check_matrix(S, "S", (None, None))
    rows = _rows(leave_out, len(S))
    _check_k(k, block)

    def fill(users: slice, items: slice, out: np.ndarray) -> None:
        np.copyto(out, S[users, items])

    return _search(len(S), S.shape[1], k, rows, fill, min(block, 64))


def top_k_one(
    x: np.ndarray,
    Y: np.ndarray,
    *,
    k: int,
    bias: np.ndarray | None = None,
    leave_out: np.ndarray | None = None,
) -> tuple[np.ndarray, np.ndarray]:
    """The k best items of one user: product and selection in one pass over Y, its items split over threads.

    Args:
        x: float32 (d,).
        Y: float32 (m, d).
        k: items wanted.
        bias: float32 (m,).
        leave_out: item codes, strictly rising.

    Returns:
        codes int32 and scores float32, as many as there are, at most k.

    >>> Y = np.array([[1.0], [4.0], [2.0]], np.float32)
    >>> codes, scores = top_k_one(np.ones(1, np.float32), Y, k=2, leave_out=np.array([1]))
    >>> codes.tolist(), scores.tolist()
    ([2, 0], [2.0, 1.0])
    """
    _check_matrix(x, "x", (None,))
    _check_matrix(Y, "Y", (None, len(x)))
    if bias is not None:
        _check_matrix(bias, "bias", (len(Y),))
    out = np.empty(0, np.int32) if leave_out is None else leave_out
    rows = _rows((np.array([0, len(out)]), out), 1) if len(out) else None
    _check_k(k, 1)
    x, Y = np.ascontiguousarray(x), np.ascontiguousarray(Y)

    def fill(_: slice, items: slice, out: np.ndarray) -> None:
        dots(Y[items], x, out[0])
        if bias is not None:
            out[0] += bias[items]

    codes, scores, counts = _search(1, len(Y), k, rows, fill, 1, split=Y.size >= ONE_PIECE)
    return codes[0, : counts[0]], scores[0, : counts[0]]


def _search(
    n: int, m: int, k: int, rows: Rows | None, fill: Callable, block: int, split: bool = True
) -> Lists:
    """Run `fill(users, items, out)`, mask and select over all blocks; `split=False`: on this thread alone."""
    block = max(1, min(block, n))
    width = max(1, min(m, WIDEST, max(1024, CELLS // block)))
    blocks = -(-n // block)
    ranges = 1 if not split or blocks >= PIECES else max(1, min(-(-PIECES // max(blocks, 1)), -(-m // width)))
    span = -(-m // ranges)
    scores = np.full((ranges, n, k), -np.inf, np.float32)
    codes, counts = np.zeros((ranges, n, k), np.int32), np.zeros((ranges, n), np.int32)
    choose = _sort_in if k > 128 and k * 16 > width else select
    spare: deque[np.ndarray] = deque()  # buffers are handed on: fresh ones would cost a fault per memory page

    def work(part: int, start: int) -> None:
        end = min(start + block, n)
        try:
            buffer = spare.pop()
        except IndexError:
            buffer = np.empty(block * width, np.float32)
        for low in range(part * span, min((part + 1) * span, m), width):
            high = min(low + width, (part + 1) * span, m)
            users, items = slice(start, end), slice(low, high)
            out = buffer[: (end - start) * (high - low)].reshape(end - start, high - low)
            fill(users, items, out)
            if rows is not None:
                _raise_bad_row(mask(out, low, m, *rows, start), m)
            lists = scores[part, users], codes[part, users], counts[part, users]
            _raise_nan(choose(out, low, *lists), start)
        spare.append(buffer)

    pieces = [(part, start) for start in range(0, n, block) for part in range(ranges)]
    if split:
        in_parallel(work, pieces)
    else:
        for piece in pieces:
            work(*piece)
    if ranges == 1:
        return codes[0], scores[0], counts[0]
    lists = np.zeros((n, k), np.int32), np.full((n, k), -np.inf, np.float32), np.zeros(n, np.int32)
    merge(scores, codes, counts, lists[1], lists[0], lists[2])
    return lists


def _sort_in(
    block: np.ndarray, first_item: int, scores: np.ndarray, codes: np.ndarray, counts: np.ndarray
) -> int:
    """As `select`, for lists so long that sorting costs less than inserting."""
    broken = np.flatnonzero(np.isnan(block).any(axis=1))
    if len(broken):
        return int(broken[0])
    items = np.arange(first_item, first_item + block.shape[1], dtype=np.int32)
    both = np.concatenate([scores, block], axis=1)
    order = np.argsort(-both, axis=1, kind="stable")[:, : scores.shape[1]]
    scores[:] = np.take_along_axis(both, order, 1)
    codes[:] = np.take_along_axis(
        np.concatenate([codes, np.broadcast_to(items, block.shape)], axis=1), order, 1
    )
    counts[:] = (scores > -np.inf).sum(axis=1)
    codes[scores == -np.inf] = 0
    return -1


def _padded(codes: np.ndarray, scores: np.ndarray, k: int) -> Lists:
    count = len(codes)
    wide = np.zeros((1, k), np.int32), np.full((1, k), -np.inf, np.float32)
    wide[0][0, :count], wide[1][0, :count] = codes, scores
    return *wide, np.array([count], np.int32)


def _check_matrix(a: np.ndarray, name: str, shape: tuple[int | None, ...]) -> None:
    wanted = ", ".join("any" if s is None else str(s) for s in shape)
    good = isinstance(a, np.ndarray) and a.dtype == np.float32 and a.ndim == len(shape)
    if not good or any(s is not None and s != t for s, t in zip(shape, a.shape, strict=True)):
        found = f"{a.dtype} {a.shape}" if isinstance(a, np.ndarray) else type(a).__name__
        raise DataError(
            f"{name} is {found}, but must be a float32 array of shape ({wanted})",
            where="top-k search",
            mend=f"give {name} as numpy.float32, with matching sizes",
        )


def _check_k(k: int, block: int) -> None:
    for name, value in (("k", k), ("block", block)):
        if not isinstance(value, (int, np.integer)) or isinstance(value, bool) or value < 1:
            raise DataError(
                f"{name} is {value!r}, but must be an integer >= 1",
                where="top-k search",
                mend=f"give {name} >= 1",
            )


def _rows(leave_out: Rows | None, n: int) -> Rows | None:
    """The rows as int64 and int32, or None where nothing is left out."""
    if leave_out is None or not len(leave_out[1]):
        return None
    indptr, indices = np.asarray(leave_out[0]), np.asarray(leave_out[1])
    problem = None
    if indptr.dtype.kind not in "iu" or indices.dtype.kind not in "iu":
        problem = "leave_out must hold integers"
    elif (
        indptr.shape != (n + 1,)
        or indptr[0] != 0
        or indptr[-1] != len(indices)
        or np.any(np.diff(indptr) < 0)
    ):
        problem = f"leave_out's indptr must rise from 0 to {len(indices)} in {n + 1} steps, one row per user"
    elif indices.dtype.itemsize > 4 and int(indices.max()) > np.iinfo(np.int32).max:
        problem = "leave_out names an item beyond 2**31"
    if problem:
        raise DataError(
            problem, where="top-k search", mend="give (indptr, indices) of a CSR matrix, users by items"
        )
    return np.ascontiguousarray(indptr, np.int64), np.ascontiguousarray(indices, np.int32)


def _raise_bad_row(row: int, m: int) -> None:
    if row >= 0:
        raise DataError(
            f"the left-out items of row {row} are not strictly rising codes from 0 to {m - 1}",
            where="top-k search",
            mend="sort the indices of each row, remove repeats, and number items as Y does",
        )


def _raise_nan(row: int, start: int) -> None:
    if row >= 0:
        raise DataError(
            f"row {start + row} has a score that is not a number (NaN)",
            where="top-k search",
            mend="look for NaN or overflowing factors: a diverged fit, or NaN in the data",
        )
