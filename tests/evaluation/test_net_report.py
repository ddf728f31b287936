"""The whole file: needs nothing from outside, runs nothing, escapes what it is given, and stands with little or much."""

from __future__ import annotations

import re
import sys
from html.parser import HTMLParser
from pathlib import Path

import numpy as np
import pytest

from matweave.data.targets import Targets
from matweave.errors import MissingExtra
from matweave.evaluation.net_report import lead, write_net_report
from matweave.evaluation.net_report_examples import HardExample
from matweave.evaluation.net_report_plots import ActivationCurve
from matweave.evaluation.predictions import judge_classes, judge_values
from matweave.train.history import Epoch, TrainHistory

NASTY = '<script>alert("x")</script></style> $\\frac$ & 推荐'
VOID = {"meta", "br", "wbr", "img", "hr"}
X = np.linspace(-2, 2, 9)


def judged(names: tuple[str, ...] = ("a", "b", NASTY), n: int = 90, seed: int = 0):
    rng = np.random.default_rng(seed)
    codes = np.arange(n) % len(names)
    p = rng.dirichlet(np.ones(len(names)), n) * 0.5 + 0.5 * np.eye(len(names))[codes]
    return judge_classes(p, Targets(values=codes, classes=names))


def history() -> TrainHistory:
    epochs = tuple(
        Epoch(
            epoch=e,
            step=e,
            loss=1 / e,
            measures={"accuracy": 0.5, NASTY: 0.1},
            learning_rate=0.1 / e,
            seconds=1.0,
        )
        for e in (1, 2, 3)
    )
    return TrainHistory(
        epochs=epochs, stopped=NASTY, best_epoch=2, measure="accuracy", seconds=3.0, examples=50
    )


@pytest.fixture(scope="module")
def page(tmp_path_factory: pytest.TempPathFactory) -> str:
    said = dict(truth=NASTY, predicted="b", probability=0.9, name=NASTY)
    hard = [
        HardExample(kind="image", content=np.zeros((1, 4, 4), np.uint8), **said),
        HardExample(kind="sequence", content=np.arange(6.0), **said),
        HardExample(kind="text", content=NASTY, **said),
        HardExample(kind="row", content={NASTY: NASTY}, **said),
    ]
    path = write_net_report(
        tmp_path_factory.mktemp("report") / "report.html",
        title=NASTY,
        judged=judged(),
        history=history(),
        facts={NASTY: NASTY, "network": "cnn"},
        balance=[NASTY],
        hard=hard,
        activations=[ActivationCurve(name=NASTY, x=X, before=X, after=2 * X)],
        sheet="<svg class=sheet-made-elsewhere></svg>",
        notes=[NASTY],
    )
    return path.read_text(encoding="utf-8")


class Nesting(HTMLParser):
    """Every element closed in order, ids once, local links lead somewhere; the words of the page."""

    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []
        self.ids: list[str] = []
        self.links: list[str] = []
        self.problems: list[str] = []
        self.words: list[str] = []
        self.tags: set[str] = set()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.add(tag)
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
            if name == "href" and value and not value.startswith("data:"):
                self.links.append(value.removeprefix("#"))
            self.links.extend(re.findall(r"url\(#([^)]*)\)", value or ""))
            if name.startswith("on"):
                self.problems.append(name)


def parsed(page: str) -> Nesting:
    seen = Nesting()
    seen.feed(page)
    return seen


def test_the_page_is_well_formed_and_its_links_lead_within_it(page: str) -> None:
    seen = parsed(page)
    assert seen.problems == []
    assert seen.open == []
    assert len(seen.ids) == len(set(seen.ids))
    assert seen.links
    assert set(seen.links) <= set(seen.ids)


def test_nothing_comes_from_outside_and_nothing_runs(page: str) -> None:
    assert not re.search(r"https?:|//[a-z]|@import|<script|<link|url\((?!#)", page)
    assert set(re.findall(r'src="([^"]{22})', page)) == {"data:image/png;base64,"}
    assert "script" not in parsed(page).tags


def test_whatever_is_given_is_shown_and_never_becomes_markup(page: str) -> None:
    assert "".join(parsed(page).words).count(NASTY) >= 12
    assert page.count("<style>") == page.count("</style>") == 1
    assert "<svg class=sheet-made-elsewhere></svg>" in page


def test_the_styles_of_cards_and_matrix_are_in_the_head(page: str) -> None:
    style = page[page.index("<style>") : page.index("</style>")]
    for name in ("table.confusion", ".cards", ".meter", "--accent", "prefers-color-scheme:dark"):
        assert name in style


def test_every_section_stands_with_its_heading_in_order(page: str) -> None:
    names = [
        "metrics", "training", "confusion", "classes", "calibration", "hardest", "activations", "sheet", "data", "read",
    ]  # fmt: skip
    assert re.findall(r"<section id=(\w+)>", page) == names
    assert re.findall(r"<a href='#(\w+)'>", page) == names
    assert page.count("<svg role=") == 4  # training, calibration, the sequence, activations


def test_a_report_of_numbers_has_its_own_sections(tmp_path: Path) -> None:
    values = np.random.default_rng(0).normal(size=80)
    path = write_net_report(tmp_path / "r.html", title="t", judged=judge_values(values + 0.1, values))
    page = path.read_text(encoding="utf-8")
    assert re.findall(r"<section id=(\w+)>", page) == ["metrics", "values", "read"]
    assert "<dl class=facts" not in page
    seen = parsed(page)
    assert (seen.problems, seen.open) == ([], [])


def test_the_first_sentence_tells_the_number_its_interval_and_what_to_compare_with() -> None:
    one = judged(("x", "y"), n=91)
    said = lead(one).markup.replace("\N{NO-BREAK SPACE}", " ")
    found = one.metrics["accuracy"]
    assert f"<b>{100 * found.mean:.2f} %</b> of 91 examples are classified correctly" in said
    assert f"(95 % interval {100 * found.low:.2f} % to {100 * found.high:.2f} %)" in said
    assert f"{91 - round(found.mean * 91)} are not" in said
    assert "Always answering “x”, the most common of 2 classes, would be right for 50.55 %" in said
    values = np.random.default_rng(0).normal(10, 3, 200)
    two = judge_values(values + 1, values)
    said = lead(two).markup.replace("\N{NO-BREAK SPACE}", " ")
    assert "of 200 examples are typically off by <b>1.0000</b> (RMSE, 95 % interval 1.0000 to 1.0000)" in said
    assert f"off by {two.constant:.4f}" in said
    assert f"R² is <b>{two.metrics['r2'].mean:.4f}</b> (95 % interval" in said


def test_what_cannot_be_known_is_said() -> None:
    said = lead(judge_values(np.array([1.0, 2.0]), np.array([3.0, 3.0]))).markup
    assert "There is no R²" in said
    alone = lead(
        judge_classes(np.array([[0.2, 0.8]]), Targets(values=np.array([0]), classes=("a", "b")))
    ).markup
    assert "interval" not in alone
    assert "1 is not" in alone
    exact = lead(judge_values(np.arange(3.0), np.arange(3.0))).markup
    assert "off by <b>0.00000</b>" in exact


def test_the_same_findings_give_the_same_file(tmp_path: Path) -> None:
    once, again = (
        write_net_report(tmp_path / name, title="t", judged=judged(), history=history()).read_bytes()
        for name in ("a.html", "b.html")
    )
    assert once == again


def test_without_matplotlib_nothing_is_written_and_the_mend_is_the_extra(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    with pytest.raises(MissingExtra, match="matplotlib") as caught:
        write_net_report(tmp_path / "r.html", title="t", judged=judged())
    assert "matweave[report]" in caught.value.mend
    assert list(tmp_path.iterdir()) == []
