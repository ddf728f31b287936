"""Sections of a network's report: numbers and words are those of what was judged and of the history."""

from __future__ import annotations

import re

import numpy as np
import pytest
from by_hand import classification as by_hand

from matweave.data.targets import Targets
from matweave.evaluation import net_report_sections as sections
from matweave.evaluation.net_report_examples import HardExample
from matweave.evaluation.net_report_plots import ActivationCurve
from matweave.evaluation.predictions import MEASURES, judge_classes, judge_values
from matweave.evaluation.predictions_judged import ClassesJudged, ValuesJudged
from matweave.train.history import Epoch, TrainHistory


def classes(k: int = 3, n: int = 200) -> ClassesJudged:
    rng = np.random.default_rng(0)
    codes = rng.choice(k, n, p=np.arange(1, k + 1) / (k * (k + 1) / 2))
    p = rng.dirichlet(np.ones(k), n) * 0.5 + 0.5 * np.eye(k)[codes]
    return judge_classes(p, Targets(values=codes, classes=tuple(f"c{c}" for c in range(k))))


def numbers(outputs: int = 1, scale: float = 1.0) -> ValuesJudged:
    rng = np.random.default_rng(0)
    values = rng.normal(3, 2, (200, outputs)) * scale
    return judge_values(values + rng.normal(0, 0.5, (200, outputs)) * scale, values)


def history(n: int = 3, **more) -> TrainHistory:
    epochs = tuple(
        Epoch(epoch=e, step=e, loss=1 / e, measures={"accuracy": e / 10}, learning_rate=0.1, seconds=2.0 * e)
        for e in range(1, n + 1)
    )
    said = dict(best_epoch=2, measure="accuracy", higher_is_better=True, seconds=312.0, examples=1000)
    return TrainHistory(epochs=epochs, **said | more)


def markup(parts) -> str:
    return "".join(p.markup for p in parts)


def test_every_metric_has_its_row_with_its_direction():
    for judged in (classes(2), classes(12), numbers()):
        html = markup(sections.metrics(judged))
        for name, value, span in judged.rows():
            arrow = "↑" if MEASURES[name][0] else "↓"
            row = html[html.index(f"{name} {arrow}") :].split("</tr>")[0]
            assert f"<b>{value}</b>" in row
            assert span in row


@pytest.mark.parametrize("k", [2, 3, 12])
def test_without_looking_is_what_a_constant_answer_gets(k):
    judged = classes(k)
    codes = np.repeat(np.arange(k), judged.per_class.support)
    share = judged.per_class.support / judged.n
    rows = [share.tolist()] * judged.n
    found = sections._blind(judged)
    wanted = {
        name: getattr(by_hand, name)(rows, codes.tolist())
        for name in ("accuracy", "log_loss", "brier", "macro_f1", "balanced_accuracy")
    }
    wanted["top_5_accuracy"] = by_hand.top_k_accuracy(rows, codes.tolist(), 5)
    if k == 2:
        wanted["roc_auc"] = by_hand.roc_auc(rows, codes.tolist())
    for name, value in wanted.items():
        assert found[name] == pytest.approx(value), name
    flat = numbers()
    constant = judge_values(np.full_like(flat.values, flat.values.mean()), flat.values).metrics
    for name, value in sections._blind(flat).items():
        assert value == pytest.approx(constant[name].mean, abs=1e-12)


@pytest.mark.parametrize(
    ("seconds", "said"),
    [(7.25, "7.2 s"), (59.96, "60.0 s"), (312.4, "5 min 12 s"), (3600 * 2 + 301, "2 h 5 min")],
)
def test_durations_in_words(seconds, said):
    assert sections._duration(seconds) == said


def test_training_is_told_in_words_and_drawn():
    html = markup(sections.training(history()))
    assert "3 epochs of 1,000 examples in 5 min 12 s." in html
    assert "Kept: the weights of epoch 2, the best by accuracy (0.2)." in html
    assert "Learning rate 0.1 throughout." in html
    assert "Every epoch asked for was run." in html
    assert html.count("<svg role=") == 1
    assert "Ended: early stopping." in markup(sections.training(history(stopped="early stopping")))
    bare = markup(sections.training(history(measure="")))
    assert "Kept: the weights of epoch 2." in bare
    assert sections.training(None) == sections.training(TrainHistory()) == []


def test_one_epoch_is_one():
    assert "1 epoch of 1,000" in markup(sections.training(history(1, best_epoch=1)))


def test_numbers_tell_how_many_points_are_shown_and_each_output():
    one, two = markup(sections.values(numbers())), markup(sections.values(numbers(2)))
    assert "200 examples." in one
    assert "<table" not in one
    assert "output 2</th>" in two
    judged = judge_values(np.zeros(2000), np.arange(2000.0))
    assert "1,500 of 2,000 examples, drawn at random" in markup(sections.values(judged))


def test_figures_of_large_and_small_numbers_stay_readable():
    assert re.search(r"<b>[\d,]{6,}</b>", markup(sections.metrics(numbers(scale=1e5))))
    assert "e-" not in markup(sections.metrics(numbers(scale=1e-3))).split("<tbody>")[1]
    exact = judge_values(np.arange(5.0), np.arange(5.0))
    assert "<b>0</b>" in markup(sections.metrics(exact))


def test_the_hardest_say_what_makes_them_so():
    one = HardExample(kind="text", content="x", truth="a", predicted="b", probability=0.5, name="n")
    assert "greatest log loss" in markup(sections.hardest([one] * 24, classes()))
    assert "greatest squared error" in markup(sections.hardest([one], numbers()))
    assert sections.hardest([], classes()) == []


def test_lines_about_data_are_text_in_columns():
    html = markup(sections.data(["a<b  1", "c    2"], ["x & y"]))
    assert "<pre tabindex=0>a&lt;b  1\nc    2</pre>" in html
    assert "<li>x &amp; y</li>" in html
    assert sections.data([], []) == []
    assert "<pre" not in markup(sections.data([], ["note"]))


def test_activations_and_the_sheet_stand_only_where_there_are_any():
    x = np.linspace(-1, 1, 5)
    curve = ActivationCurve(name="layer", x=x, before=x, after=2 * x)
    assert "<svg role=" in markup(sections.activations([curve]))
    assert "<svg id=mine></svg>" in markup(sections.sheet("<svg id=mine></svg>"))
    assert sections.activations([]) == sections.sheet(None) == sections.sheet("") == []


def test_words_are_explained_that_are_used():
    html = markup(sections.reading(classes(), history()))
    assert "<dt>confidence</dt>" in html
    assert "accuracy, higher is better" in html
    assert "R²" not in html
    values = markup(sections.reading(numbers(), None))
    assert "<dt>R²</dt>" in values
    assert "validation" not in values
