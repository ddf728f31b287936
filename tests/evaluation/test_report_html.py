"""Text stays text, tables say which cell is which, the page closes what it opens."""

from __future__ import annotations

from html import unescape

from hypothesis import given
from hypothesis import strategies as st

from matweave.evaluation.report_html import (
    STYLE,
    Html,
    bullets,
    figure,
    page,
    paragraph,
    section,
    table,
    text,
)


@given(st.text())
def test_any_text_comes_back_and_holds_no_markup(words: str) -> None:
    made = text(words)
    assert unescape(made) == words or "\r" in words or "\x00" in words
    assert not set("<>\"'") & set(made)


def test_a_table_names_rows_and_columns_and_sets_numbers_right() -> None:
    made = table(
        ["method", "<n>"], [["a&b", 1.5], [Html("<b>c</b>"), 2]], numbers=[1], caption="all <of> it"
    ).markup
    assert "<caption>all &lt;of&gt; it</caption>" in made
    assert "<th scope=col class=n>&lt;n&gt;</th>" in made
    assert "<th scope=row>a&amp;b</th><td class=n>1.5</td>" in made
    assert "<th scope=row><b>c</b></th>" in made
    assert made.count("<tr>") == 3


def test_paragraphs_leave_out_what_is_empty() -> None:
    assert paragraph("a", "", "b<", kind="note").markup == "<p class=note>a b&lt;</p>"
    assert bullets([]).markup == ""
    assert bullets(["x"], ordered=True).markup == "<ol><li>x</li></ol>"


def test_a_page_holds_its_parts_in_order() -> None:
    parts = [section("one", "First & best", figure("<svg></svg>", "c<")), section("two", "Second")]
    made = page("t<", Html("<h1>h</h1>"), parts, "foot<")
    for piece in (
        "<!doctype html>",
        "<title>t&lt;</title>",
        "<h1>h</h1>",
        "First &amp; best",
        "Second",
        "foot&lt;",
    ):
        assert made.count(piece) == 1
        made = made[made.index(piece) :]


def test_every_colour_has_a_light_and_a_dark_form_and_print_is_light() -> None:
    light = STYLE.split("@media (prefers-color-scheme:dark)")[0]
    dark = STYLE.split("@media (prefers-color-scheme:dark)")[1].split("@media print")[0]
    names = {word.split(":")[0] for word in light.replace(";", " ").split() if word.startswith("--")}
    assert len(names) >= 15
    for name in names:
        assert f"{name}:" in dark
        assert f"{name}:" in STYLE.split("@media print")[1]


def luminance(colour: str) -> float:
    parts = [int(colour[i : i + 2], 16) / 255 for i in (1, 3, 5)]
    linear = [c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in parts]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


def test_text_and_lines_stand_out_from_the_paper() -> None:
    """WCAG 2.2: 4.5 for text, 3 for graphics."""
    light, dark = STYLE.split("@media (prefers-color-scheme:dark)")[:2]
    for style in (light, dark.split("@media print")[0]):
        found = dict(w.rstrip(";").split(":") for w in style.replace(";", "; ").split() if w.startswith("--"))
        colours = {
            name: "#" + "".join(2 * c for c in v[1:]) if len(v) == 4 else v[:7] for name, v in found.items()
        }
        paper = luminance(colours["--paper"])
        for name, least in {"--ink": 7, "--muted": 4.5, "--accent": 4.5, "--bad": 4.5}.items():
            assert contrast(luminance(colours[name]), paper) >= least, name
        for n in range(1, 9):
            assert contrast(luminance(colours[f"--series-{n}"]), paper) >= 4.5


def contrast(a: float, b: float) -> float:
    return (max(a, b) + 0.05) / (min(a, b) + 0.05)
