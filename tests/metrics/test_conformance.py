"""Every variant that could be run agrees with the framework's own run on the same lists (golden tables).

The tables say how they were made: benchmarks/conformance/golden.py.
"""

from __future__ import annotations

import json
from functools import cache
from pathlib import Path

import numpy as np
import pytest

from matweave.linalg.topk import top_k_scores
from matweave.metrics.conformance import OURS, SAME, VARIANTS, Row, conformance_table
from matweave.metrics.table import METRICS

GOLDEN = Path(__file__).resolve().parent.parent / "golden"
CUTS = [1, 5, 10]


@cache
def golden(name: str) -> dict:
    return json.loads((GOLDEN / f"metrics_{name}.json").read_text())


def rows_of(sets: list[list[int]]) -> tuple[np.ndarray, np.ndarray]:
    return np.r_[0, np.cumsum([len(s) for s in sets])], np.array([j for s in sets for j in s])


def table(k: int, *, short: bool = False) -> dict[tuple[str, str], Row]:
    case = golden("case")
    scores = np.array(case["scores"], np.float32)
    codes, _, counts = top_k_scores(scores, k=max(CUTS), leave_out=rows_of(case["seen"]))
    counts = np.array(case["short_counts"]) if short else counts
    ratings = np.concatenate([np.array(r, float) for r in case["ratings"]])
    found = conformance_table(
        codes, counts, rows_of(case["relevant"]), k=k, n_items=case["n_items"], ratings=ratings
    )
    return {(row.framework, row.metric): row for row in found}


@pytest.mark.parametrize("k", CUTS)
@pytest.mark.parametrize(
    ("framework", "values"),
    [("implicit", "values"), ("RecBole", "values"), ("RecTools", "values"), ("RecTools", "short_values")],
)
def test_variants_agree_with_the_frameworks_own_runs(framework, values, k):
    made = golden(framework.casefold())
    found = table(k, short=values == "short_values")
    checked = 0
    for (name, metric), row in found.items():
        if name == framework:
            assert row.value == pytest.approx(made[values][f"{metric}@{k}"], abs=made["card"]["tolerance"]), (
                metric
            )
            checked += 1
    assert checked == sum(v.framework == framework for v in VARIANTS) >= 3


def test_the_case_holds_what_makes_formulas_differ():
    case = golden("case")
    sizes = [len(r) for r in case["relevant"]]
    assert 0 in sizes
    assert any(0 < s < 10 for s in sizes)
    assert any(s > 10 for s in sizes)
    assert 0 in case["short_counts"] or min(case["short_counts"]) < 3
    assert any(len(set(r)) < len(r) for r in case["ratings"])


def test_same_means_the_same_and_different_means_different():
    for k in (5, 10):
        for row in table(k).values():
            if row.difference == SAME:
                assert row.value == row.our_value
            else:
                assert abs(row.value - row.our_value) > 1e-3, row


def test_rows_carry_their_formula_and_our_name():
    for variant in VARIANTS:
        assert variant.ours in METRICS
        assert variant.ours in OURS
        assert len(variant.formula) > 5
    assert len({(v.framework, v.metric) for v in VARIANTS}) == len(VARIANTS)
    assert {v.framework for v in VARIANTS} == {"implicit", "RecBole", "RecTools", "Elliot"}


@pytest.mark.parametrize("name", ["case", "implicit", "recbole", "rectools"])
def test_every_golden_table_has_a_card(name):
    assert set(golden(name)["card"]) == {"command", "origin", "version", "tolerance"}
