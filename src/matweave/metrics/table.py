"""The table of metrics: every name that can be asked for, what it needs, and which way is better.

    parse("ndcg@10")                           # one metric with its cut
    measure(["ndcg@10", "coverage@10"], evidence)   # many in one pass over the lists

To add a metric: write its function in `ranking`, `beyond`, `ratings` or `uncertainty`, and one entry here.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any, final

import numpy as np

from matweave.errors import ConfigError, nearest
from matweave.metrics import beyond, ranking, ratings, uncertainty
from matweave.metrics.evidence import Evidence
from matweave.metrics.hits import Hits

Values = np.ndarray | float


@final
@dataclass(frozen=True, kw_only=True)
class Metric:
    """One line of the table.

    compute: (evidence, k) -> float64 (n,) with NaN for excluded users, or one number where `per_user` is false.
    needs: fields of `Evidence`; "a|b" means either. takes_k: asked for as name@k.
    """

    name: str
    compute: Callable[[Evidence, int], Values]
    needs: tuple[str, ...]
    higher_is_better: bool | None
    takes_k: bool
    per_user: bool
    doc: str


@final
@dataclass(frozen=True, kw_only=True)
class Asked:
    """A metric with its cut; k is 0 where it takes none."""

    metric: Metric
    k: int

    @property
    def name(self) -> str:
        return f"{self.metric.name}@{self.k}" if self.metric.takes_k else self.metric.name


def _of_hits(formula: Callable[[Hits, int], np.ndarray], doc: str, needs: tuple[str, ...] = ()) -> Metric:
    return Metric(
        name=formula.__name__,
        compute=lambda e, k: formula(e.hits, k),
        needs=("codes", "counts", "relevant", *needs),
        higher_is_better=True,
        takes_k=True,
        per_user=True,
        doc=doc,
    )


def _diversity(e: Any, k: int) -> np.ndarray:
    if e.vectors is not None:
        return beyond.diversity(e.codes, e.counts, k, e.vectors)
    return beyond.diversity_of_audiences(e.codes, e.counts, k, e.item_users, e.n_users)


def _of_lists(
    name: str,
    compute: Callable[[Any, int], Values],
    needs: tuple[str, ...],
    better: bool | None,
    per_user: bool,
    doc: str,
) -> Metric:
    needs = ("codes", "counts", *needs)
    return Metric(
        name=name,
        compute=compute,
        needs=needs,
        higher_is_better=better,
        takes_k=True,
        per_user=per_user,
        doc=doc,
    )


def _plain(
    name: str,
    compute: Callable[[Any, int], Values],
    needs: tuple[str, ...],
    better: bool | None,
    per_user: bool,
    doc: str,
) -> Metric:
    return Metric(
        name=name,
        compute=compute,
        needs=needs,
        higher_is_better=better,
        takes_k=False,
        per_user=per_user,
        doc=doc,
    )


METRICS: Mapping[str, Metric] = {
    m.name: m
    for m in (
        _of_hits(ranking.ndcg, "discounted hits over the best possible, every relevant item alike"),
        _of_hits(ranking.ndcg_graded, "discounted gains over the best possible", ("gains",)),
        _of_hits(ranking.recall, "share of the relevant items found"),
        _of_hits(ranking.recall_capped, "hits over min(k, relevant items)"),
        _of_hits(ranking.precision, "share of the k places that are hits"),
        _of_hits(ranking.hit_rate, "share of users with a hit"),
        _of_hits(ranking.average_precision, "precision averaged over the hits, over min(k, relevant items)"),
        _of_hits(ranking.mrr, "one over the position of the first hit"),
        _of_lists(
            "coverage",
            lambda e, k: beyond.coverage(e.codes, e.counts, k, e.n_items),
            ("n_items",),
            True,
            False,
            "share of the catalogue shown to anyone",
        ),
        _of_lists(
            "gini",
            lambda e, k: beyond.gini(e.codes, e.counts, k, e.n_items),
            ("n_items",),
            False,
            False,
            "inequality of exposure, 0 equal to 1 one item alone",
        ),
        _of_lists(
            "novelty",
            lambda e, k: beyond.novelty(e.codes, e.counts, k, e.popularity, e.n_users),
            ("popularity", "n_users"),
            True,
            True,
            "mean self-information of the shown items, bits",
        ),
        _of_lists(
            "diversity",
            _diversity,
            ("vectors|item_users", "vectors|n_users"),
            True,
            True,
            "mean 1 - cosine between the items of a list",
        ),
        _of_lists(
            "popularity_lift",
            lambda e, k: beyond.popularity_lift(e.codes, e.counts, k, e.popularity, e.histories),
            ("popularity", "histories"),
            None,
            True,
            "how much more popular the list is than the user's history; 0 is faithful",
        ),
        _plain(
            "auc", lambda e, _: e.auc, ("auc",), True, True, "chance that a relevant item outscores another"
        ),
        _plain(
            "rmse",
            lambda e, _: ratings.rmse(e.predicted, e.target),
            ("predicted", "target"),
            False,
            False,
            "root of the mean squared error of ratings",
        ),
        _plain(
            "mae",
            lambda e, _: ratings.mae(e.predicted, e.target),
            ("predicted", "target"),
            False,
            False,
            "mean absolute error of ratings",
        ),
        _plain(
            "interval_coverage",
            lambda e, _: uncertainty.interval_coverage(e.predicted, e.deviation, e.target),
            ("predicted", "deviation", "target"),
            None,
            False,
            "share of ratings inside their 90 % intervals: 0.9 is right, less too sure",
        ),
        _plain(
            "interval_width",
            lambda e, _: uncertainty.interval_width(e.deviation),
            ("deviation",),
            None,
            False,
            "mean width of the 90 % intervals of ratings; narrow is good where they cover what they say",
        ),
        _plain(
            "crps",
            lambda e, _: uncertainty.crps(e.predicted, e.deviation, e.target),
            ("predicted", "deviation", "target"),
            False,
            False,
            "continuous ranked probability score: error of the whole predicted law, in the units of ratings",
        ),
    )
}

ALIASES: Mapping[str, str] = {"hr": "hit_rate", "map": "average_precision", "hit": "hit_rate"}


def parse(name: str, *, k: int | None = None) -> Asked:
    """The metric that a name such as "ndcg@10" asks for; without "@", the cut is `k`.

    Raises:
        ConfigError: for an unknown name (the nearest is suggested), a cut that is no integer >= 1, a cut given
            to a metric that takes none, or no cut at all.

    >>> asked = parse("nDCG@10")
    >>> asked.name, asked.metric.needs
    ('ndcg@10', ('codes', 'counts', 'relevant'))
    >>> parse("recal@5")
    Traceback (most recent call last):
    matweave.errors.ConfigError: unknown metric 'recal'; did you mean 'recall'?...
    """
    asked, problem = _parse(name, k)
    if asked is None:
        raise _config_error([problem])
    return asked


def parse_all(names: Iterable[str], *, k: int | None = None) -> list[Asked]:
    """As `parse` for many, each once, in order; one error lists every problem.

    >>> [a.name for a in parse_all(["hr", "rmse", "hit_rate@10"], k=10)]
    ['hit_rate@10', 'rmse']
    """
    found, problems = {}, []
    for name in names:
        asked, problem = _parse(name, k)
        if asked is None:
            problems.append(problem)
        else:
            found.setdefault(asked.name, asked)
    if problems:
        raise _config_error(problems)
    return list(found.values())


def measure(asked: Iterable[Asked], evidence: Evidence) -> dict[str, Values]:
    """Every asked metric, by name: float64 (n,) with NaN for excluded users, or one number for the whole.

    Raises:
        ConfigError: where the evidence lacks what a metric needs; all are listed.

    >>> e = Evidence(codes=np.array([[4, 2], [1, 3]]), counts=np.array([2, 2]), n_items=5,
    ...              relevant=(np.array([0, 1, 1]), np.array([2])))
    >>> measure(parse_all(["ndcg@2", "coverage@2"]), e)
    {'ndcg@2': array([0.6309,    nan]), 'coverage@2': 0.8}
    """
    asked = list(asked)
    problems = [
        f"{a.name} needs {need.replace('|', ' or ')}"
        for a in asked
        for need in a.metric.needs
        if all(getattr(evidence, field) is None for field in need.split("|"))
    ]
    if problems:
        raise ConfigError(
            "\n".join(dict.fromkeys(problems)),
            where="metrics",
            mend="give Evidence these fields, or ask for less",
        )
    return {a.name: a.metric.compute(evidence, a.k) for a in asked}


def _parse(text: str, k: int | None) -> tuple[Asked | None, str]:
    name, at, cut = str(text).strip().partition("@")
    name = name.strip().casefold().replace("-", "_")
    metric = METRICS.get(ALIASES.get(name, name))
    if metric is None:
        return None, f"unknown metric {name!r}{nearest(name, [*METRICS, *ALIASES])}"
    if not metric.takes_k:
        return (
            (None, f"{metric.name} takes no cut, but {text!r} has one")
            if at
            else (Asked(metric=metric, k=0), "")
        )
    if at:
        if not cut.strip().isdecimal() or int(cut) < 1:
            return None, f"the cut of {text!r} is {cut!r}, but must be an integer >= 1"
        k = int(cut)
    if k is None:
        return None, f"{metric.name} needs a cut, such as {metric.name}@10"
    return Asked(metric=metric, k=k), ""


def _config_error(problems: list[str]) -> ConfigError:
    known = ", ".join(f"{m.name}@k" if m.takes_k else m.name for m in METRICS.values())
    return ConfigError("\n".join(problems), where="metrics", mend=f"ask for some of: {known}")
