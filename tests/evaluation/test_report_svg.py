"""Inlined figures: the page's colours, identifiers of their own, no address, and a clear error without matplotlib."""

from __future__ import annotations

import sys
from typing import Any
from xml.etree import ElementTree

import pytest

from matweave.errors import MissingExtra
from matweave.evaluation.report_svg import ACCENT, INK, SERIES, drawn, inlined


def line(figure) -> None:
    axis = figure.subplots()
    axis.plot([0, 1], [0, 1], "o-", color=SERIES[0])
    axis.set_title("$a_1$ <b> & 推荐", color=ACCENT)


def test_a_figure_takes_its_colours_from_the_page() -> None:
    made = drawn(line, height=2, name="f", label='a "label" <')
    for name in ("series-1", "accent", "muted", "line"):
        assert f"var(--{name})" in made
    assert INK[:5] not in made
    assert "http" not in made
    assert "<style" not in made
    root = ElementTree.fromstring(made)
    assert root.get("aria-label") == 'a "label" <'
    assert root.get("role") == "img"
    assert root.get("width") is None
    assert root.get("viewBox")
    assert "$a_1$ <b> & 推荐" in [text.text for text in root.iter("text")]


def test_every_identifier_has_the_prefix_and_every_reference_finds_one() -> None:
    root = ElementTree.fromstring(drawn(line, height=2, name="f", label="x"))
    ids = [e.get("id") for e in root.iter() if e.get("id")]
    assert len(ids) == len(set(ids))
    assert all(str(i).startswith("f-") for i in ids)
    used = [str(e.get("href"))[1:] for e in root.iter() if e.get("href")]
    used += [str(e.get("clip-path"))[5:-1] for e in root.iter() if e.get("clip-path")]
    assert len(used) >= 3
    assert set(used) <= set(ids)


def test_drawing_leaves_the_settings_of_matplotlib_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    import matplotlib as mpl

    monkeypatch.delitem(sys.modules, "matplotlib.pyplot", raising=False)
    names = ("font.size", "svg.fonttype", "text.parse_math")  # the whole of them would resolve the backend
    before = [mpl.rcParams[name] for name in names]
    assert drawn(line, height=2, name="f", label="x") == drawn(line, height=2, name="f", label="x")
    assert [mpl.rcParams[name] for name in names] == before
    assert "matplotlib.pyplot" not in sys.modules


def test_foreign_elements_and_styles_are_dropped() -> None:
    svg = b"""<svg xmlns="http://www.w3.org/2000/svg" xmlns:r="http://example.org/r" width="1pt">
    <metadata><r:x/></metadata><style>*{fill:red}</style><r:y/><g><r:z/><path d="M 0 0"/></g></svg>"""
    root = ElementTree.fromstring(inlined(svg, "n", "l"))
    assert [e.tag for e in root.iter()] == ["svg", "g", "path"]


def test_without_matplotlib_the_mend_is_the_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    with pytest.raises(MissingExtra) as error:
        drawn(line, height=2, name="f", label="x")
    assert error.value.mend == "pip install 'matweave[report]'"


def test_a_crowded_figure_is_drawn_without_a_warning(recwarn: pytest.WarningsRecorder) -> None:
    def crowd(figure: Any) -> None:
        axis = figure.subplots()
        for n in range(60):
            axis.plot([0, 1], [0, n], label=f"method {n}")
        axis.legend(loc="center left", bbox_to_anchor=(1.01, 0.5), title="x" * 400)

    assert drawn(crowd, height=1.0, name="c", label="crowd").startswith("<svg")
    assert not recwarn.list
