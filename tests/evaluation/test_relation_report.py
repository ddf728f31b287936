"""The report of relations: components by name, H shaded by what it scores, escaped, with nothing from outside."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import pytest

import matweave as mw
from matweave.data.relations import Relations
from matweave.evaluation.relation_report import (
    as_html,
    components_of,
    heat_map,
    weighed,
    write_relation_report,
)


def planted() -> Relations:
    """Two groups of four; the first leads to the second, never back."""
    names = [f"a{k}" for k in range(4)] + [f"b{k}" for k in range(4)]
    rows = [(x, "leads", y) for x in names[:4] for y in names[4:]]
    return mw.read_relations([*rows, ("a0", "<knows>", "a1")])


@pytest.fixture(scope="module")
def model():
    return mw.RESCAL(rank=2, regularization=0.01, core_regularization=0.01, epochs=20).fit(planted())


def test_cells_between_components_add_up_to_the_scores(model) -> None:
    w = model.entity_factors.astype(np.float64)
    lengths = np.linalg.norm(w, axis=0)
    signs = np.sign(w[np.abs(w).argmax(axis=0), np.arange(2)])
    unit = w / lengths * signs
    np.testing.assert_allclose(unit @ weighed(model, 0) @ unit.T, model.scores(0), atol=1e-5)


def test_components_are_named_by_their_strongest_entities(model) -> None:
    parts = components_of(model)
    assert sum(part.size for part in parts) == 8
    for part in parts:
        column = np.abs(model.entity_factors[:, part.code])
        strongest = model.entities.to_list()[int(column.argmax())]
        assert part.name == f"{part.code + 1} · {', '.join(part.strongest[:2])}"
        assert part.strongest[0] == strongest


def test_the_report_is_whole_escaped_and_by_itself(model, tmp_path: Path) -> None:
    judged = mw.evaluate_relations(model, planted())
    at = write_relation_report(tmp_path / "r.html", model, title="a < b", train=planted(), judged=judged)
    page = at.read_text()
    assert "<h1>a &lt; b</h1>" in page
    assert "&lt;knows&gt; (1 triples)" in page
    assert "<knows>" not in page
    assert not re.search(r"https?://|<script", page)
    for heading in ("How good it is", "Who leads to whom", "Components", "How to read this"):
        assert f"{heading}</h2>" in page
    assert "→" in page
    assert "SymmetricNMF" in page


def test_a_report_of_many_shows_the_heaviest() -> None:
    rng = np.random.default_rng(0)
    cells = np.unique(rng.integers(0, 14 * 30 * 30, 900))
    many = Relations.from_codes(cells // 30 % 30, cells // 900, cells % 30, n_entities=30, n_kinds=14)
    model = mw.RESCAL(rank=20, regularization=0.1, core_regularization=0.1, epochs=2).fit(many)
    page = as_html(model, title="", train=None, judged=None, facts={"from": "me"})
    assert "The 12 relations with the most triples, of 14." in page
    assert "The 14 heaviest of 20 components." in page
    assert page.count("heads ↓ tails →") == 12
    assert "<dt>from</dt>" in page


def test_cells_are_shaded_by_their_size_and_sign() -> None:
    markup = heat_map(np.array([[2.0, -1.0], [0.0, 0.5]]), ["<x>", "y"]).markup
    assert 'class="hit strong" style="--w:1.000">2.00<' in markup
    assert 'class="miss" style="--w:0.500">−1.00<' in markup
    assert "&lt;x&gt;" in markup
    assert heat_map(np.zeros((1, 1)), ["x"]).markup.count("<td") == 1
