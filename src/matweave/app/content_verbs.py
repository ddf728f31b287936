"""The verbs of content: read it, fit a model that knows new items, judge models on items that they have never seen."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from importlib import import_module
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute

from matweave.app.progress import epochs, say
from matweave.app.verbs import Fitted, fit_to, ids_of
from matweave.artifact import read_card
from matweave.config import build, parse_settings
from matweave.data.content_images import holds_pictures, read_item_images
from matweave.data.content_rows import read_rows
from matweave.data.interactions import Interactions
from matweave.data.item_content import ItemContent
from matweave.data.read_content import content_of
from matweave.data.split_cold import split_cold_items
from matweave.errors import ConfigError, DataError, listed, nearest
from matweave.evaluation.among import among
from matweave.evaluation.evaluate import Evaluation, evaluate
from matweave.factor.checkpoint import digest, fingerprint
from matweave.factor.content_baselines import attribute_popularity, nearest_text
from matweave.factor.recommender import Recommender
from matweave.storage import load_recommender as load

pc: Any = pyarrow.compute  # its functions are made at import, which type checkers do not see

METHODS = {"content_factors": "ContentFactors", "two_tower": "TwoTower"}
"""The methods that read content, each in the file of `neural` of its name."""


def recipe_of(name: str, settings: Sequence[str], seed: int) -> Any:
    """A recipe from its name and NAME=VALUE texts. Raises ConfigError with the nearest name."""
    known = name.strip().replace("-", "_").casefold()
    known = next((k for k, kind in METHODS.items() if known in (k, kind.casefold())), known)
    if known not in METHODS:
        raise ConfigError(
            f"{name!r} is no method that reads content{nearest(name, METHODS)}",
            where="methods",
            mend=f"use one of: {', '.join(METHODS)}",
        )
    kind = getattr(import_module(f"matweave.neural.{known}"), METHODS[known])
    return build(kind, {"seed": seed, **parse_settings(kind, settings)})


def recipes_of(names: Sequence[str], settings: Sequence[str], seed: int) -> dict[str, Any]:
    """Recipes by name for a comparison; settings are METHOD.NAME=VALUE."""
    per: dict[str, list[str]] = {name: [] for name in names}
    wrong = []
    for text in settings:
        owner, dot, rest = text.partition(".")
        if dot and owner in per:
            per[owner].append(rest)
        else:
            wrong.append(f"{text!r} is not METHOD.NAME=VALUE of a method that is judged{nearest(owner, per)}")
    if wrong:
        raise ConfigError("\n".join(wrong), where="--set", mend=f"write for example {names[0]}.epochs=10")
    return {name: recipe_of(name, mine, seed) for name, mine in per.items()}


def read(
    paths: Sequence[Path],
    *,
    key: str | None,
    text: Sequence[str],
    attributes: Sequence[str],
    images: Path | None,
    size: str,
    columns: Sequence[str],
    encoding: str,
    split: str,
) -> ItemContent:
    """The content of several files together; each name of a column may be in any of them.

    columns: of a file without a header. Raises DataError for names that no file has.
    """
    pictures = [path for path in paths if holds_pictures(path)] + ([] if images is None else [images])
    if len(pictures) > 1:
        raise ConfigError(
            f"images come from one folder, not from {listed([str(p) for p in pictures])}",
            where="--images",
            mend="put the pictures into one folder",
        )
    tables: list[tuple[Path, pa.Table, list[str]]] = []
    for path in paths:
        if path not in pictures:
            table, told = read_rows(
                path,
                columns=list(columns) or None,
                encoding=encoding,
                key=key,
                said=[*text, *attributes],
            )
            tables.append((path, table, told))
    there = {name for _, table, _ in tables for name in table.column_names}
    missing = [f"there is no column {n!r}{nearest(n, there)}" for n in (*text, *attributes) if n not in there]
    if missing:
        raise DataError(
            "\n".join([*missing, f"the columns are {listed(sorted(there), 40)}"]),
            where=", ".join(map(str, paths)),
            mend="correct the names of --text and --attributes",
        )
    found = []
    for path, table, told in tables:
        names = table.column_names
        own = key if key in names else "id" if names[:1] == ["id"] else key
        mine = [[name for name in asked if name in names] for asked in (text, attributes)]
        if not any(mine) and len(names) > 2:
            raise DataError(
                f"no column of {path} is named among --text and --attributes; it has {listed(names, 40)}",
                where=str(path),
                mend="name them: --text title,plot --attributes genres",
            )
        found.append(
            content_of(
                table, key=own, text=mine[0], attributes=mine[1], split=split, where=str(path), report=told
            )
        )
    found += [read_item_images(path, size=size) for path in pictures]
    if not found:
        raise ConfigError(
            "there is no content", where="--content", mend="give a file, or a folder of pictures"
        )
    whole = found[0]
    for more in found[1:]:
        whole = whole.joined(more)
    return whole


def fit(
    recipe: Any,
    log: Interactions,
    content: ItemContent,
    out: Path,
    *,
    init: Path | None = None,
    resume: bool = False,
    quiet: bool = False,
) -> Fitted:
    """Fit a recipe on a log and content, and save the model in `out`, with progress and checkpoints as `verbs.fit`."""
    model = None if init is None else load(init)
    name = next(n for n, kind in METHODS.items() if kind == type(recipe).__name__)
    start = None if init is None else read_card(init)["tensors"]["sha256"]  # the model, wherever it lies
    mark = f"{fingerprint(recipe, log)}-{digest(content)}-{start}"
    return fit_to(
        out, recipe, log, name=name, mark=mark, resume=resume, quiet=quiet, content=content, init=model
    )


def judge(
    recipes: Mapping[str, Any],
    log: Interactions,
    content: ItemContent,
    *,
    share: float,
    k: int,
    seed: int,
    quiet: bool,
) -> dict[str, Evaluation]:
    """Hold out a share of the items, fit baselines and recipes on the rest, and rank among the held-out items alone.

    The numbers are recall@k and ndcg@k, by method, baselines first.
    """
    split = split_cold_items(log, test=share, valid=0.0, seed=seed)
    if not quiet:
        for line in split.report.lines():
            say(line)
    known = content.typed_like(log.items)
    _, there = known.items.encode(split.test.items.ids)
    if not there.any():
        raise DataError(
            "none of the held-out items has content",
            where="--content",
            mend="give content of the log's items",
        )
    models: dict[str, Recommender] = {}
    if content.attributes is not None:
        models["attribute_popularity"] = attribute_popularity(split.train, content)
    if content.has_text.any():
        models["nearest_text"] = nearest_text(split.train, content)
    found = {}
    for name in (*models, *recipes):
        model = models.get(name)
        if model is None:
            with epochs(name, quiet=quiet) as show:
                model = recipes[name].fit(split.train, content=content, watch=show)
        one = evaluate(model, split.test, k=k, metrics=["recall", "ndcg"], among=split.test.items, seed=seed)
        found[name] = replace(one, method=name)
    return found


def cold_items(model: Recommender) -> pa.Array:
    """Ids of the model's items without a single row in training.

    Raises DataError where there is none.
    """
    counts = np.bincount(model.seen.indices, minlength=len(model.items))
    if counts.all():
        raise DataError(
            f"each of the model's {len(model.items):,} items has rows in training",
            where="--cold",
            mend="fit with content of items that the log lacks: matweave content fit",
        )
    return model.items.decode(np.flatnonzero(counts == 0))


def recommend(
    folder: Path,
    *,
    users: Sequence[str] | None,
    history: Sequence[str] | None,
    items: Sequence[str],
    k: int,
) -> pa.Table:
    """Lists made of new items only, or of the `items` named, for known users (None: all) or one stranger's history."""
    whole = load(folder).with_frame("arrow")
    chosen = ids_of(whole.items, items) if items else cold_items(whole)
    model = among(whole, chosen)
    if history is None:
        return model.recommend(None if users is None else ids_of(model.users, users), k)
    rows = whole.recommend_for(ids_of(whole.items, history), len(whole.items))
    wanted = pa.array(chosen) if isinstance(chosen, list) else chosen
    keep = pc.is_in(rows["item"], value_set=wanted.cast(rows["item"].type))
    best = rows.filter(keep).slice(0, k)
    return best.set_column(
        best.column_names.index("rank"), "rank", pa.array(np.arange(1, len(best) + 1, dtype=np.int32))
    )
