"""What a delimited file looks like, from its beginning: separator, quotes, header, columns by place."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import final

from matweave.data.parse_numbers import SECONDS
from matweave.data.read_columns import known_names
from matweave.data.read_times import form_of
from matweave.errors import ConfigError, DataError, listed

SEPARATORS = ("::", "\t", ",", ";", "|", " ")
"""Tried in this order; a later one must fit more rows."""

HEAD = 1 << 18
"""Bytes looked at."""

_ROWS = 200
_RATHER_A_TIME = 10**8  # a whole number from here on is rather a time than a rating
_MOST = 0.8


@final
@dataclass(frozen=True, kw_only=True)
class Look:
    """`rows`: the first rows below the header; before them are `skip` bytes in `lines` lines."""

    separator: str
    quoted: bool
    names: tuple[str, ...]
    header: bool
    rows: tuple[tuple[str, ...], ...]
    skip: int
    lines: int

    def column(self, at: int) -> list[str]:
        """The texts of a column, from rows of the right number of fields."""
        return [row[at] for row in self.rows if len(row) == len(self.names)]


def look(
    head: bytes,
    whole: bool,
    where: str,
    *,
    separator: str | None = None,
    quoted: bool | None = None,
    header: bool | None = None,
    columns: Sequence[str] | None = None,
    said: Sequence[str] = (),
) -> Look:
    """Look at the first bytes of a file; what is given is not guessed.

    Raises DataError for an empty file or one without any separator, ConfigError for a separator that cannot be.
    """
    begin = 3 if head.startswith(b"\xef\xbb\xbf") else 0
    if not whole:
        end = head.rfind(b"\n") + 1
        if not end:
            raise DataError(
                f"the first line of {where} is longer than {len(head):,} bytes",
                where=where,
                mend="give a text file with one interaction a line",
            )
        head = head[:end]
    text = head[begin:].decode("latin-1")  # one letter a byte, so that places are counted in bytes
    if not text.strip():
        raise DataError(f"{where} is empty", where=where, mend="give a file with one interaction a line")
    if "\r" in text.strip() and "\n" not in text:
        raise DataError(
            f"the lines of {where} end in a carriage return alone, as on an old Macintosh",
            where=where,
            mend="convert it: tr '\\r' '\\n' < FILE > NEW",
        )
    if separator is None:
        separator = _guess_separator(text, where)
    else:
        separator = _checked(separator)
    if quoted is None:
        quoted = separator in ",;|" or (separator == "\t" and _wrapped_in_quotes(text))
    elif quoted and (separator == " " or len(separator) > 1):
        raise ConfigError(
            f"quotes are not read between separators {separator!r}",
            where="read_interactions",
            mend="leave quoted out, or convert the file to CSV",
        )
    found = []
    for row in rows_of(text, separator, quoted):
        found.append(row)
        if len(found) > _ROWS:
            break
    first = tuple(f.strip() for f in found[0][0])
    if header is None:
        named = bool(set(said) & set(first)) and not any(map(_is_number, first))
        header = named or (columns is None and _is_header(first, [row for row, *_ in found[1:]]))
    _, end, lines = found[0] if header else ((), 0, 0)
    names = tuple(columns) if columns is not None else first if header else _numbers(len(first))
    if len(names) != len(first):
        raise DataError(
            f"{len(names)} columns are named, but the first row has {len(first)} fields",
            where=where,
            mend="name every column",
        )
    rows = tuple(row for row, *_ in found[header:])
    return Look(
        separator=separator,
        quoted=quoted,
        names=names,
        header=header,
        rows=rows,
        skip=begin + end,
        lines=lines,
    )


def rows_of(text: str, separator: str, quoted: bool) -> Iterator[tuple[tuple[str, ...], int, int]]:
    """Fields of each row that is not blank, with the places (letters, lines) after it. `text` is latin-1 of UTF-8."""
    at = lines = 0
    while at < len(text):
        fields: list[str] = []
        while True:
            if quoted and text.startswith('"', at):
                close = at + 1
                while (close := text.find('"', close)) >= 0 and text.startswith('""', close):
                    close += 2
                close = len(text) if close < 0 else close
                field, after = text[at + 1 : close].replace('""', '"'), close + 1
                lines += field.count("\n")
            else:
                field, after = None, at
            line_end = text.find("\n", after)
            line_end = len(text) if line_end < 0 else line_end
            stop = text.find(separator, after, line_end)
            ends = stop < 0
            stop = line_end if ends else stop
            plain = text[after:stop].removesuffix("\r") if ends else text[after:stop]
            fields.append(
                (plain if field is None else field + plain).encode("latin-1").decode("utf-8", "replace")
            )
            at = stop + (1 if ends else len(separator))
            if ends:
                break
        lines += 1
        if separator == " ":
            fields = [f for f in fields if f]
        if fields and fields != [""]:
            yield tuple(fields), at, lines


def by_place(look: Look) -> dict[str, int]:
    """Roles of the columns of a file without a header: user, item, then value and time by how they look."""
    n = len(look.names)
    found = {"user": 0, "item": 1} if n > 1 else {}
    rest = range(2, min(n, 4))
    times = [at for at in rest if _is_time(look.column(at))]
    numbers = [at for at in rest if at not in times and _share(look.column(at), _is_number) >= _MOST]
    if numbers:
        found["value"] = numbers[0]
    if times:
        found["time"] = times[0]
    elif len(numbers) == 2:
        found["time"] = numbers[1]
    return found


def _guess_separator(text: str, where: str) -> str:
    best, best_share = "", 0.0
    for separator in SEPARATORS:
        counts = Counter()
        for row, *_ in rows_of(text, separator, separator in ",;|"):
            counts[len(row)] += 1
            if counts.total() > _ROWS:
                break
        fields, rows = max(counts.items(), key=lambda c: (c[1], c[0]))
        share = rows / counts.total()
        if fields > 1 and share > best_share:
            best, best_share = separator, share
    if not best:
        raise DataError(
            f"no separator is found in {where}; its first line is {text.splitlines()[0][:80]!r}",
            where=where,
            mend=f"say it: separator=..., for example one of {listed(SEPARATORS)}",
        )
    return best


def _checked(separator: str) -> str:
    separator = {"\\t": "\t", "tab": "\t", "space": " "}.get(separator, separator)
    plain = separator.isascii() and 1 <= len(separator) <= 2 and not set(separator) & set('\r\n"\0')
    if not plain or (len(separator) == 2 and " " in separator):
        raise ConfigError(
            f"separator is {separator!r}",
            where="read_interactions",
            mend=f"use one or two ASCII characters, for example one of {listed(SEPARATORS)}",
        )
    return separator


def _wrapped_in_quotes(text: str) -> bool:
    """True where the fields of the first line of a TSV that begin with a quote end with one as well."""
    fields = [f for f in text.lstrip("\r\n").split("\n", 1)[0].strip("\r").split("\t") if f.startswith('"')]
    return bool(fields) and all(len(f) > 1 and f.endswith('"') for f in fields)


def _is_header(first: Sequence[str], rows: Sequence[Sequence[str]]) -> bool:
    if not all(first) or len(set(first)) < len(first) or any(_is_number(f) or form_of([f]) for f in first):
        return False
    if known_names(first):
        return True
    same = [row for row in rows if len(row) == len(first)]
    columns = list(zip(*same, strict=True))
    return any(_share(c, _is_number) >= _MOST or _is_time(c) for c in columns)


def _numbers(n: int) -> tuple[str, ...]:
    return tuple(str(k + 1) for k in range(n))


def _is_number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return True


def _is_time(texts: Sequence[str]) -> bool:
    form = form_of(texts)
    if form is None or form.form != SECONDS:
        return form is not None
    return _share(texts, lambda t: _is_number(t) and abs(float(t)) >= _RATHER_A_TIME) >= _MOST


def _share(texts: Sequence[str], test) -> float:
    return sum(map(test, texts)) / max(len(texts), 1)
