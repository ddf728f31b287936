"""Content of items from files: `read_content`.

    CSV, TSV, `::`, ;         a row for each item, with a header or with columns named "1", "2", ..., also packed
    Parquet, frames           columns of any type; lists are levels
    JSON lines                an object for each item
    one JSON object           {id: text}, or {id: {"title": ..., "genres": [...]}}
    a folder of pictures      named by id: 1193.png

A column of attributes becomes numbers where every cell is one (but where `levels` says that its numbers are codes), a 0/1
column where it holds booleans, and else one 0/1 column for each level; "Comedy|Drama" is two levels. What was chosen is told in `report`.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import narwhals as nw
import pyarrow as pa

from matweave.data.content_columns import attribute_columns, joined_texts, whole_numbers
from matweave.data.content_images import holds_pictures, read_item_images
from matweave.data.content_rows import read_rows
from matweave.data.item_content import ItemContent, repeated
from matweave.data.read_columns import NAMES
from matweave.data.vocabulary import Vocabulary
from matweave.errors import DataError, listed, nearest


def read_content(
    source: Any,
    *,
    key: str | None = None,
    text: str | Sequence[str] = (),
    attributes: str | Sequence[str] = (),
    levels: str | Sequence[str] = (),
    images: str | os.PathLike[str] | None = None,
    size: Any = 64,
    channels: int = 3,
    columns: Sequence[str] | None = None,
    encoding: str = "utf-8",
    split: str = "|",
) -> ItemContent:
    """Read what is known of items.

    source: a path (see the head of this file), a data frame, or a dict {id: text}. key: the column of ids; None finds it by common
    names, or takes the first. text: columns to be joined as the item's text. attributes: columns to be made numbers.
    levels: columns of attributes whose numbers are codes, so that each is a level: "age=25" for the groups of ages of MovieLens.
    images: a folder of pictures named by id, beside what the source says. size, channels: what all pictures are brought to.
    columns: names of a file's columns, in order; a file without a header is told by them. encoding: of text files.
    split: what stands between the levels of an attribute.

    Raises DataError, all problems at once, for what cannot be read, unknown columns, and ids that are missing or repeat.

    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     path = Path(folder) / "movies.dat"
    ...     _ = path.write_text("1::Heat::Action|Crime\\n2::Big::Comedy\\n")
    ...     films = read_content(path, columns=["id", "title", "genres"], text="title", attributes="genres")
    >>> films.attribute_names, films.attributes.tolist(), films.texts.to_pylist()
    (('genres=Action', 'genres=Comedy', 'genres=Crime'), [[1.0, 0.0, 1.0], [0.0, 1.0, 0.0]], ['Heat', 'Big'])
    """
    codes = _names(levels)
    wanted = _names(text), tuple(dict.fromkeys((*_names(attributes), *codes)))
    if isinstance(source, (str, os.PathLike)):
        path = Path(source)
        if holds_pictures(path):
            return _pictures(path, source, key, wanted, images, size, channels)
        table, told = read_rows(
            path, columns=columns, encoding=encoding, key=key, said=[*wanted[0], *wanted[1]]
        )
        where = str(path)
        key = "id" if key is None and table.column_names[:1] == ["id"] else key
    elif isinstance(source, dict):
        table, told, where = pa.table({"id": list(source), "text": list(source.values())}), [], "a dict"
        key = "id"
    else:
        table, told, where = _table(source), [], f"a {type(source).__name__}"
    found = content_of(
        table,
        key=key,
        text=wanted[0],
        attributes=wanted[1],
        levels=codes,
        split=split,
        where=where,
        report=told,
    )
    if images is None:
        return found
    return found.joined(read_item_images(Path(images), size=size, channels=channels))


def content_of(
    table: pa.Table,
    *,
    key: str | None,
    text: Sequence[str],
    attributes: Sequence[str] | None,
    split: str,
    where: str,
    levels: Sequence[str] = (),
    report: Sequence[str] = (),
) -> ItemContent:
    """Content from a table with a row for each item; see `read_content`.

    attributes: None takes all columns that are not ids. Where neither text nor attributes are named and the table has
    one more column than ids, that is the text.
    """
    names = table.column_names
    key, told = _key(names, key, where)
    if attributes is None:
        attributes = [name for name in names if name != key]
    if not text and not attributes:
        rest = [name for name in names if name != key]
        if len(rest) != 1:
            raise DataError(
                f"which columns are the items' texts and attributes is not said; the columns are {listed(names, 40)}",
                where=where,
                mend="give text= and attributes= (--text title,plot --attributes genres)",
            )
        text = tuple(rest)
    problems = [
        f"there is no column {name!r}{nearest(name, names)}"
        for name in (*text, *attributes)
        if name not in names
    ]
    problems += [f"{name!r} is the column of ids" for name in (*text, *attributes) if name == key]
    if problems:
        raise DataError(
            "\n".join([*problems, f"the columns are {listed(names, 40)}"]),
            where=where,
            mend="correct the names",
        )
    ids = whole_numbers(table.column(key))
    if not len(ids) or ids.null_count:
        what = f"{ids.null_count:,} rows have no id" if len(ids) else "there are no rows"
        raise DataError(what, where=where, mend="give a row for each item, with its id")
    items, codes = Vocabulary.of(ids)
    if len(items) < len(codes):
        raise repeated(items, codes, where)
    values, labels, more = attribute_columns(table, attributes, split, where, levels)
    told = [*report, told, *more]
    told += [f"text: {listed(text)}"] if text else []
    return ItemContent(
        items=items,
        texts=joined_texts(table, text) if text else None,
        attributes=values,
        attribute_names=labels,
        report=tuple(told),
    )


def _pictures(
    path: Path, source: Any, key: Any, wanted: tuple, images: Any, size: Any, channels: int
) -> ItemContent:
    if any(wanted) or key is not None or images is not None:
        raise DataError(
            f"{source} is a folder of pictures, which has no columns and needs no other folder of images",
            where=str(source),
            mend="give the file of texts as the source, and this folder as images=",
        )
    return read_item_images(path, size=size, channels=channels)


def _key(names: Sequence[str], key: str | None, where: str) -> tuple[str, str]:
    if key is not None:
        if key not in names:
            raise DataError(
                f"there is no column {key!r} for the ids{nearest(key, names)}; the columns are {listed(names, 40)}",
                where=where,
                mend="name the column of ids: key=NAME (--key NAME)",
            )
        return key, f"ids: {key!r}, as said"
    plain = {name: "".join(c for c in name.casefold() if c.isalnum()) for name in names}
    for tier in (("id", "itemid", "key"), *NAMES["item"]):
        fit = [name for name in names if plain[name] in tier]
        if len(fit) == 1:
            return fit[0], f"ids: {fit[0]!r}, by its name"
        if fit:
            raise DataError(
                f"more than one column may be the ids: {listed(fit)}",
                where=where,
                mend="name it: key=NAME (--key NAME)",
            )
    return names[0], f"ids: {names[0]!r}, the first column"


def _names(given: str | Sequence[str]) -> tuple[str, ...]:
    return (given,) if isinstance(given, str) else tuple(given)


def _table(source: Any) -> pa.Table:
    if isinstance(source, pa.Table):
        return source
    try:
        frame = nw.from_native(source)
        return (frame.collect() if isinstance(frame, nw.LazyFrame) else frame).to_arrow()
    except (TypeError, pa.ArrowException, nw.exceptions.NarwhalsError) as error:
        raise DataError(
            f"a {type(source).__name__} is no content that can be read: {error}",
            where="read_content",
            mend="give a path, an Arrow table, a pandas or polars frame, or a dict {id: text}",
        ) from error
