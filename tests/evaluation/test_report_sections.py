"""Sections say what the comparison says, to the last digit shown, and nothing where there is nothing."""

from __future__ import annotations

import re

import pytest

import matweave as mw
from matweave.evaluation import report_sections as sections
from matweave.evaluation.comparison import Comparison

METRICS = ["ndcg", "recall", "precision", "hit_rate", "mrr", "average_precision", "novelty", "gini", "rmse"]


@pytest.fixture(scope="module")
def found() -> Comparison:
    log = mw.simulate_log(users=200, items=50, interactions=3000, seed=2).log
    recipes = {"popularity": mw.Popularity(), "same": mw.Popularity(), "mf": mw.BiasedMF(rank=4, epochs=3)}
    return mw.compare(recipes, mw.split_by_time(log, valid=0), k=5, metrics=METRICS, resamples=200)


def text_of(parts: list) -> str:
    return "\n".join(part.markup for part in parts)


def test_the_leaderboard_shows_every_number(found: Comparison) -> None:
    made = text_of(sections.leaderboard(found))
    for result in found.results:
        assert result.evaluation is not None
        for interval in result.evaluation.metrics.values():
            assert f"{interval.mean:.4f}" in made
            assert f"{interval.low:.4f} – {interval.high:.4f}" in made
    assert made.count("<table>") == 2  # more metrics than fit one table
    assert made.count("peak, MB") == 1
    assert "rmse ↓" in made
    assert "gini<wbr>@5 ↓" in made


def test_a_method_that_is_the_same_is_not_told_apart(found: Comparison) -> None:
    rows = re.findall(r"<tr><th scope=row>(\w+)</th>.*?</tr>", text_of(sections.leaderboard(found)))
    assert rows.count("same") == 2
    made = text_of(sections.differences(found))
    assert "<span class=best>best</span>" in made
    assert ">1.000<" in made
    assert "≈" in text_of(sections.leaderboard(found))


def test_no_paired_test_no_section(found: Comparison) -> None:
    from dataclasses import replace

    assert sections.differences(replace(found, results=found.results[:1], metrics=("gini@5",))) == []
    assert sections.tail(None) == []
    assert sections.tradeoff(found, None) == []
    assert sections.examples([], "") == []


def test_the_split_tells_what_was_lost_and_what_leaks(found: Comparison) -> None:
    made = text_of(sections.split(found))
    for part in found.split.report.parts:
        assert f"<th scope=row>{part.name}</th><td class=n>{part.rows:,}</td>" in made
    assert "leak: none" in made
    assert "test rows lost" in made


def test_settings_are_whole_and_missing_metrics_are_explained(found: Comparison) -> None:
    made = text_of(sections.settings(found))
    for name in ("rank=4", "epochs=3", "half_life_days=None"):
        assert name in made
    assert "popularity has no rmse: Popularity ranks, and predicts no values" in made


def test_examples_mark_what_ends_in_a_star() -> None:
    rows = [{"user": "u1", "items": ["a*", "b"]}, {"user": "u2", "items": []}]
    made = text_of(sections.examples(rows, "a <note>"))
    assert "<ol><li><mark>a</mark></li><li>b</li></ol>" in made
    assert "a &lt;note&gt;" in made
    assert made.count("scope=row") == 2


def test_every_metric_is_explained(found: Comparison) -> None:
    made = text_of(sections.reading(found))
    assert all(f"<dt>{metric}</dt>" in made for metric in found.metrics)
