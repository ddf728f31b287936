"""`compare`: several recipes on one split, judged on the same users, with intervals and paired tests."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from typing import Any, final

import numpy as np

from matweave.config import settings_of
from matweave.data.features import taken
from matweave.data.given import Candidates
from matweave.data.item_content import ItemContent
from matweave.data.split import Split
from matweave.errors import ConfigError, MatweaveError
from matweave.evaluation.budget import Budget
from matweave.evaluation.evaluate import RATINGS, Evaluation, asked_for, evaluate, validation
from matweave.evaluation.judged import Judged
from matweave.evaluation.machine import peak_memory, versions
from matweave.evaluation.paired import holm, sign_flip
from matweave.factor.loop import Watch
from matweave.factor.recommender import Recommender
from matweave.metrics.table import parse
from matweave.metrics.uncertainty import LEVELS

WARM_ROWS = 256
SAME = 0.05  # a corrected p at or above this: not told apart from the best
FAILURES = (MatweaveError, MemoryError, np.linalg.LinAlgError)  # of one method: the others go on


@final
@dataclass(frozen=True, kw_only=True)
class Result:
    """One method of a comparison.

    seconds: of the fit alone; kernels were compiled before. peak_mb: largest resident size of the process during it.
    p_values: metric -> two-sided p against the best method of that metric, Holm-corrected; the best itself and
    set-wide numbers have none.
    over: how the fit went over the budget, where it did. ended: (epoch, epochs) where the budget ended it before the last.
    error: why the method failed; then there is no evaluation and no model.
    """

    name: str
    settings: Mapping[str, Any]
    seconds: float
    peak_mb: float
    evaluation: Evaluation | None = None
    model: Recommender | None = field(default=None, repr=False)
    p_values: Mapping[str, float] = field(default_factory=dict)
    over: str = ""
    ended: tuple[int, int] | None = None
    error: str | None = None

    @property
    def label(self) -> str:
        """The name as it is ranked: with ‡ where the budget ended the fit, which more time could change."""
        return self.name if self.ended is None else f"{self.name} ‡"

    def mean(self, metric: str) -> float:
        """The mean of a metric; NaN where this method has none."""
        judged = None if self.evaluation is None else self.evaluation.metrics.get(metric)
        return math.nan if judged is None else judged.mean


@final
@dataclass(frozen=True, kw_only=True)
class Comparison:
    """Results, best first by the first metric; failed methods last.

    interrupted: Ctrl-C ended it before every method was judged. budget: seconds that a fit was given; None for no end.
    left_out: methods that were asked for and not fitted, and why. attributes: method -> which of user_features and
    item_features it was given; empty where there were none.
    """

    results: tuple[Result, ...]
    metrics: tuple[str, ...]
    split: Split = field(repr=False)
    protocol: str
    k: int
    seed: int
    interrupted: bool = False
    budget: float | None = None
    left_out: Mapping[str, str] = field(default_factory=dict)
    attributes: Mapping[str, tuple[str, ...]] = field(default_factory=dict)

    def __str__(self) -> str:
        from matweave.evaluation.leaderboard import as_text

        return as_text(self)

    def best(self, metric: str) -> Result | None:
        """The method with the best mean of a metric; None where no method has it, or it is neither way better."""
        sign = _sign(metric)
        means = [(sign * mean, r) for r in self.results if not math.isnan(mean := r.mean(metric))]
        return max(means, key=lambda pair: pair[0])[1] if means and sign else None

    def as_json(self) -> dict[str, Any]:
        """The object that `compare --json` writes; its keys are described in docs/json.md."""
        return {
            "results": [result_json(r, self.split, self.protocol) for r in self.results],
            "metrics": list(self.metrics),
            "protocol": self.protocol,
            "seed": self.seed,
            "budget": self.budget,
            "left_out": dict(self.left_out),
            "attributes": {name: list(kinds) for name, kinds in self.attributes.items()},
        }


def compare(
    recipes: Mapping[str, Any],
    split: Split,
    *,
    k: int = 10,
    metrics: Sequence[str] | None = None,
    candidates: Candidates | None = None,
    threshold: float | None = None,
    seed: int = 0,
    resamples: int = 1000,
    features: Mapping[str, ItemContent] | None = None,
    progress: Callable[[str], Watch] | None = None,
    budget: float | None = None,
    left_out: Mapping[str, str] | None = None,
) -> Comparison:
    """Fit every recipe on split.train, with early stopping on split.valid where there is one, and judge on split.test.

    recipes: name -> recipe. A method that fails is told as failed, and the others go on. features: user_features and item_features, given to the methods that take them. progress(name) gives a
    watcher of that method's epochs. budget: seconds for each fit; one in epochs is ended after the epoch that passes them, and
    judged as it is; one without is told as over. left_out: methods not to be fitted, told with their reasons. The other arguments are those of `evaluate`. Ctrl-C cuts an iterative fit short,
    judges it as it is and goes on; pressed twice, or elsewhere, it ends the comparison with the methods judged so far.

    Raises ConfigError for no recipes or unknown metrics.

    >>> import matweave as mw
    >>> split = mw.split_by_time(mw.simulate_log(users=200, items=60, interactions=4000, seed=0).log, valid=0)
    >>> found = mw.compare({"popularity": mw.Popularity(), "ease": mw.EASE()}, split, metrics=["ndcg@10"])
    >>> sorted(r.name for r in found.results)
    ['ease', 'popularity']
    """
    if not recipes:
        raise ConfigError("no methods to compare", where="compare", mend="name at least one method")
    names = [one.name for one in asked_for(metrics, None, split.test, candidates, k)]
    _ = split.train.by_user, split.train.by_item  # built once, and charged to no method
    results: list[Result] = []
    interrupted = False
    for name, recipe in recipes.items():
        with suppress(KeyboardInterrupt):
            if not interrupted:
                results.append(
                    _judged(
                        name,
                        recipe,
                        split,
                        names,
                        k,
                        candidates,
                        threshold,
                        seed,
                        resamples,
                        taken(recipe, features or {}),
                        progress,
                        budget,
                    )
                )
                continue
        if not any(result.evaluation for result in results):
            raise KeyboardInterrupt  # nothing was judged that could be kept
        interrupted, untried = True, "interrupted before it was judged"
        results.append(
            Result(name=name, settings=settings_of(recipe), seconds=0.0, peak_mb=0.0, error=untried)
        )
    if not metrics:  # of the defaults, only what some method has
        names = [
            n for n in names if any(r.evaluation and n in r.evaluation.metrics for r in results)
        ] or names
    first = next((n for n in names if any(not math.isnan(r.mean(n)) for r in results)), names[0])
    results.sort(key=lambda r: _place(r, first))  # before the tests: of equal means, the first is the best
    protocols = [r.evaluation.protocol for r in results if r.evaluation]
    return Comparison(
        results=tuple(_with_p_values(results, names, seed)),
        metrics=tuple(names),
        split=split,
        protocol=max(protocols, key=len, default="none"),
        k=k,
        seed=seed,
        interrupted=interrupted,
        budget=budget,
        left_out=left_out or {},
        attributes={n: tuple(taken(r, features)) for n, r in recipes.items()} if features else {},
    )


def result_json(result: Result, split: Split | None, protocol: str) -> dict[str, Any]:
    """One method as the object that JSON output holds; stable keys, described in docs/json.md."""
    judged = result.evaluation
    return {
        "method": result.name,
        "settings": {name: plain(value) for name, value in result.settings.items()},
        "metrics": {} if judged is None else {n: i.as_dict() for n, i in judged.metrics.items()},
        "p_values": {n: float(p) for n, p in result.p_values.items()},
        "skipped": {} if judged is None else dict(judged.skipped),
        "seconds": round(result.seconds, 4),
        "peak_mb": round(result.peak_mb, 1),
        "protocol": protocol if judged is None else judged.protocol,
        "counts": {} if judged is None else dict(judged.counts),
        "intervals": None if judged is None else intervals_json(judged),
        "split": None if split is None else split.report.as_dict(),
        "versions": versions(),
        "over_budget": result.over or None,
        "error": result.error,
    }


def intervals_json(judged: Evaluation) -> dict[str, list[float]] | None:
    """The levels of intervals, and the share of test values inside those of each; None without a variance."""
    inside = judged.judged.inside
    if inside is None or not np.isfinite(inside).all():
        return None
    return {"levels": list(LEVELS), "inside": inside.tolist()}


def plain(value: Any) -> Any:
    """A setting as JSON can hold it: numbers that are not finite, and other types, as text.

    >>> plain((1, float("inf")))
    [1, 'inf']
    """
    if isinstance(value, (list, tuple)):
        return [plain(one) for one in value]
    if (
        value is None
        or isinstance(value, (bool, int, str))
        or (isinstance(value, float) and math.isfinite(value))
    ):
        return value
    return str(value)


def _judged(
    name: str,
    recipe: Any,
    split: Split,
    metrics: list[str],
    k: int,
    candidates: Candidates | None,
    threshold: float | None,
    seed: int,
    resamples: int,
    features: Mapping[str, ItemContent],
    progress: Callable[[str], Watch] | None,
    budget: float | None,
) -> Result:
    settings = settings_of(recipe)
    _warm(recipe, split, features)
    began = time.perf_counter()
    with peak_memory() as peak:
        try:
            check = _early_stopping(recipe, split, metrics, threshold)
            watch = Budget(budget, None if progress is None else progress(name))
            model = recipe.fit(split.train, validate=check, watch=watch, **features)
            seconds = time.perf_counter() - began
            over = watch.told(seconds)
        except FAILURES as error:
            spent = time.perf_counter() - began
            return Result(name=name, settings=settings, seconds=spent, peak_mb=peak[0], error=_told(error))
    try:
        found = evaluate(
            model,
            split.test,
            k=k,
            metrics=metrics,
            candidates=candidates,
            known=split.test_known,
            threshold=threshold,
            seed=seed,
            resamples=resamples,
        )
    except FAILURES as error:
        return Result(name=name, settings=settings, seconds=seconds, peak_mb=peak[0], error=_told(error))
    return Result(
        name=name,
        settings=settings,
        seconds=seconds,
        peak_mb=peak[0],
        evaluation=found,
        model=model,
        over=over,
        ended=watch.ended,
    )


def _warm(recipe: Any, split: Split, features: Mapping[str, ItemContent]) -> None:
    """Compile the kernels by one epoch on a scrap of the log, so that `seconds` is of fitting also in a fresh installation."""
    with suppress(
        *FAILURES
    ):  # a scrap may be too small for the method; the fit that counts tells why it fails
        scrap = split.train.take(np.arange(min(WARM_ROWS, len(split.train))))
        recipe.fit(scrap, watch=lambda state, epochs: True, **features)


def _early_stopping(recipe: Any, split: Split, metrics: list[str], threshold: float | None) -> Any:
    if split.valid is None:
        return None
    ranked = [m for m in metrics if m not in RATINGS and parse(m).metric.per_user and _sign(m)]
    # a method that predicts values is stopped by their error, whatever its lists are good for
    predicts = getattr(recipe, "predicts_values", False) and split.valid.values is not None
    metric = "rmse" if predicts else (ranked or ["ndcg@10"])[0]
    return validation(split.valid, metric=metric, known=split.valid_known, threshold=threshold)


def _told(error: BaseException) -> str:
    return str(error) if isinstance(error, MatweaveError) else f"{type(error).__name__}: {error}"


def _sign(metric: str) -> int:
    """1 where higher is better, -1 where lower is, 0 where neither."""
    better = parse(metric).metric.higher_is_better
    return 0 if better is None else 1 if better else -1


def _place(result: Result, metric: str) -> tuple[int, float]:
    if result.evaluation is None:
        return 2, 0.0
    mean = result.mean(metric)
    return (1, 0.0) if math.isnan(mean) else (0, -_sign(metric) * mean)


def _with_p_values(results: list[Result], metrics: Sequence[str], seed: int) -> list[Result]:
    """Every method against the best of each metric, Holm-corrected within the metric."""
    pairs: dict[int, list[tuple[str, int, np.ndarray]]] = {}  # by number of users, so that flips are shared
    for metric in metrics:
        numbers = {at: v for at, r in enumerate(results) if (v := _users(r, metric)) is not None}
        means = {at: _sign(metric) * results[at].mean(metric) for at in numbers}
        means = {at: mean for at, mean in means.items() if not math.isnan(mean)}
        if len(means) < 2 or not _sign(metric):
            continue
        best = max(means, key=lambda at: means[at])
        for at in means:
            if at != best:
                pair = metric, at, numbers[best] - numbers[at]
                pairs.setdefault(len(numbers[at]), []).append(pair)
    p: list[dict[str, float]] = [{} for _ in results]
    for same in pairs.values():
        found = sign_flip(np.column_stack([difference for *_, difference in same]), seed=seed)
        for metric in dict.fromkeys(metric for metric, *_ in same):
            mine = [at for at, (name, *_) in enumerate(same) if name == metric]
            for at, value in zip(mine, holm(found[mine]), strict=True):
                p[same[at][1]][metric] = float(value)
    return [replace(result, p_values=mine) for result, mine in zip(results, p, strict=True)]


def _users(result: Result, metric: str) -> np.ndarray | None:
    """Numbers per user that a paired test can take; sums of errors for RMSE and MAE."""
    judged: Judged | None = None if result.evaluation is None else result.evaluation.judged
    if judged is None:
        return None
    if metric in judged.ratios:
        return judged.ratios[metric][0]
    return judged.per_user.get(metric)
