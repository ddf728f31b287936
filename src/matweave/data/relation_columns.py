"""A table with a triple in each row: which column is the head, the relation, the tail, the value, and the triples.

Names are compared without case and punctuation. A table without names has its columns by place: head, tail; or head,
relation, tail; or head, relation, tail, value. Three columns are head, tail, value where the third holds numbers and
either some of them are not whole or the first column holds other than numbers.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute

from matweave.data.arrow_columns import flat, is_number, is_numeric, is_text, not_numbers, numbers
from matweave.data.content_columns import whole_numbers
from matweave.data.places import Places, Problems
from matweave.data.read_columns import NAMES
from matweave.data.relation_cells import joined_ids
from matweave.data.relations import Relations
from matweave.errors import ConfigError, DataError, listed, nearest

pc: Any = pyarrow.compute  # its functions are made at import, which type checkers do not see

ROLES = ("head", "relation", "tail", "value")

_MOST = 0.8  # a column with more numbers than that is one of numbers with mistakes

_KNOWN = {
    "head": "head subject source from src sub h s node1 u head_id subject_id source_id from_id",
    "relation": "relation predicate rel edge_type relation_type type label rel_type kind r p edge relation_id",
    "tail": "tail object target to dst obj t o node2 v tail_id object_id target_id to_id",
}


def known_roles(names: Sequence[str]) -> dict[str, str]:
    """The roles of columns that are told by their names; of two that may be one role the earlier word counts.

    >>> known_roles(["Subject", "Predicate", "Object", "comment"])
    {'head': 'Subject', 'relation': 'Predicate', 'tail': 'Object'}
    """
    plain = {re.sub(r"[^a-z0-9]", "", name.casefold()): name for name in names}
    words = {role: [re.sub("_", "", w) for w in text.split()] for role, text in _KNOWN.items()}
    words["value"] = [word for tier in NAMES["value"] for word in tier]
    found = {}
    for role in ROLES:
        fit = next((plain[w] for w in words[role] if w in plain), None)
        if fit is not None:
            found[role] = fit
    return found


def choose(
    table: pa.Table, said: Mapping[str, str | None], where: str, *, named: bool
) -> tuple[dict[str, str], str]:
    """The column of each role, and what to tell. named: whether the columns have names of their own.

    said: role -> name, None to find it, "-" for no such column (relation and value). Raises DataError that lists all problems.
    """
    names = table.column_names
    problems = [
        f"there is no column {name!r} for the {role}{nearest(name, names)}"
        for role, name in said.items()
        if name not in (None, "-") and name not in names
    ]
    problems += [f"{role} is '-', but every triple has one" for role in ("head", "tail") if said[role] == "-"]
    found = {role: name for role, name in said.items() if name not in (None, "-")}
    guessed = known_roles(names) if named else _by_place(table)
    for role in ROLES:
        if said[role] is None and role in guessed and guessed[role] not in found.values():
            found[role] = guessed[role]
    if not problems:
        problems = [f"no column is named like the {role}" for role in ("head", "tail") if role not in found]
        if len(set(found.values())) < len(found):
            problems.append(f"one column is named for two roles: {listed(list(found.values()))}")
    if problems:
        raise DataError(
            "\n".join([*problems, f"the columns are {listed(names, 40)}"]),
            where=where,
            mend="name them: head=, relation=, tail=, value= (--head NAME and so on)",
        )
    found = {role: found[role] for role in ROLES if role in found}
    how = "by name" if named else "by place (there is no header)"
    if all(said[role] is not None for role in found):
        how = "as said"
    told = [f"columns {how}: " + ", ".join(f"{role} {name!r}" for role, name in found.items())]
    none = [f"no {role}" for role in ("relation", "value") if role not in found]
    left = [name for name in names if name not in found.values()]
    told += [", ".join(none)] if none else []
    told += [f"ignored: {listed(left, 20)}"] if left else []
    return found, "; ".join(told)


def _by_place(table: pa.Table) -> dict[str, str]:
    names = table.column_names
    if len(names) == 2:
        return dict(zip(("head", "tail"), names, strict=True))
    if len(names) == 3:
        third = _sample(table.column(2))
        if _share(third, is_number) >= _MOST:
            whole = _share(third, lambda text: not is_number(text) or text.strip().lstrip("-").isdecimal())
            if whole < 1 or _share(_sample(table.column(0)), is_number) < 1:
                return dict(zip(("head", "tail", "value"), names, strict=True))
    return dict(zip(ROLES, names[:4], strict=False))


def _share(texts: Sequence[str], test: Callable[[str], bool]) -> float:
    return sum(map(test, texts)) / max(len(texts), 1)


def _sample(column: pa.ChunkedArray) -> list[str]:
    return [str(cell) for cell in column.slice(0, 1000).to_pylist() if cell is not None]


def relations_of(
    table: pa.Table,
    said: Mapping[str, str | None],
    where: str,
    *,
    places: Places,
    named: bool = True,
    text: bool = False,
    duplicates: str = "last",
    on_bad_rows: str = "error",
    undirected: bool = False,
    frame: str = "arrow",
    report: Sequence[str] = (),
) -> Relations:
    """Triples from a table; see `read_relations`. places: of its rows. text: whether all cells are text of a file."""
    if on_bad_rows not in ("error", "drop"):
        raise ConfigError(
            f"on_bad_rows is {on_bad_rows!r}", where="read_relations", mend='use "error" or "drop"'
        )
    if not table.num_rows:
        raise DataError(f"{where} has no rows", where=where, mend="give a triple in each row")
    found, told = choose(table, said, where, named=named)
    ids = {role: flat(table.column(found[role])) for role in ("head", "relation", "tail") if role in found}
    wrong = {f"no {role} in {found[role]!r}": _empty(column) for role, column in ids.items()}
    values = None
    if "value" in found:
        values, bad = _values(table.column(found["value"]), where, found["value"])
        wrong[f"no finite number in {found['value']!r}"] = bad
    report = [*report, told, *_settle(wrong, places, where, on_bad_rows)]
    good = ~np.any(list(wrong.values()), axis=0)
    if not good.any():
        raise DataError(f"{where} has no good row", where=where, mend="give a triple in each row")
    if not good.all():
        ids = {role: column.filter(pa.array(good)) for role, column in ids.items()}
        values = None if values is None else values[good]
    heads, tails, kinds = ids["head"], ids["tail"], ids.get("relation")
    if text:
        both = whole_numbers(pa.chunked_array([heads, tails]))
        heads, tails = both[: len(heads)], both[len(heads) :]
        kinds = None if kinds is None else whole_numbers(pa.chunked_array([kinds]))
    return directed(
        heads, kinds, tails, values, undirected=undirected, duplicates=duplicates, frame=frame, report=report
    )


def directed(
    heads: Any,
    kinds: Any,
    tails: Any,
    values: np.ndarray | None,
    *,
    undirected: bool,
    duplicates: str,
    frame: str = "arrow",
    report: Sequence[str] = (),
) -> Relations:
    """Triples of columns of ids. undirected: head and tail are one pair, whichever way round; repeats are merged, and each
    pair stands there as two triples, loops as one.

    >>> directed(["a", "b"], None, ["b", "a"], None, undirected=True, duplicates="last")
    Relations(2 triples, 2 entities, 1 relation)
    """
    if undirected:
        entities, h, t = joined_ids(heads, tails)
        heads, tails = entities.decode(np.minimum(h, t)), entities.decode(np.maximum(h, t))
    made = Relations.of(
        heads=heads,
        relations=kinds,
        tails=tails,
        values=None if values is None else values.astype(np.float32),
        duplicates=duplicates,
        frame=frame,
        report=report,
    )
    return mirrored(made) if undirected else made


def mirrored(made: Relations) -> Relations:
    """Triples that stand there one way only, and their inverses; loops stay as they are.

    >>> mirrored(Relations.from_codes([0, 1], None, [1, 1]))
    Relations(3 triples, 2 entities, 1 relation)
    """
    turned = made.heads != made.tails
    added = int(np.count_nonzero(turned))
    return replace(
        made,
        heads=np.concatenate([made.heads, made.tails[turned]]),
        relations=np.concatenate([made.relations, made.relations[turned]]),
        tails=np.concatenate([made.tails, made.heads[turned]]),
        values=None if made.values is None else np.concatenate([made.values, made.values[turned]]),
        report=(*made.report, f"undirected: {added:,} inverse triples added"),
    )


def _empty(ids: pa.Array) -> np.ndarray:
    bad = ids.is_null().to_numpy(zero_copy_only=False).astype(bool)
    if is_text(ids.type):
        blank = pc.equal(pc.utf8_trim_whitespace(ids.cast(pa.large_string())), "")
        bad |= pc.fill_null(blank, False).to_numpy(zero_copy_only=False).astype(bool)
    if pa.types.is_floating(ids.type):
        bad |= ~np.isfinite(pc.fill_null(ids, np.nan).to_numpy(zero_copy_only=False))
    return bad


def _values(column: pa.ChunkedArray, where: str, name: str) -> tuple[np.ndarray, np.ndarray]:
    """The numbers of a column, float64, and a mask of the cells that are none."""
    cells = flat(column)
    if is_text(cells.type):
        bad = np.zeros(len(cells), bool)
        bad[not_numbers(pa.chunked_array([cells]), ())] = True
        clean = pc.utf8_trim_whitespace(cells)
        values = numbers(pc.if_else(pa.array(bad), pa.scalar(None, clean.type), clean).cast(pa.float64()))
    elif is_numeric(cells.type) or pa.types.is_boolean(cells.type):
        values = numbers(cells)
    else:
        raise DataError(
            f"the column {name!r} is {cells.type}, which holds no numbers",
            where=where,
            mend="name another column of values, or leave it out: value='-' (--value -)",
        )
    return values, ~(np.abs(values) <= np.finfo(np.float32).max)


def _settle(wrong: Mapping[str, np.ndarray], places: Places, where: str, policy: str) -> list[str]:
    bad = np.any(list(wrong.values()), axis=0)
    if not bad.any():
        return []
    if policy == "drop":
        count = int(np.count_nonzero(bad))
        kinds = "; ".join(
            f"{what}: {places.named(np.flatnonzero(at))}" for what, at in wrong.items() if at.any()
        )
        return [f"{count:,} bad row{'s' if count > 1 else ''} of {len(bad):,} dropped: {kinds}"]
    problems = Problems(places)
    for what, at in wrong.items():
        problems.add(what, at)
    problems.settle(where, "correct them, or leave them out with on_bad_rows='drop' (--on-bad-rows drop)")
    raise AssertionError("unreachable: settle raises")
