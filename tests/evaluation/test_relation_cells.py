"""Held-out cells judged: areas, errors of values, folds as a whole; intervals that cover."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

import matweave as mw
from matweave.data.relations import Relations
from matweave.evaluation.relation_cells import cross_validate_cells, evaluate_cells
from matweave.metrics.relations import auc_pr, auc_roc


def ring(n: int = 14) -> Relations:
    codes = np.arange(n)
    h = np.concatenate([codes, codes])
    t = np.concatenate([(codes + 1) % n, (codes - 1) % n])
    return Relations.from_codes(h, np.repeat([0, 1], n), t)


def test_areas_are_those_of_the_scores_of_the_cells() -> None:
    fold = next(mw.fold_cells(ring(), 4, seed=1))
    model = mw.RESCAL(rank=4, regularization=0.1, core_regularization=0.1, epochs=4).fit(fold.train)
    scores = np.stack([model.scores(k) for k in range(2)]).ravel()
    found = evaluate_cells(model, fold)
    labels = fold.values > 0
    assert found.metrics["auc_pr"].mean == pytest.approx(auc_pr(labels, scores[fold.cells]), abs=1e-6)
    assert dict(found.counts) == {"cells judged": len(labels), "true cells": int(labels.sum())}
    unit = np.stack([model.scores(k) for k in range(2)])
    unit = (unit / np.linalg.norm(unit, axis=0)).ravel()
    scaled = evaluate_cells(model, fold, scaled=True)
    assert scaled.metrics["auc_roc"].mean == pytest.approx(auc_roc(labels, unit[fold.cells]), abs=1e-6)
    assert "unit length" in scaled.protocol
    one = found.metrics["auc_roc"]
    assert one.low <= one.mean <= one.high


def test_errors_of_values_are_given_where_there_are_values() -> None:
    rng = np.random.default_rng(0)
    x = rng.normal(size=(8, 8)).round(2)
    fold = next(mw.fold_cells(mw.read_relations(x), 4, held="missing"))
    model = mw.DEDICOM(rank=3, epochs=3).fit(fold.train)
    found = evaluate_cells(model, fold, scaled=True)
    errors = model.scores(0).ravel()[fold.cells] - x.ravel()[fold.cells]
    assert found.metrics["rmse"].mean == pytest.approx(np.sqrt((errors**2).mean()), rel=1e-5)
    assert found.metrics["mae"].mean == pytest.approx(np.abs(errors).mean(), rel=1e-5)


def test_a_cross_validation_is_the_mean_of_its_folds() -> None:
    recipe = mw.RESCAL(rank=4, regularization=0.1, core_regularization=0.1, epochs=4)
    each = []
    found = cross_validate_cells(
        recipe, ring(), 3, held="missing", seed=2, watch=lambda at, one: each.append((at, one))
    )
    assert [at for at, _ in each] == [0, 1, 2]
    assert found.metrics["auc_pr"].mean == pytest.approx(
        np.mean([one.metrics["auc_pr"].mean for _, one in each])
    )
    assert dict(found.counts) == {"folds": 3, "cells judged": 2 * 14 * 14, "true cells": 28}
    assert found.protocol == "3 folds over all known cells (unknown in training), held-out cells"


@pytest.mark.slow
@pytest.mark.data
def test_a_fold_of_kinships_is_judged_as_published(real_data: Path) -> None:
    tensor = mw.read_relations(real_data / "kinships" / "alyawarra_tensor.csv.gz")
    fold = next(mw.fold_cells(tensor, 10))
    model = mw.RESCAL(rank=100, regularization=10.0, core_regularization=10.0, epochs=30).fit(fold.train)
    assert evaluate_cells(model, fold, scaled=True).metrics["auc_pr"].mean == pytest.approx(0.95, abs=0.015)
    assert evaluate_cells(model, fold).metrics["auc_pr"].mean == pytest.approx(0.92, abs=0.02)
