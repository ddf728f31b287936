"""The matrix, the table of classes and the words about calibration: what they show is what was judged."""

from __future__ import annotations

import re

import numpy as np
import pytest

from matweave.data.targets import Targets
from matweave.evaluation import net_report_classes as sections
from matweave.evaluation.predictions import judge_classes
from matweave.evaluation.predictions_judged import ClassesJudged


def judged(k: int, n: int = 600, right: float = 0.8, said: float = 0.8, names=None) -> ClassesJudged:
    """A network that is right in a share of cases and says another share; mistakes go to the next class."""
    rng = np.random.default_rng(0)
    codes = rng.integers(0, k, n)
    guess = np.where(rng.random(n) < right, codes, (codes + 1) % k)
    p = np.full((n, k), (1 - said) / (k - 1))
    p[np.arange(n), guess] = said
    return judge_classes(p, Targets(values=codes, classes=names or tuple(f"<{c}>" for c in range(k))))


def markup(parts) -> str:
    return "".join(p.markup for p in parts)


def cells(html: str) -> list[list[str]]:
    """Counts of the matrix, without heads and sums."""
    body = html[html.index("<tbody>") : html.index("</tbody>")]
    return [re.findall(r"<td(?! class=sum)[^>]*>([^<]*)</td>", row) for row in body.split("</tr>")[:-1]]


@pytest.mark.parametrize("k", [2, 3, 25])
def test_the_matrix_holds_every_count_where_it_belongs(k):
    found = judged(k)
    shown = cells(markup(sections.confusion(found)))
    read = [[int(c.replace(",", "") or 0) for c in row] for row in shown]
    assert read == found.confusion.tolist()
    assert markup(sections.confusion(found)).count("&lt;1&gt;") >= 2


def test_the_matrix_shades_by_shares_of_the_row():
    found = markup(sections.confusion(judged(3)))
    hits = [float(w) for w in re.findall(r'class="hit[^"]*" style="--w:([\d.]+)"', found)]
    misses = [float(w) for w in re.findall(r'class="miss[^"]*" style="--w:([\d.]+)"', found)]
    assert len(hits) == len(misses) == 3
    for at, row in enumerate(judged(3).confusion):
        assert hits[at] == pytest.approx(0.08 + 0.87 * row[at] / row.sum(), abs=0.006)
    assert all(0 < m < h for m, h in zip(misses, hits, strict=True))
    strong = re.findall(r'class="(?:hit|miss) strong" style="--w:([\d.]+)"', found)
    assert strong
    assert all(float(w) > 0.67 for w in strong)


def test_few_classes_stand_large_and_many_small_with_upright_heads():
    long = tuple(f"category {i}" for i in range(20))
    assert "confusion small" in markup(sections.confusion(judged(2)))
    assert " class=up" not in markup(sections.confusion(judged(3, names=long[:3])))
    assert " class=up" in markup(sections.confusion(judged(20, names=long)))
    assert "confusion wide" in markup(sections.confusion(judged(20, names=long)))


def test_beyond_twenty_five_classes_mistakes_are_listed_instead():
    found = judged(26, n=4000)
    html = markup(sections.confusion(found))
    assert "class='confusion" not in html
    first = found.confused(1)[0]
    row = html[html.index("<tbody>") :].split("</tr>")[0]
    assert f"{first[2]:,}</td>" in row
    assert first[0].strip("<>") in row
    assert html.count("<tr>") == 21
    assert "20 most frequent mistakes between 26 classes" in html
    assert "No example was taken" in markup(sections.confusion(judged(26, right=1.0)))


def test_the_commonest_mistakes_are_told_in_words():
    found = judged(3, names=("cat", "dog", "cow"))
    truth, predicted, count = found.confused(1)[0]
    support = int(found.per_class.support[found.classes.index(truth)])
    assert f"Most often mistaken: {truth} for {predicted} ({count} of {support});" in markup(
        sections.confusion(found)
    )
    assert "No example was taken for another class." in markup(sections.confusion(judged(3, right=1.0)))


def test_every_class_has_its_row_and_what_does_not_exist_is_a_dash():
    p = np.array([[0.8, 0.1, 0.1], [0.2, 0.7, 0.1]])
    found = judge_classes(p, Targets(values=np.array([0, 0]), classes=("a", "b", "c")))
    rows = markup(sections.by_class(found)).split("<tr>")[2:]
    assert [re.findall(r"<td class=n>([^<]*)</td>", row) for row in rows] == [
        ["2", "1", "1.000", "0.500", "0.667"],
        ["0", "1", "0.000", "–", "0.000"],
        ["0", "0", "–", "–", "–"],
    ]
    assert [re.findall(r"width:([\d.]+)%", row) for row in rows] == [["66.7"], ["0.0"], []]


def test_of_many_classes_the_worst_are_shown():
    found = judged(80, n=8000)
    html = markup(sections.by_class(found))
    assert html.count("<th scope=row>") == 60
    assert "The 60 of 80 classes with the lowest F1" in html
    worst = int(np.argmin(found.per_class.f1))
    assert f"&lt;{worst}&gt;" in html.split("<tr>")[2]
    best = int(np.argmax(found.per_class.f1))
    assert f"<th scope=row>&lt;{best}&gt;</th>" not in html


def test_calibration_in_words_follows_the_planted_error():
    honest, sure, shy = judged(3), judged(3, said=0.95), judged(3, said=0.6)
    assert "mean what they say" in sections.calibration_said(honest)
    assert sections.calibration_in_short(honest) == "Its probabilities can be taken at their word."
    assert "The network is too sure:" in sections.calibration_said(sure)
    assert "too shy" in sections.calibration_said(shy)
    for one in (sure, shy):
        assert f"{100 * one.reliability.error:.1f} points" in sections.calibration_said(one)
        assert f"{100 * one.reliability.error:.1f} points" in sections.calibration_in_short(one)
        assert f"up to {one.chance_error:.4f}" in sections.calibration_said(one)
    # half of the examples too sure, half too shy
    p = np.repeat([[0.95, 0.05], [0.6, 0.4]], 500, axis=0)
    codes = np.r_[np.arange(500) % 5 == 0, np.arange(500) % 20 == 0].astype(int)
    both = judge_classes(p, Targets(values=codes, classes=("a", "b")))
    assert "both too sure and too shy" in sections.calibration_said(both)


def test_calibration_has_its_figure():
    html = markup(sections.calibration(judged(3)))
    assert html.count("<svg role=") == 1
    assert "of 600 examples" in html
