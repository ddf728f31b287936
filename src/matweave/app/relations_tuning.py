"""`matweave relations tune`: the search of app/tuning.py for methods of relations, judged by the ranks of validation triples."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from matweave.app.progress import say
from matweave.app.relations_verbs import RELATION_METHODS, known_part, recipe_of, says_nothing
from matweave.app.tuning import found_of, free, searched
from matweave.data.relations import Relations
from matweave.data.split_relations import split_relations
from matweave.errors import DataError
from matweave.evaluation.relations import relation_validation


def search(
    name: str,
    train: Relations,
    valid: Relations | None,
    *,
    fixed: Sequence[str],
    trials: int,
    minutes: float,
    metric: str,
    seed: int,
    quiet: bool = False,
) -> dict[str, Any]:
    """The best settings of a method of relations, as a JSON-able object with the keys of `matweave tune`.

    valid: triples that training does not have; None: a tenth of the training triples, drawn by the seed, such that what
    is left still knows every entity. metric: mrr, hits@k or mean_rank, by filtered ranking. Raises ConfigError as `matweave tune` does.
    """
    base = recipe_of(name, list(fixed), seed)
    name = RELATION_METHODS.of(type(base))
    chosen = {text.partition("=")[0].strip() for text in fixed}
    space = free(name, RELATION_METHODS[name].space, chosen)
    if valid is None:
        parts = split_relations(train, test=0.1, valid=0.0, seed=seed)
        train, valid = parts.train, parts.test
    asked = known_part(valid, train, quiet=quiet)
    if not quiet:
        say(f"judged by {len(asked):,} validation triples, fitted on {len(train):,}")
    check = relation_validation(asked, metric=metric)

    def one(recipe: Any) -> float:
        model = recipe.fit(train)
        if model.history.stopped == "interrupted":  # a fit takes the first Ctrl-C for itself
            raise KeyboardInterrupt
        if says_nothing(model):  # the ranks of ties would be its value
            raise DataError(
                f"every factor is zero where regularization is {recipe.regularization:g}",
                where="relations tune",
                mend="lower the regularization, by --set",
            )
        return check.measure(model)

    best, history = searched(
        name, base, space, one, metric=metric, trials=trials, minutes=minutes, seed=seed, quiet=quiet
    )
    return found_of(name, base, chosen, metric, best, history)
