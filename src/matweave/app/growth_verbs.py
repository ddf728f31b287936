"""The verbs behind `matweave grow` and `matweave forget`: more rows taken in without training, users taken out exactly."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np

from matweave.app.catalogue import METHODS, label_of
from matweave.app.verbs import ids_of
from matweave.artifact import refuse_foreign, refuse_unwritable, save
from matweave.data.interactions import Interactions
from matweave.errors import ConfigError, DataError
from matweave.factor.fold import cut_short, refitted
from matweave.factor.forms import FactorModel
from matweave.factor.growing import fewer_users, places
from matweave.factor.posterior import PosteriorModel
from matweave.factor.recommender import Recommender
from matweave.storage import load_recommender

Reader = Callable[[], Interactions]


def grow(folder: Path, log: Reader, out: Path) -> tuple[Recommender, list[str]]:
    """The model in a folder with the items and users of a log, saved in `out`; and what was taken in, as lines.

    New items come first, by the rows that known users gave them; then each user of the log, new or known, is solved
    for again. Items that only new users touched, and all new items where the method takes none in, are left out and told; rows that
    the model holds already are told, and change nothing.
    Raises DataError where no row is left.
    """
    _refuse(out)
    model = load_recommender(folder)
    rows, told = log(), []
    fresh = ~model.items.encode(rows.items.ids)[1][rows.item_codes]
    by_known = model.users.encode(rows.users.ids)[1][rows.user_codes]
    if (fresh & by_known).any():
        before = len(model.items)
        try:
            model = model.with_items(rows.take(fresh & by_known))
            told.append(f"{len(model.items) - before:,} new items, by their rows of known users")
        except ConfigError as error:
            told.append(f"no new items: {error.what}")
    there = model.items.encode(rows.items.ids)[1][rows.item_codes]
    if not there.all():
        told.append(f"{int((~there).sum()):,} rows left out: their items are not in the model")
    if not there.any():
        raise DataError(
            "none of the log's rows is of an item of the model",
            where=str(folder),
            mend="give rows of items that training had, or fit again",
        )
    rows, before = rows.take(there), len(model.users)
    old = _known_rows(model, rows)
    if old.any():
        told.append(f"{int(old.sum()):,} rows are in the model already")
    if not old.all():
        rows = rows.take(~old)
        model = model.with_users(rows)
        new = len(model.users) - before
        told.append(
            f"{new:,} new users, {len(np.unique(rows.user_codes)) - new:,} known users with more rows"
        )
    save(model, out)
    return model, told


def _known_rows(model: Recommender, rows: Interactions) -> np.ndarray:
    """(n,) bool: rows that the model's histories hold, with the same value where they have values."""
    users, items = (
        own.encode(said.ids)[0][codes].astype(np.int64)
        for own, said, codes in (
            (model.users, rows.users, rows.user_codes),
            (model.items, rows.items, rows.item_codes),
        )
    )
    seen, n = model.seen, np.int64(len(model.items))
    cells = np.repeat(np.arange(seen.n_rows, dtype=np.int64), seen.counts) * n + seen.indices
    asked = np.where((users >= 0) & (items >= 0), users * n + items, -1)
    if not len(cells):
        return np.zeros(len(asked), bool)
    at = np.minimum(np.searchsorted(cells, asked), len(cells) - 1)
    found = cells[at] == asked
    if seen.values is not None and rows.values is not None:
        found &= seen.values[at] == rows.values.astype(np.float32)
    return found


def forget(folder: Path, users: Sequence[str], out: Path) -> tuple[Recommender, list[str]]:
    """What the method of the model in a folder makes of its training rows without these users, saved in `out`; and lines that tell it.

    Exact deletion: the recipe is fitted again with the same settings and seed, and stopped after as many epochs where validation rows,
    which a model does not hold, or Ctrl-C had stopped it. A start from other factors (`fit --init`) is not repeated: they may hold
    what is to go. Raises UnknownId for ids that training did not have, ConfigError for a model that was fitted on more than a log.
    """
    _refuse(out)
    if not users:
        raise ConfigError("no user is named", where="--user", mend="for example --user 42")
    model = load_recommender(folder)
    ids = ids_of(model.users, users)
    name = label_of(model.method)
    if name not in METHODS or more_than_a_log(model):
        raise ConfigError(
            f"{model.method} was fitted on more than a log",
            where=str(folder),
            mend="fit it again on the log without these users",
        )
    codes, _ = model.users.encode(ids)
    rest = _timed(fewer_users(model, codes), model, codes)
    found, told = refitted(METHODS[name], model, rest), []
    if cut_short(model.history):
        told.append(f"fitted for {found.history.epoch} epochs, as many as the model had")
    save(found, out)
    return found, [*told, f"{len(found.users):,} users left"]


def more_than_a_log(model: Recommender) -> bool:
    """Whether attributes took part in the fit: the model does not hold them all, so that it cannot be fitted again from itself.

    >>> from matweave.factor.popularity import Popularity
    >>> more_than_a_log(Popularity().fit(Interactions.from_codes([0], [0])))
    False
    """
    try:
        model.feature_code()
    except ConfigError:
        if isinstance(model, FactorModel):
            return model.sides is not None
        return isinstance(model, PosteriorModel) and model.fold.knows_items
    return True


def _timed(rest: Interactions, model: Recommender, codes: np.ndarray) -> Interactions:
    """The log with times that only tell the order, for methods that read histories in order and nothing else of time."""
    if model.seen.order is None:
        return rest
    kept = model.seen.rows(np.setdiff1d(np.arange(len(model.users)), codes))
    return replace(rest, times=places(kept))


def _refuse(out: Path) -> None:
    refuse_foreign(out)
    refuse_unwritable(out, folder=True)
