"""`matweave tune`: a seeded search over a method's settings, judged on validation data only (extra `tune`)."""

from __future__ import annotations

import importlib
import math
import shlex
import time
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from matweave.app.catalogue import METHODS, RATING_METHODS, VARIANCE_METHODS, method, name_of, recipe_of
from matweave.app.feature_files import for_recipe, of_training
from matweave.app.progress import say
from matweave.app.verbs import held_out
from matweave.config import Space, Span, settings_of
from matweave.data.interactions import Interactions
from matweave.data.item_content import ItemContent
from matweave.errors import ConfigError, DataError, Diverged, MatweaveError, missing_extra
from matweave.evaluation.evaluate import RATINGS
from matweave.evaluation.rating_protocol import OF_INTERVALS
from matweave.factor.spread import WITH_VARIANCE
from matweave.metrics.table import parse

ALIKE = 3
"""Failures of one message, and nothing else, that end a search: the error does not depend on the settings."""


def search(
    name: str,
    log: Interactions,
    *,
    fixed: list[str],
    trials: int,
    minutes: float,
    metric: str | None,
    valid: float,
    seed: int,
    features: Mapping[str, ItemContent] | None = None,
    quiet: bool = False,
) -> dict[str, Any]:
    """The best settings of a method on a validation part of `log`, as a JSON-able object.

    Keys: method, metric, value (of the best), settings, trials, failed, history (one object a trial), and valid: the share
    that networks stop early on, as `fit --valid` does; None for factorizations, which are trained for all of their epochs: they
    search `epochs` where it matters, keep all rows in the end, and stop too soon on single noisy looks (ml-100k, nDCG@10 on
    rows of neither part: BPR 0.311 after 60 epochs and 0.146 stopped early; ImplicitALS 0.311 and 0.296; NMF 0.307 and 0.283).
    Trial 0 is the method's own defaults, so the answer is never worse than them. A failed trial is told and
    skipped; a search that only fails, and in the same way, ends after `ALIKE` trials. Ctrl-C ends the search with the best so far. features: user_features and item_features for every trial, whose
    weights are searched too (`side_space` of the recipe).
    """
    name = name_of(method(name))
    metric = metric or ("rmse" if name in RATING_METHODS else "ndcg@10")
    base = recipe_of(name, fixed, seed)
    chosen = {text.partition("=")[0].strip() for text in fixed}
    sided = for_recipe(base, features or {})
    wide = method(name).space | getattr(base, "side_space", {})
    idle = {k for k in ("user_weight", "item_weight") if k.replace("weight", "features") not in sided}
    space = free(name, wide, chosen | idle)
    refuse_unmeasured(base, log, metric)
    train, check = held_out(log, valid, name, metric)
    sided = of_training(sided, train)
    early: dict[str, Any] = {"validate": check} if METHODS.room(name) == "neural" else {}

    def one(recipe: Any) -> float:
        model = recipe.fit(train, **early, **sided)
        if model.history.stopped == "interrupted":  # a fit takes the first Ctrl-C for itself
            raise KeyboardInterrupt
        return check.measure(model)

    best, history = searched(
        name, base, space, one, metric=metric, trials=trials, minutes=minutes, seed=seed, quiet=quiet
    )
    return found_of(name, base, chosen, metric, best, history) | {"valid": valid if early else None}


def refuse_unmeasured(recipe: Any, log: Interactions, metric: str) -> None:
    """Raise ConfigError for a metric of values where the recipe's model predicts none, or the log has none.

    >>> from matweave.data.simulate import simulate_log
    >>> from matweave.factor.popularity import Popularity
    >>> refuse_unmeasured(Popularity(), simulate_log(users=9, items=9, interactions=20, seed=0).log, "ndcg@5")
    """
    if parse(metric, k=10).metric.name not in RATINGS:
        return
    # nmf predicts values by one of its settings alone
    predicts = getattr(recipe, "predicts_values", False) or getattr(recipe, "missing", "") == "masked"
    why = f"{type(recipe).__name__} ranks, and predicts no values" if not predicts else ""
    if why or log.values is None:
        raise ConfigError(
            f"{metric}: {why or 'the log has no values'}",
            where="--metric",
            mend="tune by ndcg@10 or another metric of ranking"
            + (", or add --set missing=masked" if why and hasattr(recipe, "missing") else ""),
        )
    if parse(metric, k=10).metric.name in OF_INTERVALS and name_of(type(recipe)) not in VARIANCE_METHODS:
        raise ConfigError(
            f"{metric}: {type(recipe).__name__} has no variance",
            where="--metric",
            mend=f"tune by rmse, or take {WITH_VARIANCE}",
        )


def searched(
    name: str,
    base: Any,
    space: Space,
    one: Callable[[Any], float],
    *,
    metric: str,
    trials: int,
    minutes: float,
    seed: int,
    quiet: bool,
) -> tuple[dict[str, Any], list[dict[str, Any]]]:
    """The best trial and all of them: recipes like `base` with settings drawn from `space`, judged by `one`, higher is better.

    Trial 0 is `base` itself. Raises ConfigError where no trial ended well, or the first `ALIKE` failed alike; MissingExtra
    without optuna.
    """
    optuna = searcher()
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    study = optuna.create_study(
        direction="maximize", sampler=optuna.samplers.TPESampler(seed=seed, multivariate=False)
    )
    study.enqueue_trial(_defaults(base, space))
    history: list[dict[str, Any]] = []
    low = lower_is_better(metric)
    failures: list[MatweaveError] = []
    began = time.perf_counter()
    try:
        while len(history) < trials and time.perf_counter() - began < 60 * minutes:
            trial = study.ask()
            settings = {k: _draw(trial, k, span) for k, span in space.items()}
            row: dict[str, Any] = {"trial": len(history), "settings": settings}
            start = time.perf_counter()
            try:
                value = one(replace(base, **settings))
                if not math.isfinite(value):
                    raise DataError(
                        f"{metric} is not a number", where="validation", mend="validate on known users"
                    )
                row["value"] = -value if low else value
                study.tell(trial, value)
            except MatweaveError as error:
                row["error"] = error.what
                failures.append(error)
                study.tell(trial, state=optuna.trial.TrialState.FAIL)
            row["seconds"] = time.perf_counter() - start
            history.append(row)
            if not quiet:
                _tell(row, metric, time.perf_counter() - began)
            if _hopeless(failures, len(history)):
                break
    except KeyboardInterrupt:
        say("interrupted; the best so far is kept")
    good = [row for row in history if "value" in row]
    if not good:
        if not history:
            raise KeyboardInterrupt  # stopped before there was anything to keep
        tried = f"no trial of {name} ended well"
        if _hopeless(failures, len(history)):
            tried = f"the first {ALIKE} trials of {name} failed alike, whatever their settings"
        raise ConfigError(f"{tried}: {failures[0].what}", where="tune", mend=failures[0].mend)
    sign = -1 if low else 1
    return max(good, key=lambda row: sign * row["value"]), history


def lower_is_better(metric: str) -> bool:
    """Whether a metric of recommenders, with its cut or without, or of relations is better low.

    >>> [lower_is_better(name) for name in ("rmse", "gini@10", "mean_rank", "mrr")]
    [True, True, True, False]
    """
    if metric.partition("@")[0] in ("mrr", "hits", "mean_rank"):  # of relations
        return metric == "mean_rank"
    return parse(metric, k=10).metric.higher_is_better is False


def _hopeless(failures: list[MatweaveError], trials: int) -> bool:
    """Whether the first `ALIKE` trials all failed in the same way; a divergence is of the settings, and may go with others."""
    if not trials == len(failures) == ALIKE or any(isinstance(error, Diverged) for error in failures):
        return False
    return len({error.what for error in failures}) == 1


def found_of(
    name: str, base: Any, chosen: set[str], metric: str, best: dict[str, Any], history: list[dict[str, Any]]
) -> dict[str, Any]:
    """The object that a search gives; chosen: the settings that were fixed, which are told with those found."""
    given = {k: v for k, v in settings_of(base).items() if k in chosen}
    return {
        "method": name,
        "metric": metric,
        "value": best["value"],
        "settings": {**given, **best["settings"]},
        "trials": len(history),
        "failed": sum("value" not in row for row in history),
        "history": history,
    }


def free(name: str, space: Space, taken: set[str]) -> Space:
    """The space without what is taken. Raises ConfigError where nothing is left.

    >>> free("bpr", {"rank": (1, 2), "epochs": (3, 4)}, {"rank"})
    {'epochs': (3, 4)}
    """
    left = {k: v for k, v in space.items() if k not in taken}
    if not left:
        raise ConfigError(
            f"every setting of {name} that is searched is fixed by --set", where="tune", mend="leave one out"
        )
    return left


def fit_line(found: dict[str, Any], log: Path, command: str = "matweave fit", /, **columns: Any) -> str:
    """The command that fits with what was found. columns: options of reading, None where they were not given, True for a flag."""
    words = [*command.split(), found["method"], str(log)]
    for name, said in columns.items():
        option = f"--{name.replace('_', '-')}"
        words += [] if said is None else [option] if said is True else [option, said]
    for name, chosen in found["settings"].items():
        words += ["--set", f"{name}={chosen}"]
    if found.get("valid") is not None:
        words += ["--valid", str(found["valid"]), "--metric", found["metric"]]
    return f"{shlex.join(words)} --out DIR"


def searcher() -> Any:
    """The optuna module; MissingExtra where it is not installed."""
    try:
        return importlib.import_module("optuna")
    except ImportError as error:
        raise missing_extra("tune", "optuna", "matweave tune") from error


def _defaults(base: Any, space: Space) -> dict[str, Any]:
    """The defaults, held to the space where they lie outside."""
    found = {}
    for name, span in space.items():
        value = getattr(base, name)
        if isinstance(span, tuple):
            value = value if value in span else span[0]
        elif value is None:  # the recipe's own choice, which no number stands for
            value = int(span.low) if span.whole else span.low
        else:
            value = min(max(value, span.low), span.high)
            value = int(value) if span.whole else float(value)
        found[name] = value
    return found


def _draw(trial: Any, name: str, span: Span | tuple) -> Any:
    if isinstance(span, tuple):
        return trial.suggest_categorical(name, list(span))
    if span.whole:
        return trial.suggest_int(name, int(span.low), int(span.high), log=span.log)
    return trial.suggest_float(name, span.low, span.high, log=span.log)


def _tell(row: dict[str, Any], metric: str, spent: float) -> None:
    settings = ", ".join(
        f"{k} {v:.4g}" if isinstance(v, float) else f"{k} {v}" for k, v in row["settings"].items()
    )
    result = f"{metric} {row['value']:.4f}" if "value" in row else f"failed: {row['error']}"
    say(f"trial {row['trial'] + 1}: {result} ({settings}; {row['seconds']:.1f} s, {spent:.0f} s in all)")
