"""Sparse matrices by row: the shape in which every method reads a log.

`Csr` is SciPy's CSR with what the rest of the house relies on made sure of: int64 offsets, int32 column
numbers sorted within each row without repeats, float32 values or none at all where every entry is 1. A matrix of
histories may also say in which order the entries of each row happened.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any, final

import numpy as np

from matweave.data.counting import faults, group, transpose
from matweave.errors import DataError

if TYPE_CHECKING:
    import scipy.sparse as sp


@final
@dataclass(frozen=True, kw_only=True, eq=False)
class Csr:
    """A sparse matrix by row. Raises DataError for arrays that are not one.

    indptr (rows + 1,) int64; indices (nnz,) int32, rising within a row; values (nnz,) float32, or None
    where every entry is 1. order (nnz,) int32, or None where it is not known: the places within its row, from 0, of the
    entries as they happened, first to last.

    >>> m = Csr.from_pairs([1, 0, 1], [2, 0, 1], [5.0, 3.0, 4.0], shape=(2, 3))
    >>> m.indptr.tolist(), m.indices.tolist(), m.values.tolist()
    ([0, 1, 3], [0, 1, 2], [3.0, 4.0, 5.0])
    """

    indptr: np.ndarray
    indices: np.ndarray
    values: np.ndarray | None
    n_columns: int
    order: np.ndarray | None = None

    def __post_init__(self) -> None:
        problem = self._problem()
        if problem:
            raise DataError(problem, where="Csr", mend="build it with Csr.from_pairs or Csr.from_scipy")

    def _problem(self) -> str | None:
        wanted = (("indptr", self.indptr, np.int64), ("indices", self.indices, np.int32))
        if self.values is not None:
            wanted += (("values", self.values, np.float32),)
        for name, array, dtype in wanted:
            if not isinstance(array, np.ndarray) or array.dtype != dtype or array.ndim != 1:
                return f"{name} is not a 1-d array of {np.dtype(dtype)}"
        if not len(self.indptr) or self.indptr[0] != 0 or self.indptr[-1] != len(self.indices):
            return f"indptr does not run from 0 to the {len(self.indices)} entries"
        if self.values is not None and len(self.values) != len(self.indices):
            return f"{len(self.values)} values for {len(self.indices)} indices"
        fault = faults(self.indptr, self.indices, np.int64(self.n_columns))
        if fault:
            return (
                "indptr falls",
                f"an index is not in 0..{self.n_columns - 1}",
                "a row's indices are not rising: unsorted, or the same entry twice",
            )[fault - 1]
        return self._order_problem()

    def _order_problem(self) -> str | None:
        if self.order is None:
            return None
        if self.order.dtype != np.int32 or self.order.shape != self.indices.shape:
            return f"order is not an array of int32 of the {len(self.indices)} entries"
        lengths = np.diff(self.indptr)
        at = self.order + np.repeat(self.indptr[:-1], lengths)
        inside = (self.order >= 0) & (self.order < np.repeat(lengths, lengths))
        if not inside.all() or (np.bincount(at, minlength=len(at)) != 1).any():
            return "order does not name each entry of a row once"
        return None

    @staticmethod
    def from_pairs(rows: Any, columns: Any, values: Any = None, shape: tuple[int, int] | None = None) -> Csr:
        """The matrix of entries (rows[i], columns[i]) with values[i], each pair at most once.

        shape: (rows, columns); the smallest that holds the pairs where not given. Raises DataError for
        pairs out of the shape, arrays of different lengths, or a pair given twice.
        """
        rows, columns = np.asarray(rows), np.asarray(columns)
        values = None if values is None else np.ascontiguousarray(values, np.float32)
        lengths = {len(rows), len(columns), len(rows) if values is None else len(values)}
        if len(lengths) > 1:
            raise DataError(
                f"rows, columns and values have different lengths: {sorted(lengths)}",
                where="Csr.from_pairs",
                mend="give one of each for every entry",
            )
        if shape is None:
            shape = int(rows.max(initial=-1)) + 1, int(columns.max(initial=-1)) + 1
        n_rows, n_columns = shape
        for name, codes, bound in (("row", rows, n_rows), ("column", columns, n_columns)):
            if len(codes) and (codes.min() < 0 or codes.max() >= bound):
                raise DataError(
                    f"a {name} is not in 0..{bound - 1}",
                    where="Csr.from_pairs",
                    mend="give a shape that holds every pair",
                )
        rows = np.ascontiguousarray(rows, np.int32)
        columns = np.ascontiguousarray(columns, np.int32)
        by_column = group(columns, rows, values, n_columns)
        indptr, indices, weights = transpose(*by_column, n_rows)
        return Csr(indptr=indptr, indices=indices, values=weights, n_columns=n_columns)

    @staticmethod
    def from_scipy(matrix: Any) -> Csr:
        """From any SciPy sparse matrix or array; entries at the same place are summed, as SciPy does."""
        import scipy.sparse as sp  # a tenth of a second that reading a log need not wait for

        m = sp.csr_array(matrix, copy=True)
        m.sum_duplicates()
        m.sort_indices()
        return Csr(
            indptr=m.indptr.astype(np.int64),
            indices=m.indices.astype(np.int32),
            values=m.data.astype(np.float32),
            n_columns=int(matrix.shape[1]),
        )

    def __repr__(self) -> str:
        values = "all 1" if self.values is None else "with values"
        return f"Csr({self.n_rows:,} x {self.n_columns:,}, {self.nnz:,} entries, {values})"

    @property
    def n_rows(self) -> int:
        """Number of rows."""
        return len(self.indptr) - 1

    @property
    def nnz(self) -> int:
        """Number of entries."""
        return len(self.indices)

    @property
    def shape(self) -> tuple[int, int]:
        """(rows, columns)."""
        return self.n_rows, self.n_columns

    @cached_property
    def counts(self) -> np.ndarray:
        """Entries of each row, (rows,) int64."""
        return np.diff(self.indptr)

    def weights(self) -> np.ndarray:
        """The values, (nnz,) float32; ones where there are none."""
        return np.ones(self.nnz, np.float32) if self.values is None else self.values

    def row(self, i: int) -> tuple[np.ndarray, np.ndarray | None]:
        """Columns and values (or None) of row i, as views."""
        cut = slice(self.indptr[i], self.indptr[i + 1])
        return self.indices[cut], None if self.values is None else self.values[cut]

    def in_order(self) -> np.ndarray:
        """Columns of all entries (nnz,) int32, row by row, each row as it happened. Raises DataError where that is not known.

        >>> first, then = np.array([3, 5], np.int32), np.array([1, 0], np.int32)
        >>> Csr(indptr=np.array([0, 2]), indices=first, values=None, n_columns=6, order=then).in_order().tolist()
        [5, 3]
        """
        return self.indices[self._as_happened()]

    def values_in_order(self) -> np.ndarray:
        """The values (nnz,) float32, or ones, of the same entries."""
        return self.weights()[self._as_happened()]

    def _as_happened(self) -> np.ndarray:
        if self.order is None:
            raise DataError(
                "the order in which these entries happened is not known",
                where="histories",
                mend="name the time column when reading the log",
            )
        return self.order + np.repeat(self.indptr[:-1], np.diff(self.indptr))

    def rows(self, codes: Any) -> Csr:
        """The matrix of the rows at `codes`, in that order; a row may be taken more than once."""
        codes = np.asarray(codes)
        if len(codes) and (codes.min() < 0 or codes.max() >= self.n_rows):
            raise DataError(
                f"a row is not in 0..{self.n_rows - 1}", where="Csr.rows", mend="give codes of this matrix"
            )
        codes = codes.astype(np.int64)
        indptr = np.zeros(len(codes) + 1, np.int64)
        np.cumsum(self.indptr[codes + 1] - self.indptr[codes], out=indptr[1:])
        at = np.arange(indptr[-1]) + np.repeat(self.indptr[codes] - indptr[:-1], np.diff(indptr))
        values = None if self.values is None else self.values[at]
        order = None if self.order is None else self.order[at]
        return Csr(
            indptr=indptr, indices=self.indices[at], values=values, n_columns=self.n_columns, order=order
        )

    def transpose(self) -> Csr:
        """The matrix by column: rows become columns; it has no order."""
        indptr, indices, values = transpose(self.indptr, self.indices, self.values, self.n_columns)
        return Csr(indptr=indptr, indices=indices, values=values, n_columns=self.n_rows)

    def scipy(self) -> sp.csr_array:
        """As a SciPy array; the arrays are shared, but for the ones where there are no values."""
        import scipy.sparse as sp

        return sp.csr_array((self.weights(), self.indices, self.indptr), shape=self.shape)
