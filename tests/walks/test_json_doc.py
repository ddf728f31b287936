"""docs/json.md says what the JSON holds: the same keys, in the tables and in the example."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import matweave as mw
from matweave.app.judging import evaluation_json

PAGE = Path(__file__).resolve().parents[2] / "docs" / "json.md"


def tables(about: str = "") -> list[list[str]]:
    """The keys of each table of a section of the page; the first section has no heading of its own."""
    sections = re.split(r"^## (.+)$", PAGE.read_text(encoding="utf8"), flags=re.M)
    text = dict(zip(["", *sections[1::2]], sections[::2], strict=True))[about]
    return [
        re.findall(r"^\| `(\w+)` \|", block, re.M)
        for block in text.split("\n\n")
        if block.startswith("| key")
    ]


TRAIN, EVALUATE = "`train`", "`evaluate` of a network"


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
    assert set(alone) == set(outer) - {"seed", "budget", "left_out", "attributes"}


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


@pytest.fixture
def trained(cli, tmp_path: Path) -> Callable[..., dict[str, Any]]:
    """Trains on a small table through the command line, and gives its JSON."""
    rng = np.random.default_rng(0)
    a, b = rng.normal(size=(2, 60))
    rows = [f"{x:.4f},{y:.4f},{2 * x - y:.4f},{'up' if x > y else 'down'}" for x, y in zip(a, b, strict=True)]
    (tmp_path / "t.csv").write_text("\n".join(["a,b,c,label", *rows]) + "\n")

    def run(*words: object) -> dict[str, Any]:
        words = ("train", "table", tmp_path / "t.csv", "--out", tmp_path / "m", "--epochs", 2, *words)
        code, out, err = cli(*words, "--json", "-", "-q")
        assert code == 0, err
        return json.loads(out)

    return run


def test_the_page_lists_what_train_gives(trained: Callable[..., dict[str, Any]]) -> None:
    whole, epoch = tables(TRAIN)
    found = trained()
    assert list(found) == whole
    assert [list(e) for e in found["epochs"]] == [epoch] * 2
    bare = trained("--valid", 0, "--test-share", 0)
    assert (bare["measure"], bare["test"], bare["examples"]) == (
        None,
        None,
        {"train": 60, "valid": None, "test": None},
    )
    assert bare["epochs"][0]["measures"] == {}


def test_the_page_lists_what_evaluate_gives_of_a_network(
    trained: Callable[..., dict[str, Any]], cli, tmp_path: Path
) -> None:
    every, classes, numbers = tables(EVALUATE)
    text = PAGE.read_text(encoding="utf8")
    for words, more in (((), classes), (("--target", "c"), numbers)):
        part = trained(*words)["test"]
        code, out, err = cli("evaluate", tmp_path / "m", tmp_path / "t.csv", "--json", "-", "-q")
        assert code == 0, err
        found = json.loads(out)
        assert list(found) == [*every, *more]
        assert list(found) == ["net", *part]
        assert found["n"] == 60
        for name in more:  # what each inner object holds is told in its row
            row = re.search(rf"^\| `{name}` \|.*$", text, re.M)
            assert row is not None
            inner = found[name][0] if isinstance(found[name], list) and found[name] else found[name]
            if isinstance(inner, dict):
                assert set(inner) <= set(re.findall(r"`(\w+)`", row[0])), name


def test_the_example_of_train_is_such_an_object(trained: Callable[..., dict[str, Any]]) -> None:
    example = json.loads(re.findall(r"```json\n(.*?)```", PAGE.read_text(encoding="utf8"), re.S)[1])
    real = trained()
    assert list(example) == list(real)
    assert {k: shape(v) for k, v in example.items()} == {k: shape(v) for k, v in real.items()}
    assert list(example["epochs"][0]) == list(real["epochs"][0])
    assert list(example["examples"]) == list(real["examples"])
    for name in ("settings", "training", "test"):
        assert set(example[name]) <= set(real[name])
