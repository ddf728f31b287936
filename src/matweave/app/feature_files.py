"""Side features at the doors: what `--user-features` and `--item-features` say, read and handed to the recipes that take them."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any

import typer

from matweave.app.options import comma
from matweave.app.progress import say
from matweave.data.content_rows import read_rows
from matweave.data.features import taken
from matweave.data.interactions import Interactions
from matweave.data.item_content import ItemContent
from matweave.data.read_content import content_of
from matweave.errors import ConfigError, DataError, listed, nearest

_FILES = "Attributes of users and items"

Users = Annotated[
    Path | None,
    typer.Option(help="A file with a row for each user, by id.", metavar="FILE", rich_help_panel=_FILES),
]
Items = Annotated[
    Path | None,
    typer.Option(help="A file with a row for each item, by id.", metavar="FILE", rich_help_panel=_FILES),
]
Attributes = Annotated[
    str | None,
    typer.Option(
        help="Columns of either file that are taken; default: all.", rich_help_panel=_FILES, metavar="NAMES"
    ),
]
Levels = Annotated[
    str | None,
    typer.Option(
        help="Columns whose numbers are codes, a level each.", rich_help_panel=_FILES, metavar="NAMES"
    ),
]
UserColumns = Annotated[
    str | None,
    typer.Option(help="Names for a file without a header.", rich_help_panel=_FILES, metavar="NAMES"),
]
ItemColumns = Annotated[
    str | None,
    typer.Option(help="Names for a file without a header.", rich_help_panel=_FILES, metavar="NAMES"),
]
Encoding = Annotated[
    str, typer.Option(help="Of these files: utf-8, latin-1, ...", rich_help_panel=_FILES, metavar="NAME")
]


def read(
    users: tuple[Path | None, str | None],
    items: tuple[Path | None, str | None],
    attributes: str | None = None,
    levels: str | None = None,
    encoding: str = "utf-8",
    quiet: bool = False,
) -> dict[str, ItemContent]:
    """The files that are given, as user_features and item_features; each name of a column may be in either.

    users, items: a file, and names of its columns. Names come as the options have them, with commas between.
    Raises ConfigError for options without a file, DataError for names that no file has and files that cannot be read.

    >>> read((None, None), (None, None))
    {}
    """
    asked = (("user_features", *users), ("item_features", *items))
    idle = [f"--{name.split('_')[0]}-columns" for name, path, columns in asked if columns and path is None]
    if users[0] is None and items[0] is None:
        idle += [f"--{n}" for n, said in (("attributes", attributes), ("levels", levels)) if said]
    if idle:
        raise ConfigError(
            f"there is no file for {', '.join(idle)}",
            where="--user-features, --item-features",
            mend="give the file, or leave them out",
        )
    tables, chosen, codes = {}, comma(attributes), comma(levels)
    said = list(dict.fromkeys((*chosen, *codes)))
    for name, path, columns in asked:
        if path is not None:
            table, told = read_rows(
                path, columns=comma(columns) or None, encoding=encoding, key=None, said=said
            )
            tables[name] = path, table, told
    there = {name for _, table, _ in tables.values() for name in table.column_names}
    missing = [f"there is no column {name!r}{nearest(name, there)}" for name in said if name not in there]
    if missing:
        raise DataError(
            "\n".join([*missing, f"the columns are {listed(sorted(there), 40)}"]),
            where="--attributes, --levels",
            mend="correct the names",
        )
    found = {}
    for name, (path, table, told) in tables.items():
        mine = [column for column in said if column in table.column_names]
        if chosen and not mine:
            raise DataError(
                f"no column of {path} is named among --attributes; it has {listed(table.column_names, 40)}",
                where="--attributes",
                mend="name some, or leave --attributes out: all columns are taken",
            )
        found[name] = content_of(
            table,
            key="id" if table.column_names[:1] == ["id"] else None,
            text=(),
            attributes=mine if chosen else None,
            levels=[column for column in codes if column in mine],
            split="|",
            where=str(path),
            report=told,
        )
        if not quiet:
            say(f"{path}: {found[name]!r}".replace(" items", " ids", 1))
            for line in found[name].report:
                say(f"  {line}")
    return found


def for_recipe(recipe: Any, features: Mapping[str, ItemContent]) -> dict[str, ItemContent]:
    """The features, if the recipe takes all of them. Raises ConfigError otherwise.

    >>> from matweave.factor.popularity import Popularity
    >>> for_recipe(Popularity(), {})
    {}
    """
    mine = taken(recipe, features)
    strange = [f"--{name.replace('_', '-')}" for name in features if name not in mine]
    if strange:
        raise ConfigError(
            f"{type(recipe).__name__} reads no attributes: {', '.join(strange)}",
            where="matweave fit",
            mend="leave it out, or fit a method that reads them: implicit_als, explicit_als, bayesian_mf, factorization_machine",
        )
    return mine


def refuse_unread(recipes: Mapping[str, Any], features: Mapping[str, ItemContent]) -> None:
    """Raise ConfigError for features that none of the recipes reads.

    >>> refuse_unread({}, {})
    """
    idle = [name for name in features if not any(name in taken(r, features) for r in recipes.values())]
    if idle:
        options = ", ".join(f"--{name.replace('_', '-')}" for name in idle)
        raise ConfigError(
            f"none of {', '.join(recipes)} reads attributes: {options}",
            where="matweave compare",
            mend="leave it out, or compare a method that reads them: implicit_als, explicit_als, bayesian_mf, factorization_machine",
        )


def coverage(features: Mapping[str, ItemContent], log: Interactions) -> list[str]:
    """Of how many of a log's users and items the features hold anything, as lines.

    >>> log = Interactions.from_codes([0, 1], [0, 0], user_ids=["a", "b"])
    >>> coverage({"user_features": ItemContent.of(["b", "x"], attributes=[[1.0], [0.0]])}, log)
    ['attributes of 1 of 2 users of the log']
    """
    lines = []
    for name, content in features.items():
        side = name.partition("_")[0]
        ids = log.users if side == "user" else log.items
        _, known = content.typed_like(ids).items.encode(ids.ids)
        lines.append(f"attributes of {int(known.sum()):,} of {len(ids):,} {side}s of the log")
    return lines


def of_training(features: Mapping[str, ItemContent], train: Interactions) -> dict[str, ItemContent]:
    """The features of what training has alone, so that lists are made of the same items as those of other methods."""
    found = dict(features)
    if "item_features" in found:
        found["item_features"] = found["item_features"].over(train.items)
    return found
