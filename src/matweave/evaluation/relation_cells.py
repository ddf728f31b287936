"""Relational models on held-out cells, triples and zeros alike: areas under curves, and errors of values.

    evaluate_cells         the cells of a fold: AUC-PR, AUC-ROC, average precision; RMSE and MAE where values are not all 0 or 1
    cross_validate_cells   fit and judge fold by fold: the mean of the folds (Nickel, Tresp, Kriegel 2011: ten, cells as zeros)

Intervals: of areas, the jackknife over groups of heads; of a cross-validation, the bootstrap over folds.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

import numpy as np

from matweave.data.relations import Relations
from matweave.data.split_relations import CellFold, fold_cells
from matweave.evaluation.intervals import of_groups, of_means, of_ratios, root
from matweave.evaluation.relations import RelationEvaluation, Scorer
from matweave.metrics import relations as formulas
from matweave.randomness import child

GROUPS = 20
AREAS = {
    "auc_pr": formulas.auc_pr,
    "auc_roc": formulas.auc_roc,
    "average_precision": formulas.average_precision,
}


def evaluate_cells(model: Scorer, fold: CellFold, *, scaled: bool = False) -> RelationEvaluation:
    """Areas over the cells of a fold, cells of value > 0 as the true ones; RMSE and MAE where other values than 0 and 1 occur.

    The model must be of `fold.train`, or of its vocabularies. scaled: the scores of each (head, tail) over the relations are brought
    to unit length first, as the authors of RESCAL do; errors of values are of the scores as they are.

    >>> import matweave as mw
    >>> ring = mw.read_relations([(k, "next", (k + 1) % 12) for k in range(12)])
    >>> fold = next(mw.fold_cells(ring, 10))
    >>> list(mw.evaluate_cells(mw.RESCAL(rank=4, seed=0).fit(fold.train), fold).metrics)
    ['auc_pr', 'auc_roc', 'average_precision']
    """
    began = time.perf_counter()
    heads, relations, tails = fold.train.places(fold.cells)
    scores = model.cell_scores(heads, relations, tails, scaled=scaled)
    labels = fold.values > 0
    group = child(0, "groups of heads").permutation(len(model.entities))[heads] % GROUPS
    found = {}
    for name, area in AREAS.items():
        value = area(labels, scores)
        groups = np.unique(group)
        without = [area(labels[group != g], scores[group != g]) for g in groups] if len(groups) > 1 else []
        found[name] = of_groups(value, np.array(without))
    if not np.isin(fold.values, (0, 1)).all():
        plain = model.cell_scores(heads, relations, tails) if scaled else scores
        errors = plain.astype(np.float64) - fold.values
        ones = np.ones((len(errors), 2))
        squares, absolute = of_ratios(np.stack([errors**2, np.abs(errors)], axis=1), ones, seed=0)
        found |= {"rmse": root(squares), "mae": absolute}
    return RelationEvaluation(
        method=model.method,
        protocol="held-out cells"
        + (", scores of a pair over relations scaled to unit length" if scaled else ""),
        metrics=found,
        counts={"cells judged": len(labels), "true cells": int(labels.sum())},
        seconds=time.perf_counter() - began,
        by_relation={},
    )


def cross_validate_cells(
    recipe: Any,
    relations: Relations,
    folds: int = 10,
    *,
    held: str = "zero",
    scaled: bool = False,
    seed: int = 0,
    watch: Callable[[int, RelationEvaluation], None] | None = None,
) -> RelationEvaluation:
    """Fit a recipe on all folds of cells but one, judge it there, and so on: the mean over folds with its interval.

    held, scaled: as in `fold_cells` and `evaluate_cells`. watch: is handed each fold's number and figures.

    >>> import matweave as mw
    >>> ring = mw.read_relations([(k, "next", (k + 1) % 12) for k in range(12)])
    >>> mw.cross_validate_cells(mw.RESCAL(rank=4, seed=0), ring, folds=3).counts
    {'folds': 3, 'cells judged': 144, 'true cells': 12}
    """
    began = time.perf_counter()
    each = []
    for at, fold in enumerate(fold_cells(relations, folds, held=held, seed=seed)):
        one = evaluate_cells(recipe.fit(fold.train), fold, scaled=scaled)
        each.append(one)
        if watch is not None:
            watch(at, one)
    names = list(each[0].metrics)
    values = np.array([[one.metrics[n].mean if n in one.metrics else np.nan for n in names] for one in each])
    counts = {what: sum(one.counts[what] for one in each) for what in each[0].counts}
    return RelationEvaluation(
        method=each[0].method,
        protocol=f"{folds} folds over all known cells ({'as zeros' if held == 'zero' else 'unknown'} in training), "
        + each[0].protocol,
        metrics=dict(zip(names, of_means(values, seed=seed), strict=True)),
        counts={"folds": len(each), **counts},
        seconds=time.perf_counter() - began,
        by_relation={},
    )
