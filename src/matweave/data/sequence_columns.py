"""What the columns of a delimited file of sequences are: id, time, target, text, values; and how rows are laid out.

    wide   each row is a sequence: a target, and the values of its steps in order
    long   each row is a step: the id of its sequence, perhaps a time, the values of its channels, a target
    text   each row is a sequence: a text, read by character, and a target

The first line is a header where it holds a name that was said; else, if no text of it comes again below, where it
holds a known name, where a column of numbers begins with a text there, or where it is all text but for numbers that
count. A first line 0, 1, 2, ... counts the columns of a frame without names. Columns without a name are called by their
place, "0", "1", ..., and the first one is the target unless another is said.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import final

from matweave.config import one_of
from matweave.data.arrow_columns import is_number
from matweave.data.delimited_text import DelimitedText, refuse_repeats
from matweave.data.target_column import NAMES as TARGETS
from matweave.data.target_column import find_target
from matweave.errors import ConfigError, DataError, listed, nearest

IDS = ("id", "sequenceid", "seqid", "seriesid", "caseid", "sampleid")
TIMES = ("time", "timestamp", "datetime", "date", "t", "step")
TEXTS = ("text",)

_MEND = "say the columns: target=, id=, time=, text= (--target NAME and so on)"


@final
@dataclass(frozen=True, kw_only=True)
class Asked:
    """What the caller said of the columns; "-" is none of that kind, None is to be found."""

    target: str | None = None
    id: str | None = None
    time: str | None = None
    text: str | None = None
    layout: str | None = None
    task: str | None = None


@final
@dataclass(frozen=True, kw_only=True)
class Chosen:
    """The layout and the column of each kind. `skip`: lines of a header without names, to be passed over."""

    layout: str
    names: tuple[str, ...]
    header: bool
    skip: int
    target: str | None
    id: str | None
    time: str | None
    values: tuple[str, ...]
    report: tuple[str, ...]


def choose_columns(text: DelimitedText, asked: Asked) -> Chosen:
    """Choose by what was said, by names, and by the first rows; see the module.

    Raises ConfigError for settings that do not fit together, DataError that lists what cannot be told, with all
    columns.
    """
    check_asked(asked)
    where = str(text.path)
    rows = text.head()
    header, skip, told = _header(rows, asked)
    names = rows[0] if header else tuple(str(i) for i in range(len(rows[0])))
    refuse_repeats(names, where)
    body = rows[1:] if header or skip else rows
    if not body:
        raise DataError(f"{where} has a header, but no row", where=where, mend="give a file with sequences")
    numeric = _numeric(names, body)
    target = _named("target", asked.target, names, where)
    if asked.target is None:
        spoken_for = {asked.id, asked.time, asked.text}
        first = "0" if len(names) > 1 and "0" not in spoken_for and asked.layout != "long" else None
        target = find_target([n for n in names if n not in spoken_for]) if header else first
    free = [n for n in names if n != target]
    id_ = _named("id", asked.id, names, where) or (_known(IDS, free, asked.id) if header else None)
    _refuse_doubles({"target": target, "id": id_}, where)
    layout, text_column, why = _layout(text, asked, names, numeric, header, target, id_)
    if layout == "long" and not header and asked.target is None:
        target = None
    if layout == "text" and asked.target is None and target is None:
        others = [n for n in names if n not in (id_, text_column)]
        target = others[0] if len(others) == 1 else None
    time = None
    if layout == "long":
        free = [n for n in names if n not in (target, id_)]
        time = _named("time", asked.time, names, where) or (
            _known(TIMES, free, asked.time) if header else None
        )
    values = (text_column,) if text_column else tuple(n for n in names if n not in (target, id_, time))
    left = []
    if layout == "long":
        left = [n for n in values if n not in numeric]
        values = tuple(n for n in values if n in numeric)
    elif layout == "text":
        left = [n for n in names if n not in (target, id_, text_column)]
    elif strange := [n for n in values if n not in numeric]:
        raise DataError(
            f"columns of a wide file must hold numbers, but these hold text: {listed(strange)}",
            where=where,
            mend="say which is the target (target=) and which the id (id=), or which to read by character (text=)",
        )
    roles = {"target": target, "id": id_, "time": time}
    _refuse_doubles({**roles, "text": text_column}, where)
    if not values:
        raise DataError(f"no column of {where} is left for values", where=where, mend=_MEND)
    told.append(why)
    told.append(", ".join(f"{role} {name!r}" if name else f"no {role}" for role, name in roles.items()))
    if not text_column:
        told.append(f"{len(values):,} column{'s' * (len(values) > 1)} of values")
    if left:
        told.append(f"columns left out: {listed(left)}")
    return Chosen(
        layout=layout,
        names=names,
        header=header,
        skip=skip,
        target=target,
        id=id_,
        time=time,
        values=values,
        report=tuple(told),
    )


def check_asked(asked: Asked) -> None:
    """Raise ConfigError for a layout that is none, and for settings that cannot go together."""
    wrong = []
    wanted = None if asked.layout is None else one_of("wide", "long")(asked.layout)
    if wanted:
        wrong.append(f"layout is {asked.layout!r}, but must be {wanted}")
    if asked.text is not None and (asked.layout or asked.time):
        wrong.append("text= reads one text in each row: layout and time are not for it")
    if asked.time not in (None, "-") and asked.layout == "wide":
        wrong.append("time= is for the long layout, where each row is a step")
    if asked.text == "-":
        wrong.append("text is '-', but must be the name of a column")
    if wrong:
        raise ConfigError("\n".join(wrong), where="read_sequences", mend="leave out what does not belong")


def _header(rows: list[tuple[str, ...]], asked: Asked) -> tuple[bool, int, list[str]]:
    """(whether the first row names the columns, lines to pass over where it names none, what to tell)."""
    first = [cell.strip() for cell in rows[0]]
    columns = [[row[at].strip() for row in rows[1:] if at < len(row)] for at in range(len(first))]
    if len(first) > 2 and first == [str(i) for i in range(len(first))]:
        return False, 1, ["the first line counts the columns and names none"]
    texts = [at for at, cell in enumerate(first) if cell and not is_number(cell)]
    said = {asked.target, asked.id, asked.time, asked.text} - {None, "-"}
    if said & {first[at] for at in texts}:
        return True, 0, []
    if not texts or any(first[at] in columns[at] for at in texts):
        return False, 0, ["no header"]
    known = {*TARGETS, *IDS, *TEXTS} & {plain(cell) for cell in first}
    names_numbers = any(any(columns[at]) and all(is_number(c) for c in columns[at] if c) for at in texts)
    counts = [float(cell) for cell in first if is_number(cell)]
    counting = counts in (list(range(len(counts))), list(range(1, len(counts) + 1)))
    named = bool(known) or names_numbers or counting  # no number at all counts too
    return named, 0, [] if named else ["no header"]


def _layout(
    text: DelimitedText,
    asked: Asked,
    names: Sequence[str],
    numeric: set[str],
    header: bool,
    target: str | None,
    id_: str | None,
) -> tuple[str, str | None, str]:
    """(layout, the text column, what to tell)."""
    where = str(text.path)
    if asked.text is not None:
        return "text", _named("text", asked.text, names, where), "text by character, as said"
    if asked.layout == "long" and id_ is None:
        raise DataError(f"no column is named like the id of a sequence{_all(names)}", where=where, mend=_MEND)
    if asked.layout is not None:
        return asked.layout, None, f"{asked.layout}, as said"
    if asked.id not in (None, "-") or asked.time not in (None, "-"):
        if id_ is None:
            raise DataError(f"time= is said, but no column is the id{_all(names)}", where=where, mend=_MEND)
        return "long", None, "long: each row is a step"
    if id_ is not None and _repeats(text, id_):
        return "long", None, f"long: each row is a step, for {id_!r} repeats"
    known = _known(TEXTS, names, None) if header else None
    if known is not None and known != target:
        return "text", known, f"text by character: column {known!r} by its name"
    texts = [n for n in names if n not in numeric and n not in (target, id_)]
    others = [n for n in names if n in numeric and n not in (target, id_)]
    if len(texts) == 1 and not others:
        return "text", texts[0], f"text by character: {texts[0]!r} is the only column of text"
    if len(texts) > 1 and not others:
        raise DataError(
            f"more than one column may be the text: {listed(texts)}",
            where=where,
            mend="say which is the text (text=) and which the target (target=)",
        )
    return "wide", None, "wide: each row is a sequence"


def _repeats(text: DelimitedText, column: str) -> bool:
    import pyarrow as pa

    cells = text.read(types={column: pa.string()}, only=[column]).column(0)
    return len(cells.unique()) < len(cells)


def _numeric(names: Sequence[str], body: list[tuple[str, ...]]) -> set[str]:
    """Columns of which at least half of the first cells are numbers, or all are empty."""
    found = set()
    for at, name in enumerate(names):
        cells = [row[at].strip() for row in body if at < len(row) and row[at].strip()]
        if 2 * sum(map(is_number, cells)) >= len(cells):
            found.add(name)
    return found


def _named(role: str, name: str | None, names: Sequence[str], where: str) -> str | None:
    if name is None or name == "-":
        return None
    if name not in names:
        raise DataError(
            f"there is no column {name!r} for the {role}{nearest(name, names)}{_all(names)}",
            where=where,
            mend=_MEND,
        )
    return name


def _known(known: Sequence[str], names: Sequence[str], asked: str | None) -> str | None:
    if asked == "-":
        return None
    return next((name for wanted in known for name in names if plain(name) == wanted), None)


def plain(name: str) -> str:
    """A name without case, spaces and punctuation.

    >>> plain("Sequence_ID")
    'sequenceid'
    """
    return "".join(c for c in name.casefold() if c.isalnum())


def _refuse_doubles(roles: dict[str, str | None], where: str) -> None:
    taken: dict[str, str] = {}
    for role, name in roles.items():
        if name is None:
            continue
        if name in taken:
            raise DataError(
                f"column {name!r} cannot be the {taken[name]} and the {role}",
                where=where,
                mend="say another column for one of them, or '-' for none",
            )
        taken[name] = role


def _all(names: Sequence[str]) -> str:
    return f"; the columns are {listed(list(names), 20)}"
