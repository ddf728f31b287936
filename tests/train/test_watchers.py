"""Watchers' orders from planted histories; that the loop follows them is tests/train/test_run.py."""

from __future__ import annotations

import json
import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from matweave.errors import ConfigError
from matweave.train.history import Epoch
from matweave.train.watchers import (
    Converged,
    EarlyStop,
    Every,
    Moment,
    Plateau,
    Rate,
    Record,
    Save,
    Stop,
    Timely,
    Watcher,
)


def history(
    values: Sequence[float] = (), losses: Sequence[float] | None = None, name: str = "score"
) -> tuple[Epoch, ...]:
    losses = [1.0] * len(values) if losses is None else losses
    values = values if values else [math.nan] * len(losses)
    return tuple(
        Epoch(
            epoch=at,
            step=4 * at,
            loss=loss,
            measures={name: value} if name else {},
            learning_rate=0.1,
            seconds=float(at),
        )
        for at, (value, loss) in enumerate(zip(values, losses, strict=True), 1)
    )


def moment(done: tuple[Epoch, ...] = (), at: str = "epoch", **changes: Any) -> Moment:
    settings: dict[str, Any] = {
        "at": at,
        "step": 4 * len(done),
        "steps": 40,
        "epoch": len(done),
        "epochs": 10,
        "loss": done[-1].loss if done else math.nan,
        "learning_rate": 0.1,
        "seconds": 1.0,
        "examples": 8,
        "history": done,
        "measure": "score",
        "higher_is_better": True,
        "best_epoch": 0,
    }
    return Moment(**{**settings, **changes})


# early stopping


@pytest.mark.parametrize(
    ("best", "epochs", "stops"), [(1, 3, False), (1, 4, True), (3, 5, False), (2, 9, True)]
)
@pytest.mark.parametrize("at", ["start", "epoch"])
def test_early_stopping_waits_for_patience(best: int, epochs: int, stops: bool, at: str) -> None:
    order = EarlyStop(patience=3)(moment(history([0.5] * epochs), at, best_epoch=best))
    assert order == (Stop("early stopping") if stops else None)


@pytest.mark.parametrize("at", ["step", "end"])
def test_early_stopping_speaks_between_epochs_only(at: str) -> None:
    assert EarlyStop(patience=1)(moment(history([0.5] * 9), at, best_epoch=1)) is None


def test_early_stopping_before_the_first_epoch_and_without_a_measure() -> None:
    assert EarlyStop(patience=1)(moment(at="start")) is None
    with pytest.raises(ConfigError, match="the task has none"):
        EarlyStop(patience=1)(moment(at="start", measure=""))


# plateau


def scale(values: Sequence[float], *, higher: bool = True, **settings: Any) -> float:
    order = Plateau(**settings)(moment(history(values), higher_is_better=higher))
    assert isinstance(order, Rate)
    return order.factor


PLATEAUS = {
    "rising": ([1, 2, 3, 4, 5, 6], 1.0),
    "flat once": ([1, 2, 2, 2], 0.5),
    "not yet": ([1, 2, 2], 1.0),
    "counted anew": ([2, 1, 1, 1], 0.5),
    "twice": ([2, 1, 1, 1, 1], 0.25),
    "a new best between": ([2, 1, 3, 1, 1], 0.5),
    "below the best is no best": ([5, 1, 2, 3, 4], 0.25),
    "down to the least": ([2] + [1] * 40, 0.01),
    "not a number": ([2, math.nan, math.nan], 0.5),
}


@pytest.mark.parametrize("case", PLATEAUS)
def test_plateaus_cut_the_rate(case: str) -> None:
    values, wanted = PLATEAUS[case]
    settings = {"patience": 2, "factor": 0.5, "least": 0.01}
    assert scale(values, **settings) == wanted
    assert scale([-v for v in values], higher=False, **settings) == wanted


def test_a_plateau_of_the_training_loss_where_nothing_is_measured() -> None:
    done = history(losses=[3.0, 2.0, 2.0, 2.5, 1.0], name="")
    for higher in (True, False):  # a loss is better when lower, whatever the measure would be
        asked = moment(done, measure="", higher_is_better=higher)
        assert Plateau(patience=2, factor=0.125)(asked) == Rate(0.125)


def test_a_plateau_is_a_function_of_the_history_alone() -> None:
    done, watcher = history([3, 1, 1, 1, 4, 1, 1]), Plateau(patience=2, factor=0.5)
    told = [watcher(moment(done[:n])) for n in range(len(done) + 1)]
    assert [watcher(moment(done[:n], at="start")) for n in reversed(range(len(done) + 1))] == told[::-1]
    assert watcher(moment(done, at="step")) is None


# convergence


@pytest.mark.parametrize(
    ("losses", "stops"),
    [
        ([1.0, 1.0, 1.0, 1.0], True),
        ([9.0, 1.0, 1.0, 1.0, 1.0], True),
        ([1.0, 1.0, 1.0], False),  # three losses are two falls
        ([1.0, 0.9, 0.9, 0.9], False),
        ([1.0, 1.0, 1.0, 0.9], False),
        ([1.0, 1.0 - 9e-4, 1.0 - 18e-4, 1.0 - 27e-4], True),
        ([1.0, 2.0, 3.0, 4.0], False),  # a rise is not flat
        ([0.0, 0.0, 0.0, 0.0], True),
        ([-1.0, -1.0, -1.0, -1.0], True),
    ],
)
def test_convergence_is_a_loss_that_stays(losses: list[float], stops: bool) -> None:
    watcher = Converged(tolerance=1e-3, epochs=3)
    done = history(losses=losses, name="")
    assert watcher(moment(done)) == watcher(moment(done, "start")) == (Stop("converged") if stops else None)
    assert watcher(moment(done, "step")) is None


# checkpoints


@pytest.mark.parametrize(
    ("settings", "at", "step", "saves"),
    [
        ({}, "epoch", 8, True),
        ({}, "step", 3, False),
        ({"steps": 3}, "step", 6, True),
        ({"steps": 3}, "step", 7, False),
        ({"steps": 3}, "epoch", 8, True),
        ({"steps": 3, "epochs": False}, "epoch", 8, False),
        ({"steps": 3, "epochs": False}, "epoch", 12, True),
        ({"steps": 3}, "start", 3, False),
        ({"steps": 3}, "end", 12, False),
        ({}, "end", 12, False),
    ],
)
def test_checkpoints_are_kept_when_due(settings: dict[str, Any], at: str, step: int, saves: bool) -> None:
    assert Every(**settings)(moment(at=at, step=step)) == (Save() if saves else None)


def test_every_asks_for_steps_only_where_it_counts_them() -> None:
    assert Every(steps=5).each_step
    assert not Every().each_step


def saves(watcher: Watcher, *moments: tuple[str, int, float]) -> list[bool]:
    return [watcher(moment(at=at, step=step, seconds=s)) == Save() for at, step, s in moments]


def test_timely_saves_the_first_epoch_and_then_by_the_clock() -> None:
    asked = [("start", 0, 0.0), ("step", 1, 1.0), ("epoch", 2, 2.0), ("epoch", 4, 11.0), ("epoch", 6, 12.0)]
    assert saves(Timely(seconds=10), *asked) == [False, False, True, False, True]


def test_timely_saves_within_a_long_first_epoch() -> None:
    asked = [("start", 0, 0.0), ("step", 1, 9.0), ("step", 2, 10.0), ("step", 3, 19.0), ("epoch", 4, 19.5)]
    assert saves(Timely(seconds=10), *asked) == [False, False, True, False, False]


def test_timely_counts_from_where_a_run_goes_on() -> None:
    asked = [("start", 7, 100.0), ("epoch", 8, 105.0), ("step", 9, 110.0), ("end", 10, 130.0)]
    assert saves(Timely(seconds=10), *asked) == [False, False, True, False]


def test_timely_serves_one_run_after_another() -> None:
    watcher = Timely(seconds=10)
    asked = [("start", 0, 0.0), ("epoch", 1, 1.0), ("epoch", 2, 2.0)]
    assert saves(watcher, *asked) == saves(watcher, *asked) == [False, True, False]


# the record


def lines(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]


def test_the_record_is_a_line_for_each_epoch(tmp_path: Path) -> None:
    done = history([0.5, math.nan, math.inf])
    path = tmp_path / "log.jsonl"
    record = Record(path=path, facts={"net": "café", "rate": math.nan})
    record(moment(at="start"))
    assert lines(path) == []
    for n in (1, 2, 3):
        record(moment(done[:n], at="step"))
        record(moment(done[:n]))
    record(moment(done, at="end"))
    found = lines(path)
    assert found[0] == {
        "epoch": 1,
        "step": 4,
        "loss": 1.0,
        "learning_rate": 0.1,
        "seconds": 1.0,
        "score": 0.5,
        "net": "café",
        "rate": None,
    }
    assert [line["score"] for line in found] == [0.5, None, None]
    assert "NaN" not in path.read_text()


def test_a_resumed_record_holds_every_epoch_once(tmp_path: Path) -> None:
    done = history([0.1, 0.2, 0.3, 0.4])
    path = tmp_path / "log.jsonl"
    record = Record(path=path)
    record(moment(at="start"))
    for n in (1, 2, 3):
        record(moment(done[:n]))
    with path.open("a") as file:
        file.write('{"epoch": 4, "st')  # killed while it wrote
    Record(path=path)(moment(done[:2], at="start"))  # the checkpoint was of the second epoch
    for n in (3, 4):
        Record(path=path)(moment(done[:n]))
    assert [(line["epoch"], line["score"]) for line in lines(path)] == [
        (1, 0.1),
        (2, 0.2),
        (3, 0.3),
        (4, 0.4),
    ]


@pytest.mark.parametrize(
    ("name", "facts", "told"), [("loss", {}, "'loss'"), ("score", {"score": 1, "step": 2}, "'score', 'step'")]
)
def test_a_column_of_two_meanings_is_refused(
    name: str, facts: dict[str, object], told: str, tmp_path: Path
) -> None:
    record = Record(path=tmp_path / "log.jsonl", facts=facts)
    with pytest.raises(ConfigError, match=f"two columns have one name: {told}"):
        record(moment(history([0.5], name=name)))


# settings


@pytest.mark.parametrize(
    ("watcher", "settings", "problems"),
    [
        (EarlyStop, {"patience": 0}, 1),
        (Plateau, {"patience": 0, "factor": 0.0, "least": 2.0}, 3),
        (Plateau, {"factor": 1.5}, 1),
        (Converged, {"tolerance": 0.0, "epochs": 0}, 2),
        (Every, {"steps": 0, "epochs": 1}, 2),
        (Every, {"steps": 1.5}, 1),
    ],
)
def test_settings_out_of_range_are_all_told(watcher: Any, settings: dict[str, Any], problems: int) -> None:
    with pytest.raises(ConfigError) as error:
        watcher(**settings)
    assert len(error.value.what.splitlines()) == problems
    assert all(name in error.value.what for name in settings)
