"""The whole file: needs nothing from outside, escapes what it is given, survives failures and single methods."""

from __future__ import annotations

import re
from dataclasses import replace
from html import unescape
from html.parser import HTMLParser
from pathlib import Path

import pytest

import matweave as mw
from matweave.evaluation.comparison import Comparison
from matweave.evaluation.report import as_html, write_report

NASTY = '<script>alert("x")</script> $\\frac$ & 推荐'
METRICS = ["ndcg@5", "coverage@5", "popularity_lift@5"]
VOID = {"meta", "link", "br", "wbr", "img", "hr", "input"}


@pytest.fixture(scope="module")
def found() -> Comparison:
    log = mw.simulate_log(users=200, items=60, interactions=3500, shape="clicks", seed=3).log
    recipes = {"popularity": mw.Popularity(), NASTY: mw.EASE(), "als": mw.ImplicitALS(rank=4, epochs=3)}
    recipes["needs values"] = mw.ExplicitALS()
    return mw.compare(recipes, mw.split_by_time(log), k=5, metrics=METRICS, resamples=200)


@pytest.fixture(scope="module")
def page(found: Comparison) -> str:
    rows = [{"user": "<u&1>", "recommended": ["<i>*", "b"]}]
    return as_html(found, title="A <title> & more", examples=rows)


class Nesting(HTMLParser):
    """Every element closed in order, with what each held; ids once; local links lead somewhere."""

    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []
        self.ids: list[str] = []
        self.links: list[str] = []
        self.problems: list[str] = []
        self.words: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if tag not in VOID:
            self.open.append(tag)
        self._note(attrs)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self._note(attrs)

    def handle_endtag(self, tag: str) -> None:
        if not self.open or self.open.pop() != tag:
            self.problems.append(tag)

    def handle_data(self, data: str) -> None:
        self.words.append(data)

    def _note(self, attrs: list[tuple[str, str | None]]) -> None:
        for name, value in attrs:
            if name == "id":
                self.ids.append(str(value))
            if name == "href" and value:
                self.links.append(value.removeprefix("#"))
            for used in re.findall(r"url\(#([^)]*)\)", value or ""):
                self.links.append(used)


def test_the_page_is_well_formed_and_its_links_lead_within_it(page: str) -> None:
    seen = Nesting()
    seen.feed(page)
    assert seen.problems == []
    assert seen.open == []
    assert len(seen.ids) == len(set(seen.ids))
    assert seen.links
    assert set(seen.links) <= set(seen.ids)


def test_nothing_comes_from_outside_and_nothing_runs(page: str) -> None:
    assert not re.search(r"https?:|//[a-z]|@import|src=|<script|<link|url\((?!#)", page)


def test_names_and_ids_are_shown_and_never_become_markup(page: str) -> None:
    seen = Nesting()
    seen.feed(page)
    words = "".join(seen.words)
    for text in (
        NASTY,
        "<u&1>",
        "<i>",
        "A <title> & more",
        "ExplicitALS predicts values, and this log has none",
    ):
        assert text in words
    assert "<mark>&lt;i&gt;</mark>" in page


def test_every_section_stands_with_its_heading(page: str) -> None:
    for name in (
        "leaderboard",
        "differences",
        "users",
        "tail",
        "tradeoff",
        "fits",
        "examples",
        "split",
        "settings",
        "read",
    ):
        assert f"<section id={name}>" in page
        assert f"href='#{name}'" in page
    assert page.count("<svg role=") == 5


def test_the_leader_and_its_interval_are_told_first(found: Comparison, page: str) -> None:
    best = found.results[0]
    assert best.evaluation is not None
    won = best.evaluation.metrics["ndcg@5"]
    lead = page[page.index("class=lead") : page.index("<dl")]
    assert f"<b>{won.mean:.4f}</b>" in lead
    assert f"{won.low:.4f} to {won.high:.4f}" in lead
    second = found.results[1].mean("ndcg@5")
    assert f"{won.mean / second - 1:.1%} above the next" in lead


def test_the_same_comparison_gives_the_same_file(found: Comparison, tmp_path: Path) -> None:
    once = write_report(found, tmp_path / "a.html").read_bytes()
    assert write_report(found, tmp_path / "b.html").read_bytes() == once


def test_one_method_and_none_still_make_a_page() -> None:
    split = mw.split_by_time(
        mw.simulate_log(users=80, items=40, interactions=900, shape="clicks", seed=1).log, valid=0
    )
    alone = mw.compare({"popularity": mw.Popularity()}, split, k=3, metrics=["popularity_lift", "recall"])
    page = as_html(alone, title="one")
    assert "leads with recall@3" in page
    assert "<section id=differences>" not in page
    assert "<section id=fits>" in page
    none = mw.compare({"als": mw.ExplicitALS()}, split, k=3, metrics=["recall"])
    page = as_html(none, title="none")
    assert "No method leads" in page
    assert "this log has none" in page
    assert "<svg" not in page


def test_sampled_figures_are_labelled_in_every_table_of_them() -> None:
    from matweave.evaluation.sampled_protocol import draw_candidates

    split = mw.split_leave_last_out(
        mw.simulate_log(users=100, items=60, interactions=1800, shape="clicks", seed=1).log, valid=0
    )
    lists = draw_candidates(split.train, split.test, 9, seed=0)
    found = mw.compare({"popularity": mw.Popularity(), "ease": mw.EASE()}, split, k=3, candidates=lists)
    page = as_html(found, title="sampled")
    label = "sampled (9 negatives, drawn)"
    assert label in page[page.index("class=lead") : page.index("<dl")]
    captions = re.findall(r"<caption>(.*?)</caption>", page)
    assert len(captions) >= 2
    assert all(label in caption for caption in captions)
    assert "<section id=tail>" not in page


def test_the_headline_marks_those_that_the_budget_ended(found: Comparison) -> None:
    best, second, *others = found.results
    assert "‡" not in as_html(found, title="whole")
    results = (replace(best, ended=(2, 9)), second, *(replace(r, ended=(1, 5)) for r in others))
    page = as_html(replace(found, results=results, budget=6.0), title="cut")
    lead = unescape(page[page.index("class=lead") : page.index("<dl")])
    assert f"<b>{best.name} ‡</b> leads" in lead
    assert f"‡ ended by the budget of 6 s, and judged as it was: {best.name} after epoch 2 of 9" in lead
    assert "needs values" not in lead  # only those that it names
