"""Sections say what the comparison says, to the last digit shown, and nothing where there is nothing."""

from __future__ import annotations

import re
from dataclasses import replace

import numpy as np
import pytest

import matweave as mw
from matweave.evaluation import report_facts as facts
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
    assert "rank, and predict no values: popularity, same (no rmse)" in made


def test_examples_mark_what_ends_in_a_star() -> None:
    rows = [{"user": "u1", "items": ["a*", "b"]}, {"user": "u2", "items": []}]
    made = text_of(sections.examples(rows, "a <note>"))
    assert "<ol><li><mark>a</mark></li><li>b</li></ol>" in made
    assert "a &lt;note&gt;" in made
    assert made.count("scope=row") == 2


def test_every_metric_is_explained(found: Comparison) -> None:
    made = text_of(sections.reading(found))
    assert all(f"<dt>{metric}</dt>" in made for metric in found.metrics)


def test_the_tail_draws_the_best_eight_and_says_how_many_it_does_not() -> None:
    lists = {f"method{n:02}": np.arange(5) for n in range(31)}
    made = text_of(sections.tail(facts.Shown(log=np.arange(5), lists=lists)))
    drawing, table = made.split("</figure>")
    assert "Drawn: the 8 best of the leaderboard; 23 more stand in the table alone." in drawing
    assert sorted(re.findall(r">(method\d\d)<", drawing)) == [f"method{n:02}" for n in range(8)]
    assert re.findall(r">(method\d\d)<", table) == list(lists)
    few = text_of(sections.tail(facts.Shown(log=np.arange(5), lists=dict(list(lists.items())[:8]))))
    assert "Drawn:" not in few


def test_the_tradeoff_says_which_points_have_no_name(
    found: Comparison, monkeypatch: pytest.MonkeyPatch
) -> None:
    def made() -> str:
        return text_of(sections.tradeoff(found, facts.shown(found)))

    assert "Named:" not in made()
    monkeypatch.setattr(facts, "FEW", 1)
    monkeypatch.setattr(facts, "NAMED", 1)
    drawn = facts.tradeoff(found, facts.shown(found))
    assert drawn is not None
    left = sum(not point.named for point in drawn[2])
    assert left
    assert f"the 1 best by ndcg@5; the other {left} are grey here" in made()


def test_what_the_budget_ended_is_marked_where_it_is_ranked(found: Comparison) -> None:
    cut = replace(found.results[0], ended=(3, 40), over="ended by the budget of 2 s, after epoch 3 of 40")
    other = replace(found, results=(cut, *found.results[1:]), budget=2.0)
    made = text_of(sections.leaderboard(other))
    assert f"<th scope=row>{cut.name} ‡</th>" in made
    assert f"‡ ended by the budget of 2 s, and judged as it was: {cut.name} after epoch 3 of 40." in made
    assert f"{cut.name} ‡" in text_of(sections.differences(other))
    assert "‡" not in text_of(sections.leaderboard(found))


def test_who_reads_attributes_is_told(found: Comparison) -> None:
    assert "ttributes are read" not in text_of(sections.leaderboard(found))
    other = replace(found, attributes={"mf": ("item_features",), "same": (), "popularity": ()})
    assert "Attributes are read by mf; not read by same, popularity." in text_of(sections.leaderboard(other))
