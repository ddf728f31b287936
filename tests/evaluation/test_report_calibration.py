"""The section on intervals: the shares that were judged, to the digit; nothing where no method has a variance."""

from __future__ import annotations

import numpy as np
import pytest

import matweave as mw
from matweave.evaluation.comparison import Comparison
from matweave.evaluation.report import as_html
from matweave.evaluation.report_calibration import SHOWN, calibration, curves
from matweave.metrics.uncertainty import LEVELS


@pytest.fixture(scope="module")
def found() -> Comparison:
    log = mw.simulate_log(users=100, items=50, interactions=1500, seed=2).log
    recipes = {"als": mw.ExplicitALS(rank=3, epochs=4), "mf": mw.BiasedMF(rank=3, epochs=2)}
    return mw.compare(recipes, mw.split_by_time(log, valid=0), metrics=["rmse", "crps"], resamples=50)


def test_every_share_shown_is_the_one_judged(found: Comparison) -> None:
    made = "".join(part.markup for part in calibration(found))
    judged = next(r.evaluation for r in found.results if r.name == "als")
    assert judged is not None
    assert judged.judged.inside is not None
    for level, share in zip(LEVELS, judged.judged.inside, strict=True):
        if level in SHOWN:
            assert f"<td class=n>{share:.1%}</td>" in made
    assert "<th scope=row>als</th>" in made
    assert "<th scope=row>mf</th>" not in made
    assert "How sure, and how rightly" in as_html(found, title="t")


def test_without_a_variance_there_is_no_section(found: Comparison) -> None:
    from dataclasses import replace

    bare = replace(found, results=tuple(r for r in found.results if r.name == "mf"))
    assert calibration(bare) == []
    assert "How sure" not in as_html(bare, title="t")


def test_the_figure_names_every_method_and_is_the_same_text_twice() -> None:
    shares = {"one": np.array(LEVELS), "two": np.array(LEVELS) ** 2}
    made = curves(shares, "a < b")
    assert made == curves(shares, "a < b")
    assert 'aria-label="a &lt; b"' in made
    assert ">one<" in made
    assert ">two<" in made
