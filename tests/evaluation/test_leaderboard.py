"""The leaderboard as text: marks, notes, failures, and tables that fit."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from by_hand import evaluation as by_hand

import matweave as mw
from matweave.data.interactions import Interactions
from matweave.evaluation.comparison import Comparison, Result
from matweave.evaluation.evaluate import evaluate
from matweave.evaluation.leaderboard import as_text, attributes, cell, lacking, notes
from matweave.evaluation.paired import holm, sign_flip
from matweave.factor.loop import History

METRICS = ("recall@1", "gini@1", "popularity_lift@1")


@pytest.fixture(scope="module")
def found() -> Comparison:
    """Forty users, each with one test item: "sure" finds it, "close" for all but one, "never" for none."""
    items = np.arange(40)
    train = Interactions.from_codes(items, (items + 1) % 40)
    test = Interactions.from_codes(items, items)
    split = mw.split_given(train, test)
    hit = np.eye(40)
    almost = hit.copy()
    almost[0] = np.roll(almost[0], 5)
    results = []
    for name, scores in (("sure", hit), ("close", almost), ("never", np.roll(hit, 3, axis=1))):
        model = by_hand.scored(train, scores)
        judged = evaluate(model, test, metrics=METRICS)
        results.append(
            Result(name=name, settings={}, seconds=1.234, peak_mb=99.6, evaluation=judged, model=model)
        )
    users = [r.evaluation.judged.per_user["recall@1"] for r in results]
    p = holm(sign_flip(np.column_stack([users[0] - u for u in users[1:]]), seed=0))
    for at in (1, 2):
        results[at] = replace(results[at], p_values={"recall@1": float(p[at - 1])})
    results.append(
        Result(name="broken", settings={}, seconds=0.0, peak_mb=50.0, error="it broke\n  where: x")
    )
    return Comparison(
        results=tuple(results), metrics=METRICS, split=split, protocol="full ranking", k=1, seed=0
    )


def test_marks_say_best_and_not_told_apart(found):
    best, close, never, broken = (cell(found, r, "recall@1") for r in found.results)
    assert best == "1.0000 ±0.0000*"
    assert close.startswith("0.9750 ±0.0")
    assert close.endswith("=")
    assert never == "0.0000 ±0.0000 "
    assert broken.strip() == "failed"


def test_nothing_is_best_where_neither_way_is_better(found):
    assert all("*" not in cell(found, r, "popularity_lift@1") for r in found.results)


def test_the_text_has_a_row_for_each_method_and_its_notes(found):
    lines = as_text(found).splitlines()
    assert lines[0].split() == ["method", *METRICS, "fit", "s", "peak", "MB"]
    assert [line.split()[0] for line in lines[1:5]] == ["sure", "close", "never", "broken"]
    assert lines[1].split()[-2:] == ["1.23", "100"]
    assert "full ranking" in lines[5]
    assert "40 users judged" in lines[6]
    assert any(line.startswith("broken failed: it broke") for line in lines)
    assert str(found) == as_text(found)


def test_what_does_not_fit_goes_on_below(found):
    wide, narrow = as_text(found), as_text(found, width=60)
    tables = narrow.split("\n\n")
    assert len(tables) > 2
    assert max(len(line) for line in "\n".join(tables[:-1]).splitlines()) <= 60
    assert narrow.count("peak MB") == wide.count("peak MB") == 1
    for metric in METRICS:
        assert narrow.count(metric) == 1
    for result in found.results[:3]:
        assert cell(found, result, "gini@1").strip() in narrow


def test_no_interval_is_no_nan():
    train, test = (
        Interactions.from_codes([0, 1], [0, 2], n_items=3),
        Interactions.from_codes([0], [1], n_items=3),
    )
    found = mw.compare(
        {"p": mw.Popularity()}, mw.split_given(train, test), metrics=["recall@2", "diversity@1"]
    )
    assert cell(found, found.results[0], "recall@2") == "1.0000*"
    assert cell(found, found.results[0], "diversity@1").strip() == "-"
    assert "nan" not in as_text(found)


def test_what_is_lacking_or_interrupted_is_told(found):
    log = mw.simulate_log(users=100, items=40, interactions=1200, seed=0).log
    split = mw.split_randomly(log, valid=0, seed=0)
    other = mw.compare({"ease": mw.EASE()}, split, metrics=["ndcg@5", "rmse", "mae"])
    assert "ease has no rmse, mae: EASE ranks, and predicts no values" in notes(other)
    model = replace(found.results[0].model, history=History(stopped="interrupted", epoch=3))
    stopped = replace(found, results=(replace(found.results[0], model=model),))
    assert "sure was interrupted after epoch 3" in notes(stopped)


def test_what_the_budget_ended_is_marked_and_told_once(found):
    sure, close, *others = found.results
    over = "ended by the budget of 6 s, after epoch 3 of 60"
    cut = [replace(sure, ended=(3, 60), over=over), replace(close, ended=(7, 9), over=over)]
    cut += [replace(others[0], over="took 9.0 s, over the budget of 6 s: it has no epoch to end after")]
    made = as_text(replace(found, results=(*cut, *others[1:]), budget=6.0)).splitlines()
    assert [line.split("  ")[0] for line in made[1:5]] == ["sure ‡", "close ‡", "never", "broken"]
    assert (
        made.count(
            "‡ ended by the budget of 6 s, and judged as it was: sure after epoch 3 of 60, close after epoch 7 of 9"
        )
        == 1
    )
    assert "never took 9.0 s, over the budget of 6 s: it has no epoch to end after" in made
    assert sum("after epoch" in line for line in made) == 1
    assert "‡" not in as_text(found)


def test_methods_that_lack_the_same_for_the_same_reason_share_a_line(found):
    why = {"sure": "Sure ranks, and predicts no values", "close": "Close ranks, and predicts no values"}
    why["never"] = "Never has no variance"
    results = tuple(
        replace(
            r,
            evaluation=replace(
                r.evaluation, method=r.name.title(), skipped={"rmse": why[r.name], "mae": why[r.name]}
            ),
        )
        for r in found.results[:3]
    )
    assert lacking(replace(found, results=results, metrics=(*METRICS, "rmse", "mae"))) == [
        "rank, and predict no values: sure, close (no rmse, mae)",
        "never has no rmse, mae: Never has no variance",
    ]
    assert lacking(replace(found, results=results)) == []  # of metrics that are not in the table


def test_who_reads_attributes_is_one_line(found):
    both = ("user_features", "item_features")
    other = replace(found, attributes={"sure": both, "close": (), "half": both[:1], "never": ()})
    line = "attributes are read by sure, half (only user_features); not read by close, never"
    assert notes(other).count(line) == 1
    assert attributes(found) == []
    assert attributes(replace(found, attributes={"sure": both})) == ["attributes are read by sure"]
