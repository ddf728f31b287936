"""Relations among entities: who stands in which relation to whom, and how strongly.

One set of entities, one or many relations over it. A triple is (head, relation, tail), in codes of two vocabularies;
a cell is a place where a triple can stand, numbered (relation * n + head) * n + tail for n entities. Of a cell
without a triple it must be known whether it is a zero or unknown:

    observed None, missing None   every cell without a triple is a zero
    observed                      the cells that are known, all others are unknown; those without a triple are zeros
    missing                       the cells that are unknown, all others are known (held-out cells of a fold)
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from itertools import pairwise
from typing import TYPE_CHECKING, Any, final

import numpy as np
import pyarrow as pa

from matweave.data.frames import as_frame
from matweave.data.relation_cells import (
    Cells,
    cell_problems,
    column_problems,
    int32_codes,
    joined_ids,
    merge_cells,
    range_problems,
    sorted_cells,
)
from matweave.data.vocabulary import Vocabulary, arrow
from matweave.errors import DataError, TooBig

if TYPE_CHECKING:
    import scipy.sparse as sp

MOST_CELLS = 50_000_000
"""Known cells that `known_cells` lists at most: 1.2 GB of codes and values."""


@final
@dataclass(frozen=True, kw_only=True, eq=False)
class Relations:
    """n triples over `entities` (heads and tails alike) and `kinds` (the relations' names), no cell twice.

    heads, relations, tails (n,) int32 codes; values (n,) float32, None for all 1. observed, missing: sorted int64
    numbers of cells, at most one of the two (see the head of this file). frame: the caller's kind of data frame;
    report: what was chosen, dropped and merged on the way. Raises DataError, with every problem, for what does not fit together.

    >>> trade = Relations.from_codes([0, 1, 0], [0, 0, 1], [1, 2, 2], entity_ids=["a", "b", "c"], kind_ids=["sells", "owes"])
    >>> trade
    Relations(3 triples, 3 entities, 2 relations)
    >>> trade.slices()[0].toarray().tolist()
    [[0.0, 1.0, 0.0], [0.0, 0.0, 1.0], [0.0, 0.0, 0.0]]
    """

    entities: Vocabulary
    kinds: Vocabulary
    heads: np.ndarray
    relations: np.ndarray
    tails: np.ndarray
    values: np.ndarray | None = None
    observed: np.ndarray | None = None
    missing: np.ndarray | None = None
    frame: str = "arrow"
    report: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        n, wide = len(self.heads), len(self.entities)
        codes = (("heads", self.heads), ("relations", self.relations), ("tails", self.tails))
        problems = column_problems(n, codes, self.values)
        problems += range_problems(codes, (wide, len(self.kinds), wide)) if not problems else []
        if len(self.kinds) * wide * wide > np.iinfo(np.int64).max:
            problems.append(
                f"{len(self.kinds):,} relations over {wide:,} entities have too many cells to number"
            )
        if self.observed is not None and self.missing is not None:
            problems.append("both observed and missing cells are given; one follows from the other")
        if not problems:
            total = len(self.kinds) * wide * wide
            problems = cell_problems(self.cells, total, observed=self.observed, missing=self.missing)
        if problems:
            raise DataError(
                "\n".join(problems),
                where="Relations",
                mend="build them with Relations.of, Relations.from_codes or read_relations",
            )

    @staticmethod
    def of(
        *,
        heads: Any,
        tails: Any,
        relations: Any = None,
        values: Any = None,
        duplicates: str = "last",
        frame: str = "arrow",
        report: Sequence[str] = (),
    ) -> Relations:
        """Triples from columns of ids, all of one length; relations None: one relation, named "relation".

        duplicates: of a triple seen again keep the "last" or the "first", "sum" the values, or "error". Raises DataError
        for ids that are missing, or of one type in the heads and another in the tails.

        >>> Relations.of(heads=["ann", "bob"], tails=["bob", "cy"]).entities.to_list()
        ['ann', 'bob', 'cy']
        """
        entities, head_codes, tail_codes = joined_ids(heads, tails)
        if relations is None:
            kinds, kind_codes = Vocabulary(ids=pa.array(["relation"])), np.zeros(len(head_codes), np.int32)
        else:
            kinds, kind_codes = Vocabulary.of(relations)
        return Relations.from_codes(
            head_codes,
            kind_codes,
            tail_codes,
            values,
            entity_ids=entities.ids,
            kind_ids=kinds.ids,
            duplicates=duplicates,
            frame=frame,
            report=report,
        )

    @staticmethod
    def from_codes(
        heads: Any,
        relations: Any,
        tails: Any,
        values: Any = None,
        n_entities: int | None = None,
        n_kinds: int | None = None,
        entity_ids: Any = None,
        kind_ids: Any = None,
        *,
        observed: Any = None,
        missing: Any = None,
        duplicates: str = "error",
        frame: str = "arrow",
        report: Sequence[str] = (),
    ) -> Relations:
        """Triples from codes; ids are the codes themselves where none are given; relations None: one relation.

        observed, missing: numbers of cells, in any order, or "triples" for observed: only the cells of these triples are
        known. duplicates: "last", "first", "sum" or "error". Raises DataError for what does not fit together.

        >>> Relations.from_codes([0, 0], None, [1, 1], [2.0, 3.0], duplicates="sum").values.tolist()
        [5.0]
        """
        h, t = int32_codes(heads, "heads"), int32_codes(tails, "tails")
        one = relations is None
        r = np.zeros(len(h), np.int32) if one else int32_codes(relations, "relations")
        v = None if values is None else np.ascontiguousarray(values, np.float32)
        if kind_ids is None and one and n_kinds is None:
            kind_ids = ["relation"]
        largest = max(int(h.max(initial=-1)), int(t.max(initial=-1))) + 1
        entities = _vocabulary(largest, n_entities, entity_ids)
        kinds = _vocabulary(int(r.max(initial=-1)) + 1, n_kinds, kind_ids)
        problems = column_problems(len(h), (("heads", h), ("relations", r), ("tails", t)), v)
        if problems:
            raise DataError(
                "\n".join(problems), where="Relations.from_codes", mend="give columns of one length"
            )
        h, r, t, v, told = merge_cells(h, r, t, v, duplicates)
        only = isinstance(observed, str) and observed == "triples"
        made = Relations(
            entities=entities,
            kinds=kinds,
            heads=h,
            relations=r,
            tails=t,
            values=v,
            observed=None if only else sorted_cells(observed),
            missing=sorted_cells(missing),
            frame=frame,
            report=(*report, *told),
        )
        return made.only_triples() if only else made

    def __repr__(self) -> str:
        said = f"{len(self):,} triples, {len(self.entities):,} entities, {len(self.kinds):,} relation"
        more = ["s" if len(self.kinds) != 1 else "", ", with values" if self.values is not None else ""]
        if self.observed is not None:
            more.append(f", {len(self.observed):,} cells known")
        if self.missing is not None:
            more.append(f", {len(self.missing):,} cells unknown")
        return f"Relations({said}{''.join(more)})"

    def __len__(self) -> int:
        return len(self.heads)

    @property
    def shape(self) -> tuple[int, int, int]:
        """(relations, entities, entities), as the tensor has it."""
        return len(self.kinds), len(self.entities), len(self.entities)

    @cached_property
    def cells(self) -> np.ndarray:
        """The number of each triple's cell, (n,) int64, in the order of the triples."""
        wide = np.int64(len(self.entities))
        return (self.relations.astype(np.int64) * wide + self.heads) * wide + self.tails

    def places(self, cells: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """heads, relations and tails (int32) of cells given by number.

        >>> [a.tolist() for a in Relations.from_codes([0], [0], [1]).places(np.array([2]))]
        [[1], [0], [0]]
        """
        wide = max(len(self.entities), 1)
        rest, tails = np.divmod(cells, wide)
        relations, heads = np.divmod(rest, wide)
        return heads.astype(np.int32), relations.astype(np.int32), tails.astype(np.int32)

    def strengths(self) -> np.ndarray:
        """The value of each triple, (n,) float32, ones where there are none."""
        return np.ones(len(self), np.float32) if self.values is None else self.values

    def slices(self) -> list[sp.csr_array]:
        """One sparse (entities x entities) float32 array for each relation, heads as rows; made once and kept."""
        return self._slices

    @cached_property
    def _slices(self) -> list[sp.csr_array]:
        import scipy.sparse as sp

        order = np.argsort(self.cells)
        h, t, v = self.heads[order], self.tails[order], self.strengths()[order]
        ends = np.searchsorted(self.relations[order], np.arange(len(self.kinds) + 1))
        n = len(self.entities)
        made = []
        for low, high in pairwise(ends.tolist()):
            indptr = np.zeros(n + 1, np.int32)
            np.cumsum(np.bincount(h[low:high], minlength=n), out=indptr[1:])
            made.append(sp.csr_array((v[low:high], t[low:high], indptr), shape=(n, n)))
        return made

    def known_cells(self) -> Cells:
        """Every known cell with its value, zeros too, by ascending number. Raises TooBig beyond fifty million.

        >>> Relations.from_codes([0], None, [1], observed="triples").known_cells().values.tolist()
        [1.0]
        """
        if self.observed is not None:
            numbers = self.observed
        else:
            total = int(np.prod(self.shape, dtype=np.int64))
            if total > MOST_CELLS:
                raise TooBig(
                    f"{total:,} cells are known, and at most {MOST_CELLS:,} are listed",
                    where="known_cells",
                    mend="use a method for sparse zeros, or say which cells are known: observed=...",
                )
            numbers = np.arange(total)
            if self.missing is not None:
                numbers = np.delete(numbers, self.missing)
        values = np.zeros(len(numbers), np.float32)
        values[np.searchsorted(numbers, self.cells)] = self.strengths()
        heads, relations, tails = self.places(numbers)
        return Cells(numbers=numbers, heads=heads, relations=relations, tails=tails, values=values)

    def asymmetry(self) -> np.ndarray:
        """|X - Xᵀ|² / (2 |X|²) of each relation, float64: 0 where it is symmetric, 1 where no pair is related both ways.

        >>> Relations.from_codes([0, 1, 0], [0, 0, 1], [1, 0, 1]).asymmetry().tolist()
        [0.0, 1.0]
        """
        found = np.zeros(len(self.kinds))
        for at, x in enumerate(self.slices()):
            whole = float(np.square(x.data, dtype=np.float64).sum())
            apart = (x - x.T).data
            found[at] = float(np.square(apart, dtype=np.float64).sum()) / (2 * whole) if whole else 0.0
        return found

    @property
    def symmetric(self) -> bool:
        """Whether each relation is its own inverse: X = Xᵀ, exactly."""
        return not self.asymmetry().any()

    def take(self, rows: Any) -> Relations:
        """The triples at positions (int) or under a mask (bool); the vocabularies stay.

        The cells of the others are zeros; where `observed` lists the known cells, they become unknown.
        """
        rows = np.asarray(rows)
        rows = np.flatnonzero(rows) if rows.dtype == bool else rows.astype(np.int64, copy=False)
        observed = self.observed
        if observed is not None:
            observed = np.setdiff1d(observed, np.delete(self.cells, rows), assume_unique=True)
        return replace(
            self,
            heads=self.heads[rows],
            relations=self.relations[rows],
            tails=self.tails[rows],
            values=None if self.values is None else self.values[rows],
            observed=observed,
        )

    def select(self, kinds: Sequence[Any]) -> Relations:
        """The relations of these names alone, in the order given. Raises UnknownId for other names.

        >>> Relations.from_codes([0, 1], [0, 1], [1, 0], kind_ids=["likes", "knows"]).select(["knows"])
        Relations(1 triples, 2 entities, 1 relation)
        """
        chosen = np.array([self.kinds.code(name) for name in kinds], np.int64)
        where = np.full(len(self.kinds), -1, np.int32)
        where[chosen] = np.arange(len(chosen))
        rows = where[self.relations] >= 0

        def renamed(cells: np.ndarray | None) -> np.ndarray | None:
            if cells is None:
                return None
            square = np.int64(len(self.entities)) ** 2
            kind, rest = np.divmod(cells, square)
            inside = where[kind] >= 0
            return np.sort(where[kind[inside]] * square + rest[inside])

        return replace(
            self,
            kinds=self.kinds.take(chosen),
            heads=self.heads[rows],
            relations=where[self.relations[rows]],
            tails=self.tails[rows],
            values=None if self.values is None else self.values[rows],
            observed=renamed(self.observed),
            missing=renamed(self.missing),
        )

    def only_triples(self) -> Relations:
        """The same triples; all cells without one are unknown."""
        return replace(self, observed=np.sort(self.cells), missing=None)

    def recode(self, entities: Vocabulary, kinds: Vocabulary) -> tuple[Relations, int]:
        """The triples whose entities and relation are all in the given vocabularies, in their codes, and how many are not."""
        e, known_e = entities.encode(self.entities.ids)
        k, known_k = kinds.encode(self.kinds.ids)
        kept = known_e[self.heads] & known_k[self.relations] & known_e[self.tails]
        made = Relations(
            entities=entities,
            kinds=kinds,
            heads=e[self.heads[kept]],
            relations=k[self.relations[kept]],
            tails=e[self.tails[kept]],
            values=None if self.values is None else self.values[kept],
            frame=self.frame,
            report=self.report,
        )
        return made, len(self) - len(made)

    def to_frame(self, kind: str | None = None) -> Any:
        """The triples as a frame of their own kind (or arrow, pandas, polars): head, relation, tail, value."""
        columns = {
            "head": self.entities.decode(self.heads),
            "relation": self.kinds.decode(self.relations),
            "tail": self.entities.decode(self.tails),
        }
        if self.values is not None:
            columns["value"] = arrow(self.values)
        return as_frame(pa.table(columns), kind or self.frame)


def _vocabulary(largest: int, n: int | None, ids: Any) -> Vocabulary:
    if ids is None:
        ids = np.arange(largest if n is None else n)
    return Vocabulary(ids=ids if isinstance(ids, (pa.Array, pa.ChunkedArray)) else pa.array(ids))
