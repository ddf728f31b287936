"""Compressed sparse rows: who touched what, in the one form that every kernel reads.

Rows hold their column indices in rising order. Building is two counting sorts (by column, then by row),
so it is stable, linear, and the transpose costs one more; the kernels release the GIL.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Any, final

import numpy as np
import scipy.sparse as sp
from numba import njit

from matweave.errors import DataError


@final
@dataclass(frozen=True, kw_only=True, eq=False)
class Csr:
    """A sparse matrix by rows.

    indptr int64 (rows + 1,), indices int32 (nnz,) rising within a row, values float32 (nnz,) or None (all 1).

    >>> m = Csr.from_pairs([0, 1, 1], [2, 0, 2], values=[5, 3, 1], shape=(2, 3))
    >>> m.row(1)
    (array([0, 2], dtype=int32), array([3., 1.], dtype=float32))
    >>> m.transpose().row(2)
    (array([0, 1], dtype=int32), array([5., 1.], dtype=float32))
    """

    indptr: np.ndarray
    indices: np.ndarray
    values: np.ndarray | None
    n_columns: int

    def __post_init__(self) -> None:
        problems = []
        if self.indptr.dtype != np.int64 or self.indices.dtype != np.int32:
            problems.append(
                f"indptr is {self.indptr.dtype} and indices {self.indices.dtype}, not int64 and int32"
            )
        if self.values is not None and self.values.dtype != np.float32:
            problems.append(f"values are {self.values.dtype}, not float32")
        if len(self.indptr) < 1 or self.indptr[-1] != len(self.indices):
            problems.append(f"indptr ends at {self.indptr[-1:]} for {len(self.indices)} indices")
        if self.values is not None and len(self.values) != len(self.indices):
            problems.append(f"{len(self.values)} values for {len(self.indices)} indices")
        if problems:
            raise DataError(
                "; ".join(problems), where="Csr", mend="build it with Csr.from_pairs or from_scipy"
            )

    @property
    def n_rows(self) -> int:
        return len(self.indptr) - 1

    @property
    def nnz(self) -> int:
        return len(self.indices)

    @property
    def shape(self) -> tuple[int, int]:
        return self.n_rows, self.n_columns

    @cached_property
    def counts(self) -> np.ndarray:
        """Entries of each row, int64."""
        return np.diff(self.indptr)

    def row(self, at: int) -> tuple[np.ndarray, np.ndarray | None]:
        """Columns and values of one row."""
        cut = slice(self.indptr[at], self.indptr[at + 1])
        return self.indices[cut], None if self.values is None else self.values[cut]

    def rows(self, at: Any) -> Csr:
        """Some rows, in the order given; a row may be asked for twice."""
        at = np.ascontiguousarray(at, dtype=np.int64)
        if len(at) and (at.min() < 0 or at.max() >= self.n_rows):
            raise DataError(
                f"rows outside 0..{self.n_rows - 1}", where="Csr.rows", mend="give codes of this matrix"
            )
        indptr = np.zeros(len(at) + 1, np.int64)
        np.cumsum(self.counts[at], out=indptr[1:])
        indices = np.empty(indptr[-1], np.int32)
        _gather(self.indptr, self.indices, at, indptr, indices)
        values = None
        if self.values is not None:
            values = np.empty(indptr[-1], np.float32)
            _gather(self.indptr, self.values, at, indptr, values)
        return Csr(indptr=indptr, indices=indices, values=values, n_columns=self.n_columns)

    def transpose(self) -> Csr:
        """Columns as rows; O(nnz)."""
        rows = np.repeat(np.arange(self.n_rows, dtype=np.int32), self.counts)
        indptr, order = group(self.indices, self.n_columns)
        values = None if self.values is None else self.values[order]
        return Csr(indptr=indptr, indices=rows[order], values=values, n_columns=self.n_rows)

    def weights(self) -> np.ndarray:
        """The values, or ones where there are none; float32 (nnz,)."""
        return np.ones(self.nnz, np.float32) if self.values is None else self.values

    def scipy(self) -> sp.csr_array:
        """The same matrix for SciPy; shares memory with this one."""
        matrix = sp.csr_array((self.weights(), self.indices, self.indptr), shape=self.shape)
        matrix.has_sorted_indices = True
        return matrix

    @staticmethod
    def from_scipy(matrix: Any) -> Csr:
        """From any SciPy sparse matrix; entries named twice are summed, as SciPy does."""
        matrix = sp.csr_array(matrix, dtype=np.float32, copy=True)
        matrix.sum_duplicates()
        return Csr(
            indptr=matrix.indptr.astype(np.int64),
            indices=matrix.indices.astype(np.int32),
            values=matrix.data,
            n_columns=int(matrix.shape[1]),
        )

    @staticmethod
    def from_pairs(rows: Any, columns: Any, values: Any = None, *, shape: tuple[int, int]) -> Csr:
        """From coordinates, each at most once; the order of the pairs does not matter."""
        rows, columns = np.asarray(rows, np.int32), np.asarray(columns, np.int32)
        _, by_column = group(columns, shape[1])
        indptr, by_row = group(rows[by_column], shape[0])
        order = by_column[by_row]
        given = None if values is None else np.asarray(values, np.float32)[order]
        return Csr(indptr=indptr, indices=columns[order], values=given, n_columns=shape[1])


def group(codes: np.ndarray, count: int) -> tuple[np.ndarray, np.ndarray]:
    """A stable counting sort: `indptr` int64 (count + 1,) and the order int64 (n,) that groups the codes.

    >>> group(np.array([1, 0, 1], np.int32), 2)
    (array([0, 1, 3]), array([1, 0, 2]))
    """
    indptr = np.zeros(count + 1, np.int64)
    np.cumsum(np.bincount(codes, minlength=count), out=indptr[1:])
    order = np.empty(len(codes), np.int64)
    _order(codes, indptr[:-1].copy(), order)
    return indptr, order


@njit(nogil=True, cache=True)
def _order(codes, cursor, order):
    for i in range(len(codes)):
        c = codes[i]
        order[cursor[c]] = i
        cursor[c] += 1


@njit(nogil=True, cache=True)
def _gather(indptr, source, at, out_indptr, out):
    for r in range(len(at)):
        start, put = indptr[at[r]], out_indptr[r]
        for i in range(out_indptr[r + 1] - put):
            out[put + i] = source[start + i]
