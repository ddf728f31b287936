"""docs/json.md says what the JSON holds: the same keys, in the tables and in the example."""

from __future__ import annotations

import json
import re
from pathlib import Path

import matweave as mw
from matweave.app.judging import evaluation_json

PAGE = Path(__file__).resolve().parents[2] / "docs" / "json.md"


def tables() -> list[list[str]]:
    """The keys of each table of the page."""
    blocks = re.split(r"\n\n", PAGE.read_text(encoding="utf8"))
    return [re.findall(r"^\| `(\w+)` \|", block, re.M) for block in blocks if block.startswith("| key")]


def shape(value: object) -> object:
    """Kinds of values, keys of fixed objects; numbers are one kind, null fits any."""
    if isinstance(value, dict):
        return "object"
    if isinstance(value, list):
        return "array"
    return "number" if isinstance(value, (int, float)) else type(value).__name__


def test_the_page_lists_the_keys_that_there_are() -> None:
    log = mw.simulate_log(users=100, items=40, interactions=1200, shape="clicks", seed=0).log
    split = mw.split_by_time(log, valid=0)
    recipes = {"popularity": mw.Popularity(), "ease": mw.EASE(), "explicit_als": mw.ExplicitALS()}
    found = json.loads(json.dumps(mw.compare(recipes, split, k=5, resamples=50).as_json(), allow_nan=False))
    outer, inner = tables()
    assert list(found) == outer
    assert len(found["results"]) == 3
    for result in found["results"]:
        assert list(result) == inner
    assert found["results"][-1]["error"].startswith("ExplicitALS predicts values")
    assert all(set(i) == {"mean", "low", "high"} for i in found["results"][0]["metrics"].values())
    part = found["results"][0]["split"]["parts"][0]
    row = next(line for line in PAGE.read_text(encoding="utf8").splitlines() if line.startswith("| `split`"))
    assert {*part, *found["results"][0]["split"]} == set(re.findall(r"`(\w+)`", row)) - {
        "split",
        "null",
        "evaluate",
    }
    model = mw.Popularity().fit(split.train)
    alone = evaluation_json(mw.evaluate(model, split.test, k=5, resamples=50), model)
    assert list(alone["results"][0]) == inner
    assert set(alone) == set(outer) - {"seed"}


def test_the_example_is_such_an_object() -> None:
    outer, inner = tables()
    example = json.loads(re.findall(r"```json\n(.*?)```", PAGE.read_text(encoding="utf8"), re.S)[0])
    assert list(example) == outer
    log = mw.simulate_log(users=100, items=40, interactions=1200, shape="clicks", seed=0).log
    real = mw.compare(
        {"ease": mw.EASE()}, mw.split_by_time(log, valid=0), metrics=["ndcg@10"], resamples=50
    ).as_json()
    for shown, there in zip(example["results"], real["results"], strict=True):
        assert list(shown) == inner
        assert {k: shape(v) for k, v in shown.items()} == {k: shape(v) for k, v in there.items()}
