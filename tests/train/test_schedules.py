"""Schedules: the factor of the rate as a function of the step alone."""

from __future__ import annotations

import math
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from matweave.errors import ConfigError
from matweave.train.schedules import SCHEDULES, Schedule
from matweave.train.watchers import Moment, Rate

BY_HAND = {
    "constant": [1.0, 1.0, 1.0, 1.0],
    "linear": [1.0, 0.75, 0.5, 0.25],
    "cosine": [1.0, (1 + math.sqrt(0.5)) / 2, 0.5, (1 - math.sqrt(0.5)) / 2],
    "one_cycle": [
        0.04,
        0.04 + 0.96 * 0.25 / 0.3,
        (1 + math.cos(math.pi * 2 / 7)) / 2,
        (1 + math.cos(math.pi * 4.5 / 7)) / 2,
    ],
    "step": [1.0, 1.0, 0.1, 0.01],
}


@pytest.mark.parametrize("kind", SCHEDULES)
def test_the_factors_of_four_steps(kind: str) -> None:
    schedule = Schedule(kind=kind)
    assert [schedule.factor(step, 4) for step in range(4)] == pytest.approx(BY_HAND[kind], rel=1e-12)


@given(st.sampled_from(sorted(SCHEDULES)), st.floats(0, 0.9), st.integers(1, 400))
def test_every_step_learns_and_none_beyond_the_base_rate(kind: str, warmup: float, steps: int) -> None:
    factors = [Schedule(kind=kind, warmup=warmup).factor(step, steps) for step in range(steps)]
    assert all(0 < f <= 1 + 1e-12 for f in factors)
    if kind != "one_cycle":
        peak = factors.index(max(factors))
        assert factors[: peak + 1] == sorted(factors[: peak + 1])
        assert factors[peak:] == sorted(factors[peak:], reverse=True)


@pytest.mark.parametrize("kind", SCHEDULES)
def test_warmup_rises_evenly_and_the_rest_is_the_schedule_of_what_is_left(kind: str) -> None:
    schedule = Schedule(kind=kind, warmup=0.25)
    assert [schedule.factor(step, 40) for step in range(10)] == [(step + 1) / 10 for step in range(10)]
    plain = Schedule(kind=kind)
    assert [schedule.factor(step, 40) for step in range(10, 40)] == [plain.factor(s, 30) for s in range(30)]


def test_a_cycle_peaks_after_three_tenths() -> None:
    factors = [Schedule(kind="one_cycle").factor(step, 1000) for step in range(1000)]
    assert factors.index(max(factors)) == 300
    assert max(factors) == 1.0


def moment(**changes: Any) -> Moment:
    settings: dict[str, Any] = {
        "at": "step",
        "step": 3,
        "steps": 10,
        "epoch": 0,
        "epochs": 2,
        "loss": 1.0,
        "learning_rate": 0.1,
        "seconds": 1.0,
        "examples": 5,
        "history": (),
        "measure": "",
        "higher_is_better": False,
        "best_epoch": 0,
    }
    return Moment(**{**settings, **changes})


@pytest.mark.parametrize("at", ["start", "step", "epoch"])
def test_the_order_is_the_rate_of_the_next_step(at: str) -> None:
    assert Schedule(kind="linear")(moment(at=at)) == Rate(0.7)
    assert Schedule(kind="linear")(moment(at=at, step=0)) == Rate(1.0)


def test_after_the_last_step_there_is_no_order() -> None:
    assert Schedule(kind="linear")(moment(at="epoch", step=10)) is None
    assert Schedule(kind="linear")(moment(at="end", step=10)) is None


def test_only_what_changes_within_an_epoch_is_asked_at_every_step() -> None:
    assert not Schedule(kind="constant").each_step
    assert Schedule(kind="constant", warmup=0.1).each_step
    assert all(Schedule(kind=kind).each_step for kind in SCHEDULES if kind != "constant")


def test_settings_out_of_range_are_all_told() -> None:
    with pytest.raises(ConfigError) as error:
        Schedule(kind="cosin", warmup=0.95)
    assert "did you mean 'cosine'" in error.value.what
    assert "warmup is 0.95" in error.value.what
