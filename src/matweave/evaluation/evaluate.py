"""`evaluate`: one model on one test log, every number with its interval; and validation for early stopping."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, final

import numpy as np

from matweave.data.given import Candidates
from matweave.data.interactions import Interactions
from matweave.data.vocabulary import Vocabulary
from matweave.errors import ConfigError, DataError
from matweave.evaluation.intervals import Interval, of_groups, of_means, of_ratios, root
from matweave.evaluation.judged import Judged, joined
from matweave.evaluation.ranking_protocol import full_ranking
from matweave.evaluation.rating_protocol import OF_INTERVALS, rating_errors
from matweave.evaluation.sampled_protocol import sampled_ranking
from matweave.factor.loop import Validation
from matweave.factor.recommender import Recommender
from matweave.metrics.table import Asked, parse, parse_all

RATINGS = ("rmse", "mae", *OF_INTERVALS)
BASIC = ("ndcg", "recall", "precision", "hit_rate", "average_precision", "mrr", "coverage", "novelty", "gini")
SAMPLED = ("hit_rate", "ndcg", "mrr")


@final
@dataclass(frozen=True, kw_only=True)
class Evaluation:
    """What a test log says of a model.

    metrics: name -> mean and 95 % interval over users. skipped: name -> why there is no such number.
    protocol: how it was judged. counts: users judged, rows lost and the like. judged: numbers per user, which
    paired tests need.
    """

    method: str
    metrics: Mapping[str, Interval]
    skipped: Mapping[str, str]
    protocol: str
    counts: Mapping[str, int]
    seconds: float
    judged: Judged = field(repr=False)

    def __str__(self) -> str:
        width = max((len(name) for name in (*self.metrics, *self.skipped)), default=0)
        lines = [f"{self.method}: {self.protocol}"]
        lines += [f"  {name:<{width}}  {interval}" for name, interval in self.metrics.items()]
        lines += [f"  {name:<{width}}  none: {why}" for name, why in self.skipped.items()]
        lines.append("  " + ", ".join(f"{count:,} {what}" for what, count in self.counts.items()))
        return "\n".join(lines)


def evaluate(
    model: Recommender,
    test: Interactions,
    *,
    k: int = 10,
    metrics: Sequence[str] | None = None,
    candidates: Candidates | None = None,
    known: Interactions | None = None,
    threshold: float | None = None,
    among: Sequence[Any] | Vocabulary | None = None,
    seed: int = 0,
    resamples: int = 1000,
) -> Evaluation:
    """Judge a fitted model on a test log.

    metrics: names such as "ndcg@10" ("@k" is added where it is missing); by default the basic ranking metrics, and
    RMSE and MAE for a model that predicts values, with how its intervals fare where it has a variance. Ranking is full, without the user's training items, unless
    `candidates` are given; then it is sampled, and labelled so. known: histories to judge users by instead of their training rows: the fold-in part of users that training lacks
    (a split by user), or all rows before the test. threshold: only test rows of at least this value are relevant. among: ids of the items that lists are
    made of, for a full ranking; None: all items of the model.

    Raises ConfigError for unknown metrics (all are listed), DataError where nothing can be judged.

    >>> import matweave as mw
    >>> split = mw.split_by_time(mw.simulate_log(users=200, items=60, interactions=4000, seed=0).log)
    >>> found = mw.evaluate(mw.Popularity().fit(split.train), split.test, k=5, metrics=["ndcg", "coverage"])
    >>> list(found.metrics), found.protocol
    (['ndcg@5', 'coverage@5'], 'full ranking')
    """
    began = time.perf_counter()
    if candidates is not None and among is not None:
        raise ConfigError(
            "the lists are made of given candidates, and among says what else they are made of",
            where="evaluate",
            mend="leave one of them out",
        )
    if candidates is not None and threshold is not None:
        raise ConfigError(
            "a threshold has no meaning for given candidates: their targets are what is relevant",
            where="evaluate",
            mend="leave the threshold out, or rank in full",
        )
    asked = asked_for(metrics, model, test, candidates, k)
    ranked = [one for one in asked if one.metric.name not in RATINGS]
    rated = [one for one in asked if one.metric.name in RATINGS]
    parts = []
    if ranked and candidates is not None:
        parts.append(sampled_ranking(model, candidates, ranked, known=known))
    elif ranked:
        parts.append(full_ranking(model, test, ranked, known=known, threshold=threshold, among=among))
    if rated:
        parts.append(rating_errors(model, test, rated, known=known))
    judged = joined([part for part in parts if part.per_user or part.sets or part.ratios] or parts)
    skipped = {name: why for part in parts for name, why in part.skipped.items()}
    found = intervals_of(judged, seed=seed, resamples=resamples)
    return Evaluation(
        method=model.method,
        metrics={one.name: found[one.name] for one in asked if one.name in found},
        skipped=skipped,
        protocol=judged.protocol,
        counts=judged.counts,
        seconds=time.perf_counter() - began,
        judged=judged,
    )


def asked_for(
    metrics: Sequence[str] | None,
    model: Recommender | None,
    test: Interactions,
    candidates: Candidates | None,
    k: int,
) -> list[Asked]:
    """The metrics to compute: those named, or the defaults of the protocol and the model."""
    if isinstance(k, bool) or not isinstance(k, (int, np.integer)) or k < 1:
        raise ConfigError(f"k is {k!r}, but must be an integer >= 1", where="evaluate", mend="give k >= 1")
    if metrics:
        return parse_all(metrics, k=int(k))
    names: list[str] = [*(SAMPLED if candidates is not None else BASIC)]
    if test.values is not None and (model is None or model.limits is not None):
        names += RATINGS if model is None or _has_variance(model) else RATINGS[:2]
    return parse_all(names, k=int(k))


def _has_variance(model: Recommender) -> bool:
    nobody = np.zeros(0, np.int32)
    try:
        model.spread(model.seen.rows(nobody), nobody)
    except ConfigError:
        return False
    return True


def intervals_of(judged: Judged, *, seed: int, resamples: int) -> dict[str, Interval]:
    """Intervals of everything judged; per-user numbers share their resamples."""
    found: dict[str, Interval] = {}
    if judged.per_user:
        values = np.column_stack(list(judged.per_user.values()))
        found |= zip(judged.per_user, of_means(values, seed=seed, resamples=resamples), strict=True)
    if judged.ratios:
        top = np.column_stack([top for top, _ in judged.ratios.values()])
        bottom = np.column_stack([bottom for _, bottom in judged.ratios.values()])
        for name, interval in zip(
            judged.ratios, of_ratios(top, bottom, seed=seed, resamples=resamples), strict=True
        ):
            found[name] = root(interval) if name == "rmse" else interval
    for name, (value, without) in judged.sets.items():
        found[name] = of_groups(value, without)
    return found


def validation(
    valid: Interactions | None,
    *,
    metric: str = "ndcg@10",
    patience: int = 3,
    every: int = 1,
    known: Interactions | None = None,
    threshold: float | None = None,
    among: Sequence[Any] | Vocabulary | None = None,
) -> Validation:
    """Early stopping on a validation log: hand it to `fit(train, validate=...)`.

    metric: any of the table; one that is better low (rmse) is negated inside. patience: looks without a new best.
    known, threshold, among: as in `evaluate`. The measure raises ConfigError where the model has no such number.
    Raises DataError where there is no validation part, ConfigError for an unknown metric.

    >>> import matweave as mw
    >>> split = mw.split_randomly(mw.simulate_log(users=80, items=40, interactions=900, seed=0).log, seed=0)
    >>> mw.validation(split.valid, metric="recall@5").name
    'recall@5'
    """
    if valid is None:
        raise DataError(
            "the split has no validation part",
            where="validation",
            mend="split with a share for it: valid=0.1",
        )
    one = parse(metric, k=10)
    if one.metric.higher_is_better is None:
        raise ConfigError(
            f"{one.name} is neither better high nor low", where="validation", mend="stop on ndcg@10 or rmse"
        )
    sign = 1.0 if one.metric.higher_is_better else -1.0

    def measure(model: Recommender) -> float:
        if one.metric.name in RATINGS:
            judged = rating_errors(model, valid, [one], known=known)
        else:
            judged = full_ranking(model, valid, [one], known=known, threshold=threshold, among=among)
        if judged.skipped:
            why = judged.skipped[one.name]
            raise ConfigError(f"{one.name}: {why}", where="validation", mend="stop on another metric")
        if one.name in judged.sets:
            return sign * judged.sets[one.name][0]
        if one.name in judged.ratios:
            top, bottom = judged.ratios[one.name]
            value = float(top.sum() / bottom.sum())
            return sign * (value**0.5 if one.metric.name == "rmse" else value)
        numbers = judged.per_user[one.name]
        numbers = numbers[~np.isnan(numbers)]
        if not len(numbers):
            raise ConfigError(
                f"no user of the validation part has a {one.name}",
                where="validation",
                mend="stop on another metric",
            )
        return sign * float(numbers.mean())

    return Validation(measure=measure, patience=patience, every=every, name=one.name)
