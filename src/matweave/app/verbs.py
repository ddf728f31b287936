"""The verbs behind every door: CLI now, HTTP and page later. The only conductor; doors translate only."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from inspect import signature
from pathlib import Path
from typing import Any, final

import numpy as np
import pyarrow as pa
import pyarrow.csv as csv
import pyarrow.parquet as parquet

from matweave.app.catalogue import RATING_METHODS, name_of
from matweave.app.feature_files import coverage
from matweave.app.progress import epochs, say
from matweave.artifact import read_card, refuse_foreign, refuse_unwritable, save, write_atomically
from matweave.config import names
from matweave.data.interactions import Interactions
from matweave.data.split import Split, split_by_time, split_by_user, split_leave_last_out, split_randomly
from matweave.errors import ArtifactError, ConfigError, DataError, UnknownId, listed, nearest
from matweave.evaluation.evaluate import validation
from matweave.evaluation.rating_protocol import expected_values
from matweave.factor.checkpoint import Checkpoint, digest, fingerprint
from matweave.factor.forms import Factored
from matweave.factor.loop import FitState, Validation
from matweave.factor.recommender import Recommender
from matweave.factor.uncertain import check_way
from matweave.storage import load_recommender as load

SPLITS = ("time", "leave-last", "random", "by-user")


@final
@dataclass(frozen=True, kw_only=True)
class Fitted:
    """What `fit` leaves: the model, where it is, and whether a checkpoint to go on from was kept."""

    model: Recommender
    folder: Path
    resumed_at: int
    unfinished: bool


@final
@dataclass(frozen=True, kw_only=True)
class Initial:
    """A model that another starts from, and the hash of its arrays: what tells it from any other."""

    model: Recommender
    mark: str


def initial(recipe: Any, folder: Path | None) -> Initial | None:
    """The model in a folder that a recipe is to start from; asked before a log is read.

    Raises ConfigError for a recipe that starts from nothing, ArtifactError for a folder without a recommender.
    """
    if folder is None:
        return None
    if "init" not in signature(recipe.fit).parameters:
        raise ConfigError(
            f"{type(recipe).__name__} starts from no other model",
            where="--init",
            mend="leave it out; networks (neu_mf, sas_rec, light_gcn, ...) take it",
        )
    return Initial(model=load(folder), mark=read_card(folder)["tensors"]["sha256"])


def fit(
    recipe: Any,
    log: Interactions,
    out: Path,
    *,
    valid: float = 0.0,
    metric: str | None = None,
    init: Initial | None = None,
    features: Mapping[str, Any] | None = None,
    resume: bool = False,
    quiet: bool = False,
) -> Fitted:
    """Fit a recipe on a log and save the model in `out`; a checkpoint there lets a killed run go on.

    valid: share of the log, latest first, held out for early stopping on `metric`; 0 for none. init: what `initial` gave.
    features: user_features and item_features, which the recipe takes.
    resume: go on from the checkpoint of a run with the same recipe and log; the result is the same as if
    it had never been killed. Without one in `out`, or with a finished model there, it says so.
    """
    train, check = log, None
    name = name_of(type(recipe))
    if valid and not {"epochs", "burn_in"} & set(names(type(recipe))):
        raise ConfigError(
            f"{name} is solved at once, and has no epochs to stop early",
            where="--valid",
            mend="leave --valid out: it would only keep rows from training",
        )
    for line in [] if quiet else coverage(features or {}, log):
        say(line)
    if valid:
        train, check = held_out(log, valid, name, metric)
    mark = fingerprint(recipe, log) + (f"-{valid}-{metric}" if valid else "")
    given: dict[str, Any] = {} if init is None else {"init": init.model}
    given |= features or {}
    mark += "".join(f"-{kind}-{digest(content)}" for kind, content in sorted((features or {}).items()))
    mark += "" if init is None else f"-init-{init.mark}"
    return fit_to(
        out, recipe, train, name=name, mark=mark, validate=check, resume=resume, quiet=quiet, **given
    )


def fit_to(
    out: Path,
    recipe: Any,
    train: Interactions,
    *,
    name: str,
    mark: str,
    validate: Validation | None = None,
    resume: bool = False,
    quiet: bool = False,
    loaded: Callable[[Path], Any] = load,
    **given: Any,
) -> Fitted:
    """Fit and save, with progress and checkpoints; `name` is shown, `mark` tells one run from another, `given` goes to fit.

    loaded: how a finished model of this kind is read.
    """
    for folder in (out, out / "checkpoint"):  # before the work, not after it
        refuse_foreign(folder)
    refuse_unwritable(out, folder=True)
    checkpoint = Checkpoint(folder=out / "checkpoint", fingerprint=mark)
    state = _start(checkpoint, out, mark, resume, loaded)
    if state is not None and not isinstance(state, FitState):
        say(f"{out} already holds this very fit, finished; nothing to resume")
        return Fitted(model=state, folder=out, resumed_at=state.history.epoch, unfinished=False)
    title = f"{name} (resumed at epoch {state.epoch})" if state else name
    last = state
    try:
        with epochs(title, quiet=quiet) as show:

            def watch(now: FitState, total: int) -> bool | None:
                nonlocal last
                last = now
                checkpoint(now, total)
                return show(now, total)

            model = recipe.fit(train, validate=validate, watch=watch, resume=state, **given)
    except KeyboardInterrupt:
        if checkpoint.exists:
            say(f"stopped at once; add --resume to go on from the checkpoint in {out}")
        raise
    unfinished = model.history.stopped == "interrupted"
    if unfinished and last is not None:
        checkpoint.write(last)
    model_saved(model, out, mark)
    if not unfinished:
        checkpoint.remove()
    return Fitted(model=model, folder=out, resumed_at=state.epoch if state else 0, unfinished=unfinished)


def held_out(
    log: Interactions, valid: float, method: str, metric: str | None
) -> tuple[Interactions, Validation]:
    """The training part, and an early-stopping measure on the latest share of the log (random without times)."""
    name = metric or ("rmse" if method in RATING_METHODS else "ndcg@10")
    if log.times is None:
        split = split_randomly(log, test=valid, valid=0.0, seed=0)
    else:
        split = split_by_time(log, test=valid, valid=0.0)
    return split.train, validation(split.test, metric=name)


def model_saved(model: Recommender, out: Path, mark: str) -> None:
    """Save a model with the mark of the fit that made it."""
    save(model, out, notes={"fingerprint": mark})


def _start(
    checkpoint: Checkpoint, out: Path, mark: str, resume: bool, loaded: Callable[[Path], Any]
) -> FitState | Any | None:
    if not resume:
        if checkpoint.exists:
            say(f"starting anew: the checkpoint of an unfinished run in {out} is dropped")
        checkpoint.remove()
        return None
    if checkpoint.exists:
        state = checkpoint.read()
        say(f"resuming from {checkpoint.folder} after epoch {state.epoch}")
        return state
    try:
        card = read_card(out)
    except ArtifactError:
        raise ArtifactError(
            f"{out} holds neither a checkpoint nor a model to resume",
            where=str(out),
            mend="give the --out of the run that was stopped, or start anew without --resume",
        ) from None
    if card["notes"].get("fingerprint") != mark:
        raise ArtifactError(
            f"{out} holds a finished model of other settings or another log",
            where=str(out),
            mend="resume with the same command, or start anew without --resume",
        )
    return loaded(out)


def split(
    log: Interactions, kind: str, *, test: float, valid: float, seed: int, test_users: int | float
) -> Split:
    """One of the four splits, by the name it has at the doors."""
    check_split(kind)
    if kind == "time":
        return split_by_time(log, test=test, valid=valid)
    if kind == "leave-last":
        return split_leave_last_out(log, valid=1 if valid else 0)
    if kind == "random":
        return split_randomly(log, test=test, valid=valid, seed=seed)
    return split_by_user(log, test_users=test_users, valid_users=test_users if valid else 0, seed=seed)


def check_split(kind: str) -> None:
    """Raise ConfigError for a split that is none of the four."""
    if kind not in SPLITS:
        raise ConfigError(
            f"unknown split {kind!r}{nearest(kind, SPLITS)}",
            where="--split",
            mend=f"use one of: {', '.join(SPLITS)}",
        )


def recommend(
    folder: Path,
    *,
    users: Sequence[str] | None,
    history: Sequence[str] | None,
    attributes: Mapping[str, str] | None = None,
    k: int,
    exclude: Sequence[str],
    seen: bool,
    uncertainty: str | None = None,
    width: float = 1.0,
    seed: int = 0,
) -> pa.Table:
    """Lists for known users (None: all) or for one stranger by history, attributes or both, as an Arrow table.

    Ids come as text and are read as the vocabulary's own type; a history item may be ID or ID=VALUE.
    uncertainty, width, seed: as `Recommender.recommend` takes them.
    """
    check_way(uncertainty, width, seed)
    model = load(folder).with_frame("arrow")
    how: dict[str, Any] = dict(uncertainty=uncertainty, width=width, seed=seed, seen=seen)
    how["exclude"] = ids_of(model.items, exclude)
    if attributes is not None and history is None:
        idle = [name for name, given in (("--uncertainty", uncertainty), ("--seen", seen)) if given]
        if idle:
            raise ConfigError(
                f"{' and '.join(idle)} {'have' if idle[1:] else 'has'} no effect on a stranger without a history",
                where="matweave recommend",
                mend=f"leave {' and '.join(idle)} out, or give --history",
            )
        return model.recommend_new(attributes, k, exclude=how["exclude"])
    if history is None:
        return model.recommend(None if users is None else ids_of(model.users, users), k, **how)
    if not history:
        raise ConfigError("the history names no item", where="--history", mend="for example --history 10,20")
    items, values = _history(history, model.items)
    return model.recommend_for(ids_of(model.items, items), k, values=values, attributes=attributes, **how)


def predict(
    folder: Path, pairs: Interactions, *, interval: float | None = None
) -> tuple[pa.Table, list[str]]:
    """The scores of a log's pairs, as `Recommender.predict` gives them, as an Arrow table; and what must be said of it.

    Ids are read as the model types them. Pairs of which training lacks the user or the item are predicted by the other side, without
    an interval, where the model predicts values (`Factored.half_scores`), and left out where it ranks. Raises UnknownId where it
    would leave all out.
    """
    model, told = load(folder).with_frame("arrow"), []
    users, items = (
        own.encode_text([str(one) for one in said.to_list()])[0][codes]
        for own, said, codes in (
            (model.users, pairs.users, pairs.user_codes),
            (model.items, pairs.items, pairs.item_codes),
        )
    )
    full = (users >= 0) & (items >= 0)
    values = model.limits is not None and isinstance(model, Factored)
    if not full.any() and not values:
        raise UnknownId(
            f"training had the users and items of none of the {len(full):,} pairs",
            where=str(folder),
            mend="check that --user and --item name the right columns; a stranger is served by recommend --history",
        )
    table = model.predict(model.users.decode(users[full]), model.items.decode(items[full]), interval=interval)
    if interval is not None and model.limits is None:
        told.append(f"{model.method} predicts no values: lower and upper are bounds of the expected score")
    if full.all():
        return table, told
    lacking = f"{int((~full).sum()):,} of {len(full):,} pairs have a user or item that training lacks"
    if not values:
        return table, [*told, f"{lacking}: left out"]
    assert isinstance(model, Factored)
    place = np.cumsum(full) - 1
    columns = {
        "user": _as_typed(pairs.users.ids, model.users.ids.type).take(pa.array(pairs.user_codes)),
        "item": _as_typed(pairs.items.ids, model.items.ids.type).take(pa.array(pairs.item_codes)),
        "score": pa.array(expected_values(model, users, items)),
    }
    columns |= {
        name: table[name].take(pa.array(place, mask=~full))
        for name in table.column_names
        if name not in columns
    }
    alone = " (no interval)" if interval is not None else ""
    return pa.table(columns), [*told, f"{lacking}: predicted by the other side{alone}"]


def _as_typed(ids: pa.Array, kind: pa.DataType) -> pa.Array:
    """Ids in the model's type; as they are where one cannot be."""
    try:
        return ids.cast(kind)
    except pa.ArrowException:
        return ids


def similar(folder: Path, item: str, k: int) -> pa.Table:
    """The items most like one, as an Arrow table."""
    model = load(folder).with_frame("arrow")
    return model.similar(ids_of(model.items, [item])[0], k)


def ids_of(vocabulary: Any, texts: Sequence[str]) -> list[Any]:
    """Ids as the vocabulary types them, from text. Raises UnknownId for what it does not hold."""
    if not texts:
        return []
    codes, known = vocabulary.encode_text(list(texts))
    unknown = [text for text, there in zip(texts, known, strict=True) if not there]
    if len(unknown) == 1:
        vocabulary.code(unknown[0])  # raises, naming the nearest id
    if unknown:
        raise UnknownId(
            f"{len(unknown)} of {len(texts)} ids were not in the training log: {listed(unknown)}",
            where=f"a vocabulary of {len(vocabulary):,} ids",
            mend="use ids of the training log; a new user is served by --history",
        )
    return vocabulary.decode(codes).to_pylist()


def _history(texts: Sequence[str], vocabulary: Any) -> tuple[list[str], list[float] | None]:
    items, values = [], []
    _, whole = vocabulary.encode_text(list(texts))
    for text, is_id in zip(texts, whole, strict=True):
        item, sign, value = text.rpartition("=")
        try:
            number = float(value) if sign and not is_id else None  # an id may hold an equals sign itself
        except ValueError:
            number = None
        items.append(text if number is None else item)
        if number is not None:
            values.append(number)
    if values and len(values) != len(items):
        raise DataError(
            f"{len(values)} of {len(items)} items of the history have a value",
            where="--history",
            mend="give a value to all of them, or to none",
        )
    return items, values or None


def refuse_ending(path: Path | None) -> None:
    """Raise ConfigError for a file that `write_table` could not write by its name; asked before the work."""
    if path is not None and path.suffix not in (".parquet", ".csv"):
        raise ConfigError(
            f"{path} ends in neither .parquet nor .csv",
            where="--out",
            mend="end its name in .parquet or .csv",
        )


def write_table(table: pa.Table, path: Path) -> None:
    """Write a table as Parquet or CSV, by the name's ending, whole or not at all."""
    refuse_ending(path)
    sink = pa.BufferOutputStream()
    if path.suffix == ".parquet":
        parquet.write_table(table, sink)
    else:
        csv.write_csv(table, sink)
    write_atomically(path, sink.getvalue().to_pybytes())
