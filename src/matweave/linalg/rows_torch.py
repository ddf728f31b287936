"""The row solvers of rows.py on torch: the same systems, the same steps, on a CUDA card (extra `deep`).

    OnTorch(solver=Cholesky(), device="cuda").step(systems, other, own, ridge=..., ...)

`solver` says what is done with a row (ConjugateGradient, Cholesky or BlockDescent, with their settings), this file how. Rows are
taken longest first in blocks of about equal length, each padded to its longest: their columns' vectors are gathered to a tile
(rows, length, width) on the card, and Gram matrices, Cholesky factors and CG steps are batched products over it. Only `other` lies on the card
as a whole; the systems and `own` stay in the host's memory and pass through block by block, so that the log need not fit the card. A row
longer than a tile is gathered part by part.

Numbers. float32 throughout, as in the compiled kernels; sums are rounded otherwise, so that scores agree to about 1e-5 and not to the bit
(held to 1e-4 in tests/linalg/test_rows_torch.py, for every solver and objective). A row's matrix that has no Cholesky factor (no ridge, fewer
columns than the rank) is solved by its eigenvectors, directions of nothing left at zero: the smallest solution, where the kernels set
the unknowns of vanishing pivots to zero.

Cost. As the kernels', times padding (a block's rows are at most a quarter shorter than its longest, or a step of 32). Memory on the card:
4 (columns + 1) width bytes, and a few tiles of `tile` floats.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import final

import numpy as np
from numpy.typing import NDArray

from matweave.deep import Tensor, torch, torch_threads
from matweave.errors import ConfigError
from matweave.linalg.rows import RowSolver, RowSystems
from matweave.linalg.rows_block import BlockDescent
from matweave.linalg.rows_cg import ConjugateGradient, turned_to_basis
from matweave.linalg.rows_cholesky import Cholesky, padded
from matweave.linalg.vectors import Vectors

_TILE = 1 << 26  # floats of a tile: 256 MB
_STEP = 32  # rows of a block differ by no more than this, or by a quarter
_DONE = 1e-12  # of the first r·z: below it float32 has nothing left to improve


@final
@dataclass(frozen=True, kw_only=True)
class OnTorch(RowSolver):
    """A solver of rows on a torch device. Raises ConfigError for a device that is not there, MissingExtra without torch.

    >>> s = RowSystems(np.array([0, 2]), np.array([0, 1], np.int32), 2, weights=1.0, targets=1.0)
    >>> x = Vectors(1, 2)
    >>> OnTorch(solver=Cholesky(), device="cpu").step(s, Vectors.of(np.eye(2)), x, ridge=np.array([1.0]))
    -1.0
    >>> x.array
    array([[0.5, 0.5]], dtype=float32)
    """

    solver: RowSolver
    device: str = "cuda"
    tile: int = _TILE

    def __post_init__(self) -> None:
        try:
            torch.zeros(1, device=self.device)
        except (RuntimeError, AssertionError) as error:
            raise ConfigError(
                f"device {self.device!r} cannot be used: {str(error).splitlines()[0]}",
                where="OnTorch",
                mend="use device='cpu', or install torch for the card",
            ) from error

    def gram(self, vectors: Vectors) -> NDArray[np.float64]:
        with torch_threads(vectors.n * vectors.rank**2):
            table = torch.from_numpy(vectors.array).to(self.device)
            total = torch.zeros(vectors.rank, vectors.rank, dtype=torch.float64)
            for part in table.split(1 << 16):
                total += (part.T @ part).double().cpu()
        return total.numpy()

    def step(
        self,
        systems: RowSystems,
        other: Vectors,
        own: Vectors,
        *,
        ridge: NDArray,
        shared: NDArray | None = None,
        bias_ridge: NDArray | None = None,
        pull: Vectors | None = None,
    ) -> float:
        solve, constant, biased = self._way(systems, other, own, shared, pull)
        if solve is None:
            return float("nan")
        a, b = systems.a, systems.b
        if biased:
            b, constant = systems.shifted(other.bias)  # type: ignore[arg-type]
            a = systems.entry_weights
        put = _Put(self.device)
        table = put(other.data)
        ridges, weak = (
            np.asarray(ridge, np.float32),
            np.asarray(ridge if bias_ridge is None else bias_ridge, np.float32),
        )
        value = 0.0
        work = int(systems.counts.sum()) * other.width * 8
        with torch.no_grad(), torch_threads(work):
            for at, length in _blocks(systems, max(self.tile // other.width, 1), self._least(other.width)):
                rows = _Rows(
                    table=table,
                    entries=_Entries(systems, at, length, a, b, put),
                    limit=max(self.tile // (other.width * len(at)), 1),
                    start=put(own.data[at]),
                    ridge=put(ridges[at]),
                    mass=put(systems.mass[at]),
                    pull=None if pull is None else put(pull.data[at]),
                    bias=put(own.bias[at]) if biased and own.bias is not None else None,
                    bias_ridge=put(weak[at]),
                )
                x, c, f = solve(rows)
                own.data[at] = x.cpu().numpy()
                if own.bias is not None and c is not None:
                    own.bias[at] = c.cpu().numpy()
                value += float(f.double().sum())
        return value + constant

    def _least(self, width: int) -> int:
        """Entries that a row counts for at least: one that is solved by a matrix of its own holds so many vectors."""
        if isinstance(self.solver, Cholesky):
            return width
        return min(self.solver.size, width) if isinstance(self.solver, BlockDescent) else 1

    def _way(
        self, systems: RowSystems, other: Vectors, own: Vectors, shared: NDArray | None, pull: Vectors | None
    ) -> tuple[Callable[[_Rows], _Solved] | None, float, bool]:
        """How a block of rows is solved (None: the vectors are lost), what is added to the objective, whether there are biases."""
        biased = other.bias is not None
        put = _Put(self.device)
        if isinstance(self.solver, ConjugateGradient):
            found = turned_to_basis(systems, other, own, shared, pull)
            if found is None:
                return None, 0.0, biased
            diagonal, shape, steps = put(found[0]), put(found[1]), self.solver.steps
            return lambda rows: _conjugate(rows, diagonal, shape, steps), 0.0, biased
        common = put(padded(shared, other))
        if isinstance(self.solver, Cholesky):
            return lambda rows: _exact(rows, common), 0.0, biased
        if isinstance(self.solver, BlockDescent) and not biased:
            block = min(self.solver.size, other.width)
            return lambda rows: _by_blocks(rows, common, block), 0.0, biased
        raise ConfigError(
            f"{type(self.solver).__name__} does not solve {'rows with biases' if biased else 'rows'} on torch",
            where="OnTorch",
            mend="use ConjugateGradient or Cholesky",
        )


_Solved = tuple[Tensor, Tensor | None, Tensor]
"""x (rows, width), biases (rows,) or None, f (rows,)."""


@final
class _Put:
    """Arrays of the host on the device."""

    def __init__(self, device: str) -> None:
        self.device = device

    def __call__(self, array: NDArray) -> Tensor:
        return torch.from_numpy(np.ascontiguousarray(array)).to(self.device)


def _blocks(
    systems: RowSystems, most: int, least_entries: int = 1
) -> Iterator[tuple[NDArray[np.int64], int]]:
    """Rows of about one length, longest first, with that length; rows times length (or `least_entries`) is at most `most`, where a row allows it.

    Every row is in one block, also those without entries.
    """
    lengths = np.diff(systems.indptr)[systems.order]  # falling
    low = 0
    while low < len(lengths):
        longest = int(lengths[low])
        least = min(longest * 3 // 4, longest - _STEP)
        high = low + int(np.searchsorted(-lengths[low:], -least, side="left")) if least > 0 else len(lengths)
        high = max(min(high, low + max(most // max(longest, least_entries), 1)), low + 1)
        yield systems.order[low:high], longest
        low = high


@final
class _Entries:
    """Columns, weights and targets of a block of rows, padded to one length: padding points at the row of zeros."""

    def __init__(
        self, systems: RowSystems, at: NDArray, length: int, a: NDArray, b: NDArray, put: _Put
    ) -> None:
        lengths = systems.indptr[at + 1] - systems.indptr[at]
        place = systems.indptr[at][:, None] + np.arange(length)
        there = np.arange(length) < lengths[:, None]
        place = np.where(there, place, 0)
        if length:
            self.columns = put(np.where(there, systems.indices[place], systems.n_columns).astype(np.int64))
        else:
            self.columns = put(np.zeros((len(at), 0), np.int64))
        real = (self.columns < systems.n_columns).float()
        self.a = put(a[place]) * real if len(a) == len(systems.indices) and length else float(a[0]) * real
        self.b = put(b[place]) * real if len(b) == len(systems.indices) and length else float(b[0]) * real
        self.real = real


@final
@dataclass(frozen=True, kw_only=True)
class _Rows:
    """A block of rows: the table of columns, the entries, and what each row has of its own; `limit` entries are gathered at once."""

    table: Tensor
    entries: _Entries
    limit: int
    start: Tensor
    ridge: Tensor
    mass: Tensor
    pull: Tensor | None
    bias: Tensor | None
    bias_ridge: Tensor

    def tiles(self) -> Iterator[tuple[Tensor, Tensor, Tensor]]:
        """(vectors, weights, targets) of some entries of every row: (rows, n, width), (rows, n), (rows, n)."""
        e = self.entries
        for low in range(0, e.columns.shape[1], self.limit):
            part = slice(low, low + self.limit)
            yield self.table[e.columns[:, part]], e.a[:, part], e.b[:, part]

    def right(self) -> Tensor:
        """Σ b t, and p: (rows, width)."""
        total = torch.zeros_like(self.start) if self.pull is None else self.pull.clone()
        for t, _, b in self.tiles():
            total += torch.einsum("uk,ukd->ud", b, t)
        return total


def _exact(rows: _Rows, common: Tensor) -> _Solved:
    """Cholesky of Σ a t tᵀ + common + ρ I, with the bias eliminated last."""
    n, width = rows.start.shape
    matrix = common.expand(n, width, width).clone()
    matrix.diagonal(dim1=1, dim2=2).add_(rows.ridge[:, None])
    middle, beta = torch.zeros_like(rows.start), torch.zeros_like(rows.ridge)
    for t, a, b in rows.tiles():
        weighted = t * a[..., None]
        matrix.baddbmm_(weighted.transpose(1, 2), t)
        middle += weighted.sum(1)
        beta += b.sum(1)
    right = rows.right()
    if rows.bias is None:
        (x,) = _solved(matrix, right)
        return x, None, -(x * right).sum(1)
    x, part = _solved(matrix, right, middle)
    above = beta - (middle * x).sum(1)
    below = rows.mass + rows.bias_ridge - (middle * part).sum(1)
    c = torch.where(below > 0, above / below, torch.zeros_like(below))
    x = x - c[:, None] * part
    return x, c, -(x * right).sum(1) - c * beta


def _solved(matrix: Tensor, *right: Tensor) -> tuple[Tensor, ...]:
    """Solutions of symmetric systems (n, d, d) for several right sides (n, d); the smallest where a matrix is singular."""
    stacked = torch.stack(right, -1)
    factor, info = torch.linalg.cholesky_ex(matrix)
    found = torch.cholesky_solve(stacked, factor)
    bad = (info > 0) | ~torch.isfinite(found).flatten(1).all(1)
    if bool(bad.any()):
        values, vectors = torch.linalg.eigh(matrix[bad].double())
        keep = values > 1e-7 * values[:, -1:]
        inverse = torch.where(keep, 1 / torch.where(keep, values, torch.ones_like(values)), 0.0)
        along = vectors.transpose(1, 2) @ stacked[bad].double()
        found[bad] = (vectors @ (inverse[..., None] * along)).float()
    return found.unbind(-1)


def _conjugate(rows: _Rows, diagonal: Tensor, shape: Tensor, steps: int) -> _Solved:
    """Preconditioned CG from where the rows were, all rows of the block together; a row that is done stands still."""
    biased = rows.bias is not None
    d = diagonal + rows.ridge[:, None]
    m = 1 / (d + rows.mass[:, None] * shape).clamp(min=1e-30)
    x = rows.start
    if biased:
        d = torch.cat([d, rows.bias_ridge[:, None]], 1)
        m = torch.cat([m, 1 / (rows.bias_ridge + rows.mass).clamp(min=1e-30)[:, None]], 1)
        x = torch.cat([x, rows.bias[:, None]], 1)  # type: ignore[index]
    tiles = list(rows.tiles()) if rows.entries.columns.shape[1] <= rows.limit else None

    def through(v: Tensor, targets: bool) -> tuple[Tensor, Tensor]:
        """Σ (b - a s) t (or Σ a s t), and Σ b s."""
        total, scored = torch.zeros_like(v), torch.zeros_like(v[:, 0])
        for t, a, b in tiles or rows.tiles():
            s = torch.einsum("ukd,ud->uk", t, v[:, : t.shape[2]])
            s = s + v[:, -1:] if biased else s
            push = b - a * s if targets else a * s
            total[:, : t.shape[2]] += torch.einsum("uk,ukd->ud", push, t)
            if biased:
                total[:, -1] += push.sum(1)
            scored += (b * s).sum(1)
        return total, scored

    r, scored = through(x, True)
    if rows.pull is not None:
        width = rows.pull.shape[1]
        r[:, :width] += rows.pull
        scored = scored + (x[:, :width] * rows.pull).sum(1)
    r = r - d * x
    f = -scored - (x * r).sum(1)
    p = m * r
    rz = (r * p).sum(1)
    f = torch.where(torch.isfinite(rz), f, torch.nan)
    enough, going = _DONE * rz, torch.ones_like(rz, dtype=torch.bool)
    for _ in range(steps):
        q = d * p + through(p, False)[0]
        curve = (p * q).sum(1)
        going = going & (rz > enough) & (curve > 0)
        length = torch.where(going, rz / torch.where(going, curve, 1.0), 0.0)
        f = f - length * rz * going
        x = x + length[:, None] * p
        r = r - length[:, None] * q
        z = m * r
        after = (r * z).sum(1)
        turn = torch.where(going, after / torch.where(going, rz, 1.0), 0.0)
        p = z + turn[:, None] * p
        rz = torch.where(going, after, rz)
    return (x[:, :-1], x[:, -1], f) if biased else (x, None, f)


def _by_blocks(rows: _Rows, common: Tensor, block: int) -> _Solved:
    """One sweep of exact block steps (iALS++), the scores kept up to date."""
    x = rows.start.clone()
    e = rows.entries
    scores = torch.zeros_like(e.a)
    for low in range(0, e.columns.shape[1], rows.limit):
        part = slice(low, low + rows.limit)
        scores[:, part] = torch.einsum("ukd,ud->uk", rows.table[e.columns[:, part]], x)
    for first in range(0, x.shape[1], block):
        column = min(first, x.shape[1] - block)  # as in the kernel: the last block overlaps the one before
        mine = slice(column, column + block)
        matrix = common[mine, mine].expand(len(x), block, block).clone()
        matrix.diagonal(dim1=1, dim2=2).add_(rows.ridge[:, None])
        right = -(x @ common[:, mine]) - rows.ridge[:, None] * x[:, mine]
        if rows.pull is not None:
            right = right + rows.pull[:, mine]
        for low in range(0, e.columns.shape[1], rows.limit):
            part = slice(low, low + rows.limit)
            t = rows.table[e.columns[:, part], mine]
            matrix.baddbmm_((t * e.a[:, part, None]).transpose(1, 2), t)
            right += torch.einsum("uk,ukd->ud", e.b[:, part] - e.a[:, part] * scores[:, part], t)
        (step,) = _solved(matrix, right)
        x[:, mine] += step
        for low in range(0, e.columns.shape[1], rows.limit):
            part = slice(low, low + rows.limit)
            scores[:, part] += torch.einsum("ukd,ud->uk", rows.table[e.columns[:, part], mine], step)
    f = (scores * (e.a * scores - 2 * e.b)).sum(1) + (x * (x @ common)).sum(1) + rows.ridge * (x * x).sum(1)
    if rows.pull is not None:
        f = f - 2 * (x * rows.pull).sum(1)
    return x, None, f
