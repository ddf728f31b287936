"""The verbs of relations: read, fit, complete and score triples, alike entities, communities, judge, report."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

from matweave.app.catalogue import Methods
from matweave.app.progress import say
from matweave.app.verbs import Fitted, fit_to, ids_of
from matweave.config import build, parse_settings, settings_of
from matweave.data.read_relations import read_relations
from matweave.data.relations import Relations
from matweave.data.vocabulary import Vocabulary
from matweave.errors import ConfigError, DataError, listed, nearest
from matweave.evaluation.relations import (
    RelationEvaluation,
    asked_of,
    evaluate_relations,
    relation_validation,
)
from matweave.factor.loop import Validation
from matweave.factor.relation_forms import RelationModel
from matweave.storage import load_relations

RELATION_METHODS = Methods(
    {
        "rescal": "factor.RESCAL",
        "dedicom": "factor.DEDICOM",
        "symmetric_nmf": "factor.SymmetricNMF",
        "tri_factorization": "factor.TriFactorization",
        "compl_ex": "factor.ComplEx",
    }
)
"""The methods of relations: name as typed -> recipe, each in the file of its name."""


def recipe_of(name: str, settings: Sequence[str], seed: int) -> Any:
    """A recipe from its name and NAME=VALUE texts. Raises ConfigError with the nearest name.

    >>> recipe_of("RESCAL", ["rank=4"], 7).seed
    7
    """
    plain = name.strip().replace("-", "_").casefold()
    known = next((n for n in RELATION_METHODS if plain in (n, RELATION_METHODS.spelling(n).casefold())), None)
    if known is None:
        raise ConfigError(
            f"{name!r} is no method of relations{nearest(name, RELATION_METHODS)}",
            where="methods",
            mend=f"use one of: {', '.join(RELATION_METHODS)}",
        )
    kind = RELATION_METHODS[known]
    found = parse_settings(kind, settings)
    if "seed" in kind.__dataclass_fields__:
        found.setdefault("seed", seed)
    return build(kind, found)


def read(path: Path, *, quiet: bool = False, **how: Any) -> Relations:
    """The relations of a file, told what the reader chose, dropped and merged; see `read_relations`."""
    found = read_relations(path, **how)
    if not quiet:
        say(f"{path}: {found!r}")
        for line in found.report:
            say(f"  {line}")
    return found


def only(train: Relations, names: Sequence[str] | None) -> Relations:
    """The relations of these names alone, where any are given. Raises UnknownId for other names.

    >>> only(Relations.from_codes([0, 1], [0, 1], [1, 0], kind_ids=["likes", "knows"]), ["knows"])
    Relations(1 triples, 2 entities, 1 relation)
    """
    if not names:
        return train
    return train.select(ids_of(train.kinds, list(dict.fromkeys(names))))


def read_parts(
    file: Path, valid: Path | None, names: Sequence[str] | None, *, absent: str, **how: Any
) -> tuple[Relations, Relations | None]:
    """Training and validation triples of two files, of the relations of these names; absent: of training's cells alone."""
    train = only(read(file, absent=absent, **how), names)
    return train, None if valid is None else only(read(valid, **how), names)


def mark_of(recipe: Any, *parts: Relations | None) -> str:
    """A digest of a recipe's settings and of every number and id of the relations it is fitted and validated on.

    >>> ring = Relations.from_codes([0], None, [1])
    >>> mark_of(recipe_of("rescal", [], 0), ring) == mark_of(recipe_of("rescal", [], 1), ring)
    False
    """
    digest = hashlib.sha256(json.dumps([type(recipe).__name__, settings_of(recipe)], default=str).encode())
    for part in parts:
        if part is None:
            digest.update(b"none")
            continue
        for array in (part.cells, part.values, part.observed, part.missing):
            digest.update(b"none" if array is None else np.ascontiguousarray(array).data)
        for vocabulary in (part.entities, part.kinds):
            digest.update(f"{vocabulary.ids.type}{vocabulary.to_list()!r}".encode())
    return digest.hexdigest()


def fit(
    recipe: Any,
    train: Relations,
    out: Path,
    *,
    valid: Relations | None = None,
    metric: str = "mrr",
    resume: bool = False,
    quiet: bool = False,
) -> Fitted:
    """Fit a recipe and save the model in `out`, with progress, checkpoints and early stopping on validation triples."""
    check: Validation | None = None
    if valid is not None:
        check = relation_validation(known_part(valid, train, quiet=quiet), metric=metric)
    name = RELATION_METHODS.of(type(recipe))
    mark = mark_of(recipe, train, valid) + (f"-{metric}" if valid is not None else "")
    done = fit_to(
        out,
        recipe,
        train,  # pyright: ignore[reportArgumentType]: relations stand for a log here
        name=name,
        mark=mark,
        validate=check,
        resume=resume,
        quiet=quiet,
        loaded=load_relations,
    )
    if says_nothing(done.model):
        say("every factor is zero: the regularization is too strong for so few triples; lower it with --set")
    return done


def says_nothing(model: Any) -> bool:
    """Whether every factor of a model is zero, so that all its scores are alike."""
    factors = getattr(model, "entity_factors", None)
    return factors is not None and bool(np.abs(factors).max(initial=0.0) < 1e-6)


def laid_over(part: Relations, entities: Vocabulary, kinds: Vocabulary) -> tuple[Relations, int]:
    """Triples of a file in the ids of a model, and how many it does not know.

    A file's ids may print as the model's and be of another type: "12" as text where one file also holds "x1".
    """

    def codes(mine: Vocabulary, theirs: Vocabulary) -> np.ndarray:
        found, known = theirs.encode(mine.ids)
        if not known.any() and mine.ids.type != theirs.ids.type:
            found, _ = theirs.encode_text([str(i) for i in mine.to_list()])
        return found

    e, k = codes(part.entities, entities), codes(part.kinds, kinds)
    rows = (e[part.heads] >= 0) & (k[part.relations] >= 0) & (e[part.tails] >= 0)
    made = Relations(
        entities=entities,
        kinds=kinds,
        heads=e[part.heads[rows]],
        relations=k[part.relations[rows]],
        tails=e[part.tails[rows]],
        values=None if part.values is None else part.values[rows],
    )
    return made, len(part) - len(made)


def known_part(valid: Relations, train: Relations, *, quiet: bool) -> Relations:
    """The validation triples whose entities and relations training has, by its codes; what is left out is told.

    Raises DataError where none is left.
    """
    told = asked_of(valid, "validation")
    if len(told) < len(valid) and not quiet:
        say(
            f"{len(valid) - len(told):,} validation triples left out: their value is not above 0, and they do not hold"
        )
    laid, lost = laid_over(told, train.entities, train.kinds)
    if not len(laid):
        raise DataError(
            f"training knows the entities and relations of none of the {len(valid):,} validation triples",
            where="--valid",
            mend="check that ids are written as in training",
        )
    if lost and not quiet:
        say(f"{lost:,} validation triples left out: training does not know their entities or relations")
    return laid


def evaluate(
    folder: Path,
    test: Relations,
    *,
    known: Sequence[Relations] = (),
    metrics: Sequence[str],
    side: str,
    seed: int,
) -> RelationEvaluation:
    """Filtered ranking of a file's triples by a saved model; triples that it does not know are counted."""
    model = load_relations(folder)
    laid, lost = laid_over(test, model.entities, model.kinds)
    if not len(laid):
        raise DataError(
            f"the model knows the entities and relations of none of the {len(test):,} triples",
            where=str(folder),
            mend="check that ids are written as in training, and that the columns are the right ones",
        )
    others = [laid_over(part, model.entities, model.kinds)[0] for part in known]
    found = evaluate_relations(model, laid, known=others, metrics=metrics, side=side, seed=seed)
    return replace(found, counts={**found.counts, "triples lost": lost})


def evaluation_json(found: RelationEvaluation) -> dict[str, Any]:
    """What `matweave relations evaluate --json` prints; see docs/json.md."""
    return {
        "method": found.method,
        "protocol": found.protocol,
        "metrics": {name: interval.as_dict() for name, interval in found.metrics.items()},
        "counts": dict(found.counts),
        "by_relation": {name: dict(numbers) for name, numbers in found.by_relation.items()},
        "seconds": found.seconds,
    }


def predict(
    folder: Path, *, head: str | None, relation: str | None, tail: str | None, k: int, known: bool
) -> pa.Table:
    """The best tails of (head, relation, ?), the best heads of (?, relation, tail), or the score of a whole triple."""
    model = load_relations(folder).with_frame("arrow")
    if head is None and tail is None:
        raise ConfigError(
            "neither a head nor a tail is given",
            where="matweave relations predict",
            mend="give --head for the best tails, --tail for the best heads, both for a score, or --triples FILE",
        )
    kind = _one(model.kinds, relation)
    if kind is None and len(model.kinds) > 1:
        raise ConfigError(
            f"there are {len(model.kinds):,} relations, and none is named: {listed(model.kinds.to_list(), 30)}",
            where="matweave relations predict",
            mend="give --relation NAME",
        )
    if head is not None and tail is not None:
        kind = model.kinds.to_list()[0] if kind is None else kind
        return model.predict(ids_of(model.entities, [head]), [kind], ids_of(model.entities, [tail]))
    ends = {"head": _one(model.entities, head), "tail": _one(model.entities, tail)}
    return model.complete(**ends, relation=kind, k=k, known=known)


def _one(vocabulary: Vocabulary, text: str | None) -> Any:
    return None if text is None else ids_of(vocabulary, [text])[0]


def score(folder: Path, triples: Relations) -> tuple[pa.Table, int]:
    """The scores of a file's triples, and how many the model does not know."""
    model = load_relations(folder).with_frame("arrow")
    laid, lost = laid_over(triples, model.entities, model.kinds)
    ids = [
        vocabulary.decode(codes).to_pylist()
        for vocabulary, codes in (
            (model.entities, laid.heads),
            (model.kinds, laid.relations),
            (model.entities, laid.tails),
        )
    ]
    return model.predict(*ids), lost


def similar(folder: Path, entity: str, k: int) -> pa.Table:
    """The entities most like one: entity, similarity, rank."""
    model = load_relations(folder).with_frame("arrow")
    return model.similar(ids_of(model.entities, [entity])[0], k)


def communities(folder: Path, k: int, *, components: bool = False) -> pa.Table:
    """The members of each community, the k strongest; components: the strongest entities of factors of any sign."""
    model = load_relations(folder).with_frame("arrow")
    if not components and not model.nonnegative:
        raise ConfigError(
            f"{model.method} has factors of both signs, whose components are no communities",
            where=str(folder),
            mend="add --components to see its strongest entities, or fit symmetric_nmf or tri_factorization",
        )
    return model.components(k) if components else model.communities(k)


def report(
    path: Path, model: RelationModel, *, train: Relations | None, judged: RelationEvaluation | None = None
) -> Path:
    """The HTML report of a model; see `write_relation_report`."""
    from matweave.evaluation.relation_report import write_relation_report

    return write_relation_report(path, model, train=train, judged=judged)
